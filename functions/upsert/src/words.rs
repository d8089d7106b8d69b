//! `on_overlap: all_files` and `newest_file`: a table beside the target keeps the word of each file on each key, which
//! is what its rows with that key come to. A run replaces the words of its files, and finds anew what the target holds
//! for the affected keys only; so neither late files nor corrected ones nor repetitions change the result. What a file
//! says that repeats another one is kept with the others, but does not count as long as it does.
//!
//! # Layout
//! - `table`: the table of words.
//! - `replace`: from the words before to those after the run.
//! - `loss`: what a reload that nobody asked for would lose.
//! - `pairs`: files that say the same of a key.
//! - `repeated`: files that say what others say, and do not count.
//! - `alike`: files that say what others say of half of what they share, and count.
//! - `total`: from words to rows of the target.

mod alike;
mod loss;
mod pairs;
mod repeated;
mod replace;
mod table;
mod total;

pub(crate) use table::{Words, columns, drop_words, table_name};

use crate::files;
use crate::fitting;
use crate::load::Load;
use crate::merged::Merged;
use crate::staging;
use crate::start::Start;
use crate::target::Target;
use sluice::Result;
use sluice::spec::OnOverlap;
use sluice::store::Store;
use sqlx::PgConnection;
use tracing::warn;

/// Loads a run. Returns how many rows were staged; what that did is in `merged`.
///
/// # Errors
/// `Misconfigured` if the target has rows on which no file has a word, was loaded from another bucket, or would lose
/// something by a reload that nobody asked for; `InvalidSource` if a file says what another one says; others as
/// [`staging::stage`].
pub(crate) async fn load(
    connection: &mut PgConnection,
    store: &Store,
    target: &Target<'_>,
    load: &Load<'_>,
    start: &Start,
    merged: &mut Merged,
) -> Result<u64> {
    let words = Words::new(target)?;
    files::stage(connection, store.bucket(), load.results).await?;
    let rows_staged = staging::stage(connection, store, target, load.results, merged).await?;
    replace::mark_groups(connection, &words).await?;
    if load.manifest.is_reload_by_itself {
        loss::refuse(connection, &words, store.bucket(), load, merged).await?;
    }
    words.ensure_table(connection, start).await?;
    words.refuse_other_bucket(connection, store.bucket()).await?;

    if start.finds_all && !start.is_new {
        let note = "the table had lost columns that were loaded, so what all its keys come to was worked out again";
        merged.notes.push(note.to_owned());
    }
    merged.are_partial(&replace::partial_keys(connection, &words).await?);
    let has_come_again = replace::replace(connection, &words).await?;
    let repeats = repeated::find_totals(connection, &words, store.bucket(), start, merged).await?;
    for (note, keys) in repeats.notes(store.bucket(), merged.key_columns) {
        warn!("{note}");
        merged.note(note, &keys);
    }
    (merged.bad, merged.repeated) = (repeats.bad_count(), repeats.own_count());
    fitting::fit(connection, target, total::TOTALS, fitting::Of::Values, merged).await?;
    // With all_files, files that come for the first time only add to what others say.
    let is_newest_file = target.spec.target.on_overlap == OnOverlap::NewestFile;
    if !start.is_new && (is_newest_file || has_come_again || merged.bad > 0 || start.is_reload) {
        merged.got_smaller(&total::smaller_keys(connection, &words).await?);
    }
    total::merge(connection, &words, start, merged).await?;
    Ok(rows_staged)
}
