//! Whether a job's table is still what its last run left. On AWS a run in vpc mode asks the database itself; in toggle
//! mode, which this stack runs in, it does not open the database for that. Here the database is always open.

use crate::BoxError;
use crate::deployment::Deployment;
use crate::report::quoted_table;
use sluice::contract::{Loaded, keys};
use sluice::spec::Target;
use sqlx::PgConnection;

/// Compares `state/<job>/loaded.json` with the database. If that has another table, or none, says why; and if the run
/// that comes `loads`, removes the document, so that it looks at all files.
///
/// # Errors
/// As S3 and the server have it.
pub(crate) async fn forget_if_gone(
    deployment: &Deployment,
    target: &Target,
    loads: bool,
) -> Result<Option<String>, BoxError> {
    let (s3, key) = (deployment.s3(), keys::loaded(&deployment.job));
    let got = match s3.get_object().bucket(&deployment.bucket).key(&key).send().await {
        Ok(got) => got,
        Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let loaded: Loaded = serde_json::from_slice(got.body.collect().await?.to_vec().as_ref())?;
    if loaded.print.target != target.full_name() {
        // Of another table the spec does not speak any more, and the next run sees that.
        return Ok(None);
    }
    let mut connection = deployment.connect().await?;
    let Some(why) = why_gone(&mut connection, &deployment.job, target, &loaded).await? else { return Ok(None) };
    let table = target.full_name();
    if !loads {
        return Ok(Some(format!("{table}: {why}; a run that loads will look at all files")));
    }
    s3.delete_object().bucket(&deployment.bucket).key(&key).send().await?;
    Ok(Some(format!("{table}: {why}, so all files are looked at")))
}

/// Why the table is not the one that was loaded; `None` if it is.
async fn why_gone(
    connection: &mut PgConnection,
    job: &str,
    target: &Target,
    loaded: &Loaded,
) -> Result<Option<&'static str>, BoxError> {
    let has_records: bool =
        sqlx::query_scalar("select to_regclass('sluice.targets') is not null").fetch_one(&mut *connection).await?;
    let table = quoted_table(target);
    let recorded: Option<(bool, bool)> = if has_records {
        // As `postgres::targets` tells that a table is another one.
        let recorded = sqlx::query_as(
            "select has_rows, coalesce(
                 (to_jsonb(known) ->> 'record_oid')::oid = known.tableoid
                     and (to_jsonb(known) ->> 'table_oid')::oid <> to_regclass($5), false
             )
             from sluice.targets known where target = $1 and job = $2 and generation::text = $3
             and detected_at >= $4::timestamptz",
        );
        let recorded = recorded.bind(target.full_name()).bind(job);
        recorded.bind(&loaded.generation).bind(&loaded.detected_at).fetch_optional(&mut *connection).await?
    } else {
        None
    };
    let Some((has_rows, is_another)) = recorded else {
        return Ok(Some("this database does not know of the last run"));
    };
    let is_there: bool =
        sqlx::query_scalar("select to_regclass($1) is not null").bind(&table).fetch_one(&mut *connection).await?;
    if !is_there {
        return Ok(Some("the table is gone"));
    }
    if is_another {
        return Ok(Some("the table was dropped and made again"));
    }
    let holds_some: bool = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select exists (select from only {table})")))
        .fetch_one(connection)
        .await?;
    Ok((has_rows && !holds_some).then_some("the table was emptied"))
}
