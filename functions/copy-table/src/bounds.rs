//! The bounds of a window as conditions of SQL. COPY takes no bound values, so these are literals; but of what
//! PostgreSQL itself made of a time that was parsed before.

use crate::grid::{RFC_3339, wall};
use crate::mapping::{Cursor, CursorType};
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
    /// The first time of a clock in the zone that is not before it, `YYYY-MM-DD hh:mm:ss.ffffff`: see [`wall`].
    local: String,
}

/// A bound as the column `cursor` of the target has it, both expressions of SQL.
pub(crate) fn at_target(cursor: &Cursor, instant: &str, zone: &str) -> String {
    match (cursor.source, cursor.target) {
        (_, CursorType::Timestamptz) => instant.to_owned(),
        (CursorType::Date, CursorType::Timestamp) => format!("{}::date::timestamp", wall(instant, zone)),
        (_, CursorType::Timestamp) => wall(instant, zone),
        (_, CursorType::Date) => format!("{}::date", wall(instant, zone)),
    }
}

impl Bounds {
    /// Asks the target's server, for both sides: two servers may know different rules of a zone.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn read(connection: &mut PgConnection, window: &Window, zone: &str) -> Result<Self> {
        let wall = wall("instant", "$3");
        let query = format!(
            "select to_char(instant at time zone 'UTC', {RFC_3339}), to_char({wall}, 'YYYY-MM-DD HH24:MI:SS.US')
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

    /// Which rows of the source belong to the window.
    pub(crate) fn of_source(&self, cursor: &Cursor) -> String {
        self.condition(&cursor.name, |edge| edge.literal(cursor.source))
    }

    /// Which rows of the target.
    pub(crate) fn of_target(&self, cursor: &Cursor) -> String {
        self.condition(&cursor.name, |edge| match (cursor.source, cursor.target) {
            // A date becomes its midnight, also on a day on which the clock does not show it.
            (CursorType::Date, CursorType::Timestamp) => format!("timestamp '{}'", edge.day()),
            (_, target) => edge.literal(target),
        })
    }

    fn condition(&self, cursor: &str, literal: impl Fn(&Edge) -> String) -> String {
        let [start, end] = [&self.start, &self.end].map(literal);
        format!("{cursor} >= {start} and {cursor} < {end}")
    }
}

impl Edge {
    fn day(&self) -> &str {
        self.local.split_once(' ').map_or(&self.local, |(day, _)| day)
    }

    fn literal(&self, cursor_type: CursorType) -> String {
        match cursor_type {
            CursorType::Timestamptz => format!("timestamptz '{}'", self.instant),
            CursorType::Timestamp => format!("timestamp '{}'", self.local),
            CursorType::Date => format!("date '{}'", self.day()),
        }
    }
}
