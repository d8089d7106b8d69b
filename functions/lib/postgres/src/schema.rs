//! The schema `sluice`, where functions write down what they have done.

use crate::sql_error::classify;
use sluice::Result;
use sqlx::PgConnection;

/// Makes the schema if it is missing, and lets one transaction at a time go on to make what belongs in it: `if not
/// exists` alone lets two of them collide.
///
/// # Errors
/// `Misconfigured` if the user may not create it.
pub async fn ensure(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('sluice.runs', 0))")
        .execute(&mut *connection)
        .await
        .map_err(|error| classify("lock the creation of tables in the schema sluice", error))?;
    // Asked first: `if not exists` wants the right to create schemas even where there is nothing to create.
    let has_schema: bool = sqlx::query_scalar("select to_regnamespace('sluice') is not null")
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| classify("look for the schema sluice", error))?;
    if !has_schema {
        sqlx::raw_sql("create schema sluice")
            .execute(&mut *connection)
            .await
            .map_err(|error| classify("create the schema sluice", error))?;
    }
    Ok(())
}
