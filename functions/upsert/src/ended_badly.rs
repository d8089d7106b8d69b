//! Runs that ended badly, as detection hands them on: written down with a load, for the history alone. It is a part of
//! the loading transaction, so what is tried again or killed adds nothing twice; but it never makes a load fail.

use crate::runs::Run;
use postgres::sql_error::classify;
use sluice::contract::EndedBadly;
use sluice::{Error, Kind, Result};
use sqlx::{Connection, PgConnection};
use tracing::{info, warn};

/// Of a run that has loaded, and failed behind that, the row is there and says now how it ended. Names of executions
/// may be used again after 90 days, so one of another day is another one. What the load before has written down stays
/// as it is, but for the name of an error that was not known then. They are detected when they were started: that is
/// before this run, whatever reads the order; less a microsecond, so that it is that of no load, which has whole
/// milliseconds.
const RECORD: &str = "
    with handed as (
        select * from jsonb_to_recordset($1::jsonb)
            as handed (execution text, status text, started_at timestamptz, ended_at timestamptz, error text)
    ), loaded as (
        update sluice.runs as run set status = handed.status, ended_at = handed.ended_at, error = handed.error
        from handed
        where run.execution = handed.execution and run.status = 'LOADED'
          and run.started_at between handed.started_at - interval '1 day' and handed.started_at + interval '1 day'
    ), named as (
        update sluice.runs as run set error = handed.error
        from handed
        where run.execution = handed.execution and run.status = handed.status and run.error is null
          and handed.error is not null
          and run.started_at between handed.started_at - interval '1 day' and handed.started_at + interval '1 day'
    )
    insert into sluice.runs (execution, job, target, started_at, detected_at, committed_at, status, ended_at, error,
        files, files_changed, rows_read, rows_rejected, rows_staged, rows_inserted, rows_updated, rows_unchanged)
    select execution, $2, $3, started_at, started_at - interval '1 microsecond', null::timestamptz, status, ended_at, error, 0, 0, 0, 0, 0, 0, 0, 0
    from handed
    where not exists (
        select from sluice.runs as run
        where run.execution = handed.execution
          and run.started_at between handed.started_at - interval '1 day' and handed.started_at + interval '1 day')
    order by execution
    on conflict do nothing";

/// Writes down those of the run's own state machine that are not yet.
///
/// # Errors
/// As [`classify`], if the connection is lost.
pub(crate) async fn record(connection: &mut PgConnection, run: &Run<'_>, ended: &[EndedBadly]) -> Result<()> {
    let is_other =
        |ended: &&EndedBadly| ended.is_of(&run.execution.state_machine) && ended.execution != run.execution.id;
    let ended: Vec<&EndedBadly> = ended.iter().filter(is_other).collect();
    if ended.is_empty() {
        return Ok(());
    }
    let text = serde_json::to_string(&ended)
        .map_err(|error| Error::caused(Kind::InvariantBroken, "write down runs that ended badly", error))?;
    // With a savepoint: a statement that fails ends a transaction, and this one is to load all the same.
    let begin = connection.begin().await;
    let mut savepoint = begin.map_err(|error| classify("begin to write down runs that ended badly", error))?;
    let written = sqlx::query(RECORD)
        .bind(text)
        .bind(&run.execution.job)
        .bind(run.target)
        .execute(&mut *savepoint)
        .await
        .map_err(|error| classify("write down runs that ended badly", error));
    let ended = match written {
        Ok(written) => {
            info!(runs.ended_badly = written.rows_affected(), "runs that ended badly written down");
            savepoint.commit().await
        }
        Err(error) => {
            warn!(error.kind = %error.kind(), "runs that ended badly are left to the next load: {error}");
            savepoint.rollback().await
        }
    };
    ended.map_err(|error| classify("end writing down runs that ended badly", error))
}
