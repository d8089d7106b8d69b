//! The action `prepare`: makes the role that loads, grants it what it needs, and sees that it can log in. The function
//! is where the database can be reached, also in a VPC without a way in, so nobody else has to be.

use aws_config::SdkConfig;
use postgres::bookkeeping;
use postgres::connect::Database;
use postgres::roles;
use postgres::sql_error::classify;
use sluice::contract::{Prepare, PrepareOutput};
use sluice::{Error, Result};
use sqlx::{Connection, PgConnection};
use tracing::info;

const SCRIPT: &str = include_str!("prepare.sql");

/// Prepares the database as the user that `input` names.
///
/// # Errors
/// `Misconfigured` if that user cannot log in or may not do it, or if the role cannot log in then; `InvalidEvent` if
/// both are the same.
pub(crate) async fn prepare(database: &Database, config: &SdkConfig, input: &Prepare) -> Result<PrepareOutput> {
    let loader = database.loader(config).await?;
    roles::refuse_same(&loader, &input.user)?;
    let mut connection = database.connect_as(&input.user, &input.password).await?;
    let mut transaction = connection.begin().await.map_err(|error| classify("begin", error))?;
    roles::let_log_in(&mut transaction, &loader).await?;
    let has_table = grant(&mut transaction, &loader.role, input).await?;
    transaction.commit().await.map_err(|error| classify("commit", error))?;
    // What loads write down is the role's own; and so it is seen that the role can log in.
    let mut connection = database.connect(config, "sluice prepare").await.map_err(|error| {
        let what = format!("the role {} is made and granted, but cannot log in", loader.role);
        Error::caused(error.kind(), what, error)
    })?;
    let mut transaction = connection.begin().await.map_err(|error| classify("begin", error))?;
    bookkeeping::ensure(&mut transaction).await?;
    transaction.commit().await.map_err(|error| classify("commit", error))?;
    info!(role = loader.role, schema = input.schema, has_table, "database prepared");
    Ok(PrepareOutput { role: loader.role, has_table })
}

/// Returns whether the target table is there.
async fn grant(connection: &mut PgConnection, role: &str, input: &Prepare) -> Result<bool> {
    let table = input.table.as_deref().unwrap_or_default();
    sqlx::query(
        "select set_config('prepare.role', $1, true),
                set_config('prepare.schema', $2, true),
                set_config('prepare.table', $3, true),
                set_config('prepare.create', $4, true),
                set_config('prepare.delete', $5, true)",
    )
    .bind(role)
    .bind(&input.schema)
    .bind(table)
    .bind(input.create.to_string())
    .bind(input.delete.to_string())
    .execute(&mut *connection)
    .await
    .map_err(|error| classify("set what to prepare", error))?;
    sqlx::raw_sql(SCRIPT).execute(&mut *connection).await.map_err(|error| classify("prepare the database", error))?;
    sqlx::query_scalar("select to_regclass(format('%I.%I', $1::text, $2::text)) is not null")
        .bind(&input.schema)
        .bind(table)
        .fetch_one(connection)
        .await
        .map_err(|error| classify("look for the table", error))
}
