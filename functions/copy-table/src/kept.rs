//! Does the table still hold what was recorded of an execution's windows, once all of them are copied? Windows are
//! copied one by one, each from a snapshot of its own. A row that moves to another window in between is moved by the
//! later copy, and what the earlier one recorded is no longer so: then its window is missing again, which no count of
//! recorded rows tells.

use crate::bounds;
use crate::mapping::Cursor;
use crate::windows::Owner;
use postgres::sql_error::classify;
use sluice::Result;
use sluice::contract::copy_table::Window;
use sqlx::{AssertSqlSafe, PgConnection};

/// A window that is recorded with other rows than the table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Its place among those that were asked about, from 0.
    pub place: usize,
    /// How many rows are recorded.
    pub recorded: u64,
    /// How many there are.
    pub there: u64,
}

/// Which of some windows have changed since they were recorded, in their order; of those that are recorded as they
/// are. `table` and `cursor` are the target's, `zone` is that of the spec.
///
/// # Errors
/// As [`classify`].
pub(crate) async fn changed(
    connection: &mut PgConnection,
    owner: &Owner<'_>,
    (table, cursor, zone): (&str, &Cursor, &str),
    windows: &[Window],
) -> Result<Vec<Changed>> {
    let [start, end] = ["window_start", "window_end"].map(|instant| bounds::at_target(cursor, instant, "$7"));
    let (name, sql_type) = (&cursor.name, cursor.target.sql_name());
    // Windows one after another are counted in one pass, and what lies between others is not looked at.
    let query = format!(
        "with recorded as (
             select asked.place, w.window_start, w.window_end, w.rows,
                    lag(w.window_end) over (order by w.window_start) is distinct from w.window_start as begins
             from unnest($5::timestamptz[], $6::timestamptz[]) with ordinality as asked (start_at, end_at, place)
             join sluice.windows w on w.window_start = asked.start_at and w.window_end = asked.end_at
             where w.job = $1 and w.target = $2 and w.fingerprint = $3 and w.table_oid = $4::oid
         ),
         series as (
             select *, sum(begins::int) over (order by window_start) as number from recorded
         ),
         counted as (
             select sluice_series.number, found.bucket, found.rows
             from (
                 select number, min({start}) as first, max({end}) as last,
                        array_agg({start} order by window_start) as starts
                 from series group by number
             ) sluice_series,
             lateral (
                 select width_bucket({name}::{sql_type}, sluice_series.starts) as bucket, count(*) as rows
                 from {table}
                 where {name} >= sluice_series.first and {name} < sluice_series.last
                 group by 1
             ) found
         )
         select numbered.place - 1, numbered.rows, coalesce(counted.rows, 0)
         from (
             select *, row_number() over (partition by number order by window_start) as bucket from series
         ) numbered
         left join counted using (number, bucket)
         where numbered.rows <> coalesce(counted.rows, 0)
         order by 1"
    );
    let starts: Vec<_> = windows.iter().map(|window| window.start.clone()).collect();
    let ends: Vec<_> = windows.iter().map(|window| window.end.clone()).collect();
    let found: Vec<(i64, i64, i64)> = sqlx::query_as(AssertSqlSafe(query))
        .bind(owner.job)
        .bind(owner.target)
        .bind(owner.fingerprint)
        .bind(owner.table_oid)
        .bind(starts)
        .bind(ends)
        .bind(zone)
        .fetch_all(connection)
        .await
        .map_err(|error| classify(format!("count the rows of {}", owner.target), error))?;
    let changed = found.into_iter().map(|(place, recorded, there)| Changed {
        place: usize::try_from(place).unwrap_or_default(),
        recorded: recorded.unsigned_abs(),
        there: there.unsigned_abs(),
    });
    Ok(changed.collect())
}
