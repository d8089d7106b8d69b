//! The action `prepare`: lets the user that reads log in and read the one table, and sees that it can. The function is
//! where MySQL can be reached, so nobody else has to be.

use crate::connect::{Reader, Server};
use crate::query::quoted;
use crate::sql_error::classify;
use aws_config::SdkConfig;
use sluice::contract::mysql_to_redshift::{PrepareSource, PrepareSourceOutput};
use sluice::{Error, Kind, Result};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Executor, Row};
use tracing::info;

/// Prepares MySQL as the user that `input` names. May be done again.
///
/// # Errors
/// `Misconfigured` if that user cannot log in or may not do it, if there is no such table, if the user of a secret is
/// not there, or if it cannot read then; `InvalidEvent` if both are the same.
pub async fn prepare(server: &Server, config: &SdkConfig, input: &PrepareSource) -> Result<PrepareSourceOutput> {
    let reader = server.reader(config).await?;
    if reader.user == input.user {
        let what = format!("{} is the function's user; prepare needs another one, on RDS the master user", reader.user);
        return Err(Error::new(Kind::InvalidEvent, what));
    }
    let table = format!("{}.{}", quoted(&input.schema), quoted(&input.table));
    let mut connection = server.connect_as(&input.user, &input.password).await?;
    if let Some(statement) = creation(&reader) {
        run(&mut connection, &format!("make the user {}", reader.user), statement).await?;
    }
    for host in hosts(&mut connection, &reader).await? {
        let grant = format!("grant select on {table} to {}@{}", quoted(&reader.user), quoted(&host));
        run(&mut connection, &format!("grant to {}", reader.user), grant).await?;
    }
    let mut connection = server.connect(config).await.map_err(|error| {
        let what = format!("the user {} is granted to read, but cannot log in", reader.user);
        Error::caused(error.kind(), what, error)
    })?;
    let what = format!("read {}.{} as {}", input.schema, input.table, reader.user);
    run(&mut connection, &what, format!("select 1 from {table} limit 0")).await?;
    info!(user = reader.user, schema = input.schema, table = input.table, "source prepared");
    Ok(PrepareSourceOutput { user: reader.user })
}

/// What makes the user, if it needs no password: one that comes from a secret would stand in the statement.
fn creation(reader: &Reader) -> Option<String> {
    // The token is sent as it is, so it must not leave verified TLS.
    reader.is_by_token.then(|| {
        let user = quoted(&reader.user);
        format!("create user if not exists {user}@`%` identified with AWSAuthenticationPlugin as 'RDS' require ssl")
    })
}

/// From where the user may log in: each is a user of its own.
async fn hosts(connection: &mut MySqlConnection, reader: &Reader) -> Result<Vec<String>> {
    let what = format!("look up the user {}", reader.user);
    let query = sqlx::query("select cast(host as char) from mysql.user where user = ? order by 1").bind(&reader.user);
    let rows = query.fetch_all(connection).await.map_err(|error| classify(&what, error))?;
    let host =
        |row: &sqlx::mysql::MySqlRow| row.try_get_unchecked::<String, _>(0).map_err(|error| classify(&what, error));
    let hosts: Vec<String> = rows.iter().map(host).collect::<Result<_>>()?;
    match hosts.is_empty() {
        false => Ok(hosts),
        true => {
            let what = format!("MySQL has no user {}: make it, with the password that its secret holds", reader.user);
            Err(Error::new(Kind::Misconfigured, what))
        }
    }
}

async fn run(connection: &mut MySqlConnection, what: &str, statement: String) -> Result<()> {
    let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await;
    done.map(drop).map_err(|error| classify(what, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_user_without_a_password_is_made() {
        let reader = |is_by_token| Reader { user: "re`ader".into(), is_by_token };
        assert_eq!(creation(&reader(false)), None);
        assert_eq!(
            creation(&reader(true)).unwrap(),
            "create user if not exists `re``ader`@`%` identified with AWSAuthenticationPlugin as 'RDS' require ssl"
        );
    }
}
