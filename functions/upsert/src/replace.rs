//! `on_overlap: replace`: a known key gets the values that this run's files say.

use crate::merged::Merged;
use crate::staging::STAGING;
use postgres::identifiers::Names;
use postgres::merge::{Merge, Written};
use postgres::sql_error::classify;
use sluice::Result;
use sqlx::{AssertSqlSafe, PgConnection};

/// The sums of several parts.
const SUMS: &str = "pg_temp.sluice_sums";

/// Merges what is staged: as it is if it is one part, which has each key once, else the sums over the parts.
///
/// # Errors
/// As [`classify`].
pub(crate) async fn merge(
    connection: &mut PgConnection,
    names: &Names,
    part_count: usize,
    rows_staged: u64,
) -> Result<Merged> {
    let (keys, source) = match part_count {
        1 => (rows_staged, STAGING),
        _ => (sum_up(connection, names).await?, SUMS),
    };
    let Written { inserted, updated } = Merge { names, source }.run(connection).await?;
    Ok(Merged { keys, inserted, updated, deleted: 0 })
}

/// Returns how many keys there are.
async fn sum_up(connection: &mut PgConnection, names: &Names) -> Result<u64> {
    let (Names { key, .. }, sums) = (names, names.sums());
    sqlx::query(AssertSqlSafe(format!(
        "create temporary table sluice_sums on commit drop as
             select {key}, {sums} from {STAGING} group by {key} order by {key}"
    )))
    .execute(connection)
    .await
    .map_err(|error| classify("add up the parts", error))
    .map(|summed| summed.rows_affected())
}
