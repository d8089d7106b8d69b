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

/// How many runs of a job are read at most: the newest.
pub(crate) const MOST_RUNS: usize = 1_000;

// As JSON: older tables lack columns.
const RUNS_OF_EACH: &str = "
    select wanted.job, to_jsonb(run)::text from unnest($1::text[]) as wanted (job)
    cross join lateral (
        select * from sluice.runs where runs.job = wanted.job order by detected_at desc limit $2
    ) as run";

const COPIES_OF_EACH: &str = "
    select wanted.job, to_jsonb(run)::text from unnest($1::text[]) as wanted (job)
    cross join lateral (
        select execution, min(copied_at) as started_at, max(copied_at) as committed_at, count(*) as windows,
               sum(rows)::bigint as rows, sum(bytes)::bigint as bytes
        from sluice.windows where windows.job = wanted.job
        group by execution order by max(copied_at) desc limit $2
    ) as run";

/// How many windows, or days of them, are read at most.
const MOST_WINDOWS: i64 = 20_000;

const WINDOWS_BY_DAY: &str = "
    with one as (
        select date_trunc('day', window_start at time zone $2) as day, copied_at, execution, rows,
               (extract(epoch from window_start) * 1000)::bigint as first,
               (extract(epoch from window_end) * 1000)::bigint as behind,
               verified_at is not null as is_verified
        from sluice.windows where job = $1 and isfinite(window_start) and isfinite(window_end)
    ),
    days as (
        select day, min(first) as first, max(behind) as behind, sum(rows)::bigint as rows,
               (array_agg(execution order by copied_at desc, first desc))[1] as execution,
               bool_and(is_verified) as is_verified, sum(behind - first) = max(behind) - min(first) as is_whole
        from one group by day
    )
    select first, behind, rows, execution, is_verified from days where is_whole
    union all
    select one.first, one.behind, one.rows, one.execution, one.is_verified
    from one join days using (day) where not days.is_whole
    order by 1 desc limit $3";

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

    /// The newest rows of `sluice.runs` of each of these jobs, and the newest runs of which `sluice.windows` has a
    /// window, with their job; none if nothing was ever loaded. Of a job of which there are more than [`MOST_RUNS`]
    /// there is one more.
    pub(crate) async fn rows(&self, jobs: &[String]) -> Answer<Vec<(String, Row)>> {
        let mut connection = self.connect().await?;
        let most = i64::try_from(MOST_RUNS).unwrap_or(i64::MAX - 1) + 1;
        let mut rows = Vec::new();
        for (origin, query) in [(Origin::Runs, RUNS_OF_EACH), (Origin::Windows, COPIES_OF_EACH)] {
            let ask = sqlx::query_as::<_, (String, String)>(query).bind(jobs).bind(most);
            let found = within(ask.fetch_all(&mut connection)).await?.unwrap_or_default();
            let read = |(job, text): (String, String)| Some((job, row(origin, &serde_json::from_str(&text).ok()?)?));
            rows.extend(found.into_iter().filter_map(read));
        }
        let _ = connection.close().await;
        Ok(rows)
    }

    /// The windows of a job that are in its target, the newest ones, in their order. Those of one day of this zone that
    /// leave nothing out are one, of the run that copied the last of them: a year of windows of an hour is 365.
    pub(crate) async fn windows(&self, job: &str, zone: &str) -> Answer<Vec<LoadedWindow>> {
        let mut connection = self.connect().await?;
        let ask = sqlx::query(WINDOWS_BY_DAY).bind(job).bind(zone).bind(MOST_WINDOWS);
        let rows = within(ask.fetch_all(&mut connection)).await?;
        let _ = connection.close().await;
        let windows = rows.iter().flatten().rev().map(|row| LoadedWindow {
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

    /// What is asked of a database of its own, once it was made what `made` says. Nothing of it stays.
    fn asked<T>(name: &str, made: &'static str, ask: impl AsyncFnOnce(Database) -> Answer<T>) -> T {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tmp");
        let state = folder.join(format!("page-database-{name}-{}", std::process::id()));
        let postgres = local::postgres::Postgres::start(&state, &local::stack::tools_dir(), false, &|_| ()).unwrap();
        let url = postgres.url("postgres");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(async {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(made).execute(&mut connection).await.unwrap();
            ask(Database::new(&url).unwrap()).await
        });
        drop(postgres);
        let _ = std::fs::remove_dir_all(state);
        answer.unwrap()
    }

    /// A job that runs each minute leaves the history of the others as it is.
    #[test]
    fn each_job_has_its_newest_runs() {
        let jobs = ["often", "seldom", "copy"].map(ToOwned::to_owned);
        let rows = asked(
            "runs",
                "create schema sluice;
                 create table sluice.runs (execution text, job text, started_at timestamptz, detected_at timestamptz,
                     rows_read bigint);
                 insert into sluice.runs
                     select 'arn:' || job || ':' || number, job, at, at, 1
                     from (values ('often', 1500), ('seldom', 2), ('other', 3)) as jobs (job, runs),
                         generate_series(1, runs) as number,
                         lateral (select '2026-01-01 00:00+00'::timestamptz + number * interval '1 minute'
                             - interval '300 days' * (job <> 'often')::integer as at) as times;
                 create table sluice.windows (job text, execution text, copied_at timestamptz, rows bigint, bytes bigint);
                 insert into sluice.windows
                     select 'copy', 'arn:copy:' || number / 2, '2026-01-01'::timestamptz + number * interval '1 minute',
                         1, 1
                     from generate_series(2, 5) as number",
            async |database| database.rows(&jobs).await,
        );
        let of = |job: &str| -> Vec<&str> {
            rows.iter().filter(|(of, _)| of == job).map(|(_, row)| row.execution.as_str()).collect()
        };
        assert_eq!((of("often").len(), of("often").first()), (1_001, Some(&"arn:often:1500")));
        assert_eq!(of("seldom"), ["arn:seldom:2", "arn:seldom:1"]);
        assert_eq!(of("copy"), ["arn:copy:2", "arn:copy:1"]);
        assert!(of("other").is_empty());
    }

    /// Three years of windows of an hour are more than are read one by one: the newest days are there all the same.
    #[test]
    fn windows_of_a_day_are_one_and_the_newest_are_there() {
        let windows = asked(
            "windows",
            "create schema sluice;
                 create table sluice.windows (job text, window_start timestamptz, window_end timestamptz, rows bigint,
                     execution text, copied_at timestamptz, verified_at timestamptz);
                 insert into sluice.windows
                     select 'j', at, at + interval '1 hour', 2, 'arn:x:' || (at < '2025-12-30'), at, at
                     from generate_series('2022-12-31 23:00+00'::timestamptz, '2025-12-31 22:00+00', '1 hour') as at
                     where at <> '2024-05-05 10:00+00';
                 insert into sluice.windows values ('other', now(), now(), 1, 'arn', now(), null),
                     ('j', '-infinity', 'infinity', 1, 'arn', now(), null)",
            async |database| database.windows("j", "Europe/Zurich").await,
        );
        let day = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        // Each day of three years; of the one with a gap its 23 hours.
        assert_eq!(windows.len(), 365 + 366 + 365 - 1 + 23);
        assert!(windows.is_sorted_by_key(|window| window.start));
        let (first, last) = (&windows[0], windows.last().unwrap());
        assert_eq!((first.start, first.end), (day("2022-12-31T23:00:00Z"), day("2023-01-01T23:00:00Z")));
        assert_eq!((last.end, last.rows, last.is_verified), (day("2025-12-31T23:00:00Z"), 48, true));
        assert_eq!((first.execution.as_str(), last.execution.as_str()), ("arn:x:true", "arn:x:false"));
        // A day of 23 hours is whole.
        let spring = windows.iter().find(|window| window.start == day("2024-03-30T23:00:00Z")).unwrap();
        assert_eq!(spring.end - spring.start, 23 * 3_600_000);
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
