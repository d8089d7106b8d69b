//! A job of the kind `athena-elt` on this machine: which files are its sources, and the tables that it made.

use crate::BoxError;
use crate::deployment::Deployment;
use crate::report;
use crate::template::{Job, Kind};
use aws_sdk_athena::types::{QueryExecutionContext, QueryExecutionState, ResultConfiguration};
use serde_json::{Map, Value, json};
use sluice::contract::athena_elt::{Format, Spec, VariableType};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many rows of a table are shown.
const SHOWN_ROWS: usize = 12;

/// How often a query is asked for.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Files by the keys or names that they get, and what is passed over, a line each.
pub(crate) type Found = (Vec<(String, PathBuf)>, Vec<String>);

/// The files of the sources of `spec` in `folder`, by the keys that they get, and what is passed over, in a line. A
/// source `movies` is all that is in the folder `movies`, or the file `movies.csv`, as MovieLens has it; or
/// `movies.parquet`, where its files are such.
///
/// # Errors
/// The path and what the file system says, or which sources have no file.
pub(crate) fn found(spec: &Spec, folder: &Path) -> Result<Found, String> {
    let (mut files, mut others, mut has_files) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (name, path) in names_in(folder)? {
        let source = spec.sources.iter().find_map(|(source, place)| {
            let rest = name.strip_prefix(source.as_str())?;
            match rest.strip_prefix('/') {
                Some(rest) => Some((source, format!("{}{rest}", place.prefix))),
                None => endings(place.format).contains(&rest).then(|| (source, format!("{}{name}", place.prefix))),
            }
        });
        match source {
            Some((source, key)) => {
                has_files.insert(source);
                files.push((key, path));
            }
            None => others.push(name),
        }
    }
    let missing = spec.sources.keys().filter(|source| !has_files.contains(source));
    let ending = |source: &String| endings(spec.sources[source].format)[0];
    let missing: Vec<String> = missing.map(|source| format!("{source}{} or {source}/", ending(source))).collect();
    if !missing.is_empty() {
        return Err(format!("{}: it has no {}", folder.display(), missing.join(", no ")));
    }
    let told = (!others.is_empty()).then(|| format!("of no source, and not uploaded: {}", others.join(", ")));
    Ok((files, told.into_iter().collect()))
}

/// How the name of a file ends that is all of a source.
fn endings(format: Format) -> &'static [&'static str] {
    match format {
        Format::Csv => &[".csv", ".csv.gz"],
        Format::Parquet => &[".parquet"],
    }
}

/// The execution's input by which variables are set, each as `name=value`.
///
/// # Errors
/// What is no variable, or no number where it is one. Whether the value is allowed is for the run to say.
pub(crate) fn input(spec: &Spec, set: &[String]) -> Result<Value, String> {
    let mut variables = Map::new();
    for setting in set {
        let (name, value) = setting.split_once('=').ok_or_else(|| format!("--set {setting}: is not NAME=VALUE"))?;
        let variable = spec.variables.get(name).ok_or_else(|| format!("--set {setting}: there is no such variable"))?;
        let value = match variable.kind {
            VariableType::Bigint => value.parse::<i64>().map_err(|error| format!("--set {setting}: {error}"))?.into(),
            VariableType::Varchar | VariableType::Date => value.into(),
        };
        variables.insert(name.to_owned(), value);
    }
    Ok(if variables.is_empty() { json!({}) } else { json!({"variables": variables}) })
}

/// Gives the jobs of the kind databases of their own: the catalogue is that of the account, and a stack beside another
/// one has the same jobs.
pub(crate) fn rename_databases(root: &mut Value, jobs: &[Job], suffix: &str) {
    for job in jobs {
        if let Kind::AthenaElt(spec) = &job.kind {
            let parameters = &mut root["Resources"][&job.id]["Properties"]["Parameters"];
            parameters["Database"] = format!("{}_{suffix}", spec.database).into();
        }
    }
}

/// The files in a folder and in those within, by their paths below it, with slashes.
fn names_in(folder: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    let named = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let mut found = BTreeMap::new();
    let mut folders = vec![(String::new(), folder.to_owned())];
    let mut seen = BTreeSet::new();
    while let Some((prefix, folder)) = folders.pop() {
        // Links may lead in circles.
        if !seen.insert(fs::canonicalize(&folder).map_err(|error| named(&folder, error))?) {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(|error| named(&folder, error))? {
            let path = entry.map_err(|error| named(&folder, error))?.path();
            let name = format!("{prefix}{}", crate::input::name_of(&path)?);
            match path.is_dir() {
                true => folders.push((format!("{name}/"), path)),
                false => drop(found.insert(name, path)),
            }
        }
    }
    Ok(found)
}

/// Deletes the objects below the locations of sources that `files` does not have: all that lies there is data, and the
/// folder may have lost a file since it was uploaded. Returns their keys.
///
/// # Errors
/// As S3 has it.
pub(crate) async fn delete_others(
    deployment: &Deployment,
    spec: &Spec,
    files: &[(String, PathBuf)],
) -> Result<Vec<String>, BoxError> {
    let (s3, mut deleted) = (deployment.s3(), Vec::new());
    let kept: BTreeSet<&String> = files.iter().map(|(key, _)| key).collect();
    for source in spec.sources.values() {
        let list = s3.list_objects_v2().bucket(&deployment.bucket).prefix(&source.prefix);
        let mut pages = list.into_paginator().send();
        while let Some(page) = pages.next().await {
            let keys = page?.contents.into_iter().flatten().filter_map(|object| object.key);
            deleted.extend(keys.filter(|key| !kept.contains(key)));
        }
    }
    for key in &deleted {
        s3.delete_object().bucket(&deployment.bucket).key(key).send().await?;
    }
    Ok(deleted)
}

/// The tables that a job makes, as whoever queries them sees them, and where their files are.
///
/// # Errors
/// As Athena has it.
pub(crate) async fn tables(deployment: &Deployment, spec: &Spec) -> Result<String, BoxError> {
    let mut text = String::new();
    for target in &spec.targets {
        let (name, from) = (&target.table, format!("{}.{}", quoted(&spec.database), quoted(&target.table)));
        let order_by = target.export.order_by.iter();
        let order: Vec<String> = order_by
            .map(|order| format!("{}{}", quoted(&order.column), if order.descending { " desc" } else { "" }))
            .collect();
        let order = if order.is_empty() { String::new() } else { format!(" order by {}", order.join(", ")) };
        let rows = query(deployment, &format!("select * from {from}{order} limit {SHOWN_ROWS}")).await?;
        let count = query(deployment, &format!("select count(*) from {from}")).await?;
        let count = count.last().and_then(|row| row.first()).cloned().unwrap_or_default();
        let shown = rows.len().saturating_sub(1).to_string();
        let total = if shown == count { format!("{count} rows") } else { format!("{shown} of {count} rows") };
        let table = report::rows(&rows, &total);
        let (bucket, key) = (&deployment.bucket, &target.export.key);
        text.push_str(&format!("{}.{name}\n{table}\nfile: s3://{bucket}/{key}\n", spec.database));
    }
    Ok(text)
}

/// All rows of a query as texts, the names of the columns first. NULL is an empty text.
///
/// # Errors
/// As Athena has it.
pub async fn query(deployment: &Deployment, sql: &str) -> Result<Vec<Vec<String>>, BoxError> {
    let client = aws_sdk_athena::Client::new(&deployment.config);
    let output = format!("s3://{}/intermediate_data/{}/shown/", deployment.bucket, deployment.job);
    let started = client
        .start_query_execution()
        .query_string(sql)
        .query_execution_context(QueryExecutionContext::builder().database("default").build())
        .result_configuration(ResultConfiguration::builder().output_location(output).build())
        .send()
        .await?;
    let id = started.query_execution_id.unwrap_or_default();
    loop {
        let found = client.get_query_execution().query_execution_id(&id).send().await?;
        let status = found.query_execution.and_then(|execution| execution.status);
        match status.as_ref().and_then(|status| status.state.as_ref()) {
            Some(QueryExecutionState::Queued | QueryExecutionState::Running) => {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            Some(QueryExecutionState::Succeeded) => break,
            _ => {
                let reason = status.and_then(|status| status.state_change_reason);
                return Err(reason.unwrap_or_else(|| "the query failed".to_owned()).into());
            }
        }
    }
    let mut pages = client.get_query_results().query_execution_id(&id).into_paginator().send();
    let mut rows = Vec::new();
    while let Some(page) = pages.next().await {
        for row in page?.result_set.into_iter().flat_map(|set| set.rows.unwrap_or_default()) {
            let data = row.data.unwrap_or_default().into_iter();
            rows.push(data.map(|datum| datum.var_char_value.unwrap_or_default()).collect());
        }
    }
    Ok(rows)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::all_jobs;

    fn spec() -> Spec {
        let jobs = all_jobs().unwrap();
        let spec = jobs.into_iter().find_map(|job| match job.kind {
            Kind::AthenaElt(spec) => Some(spec),
            _ => None,
        });
        *spec.unwrap()
    }

    #[test]
    fn a_source_is_a_folder_or_a_file_and_what_belongs_to_none_is_told() {
        let spec = spec();
        let folder = std::env::temp_dir().join(format!("sluice-lake-{}", std::process::id()));
        let write = |name: &str| {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        ["ratings/2024/a.csv", "ratings/_SUCCESS", "ratings_old.csv", "links.csv"].into_iter().for_each(write);
        let lacking = found(&spec, &folder).unwrap_err();
        write("movies.csv");
        let found = found(&spec, &folder);
        fs::remove_dir_all(&folder).unwrap();
        let (files, told) = found.unwrap();
        assert!(lacking.ends_with("it has no movies.csv or movies/"), "{lacking}");
        let keys: Vec<&str> = files.iter().map(|(key, _)| key.as_str()).collect();
        let of = |source: &str, name: &str| format!("{}{name}", spec.sources[source].prefix);
        // Hidden files are uploaded too: a query passes them over.
        let expected = [of("movies", "movies.csv"), of("ratings", "2024/a.csv"), of("ratings", "_SUCCESS")];
        assert_eq!(keys, expected);
        assert_eq!(told, ["of no source, and not uploaded: links.csv, ratings_old.csv"]);
    }

    #[test]
    fn variables_are_set_by_name() {
        let set = |text: &str| input(&spec(), &[text.to_owned()]);
        assert_eq!(set("genre=Drama"), Ok(json!({"variables": {"genre": "Drama"}})));
        assert_eq!(set("genre=a=b"), Ok(json!({"variables": {"genre": "a=b"}})));
        for (text, expected) in [("genre", "is not NAME=VALUE"), ("gender=x", "there is no such variable")] {
            assert!(set(text).unwrap_err().contains(expected), "{text}");
        }
        assert_eq!(input(&spec(), &[]), Ok(json!({})));
    }
}
