//! What some of the jobs need: which other ones run with them, and the functions that are to be built.

use super::{functions, parse_file};
use crate::BoxError;
use crate::template::Job;
use serde_json::Value;
use std::collections::BTreeSet;

/// The jobs that run when `first` does: that one, and those that run after it.
pub fn with_followers<'a>(jobs: &'a [Job], first: &'a Job) -> Vec<&'a Job> {
    let mut found = vec![first];
    let mut next = 0;
    while let Some(job) = found.get(next) {
        let followers = jobs.iter().filter(|other| other.after.as_ref() == Some(&job.name));
        let new: Vec<&Job> = followers.filter(|other| found.iter().all(|known| known.id != other.id)).collect();
        found.extend(new);
        next += 1;
    }
    found
}

/// The binaries of the functions that these jobs need: those of the root, and those of the jobs' kinds.
///
/// # Errors
/// If the template of a kind cannot be read.
pub fn binaries<'a>(root: &Value, jobs: impl IntoIterator<Item = &'a Job>) -> Result<BTreeSet<String>, BoxError> {
    binaries_with(root, jobs, &parse_file)
}

fn binaries_with<'a>(
    root: &Value,
    jobs: impl IntoIterator<Item = &'a Job>,
    kind: &dyn Fn(&str) -> Result<Value, BoxError>,
) -> Result<BTreeSet<String>, BoxError> {
    let mut found = binaries_of(root);
    let locations: BTreeSet<&str> = jobs.into_iter().map(|job| job.location.as_str()).collect();
    for location in locations {
        found.append(&mut binaries_of(&kind(location)?));
    }
    Ok(found)
}

/// The binaries of the functions in one template. A function that has its own code in the template has none.
pub fn binaries_of(template: &Value) -> BTreeSet<String> {
    let functions = functions(template).into_values();
    let binaries = functions.filter_map(|function| function["Metadata"]["BuildProperties"]["Binary"].as_str());
    binaries.map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn function(binary: &str) -> Value {
        json!({"Type": "AWS::Lambda::Function", "Metadata": {"BuildProperties": {"Binary": binary}}})
    }

    /// The reference job under another name, of another kind.
    fn job(name: &str, kind: &str, after: Option<&str>) -> Job {
        let jobs = crate::template::all_jobs().unwrap();
        let (location, after) = (format!("statemachine/{kind}.yaml"), after.map(ToOwned::to_owned));
        Job { id: name.to_owned(), name: name.to_owned(), location, after, ..jobs[0].clone() }
    }

    fn kind(location: &str) -> Result<Value, BoxError> {
        Ok(match location {
            "statemachine/one.yaml" => json!({"Resources": {"A": function("detect"), "B": function("load")}}),
            "statemachine/other.yaml" => json!({"Resources": {"A": function("detect"), "C": function("large-client")}}),
            _ => return Err(format!("{location} must not be read").into()),
        })
    }

    #[test]
    fn only_the_kinds_of_the_chosen_jobs_are_built() {
        let inline = json!({"Type": "AWS::Lambda::Function", "Properties": {"Code": {"ZipFile": "pass"}}});
        let root = json!({"Resources": {"Access": function("access"), "Inline": inline}});
        let jobs = [job("first", "one", None), job("second", "other", None), job("third", "unread", None)];
        let built = |jobs: &[Job]| -> Vec<String> { binaries_with(&root, jobs, &kind).unwrap().into_iter().collect() };
        assert_eq!(built(&jobs[..1]), ["access", "detect", "load"]);
        assert_eq!(built(&jobs[1..2]), ["access", "detect", "large-client"]);
        assert_eq!(built(&jobs[..2]), ["access", "detect", "large-client", "load"]);
        assert_eq!(built(&[]), ["access"]);
    }

    #[test]
    fn a_job_that_runs_after_the_chosen_one_runs_too() {
        let jobs = [
            job("last", "other", Some("middle")),
            job("first", "one", None),
            job("middle", "one", Some("first")),
            job("alone", "other", None),
        ];
        let names = |first: &Job| -> Vec<String> {
            with_followers(&jobs, first).into_iter().map(|job| job.name.clone()).collect()
        };
        assert_eq!(names(&jobs[1]), ["first", "middle", "last"]);
        assert_eq!(names(&jobs[0]), ["last"]);
        assert_eq!(names(&jobs[3]), ["alone"]);
    }

    #[test]
    fn the_template_has_the_functions_of_the_workspace() {
        let (root, jobs) = (crate::template::root().unwrap(), crate::template::all_jobs().unwrap());
        let folder = crate::binaries::workspace().join("functions");
        for binary in binaries(&root, &jobs).unwrap() {
            assert!(folder.join(&binary).is_dir(), "{binary}");
        }
    }
}
