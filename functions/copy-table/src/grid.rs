//! Where windows begin and end: an endless row of boundaries, numbered from the spec's start, which PostgreSQL computes
//! in the spec's zone. A window's end is the next one's start by the same expression, so days of 23 and 25 hours, and
//! midnights that do not exist, leave no gap and no overlap.

use postgres::sql_error::classify;
use sluice::contract::copy_table::{Moment, Unit, Window, Windows};
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};

/// An instant as the payloads have it.
pub(crate) const RFC_3339: &str = r#"'YYYY-MM-DD"T"HH24:MI:SS"Z"'"#;

/// The boundaries of a job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid<'a> {
    windows: &'a Windows,
}

/// A boundary, or any other instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Boundary {
    /// The number of the boundary, or of the last one before it.
    pub number: i64,
    /// The boundary's instant, RFC 3339 in UTC.
    pub instant: String,
    /// Whether the instant that was asked for is the boundary.
    pub is_exact: bool,
}

impl<'a> Grid<'a> {
    /// The boundaries that the spec describes.
    pub(crate) fn new(windows: &'a Windows) -> Self {
        Self { windows }
    }

    /// The instant of the boundary whose number is the SQL expression `number`; $1, $2 and $3 are bound by
    /// [`bind`](Self::bind).
    pub(crate) fn boundary(&self, number: &str) -> String {
        match self.windows.window.unit.is_of_calendar() {
            true => format!("(($1::timestamp + {number} * $2::interval) at time zone $3)"),
            false => format!("(($1::timestamp at time zone $3) + {number} * $2::interval)"),
        }
    }

    /// The values of [`boundary`](Self::boundary): start, length, zone.
    pub(crate) fn values(&self) -> [String; 3] {
        let Windows { start, window, zone, .. } = self.windows;
        [start.as_str().to_owned(), window.to_string(), zone.clone()]
    }

    /// About how many windows there are between the start and the instant $4.
    fn estimate(&self) -> String {
        let count = self.windows.window.count;
        let seconds = match self.windows.window.unit {
            Unit::Month => {
                return format!(
                    "floor(
                         (
                             (extract(year from $4::timestamptz at time zone $3) - extract(year from $1::timestamp)) * 12
                             + extract(month from $4::timestamptz at time zone $3) - extract(month from $1::timestamp)
                         ) / {count}
                     )"
                );
            }
            Unit::Week => 7 * 86_400,
            Unit::Day => 86_400,
            Unit::Hour => 3_600,
            Unit::Minute => 60,
        };
        let elapsed = match self.windows.window.unit.is_of_calendar() {
            true => "($4::timestamptz at time zone $3) - $1::timestamp",
            false => "$4::timestamptz - ($1::timestamp at time zone $3)",
        };
        format!("floor(extract(epoch from {elapsed}) / ({seconds} * {count}::numeric))")
    }

    /// The last boundary that is not after an instant.
    ///
    /// # Errors
    /// `Misconfigured` for a zone that PostgreSQL does not know, `InvalidEvent` for an instant beyond its calendar.
    pub(crate) async fn boundary_at(&self, connection: &mut PgConnection, instant: &str) -> Result<Boundary> {
        self.check_zone(connection).await?;
        let (boundary, estimate) = (self.boundary("number"), self.estimate());
        let query = format!(
            "select number, to_char(instant at time zone 'UTC', {RFC_3339}), instant = $4::timestamptz
             from (select {estimate}::bigint as about) estimate,
                  generate_series(about - 2, about + 2) number,
                  lateral (select {boundary} as instant) boundary
             where instant <= $4::timestamptz
             order by instant desc, number desc
             limit 1"
        );
        let mut query = sqlx::query_as(AssertSqlSafe(query));
        for value in self.values() {
            query = query.bind(value);
        }
        let found: Option<(i64, String, bool)> = query
            .bind(instant)
            .fetch_optional(connection)
            .await
            .map_err(|error| not_of_calendar(classify("compute the windows", error)))?;
        let (number, instant, is_exact) =
            found.ok_or_else(|| Error::new(Kind::InvariantBroken, format!("no boundary before {instant}")))?;
        Ok(Boundary { number, instant, is_exact })
    }

    async fn check_zone(&self, connection: &mut PgConnection) -> Result<()> {
        let zone = &self.windows.zone;
        // By its full name: an abbreviation knows no summer.
        let is_known: bool = sqlx::query_scalar("select exists (select from pg_timezone_names where name = $1)")
            .bind(zone)
            .fetch_one(connection)
            .await
            .map_err(|error| classify("look up the time zone", error))?;
        match is_known {
            true => Ok(()),
            false => Err(Error::new(Kind::Misconfigured, format!("{zone:?} is no time zone that PostgreSQL knows"))),
        }
    }

    /// The instant of a date or a time that somebody chose, RFC 3339 in UTC.
    ///
    /// # Errors
    /// As [`boundary_at`](Self::boundary_at).
    pub(crate) async fn instant(&self, connection: &mut PgConnection, moment: &Moment) -> Result<String> {
        self.check_zone(connection).await?;
        let (text, expression) = match moment {
            Moment::Day(day) => (day.as_str(), "($1::timestamp at time zone $2)"),
            Moment::Instant(instant) => (instant.as_str(), "case when $2 <> '' then $1::timestamptz end"),
        };
        sqlx::query_scalar(AssertSqlSafe(format!("select to_char({expression} at time zone 'UTC', {RFC_3339})")))
            .bind(text)
            .bind(&self.windows.zone)
            .fetch_one(connection)
            .await
            .map_err(|error| not_of_calendar(classify(format!("read the time {text}"), error)))
    }

    /// The first boundary of some over which a clock in the zone is set back, so that it shows a time from before the
    /// boundary also after it, or the other way round: as that clock shows it, `YYYY-MM-DD hh:mm`.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn ambiguous(&self, connection: &mut PgConnection, from: i64, to: i64) -> Result<Option<String>> {
        let (boundary, wall) = (self.boundary("number"), wall("instant", "$3"));
        // No clock was ever set back by more than a day. The first condition leaves few boundaries for the second.
        let query = format!(
            "select to_char({wall}, 'YYYY-MM-DD HH24:MI')
             from generate_series($4::bigint, $5::bigint) number,
                  lateral (select {boundary} as instant) boundary
             where ((instant + interval '25 hours') at time zone $3) - ((instant - interval '25 hours') at time zone $3)
                   < interval '50 hours'
             and exists (
                 select from generate_series(1, 1500) minute
                 where ((instant - minute * interval '1 minute') at time zone $3) >= {wall}
                 or ((instant + (minute - 1) * interval '1 minute') at time zone $3) < {wall}
             )
             order by number
             limit 1"
        );
        let mut query = sqlx::query_scalar(AssertSqlSafe(query));
        for value in self.values() {
            query = query.bind(value);
        }
        let found = query.bind(from).bind(to).fetch_optional(connection).await;
        found.map_err(|error| not_of_calendar(classify("look where clocks are set back", error)))
    }

    /// The windows from one boundary to another, by their numbers. Those that a change of the zone leaves without a
    /// length are left out.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn between(&self, connection: &mut PgConnection, from: i64, to: i64) -> Result<Vec<Window>> {
        let (start, end) = (self.boundary("number"), self.boundary("(number + 1)"));
        let query = format!(
            "select to_char(start_at at time zone 'UTC', {RFC_3339}), to_char(end_at at time zone 'UTC', {RFC_3339})
             from generate_series($4::bigint, $5::bigint - 1) number,
                  lateral (select {start} as start_at, {end} as end_at) boundaries
             where start_at < end_at
             order by number"
        );
        let mut query = sqlx::query_as(AssertSqlSafe(query));
        for value in self.values() {
            query = query.bind(value);
        }
        let found: Vec<(String, String)> = query
            .bind(from)
            .bind(to)
            .fetch_all(connection)
            .await
            .map_err(|error| not_of_calendar(classify("compute the windows", error)))?;
        Ok(found.into_iter().map(|(start, end)| Window { start, end }).collect())
    }
}

/// The first time that a clock shows which is not before an `instant`, both expressions of SQL. Where the clock is set
/// forward at that instant, it is the time at which that happens, which the clock never shows: a time in the gap that
/// somebody stored is taken for one after it, here and by PostgreSQL's `at time zone`.
pub(crate) fn wall(instant: &str, zone: &str) -> String {
    format!(
        "least(
             {instant} at time zone {zone},
             ({instant} - interval '1 microsecond') at time zone {zone} + interval '1 microsecond'
         )"
    )
}

/// PostgreSQL refuses times that its calendar does not have; these come from whoever started the execution.
fn not_of_calendar(error: Error) -> Error {
    match error.kind() {
        Kind::InvalidSource => Error::new(Kind::InvalidEvent, error.to_string()),
        _ => error,
    }
}
