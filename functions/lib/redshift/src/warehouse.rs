//! Redshift's Data API: statements are submitted and asked for by HTTP, so nothing waits in a network of the cluster's.

use crate::failure::classify;
use aws_sdk_redshiftdata::Client;
use aws_sdk_redshiftdata::error::ProvideErrorMetadata;
use aws_sdk_redshiftdata::primitives::DateTime;
use aws_sdk_redshiftdata::types::{Field, StatusString};
use sluice::env::Env;
use sluice::{Error, Kind, Result};
use std::time::{Duration, Instant, SystemTime};

/// How long one call waits for an end, in seconds. The Data API takes 30 at most, and so long the HTTP client waits for
/// an answer.
const WAIT_SECONDS: i32 = 20;

/// The Data API's own limit of statements in a batch.
pub const MAX_STATEMENTS: usize = 40;

/// The Data API's own limit of a statement, in bytes.
pub const MAX_STATEMENT_BYTES: usize = 100_000;

/// Codes of the Data API that say "later", though their HTTP status is 400.
const LATER: [&str; 3] =
    ["ActiveStatementsExceededException", "ActiveSessionsExceededException", "DatabaseConnectionException"];

/// A database of a workgroup or cluster.
#[derive(Clone, Debug)]
pub struct Warehouse {
    client: Client,
    place: Place,
    database: String,
}

/// Where a database is.
#[derive(Clone, Debug)]
pub enum Place {
    /// Serverless.
    Workgroup(String),
    /// Provisioned; without a user, the one of the caller's role.
    Cluster {
        /// Its identifier.
        identifier: String,
        /// The database user to log in as.
        user: Option<String>,
    },
}

impl Place {
    /// Reads `REDSHIFT_WORKGROUP`, or else `REDSHIFT_CLUSTER` and `REDSHIFT_USER`.
    pub fn from_env(env: &mut Env<'_>) -> Self {
        let workgroup = env.optional("REDSHIFT_WORKGROUP");
        let cluster = env.optional("REDSHIFT_CLUSTER");
        let user = env.optional("REDSHIFT_USER");
        match (workgroup, cluster) {
            (Some(name), None) => {
                if user.is_some() {
                    env.problem("REDSHIFT_USER is for a cluster; a workgroup takes the role's own user");
                }
                Self::Workgroup(name)
            }
            (None, Some(identifier)) => Self::Cluster { identifier, user },
            _ => {
                env.problem("one of REDSHIFT_WORKGROUP and REDSHIFT_CLUSTER has to be set");
                Self::Workgroup(String::new())
            }
        }
    }

    /// The database user that a caller with this role logs in as.
    pub fn user_of(&self, role: &str) -> String {
        match self {
            Self::Cluster { user: Some(user), .. } => user.clone(),
            _ => format!("IAMR:{role}"),
        }
    }
}

/// A batch as the Data API sees it.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its id.
    pub id: String,
    /// How it stands.
    pub state: State,
    /// When it was submitted, by the Data API's clock.
    pub created_at: Option<DateTime>,
}

impl Batch {
    /// For how long it has been there, by this machine's clock.
    pub fn age(&self) -> Option<Duration> {
        let created = SystemTime::try_from(self.created_at?).ok()?;
        Some(SystemTime::now().duration_since(created).unwrap_or_default())
    }
}

/// How a batch stands.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It is not over.
    Running,
    /// All of it was done; how many rows each statement returned or touched.
    Finished(Vec<i64>),
    /// None of it was done; why.
    Failed(String),
    /// None of it was done, because somebody ended it.
    Aborted,
}

impl Warehouse {
    /// The database at a place.
    pub fn new(config: &aws_config::SdkConfig, place: Place, database: String) -> Self {
        Self { client: Client::new(config), place, database }
    }

    /// Submits statements as one transaction, or finds the batch that was submitted by the same token within hours.
    /// Waits for its end for some seconds. Returns its id.
    ///
    /// # Errors
    /// `TransientFailure` if too much is going on; others as [`Error::aws`].
    pub async fn submit(&self, name: &str, token: Option<&str>, statements: &[String]) -> Result<String> {
        let what = format!("submit {name}");
        if statements.len() > MAX_STATEMENTS || statements.iter().any(|text| text.len() > MAX_STATEMENT_BYTES) {
            let text = format!(
                "{what}: {} statements, the longest of {} bytes; the Data API takes {MAX_STATEMENTS} of {MAX_STATEMENT_BYTES} bytes",
                statements.len(),
                statements.iter().map(String::len).max().unwrap_or_default()
            );
            return Err(Error::new(Kind::Misconfigured, text));
        }
        let call = self.client.batch_execute_statement().database(&self.database).statement_name(name);
        let call = match &self.place {
            Place::Workgroup(name) => call.workgroup_name(name),
            Place::Cluster { identifier, user } => call.cluster_identifier(identifier).set_db_user(user.clone()),
        };
        let call = call.set_sqls(Some(statements.to_vec())).set_client_token(token.map(ToOwned::to_owned));
        let answer = call.wait_time_seconds(WAIT_SECONDS).send().await.map_err(|error| api(&what, error))?;
        answer.id.ok_or_else(|| Error::new(Kind::InvariantBroken, format!("{what}: the answer has no id")))
    }

    /// How a batch stands, after a wait of some seconds for its end.
    ///
    /// # Errors
    /// As [`Warehouse::submit`].
    pub async fn describe(&self, id: &str) -> Result<Batch> {
        let what = format!("describe statement {id}");
        let call = self.client.describe_statement().id(id).wait_time_seconds(WAIT_SECONDS);
        let found = call.send().await.map_err(|error| api(&what, error))?;
        let state = match &found.status {
            Some(StatusString::Finished) => {
                State::Finished(found.sub_statements().iter().map(|part| part.result_rows).collect())
            }
            Some(StatusString::Failed) => State::Failed(found.error.unwrap_or_default()),
            Some(StatusString::Aborted) => State::Aborted,
            _ => State::Running,
        };
        Ok(Batch { id: id.to_owned(), state, created_at: found.created_at })
    }

    /// Runs statements to their end as one transaction; the rows of the last one, as texts.
    ///
    /// # Errors
    /// As [`classify`] for what Redshift says; `TransientFailure` if it takes longer than `time_left`.
    pub async fn run(
        &self,
        what: &str,
        statements: &[String],
        time_left: Duration,
    ) -> Result<Vec<Vec<Option<String>>>> {
        let started = Instant::now();
        let id = self.submit(what, None, statements).await?;
        loop {
            match self.describe(&id).await?.state {
                State::Finished(_) => return self.rows(&format!("{id}:{}", statements.len())).await,
                State::Failed(error) => return Err(classify(what, &error)),
                State::Aborted => {
                    return Err(Error::new(Kind::TransientFailure, format!("{what}: statement {id} was ended")));
                }
                State::Running if started.elapsed() > time_left => {
                    let text = format!("{what}: statement {id} did not end within {} s", time_left.as_secs());
                    return Err(Error::new(Kind::TransientFailure, text));
                }
                State::Running => {}
            }
        }
    }

    /// The rows of a statement of a batch that is over, as texts; none of one that returns none. The number of the
    /// statement, from 1, stands behind the batch's id and a colon.
    ///
    /// # Errors
    /// As [`Warehouse::submit`].
    pub async fn rows(&self, id: &str) -> Result<Vec<Vec<Option<String>>>> {
        let what = format!("read the result of statement {id}");
        let described = self.client.describe_statement().id(id).send().await.map_err(|error| api(&what, error))?;
        let (mut rows, mut next) = (Vec::new(), None);
        if described.has_result_set != Some(true) {
            return Ok(rows);
        }
        loop {
            let call = self.client.get_statement_result().id(id).set_next_token(next);
            let page = call.send().await.map_err(|error| api(&what, error))?;
            rows.extend(page.records.iter().map(|record| record.iter().map(text).collect::<Vec<_>>()));
            match page.next_token {
                None => return Ok(rows),
                token => next = token,
            }
        }
    }
}

/// A field as a text; `None` for NULL.
fn text(field: &Field) -> Option<String> {
    match field {
        Field::StringValue(text) => Some(text.clone()),
        Field::LongValue(number) => Some(number.to_string()),
        Field::DoubleValue(number) => Some(number.to_string()),
        Field::BooleanValue(is) => Some(is.to_string()),
        _ => None,
    }
}

fn api<E>(what: &str, error: aws_sdk_redshiftdata::error::SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    if LATER.contains(&code) {
        return Error::new(Kind::TransientFailure, format!("{what}: {code}"));
    }
    if code == "ValidationException" {
        let message = error.as_service_error().and_then(ProvideErrorMetadata::message).unwrap_or_default();
        return Error::new(Kind::Misconfigured, format!("{what}: {code} {message}"));
    }
    Error::aws(what, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_workgroup_or_a_cluster() {
        let read = |given: &[(&str, &str)]| {
            let lookup = |name: &str| given.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            let mut env = Env::new(&lookup);
            let place = Place::from_env(&mut env);
            env.finish(place).map(|place| place.user_of("dev-nps-Load")).map_err(|error| error.to_string())
        };
        assert_eq!(read(&[("REDSHIFT_WORKGROUP", "w")]), Ok("IAMR:dev-nps-Load".to_owned()));
        assert_eq!(read(&[("REDSHIFT_CLUSTER", "c")]), Ok("IAMR:dev-nps-Load".to_owned()));
        assert_eq!(read(&[("REDSHIFT_CLUSTER", "c"), ("REDSHIFT_USER", "loader")]), Ok("loader".to_owned()));
        for (given, expected) in [
            (vec![], "one of REDSHIFT_WORKGROUP and REDSHIFT_CLUSTER"),
            (vec![("REDSHIFT_WORKGROUP", "w"), ("REDSHIFT_CLUSTER", "c")], "one of REDSHIFT_WORKGROUP"),
            (vec![("REDSHIFT_WORKGROUP", "w"), ("REDSHIFT_USER", "u")], "REDSHIFT_USER is for a cluster"),
        ] {
            let error = read(&given).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
