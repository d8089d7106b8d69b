//! The schema `sluice`: what loads write down beside the tables that they load. [`targets`](crate::targets) is
//! one of its tables, `runs` another one; kinds make others.

use crate::sql_error::classify;
use sluice::Result;
use sqlx::PgConnection;

const CREATE: &str = include_str!("bookkeeping.sql");

/// Makes the schema and its tables where they are missing. The caller holds the lock on a target, but runs of other
/// targets may come at once, and `if not exists` alone lets two of them collide.
///
/// # Errors
/// `Misconfigured` if the user may not create them.
pub async fn ensure(connection: &mut PgConnection) -> Result<()> {
    // What came last; all of it is made at once.
    let is_there: bool = sqlx::query_scalar(
        "select count(*) = 2 from pg_attribute
         where not attisdropped and (attrelid = to_regclass('sluice.targets') and attname = 'allows_repeated'
                                     or attrelid = to_regclass('sluice.runs') and attname = 'rows_filtered')",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(|error| classify("look for the tables of the schema sluice", error))?;
    if is_there {
        return Ok(());
    }
    ensure_schema(connection).await?;
    let created = sqlx::raw_sql(CREATE).execute(connection).await;
    created.map_err(|error| classify("create the tables of the schema sluice", error)).map(|_| ())
}

/// Makes the schema where it is missing, and lets one transaction at a time go on to make what belongs in it.
///
/// # Errors
/// `Misconfigured` if the user may not create it.
pub async fn ensure_schema(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('sluice.runs', 0))")
        .execute(&mut *connection)
        .await
        .map_err(|error| classify("lock the creation of the schema sluice", error))?;
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
