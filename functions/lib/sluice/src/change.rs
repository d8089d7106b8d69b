//! What has changed between what is loaded and the job of now, and what a run does about it: section 9 of the spec's
//! reference. Pure.
//!
//! What is loaded is known from two places. The target's own record, beside the table, is right by nature, but is not
//! asked where the database would have to be opened for that. The document in the bucket says the same as of the last
//! run that loaded; upsert compares what was assumed by it with the record, and has this decided again by that.

use crate::contract::{Loaded, Record, keys};
use crate::spec::{OnOverlap, Print};

/// What an operator does where a run cannot go on by itself.
const RELOAD: &str =
    "start a run by hand with {\"reload\": true}, which makes the table what the files selected now say";

/// What is known of what is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What the target's own record says; `None` if the database was not asked.
    pub record: Option<&'a Record>,
    /// What the document in the bucket says, if there is one.
    pub document: Option<&'a Loaded>,
}

/// How a run finds what is new.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// By date and ledger: nothing has changed that matters.
    Nothing,
    /// By the ledger alone: all objects are looked at, not only those since the last success.
    FullLook {
        /// Because of this.
        why: String,
        /// Files that are loaded, or were before the table was emptied, must still be selected.
        selects_loaded: bool,
    },
    /// All files are, and the table becomes what they say.
    Reload {
        /// Because of this.
        why: String,
        /// Files that are loaded must still be there and selected.
        finds_loaded: bool,
    },
    /// An operator has to decide.
    Refused(String),
}

/// Whether a record is older than the document, which S3 says was written at `written_at`, RFC 3339 in whole seconds:
/// this run has waited for the lock, and another one has loaded meanwhile. The record would look as if the table had
/// lost something; by the document, upsert finds whether it has.
pub fn is_outdated(record: &Record, written_at: Option<&str>) -> bool {
    record.asked_at.as_deref().zip(written_at).is_some_and(|(asked_at, written_at)| asked_at < written_at)
}

impl<'a> Known<'a> {
    /// What is taken to be loaded into the target of `now`: the record if it was asked, else the document.
    pub fn assumed(&self, now: &Print) -> Option<&'a Loaded> {
        let loaded = match self.record {
            Some(record) => record.loaded.as_ref(),
            None => self.document,
        };
        loaded.filter(|loaded| loaded.print.target == now.target)
    }

    /// What was loaded into the target of `now`, of which its record, if that was asked, says that nothing is left: the
    /// table is gone or was emptied, or the database is another one.
    pub fn lost(&self, now: &Print) -> Option<&'a Loaded> {
        self.record.filter(|record| record.loaded.is_none())?;
        self.document.filter(|document| document.print.target == now.target)
    }

    /// Whether words that outlive a lost table may be of files that `now` no longer selects: they would count again.
    /// Those of another bucket or meaning do not outlive it.
    fn may_bring_back(&self, now: &Print) -> bool {
        self.lost(now).is_some_and(|Loaded { print, .. }| {
            now.on_overlap.keeps_words()
                && print.holds_for(now)
                && !print.selection.is_of_other_bucket(&now.selection)
                && !print.selection.selects_as(&now.selection)
        })
    }

    /// What was loaded into the target of `now`, if its record says that it was restored from a time before the last
    /// load; and the `detected_at` of the last run that the target knows of.
    pub fn restored(&self, now: &Print) -> Option<(&'a Loaded, &'a str)> {
        let there = self.record?.loaded.as_ref()?;
        let is_later = |document: &&Loaded| {
            document.print.target == now.target
                && document.generation == there.generation
                && document.detected_at > there.detected_at
        };
        self.document.filter(is_later).map(|document| (document, there.detected_at.as_str()))
    }

    /// How a run by the spec of `now` finds what is new.
    pub fn change(&self, now: &Print, is_reload_asked: bool) -> Change {
        if is_reload_asked {
            return Change::Reload { why: "as was asked for".to_owned(), finds_loaded: false };
        }
        let table = &now.target;
        let Some(assumed) = self.assumed(now) else {
            let selects_loaded = self.may_bring_back(now);
            let why = match selects_loaded {
                false => format!("nothing is recorded as loaded into {table}"),
                true => format!(
                    "{table} has lost what was loaded into it, of which the schema sluice may have the words still, and \
                     the prefix, source.suffix or source.read_hidden changed"
                ),
            };
            return Change::FullLook { why, selects_loaded };
        };
        if assumed.print.selection.is_of_other_bucket(&now.selection) {
            let (before, after) = (&assumed.print.selection.bucket, &now.selection.bucket);
            return Change::Refused(format!(
                "{table} was loaded from the bucket {before}, and this job reads from {after}: what the files of both \
                 say would be in it; {RELOAD}"
            ));
        }
        if assumed.print.on_overlap != now.on_overlap {
            let (before, after) = (assumed.print.on_overlap.as_str(), now.on_overlap.as_str());
            let what = format!("/target/on_overlap is {after}, and {table} was loaded by {before}; {RELOAD}");
            return Change::Refused(what);
        }
        if assumed.print.reading != now.reading {
            return match now.on_overlap {
                OnOverlap::LastRun => Change::Refused(format!(
                    "format, columns or shape changed since {table} was loaded, and on_overlap last_run keeps nothing by \
                     which to correct what it holds; {RELOAD}"
                )),
                OnOverlap::AllFiles | OnOverlap::NewestFile | OnOverlap::NewestRow => Change::Reload {
                    why: "since the spec's format, columns, shape or newest_by changed".to_owned(),
                    finds_loaded: true,
                },
            };
        }
        // The files that are loaded were not compared with one another. The other way round nothing has to be read.
        if assumed.print.allows_repeated && !now.allows_repeated {
            let why = format!("since /target/on_repeated_file is fail, and {table} was loaded by allow");
            return Change::Reload { why, finds_loaded: true };
        }
        let is_same = |document: &&Loaded| {
            (&document.generation, &document.detected_at) == (&assumed.generation, &assumed.detected_at)
        };
        // After the last load, a look at all that was selected then may have found nothing new. Only the document
        // tells.
        let looked_at = self.document.filter(is_same).unwrap_or(assumed);
        if !looked_at.print.selection.selects_as(&now.selection) {
            let why = "the prefix, source.suffix or source.read_hidden changed".to_owned();
            return Change::FullLook { why, selects_loaded: true };
        }
        let knows_more =
            |document: &Loaded| document.generation != assumed.generation || document.detected_at > assumed.detected_at;
        // The last success may have been of that other table, or after the time to which this one was restored.
        if self.document.is_none_or(knows_more) {
            let why = format!("{table} is not the table that the last run loaded, or it was restored");
            return Change::FullLook { why, selects_loaded: false };
        }
        Change::Nothing
    }
}

/// What a run says that would not find files that are loaded: `which` names them, and `how` says what became of them.
pub fn refuse_loss(why: &str, which: &str, how: &str) -> String {
    format!("{why}; but files that are loaded are {how}: {which}; undo that, or {RELOAD}")
}

/// What a run says that finds no file at all for a table that has lost what was loaded into it.
pub fn refuse_nothing(now: &Print, job: &str) -> String {
    let (table, prefix, document) = (&now.target, &now.selection.prefix, keys::loaded(job));
    format!(
        "{table} has lost what was loaded into it (it is gone, was emptied or made again, lost a column, or the \
         database is another one), and no file is left under {prefix} from which to load it again; bring the files or \
         the table back, or, if the table is to begin empty, delete the object {document} from the bucket"
    )
}

/// What a run says of files that were loaded into a table which has lost that, or does not hold what was loaded after
/// `restored_to`, and that are not there any more: `which` names them.
pub fn lost_and_gone(now: &Print, restored_to: Option<&str>, which: &str) -> String {
    let what = match now.on_overlap {
        _ if restored_to.is_some() => "what they said is lost",
        OnOverlap::LastRun | OnOverlap::NewestRow => "what they said is lost",
        OnOverlap::AllFiles | OnOverlap::NewestFile => "what they said is lost unless the schema sluice still has it",
    };
    let (lost, were) = lost(now, restored_to);
    format!("{lost}; files that were {were} are gone from the bucket or no longer selected, and {what}: {which}")
}

/// The same of files that were overwritten since: only their last version can be read again.
pub fn lost_and_overwritten(now: &Print, restored_to: Option<&str>, which: &str) -> String {
    let (lost, were) = lost(now, restored_to);
    format!(
        "{lost}; files that were {were} were overwritten since, and what only a version before the last one had is \
         lost: {which}"
    )
}

/// What became of a table, and what is to be said of the files of which that matters.
fn lost(now: &Print, restored_to: Option<&str>) -> (String, &'static str) {
    let table = &now.target;
    match restored_to {
        Some(time) => (format!("{table} was restored, and knows of no load after that of {time}"), "loaded later"),
        None => (
            format!(
                "{table} has lost what was loaded into it (it is gone, was emptied or made again, lost a column, or \
                 the database is another one)"
            ),
            "loaded",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Selection;

    fn print() -> Print {
        let selection = Selection {
            bucket: "lake".to_owned(),
            prefix: "in/".to_owned(),
            suffixes: vec![".csv".to_owned()],
            read_hidden: false,
        };
        Print {
            target: "public.t".to_owned(),
            selection,
            reading: "r".to_owned(),
            on_overlap: OnOverlap::AllFiles,
            allows_repeated: false,
        }
    }

    fn loaded() -> Loaded {
        Loaded { generation: "g".to_owned(), detected_at: "2024-01-02T00:00:00.000Z".to_owned(), print: print() }
    }

    fn record(loaded: Option<Loaded>) -> Record {
        Record { loaded, asked_at: None }
    }

    #[test]
    fn a_record_that_was_asked_for_before_the_document_was_written_is_outdated() {
        let at = |asked_at: &str| Record { asked_at: Some(asked_at.to_owned()), ..record(None) };
        let written_at = Some("2024-01-02T00:00:01.000Z");
        assert!(is_outdated(&at("2024-01-02T00:00:00.999Z"), written_at));
        assert!(!is_outdated(&at("2024-01-02T00:00:01.000Z"), written_at));
        assert!(!is_outdated(&at("2024-01-02T00:00:00.999Z"), None), "there is no document");
        assert!(!is_outdated(&record(None), written_at), "it was asked for under the lock");
    }

    /// What comes of it, in a word.
    fn word(change: &Change) -> &'static str {
        match change {
            Change::Nothing => "nothing",
            Change::FullLook { selects_loaded: false, .. } => "full look",
            Change::FullLook { selects_loaded: true, .. } => "full look at what is selected",
            Change::Reload { finds_loaded: false, .. } => "reload",
            Change::Reload { finds_loaded: true, .. } => "reload of all that is loaded",
            Change::Refused(what) => {
                assert!(what.contains("{\"reload\": true}"), "{what}");
                "refused"
            }
        }
    }

    /// A change of a print.
    type Alter = fn(&mut Print);

    /// The rows of the reference's section 9, with the database asked and not.
    #[test]
    fn each_change_of_the_spec_has_its_answer() {
        let rows: [(&str, Alter, &str); 13] = [
            ("nothing that matters", |_| (), "nothing"),
            ("prefix", |print| print.selection.prefix = "in/a/".to_owned(), "full look at what is selected"),
            ("suffix", |print| print.selection.suffixes.push(".txt".to_owned()), "full look at what is selected"),
            ("read_hidden", |print| print.selection.read_hidden = true, "full look at what is selected"),
            ("reading", |print| print.reading = "s".to_owned(), "reload of all that is loaded"),
            ("on_overlap", |print| print.on_overlap = OnOverlap::NewestFile, "refused"),
            ("on_overlap", |print| print.on_overlap = OnOverlap::LastRun, "refused"),
            ("bucket", |print| print.selection.bucket = "pond".to_owned(), "refused"),
            ("bucket, from before it was written down", |print| print.selection.bucket.clear(), "nothing"),
            ("table", |print| print.target = "public.u".to_owned(), "full look"),
            (
                "table and bucket",
                |print| (print.target, print.selection.bucket) = ("public.u".to_owned(), "pond".to_owned()),
                "full look",
            ),
            (
                "reading and selection",
                |print| (print.reading, print.selection.read_hidden) = ("s".to_owned(), true),
                "reload of all that is loaded",
            ),
            (
                "table and on_overlap",
                |print| (print.target, print.on_overlap) = ("public.u".to_owned(), OnOverlap::LastRun),
                "full look",
            ),
        ];
        for (what, alter, expected) in rows {
            let mut now = print();
            alter(&mut now);
            let (document, record) = (loaded(), record(Some(loaded())));
            for record in [None, Some(&record)] {
                let known = Known { record, document: Some(&document) };
                assert_eq!(word(&known.change(&now, false)), expected, "{what}, {record:?}");
                assert_eq!(word(&known.change(&now, true)), "reload", "{what}, asked for");
            }
        }
    }

    #[test]
    fn files_that_were_allowed_to_repeat_others_are_compared_once_they_are_not() {
        let allowing = Print { allows_repeated: true, ..print() };
        let of = |before: &Print, now: &Print| {
            let document = Loaded { print: before.clone(), ..loaded() };
            word(&Known { record: None, document: Some(&document) }.change(now, false))
        };
        assert_eq!(of(&allowing, &print()), "reload of all that is loaded");
        assert_eq!(of(&print(), &allowing), "nothing");
        assert_eq!(of(&allowing, &allowing), "nothing");
    }

    #[test]
    fn last_run_cannot_be_loaded_again_by_itself() {
        let before = Loaded { print: Print { on_overlap: OnOverlap::LastRun, ..print() }, ..loaded() };
        let known = Known { record: None, document: Some(&before) };
        let now = Print { reading: "s".to_owned(), ..before.print.clone() };
        assert_eq!(word(&known.change(&now, false)), "refused");
        let now = Print { selection: Selection { read_hidden: true, ..print().selection }, ..before.print.clone() };
        assert_eq!(word(&known.change(&now, false)), "full look at what is selected");
    }

    /// What the record and the document say of the table, and what comes of it.
    #[test]
    fn a_table_that_is_not_as_it_was_is_looked_at_anew() {
        let at = |generation: &str, day: u8| Loaded {
            generation: generation.to_owned(),
            detected_at: format!("2024-01-{day:02}T00:00:00.000Z"),
            print: print(),
        };
        let asked = |loaded: Option<Loaded>| Some(record(loaded));
        for (what, record, document, expected) in [
            ("the first run", None, None, "full look"),
            ("the first run, asked", asked(None), None, "full look"),
            ("not asked", None, Some(at("g", 2)), "nothing"),
            ("as it was", asked(Some(at("g", 2))), Some(at("g", 2)), "nothing"),
            ("a run died before it wrote the document", asked(Some(at("g", 3))), Some(at("g", 2)), "nothing"),
            ("dropped, emptied, or another database", asked(None), Some(at("g", 2)), "full look"),
            ("restored", asked(Some(at("g", 1))), Some(at("g", 2)), "full look"),
            ("another database that was loaded before", asked(Some(at("f", 3))), Some(at("g", 2)), "full look"),
            ("the document was removed", asked(Some(at("g", 2))), None, "full look"),
        ] {
            let known = Known { record: record.as_ref(), document: document.as_ref() };
            assert_eq!(word(&known.change(&print(), false)), expected, "{what}");
        }
    }

    #[test]
    fn what_an_emptied_table_held_must_still_be_selected_if_it_may_come_back() {
        let (document, emptied) = (loaded(), record(None));
        let narrowed = || Selection { suffixes: vec![".txt".to_owned()], ..print().selection };
        let rows: [(&str, Alter, &str); 5] = [
            ("selection alone", |_| (), "full look at what is selected"),
            ("reading", |print| print.reading = "s".to_owned(), "full look"),
            ("on_overlap", |print| print.on_overlap = OnOverlap::NewestFile, "full look"),
            ("bucket", |print| print.selection.bucket = "pond".to_owned(), "full look"),
            ("table", |print| print.target = "public.u".to_owned(), "full look"),
        ];
        for (what, alter, expected) in rows {
            let mut now = Print { selection: narrowed(), ..print() };
            alter(&mut now);
            let known = Known { record: Some(&emptied), document: Some(&document) };
            assert_eq!(word(&known.change(&now, false)), expected, "{what}");
        }
        let last_run = Loaded { print: Print { on_overlap: OnOverlap::LastRun, ..print() }, ..loaded() };
        let now = Print { selection: narrowed(), ..last_run.print.clone() };
        let known = Known { record: Some(&emptied), document: Some(&last_run) };
        assert_eq!(word(&known.change(&now, false)), "full look", "no words are kept");
    }

    #[test]
    fn a_look_that_found_nothing_new_is_not_repeated() {
        let record = record(Some(loaded()));
        let now = Print { selection: Selection { read_hidden: true, ..print().selection }, ..print() };
        let mut document = Loaded { print: now.clone(), ..loaded() };
        let change = |document: &Loaded, now: &Print| {
            let known = Known { record: Some(&record), document: Some(document) };
            word(&known.change(now, false))
        };
        assert_eq!(change(&document, &now), "nothing");
        assert_eq!(change(&document, &print()), "full look at what is selected", "and back again");
        document.detected_at = "2024-01-01T00:00:00.000Z".to_owned();
        assert_eq!(change(&document, &now), "full look at what is selected", "a run has loaded since");
    }

    #[test]
    fn what_was_loaded_and_is_not_there_is_noticed() {
        let day = |day: u8| Loaded { detected_at: format!("2024-01-{day:02}T00:00:00.000Z"), ..loaded() };
        let (document, empty) = (day(3), record(None));
        let [restored, same] = [2, 3].map(|number| record(Some(day(number))));
        let here = print();
        let other = Print { target: "public.u".to_owned(), ..print() };
        let of = |record: Option<&Record>, now: &Print| {
            let known = Known { record, document: Some(&document) };
            (known.lost(now).is_some(), known.restored(now).map(|(_, detected_at)| detected_at.to_owned()))
        };
        assert_eq!(of(None, &here), (false, None));
        assert_eq!(of(Some(&empty), &here), (true, None));
        assert_eq!(of(Some(&same), &here), (false, None));
        assert_eq!(of(Some(&restored), &here), (false, Some("2024-01-02T00:00:00.000Z".to_owned())));
        assert_eq!((of(Some(&empty), &other), of(Some(&restored), &other)), ((false, None), (false, None)));
        let first = Known { record: Some(&empty), document: None };
        assert!(first.lost(&here).is_none() && first.restored(&here).is_none());
    }

    #[test]
    fn what_is_assumed_is_of_this_table() {
        let (document, record) = (loaded(), record(None));
        assert_eq!(Known { record: None, document: Some(&document) }.assumed(&print()), Some(&document));
        assert_eq!(Known { record: Some(&record), document: Some(&document) }.assumed(&print()), None);
        let now = Print { target: "public.u".to_owned(), ..print() };
        assert_eq!(Known { record: None, document: Some(&document) }.assumed(&now), None);
    }
}
