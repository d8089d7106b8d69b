//! The database that jobs copy from, on one machine: beside the target, and filled by the samples of the jobs.

use crate::BoxError;
use crate::binaries::workspace;
use crate::deployment::Options;
use crate::stack::{STACK_NAME, Stack};
use crate::template::Job;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::fs;

/// The parameter of the template that has its URL. Without one, no job that copies a table is deployed.
pub const PARAMETER: &str = "SourceDatabaseUrl";

/// The source of people's jobs.
pub(crate) struct Source {
    /// Its URL.
    pub(crate) url: String,
    /// That of the database that the jobs write.
    target_url: String,
}

impl Source {
    /// Makes it, if it is not there yet.
    ///
    /// # Errors
    /// If the server is the user's own, on which no databases are made.
    pub(crate) async fn new(stack: &Stack) -> Result<Self, BoxError> {
        if !stack.owns_database_server() {
            return Err("copying a table takes two databases: unset DATABASE_URL to get a server of its own".into());
        }
        let url = stack.database_for(&format!("{STACK_NAME}-source")).await?;
        Ok(Self { url, target_url: stack.database_for(STACK_NAME).await? })
    }

    /// Options of a deployment whose jobs copy from it.
    pub(crate) fn options(&self) -> Options {
        Options { parameters: [(PARAMETER, self.url.clone())].into(), ..Options::default() }
    }

    /// Makes a job's table on both sides, and its rows in the source. What is there already stays as it is.
    ///
    /// # Errors
    /// If the job has no sample, or as the server has it.
    pub(crate) async fn fill(&self, job: &Job) -> Result<(), BoxError> {
        let sample = workspace().join("local/sample").join(&job.name);
        let read = |name: &str| {
            fs::read_to_string(sample.join(name)).map_err(|error| {
                format!(
                    "{0} has no sample: local/sample/{0}/{name}: {error}; table.sql there makes the table on both sides, and \
                     rows.sql the rows of the source",
                    job.name
                )
            })
        };
        let (table, rows) = (read("table.sql")?, read("rows.sql")?);
        self.run(&format!("{table}\n{rows}")).await?;
        run_in(&self.target_url, &table).await
    }

    /// Runs statements in it.
    ///
    /// # Errors
    /// As the server has it.
    pub(crate) async fn run(&self, statements: &str) -> Result<(), BoxError> {
        run_in(&self.url, statements).await
    }
}

async fn run_in(url: &str, statements: &str) -> Result<(), BoxError> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await?;
    Ok(connection.close().await?)
}
