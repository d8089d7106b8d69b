//! A window that is not settled yet, or that another run copies, is waited for within the call. Each call is three
//! events of an execution's history, which holds 25,000, so a thousand windows cannot be asked about every minute.
//!
//! Nor can each of a thousand be waited for: an execution waits as long as it gets on. Once it has copied nothing for
//! an hour, it says of each window what stands in its way.

use crate::windows;
use postgres::sql_error::classify;
use sluice::Result;
use sluice::contract::Execution;
use sqlx::PgConnection;
use std::time::Duration;

/// Between two looks.
pub(crate) const PAUSE: Duration = Duration::from_secs(5);

/// What is left of a call's time for the copy itself: a window of the largest size takes three minutes, see
/// `MAX_WINDOW_BYTES`.
pub(crate) const FOR_THE_COPY: Duration = Duration::from_secs(240);

/// Whether the execution has begun within the last hour, or copied a window of the table `target` since.
///
/// # Errors
/// As [`classify`].
pub(crate) async fn is_worth_it(connection: &mut PgConnection, execution: &Execution, target: &str) -> Result<bool> {
    let failed = |error| classify("look whether the execution gets on", error);
    let is_young: bool = sqlx::query_scalar("select $1::timestamptz > clock_timestamp() - interval '1 hour'")
        .bind(&execution.started_at)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if is_young || !windows::exists(connection).await? {
        return Ok(is_young);
    }
    sqlx::query_scalar(
        "select exists (
             select from sluice.windows
             where job = $1 and target = $2 and execution = $3 and copied_at > clock_timestamp() - interval '1 hour'
         )",
    )
    .bind(&execution.job)
    .bind(target)
    .bind(&execution.id)
    .fetch_one(connection)
    .await
    .map_err(failed)
}
