//! What is asked of the database of the jobs: counts, and which windows are there.

use crate::facts::count;
use crate::model::{LoadedWindow, Origin, Row};
use crate::outcome::Status;
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

    /// The newest rows of `sluice.runs` of these jobs, and the newest runs of which `sluice.windows` has a window; none
    /// if nothing was ever loaded.
    pub(crate) async fn rows(&self, jobs: &[String]) -> Answer<Vec<Row>> {
        let mut connection = self.connect().await?;
        // As JSON: older tables lack columns.
        let ask = sqlx::query_scalar::<_, String>(
            "select to_jsonb(run)::text from sluice.runs as run where job = any($1) order by detected_at desc limit 1000",
        );
        let runs = within(ask.bind(jobs).fetch_all(&mut connection)).await?;
        let ask = sqlx::query_scalar::<_, String>(
            "select to_jsonb(run)::text from (
                 select execution, min(copied_at) as started_at, max(copied_at) as committed_at, count(*) as windows,
                        sum(rows)::bigint as rows, sum(bytes)::bigint as bytes
                 from sluice.windows where job = any($1) group by execution order by max(copied_at) desc limit 1000
             ) as run",
        );
        let windows = within(ask.bind(jobs).fetch_all(&mut connection)).await?;
        let _ = connection.close().await;
        let all = [(Origin::Runs, runs), (Origin::Windows, windows)];
        let texts = all.iter().flat_map(|(origin, texts)| texts.iter().flatten().map(|text| (*origin, text)));
        Ok(texts.filter_map(|(origin, text)| row(origin, &serde_json::from_str(text).ok()?)).collect())
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

/// What is read of a row, and how it is called.
const RUNS: [(&str, &str); 6] = [
    ("files", "files"),
    ("rows_read", "rows read"),
    ("rows_inserted", "rows inserted"),
    ("rows_updated", "rows updated"),
    ("rows_deleted", "rows deleted"),
    ("rows_rejected", "rows in quarantine"),
];
const WINDOWS: [(&str, &str); 3] = [("windows", "windows"), ("rows", "rows"), ("bytes", "bytes")];

/// What is shown even if it is none.
const ALWAYS: [&str; 5] = ["files", "rows read", "rows inserted", "windows", "rows"];

/// A run, as the database has it.
fn row(origin: Origin, value: &Value) -> Option<Row> {
    let text = |field: &str| value[field].as_str().map(ToOwned::to_owned);
    let time = |field: &str| {
        let at = value[field].as_str()?.replacen(' ', "T", 1).parse::<jiff::Timestamp>().ok()?;
        Some(at.as_millisecond())
    };
    let status = match value["status"].as_str() {
        Some("FAILED") => Status::Failed,
        Some("TIMED_OUT") => Status::TimedOut,
        Some("ABORTED") => Status::Aborted,
        _ => Status::Succeeded,
    };
    // One that ended badly was committed only if it says so.
    let committed = time("committed_at").or_else(|| time("detected_at").filter(|_| status == Status::Succeeded));
    let (places, rows): (&[(&str, &str)], &str) = match origin {
        Origin::Windows => (&WINDOWS, "rows"),
        _ => (&RUNS, "rows_read"),
    };
    let counted = places.iter().map(|(field, what)| count(what, value[*field].as_u64().unwrap_or_default()));
    let counted = counted.filter(|count| count.number > 0 || ALWAYS.contains(&count.what.as_str()));
    Some(Row {
        execution: text("execution")?,
        origin,
        started: time("started_at")?,
        ended: time("ended_at").or(committed)?,
        committed,
        status,
        error: text("error"),
        counts: counted.filter(|_| committed.is_some()).collect(),
        rows: value[rows].as_u64().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_of_an_older_table_is_read_too() {
        let old = json!({"execution": "arn:x", "started_at": "2026-11-26T02:45:29.994+00:00",
                         "detected_at": "2026-11-26T02:45:30.3+00:00", "rows_read": 5});
        let read = row(Origin::Runs, &old).unwrap();
        assert_eq!((read.rows, read.status, read.committed.is_some()), (5, Status::Succeeded, true));
        assert_eq!(read.started, 1_795_661_129_994);
        assert!(row(Origin::Runs, &json!({"execution": "arn:x"})).is_none());
    }

    #[test]
    fn a_run_that_did_not_load_has_an_end_and_no_counts() {
        let bad = json!({"execution": "arn:x", "started_at": "2026-11-26T02:45:29.994+00:00", "status": "TIMED_OUT",
                         "detected_at": "2026-11-26T02:45:29.993999+00:00", "committed_at": null, "error": null,
                         "ended_at": "2026-11-26T02:45:30.994+00:00", "files": 0, "rows_read": 0});
        let read = row(Origin::Runs, &bad).unwrap();
        assert_eq!((read.status, read.committed, read.counts.len()), (Status::TimedOut, None, 0));
        assert_eq!(read.ended - read.started, 1_000);
        let windows = json!({"execution": "arn:y", "started_at": "2026-11-26T02:45:29.994+00:00", "windows": 3,
                             "committed_at": "2026-11-26T02:46:29.994+00:00", "rows": 70, "bytes": 700});
        let read = row(Origin::Windows, &windows).unwrap();
        assert_eq!((read.rows, read.counts.len(), read.ended - read.started), (70, 3, 60_000));
    }
}
