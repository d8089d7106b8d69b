//! What runs have left behind: definitions of staging tables, and files of queries that nobody published. Only one run
//! works at a time, so what the staging tables of a job are, no run needs.

use crate::context::Context;
use crate::placed::placed;
use crate::places;
use crate::swap::versions;
use aws_sdk_glue::types::Table;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use lake::Listed;
use sluice::contract::athena_elt::{CleanOutput, Spec, Target, is_staging};
use sluice::contract::{Execution, keys};
use sluice::store::Store;
use sluice::{Error, Kind, Result, lock};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};
use tracing::info;

/// How many objects one request deletes at most (Amazon S3 API, `DeleteObjects`).
const MAX_KEYS: usize = 1_000;

/// How old the marks of ended runs are when they are deleted. A run can be redriven for 14 days after it has ended (AWS
/// Step Functions Developer Guide, "Redrive eligibility"), and then again; whoever starts a query of it looks for the
/// mark.
const MARKS_STAY: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Whether files that nobody published are deleted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sweeps {
    /// All of them that are old enough.
    Unpublished,
    /// None: the next good run does it.
    Nothing,
}

/// Cleans up for all targets of a job, and after the run itself, if it has the job's lock. Files that nobody published
/// are swept after a run that has published all its targets; after one that failed, a function may still be publishing
/// another target.
///
/// # Errors
/// As [`Error::aws`].
pub(crate) async fn clean(
    context: &Context,
    execution: &Execution,
    spec: &Spec,
    sweeps: Sweeps,
) -> Result<CleanOutput> {
    let tables = staging_tables(context, execution, spec).await?;
    // The lists of the sources' files; and results of a run that failed: they were to be copied, or were counts.
    let mut objects = lake::keys(&context.store, &keys::query_results(execution), |_| true).await?;
    for target in spec.targets.iter().filter(|_| sweeps == Sweeps::Unpublished) {
        objects.extend(unpublished(context, execution, spec, target).await?);
    }
    if sweeps == Sweeps::Unpublished {
        let now = SystemTime::now();
        let is_expired = |object: &Listed| is_expired_mark(object, &execution.job, now);
        objects.extend(lake::keys(&context.store, &keys::results_of_runs(&execution.job), is_expired).await?);
    }
    // After all was listed: what a newer run has made, which is at work on the same tables, is not among it.
    if !lock::is_of(&context.store, execution).await? {
        return Ok(CleanOutput::default());
    }
    for name in &tables {
        drop_definition(context, &spec.database, name).await?;
    }
    let objects_deleted = delete(&context.store, objects).await?;
    let output = CleanOutput { tables_dropped: tables.len() as u64, objects_deleted };
    info!(tables.dropped = output.tables_dropped, objects.deleted = output.objects_deleted, "cleaned up");
    Ok(output)
}

/// The staging tables of the job, of whatever run. Their names say whose they are, and their files lie where the job's
/// queries put them: another job's, or somebody's own, is none of them, however it is called.
async fn staging_tables(context: &Context, execution: &Execution, spec: &Spec) -> Result<Vec<String>> {
    let owner = lake::owner(context.store.bucket(), &execution.job);
    let is_ours = |table: &Table| {
        let is_of = |target: &Target| {
            let places = context.places(&execution.job, &target.table);
            is_staging(table.name(), &target.table, &owner) && places.version(lake::location(table)).is_some()
        };
        spec.targets.iter().any(is_of)
    };
    let (mut found, mut token) = (Vec::new(), None);
    loop {
        // All of them: by an expression, AWS and local ones mean different things.
        let page = context.glue.get_tables().database_name(&spec.database).set_next_token(token).send().await;
        let page = match page {
            Err(error) if error.as_service_error().is_some_and(|service| service.is_entity_not_found_exception()) => {
                return Ok(found);
            }
            page => page.map_err(|error| Error::aws(format!("list the tables of {}", spec.database), error))?,
        };
        let tables = page.table_list.unwrap_or_default().into_iter();
        found.extend(tables.filter(is_ours).map(|table| table.name));
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(found);
        }
    }
}

async fn drop_definition(context: &Context, database: &str, name: &str) -> Result<()> {
    match context.glue.delete_table().database_name(database).name(name).send().await {
        Ok(_) => Ok(()),
        Err(error) if error.as_service_error().is_some_and(|service| service.is_entity_not_found_exception()) => Ok(()),
        Err(error) => Err(Error::aws(format!("drop the table {database}.{name}"), error)),
    }
}

/// What queries have left in the target's own folder, but for the versions that are kept or may still be read, and what
/// is younger than a day or so: a query that was given up may still be writing.
async fn unpublished(context: &Context, execution: &Execution, spec: &Spec, target: &Target) -> Result<Vec<String>> {
    let current = lake::table(&context.glue, &spec.database, &target.table).await?;
    let owner = lake::owner(context.store.bucket(), &execution.job);
    if current.as_ref().is_some_and(|table| !lake::is_owned(table, &owner)) {
        return Ok(Vec::new());
    }
    let kept = versions(current.as_ref())?;
    let kept = kept.iter().filter(|version| !version.is_dropped);
    let mut kept: BTreeSet<&str> = kept.map(|version| places::query_id(&version.location)).collect();
    let places = context.places(&execution.job, &target.table);
    let before = SystemTime::now() - context.sweep_after;
    let is_old = |object: &Listed| SystemTime::try_from(object.modified).is_ok_and(|at| at <= before);
    // What a manifest names it keeps, also where its run died before the table was changed.
    let manifest = match target.export.folder() {
        None => None,
        Some(folder) => Some((folder, placed(&context.store, &target.export.key).await?.and_then(|it| it.version))),
    };
    kept.extend(manifest.iter().filter_map(|(_, version)| version.as_deref()));
    let is_left = |id: &str| !kept.contains(id);
    let is_swept =
        |object: &Listed| is_old(object) && places.left(&object.key).is_some_and(|left| is_left(left.query_id));
    let mut keys = lake::keys(&context.store, places.own(), is_swept).await?;
    if let Some((folder, _)) = &manifest {
        let is_swept =
            |object: &Listed| is_old(object) && places::exported_of(folder, &object.key).is_some_and(is_left);
        keys.extend(lake::keys(&context.store, folder, is_swept).await?);
    }
    Ok(keys)
}

/// Whether an object is the mark of a run that ended badly so long ago that nobody looks for it.
fn is_expired_mark(object: &Listed, job: &str, now: SystemTime) -> bool {
    let is_old = |at: DateTime| SystemTime::try_from(at).is_ok_and(|at| at + MARKS_STAY <= now);
    keys::is_ended(job, &object.key) && is_old(object.modified)
}

/// Deletes the results of the job's other runs, as far as they are from before this one had the lock.
///
/// A function may go on after its run was stopped, and copy a result over the file of a newer run: where that file has
/// the bytes of the one before, its entity tag does not tell. What is gone it cannot copy. What is younger than the
/// lock is left alone: this run may have lost it, and then a newer one works with these.
///
/// # Errors
/// As [`delete`].
pub(crate) async fn delete_earlier_results(store: &Store, execution: &Execution, locked: DateTime) -> Result<()> {
    let (own, all) = (keys::query_results(execution), keys::results_of_runs(&execution.job));
    let is_earlier = |object: &Listed| {
        let is_another_s = !object.key.starts_with(&own) && places::is_result(&all, &object.key);
        // S3 says of either time only the second.
        is_another_s && object.modified.secs() <= locked.secs()
    };
    delete(store, lake::keys(store, &all, is_earlier).await?).await.map(drop)
}

/// Deletes all objects below a prefix.
///
/// # Errors
/// As [`delete`].
pub(crate) async fn delete_below(store: &Store, prefix: &str) -> Result<()> {
    delete(store, lake::keys(store, prefix, |_| true).await?).await.map(drop)
}

/// Deletes objects; returns how many.
///
/// # Errors
/// As [`Error::aws`]; `TransientFailure` naming one that could not be deleted.
pub(crate) async fn delete(store: &Store, keys: Vec<String>) -> Result<u64> {
    let broken = |error| Error::caused(Kind::InvariantBroken, "name what is deleted", error);
    for keys in keys.chunks(MAX_KEYS) {
        let objects = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build().map_err(broken));
        let objects = objects.collect::<Result<Vec<_>>>()?;
        let request = Delete::builder().set_objects(Some(objects)).quiet(true).build().map_err(broken)?;
        let deleted = store.client().delete_objects().bucket(store.bucket()).delete(request).send().await;
        let deleted = deleted.map_err(|error| Error::aws("delete objects", error))?;
        if let Some(error) = deleted.errors().first() {
            let (key, code) = (error.key().unwrap_or_default(), error.code().unwrap_or("no code"));
            let kind = if code == "AccessDenied" { Kind::Misconfigured } else { Kind::TransientFailure };
            return Err(Error::new(kind, format!("{key} could not be deleted: {code}")));
        }
    }
    Ok(keys.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_go_once_nobody_looks_for_them_and_nothing_else_does() {
        const DAY: i64 = 24 * 3_600;
        let now = DateTime::from_secs(1_700_000_000);
        let object = |(key, days): (&str, i64)| Listed {
            key: format!("intermediate_data/scifi/{key}"),
            etag: "e".to_owned(),
            size: 1,
            modified: DateTime::from_secs(now.secs() - days * DAY),
            class: String::new(),
        };
        let listed = [
            ("old.ended", 30),
            ("older.ended", 400),
            // It may have been redriven as late as it can be, and may end badly once more.
            ("young.ended", 29),
            ("new.ended", 0),
            ("run/0c2f1b6e-1111-4a2b-9c3d-0123456789ab.csv", 400),
            ("shown/theirs.ended", 400),
            ("notes", 400),
            (".ended", 400),
        ]
        .map(object);
        let expired = |job| {
            let is_expired = |object: &&Listed| is_expired_mark(object, job, SystemTime::try_from(now).unwrap());
            listed.iter().filter(is_expired).map(|object| object.key.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(expired("scifi"), ["intermediate_data/scifi/old.ended", "intermediate_data/scifi/older.ended"]);
        assert!(expired("other").is_empty());
    }
}
