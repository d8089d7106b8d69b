//! What the parts of a run say, in a temporary table that is gone with the transaction.

use crate::casts::Cast;
use crate::content::Group;
use crate::fitting;
use crate::merged::Merged;
use crate::results::Results;
use crate::target::Target;
use postgres::arrays::{self, SMALL_ROWS};
use postgres::identifiers::{Names, quoted};
use postgres::sql_error::classify;
use sluice::contract::{BAD_ROWS_ONLY, ColumnKind, FILE_COLUMN, ObjectRef, PARTIAL, STATE_COLUMN, WHOLE};
use sluice::store::{Pinned, Store};
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};

/// The staging table. It lives in the session's own schema, under a name that no target can shadow.
pub(crate) const STAGING: &str = "pg_temp.sluice_staging";

/// Puts the parts of a run into a staging table, once the target is there, with each key once of each file, where they
/// are kept apart; else once of each part, as it is spelled there. Returns how many rows the parts have.
///
/// # Errors
/// `Misconfigured` if a part is not there any more, `TransientFailure` if its bytes stop coming, `InvariantBroken` if
/// it has not the rows that pivot counted, `InvalidSource` if a key does not fit the target's type; others as
/// [`classify`].
pub(crate) async fn stage(
    connection: &mut PgConnection,
    store: &Store,
    target: &Target<'_>,
    results: &Results<'_>,
    merged: &mut Merged,
) -> Result<u64> {
    create(connection, target).await?;
    let mut rows_staged = 0;
    for result in results.parts() {
        let Some(part) = &result.output.pivoted else { continue };
        let expected = result.output.days;
        let rows = add(connection, store, target, part, expected).await?;
        if rows != expected {
            let what = format!("{}: {rows} rows staged, {expected} expected", part.key);
            return Err(Error::new(Kind::InvariantBroken, what));
        }
        rows_staged += rows;
    }
    fitting::fit(connection, target, STAGING, fitting::Of::Keys, merged).await?;
    // Where files are not kept apart, it shows later how often a key came.
    if target.layout.per_file && (target.may_join_keys() || !results.have_keys_once()) {
        group(connection, target).await?;
    }
    Ok(rows_staged)
}

async fn create(connection: &mut PgConnection, target: &Target<'_>) -> Result<()> {
    let Names { table, .. } = &target.names;
    let file = target.layout.per_file.then(|| format!("0::bigint as {FILE_COLUMN}"));
    let state = target.has_states().then(|| format!("0::smallint as {STATE_COLUMN}"));
    // From the target's own columns, whose collations a comparison needs.
    let keys = target.columns.iter().filter(|column| column.is_key).map(|column| match column.cast {
        Cast::None => column.quoted.clone(),
        Cast::All | Cast::If(_) => format!("null::{} as {}", column.kind.sql(), column.quoted),
    });
    let content = target.content.columns.iter().map(|column| format!("null::{} as {}", column.sql(), column.quoted));
    let columns = file.into_iter().chain(state).chain(keys).chain(content).collect::<Vec<_>>().join(", ");
    let never_null = target.content.columns.iter().filter(|column| column.is_zero_if_empty);
    let never_null = target.names.keys.iter().chain(never_null.map(|column| &column.quoted));
    let not_null = never_null.map(|name| format!("alter {name} set not null")).collect::<Vec<_>>().join(", ");
    sqlx::raw_sql(AssertSqlSafe(format!(
        "create temporary table sluice_staging on commit drop as select {columns} from {table} with no data;
         alter table {STAGING} {not_null}"
    )))
    .execute(connection)
    .await
    .map_err(|error| classify("create the staging table", error))
    .map(|_| ())
}

/// Makes one row of all that one file says of a key.
async fn group(connection: &mut PgConnection, target: &Target<'_>) -> Result<()> {
    let by = format!("staged.{FILE_COLUMN}, {}", target.names.keys_of("staged"));
    let group = Group { by: &by, from: &format!("{STAGING} staged"), alias: "staged", files: &[] };
    let grouped = target.content.combined(group, |over| state(target, "staged", over));
    sqlx::raw_sql(AssertSqlSafe(format!(
        "create temporary table sluice_grouped on commit drop as {grouped};
         drop table {STAGING};
         alter table pg_temp.sluice_grouped rename to sluice_staging"
    )))
    .execute(connection)
    .await
    .map_err(|error| classify("put together what the parts say of a key", error))
    .map(|_| ())
}

/// Whether all rows of a key are in what several rows say together, as a column with a comma behind it; nothing where
/// all are. `over`: of which rows.
pub(crate) fn state(target: &Target<'_>, alias: &str, over: &str) -> String {
    match target.has_states() {
        true => format!(
            "(case when bool_and({alias}.{STATE_COLUMN} = {WHOLE}){over} then {WHOLE}
                   when bool_and({alias}.{STATE_COLUMN} = {BAD_ROWS_ONLY}){over} then {BAD_ROWS_ONLY}
                   else {PARTIAL} end)::smallint as {STATE_COLUMN}, "
        ),
        false => String::new(),
    }
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
    let (mut names, mut kinds) = (Vec::new(), Vec::<ColumnKind>::new());
    for column in target.layout.columns() {
        names.push(quoted(&column.name)?);
        kinds.push(column.kind);
    }
    let list = names.join(", ");
    if rows <= SMALL_ROWS {
        let bytes = body.collect().await.map_err(interrupted)?.into_bytes();
        if let Some(columns) = arrays::columns(&bytes, &kinds) {
            let arrays = (1..=kinds.len()).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
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
