//! The partial sums of a run, in a temporary table that is gone with the transaction.

use crate::target::Target;
use postgres::arrays::{self, Element, SMALL_ROWS};
use postgres::identifiers::Names;
use postgres::sql_error::classify;
use sluice::contract::{ColumnKind, FILE_COLUMN, ObjectRef};
use sluice::store::{Pinned, Store};
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};

/// The staging table. It lives in the session's own schema, under a name that no target can shadow.
pub(crate) const STAGING: &str = "pg_temp.sluice_staging";

/// Makes the staging table, once the target is there.
///
/// # Errors
/// As [`classify`].
pub(crate) async fn create(connection: &mut PgConnection, target: &Target<'_>) -> Result<()> {
    let (Names { table, key, .. }, list) = (&target.names, target.names.list());
    let file = if target.is_per_file() { format!("0::bigint as {FILE_COLUMN}, ") } else { String::new() };
    let not_null = target.names.each(|name| format!("alter {name} set not null"));
    // From the target's own columns, whose collations a comparison needs.
    sqlx::raw_sql(AssertSqlSafe(format!(
        "create temporary table sluice_staging on commit drop as
             select {file}{key}, {list} from {table} with no data;
         alter table {STAGING} alter {key} set not null, {not_null}"
    )))
    .execute(connection)
    .await
    .map_err(|error| classify("create the staging table", error))
    .map(|_| ())
}

/// Streams a part into the staging table. Returns how many rows it has.
///
/// # Errors
/// `Misconfigured` if the part is not there any more, `TransientFailure` if its bytes stop coming; others as
/// [`classify`].
pub(crate) async fn add(
    connection: &mut PgConnection,
    store: &Store,
    target: &Target<'_>,
    part: &ObjectRef,
    rows: u64,
) -> Result<u64> {
    let failed = |error| classify(format!("stage {}", part.key), error);
    let interrupted = |error| Error::caused(Kind::TransientFailure, format!("read {}", part.key), error);
    let mut body = match store.open(&part.key, &part.etag).await? {
        Pinned::Body(body) => body,
        Pinned::Changed | Pinned::Gone => {
            return Err(Error::new(Kind::Misconfigured, format!("{} is no longer what pivot wrote", part.key)));
        }
    };
    let (Names { key, .. }, list) = (&target.names, target.names.list());
    let file = if target.is_per_file() { format!("{FILE_COLUMN}, ") } else { String::new() };
    if rows <= SMALL_ROWS {
        let bytes = body.collect().await.map_err(interrupted)?.into_bytes();
        let elements = elements(target);
        if let Some(columns) = arrays::columns(&bytes, &elements) {
            let arrays = (1..=elements.len()).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
            let insert = format!("insert into {STAGING} ({file}{key}, {list}) select * from unnest({arrays})");
            let insert =
                columns.into_iter().fold(sqlx::query(AssertSqlSafe(insert)), |insert, column| insert.bind(column));
            return insert.execute(connection).await.map(|done| done.rows_affected()).map_err(failed);
        }
        body = bytes.into();
    }
    let copy = format!("copy {STAGING} ({file}{key}, {list}) from stdin (format binary)");
    let mut copy = connection.copy_in_raw(&copy).await.map_err(failed)?;
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => {
                copy.send(&chunk[..]).await.map_err(failed)?;
            }
            Err(error) => {
                // The transaction is lost anyway; this only ends the copy in an orderly way.
                let _ = copy.abort("the part could not be read").await;
                return Err(interrupted(error));
            }
        }
    }
    copy.finish().await.map_err(failed)
}

/// The types of the columns of a part.
fn elements(target: &Target<'_>) -> Vec<Element> {
    let file = target.is_per_file().then_some(Element::Integer);
    let key = match target.key_kind {
        ColumnKind::Date => Element::Date,
        ColumnKind::Text => Element::Text,
    };
    file.into_iter().chain([key]).chain(target.names.values.iter().map(|_| Element::Numeric)).collect()
}
