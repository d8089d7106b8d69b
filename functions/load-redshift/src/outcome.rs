//! What the end of a batch means.

use crate::batch::{Load, Rows, Statement};
use crate::guards::Guard;
use redshift::failure::{self, classify};
use sluice::contract::mysql_to_redshift::LoadCounts;
use sluice::{Error, Kind};

/// What a finished batch did, by the rows that its statements report.
pub fn counts(load: &Load<'_>, statements: &[Statement], rows: &[i64]) -> LoadCounts {
    let sum = |what: Rows| {
        let parts = statements.iter().zip(rows).filter(|(statement, _)| statement.rows == what);
        parts.map(|(_, rows)| u64::try_from(*rows).unwrap_or_default()).sum::<u64>()
    };
    let rows_gone = sum(Rows::Gone);
    let is_whole = !statements.iter().any(|statement| statement.rows == Rows::Inserted);
    LoadCounts {
        rows: load.export.rows,
        // The whole table is copied into its place.
        rows_inserted: if is_whole { load.export.rows - rows_gone.min(load.export.rows) } else { sum(Rows::Inserted) },
        rows_deleted: sum(Rows::Deleted),
        rows_unchanged: sum(Rows::Unchanged),
        rows_newer: sum(Rows::Newer),
        rows_gone,
        answers_lost: 0,
    }
}

/// What the failure of a batch means.
#[derive(Debug)]
pub enum Failure {
    /// It was loaded before, and the answer was lost.
    AlreadyLoaded,
    /// It is not loaded.
    Error(Error),
}

/// What the error of a batch means; `attempt` counts the batches of this load, from 0.
pub fn failure(load: &Load<'_>, attempt: u32, error: &str) -> Failure {
    let target = load.plan.target.join(".");
    let window = load.window.window.as_ref().map_or_else(|| "the whole table".to_owned(), ToString::to_string);
    let what = format!("{target}, {window}");
    let Some((name, count)) = failure::guard(error) else {
        return Failure::Error(classify(&format!("load {what}"), error));
    };
    let rows = load.export.rows;
    let said =
        |kind: Kind, text: String| Failure::Error(Error::new(kind, format!("{what}: {text}; nothing was loaded")));
    // What does not add up is tried once more, for the storage's sake.
    let mismatch = if attempt == 0 { Kind::TransientFailure } else { Kind::InvariantBroken };
    match Guard::ALL.into_iter().find(|guard| guard.name() == name) {
        Some(Guard::AlreadyLoaded) => Failure::AlreadyLoaded,
        Some(Guard::Stale) => said(
            Kind::StaleRun,
            format!("{count} loads are recorded whose rows were read after {}", load.export.exported_at),
        ),
        Some(Guard::Returns) => said(
            Kind::StaleRun,
            format!(
                "{count} loads are recorded whose rows were read later and of windows that were not over when this one was \
                 read, at {}; a row that went there and was deleted could come back: load this window again",
                load.export.exported_at
            ),
        ),
        Some(Guard::Past) => {
            let before = load.window.past.as_ref().map(|past| past.bounds.join(" to ")).unwrap_or_default();
            said(
                Kind::StaleRun,
                format!("depends_on_past, and the window before it, from {before}, is not loaded: load that first"),
            )
        }
        Some(Guard::Shrinks) => said(
            Kind::Misconfigured,
            format!(
                "it has {count} rows and would lose more than {} % of them, for {rows} were read; if that is right, raise \
                 target/max_shrink_percent",
                load.plan.max_shrink_percent
            ),
        ),
        Some(Guard::RowsLoaded) => said(mismatch, format!("{count} rows arrived of the {rows} that were read")),
        Some(Guard::SumsDiffer) => said(mismatch, "the values of a column do not add up to what was read".to_owned()),
        Some(Guard::NullKey) => said(Kind::InvalidSource, format!("{count} rows have no key")),
        Some(Guard::DuplicateKeys) => {
            said(Kind::InvalidSource, format!("{count} keys come twice, so the key is not unique in MySQL"))
        }
        Some(Guard::KeyAudit) => said(
            Kind::Misconfigured,
            format!("{count} of the keys to be loaded are in it twice: delete the rows that are too many"),
        ),
        None => said(Kind::InvariantBroken, format!("an unknown guard {name}")),
    }
}
