//! What is asked of the database of the jobs: counts, and which windows are there.

use crate::model::{LoadedWindow, Row};
use crate::trouble::{Answer, Trouble};
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, Row as _};
use std::str::FromStr;
use std::time::Duration;

/// How long the database may take.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(5);

/// The database, which is only read.
pub(crate) struct Database {
    options: PgConnectOptions,
}

impl Database {
    /// The database at this URL.
    ///
    /// # Errors
    /// If it is none; it is not repeated, since it may hold a password.
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        let options = PgConnectOptions::from_str(url);
        let options = options.map_err(|_| "DATABASE_URL is not of the form postgres://user:password@host:5432/name")?;
        Ok(Self { options: options.disable_statement_logging() })
    }

    async fn connect(&self) -> Answer<PgConnection> {
        let connect = PgConnection::connect_with(&self.options);
        match tokio::time::timeout(DATABASE_TIMEOUT, connect).await {
            Ok(connected) => connected.map_err(|_| Trouble::Gone),
            Err(_) => Err(Trouble::Late),
        }
    }

    /// The newest rows of `sluice.runs` of these jobs; none if nothing was ever loaded.
    pub(crate) async fn rows(&self, jobs: &[String]) -> Answer<Vec<Row>> {
        let mut connection = self.connect().await?;
        // As JSON: older tables lack columns.
        let ask = sqlx::query_scalar::<_, String>(
            "select to_jsonb(run)::text from sluice.runs as run where job = any($1) order by detected_at desc limit 1000",
        );
        let texts = within(ask.bind(jobs).fetch_all(&mut connection)).await?;
        let _ = connection.close().await;
        Ok(texts.iter().flatten().filter_map(|text| row(&serde_json::from_str(text).ok()?)).collect())
    }

    /// The windows of a job that are in its target and begin within these milliseconds since 1970.
    pub(crate) async fn windows(&self, job: &str, (from, to): (i64, i64)) -> Answer<Vec<LoadedWindow>> {
        let mut connection = self.connect().await?;
        let ask = sqlx::query(
            "select (extract(epoch from window_start) * 1000)::bigint, (extract(epoch from window_end) * 1000)::bigint,
                    rows, execution, verified_at is not null
             from sluice.windows
             where job = $1 and isfinite(window_start) and isfinite(window_end)
               and window_start >= to_timestamp($2::double precision / 1000)
               and window_start < to_timestamp($3::double precision / 1000)
             order by window_start limit 20000",
        );
        #[allow(clippy::cast_precision_loss, reason = "times of this century")]
        let ask = ask.bind(job).bind(from as f64).bind(to as f64);
        let rows = within(ask.fetch_all(&mut connection)).await?;
        let _ = connection.close().await;
        let windows = rows.iter().flatten().map(|row| LoadedWindow {
            start: row.get(0),
            end: row.get(1),
            rows: row.get::<i64, _>(2).unsigned_abs(),
            execution: row.get(3),
            is_verified: row.get(4),
        });
        Ok(windows.collect())
    }
}

/// What a query says in time; nothing if its table is not there yet.
async fn within<T>(query: impl Future<Output = Result<Vec<T>, sqlx::Error>>) -> Answer<Option<Vec<T>>> {
    match tokio::time::timeout(DATABASE_TIMEOUT, query).await {
        Err(_) => Err(Trouble::Late),
        Ok(Ok(rows)) => Ok(Some(rows)),
        Ok(Err(sqlx::Error::Database(error))) => match error.code().as_deref() {
            Some("42P01" | "3F000") => Ok(None),
            Some("42501") => Err(Trouble::Denied),
            code => Err(Trouble::Other(format!("SQLSTATE {}", code.unwrap_or("unknown")))),
        },
        Ok(Err(_)) => Err(Trouble::Gone),
    }
}

/// A row of `sluice.runs`.
fn row(value: &Value) -> Option<Row> {
    let text = |field: &str| value[field].as_str().map(ToOwned::to_owned);
    let number = |field: &str| value[field].as_u64().unwrap_or_default();
    let time = |field: &str| {
        let at = value[field].as_str()?.replacen(' ', "T", 1).parse::<jiff::Timestamp>().ok()?;
        Some(at.as_millisecond())
    };
    Some(Row {
        execution: text("execution")?,
        target: text("target").unwrap_or_default(),
        started: time("started_at")?,
        committed: time("committed_at").or_else(|| time("detected_at"))?,
        status: text("status").unwrap_or_else(|| "SUCCEEDED".to_owned()),
        error: text("error"),
        files: number("files"),
        rows_read: number("rows_read"),
        rows_rejected: number("rows_rejected"),
        rows_inserted: number("rows_inserted"),
        rows_updated: number("rows_updated"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_of_an_older_table_is_read_too() {
        let read = row(&json!({"execution": "arn:x", "started_at": "2026-11-26T02:45:29.994+00:00",
                               "detected_at": "2026-11-26T02:45:30.3+00:00", "rows_read": 5}))
        .unwrap();
        assert_eq!((read.rows_read, read.status.as_str()), (5, "SUCCEEDED"));
        assert_eq!(read.started, 1_795_661_129_994);
        assert!(row(&json!({"execution": "arn:x"})).is_none());
    }
}
