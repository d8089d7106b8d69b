//! Whether a job's table is still what its last run left. On AWS a run in vpc mode asks the database itself; in toggle
//! mode, which this stack runs in, it does not open the database for that. Here the database is always open.

use crate::BoxError;
use crate::deployment::Deployment;
use crate::report::quoted_table;
use sluice::contract::{Execution, Loaded, SourceFile, keys};
use sluice::input::PassedOver;
use sluice::ledger::each_loaded;
use sluice::spec::{OnOverlap, Source, Spec, Target};
use sluice::store::Store;
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};

/// How many files are named.
const NAMED: usize = 3;

/// Compares `state/<job>/loaded.json` with the database. If that has another table, or none, says why; and if the run
/// that comes `loads`, removes the document, so that it looks at all files. Names the files that it will not find.
///
/// # Errors
/// As S3 and the server have it.
pub(crate) async fn forget_if_gone(
    deployment: &Deployment,
    spec: &Spec,
    loads: bool,
) -> Result<Option<String>, BoxError> {
    let target = &spec.target;
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
    let [gone, overwritten] = unread(deployment, &spec.source, &loaded).await?;
    let gone = told_gone(&gone, target.on_overlap) + &told_overwritten(&overwritten, target.on_overlap);
    if !loads {
        return Ok(Some(format!("{table}: {why}; a run that loads will look at all files{gone}")));
    }
    s3.delete_object().bucket(&deployment.bucket).key(&key).send().await?;
    Ok(Some(format!("{table}: {why}, so all files are looked at{gone}")))
}

/// The files that were loaded and are gone from the bucket or no longer selected; and those of which another version is
/// there than one that was loaded.
async fn unread(deployment: &Deployment, source: &Source, loaded: &Loaded) -> Result<[BTreeSet<String>; 2], BoxError> {
    let (s3, mut files, mut overwritten) =
        (deployment.s3(), BTreeMap::<String, BTreeSet<String>>::new(), BTreeSet::new());
    // Of an execution the ledger asks whose job it is.
    let execution = Execution {
        job: deployment.job.clone(),
        id: String::new(),
        name: String::new(),
        started_at: String::new(),
        state_machine: deployment.state_machine_arn.clone(),
    };
    let store = Store::new(s3.clone(), deployment.bucket.clone());
    let take = |file: SourceFile, _: &str| {
        files.entry(file.key).or_default().insert(file.etag);
    };
    each_loaded(&store, &execution, loaded, take).await?;
    let mut pages = s3.list_objects_v2().bucket(&deployment.bucket).prefix(&deployment.prefix).into_paginator().send();
    while let Some(page) = pages.next().await {
        for object in page?.contents() {
            // Markers of folders are never loaded, so the size is no matter.
            let is_input = |key: &&str| PassedOver::of(source, &deployment.prefix, key, 1).is_none();
            let Some(key) = object.key().filter(is_input) else { continue };
            let versions = files.remove(key).unwrap_or_default();
            if versions.iter().any(|version| Some(version.as_str()) != object.e_tag()) {
                overwritten.insert(key.to_owned());
            }
        }
    }
    Ok([files.into_keys().collect(), overwritten])
}

/// What is to be said of files that are gone or no longer selected.
fn told_gone(files: &BTreeSet<String>, on_overlap: OnOverlap) -> String {
    let what = match on_overlap {
        OnOverlap::LastRun | OnOverlap::NewestRow => "what they said is lost",
        OnOverlap::AllFiles | OnOverlap::NewestFile => "what they said is lost unless the schema sluice still has it",
    };
    told(files, &format!("are gone from the bucket or no longer selected, and {what}"))
}

/// What is to be said of files that were overwritten, where not only their last version counts.
fn told_overwritten(files: &BTreeSet<String>, on_overlap: OnOverlap) -> String {
    match on_overlap.keeps_words() {
        true => String::new(),
        false => told(files, "were overwritten since, and what only a version before the last one had is lost"),
    }
}

/// `; 2 of those that were loaded <what>: a, b`; nothing of no file.
fn told(files: &BTreeSet<String>, what: &str) -> String {
    if files.is_empty() {
        return String::new();
    }
    let first = files.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if files.len() > NAMED { ", ..." } else { "" };
    format!("; {} of those that were loaded {what}: {first}{more}", files.len())
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
        recorded
            .bind(&loaded.generation)
            .bind(&loaded.detected_at)
            .bind(&table)
            .fetch_optional(&mut *connection)
            .await?
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
    // As `postgres::targets` tells that a table has rows.
    let holds_some = format!(
        "select exists (select from only {table}) or exists (
             select from {table} where (select relkind = 'p' from pg_class where oid = $1::text::regclass)
         )"
    );
    let holds_some: bool =
        sqlx::query_scalar(sqlx::AssertSqlSafe(holds_some)).bind(&table).fetch_one(connection).await?;
    Ok((has_rows && !holds_some).then_some("the table was emptied"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_gone_are_counted_and_named() {
        let files = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(told_gone(&files(&[]), OnOverlap::LastRun), "");
        let told = "; 1 of those that were loaded are gone from the bucket or no longer selected, and what they said is lost: in/a";
        assert_eq!(told_gone(&files(&["in/a"]), OnOverlap::LastRun), told);
        let overwritten = |mode| told_overwritten(&files(&["in/a"]), mode);
        assert!(overwritten(OnOverlap::NewestRow).starts_with("; 1 of those that were loaded were overwritten since"));
        assert_eq!(overwritten(OnOverlap::AllFiles), "", "only the last version counts");
        let told = told_gone(&files(&["d", "c", "b", "a"]), OnOverlap::AllFiles);
        assert!(told.starts_with("; 4 of") && told.ends_with("sluice still has it: a, b, c, ..."), "{told}");
    }
}
