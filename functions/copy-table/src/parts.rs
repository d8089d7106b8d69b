//! Windows that are too long for one call of the function are copied in parts, each with a row of its own in
//! `sluice.windows`.

use crate::bounds::Bounds;
use crate::grid::RFC_3339;
use crate::mapping::{Cursor, CursorType, Mapping};
use postgres::sql_error::classify;
use sluice::contract::copy_table::{PlannedWindow, Window, Windows};
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection, Row};

/// How much PostgreSQL expects of a query.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Estimate {
    /// Rows.
    pub rows: u64,
    /// Their size, in bytes.
    pub bytes: u64,
}

impl Estimate {
    /// Of the rows of the source for which `condition` holds.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn read(source: &mut PgConnection, mapping: &Mapping, condition: &str) -> Result<Self> {
        let columns = mapping.each(|column| column.expression.clone());
        let explain = format!("explain (format json) select {columns} from {} where {condition}", mapping.source);
        let failed = |error| classify("estimate the rows", error);
        let row = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_one(source).await.map_err(failed)?;
        let text: String = row.try_get_unchecked(0).map_err(failed)?;
        let plan: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| Error::caused(Kind::InvariantBroken, "read PostgreSQL's plan", error))?;
        let number = |name: &str| plan[0]["Plan"][name].as_u64().unwrap_or_default();
        let rows = number("Plan Rows");
        Ok(Self { rows, bytes: rows.saturating_mul(number("Plan Width")) })
    }
}

/// Cuts windows in equal parts where PostgreSQL expects more than so many bytes of one.
pub(crate) struct Cut<'a> {
    /// What is copied.
    pub mapping: &'a Mapping,
    /// The column of time.
    pub cursor: &'a Cursor,
    /// How the spec cuts.
    pub windows: &'a Windows,
    /// What one call can copy, in bytes.
    pub max_bytes: u64,
}

impl Cut<'_> {
    /// The windows and parts in their order; and a warning for each window that is too long, but cannot be cut.
    ///
    /// # Errors
    /// As [`classify`].
    pub(crate) async fn run(
        &self,
        source: &mut PgConnection,
        target: &mut PgConnection,
        planned: Vec<PlannedWindow>,
    ) -> Result<(Vec<PlannedWindow>, Vec<String>)> {
        let ends = |planned: &[PlannedWindow]| {
            let first = planned.first()?.window.as_ref()?;
            let last = planned.last()?.window.as_ref()?;
            Some(Window { start: first.start.clone(), end: last.end.clone() })
        };
        // Mostly this is enough.
        let Some(all) = ends(&planned) else { return Ok((planned, Vec::new())) };
        if self.expected(source, target, &all).await? <= self.max_bytes {
            return Ok((planned, Vec::new()));
        }
        let (mut cut, mut warnings) = (Vec::new(), Vec::new());
        for planned in planned {
            let Some(window) = &planned.window else { continue };
            let bytes = self.expected(source, target, window).await?;
            if bytes > self.max_bytes && !self.may_cut() {
                warnings.push(format!(
                    "the window {window} has about {} MiB, which one call may not be able to copy, and cannot be cut by {}: \
                     choose shorter windows",
                    bytes >> 20,
                    self.cursor.name
                ));
            }
            if bytes <= self.max_bytes || !self.may_cut() {
                cut.push(planned);
                continue;
            }
            let mut previous = planned.previous.clone();
            for part in cut_in(target, window, bytes.div_ceil(self.max_bytes)).await? {
                let of_part = PlannedWindow { window: Some(part.clone()), previous, recheck: planned.recheck };
                // A part depends on the one before it, if the window does on its own.
                previous = self.windows.depends_on_past.then_some(part);
                cut.push(of_part);
            }
        }
        Ok((cut, warnings))
    }

    /// Dates know no parts of a day, and the clocks of most zones no parts of the day on which they are set back.
    fn may_cut(&self) -> bool {
        [self.cursor.source, self.cursor.target].iter().all(|cursor| match cursor {
            CursorType::Timestamptz => true,
            CursorType::Timestamp => self.windows.zone == "UTC",
            CursorType::Date => false,
        })
    }

    async fn expected(&self, source: &mut PgConnection, target: &mut PgConnection, window: &Window) -> Result<u64> {
        let bounds = Bounds::read(target, window, &self.windows.zone).await?;
        let condition = bounds.of_source(self.cursor);
        Estimate::read(source, self.mapping, &condition).await.map(|estimate| estimate.bytes)
    }
}

/// Equal parts of a window, at whole seconds.
async fn cut_in(connection: &mut PgConnection, window: &Window, parts: u64) -> Result<Vec<Window>> {
    let query = format!(
        "with edges as (
             select distinct to_timestamp(floor(first + (last - first) * number / parts)) as edge
             from (
                 select extract(epoch from $1::timestamptz) as first, extract(epoch from $2::timestamptz) as last,
                        $3::bigint as parts
             ) window_,
             lateral generate_series(0, parts) number
         )
         select to_char(edge at time zone 'UTC', {RFC_3339}) from edges order by edge"
    );
    let edges: Vec<String> = sqlx::query_scalar(AssertSqlSafe(query))
        .bind(&window.start)
        .bind(&window.end)
        .bind(i64::try_from(parts).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await
        .map_err(|error| classify(format!("cut {window} in parts"), error))?;
    let parts = edges.windows(2).map(|edges| Window { start: edges[0].clone(), end: edges[1].clone() });
    Ok(parts.collect())
}
