//! The bounds of a window as conditions of SQL. COPY takes no bound values, so these are literals; but of what
//! PostgreSQL itself made of a time that was parsed before.

use crate::grid::RFC_3339;
use crate::mapping::CursorType;
use postgres::sql_error::classify;
use sluice::Result;
use sluice::contract::copy_table::Window;
use sqlx::{AssertSqlSafe, PgConnection};

/// A window, in all types that a cursor may have.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    start: Edge,
    end: Edge,
}

/// One of its two ends.
#[derive(Clone, Debug)]
struct Edge {
    /// RFC 3339 in UTC.
    instant: String,
    /// What a clock in the zone shows then, `YYYY-MM-DD hh:mm:ss.ffffff`.
    local: String,
}

impl Bounds {
    /// Asks the target's server, for both sides: two servers may know different rules of a zone.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn read(connection: &mut PgConnection, window: &Window, zone: &str) -> Result<Self> {
        let query = format!(
            "select to_char(instant at time zone 'UTC', {RFC_3339}),
                    to_char(instant at time zone $3, 'YYYY-MM-DD HH24:MI:SS.US')
             from (values (1, $1::timestamptz), (2, $2::timestamptz)) bounds (place, instant)
             order by place"
        );
        let rows: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(query))
            .bind(&window.start)
            .bind(&window.end)
            .bind(zone)
            .fetch_all(connection)
            .await
            .map_err(|error| classify(format!("compute the bounds of {window}"), error))?;
        let mut edges = rows.into_iter().map(|(instant, local)| Edge { instant, local });
        let (start, end) = edges.next().zip(edges.next()).expect("two values are two rows");
        Ok(Self { start, end })
    }

    /// Which rows belong to the window; `cursor` is quoted.
    pub(crate) fn condition(&self, cursor: &str, cursor_type: CursorType) -> String {
        let [start, end] = [&self.start, &self.end].map(|edge| edge.literal(cursor_type));
        format!("{cursor} >= {start} and {cursor} < {end}")
    }
}

impl Edge {
    fn literal(&self, cursor_type: CursorType) -> String {
        match cursor_type {
            CursorType::Timestamptz => format!("timestamptz '{}'", self.instant),
            CursorType::Timestamp => format!("timestamp '{}'", self.local),
            CursorType::Date => {
                let (day, _) = self.local.split_once(' ').unwrap_or((&self.local, ""));
                format!("date '{day}'")
            }
        }
    }
}
