//! The functions that make a table of the lake, called one by one: every state may be answered twice, also by two at
//! once, and then nothing is done twice.

use crate::support::lake::{Lake, sample};
use crate::support::{Answer, execution, invoke, keys, put_json, read, until};
use aws_sdk_glue::types::{Column, Table};
use local::template;
use serde_json::{Value, json};

/// A run, whose states the test goes through by hand.
pub(crate) struct Run<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) execution: Value,
}

impl Run<'_> {
    /// What a function answers to a payload with the job's spec.
    pub(crate) async fn ask(&self, function: &str, fields: Value) -> Answer {
        let parameters = &template::root().unwrap()["Resources"]["Scifi"]["Properties"]["Parameters"];
        let part = |name: &str| serde_json::from_str::<Value>(parameters[name].as_str().unwrap()).unwrap();
        let mut payload = json!({
            "execution": self.execution, "database": self.lake.database, "source_prefix": parameters["SourcePrefix"],
            "export_prefix": parameters["ExportPrefix"], "sources": part("Sources"), "targets": part("Targets"),
            "more_targets": [], "variables": part("Variables"),
        });
        for (name, field) in fields.as_object().unwrap() {
            payload[name] = field.clone();
        }
        invoke(self.lake, function, &payload).await.unwrap()
    }

    /// The answer of two at once, which must be the same, but for which of them has listed the files of a source.
    async fn ask_twice(&self, function: &str, fields: Value) -> Value {
        let (one, other) = tokio::join!(self.ask(function, fields.clone()), self.ask(function, fields));
        let (one, mut other) = (one.unwrap(), other.unwrap());
        for (name, source) in one["sources"].as_object().into_iter().flatten() {
            assert_ne!(
                other["sources"][name]["listed_by"], source["listed_by"],
                "{function}: of either the lists are there"
            );
            other["sources"][name]["listed_by"] = source["listed_by"].clone();
        }
        assert_eq!(one, other, "{function}");
        one
    }

    /// Runs a step to its end; returns what it has made.
    async fn step(&self, step: &str, staging: &Value) -> Value {
        let mut progress = json!({"attempt": 0, "query_id": null});
        loop {
            let fields = json!({
                "action": "run", "step": step, "table": "scifi", "values": {"genre": "Sci-Fi"}, "progress": progress,
                "staging": staging,
            });
            let answer = self.ask_twice("run-query", fields).await;
            if answer["is_done"] == true {
                return answer["result"].clone();
            }
            progress = answer;
        }
    }

    /// Everything up to the publication; returns its payload.
    async fn prepared(&self) -> Value {
        let checked = self.ask("prepare-elt", json!({"action": "check", "trigger": {}})).await.unwrap();
        assert_eq!(checked["tables"], json!(["scifi"]));
        assert_eq!(checked["values"], json!({"genre": "Sci-Fi"}));
        if checked["database_exists"] == false {
            self.ask("prepare-elt", json!({"action": "create_database"})).await.unwrap();
        }
        let again = self.ask("prepare-elt", json!({"action": "create_database"})).await.unwrap();
        assert_eq!(again["database"], "exists");
        let found = self.ask("prepare-elt", json!({"action": "create_sources"})).await.unwrap();
        let again = self.ask_twice("prepare-elt", json!({"action": "create_sources"})).await;
        assert_eq!(again["sources"]["movies"]["fingerprint"], found["sources"]["movies"]["fingerprint"]);
        assert_eq!(again["sources"]["ratings"]["table"], "exists");
        let build = self.step("build", &Value::Null).await;
        let export = self.step("export", &build["staging"]).await;
        let verify = self.step("verify", &build["staging"]).await;
        json!({
            "action": "publish", "table": "scifi", "found": found["sources"], "locked_at": checked["locked_at"],
            "build": build, "export": export, "verify": verify,
        })
    }
}

pub(crate) fn run<'a>(lake: &'a Lake, name: &str) -> Run<'a> {
    Run { lake, execution: execution(lake, name) }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_may_be_answered_twice() {
    let lake = Lake::with_sample().await;
    let run = run(&lake, "twice");
    // Nobody else describes this execution: the lock is its own because it says so.
    let publish = run.prepared().await;
    let published = run.ask("publish-elt", publish.clone()).await.unwrap();
    assert_eq!(run.ask_twice("publish-elt", publish.clone()).await, published, "the answer was lost");
    lake.holds(&sample(), "Sci-Fi").await;
    let conclude = json!({
        "action": "conclude", "values": {"genre": "Sci-Fi"}, "locked_at": publish["locked_at"], "published": [published],
    });
    let cleaned = run.ask("publish-elt", conclude.clone()).await.unwrap();
    assert_eq!(cleaned["tables_dropped"], 1);
    assert_eq!(run.ask("publish-elt", conclude).await.unwrap()["tables_dropped"], 0);
    for _ in 0..2 {
        let released = run.ask("prepare-elt", json!({"action": "release"})).await.unwrap();
        assert_eq!(released, json!({"is_free": true}));
    }
    lake.is_published(&sample(), "Sci-Fi").await;
    let queries: Vec<String> = lake.queries().await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(queries, ["CREATE_TABLE_AS_SELECT", "SELECT", "SELECT"], "each was started once");
    let record: Value =
        serde_json::from_str(&read(&lake, &format!("state/{}/runs/twice.json", lake.job)).await).unwrap();
    assert_eq!(record["published"][0]["rows"], published["rows"]);
    assert_eq!(record["values"], json!({"genre": "Sci-Fi"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_lost_the_lock_or_is_older_publishes_nothing_and_cleans_nothing() {
    let lake = Lake::with_sample().await;
    let run = run(&lake, "late");
    let publish = run.prepared().await;
    let lock = format!("state/{}/lock.json", lake.job);
    let ours: Value = serde_json::from_str(&read(&lake, &lock).await).unwrap();
    let mut theirs = ours.clone();
    theirs["owner"] = json!(ours["owner"].as_str().unwrap().replace(":late", ":other"));
    put_json(&lake, &lock, &theirs).await;
    let (error, text) = run.ask("publish-elt", publish.clone()).await.unwrap_err();
    assert_eq!(error, "StaleRun", "{text}");
    // Nor does it bring the tables of a newer run up to date.
    lake.redefine("movies", |table| drop(columns(table).pop())).await;
    let (error, text) = run.ask("prepare-elt", json!({"action": "create_sources"})).await.unwrap_err();
    assert_eq!(error, "StaleRun", "{text}");
    let movies = lake.glue().get_table().database_name(&lake.database).name("movies").send().await.unwrap();
    assert_eq!(columns(&mut movies.table.unwrap()).len(), 3, "as it was left");
    assert_eq!(run.ask("publish-elt", json!({"action": "clean"})).await.unwrap()["tables_dropped"], 0);
    assert_eq!(run.ask("prepare-elt", json!({"action": "release"})).await.unwrap(), json!({"is_free": false}));
    assert!(keys(&lake, lake.export()).await.is_empty() && !lake.tables().await.contains(&"scifi".to_owned()));

    put_json(&lake, &lock, &ours).await;
    let mut publish = publish;
    let found = run.ask("prepare-elt", json!({"action": "create_sources"})).await.unwrap();
    assert_eq!(found["sources"]["movies"]["table"], "changed");
    publish["found"] = found["sources"].clone();
    run.ask("publish-elt", publish.clone()).await.unwrap();
    let file = read(&lake, lake.export()).await;
    // Another version of an older run.
    let mut older = publish;
    older["build"]["query_id"] = json!("00000000-0000-4000-8000-000000000000");
    older["locked_at"] = json!("2024-01-01T00:00:00.000Z");
    let (error, text) = run.ask("publish-elt", older).await.unwrap_err();
    assert_eq!(error, "StaleRun", "{text}");
    assert_eq!(read(&lake, lake.export()).await, file);
}

fn columns(table: &mut Table) -> &mut Vec<Column> {
    table.storage_descriptor.as_mut().unwrap().columns.as_mut().unwrap()
}

/// By another definition the same files hold something else.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_was_defined_otherwise_meanwhile_is_not_published() {
    let lake = Lake::with_sample().await;
    let run = run(&lake, "defined");
    let mut publish = run.prepared().await;
    let changed = async |publish: &Value| {
        let (error, text) = run.ask("publish-elt", publish.clone()).await.unwrap_err();
        assert_eq!(error, "StaleRun", "{text}");
        assert!(text.contains(&format!("changed or dropped the table {}.movies", lake.database)), "{text}");
        assert!(keys(&lake, lake.export()).await.is_empty() && !lake.tables().await.contains(&"scifi".to_owned()));
    };
    let swap = |table: &mut Table| columns(table).swap(0, 1);
    lake.redefine("movies", swap).await;
    changed(&publish).await;
    // And back: queries may have read it between.
    lake.redefine("movies", swap).await;
    changed(&publish).await;
    let found = run.ask("prepare-elt", json!({"action": "create_sources"})).await.unwrap();
    assert_eq!(found["sources"]["movies"]["table"], "exists");
    publish["found"] = found["sources"].clone();
    lake.glue().delete_table().database_name(&lake.database).name("movies").send().await.unwrap();
    changed(&publish).await;
    let found = run.ask("prepare-elt", json!({"action": "create_sources"})).await.unwrap();
    assert_eq!(found["sources"]["movies"]["table"], "created");
    publish["found"] = found["sources"].clone();
    run.ask("publish-elt", publish).await.unwrap();
    lake.holds(&sample(), "Sci-Fi").await;
}

/// A function of an earlier run may still be about to copy its result; one of a newer run works with what is younger
/// than the lock.
#[tokio::test(flavor = "multi_thread")]
async fn who_publishes_takes_the_results_of_earlier_runs_away() {
    let lake = Lake::with_sample().await;
    let id = "0c2f1b6e-1111-4a2b-9c3d-0123456789ab";
    let key = |name: &str| format!("intermediate_data/{}/{name}", lake.job);
    let (earlier, newer) = (key(&format!("earlier/{id}.csv")), key(&format!("newer/{id}.csv")));
    // The table of somebody who had its files put there.
    let theirs = key(&format!("shown/tables/{id}/0"));
    let put = async |key: &str| {
        lake.s3().put_object().bucket(&lake.bucket).key(key).body(b"x".to_vec().into()).send().await.unwrap();
    };
    let date = async |key: &str| {
        let head = lake.s3().head_object().bucket(&lake.bucket).key(key).send().await.unwrap();
        head.last_modified.unwrap().secs()
    };
    put(&earlier).await;
    put(&theirs).await;
    let run = run(&lake, "tidy");
    let publish = run.prepared().await;
    let locked = date(&format!("state/{}/lock.json", lake.job)).await;
    until("a second has gone by", async || {
        put(&newer).await;
        Ok(date(&newer).await > locked)
    })
    .await;
    run.ask("publish-elt", publish).await.unwrap();
    let left = keys(&lake, &format!("intermediate_data/{}/", lake.job)).await;
    assert!(left.contains(&newer) && left.contains(&theirs) && !left.contains(&earlier), "{left:#?}");
    lake.holds(&sample(), "Sci-Fi").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_counted_alike_is_not_published() {
    let lake = Lake::with_sample().await;
    let run = run(&lake, "counted");
    let mut publish = run.prepared().await;
    let changes: [(&str, Value); 4] = [
        ("/build/rows", json!(1)),
        ("/verify/counts/rows", json!(1)),
        ("/verify/counts/columns/0/values", json!(1)),
        ("/verify/counts/columns/1/characters", json!(1)),
    ];
    for (pointer, value) in changes {
        let mut other = publish.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        let (error, text) = run.ask("publish-elt", other).await.unwrap_err();
        assert_eq!(error, "InvariantBroken", "{pointer}: {text}");
        assert!(keys(&lake, lake.export()).await.is_empty() && !lake.tables().await.contains(&"scifi".to_owned()));
    }
    // A source's file that was replaced by one of the same size, that is gone, that was put back, and that came.
    let (name, body) = sample().remove_entry("ratings/ratings-2.csv").unwrap();
    let other = String::from_utf8(body.clone()).unwrap().replacen("4.5", "0.5", 1).into_bytes();
    assert!(other.len() == body.len() && other != body);
    // By its name the last one of those of one second.
    let late = "ratings/z.csv";
    for (name, change) in [(name.as_str(), Some(&other)), (&name, None), (&name, Some(&body)), (late, Some(&body))] {
        match change {
            Some(body) => lake.put(name, body.clone()).await,
            None => lake.delete(name).await,
        }
        let (error, text) = run.ask("publish-elt", publish.clone()).await.unwrap_err();
        assert_eq!(error, "StaleRun", "{text}");
        let word = match (change, name == late) {
            (None, _) => "gone",
            (Some(_), false) => "changed",
            (Some(_), true) => "new",
        };
        let changed = format!("{word}: {};", lake.key(name));
        assert!(text.contains("files of ratings changed") && text.contains(&changed), "{text}");
        assert!(keys(&lake, lake.export()).await.is_empty() && !lake.tables().await.contains(&"scifi".to_owned()));
    }
    lake.delete(late).await;
    let found = run.ask("prepare-elt", json!({"action": "create_sources"})).await.unwrap();
    publish["found"] = found["sources"].clone();
    // SUCCEEDED does not prove that the file is there.
    let key = publish["export"]["output"].as_str().unwrap().split_once(&format!("{}/", lake.bucket)).unwrap().1;
    let body = read(&lake, key).await;
    lake.s3().delete_object().bucket(&lake.bucket).key(key).send().await.unwrap();
    let (error, text) = run.ask("publish-elt", publish.clone()).await.unwrap_err();
    assert_eq!(error, "InvariantBroken", "{text}");
    // A line less, and a line cut short.
    let lines: Vec<&str> = body.split_inclusive('\n').collect();
    for other in [lines[..lines.len() - 1].concat(), body[..body.len() - 3].to_owned()] {
        lake.s3().put_object().bucket(&lake.bucket).key(key).body(other.into_bytes().into()).send().await.unwrap();
        let (error, text) = run.ask("publish-elt", publish.clone()).await.unwrap_err();
        assert_eq!(error, "InvariantBroken", "{text}");
    }
    lake.s3().put_object().bucket(&lake.bucket).key(key).body(body.into_bytes().into()).send().await.unwrap();
    run.ask("publish-elt", publish).await.unwrap();
    lake.holds(&sample(), "Sci-Fi").await;
}

/// Whose execution has ended may start a query yet: it stops that itself, for who stops queries has looked already.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_started_after_the_run_has_ended_is_stopped() {
    let lake = Lake::with_sample().await;
    let run = run(&lake, "ended");
    run.ask("prepare-elt", json!({"action": "check", "trigger": {}})).await.unwrap();
    run.ask("prepare-elt", json!({"action": "create_database"})).await.unwrap();
    run.ask("prepare-elt", json!({"action": "create_sources"})).await.unwrap();
    let stop = json!({"action": "stop", "execution": run.execution});
    assert_eq!(run.ask("run-query", stop).await.unwrap(), json!({"stopped": []}));
    // It would go on for ever.
    lake.fault("hold", "CREATE TABLE", 1);
    let build = json!({
        "action": "run", "step": "build", "table": "scifi", "values": {"genre": "Sci-Fi"},
        "progress": {"attempt": 0, "query_id": null},
    });
    let (error, text) = run.ask("run-query", build).await.unwrap_err();
    assert!(error == "StaleRun" && text.contains("the run has ended, so the build of scifi was stopped"), "{text}");
    assert_eq!(lake.queries().await, [("CREATE_TABLE_AS_SELECT".to_owned(), "CANCELLED".to_owned())]);
    // One of the same name that was started later is another one.
    let mut later = run.execution.clone();
    later["started_at"] = json!("2999-01-01T00:00:00.000Z");
    let later = Run { lake: &lake, execution: later };
    lake.release_queries();
    lake.forget_tokens();
    let build = later.step("build", &Value::Null).await;
    assert!(build["rows"].as_u64().is_some_and(|rows| rows > 0), "{build}");
}

/// Athena refuses to start a query for longer than a failure is tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_quota_of_queries_is_waited_out_and_counts_as_no_attempt() {
    let lake = Lake::with_sample().await;
    let run = run(&lake, "refused");
    run.ask("prepare-elt", json!({"action": "check", "trigger": {}})).await.unwrap();
    run.ask("prepare-elt", json!({"action": "create_database"})).await.unwrap();
    run.ask("prepare-elt", json!({"action": "create_sources"})).await.unwrap();
    // The client itself asks a few times.
    lake.fault("throttle", "CREATE TABLE", 20);
    let (mut progress, mut refused) = (json!({"attempt": 0, "query_id": null}), 0);
    let done = loop {
        let build = json!({
            "action": "run", "step": "build", "table": "scifi", "values": {"genre": "Sci-Fi"}, "progress": progress,
        });
        let answer = run.ask("run-query", build).await.unwrap();
        if answer["is_done"] == true {
            break answer;
        }
        if answer["query_id"].is_null() {
            refused += 1;
            assert!(answer["pause_seconds"].as_u64().is_some_and(|pause| (5..=300).contains(&pause)), "{answer}");
        }
        progress = json!({"attempt": answer["attempt"], "query_id": answer["query_id"]});
    };
    assert!(refused > 5, "more often than a failure is tried again: {refused}");
    assert_eq!(done["attempt"], 0);
    assert_eq!(lake.queries().await, [("CREATE_TABLE_AS_SELECT".to_owned(), "SUCCEEDED".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_with_spec_and_input_is_told_before_anything_is_done() {
    let lake = Lake::with_sample().await;
    let run = run(&lake, "wrong");
    let wrong = json!({"action": "check", "trigger": {}, "database": "Lake", "sources": []});
    let (error, text) = run.ask("prepare-elt", wrong).await.unwrap_err();
    assert!(error == "Misconfigured" && text.contains("/database: \"Lake\" is no name"), "{text}");
    let wrong = json!({"action": "check", "trigger": {}, "sources": [], "variables": {"a__b": {}}});
    let (error, text) = run.ask("prepare-elt", wrong).await.unwrap_err();
    let told = ["/sources: is a list", "/variables/a__b: \"a__b\" is no name", "/variables/a__b: lacks the field"];
    assert!(error == "Misconfigured" && told.iter().all(|what| text.contains(what)), "{text}");
    for trigger in [
        json!({"variables": {"genre": "Horror"}}),
        json!({"variables": {"genre": 1}}),
        json!({"variables": {"table": "x"}}),
        json!({"select": "SELECT 1"}),
        json!([]),
    ] {
        let (error, text) = run.ask("prepare-elt", json!({"action": "check", "trigger": trigger})).await.unwrap_err();
        assert_eq!(error, "InvalidEvent", "{trigger}: {text}");
        assert!(!text.contains("Horror"), "{text}");
    }
    assert!(keys(&lake, &format!("state/{}/", lake.job)).await.is_empty(), "the lock was not even asked for");
}
