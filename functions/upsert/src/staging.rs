//! The partial sums of a run, in a temporary table that is gone with the transaction.

use crate::results::Results;
use crate::target::Target;
use postgres::arrays::{self, Element, SMALL_ROWS};
use postgres::identifiers::Names;
use postgres::sql_error::classify;
use sluice::contract::{ColumnKind, FILE_COLUMN, ObjectRef, STATE_COLUMN};
use sluice::store::{Pinned, Store};
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};

/// The staging table. It lives in the session's own schema, under a name that no target can shadow.
pub(crate) const STAGING: &str = "pg_temp.sluice_staging";

/// Puts the parts of a run into a staging table, once the target is there. Returns how many rows there are in it.
///
/// # Errors
/// `Misconfigured` if a part is not there any more, `TransientFailure` if its bytes stop coming, `InvariantBroken` if
/// it has not the rows that pivot counted; others as [`classify`].
pub(crate) async fn stage(
    connection: &mut PgConnection,
    store: &Store,
    target: &Target<'_>,
    results: &Results<'_>,
) -> Result<u64> {
    create(connection, target).await?;
    let mut rows_staged = 0;
    for result in &results.batches {
        let Some(part) = &result.output.pivoted else { continue };
        let expected = result.output.days;
        let rows = add(connection, store, target, part, expected).await?;
        if rows != expected {
            let what = format!("{}: {rows} rows staged, {expected} expected", part.key);
            return Err(Error::new(Kind::InvariantBroken, what));
        }
        rows_staged += rows;
    }
    Ok(rows_staged)
}

async fn create(connection: &mut PgConnection, target: &Target<'_>) -> Result<()> {
    let (Names { table, key, .. }, list) = (&target.names, target.names.list());
    let file = if target.keeps_words() { format!("0::bigint as {FILE_COLUMN}, ") } else { String::new() };
    let state = if target.has_states() { format!("0::smallint as {STATE_COLUMN}, ") } else { String::new() };
    let not_null = target.names.each(|name| format!("alter {name} set not null"));
    // From the target's own columns, whose collations a comparison needs.
    sqlx::raw_sql(AssertSqlSafe(format!(
        "create temporary table sluice_staging on commit drop as
             select {file}{state}{key}, {list} from {table} with no data;
         alter table {STAGING} alter {key} set not null, {not_null}"
    )))
    .execute(connection)
    .await
    .map_err(|error| classify("create the staging table", error))
    .map(|_| ())
}

/// Streams a part into the staging table. Returns how many rows it has.
async fn add(
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
    let columns = columns(target);
    let (names, elements): (Vec<&str>, Vec<Element>) = columns.iter().copied().unzip();
    let list = names.join(", ");
    if rows <= SMALL_ROWS {
        let bytes = body.collect().await.map_err(interrupted)?.into_bytes();
        if let Some(columns) = arrays::columns(&bytes, &elements) {
            let arrays = (1..=elements.len()).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
            let insert = format!("insert into {STAGING} ({list}) select * from unnest({arrays})");
            let insert =
                columns.into_iter().fold(sqlx::query(AssertSqlSafe(insert)), |insert, column| insert.bind(column));
            return insert.execute(connection).await.map(|done| done.rows_affected()).map_err(failed);
        }
        body = bytes.into();
    }
    let copy = format!("copy {STAGING} ({list}) from stdin (format binary)");
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

/// The columns of a part, quoted, with their types.
fn columns<'t>(target: &'t Target<'_>) -> Vec<(&'t str, Element)> {
    let file = target.keeps_words().then_some((FILE_COLUMN, Element::Integer));
    let state = target.has_states().then_some((STATE_COLUMN, Element::Smallint));
    let key = match target.layout.keys.first().map(|key| key.kind) {
        Some(ColumnKind::Date) => Element::Date,
        _ => Element::Text,
    };
    let values = target.names.values.iter().map(|name| (name.as_str(), Element::Numeric));
    file.into_iter().chain(state).chain([(target.names.key.as_str(), key)]).chain(values).collect()
}
