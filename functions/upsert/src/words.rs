//! `on_overlap: all_files` and `newest_file`: a table beside the target keeps the word of each file on each key, which
//! is what its rows with that key come to. A run replaces the words of its files, and finds anew what the target holds
//! for the affected keys only; so neither late files nor corrected ones nor repetitions change the result.
//!
//! # Layout
//! - `table`: the table of words.
//! - `files`: the run's files.
//! - `replace`: from the words before to those after the run.
//! - `repeated`: files that say what others say.
//! - `total`: from words to rows of the target.

mod files;
mod repeated;
mod replace;
mod table;
mod total;

pub(crate) use table::{Words, drop_words};

use crate::load::Load;
use crate::merged::Merged;
use crate::staging;
use crate::start::Start;
use crate::target::Target;
use sluice::Result;
use sluice::store::Store;
use sqlx::PgConnection;
use tracing::warn;

/// Loads a run. Returns how many rows were staged, and what that did.
///
/// # Errors
/// `Misconfigured` if the target has rows on which no file has a word, `InvalidSource` if a file says what another one
/// says; others as [`staging::stage`].
pub(crate) async fn load(
    connection: &mut PgConnection,
    store: &Store,
    target: &Target<'_>,
    load: &Load<'_>,
    start: &Start,
) -> Result<(u64, Merged)> {
    let words = Words::new(target)?;
    words.ensure_table(connection, start).await?;
    files::stage(connection, store.bucket(), load.results).await?;
    let rows_staged = staging::stage(connection, store, target, load.results).await?;

    let mut merged = Merged::default();
    merged.are_partial(&replace::partial_keys(connection, target).await?);
    let repeated = repeated::replace_others(connection, &words, store.bucket(), start).await?;
    for file in repeated.files() {
        let note = file.note(store.bucket());
        warn!("{note}");
        merged.notes.push(note);
        merged.bad += 1;
    }
    merged.files_repeated = repeated.own_keys(store.bucket());
    total::merge(connection, &words, start, &mut merged).await?;
    Ok((rows_staged, merged))
}
