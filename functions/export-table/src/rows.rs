//! The rows of a query, of one moment of the table and at little cost each.

use crate::sql_error::classify;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sluice::{Error, Kind, Result};
use sqlx::mysql::{MySqlConnection, MySqlQueryResult, MySqlRow};
use sqlx::{AssertSqlSafe, Either, Executor, Row};
use tracing::dispatcher::{self, Dispatch};
use tracing::instrument::WithSubscriber;

/// One moment for all rows, and a server that waits while a part is sent. MySQL hangs up after a minute by default.
const PREPARE: [&str; 2] =
    ["set session transaction isolation level repeatable read", "set session net_write_timeout = 600"];

/// Begins to read at one moment; when, by MySQL's own clock in UTC. Not later than that moment, so a load that is said
/// to be newer has newer rows.
///
/// # Errors
/// As [`classify`].
pub async fn begin(connection: &mut MySqlConnection) -> Result<String> {
    let what = "begin a snapshot";
    for statement in PREPARE {
        connection.execute(sqlx::raw_sql(statement)).await.map_err(|error| classify(what, error))?;
    }
    let now = connection.fetch_one(sqlx::raw_sql("select cast(utc_timestamp(6) as char)")).await;
    let now = now.map_err(|error| classify(what, error))?;
    let bytes: &[u8] = now.try_get_unchecked(0).map_err(|error| classify(what, error))?;
    let now = String::from_utf8(bytes.to_vec())
        .map_err(|_| Error::new(Kind::InvariantBroken, "MySQL's clock says no time"))?;
    let snapshot = "start transaction with consistent snapshot, read only";
    connection.execute(sqlx::raw_sql(snapshot)).await.map_err(|error| classify(what, error))?;
    Ok(now)
}

/// The rows of a query, one after the other.
pub struct Rows<'a> {
    steps: BoxStream<'a, sqlx::Result<Either<MySqlQueryResult, MySqlRow>>>,
    is_begun: bool,
    table: String,
}

impl<'a> Rows<'a> {
    /// Those of this SQL, which reads `table`.
    pub fn new(connection: &'a mut MySqlConnection, text: &str, table: String) -> Self {
        // sqlx makes two streams, one when it is asked for rows and one when it first reads, and enters the span that
        // is current at that time anew for each row. Of no span that costs nothing.
        let query = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
        let steps = dispatcher::with_default(&Dispatch::none(), || connection.fetch_many(query));
        Self { steps, is_begun: false, table }
    }

    /// The next row.
    ///
    /// # Errors
    /// As [`classify`].
    #[inline]
    pub async fn next(&mut self) -> Result<Option<MySqlRow>> {
        loop {
            let step = match std::mem::replace(&mut self.is_begun, true) {
                true => self.steps.try_next().await,
                false => self.steps.try_next().with_subscriber(Dispatch::none()).await,
            };
            match step {
                Ok(Some(Either::Right(row))) => return Ok(Some(row)),
                Ok(Some(Either::Left(_))) => {}
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    /// The value of a column of a row.
    ///
    /// # Errors
    /// As [`classify`].
    #[inline]
    pub fn value<'r>(&self, row: &'r MySqlRow, place: usize) -> Result<Option<&'r [u8]>> {
        row.try_get_unchecked(place).map_err(|error| self.failed(error))
    }

    #[cold]
    fn failed(&self, error: sqlx::Error) -> Error {
        classify(format!("read {}", self.table), error)
    }
}
