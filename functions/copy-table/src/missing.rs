//! Which windows are missing: those that no row of `sluice.windows` is about, and those of which the target holds
//! another number of rows than was recorded.
//!
//! To count takes a pass over the rows. So the newest windows are counted, and of older ones it is only asked, by the
//! index on the cursor, whether a window that had rows still has one: that tells a table that was emptied or restored,
//! at the price of one look per window. Without that index each look would read the table, so then all are counted, in
//! one pass. In the mode `upsert`, which moves rows from window to window, only a table without any row tells.

use crate::bounds;
use crate::grid::{Grid, RFC_3339};
use crate::mapping::Mapping;
use crate::windows::{self, Owner};
use postgres::sql_error::classify;
use sluice::Result;
use sluice::contract::copy_table::{Mode, Window};
use sqlx::{AssertSqlSafe, PgConnection};

/// Which windows are asked about.
pub(crate) struct Asked<'a> {
    /// Their boundaries.
    pub grid: Grid<'a>,
    /// The target's names.
    pub mapping: &'a Mapping,
    /// How they are copied.
    pub mode: Mode,
    /// The number of the first boundary.
    pub from: i64,
    /// That of the last one.
    pub to: i64,
    /// That of the first window which is counted.
    pub counted_from: i64,
    /// At most so many.
    pub limit: u32,
    /// The last one of all is among them, if it is missing, and the others are the oldest.
    pub with_last: bool,
}

impl Asked<'_> {
    /// Those that are missing, the oldest first, and how many there are in all.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn missing(&self, connection: &mut PgConnection, owner: &Owner<'_>) -> Result<(Vec<Window>, u64)> {
        if !windows::exists(connection).await? {
            let mut all = self.grid.between(connection, self.from, self.to).await?;
            let total = all.len() as u64;
            let last = all.last().filter(|_| self.with_last).cloned();
            all.truncate(usize::try_from(self.limit).unwrap_or(usize::MAX));
            if let (Some(last), Some(place)) = (last, all.last_mut()) {
                *place = last;
            }
            return Ok((all, total));
        }
        let (start, end) = (self.grid.boundary("number"), self.grid.boundary("(number + 1)"));
        let (counted_from, held) = (self.grid.boundary("$11::bigint"), self.held());
        // A window is there if the windows and parts of windows in it, which do not overlap, are as long as it is.
        let query = format!(
            "with asked as (
                 select start_at, end_at, row_number() over (order by start_at) as place
                 from generate_series($4::bigint, $5::bigint - 1) number,
                      lateral (select {start} as start_at, {end} as end_at) boundaries
                 where start_at < end_at
             ),
             span as (
                 select array_agg(start_at order by start_at) as starts, min(start_at) as first, max(end_at) as last
                 from asked
             ),
             recorded as (
                 select w.window_start, w.window_end, w.rows, w.window_start >= {counted_from} as is_counted
                 from sluice.windows w
                 where w.job = $6 and w.target = $7 and w.fingerprint = $8 and w.table_oid = $9::oid
                 and w.columns_hash = $12
                 and w.window_start >= (select first from span) and w.window_end <= (select last from span)
             ),
             {held},
             covered as (
                 select width_bucket(window_start, (select starts from span)) as place, max(window_end) as end_at,
                        sum(window_end - window_start) as length
                 from held
                 group by 1
             )
             select to_char(asked.start_at at time zone 'UTC', {RFC_3339}),
                    to_char(asked.end_at at time zone 'UTC', {RFC_3339}),
                    count(*) over ()
             from asked left join covered using (place)
             where (covered.length = asked.end_at - asked.start_at and covered.end_at = asked.end_at) is not true
             order by $13 and place = (select max(place) from asked) desc, place
             limit $10"
        );
        let mut query = sqlx::query_as(AssertSqlSafe(query));
        for value in self.grid.values() {
            query = query.bind(value);
        }
        let rows: Vec<(String, String, i64)> = query
            .bind(self.from)
            .bind(self.to)
            .bind(owner.job)
            .bind(owner.target)
            .bind(owner.fingerprint)
            .bind(owner.table_oid)
            .bind(i64::from(self.limit))
            .bind(self.counted_from)
            .bind(self.mapping.hash())
            .bind(self.with_last)
            .fetch_all(connection)
            .await
            .map_err(|error| classify(format!("look for windows that {} lacks", owner.target), error))?;
        let total = rows.first().map_or(0, |(_, _, total)| total.unsigned_abs());
        let mut windows: Vec<_> = rows.into_iter().map(|(start, end, _)| Window { start, end }).collect();
        windows.sort();
        Ok((windows, total))
    }

    /// Which of those that are `recorded` the target still holds. Those that are counted are so in one pass.
    fn held(&self) -> String {
        let known = &self.mapping.target;
        let cursor = match (&self.mapping.cursor, self.mode) {
            (Some(cursor), Mode::ReplaceWindow) => cursor,
            // Rows move from window to window in the mode upsert, so a count says nothing there; but that mode deletes
            // none, so a table without a row was emptied.
            _ => return format!("held as (select * from recorded where rows = 0 or exists (select from {known}))"),
        };
        let name = &cursor.name;
        let [start, end] = ["window_start", "window_end"].map(|instant| bounds::at_target(cursor, instant, "$3"));
        let sql_type = cursor.target.sql_name();
        format!(
            "edges as (
                 select array_agg(edge order by edge) as edges, min(edge) as first, max(edge) as last
                 from (
                     select {start} from recorded where is_counted
                     union
                     select {end} from recorded where is_counted
                 ) edges (edge)
             ),
             counted as (
                 select width_bucket({name}::{sql_type}, (select edges from edges)) as place, count(*) as rows
                 from {known}
                 where (select first from edges) is not null
                 and {name} >= (select first from edges) and {name} < (select last from edges)
                 group by 1
             ),
             held as (
                 select recorded.window_start, recorded.window_end
                 from recorded
                 left join counted on counted.place = width_bucket({start}, (select edges from edges))
                 where is_counted and recorded.rows = coalesce(counted.rows, 0)
                 union all
                 select recorded.window_start, recorded.window_end
                 from recorded,
                      lateral (select {start} as first, {end} as last) sluice_edge,
                      lateral (
                          select exists (
                              select from {known} where {name} >= sluice_edge.first and {name} < sluice_edge.last
                          ) as has_rows
                      ) found
                 where not is_counted and (recorded.rows > 0) = found.has_rows
             )"
        )
    }
}
