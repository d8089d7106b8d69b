//! How a load begins: is the target what detection assumed, and is it loaded for the first time?

use crate::load::Load;
use postgres::targets::{self, Known};
use sluice::contract::{Loaded, Manifest};
use sluice::spec::OnOverlap;
use sluice::{Error, Kind, Result};
use sqlx::PgConnection;

/// How a load begins.
#[derive(Debug)]
pub(crate) struct Start {
    /// The generation that the target has after it.
    pub generation: String,
    /// When the run of that generation detected that it comes after; none if it begins with nothing.
    pub after: Option<String>,
    /// By its record, nothing is loaded yet.
    pub is_new: bool,
    /// What all keys come to is worked out, not only what those of the run's files do.
    pub finds_all: bool,
    /// It becomes what the files of this run say, and nothing else.
    pub is_reload: bool,
    /// It has rows, but by no record of this job.
    pub is_unrecorded: bool,
    /// Words that are kept are not of this job, or not of this reading or mode, or are to go.
    pub drops_words: bool,
}

impl Start {
    /// Begins a load whose manifest assumes what the target is. The ledger's entries of a generation before say nothing
    /// of a table that is loaded from nothing, or anew; where the words of files are kept, it is the same one still.
    /// `lacked_columns`: the table lacked columns that were loaded.
    ///
    /// # Errors
    /// As [`targets::has_words_of_earlier_version`] and [`targets::new_generation`].
    pub(crate) async fn new(
        connection: &mut PgConnection,
        known: &Known,
        load: &Load<'_>,
        lacked_columns: bool,
    ) -> Result<Self> {
        let manifest = load.manifest;
        let (loaded, is_reload) = (known.record().loaded, manifest.reload);
        let is_new = loaded.is_none();
        let is_unrecorded = known.has_rows && known.written.is_none();
        let has_own_words = match &known.written {
            Some(Loaded { print, .. }) => {
                let is_elsewhere = print.selection.is_of_other_bucket(&manifest.print.selection);
                // Words of another mode may bear marks that this one does not know of.
                print.holds_for(&manifest.print) && !is_elsewhere
            }
            None => targets::has_words_of_earlier_version(connection, &load.spec.target, &load.input.execution).await?,
        };
        let drops_words = is_reload || !has_own_words;
        // The words of a table that was emptied stay, also those of files that are gone from the bucket by now: the
        // ledger must go on to know these, or a change of the spec would drop them untold.
        let written = known.written.as_ref().filter(|_| !drops_words && manifest.print.on_overlap.keeps_words());
        let (generation, after) = match loaded.as_ref().filter(|_| !is_reload).or(written) {
            Some(loaded) => (loaded.generation.clone(), Some(loaded.detected_at.clone())),
            None => (targets::new_generation(connection).await?, None),
        };
        let finds_all = is_new || lacked_columns;
        Ok(Self { generation, after, is_new, finds_all, is_reload, is_unrecorded, drops_words })
    }
}

/// Whether what is loaded is what the manifest assumes, so that the files of the run are the new ones; and whether it
/// was loaded by such a spec, if it is to be kept.
pub(crate) fn is_as_assumed(loaded: Option<&Loaded>, manifest: &Manifest) -> bool {
    let Some(loaded) = loaded else { return manifest.assumed.is_none() };
    let is_assumed = manifest.assumed.as_ref().is_some_and(|assumed| {
        (&assumed.generation, &assumed.detected_at) == (&loaded.generation, &loaded.detected_at)
    });
    let (there, here) = (&loaded.print, &manifest.print);
    let is_alike = there.holds_for(here) && !there.selection.is_of_other_bucket(&here.selection);
    is_assumed && (is_alike || manifest.reload)
}

/// Refuses a reload that cannot be all of what there is.
///
/// # Errors
/// `StaleRun` if a file changed meanwhile; `Misconfigured` if nobody asked for it, and nothing is kept by which to tell
/// what would be lost.
pub(crate) fn refuse_reload(load: &Load<'_>) -> Result<()> {
    let Load { manifest, results, spec, .. } = load;
    if !manifest.reload {
        return Ok(());
    }
    if let Some(changed) = results.changed() {
        let what = format!("{changed}; a reload takes all files or none: start again");
        return Err(Error::new(Kind::StaleRun, what));
    }
    let is_known = match spec.target.on_overlap {
        OnOverlap::AllFiles | OnOverlap::NewestFile => true,
        // A row that is set aside may have won before.
        OnOverlap::NewestRow => !results.sets_aside(),
        OnOverlap::LastRun => false,
    };
    if manifest.is_reload_by_itself && !is_known {
        let what = format!(
            "target {}: with on_overlap {} a reload has to be asked for: {{\"reload\": true}}",
            spec.target.full_name(),
            spec.target.on_overlap.as_str()
        );
        return Err(Error::new(Kind::Misconfigured, what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::tests::spec;
    use sluice::spec::Print;

    fn loaded(generation: &str, detected_at: &str, print: &Print) -> Loaded {
        Loaded { generation: generation.to_owned(), detected_at: detected_at.to_owned(), print: print.clone() }
    }

    #[test]
    fn what_is_loaded_has_to_be_what_was_assumed() {
        let print = spec("t", "all_files").print("lake", "in/");
        let (otherwise, moved) =
            (Print { reading: "other".to_owned(), ..print.clone() }, spec("t", "all_files").print("lake", "x/"));
        let mode = spec("t", "newest_file").print("lake", "in/");
        let elsewhere = spec("t", "all_files").print("pond", "in/");
        let allowing = Print { allows_repeated: true, ..print.clone() };
        let here = loaded("g", "1", &print);
        for (is, assumed, reload, expected) in [
            (None, None, false, true),
            (None, Some(here.clone()), false, false),
            (None, Some(here.clone()), true, false),
            (Some(here.clone()), None, false, false),
            (Some(here.clone()), Some(here.clone()), false, true),
            (Some(here.clone()), Some(loaded("h", "1", &print)), false, false),
            (Some(here.clone()), Some(loaded("g", "2", &print)), false, false),
            // Another selection is no other reading.
            (Some(loaded("g", "1", &moved)), Some(here.clone()), false, true),
            (Some(loaded("g", "1", &otherwise)), Some(here.clone()), false, false),
            (Some(loaded("g", "1", &otherwise)), Some(here.clone()), true, true),
            (Some(loaded("g", "1", &mode)), Some(here.clone()), false, false),
            (Some(loaded("g", "1", &mode)), Some(here.clone()), true, true),
            (Some(loaded("g", "1", &allowing)), Some(here.clone()), false, false),
            (Some(loaded("g", "1", &allowing)), Some(here.clone()), true, true),
            (Some(loaded("g", "1", &elsewhere)), Some(here.clone()), false, false),
            (Some(loaded("g", "1", &elsewhere)), Some(here), true, true),
        ] {
            let manifest = Manifest {
                detected_at: "3".to_owned(),
                new_file_count: 0,
                new_bytes: 0,
                skipped: Default::default(),
                assumed,
                print: print.clone(),
                reload,
                is_reload_by_itself: false,
                ended_badly: Vec::new(),
                batches: Vec::new(),
            };
            assert_eq!(is_as_assumed(is.as_ref(), &manifest), expected, "{is:?} {manifest:?}");
        }
    }
}
