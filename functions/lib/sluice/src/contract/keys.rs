//! Where the documents are.

use super::execution::Execution;

/// Where an invocation of this execution puts its intermediate documents.
pub fn attempt_prefix(execution: &Execution, attempt: &str) -> String {
    format!("intermediate_data/{}/{}/{attempt}/", execution.job, execution.name)
}

/// Where pivot leaves the result of a batch of the manifest at `manifest_key`.
pub fn pivot_result(manifest_key: &str, index: u32) -> String {
    let folder = manifest_key.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/result-{index:05}.json")
}

/// Where pivot puts the bad rows of a batch.
pub fn quarantine(execution: &Execution, index: u32) -> String {
    format!("quarantine/{}/{}/batch-{index:05}.csv", execution.job, execution.name)
}

/// Where upsert names the first keys of which its notes or its error speak.
pub fn named_keys(job: &str, execution_name: &str) -> String {
    format!("quarantine/{job}/{execution_name}/keys.json")
}

/// Where the job's ledger entries are, in the order of their detection.
pub fn ledger_prefix(execution: &Execution) -> String {
    format!("state/{}/ledger/", execution.job)
}

/// The ledger entry of a batch of a run.
pub fn ledger_entry(execution: &Execution, detected_at: &str, index: u32) -> String {
    format!("{}{detected_at}-{}-{index:05}.json", ledger_prefix(execution), execution.name)
}

/// A job's lock.
pub fn lock(job: &str) -> String {
    format!("state/{job}/lock.json")
}

/// The mark by which a job's runs ask for one more.
pub fn again(job: &str) -> String {
    format!("state/{job}/again.json")
}

/// Where `copy-table` keeps the plan of an execution, by the attempt that made it.
pub fn copy_plan(execution: &Execution, attempt: &str) -> String {
    format!("{}plan.json", attempt_prefix(execution, attempt))
}

/// Where `copy-table` says why a window of an execution was not copied.
pub fn window_failure(execution: &Execution, index: u32) -> String {
    format!("state/{}/{}/window-{index:05}.json", execution.job, execution.name)
}

/// Where `prepare-elt` lists the files of a source, a list for each page of S3's listing, by the attempt that looked.
pub fn source_files(execution: &Execution, attempt: &str, source: &str, list: u32) -> String {
    format!("{}source-files/{source}/{list:05}.json", attempt_prefix(execution, attempt))
}

/// Where the results of an execution's queries are.
pub fn query_results(execution: &Execution) -> String {
    format!("{}{}/", results_of_runs(&execution.job), execution.name)
}

/// Where the results of the queries of all executions of a job are.
pub fn results_of_runs(job: &str) -> String {
    format!("intermediate_data/{job}/")
}

/// Where it stands that an execution of an ELT has ended badly, by its ARN.
pub fn ended(job: &str, execution: &str) -> String {
    let name = execution.rsplit(':').next().unwrap_or(execution);
    format!("{}{name}.ended", results_of_runs(job))
}

/// Whether [`ended`] of the job has keys like this one.
pub fn is_ended(job: &str, key: &str) -> bool {
    let name = key.strip_prefix(&results_of_runs(job)).and_then(|name| name.strip_suffix(".ended"));
    name.is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

/// Where the versions of a job's table are.
pub fn table_versions(job: &str, table: &str) -> String {
    format!("tables/{job}/{table}/")
}

/// Where a run of an ELT says what it did.
pub fn elt_run(execution: &Execution) -> String {
    format!("state/{}/runs/{}.json", execution.job, execution.name)
}

/// Where `export-table` keeps the columns of the source, by the attempt that read them.
pub fn source_table(execution: &Execution, attempt: &str) -> String {
    format!("{}source.json", attempt_prefix(execution, attempt))
}

/// Where `plan-export` keeps the plan of an execution, by the attempt that made it.
pub fn export_plan(execution: &Execution, attempt: &str) -> String {
    format!("{}plan.json", attempt_prefix(execution, attempt))
}

/// Where `export-table` keeps what it has read for an audit, by the attempt that did.
pub fn source_audit(execution: &Execution, attempt: &str) -> String {
    format!("{}audit.json", attempt_prefix(execution, attempt))
}

/// Where `load-redshift` keeps what Redshift has answered to an audit so far, by the attempt that asked.
pub fn target_audit(execution: &Execution, attempt: &str) -> String {
    format!("{}audit-target.json", attempt_prefix(execution, attempt))
}

/// The record of an audit.
pub fn audit_record(execution: &Execution) -> String {
    format!("state/{}/runs/{}/audit.json", execution.job, execution.name)
}

/// Where an attempt puts the parts of a window.
pub fn window_prefix(execution: &Execution, attempt: &str, index: u32) -> String {
    format!("{}window-{index:05}/", attempt_prefix(execution, attempt))
}

/// The record of a run.
pub fn run_record(execution: &Execution) -> String {
    format!("state/{}/runs/{}.json", execution.job, execution.name)
}

/// The record of a window of a run.
pub fn window_record(execution: &Execution, index: u32) -> String {
    format!("state/{}/runs/{}/window-{index:05}.json", execution.job, execution.name)
}

/// What a job has loaded into its target.
pub fn loaded(job: &str) -> String {
    format!("state/{job}/loaded.json")
}

/// Of which runs that ended badly a job does not know the names of their errors yet.
pub fn unnamed(job: &str) -> String {
    format!("state/{job}/unnamed.json")
}

/// Where the leases of a database instance are.
pub fn leases(instance: &str) -> String {
    format!("state/database-access/{instance}/")
}

/// The lease of an execution, by its state machine too: two may use one name.
pub fn lease(instance: &str, execution: &Execution) -> String {
    format!("{}{}/{}.json", leases(instance), execution.state_machine_name(), execution.name)
}

/// The folders at the top of the bucket that jobs write to. No input may lie there.
pub const OUTPUT_FOLDERS: [&str; 4] = ["intermediate_data/", "quarantine/", "state/", "tables/"];

/// Why `prefix` cannot be that of a job's input; `None` if it can. The template's own pattern says the same.
pub fn refuse_prefix(prefix: &str) -> Option<String> {
    // A role's `*` and `?`, a substitution's `$`, and the quotation marks of JSON would be taken for something else.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.=+@!()' -/".contains(&byte);
    let has_empty_folder = prefix.starts_with('/') || prefix.contains("//");
    if !prefix.ends_with('/') || has_empty_folder || !prefix.bytes().all(is_plain) {
        return Some(format!(
            "the prefix {prefix:?} does not have the form folder/ or folder/folder/ of letters, digits, blanks and _.=+@!()'-"
        ));
    }
    let folder = OUTPUT_FOLDERS.into_iter().find(|folder| prefix.starts_with(folder))?;
    Some(format!("the prefix {prefix:?} is where jobs write to: {folder}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn execution() -> Execution {
        Execution {
            job: "sales".into(),
            id: "arn:aws:states:us-east-1:1:execution:dev-sales:x".into(),
            name: "x".into(),
            started_at: "2024-01-01T00:00:00.000Z".into(),
            state_machine: "arn:aws:states:us-east-1:1:stateMachine:dev-sales".into(),
        }
    }

    #[test]
    fn every_key_of_a_job_lies_in_the_job_s_own_folder() {
        let execution = execution();
        assert_eq!(lock(&execution.job), "state/sales/lock.json");
        assert_eq!(attempt_prefix(&execution, "1"), "intermediate_data/sales/x/1/");
        assert_eq!(copy_plan(&execution, "1"), "intermediate_data/sales/x/1/plan.json");
        assert_eq!(source_files(&execution, "1", "t", 7), "intermediate_data/sales/x/1/source-files/t/00007.json");
        assert_eq!(query_results(&execution), "intermediate_data/sales/x/");
        assert_eq!(ended(&execution.job, &execution.id), "intermediate_data/sales/x.ended");
        assert!(
            is_ended("sales", &ended("sales", &execution.id)) && !is_ended("sale", "intermediate_data/sales/x.ended")
        );
        assert_eq!(table_versions("sales", "t"), "tables/sales/t/");
        assert_eq!(elt_run(&execution), "state/sales/runs/x.json");
        assert_eq!(window_failure(&execution, 7), "state/sales/x/window-00007.json");
        assert_eq!(source_table(&execution, "1"), "intermediate_data/sales/x/1/source.json");
        assert_eq!(export_plan(&execution, "1"), "intermediate_data/sales/x/1/plan.json");
        assert_eq!(source_audit(&execution, "1"), "intermediate_data/sales/x/1/audit.json");
        assert_eq!(target_audit(&execution, "1"), "intermediate_data/sales/x/1/audit-target.json");
        assert_eq!(audit_record(&execution), "state/sales/runs/x/audit.json");
        assert_eq!(window_prefix(&execution, "1", 7), "intermediate_data/sales/x/1/window-00007/");
        assert_eq!(run_record(&execution), "state/sales/runs/x.json");
        assert_eq!(window_record(&execution, 7), "state/sales/runs/x/window-00007.json");
        assert_eq!(quarantine(&execution, 7), "quarantine/sales/x/batch-00007.csv");
        assert_eq!(named_keys("sales", "x"), "quarantine/sales/x/keys.json");
        assert_eq!(
            ledger_entry(&execution, "2024-01-01T00:00:01.000Z", 7),
            "state/sales/ledger/2024-01-01T00:00:01.000Z-x-00007.json"
        );
        assert_eq!(lease("db", &execution), "state/database-access/db/dev-sales/x.json");
        let by_alias = Execution { state_machine: format!("{}:live", execution.state_machine), ..execution.clone() };
        assert_eq!(by_alias.state_machine_name(), "dev-sales");
        assert_eq!(by_alias.plain_state_machine(), execution.state_machine);
        assert_eq!(
            pivot_result("intermediate_data/sales/x/1/manifest.json", 3),
            "intermediate_data/sales/x/1/result-00003.json"
        );
    }

    #[test]
    fn input_lies_in_folders_of_its_own() {
        for prefix in ["input_data/", "a/b/", "states/", "state-of-things/", "in/state/"] {
            assert_eq!(refuse_prefix(prefix), None, "{prefix}");
        }
        for prefix in ["", "/", "input", "/input/", "state/", "state/sales/", "tables/", "quarantine/x/"] {
            assert!(refuse_prefix(prefix).is_some(), "{prefix}");
        }
    }
}
