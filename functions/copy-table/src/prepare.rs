//! The action `prepare`: makes the role of one end, grants it what copying needs there and no more, and sees that it
//! can log in. The function is where the databases can be reached, so nobody else has to be.

use crate::windows;
use aws_config::SdkConfig;
use postgres::connect::Database;
use postgres::roles;
use postgres::sql_error::classify;
use sluice::contract::copy_table::{End, Prepare, PrepareOutput};
use sluice::{Error, Kind, Result};
use sqlx::{Connection, PgConnection};
use tracing::info;

const SOURCE: &str = include_str!("prepare/source.sql");
const TARGET: &str = include_str!("prepare/target.sql");

/// Prepares a database as the user that `input` names.
///
/// # Errors
/// `Misconfigured` if that user cannot log in or may not do it, if there is no such table, or if the role cannot log in
/// then; `InvalidEvent` if both are the same.
pub(crate) async fn prepare(database: &Database, config: &SdkConfig, input: &Prepare) -> Result<PrepareOutput> {
    let loader = database.loader(config).await?;
    roles::refuse_same(&loader, &input.user)?;
    let mut connection = database.connect_as(&input.user, &input.password).await?;
    refuse_replica(&mut connection).await?;
    let mut transaction = connection.begin().await.map_err(|error| classify("begin", error))?;
    roles::let_log_in(&mut transaction, &loader).await?;
    grant(&mut transaction, &loader.role, input).await?;
    transaction.commit().await.map_err(|error| classify("commit", error))?;
    let mut connection = database.connect(config, "sluice prepare").await.map_err(|error| {
        let what = format!("the role {} is made and granted, but cannot log in", loader.role);
        Error::caused(error.kind(), what, error)
    })?;
    if input.end == End::Target {
        // What copies write down is the role's own.
        windows::ensure(&mut connection).await?;
    }
    info!(role = loader.role, end = ?input.end, schema = input.schema, table = input.table, "database prepared");
    Ok(PrepareOutput { role: loader.role, end: input.end })
}

async fn refuse_replica(connection: &mut PgConnection) -> Result<()> {
    let is_replica: bool = sqlx::query_scalar("select pg_is_in_recovery()")
        .fetch_one(connection)
        .await
        .map_err(|error| classify("look whether the database is a replica", error))?;
    match is_replica {
        false => Ok(()),
        true => {
            let what = "the database is a replica, which has the roles of its primary: run the grants there by hand";
            Err(Error::new(Kind::Misconfigured, what))
        }
    }
}

async fn grant(connection: &mut PgConnection, role: &str, input: &Prepare) -> Result<()> {
    sqlx::query(
        "select set_config('prepare.role', $1, true),
                set_config('prepare.schema', $2, true),
                set_config('prepare.table', $3, true),
                set_config('prepare.transactions', $4, true),
                set_config('prepare.delete', $5, true)",
    )
    .bind(role)
    .bind(&input.schema)
    .bind(&input.table)
    .bind(input.transactions.to_string())
    .bind(input.delete.to_string())
    .execute(&mut *connection)
    .await
    .map_err(|error| classify("set what to grant", error))?;
    let script = match input.end {
        End::Source => SOURCE,
        End::Target => TARGET,
    };
    sqlx::raw_sql(script).execute(connection).await.map_err(|error| classify("grant", error)).map(|_| ())
}
