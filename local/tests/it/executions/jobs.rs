//! Another job of a kind costs some lines of `template.yaml` and nothing else: here the one that the README shows, as
//! it is written there.

use crate::support::*;
use local::deployment::{Deployment, Options};
use local::template::{self, Job};
use serde_json::{Value, json};

/// The template with the README's second job, and all its jobs.
pub(crate) fn with_second_job() -> (Value, Vec<Job>) {
    with_changed_second_job(|_| ())
}

/// The same, with other parameters of the second job.
pub(crate) fn with_changed_second_job(change: impl FnOnce(&mut Value)) -> (Value, Vec<Job>) {
    let readme = std::fs::read_to_string(local::binaries::workspace().join("README.md")).unwrap();
    let (_, diff) = readme.split_once("```diff\n").unwrap();
    let (diff, _) = diff.split_once("```").unwrap();
    let added: String =
        diff.lines().filter_map(|line| line.strip_prefix('+')).map(|line| format!("{line}\n")).collect();
    let count = added.lines().filter(|line| !line.trim().is_empty()).count();
    assert!((10..=18).contains(&count), "about fifteen lines: {count}");
    let text = template::text().unwrap().replace("\nOutputs:\n", &format!("\n{added}\nOutputs:\n"));
    let mut root = template::parse(&text).unwrap();
    change(&mut root["Resources"]["Sales"]["Properties"]["Parameters"]);
    let jobs = template::jobs(&root, "").unwrap();
    (template::flatten(root).unwrap(), jobs)
}

/// The README's job that copies a table: as it stands there it is read, and costs about fifteen lines.
#[test]
fn the_readme_s_table_of_one_s_own_is_a_job() {
    let readme = std::fs::read_to_string(local::binaries::workspace().join("README.md")).unwrap();
    let (_, section) = readme.split_once("### A table of your own\n").unwrap();
    let added = section.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0;
    let count = added.lines().filter(|line| !line.trim().is_empty()).count();
    assert!((10..=18).contains(&count), "about fifteen lines: {count}");
    let text = template::text().unwrap().replace("\nOutputs:\n", &format!("\n{added}\nOutputs:\n"));
    let root = template::parse(&text).unwrap();
    let jobs = template::jobs(&root, &text).unwrap();
    assert!(jobs.iter().any(|job| job.name == "orders" && job.files().is_none()), "{jobs:?}");
    let flat = template::flatten(root).unwrap();
    assert!(flat["Resources"]["OrdersCopyTableFunction"].is_object());
}

/// Deploys it; returns both jobs.
async fn two_jobs(options: Options) -> (Fixture, Deployment) {
    let stack = stack().await;
    let (template, jobs) = with_second_job();
    let second = jobs.iter().find(|job| job.name == "sales").unwrap();
    let deployment = stack.deploy_changed(&options, template).await.unwrap();
    let sales = deployment.of_job(second);
    (Fixture { deployment, stack }, sales)
}

/// A file of the second job: `(shop, product, amount)`.
pub(crate) fn sold(rows: &[(&str, &str, &str)]) -> Vec<u8> {
    let lines = rows.iter().map(|(shop, product, amount)| format!("{amount},{shop},{product}\n"));
    format!("Amount,Shop,Product\n{}", lines.collect::<String>()).into_bytes()
}

/// The second job's table, a line per row.
pub(crate) async fn sales_table(deployment: &Deployment) -> Vec<String> {
    let mut connection = deployment.connect().await.unwrap();
    let rows = sqlx::query_scalar("select concat_ws(' ', shop, bread, cake) from sales_by_shop order by shop");
    rows.fetch_all(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_job_runs_beside_the_first_and_each_sees_its_own_files_only() {
    let (pomodoro, sales) = two_jobs(Options::default()).await;
    pomodoro.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    sales.upload("a.csv", sold(&[("North", "Bread", "2.5"), ("South", "Cake", "1")])).await.unwrap();
    let (first, second) = tokio::join!(run_well(&pomodoro, json!({})), run_well(&sales, json!({})));
    assert_eq!([&first, &second].map(|outcome| outcome.counts["new_file_count"].clone()), [json!(1), json!(1)]);
    // The sums of each file are kept apart: a corrected one replaces its own only.
    sales.upload("b.csv", sold(&[("North", "Bread", "1"), ("North", "Tea", "9")])).await.unwrap();
    run_well(&sales, json!({})).await;
    sales.upload("a.csv", sold(&[("North", "Bread", "3")])).await.unwrap();
    run_well(&sales, json!({})).await;
    assert_eq!(sales_table(&sales).await, ["North 4 0"]);
    assert_eq!(table(&pomodoro).await, ["2024-01-01 0 1"]);
    assert_eq!(run_well(&pomodoro, json!({})).await.last_state(), "NothingToDo", "what the other one did is no news");

    // Everything that a job writes lies in its own folder.
    for prefix in ["intermediate_data/", "state/"] {
        let found = keys(&sales, prefix).await;
        let is_own = |key: &String, job: &str| key.starts_with(&format!("{prefix}{job}/"));
        assert!(found.iter().all(|key| is_own(key, "pomodoro") || is_own(key, "sales")), "{found:?}");
        assert!(["pomodoro", "sales"].iter().all(|job| found.iter().any(|key| is_own(key, job))), "{found:?}");
    }
    let mut connection = sales.connect().await.unwrap();
    let runs: Vec<String> = sqlx::query_scalar("select job || ' ' || target from sluice.runs order by committed_at")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(runs.iter().filter(|run| *run == "sales public.sales_by_shop").count(), 3, "{runs:?}");
    assert_eq!(runs.iter().filter(|run| *run == "pomodoro public.pomodoro_day_catg").count(), 1, "{runs:?}");
    assert!(!pomodoro.is_database_public().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_starts_the_job_whose_prefix_it_has() {
    let (pomodoro, sales) = two_jobs(Options { s3_trigger: true, ..Options::default() }).await;
    sales.upload("a.csv", sold(&[("North", "Bread", "2.5")])).await.unwrap();
    let executions = async |job: &Deployment| {
        job.sfn()
            .list_executions()
            .state_machine_arn(&job.state_machine_arn)
            .send()
            .await
            .map(|listed| listed.executions)
    };
    let all_have_ended = async |job: &Deployment| -> Result<bool, local::BoxError> {
        Ok(executions(job).await?.iter().all(|item| item.status.as_str() == "SUCCEEDED"))
    };
    // The other job's file comes later, so if the first one had started a run of that job too, it would be there by
    // then.
    until(
        "the second job has run",
        async || Ok(!executions(&sales).await?.is_empty() && all_have_ended(&sales).await?),
    )
    .await;
    pomodoro.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    until("the first job has run", async || {
        Ok(!executions(&pomodoro).await?.is_empty() && all_have_ended(&pomodoro).await?)
    })
    .await;
    assert_eq!(sales_table(&sales).await, ["North 2.5 0"]);
    assert_eq!(table(&pomodoro).await, ["2024-01-01 0 1"]);
    assert_eq!([executions(&pomodoro).await.unwrap().len(), executions(&sales).await.unwrap().len()], [1, 1]);
}

/// One job's success starts another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_after_another_one() {
    let stack = stack().await;
    let mut root = template::parse(&template::text().unwrap()).unwrap();
    let mut second = root["Resources"]["Pomodoro"].clone();
    second["Properties"]["Parameters"]["Job"] = json!("second");
    second["Properties"]["Parameters"]["After"] = json!("pomodoro");
    second["Properties"]["Parameters"]["Prefix"] = json!("second/");
    // A table belongs to one job.
    second["Properties"]["Parameters"]["Target"] =
        json!(r#"{"table": "second_day_catg", "create": true, "on_overlap": "all_files"}"#);
    root["Resources"]["Second"] = second;
    let jobs = template::jobs(&root, "").unwrap();
    let deployment = stack.deploy_changed(&vpc_mode(), template::flatten(root).unwrap()).await.unwrap();
    let second = deployment.of_job(jobs.iter().find(|job| job.name == "second").unwrap());
    let runs_of_second = async || {
        let listed = second.sfn().list_executions().state_machine_arn(&second.state_machine_arn).send().await;
        listed.map(|listed| listed.executions)
    };
    second.upload("b.csv", csv(&[("Work", "2", "2024-01-02")])).await.unwrap();
    deployment.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    // Neither of these has loaded anything.
    run_well(&deployment, json!({"explain": ["input_data/a.csv"]})).await;
    run_well(&deployment, json!({"dry_run": true})).await;
    run_well(&deployment, json!({})).await;
    until("the second job has run", async || {
        let runs = runs_of_second().await?;
        Ok(!runs.is_empty() && runs.iter().all(|item| item.stop_date.is_some()))
    })
    .await;
    let mut connection = second.connect().await.unwrap();
    let rows: Vec<String> = sqlx::query_scalar("select concat_ws(' ', date, work_minutes) from second_day_catg")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!((rows, table(&deployment).await), (vec!["2024-01-02 2".to_owned()], vec!["2024-01-01 0 1".to_owned()]));
    assert_eq!(runs_of_second().await.unwrap().len(), 1, "once, for the run that loaded");
}

#[test]
fn what_is_wrong_with_a_job_is_said_before_anything_is_deployed() {
    let problems = |change: &dyn Fn(&mut Value)| {
        let mut root = template::parse(&template::text().unwrap()).unwrap();
        let mut job = root["Resources"]["Pomodoro"].clone();
        job["Properties"]["Parameters"]["Job"] = json!("other");
        job["Properties"]["Parameters"]["Prefix"] = json!("other/");
        root["Resources"]["Other"] = job;
        change(&mut root["Resources"]["Other"]["Properties"]["Parameters"]);
        template::flatten(root).map_or_else(|error| error.to_string(), |_| "nothing".to_owned())
    };
    assert_eq!(problems(&|_| ()), "nothing");
    // A circle of two.
    let mut root = template::parse(&template::text().unwrap()).unwrap();
    let mut other = root["Resources"]["Pomodoro"].clone();
    for (name, value) in [("Job", "other"), ("Prefix", "other/"), ("After", "pomodoro")] {
        other["Properties"]["Parameters"][name] = json!(value);
    }
    root["Resources"]["Other"] = other;
    root["Resources"]["Pomodoro"]["Properties"]["Parameters"]["After"] = json!("other");
    let circle = template::flatten(root).unwrap_err().to_string();
    assert!(circle.contains("pomodoro runs after itself, by way of other"), "{circle}");
    let set = |name: &'static str, value: Value| problems(&move |parameters| parameters[name] = value.clone());
    for (problem, part) in [
        (set("Job", json!("pomodoro")), "two jobs called pomodoro"),
        (set("Job", json!("Sales")), "lower-case"),
        (set("Job", json!("database-access")), "the stack uses itself"),
        (set("Prefix", json!("")), "folder/"),
        (set("Prefix", json!("intermediate_data/")), "where jobs write to"),
        (set("Prefix", json!("state/other/")), "where jobs write to"),
        (set("Prefix", json!("quarantine/pomodoro/")), "where jobs write to"),
        (set("Source", json!("{\"suffix\": \".csv\", \"prefix\": \"x/\"}")), "job other, /source/prefix: is the job's"),
        (set("Source", json!("{")), "job other, /source: is no JSON: EOF"),
        (set("Source", json!("[]")), "job other, /source: is no JSON object"),
        (set("Source", json!(format!("{{\"suffix\": \"{}\"}}", "x".repeat(4_096)))), "CloudFormation takes 4096"),
        (set("Shape", Value::Null), "job other, /shape: it lacks the parameter Shape"),
        (set("Target", json!(5)), "not text"),
        (
            set("Target", json!("{\"table\": \"${x}\", \"on_overlap\": \"last_run\"}")),
            "job other, /target/table: holds ${",
        ),
        (set("Target", json!("{\"table\": \"a\", \"table\": \"b\"}")), "job other, /target/table: is there twice"),
        (set("After", json!("nobody")), "nobody, which is no job"),
        (set("After", json!("other")), "after itself"),
        (set("LookbackHours", json!("48")), "job other, LookbackHours: is now lookback_hours of Source"),
        (set("LookbackHours", json!(48)), "job other, LookbackHours: is now lookback_hours of Source"),
        (set("Sceduled", json!("x")), "its kind has no parameter Sceduled"),
        (set("TriggerOnUpload", json!("yes")), "TriggerOnUpload is \"yes\", which its kind does not take"),
        (set("DebounceSeconds", json!("301")), "DebounceSeconds is \"301\""),
    ] {
        assert!(problem.contains(part), "{part}: {problem}");
    }
}

/// What is wrong with a spec is told by the line of the template and the field, all of it at once.
#[test]
fn what_is_wrong_with_a_spec_is_told_by_its_line() {
    let text = template::text().unwrap();
    let changed = text
        .replace(
            r#""minutes": {"from": "Duration (in minutes)", "type": "number"}"#,
            r#""minutes": {"tpye": "number"}"#,
        )
        .replace(r#""on_overlap": "all_files"}"#, r#""on_overlap": "replace", "table": "b"}"#);
    let line_of = |part: &str| 1 + changed.lines().position(|line| line.contains(part)).unwrap();
    let told = |text: &str| template::jobs(&template::parse(text).unwrap(), text).unwrap_err().to_string();
    let (twice, replace) = (line_of("\"replace\""), line_of("\"replace\""));
    assert_eq!(
        told(&changed),
        format!(
            "template.yaml:{twice}: job pomodoro, /target/table: is there twice\n\
             template.yaml:{replace}: job pomodoro, /target/on_overlap: replace is now last_run, since elsewhere it empties \
             the table first"
        )
    );
    let misspelt = changed.replace(r#""on_overlap": "replace", "table": "b"}"#, r#""on_overlap": "all_files"}"#);
    let line = line_of("\"tpye\"");
    assert_eq!(
        told(&misspelt),
        format!(
            "template.yaml:{line}: job pomodoro, /source/columns/minutes/tpye: there is no such field; did you mean \"type\"?"
        )
    );
    let broken = text.replace(r#""minutes": {"from":"#, r#""minutes" {"from":"#);
    let line = 1 + broken.lines().position(|line| line.contains("\"minutes\" {")).unwrap();
    assert_eq!(told(&broken), format!("template.yaml:{line}: job pomodoro, /source: is no JSON: expected `:`"));
}

/// CloudFormation refuses the same names and prefixes as `cargo local`, by the patterns of the child's parameters.
#[test]
fn the_kind_s_own_patterns_agree() {
    let path = template::kinds_folder().join("transform-and-upsert.yaml");
    let kind = template::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    let pattern = |name: &str| kind["Parameters"][name]["AllowedPattern"].as_str().unwrap().to_owned();
    let cases = json!({
        "patterns": {"Job": pattern("Job"), "Prefix": pattern("Prefix")},
        "good": {"Job": ["a", "sales", "a-1"], "Prefix": ["input_data/", "a/b/", "states/", "in/state/", "with blank/"]},
        "bad": {
            "Job": ["", "Sales", "1a", "-a", "database-access", "a-freshness-check", "abcdefghijabcdefghijabcdefghij1"],
            "Prefix": ["", "/", "input", "/a/", "a//b/", "state/", "state/a/", "tables/", "quarantine/a/", "a*/", "${a}/", "a\"/"],
        },
    });
    let list = |kind: &str| cases[kind]["Prefix"].as_array().unwrap().clone();
    assert!(
        list("good").iter().all(|prefix| sluice::contract::keys::refuse_prefix(prefix.as_str().unwrap()).is_none())
    );
    assert!(list("bad").iter().all(|prefix| sluice::contract::keys::refuse_prefix(prefix.as_str().unwrap()).is_some()));
    let check = "import json, re, sys\n\
                 cases = json.loads(sys.argv[1])\n\
                 for name, pattern in cases['patterns'].items():\n\
                 \x20   for text in cases['good'][name]: assert re.fullmatch(pattern, text), (name, text)\n\
                 \x20   for text in cases['bad'][name]: assert not re.fullmatch(pattern, text), (name, text)\n";
    let python = local::python::program().unwrap();
    let status = std::process::Command::new(python).args(["-c", check, &cases.to_string()]).status().unwrap();
    assert!(status.success());
}
