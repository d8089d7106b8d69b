//! Are all windows of the plan in the target? The first one that is not decides how the execution ends.

use crate::catalogue::Table;
use crate::kept;
use crate::mapping::{Cursor, CursorType, fingerprint};
use crate::sequences;
use crate::session::{Sessions, Side};
use crate::windows::{self, Owner};
use postgres::identifiers::quoted;
use sluice::contract::Execution;
use sluice::contract::copy_table::{ConcludeOutput, Mode, Plan, Purpose, Spec, WindowResult};
use sluice::{Error, Kind, Result};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use std::time::Duration;

/// What an execution came to.
#[derive(Debug)]
pub struct Concluded {
    /// The sums.
    pub output: ConcludeOutput,
    /// The windows that are missing or differ, by their index.
    pub failed: BTreeMap<u32, Why>,
}

/// Why a window is missing, or differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// As the Map has it, with the error of this name.
    Failed(String),
    /// The Map says nothing of it, and nobody has recorded it.
    Unanswered,
    /// It was copied, but the table no longer has the rows that were recorded.
    Changed {
        /// How many were recorded.
        recorded: u64,
        /// How many there are now.
        there: u64,
    },
}

/// Looks at what the iterations of the Map say, and at what is recorded. `origin` is the database that is read, as
/// [`Database::name`](postgres::connect::Database::name) has it.
///
/// # Errors
/// Those of the database.
pub async fn conclude(
    target: &mut PgConnection,
    execution: &Execution,
    spec: &Spec,
    origin: &str,
    plan: &Plan,
    results: &[WindowResult],
    time_left: Duration,
) -> Result<Concluded> {
    Sessions::planning(execution).prepare(target, Side::Target, time_left).await?;
    let mut failed: BTreeMap<u32, Why> = results
        .iter()
        .filter_map(|result| result.error.as_ref().map(|error| (result.index, Why::Failed(error.clone()))))
        .collect();
    let indexes = 0..u32::try_from(plan.windows.len()).expect("a plan has at most 1,000 windows");
    let (target_name, fingerprint) = (spec.target_name(), fingerprint(spec, origin)?);
    let mut output = ConcludeOutput::default();
    if plan.purpose == Purpose::Load {
        let table = Table::read(target, &spec.target.schema, &spec.target.table).await?;
        let owner =
            Owner { job: &execution.job, target: &target_name, fingerprint: &fingerprint, table_oid: table.oid };
        let is_recorded = match windows::exists(target).await? {
            true => {
                output = owner.sums(target, execution).await?;
                let asked: Vec<_> = plan.windows.iter().map(|planned| planned.window.clone()).collect();
                owner.recorded_of(target, &asked).await?
            }
            false => vec![false; plan.windows.len()],
        };
        for (index, _) in indexes.zip(is_recorded).filter(|(_, is_recorded)| !is_recorded) {
            failed.entry(index).or_insert(Why::Unanswered);
        }
        for (index, why) in changed(target, spec, plan, &table, &owner).await? {
            failed.entry(index).or_insert(why);
        }
        if spec.target.mode == Mode::Replace && failed.is_empty() {
            output.sequences = sequences::offers(target, &table).await?;
        }
    } else {
        let answered = |index: &u32| results.iter().any(|result| result.index == *index);
        for index in indexes.filter(|index| !answered(index)) {
            failed.entry(index).or_insert(Why::Unanswered);
        }
    }
    output.purpose = plan.purpose;
    if plan.purpose != Purpose::Load {
        output.rows_newer = results.iter().map(|result| result.rows_newer).sum();
    }
    output.rows_only_at_target = results.iter().map(|result| result.rows_only_at_target).sum();
    output.windows = plan.windows.len().saturating_sub(failed.len()) as u64;
    Ok(Concluded { output, failed })
}

/// The windows that are recorded, but no longer as they were copied. Only in the mode that keeps windows: rows move
/// from one to the other in the mode `upsert`, and the mode `replace` has none.
async fn changed(
    target: &mut PgConnection,
    spec: &Spec,
    plan: &Plan,
    table: &Table,
    owner: &Owner<'_>,
) -> Result<Vec<(u32, Why)>> {
    let Some(windows) = spec.windows.as_ref().filter(|_| spec.target.mode == Mode::ReplaceWindow) else {
        return Ok(Vec::new());
    };
    let column = table.column(&windows.cursor);
    let Some(of_target) = column.and_then(|column| CursorType::of(table, column)) else { return Ok(Vec::new()) };
    if !windows::exists(target).await? {
        return Ok(Vec::new());
    }
    let cursor = Cursor {
        name: quoted(&windows.cursor)?,
        source: if plan.cursor_is_date { CursorType::Date } else { of_target },
        target: of_target,
        is_nullable: true,
    };
    let name = format!("{}.{}", quoted(&spec.target.schema)?, quoted(&spec.target.table)?);
    // In their places: a plan of windows has no other.
    let asked: Vec<_> = plan.windows.iter().filter_map(|planned| planned.window.clone()).collect();
    let changed = kept::changed(target, owner, (&name, &cursor, &windows.zone), &asked).await?;
    let indexed = changed.into_iter().filter_map(|changed| {
        let why = Why::Changed { recorded: changed.recorded, there: changed.there };
        u32::try_from(changed.place).ok().map(|index| (index, why))
    });
    Ok(indexed.collect())
}

/// The kind of an error by its name on the wire; what has none of ours ended without an answer.
pub fn kind(name: &str) -> Kind {
    Kind::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(Kind::TransientFailure)
}

/// The error that an execution ends with.
pub fn error(spec: &Spec, plan: &Plan, failed: usize, kind: Kind, cause: &str) -> Error {
    let what = match plan.purpose {
        Purpose::Load => "are missing",
        Purpose::Verify | Purpose::DryRun => "are not equal, or could not be compared",
    };
    let (target, count) = (spec.target_name(), plan.windows.len());
    Error::new(kind, format!("{failed} of {count} windows of {target} {what}; the first one: {cause}"))
}
