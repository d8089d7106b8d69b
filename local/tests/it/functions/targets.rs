//! The table `sluice.targets`: what a job has loaded into a table, and what a load does if that is not what its files
//! were chosen by.

use crate::functions::prepared::*;
use crate::support::*;
use serde_json::{Value, json};
use sluice::contract::PARTIAL;
use sluice::spec::Parts;

const ROWS: [&str; 2] = ["2024-01-01 1 1", "2024-01-02 2 2"];

fn one_file(number: u32) -> Vec<Vec<File>> {
    vec![vec![file("a.csv", number, &ROWS)]]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_says_what_is_loaded_until_that_is_lost() {
    let stack = fixture().await;
    for (place, mode) in ["all_files", "newest_file", "last_run"].into_iter().enumerate() {
        let parts = parts("t", mode);
        let is = async || record(&stack, &parts).await;
        let last = u32::try_from(place).unwrap() * 10;
        let run = |number| Run::new(last + number, &parts, one_file(number));
        assert_eq!(is().await, Value::Null, "{mode}: no table yet, and no schema sluice at first");
        // A run without rows is one as well.
        Run::new(last + 1, &parts, vec![vec![file("a.csv", 1, &[])]]).load(&stack).await.unwrap();
        let first = is().await;
        assert_eq!(first["detected_at"], json!(run(1).detected_at), "{mode}");
        assert_eq!(first["print"], json!(parts.check().unwrap().print(&stack.bucket, &stack.prefix)));
        let output = run(2).load(&stack).await.unwrap();
        assert_eq!(counts(&output, ["rows_inserted"]), [2]);
        let second = is().await;
        assert_eq!(second["generation"], first["generation"]);
        assert_eq!(second["detected_at"], json!(run(2).detected_at));
        let document: Value = serde_json::from_str(&read(&stack, "state/pomodoro/loaded.json").await).unwrap();
        assert_eq!(document, second);

        sql(&stack, "truncate t").await;
        assert_eq!(is().await, Value::Null, "{mode}: emptied");
        let output = run(3).load(&stack).await.unwrap();
        assert_eq!(counts(&output, ["rows_inserted"]), [2], "{mode}");
        // Where the words of files stay, so does the generation: the ledger goes on to know them.
        assert_eq!(is().await["generation"] == second["generation"], mode != "last_run", "{mode}");
        sql(&stack, "drop table t").await;
        assert_eq!(is().await, Value::Null, "{mode}: dropped");
        run(4).load(&stack).await.unwrap();
        assert_eq!(rows_of(&stack, "t").await, ROWS);
        // Another mode, of a table that is gone: nothing of the one before stays.
        sql(&stack, "drop table t; delete from sluice.runs").await;
    }
    let mut connection = stack.connect().await.unwrap();
    let kept: bool = sqlx::query_scalar("select to_regclass('sluice.\"public.t\"') is not null")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(!kept, "the words went with the first load of last_run");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_outlive_a_table_that_is_emptied_but_not_another_reading_or_mode() {
    let stack = fixture().await;
    let parts = parts("t", "all_files");
    let files = vec![vec![file("a.csv", 1, &["2024-01-01 1 1"]), file("b.csv", 1, &["2024-01-02 2 2"])]];
    Run::new(1, &parts, files).load(&stack).await.unwrap();
    sql(&stack, "truncate t").await;
    // b.csv is no longer in the bucket, say.
    Run::new(2, &parts, vec![vec![file("a.csv", 2, &["2024-01-01 3 3"])]]).load(&stack).await.unwrap();
    assert_eq!(rows_of(&stack, "t").await, ["2024-01-01 3 3", "2024-01-02 2 2"]);
    sql(&stack, "truncate t").await;
    let mut otherwise = parts.clone();
    otherwise.source["columns"]["project"] = json!("Category");
    Run::new(3, &otherwise, vec![vec![file("a.csv", 2, &["2024-01-01 3 3"])]]).load(&stack).await.unwrap();
    assert_eq!(rows_of(&stack, "t").await, ["2024-01-01 3 3"]);

    // A mark of all_files would hide the file from newest_file for good.
    let generation = record(&stack, &otherwise).await["generation"].clone();
    sql(&stack, "update sluice.\"public.t\" set sluice_repeats = 'another'; truncate t").await;
    otherwise.target["on_overlap"] = json!("newest_file");
    Run::new(4, &otherwise, vec![vec![file("a.csv", 2, &["2024-01-01 3 3"])]]).load(&stack).await.unwrap();
    assert_eq!(rows_of(&stack, "t").await, ["2024-01-01 3 3"]);
    assert_ne!(record(&stack, &otherwise).await["generation"], generation);
    // Nor does all_files add to what only newest_file would leave alone.
    sql(&stack, "truncate t").await;
    otherwise.target["on_overlap"] = json!("all_files");
    Run::new(5, &otherwise, vec![vec![file("b.csv", 3, &["2024-01-01 4 4"])]]).load(&stack).await.unwrap();
    assert_eq!(rows_of(&stack, "t").await, ["2024-01-01 4 4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_loaded_into_a_target_that_is_not_what_was_assumed() {
    let stack = fixture().await;
    for mode in ["all_files", "last_run"] {
        let table = format!("t_{mode}");
        let parts = parts(&table, mode);
        let run = |number, assumed: &Value| {
            let run = Run::new(number, &parts, vec![vec![file("a.csv", number, &[&format!("2024-01-01 {number} 0")])]]);
            Run { assumed: Some(assumed.clone()), ..run }
        };
        let refused = async |run: Run, is: &Value| {
            let ledger = keys(&stack, "state/").await;
            let before = rows_of(&stack, &table).await;
            let output = run.load(&stack).await.unwrap();
            assert_eq!(output["record"], json!({"loaded": is}), "{mode}");
            assert_eq!(counts(&output, ["files", "rows_staged"]), [0, 0]);
            assert_eq!((rows_of(&stack, &table).await, keys(&stack, "state/").await), (before, ledger), "{mode}");
        };
        let output = run(1, &Value::Null).load(&stack).await.unwrap();
        assert_eq!(output["record"], Value::Null);
        let first = record(&stack, &parts).await;
        refused(run(2, &Value::Null), &first).await;
        run(3, &first).load(&stack).await.unwrap();
        let third = record(&stack, &parts).await;
        refused(run(4, &first), &third).await;
        // Another database, or one that was restored from before the last run.
        let mut connection = stack.connect().await.unwrap();
        sqlx::query("update sluice.targets set detected_at = $1::timestamptz where target = $2")
            .bind(first["detected_at"].as_str())
            .bind(format!("public.{table}"))
            .execute(&mut connection)
            .await
            .unwrap();
        sqlx::query("delete from sluice.runs where detected_at > $1::timestamptz")
            .bind(first["detected_at"].as_str())
            .execute(&mut connection)
            .await
            .unwrap();
        refused(run(5, &third), &first).await;
        // A spec that changed meanwhile: what is to be done is for detection to say.
        let mut otherwise = run(6, &first);
        otherwise.parts.source["columns"]["project"] = json!("Category");
        refused(otherwise.clone(), &first).await;
        let other_mode = if mode == "all_files" { "newest_file" } else { "all_files" };
        let mut mixed = run(6, &first);
        mixed.parts.target["on_overlap"] = json!(other_mode);
        refused(mixed.clone(), &first).await;
        // Unless all is loaded anew.
        for (number, reload) in [(7, otherwise), (8, mixed)] {
            let reload = Run { reload: true, assumed: None, ..reload };
            let reload =
                Run { name: format!("reload-{number}"), detected_at: run(number, &first).detected_at, ..reload };
            let output = reload.load(&stack).await.unwrap();
            assert_eq!(output["record"], Value::Null, "{mode}");
            assert_eq!(rows_of(&stack, &table).await, ["2024-01-01 6 0"]);
        }
        assert_ne!(record(&stack, &parts).await["generation"], first["generation"], "a reload is another generation");
        // A dry run says the same, and leaves no trace.
        let before = record(&stack, &parts).await;
        let mut payload = run(9, &first).leave(&stack).await;
        payload["mode"] = json!("dry_run");
        let output = stack.invoke("upsert", &payload).await.unwrap().unwrap();
        assert_eq!(output["record"], json!({"loaded": before}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_leaves_no_trace() {
    let stack = fixture().await;
    for mode in ["all_files", "newest_file", "last_run"] {
        let parts = parts("t", mode);
        let mut payload = Run::new(1, &parts, one_file(1)).leave(&stack).await;
        payload["mode"] = json!("dry_run");
        let output = stack.invoke("upsert", &payload).await.unwrap().unwrap();
        assert_eq!(counts(&output, ["rows_inserted"]), [2], "{mode}");
        assert_eq!(record(&stack, &parts).await, Value::Null);
        assert!(keys(&stack, "state/").await.is_empty());
        let mut connection = stack.connect().await.unwrap();
        let has_schema: bool = sqlx::query_scalar("select to_regnamespace('sluice') is not null")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert!(!has_schema);
    }
}

/// Two jobs with one database.
async fn two_jobs() -> (Fixture, Fixture) {
    let one = fixture().await;
    let mut options = vpc_mode();
    options.parameters.insert("DatabaseUrl", one.database_url.clone());
    let other = fixture_with(options).await;
    (one, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_belongs_to_one_job_unless_both_have_last_run() {
    let (one, other) = two_jobs().await;
    for (number, (mine, yours, is_refused)) in (0..).zip([
        ("all_files", "all_files", true),
        ("all_files", "last_run", true),
        ("last_run", "newest_file", true),
        ("last_run", "last_run", false),
    ]) {
        let table = format!("t{number}");
        let run = |number, mode| Run::new(number, &parts(&table, mode), one_file(number));
        run(1, mine).load(&one).await.unwrap();
        let answer = run(1, yours).load(&other).await;
        if !is_refused {
            answer.unwrap();
            continue;
        }
        let (error, cause) = answer.unwrap_err();
        assert_eq!(error, "Misconfigured");
        for part in [
            "the job pomodoro of the state machine ",
            &format!("on_overlap {mine}, this one with {yours}"),
            "delete its row in sluice.targets and start with {\"reload\": true}",
        ] {
            assert!(cause.contains(part), "{cause}");
        }
        // What the other one has loaded is gone with the table, which is then free.
        let mut connection = one.connect().await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("drop table {table}"))).execute(&mut connection).await.unwrap();
        run(2, yours).load(&other).await.unwrap();
        assert_eq!(record(&one, &parts(&table, mine)).await, Value::Null);
        assert_eq!(run(3, mine).load(&one).await.unwrap_err().0, "Misconfigured");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_another_job_takes_over_keeps_nothing_of_the_one_before() {
    let (one, other) = two_jobs().await;
    for mode in ["all_files", "newest_file"] {
        let parts = parts("t", mode);
        let load = async |stack: &Fixture, number: u32, reload, row: &str| {
            let batches = vec![vec![file(&format!("{number}.csv"), number, &[row])]];
            Run { reload, ..Run::new(number, &parts, batches) }.load(stack).await
        };
        let rows = async || rows_of(&one, "t").await;
        load(&one, 1, false, "2024-01-01 1 1").await.unwrap();
        sql(&one, "delete from sluice.targets").await;
        let (error, cause) = load(&other, 2, false, "2024-01-01 2 2").await.unwrap_err();
        assert_eq!(error, "Misconfigured");
        assert!(cause.contains("rows that come from no file") && cause.contains("{\"reload\": true}"), "{cause}");
        assert_eq!(rows().await, ["2024-01-01 1 1"], "{mode}");
        load(&other, 3, true, "2024-01-01 2 2").await.unwrap();
        assert_eq!(rows().await, ["2024-01-01 2 2"], "{mode}");
        // Back again, and the table is emptied as well.
        sql(&one, "delete from sluice.targets; truncate t").await;
        load(&one, 4, false, "2024-01-02 4 4").await.unwrap();
        assert_eq!(rows().await, ["2024-01-02 4 4"], "{mode}");
        sql(&one, "drop table t; delete from sluice.targets; delete from sluice.runs").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_nobody_asked_for_loses_no_file_that_is_set_aside() {
    let stack = fixture().await;
    for mode in ["all_files", "newest_file"] {
        let table = format!("t_{mode}");
        let mut parts = parts(&table, mode);
        parts.source["on_bad_file"] = json!("quarantine");
        Run::new(1, &parts, one_file(1)).load(&stack).await.unwrap();
        let loaded = record(&stack, &parts).await;
        parts.source["columns"]["project"] = json!("Category");
        let run = |number, is_reload_by_itself| Run {
            reload: true,
            is_reload_by_itself,
            bad: vec!["a.csv", "b.csv", "c.csv", "d.csv"],
            ..Run::new(number, &parts, vec![vec![]])
        };
        let (error, cause) = run(2, true).load(&stack).await.unwrap_err();
        assert_eq!(error, "Misconfigured");
        // Of the others the table has nothing.
        let told =
            "what the table has would be lost: input_data/a.csv is set aside, it lacks a column; put the spec right";
        assert!(cause.contains(told) && cause.contains("{\"reload\": true}"), "{cause}");
        assert_eq!(
            (rows_of(&stack, &table).await, record(&stack, &parts).await),
            (ROWS.map(String::from).into(), loaded)
        );
        let output = run(3, false).load(&stack).await.unwrap();
        assert_eq!(counts(&output, ["files_bad", "rows_deleted"]), [4, 2], "{mode}");
        assert!(rows_of(&stack, &table).await.is_empty());

        // What was set aside before is no loss, and stops no later run.
        Run { bad: vec!["b.csv"], ..Run::new(4, &parts, one_file(4)) }.load(&stack).await.unwrap();
        parts.source["columns"]["project"] = json!("Kind");
        let reload =
            Run { reload: true, is_reload_by_itself: true, bad: vec!["b.csv"], ..Run::new(5, &parts, one_file(4)) };
        assert_eq!(counts(&reload.load(&stack).await.unwrap(), ["files_bad", "rows_deleted"]), [1, 0], "{mode}");
        assert_eq!(rows_of(&stack, &table).await, ROWS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_nobody_asked_for_replaces_no_whole_value_by_a_part() {
    let stack = fixture().await;
    for mode in ["all_files", "newest_file"] {
        let table = format!("t_{mode}");
        let mut parts = parts(&table, mode);
        let run = |number, parts: &Parts, row: &str| {
            Run::new(number, parts, vec![vec![file("a.csv", number, &[row, "2024-01-02 2 2"])]])
        };
        run(1, &parts, "2024-01-01 30 30").load(&stack).await.unwrap();
        // A row of the second version is in quarantine, so the first one's value stays.
        let partial = format!("2024-01-01 10 10 {PARTIAL}");
        run(2, &parts, &partial).load(&stack).await.unwrap();
        let (whole, loaded) = (["2024-01-01 30 30", "2024-01-02 2 2"], record(&stack, &parts).await);
        assert_eq!(rows_of(&stack, &table).await, whole, "{mode}");
        parts.source["columns"]["project"] = json!("Category");
        let reload =
            |number, is_reload_by_itself| Run { reload: true, is_reload_by_itself, ..run(number, &parts, &partial) };
        let (error, cause) = reload(3, true).load(&stack).await.unwrap_err();
        assert_eq!(error, "Misconfigured");
        let told = "input_data/a.csv has, or may have, rows of 2024-01-01 in quarantine, and said all of it before";
        assert!(cause.contains(told) && cause.contains("{\"reload\": true}"), "{cause}");
        assert_eq!(
            (rows_of(&stack, &table).await, record(&stack, &parts).await),
            (whole.map(String::from).into(), loaded)
        );
        let output = reload(4, false).load(&stack).await.unwrap();
        assert_eq!(counts(&output, ["keys_partial", "rows_updated"]), [1, 1], "{mode}");
        let partial_rows = ["2024-01-01 10 10", "2024-01-02 2 2"];
        assert_eq!(rows_of(&stack, &table).await, partial_rows, "{mode}");

        // Now it is a part already, so one more such reload takes nothing away; but no other key may become one.
        parts.source["columns"]["project"] = json!("Kind");
        let again = Run { reload: true, is_reload_by_itself: true, ..run(5, &parts, &partial) };
        assert_eq!(counts(&again.load(&stack).await.unwrap(), ["keys_partial", "rows_updated"]), [1, 0], "{mode}");
        assert_eq!(rows_of(&stack, &table).await, partial_rows, "{mode}");
        parts.source["columns"]["project"] = json!("Type");
        let mut unknown = file("a.csv", 6, &["2024-01-01 10 10", "2024-01-02 2 2"]);
        unknown.has_unknown_keys = true;
        let files = vec![vec![unknown]];
        let unknown = Run { reload: true, is_reload_by_itself: true, ..Run::new(6, &parts, files) };
        let (error, cause) = unknown.load(&stack).await.unwrap_err();
        assert_eq!(error, "Misconfigured");
        assert!(cause.contains("rows of 2024-01-02 in quarantine, and said all of it before"), "{mode}: {cause}");
    }
}

/// Words from before are about other keys: a file that said something whole may not say parts by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_by_other_keys_that_nobody_asked_for_is_refused_if_a_whole_file_has_parts_now() {
    let stack = fixture().await;
    let mut parts = parts("t", "all_files");
    Run::new(1, &parts, one_file(1)).load(&stack).await.unwrap();
    sql(&stack, "alter table t rename date to day").await;
    let date = parts.source["columns"].as_object_mut().unwrap().remove("date").unwrap();
    parts.source["columns"]["day"] = date;
    parts.shape["keys"] = json!(["day"]);
    let partial = format!("2024-01-01 1 1 {PARTIAL}");
    let reload = |number, row: &str| Run {
        reload: true,
        is_reload_by_itself: true,
        ..Run::new(number, &parts, vec![vec![file("a.csv", 1, &[row])]])
    };
    let (error, cause) = reload(2, &partial).load(&stack).await.unwrap_err();
    assert_eq!(error, "Misconfigured");
    assert!(cause.contains("input_data/a.csv has rows in quarantine, and what it said of some keys"), "{cause}");
    let output = reload(3, "2024-01-01 1 1").load(&stack).await.unwrap();
    assert_eq!(counts(&output, ["rows_unchanged", "rows_deleted"]), [1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn last_run_is_loaded_again_only_if_that_is_asked_for() {
    let stack = fixture().await;
    let parts = parts("t", "last_run");
    Run::new(1, &parts, one_file(1)).load(&stack).await.unwrap();
    let reload = |number, is_reload_by_itself| Run {
        reload: true,
        is_reload_by_itself,
        ..Run::new(number, &parts, vec![vec![file("a.csv", 1, &["2024-01-01 7 7"])]])
    };
    let (error, cause) = reload(2, true).load(&stack).await.unwrap_err();
    assert!(error == "Misconfigured" && cause.contains("has to be asked for"), "{error}: {cause}");
    assert_eq!(rows_of(&stack, "t").await, ROWS);
    reload(3, false).load(&stack).await.unwrap();
    assert_eq!(rows_of(&stack, "t").await, ["2024-01-01 7 7"]);
}

/// Somebody drops the table and makes it again, with rows: what was loaded is in neither.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_made_again_is_not_the_one_that_was_loaded() {
    let stack = fixture().await;
    for mode in ["all_files", "newest_file", "last_run"] {
        let parts = parts("t", mode);
        Run::new(1, &parts, one_file(1)).load(&stack).await.unwrap();
        let loaded = record(&stack, &parts).await;
        assert_ne!(loaded, Value::Null);
        // Rewritten, renamed or moved, it is the same one; also if it was emptied and filled.
        sql(&stack, "vacuum full t").await;
        assert_eq!(record(&stack, &parts).await, loaded, "{mode}");
        sql(
            &stack,
            "alter table t rename to old; create table t (like old including all); insert into t select * from old;
             update t set work_minutes = 9; drop table old",
        )
        .await;
        assert_eq!(record(&stack, &parts).await, Value::Null, "{mode}");
        Run::new(2, &parts, one_file(1)).load(&stack).await.unwrap();
        assert_eq!(rows_of(&stack, "t").await, ROWS, "{mode}");
        let loaded = record(&stack, &parts).await;
        // Brought back from a dump, all tables are others, the record's as well.
        sql(&stack, "update sluice.targets set table_oid = 1, record_oid = 2").await;
        assert_eq!(record(&stack, &parts).await, loaded, "{mode}");
        // As an earlier version wrote it.
        sql(
            &stack,
            "alter table sluice.targets drop column table_oid, drop column record_oid, drop column allows_repeated",
        )
        .await;
        assert_eq!(record(&stack, &parts).await, loaded, "{mode}");
        Run::new(3, &parts, one_file(1)).load(&stack).await.unwrap();
        sql(
            &stack,
            "drop table t; create table t (date date primary key, learning_minutes numeric, work_minutes numeric);
                     insert into t values ('2024-01-01', 9, 9)",
        )
        .await;
        assert_eq!(record(&stack, &parts).await, Value::Null, "{mode}");
        sql(&stack, "drop table t; drop schema sluice cascade").await;
    }
}

/// Its words are called by their bucket, so one file would count twice.
#[tokio::test(flavor = "multi_thread")]
async fn words_of_files_of_another_bucket_are_not_added_to() {
    let stack = fixture().await;
    for mode in ["all_files", "newest_file"] {
        let parts = parts("t", mode);
        Run::new(1, &parts, one_file(1)).load(&stack).await.unwrap();
        // As an earlier version wrote the record, of another bucket.
        sql(
            &stack,
            "update sluice.targets set selection = selection - 'bucket';
             update sluice.\"public.t\" set sluice_file = 'zzz/input_data/a.csv'",
        )
        .await;
        let (error, cause) = Run::new(2, &parts, one_file(1)).load(&stack).await.unwrap_err();
        assert_eq!(error, "Misconfigured");
        for part in ["loaded from the bucket zzz", "{\"reload\": true}"] {
            assert!(cause.contains(part), "{mode}: {cause}");
        }
        assert_eq!(rows_of(&stack, "t").await, ROWS, "{mode}");
        Run { reload: true, ..Run::new(3, &parts, one_file(1)) }.load(&stack).await.unwrap();
        assert_eq!(rows_of(&stack, "t").await, ROWS, "{mode}");
        // Of a table that was emptied, nothing of the other bucket comes back.
        sql(
            &stack,
            "update sluice.targets set selection = selection || '{\"bucket\": \"zzz\"}';
             update sluice.\"public.t\" set sluice_file = 'zzz/input_data/a.csv'; truncate t",
        )
        .await;
        Run::new(4, &parts, vec![vec![file("a.csv", 1, &ROWS[..1])]]).load(&stack).await.unwrap();
        assert_eq!(rows_of(&stack, "t").await, ROWS[..1], "{mode}");
        sql(&stack, "drop table t; drop schema sluice cascade").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_loses_no_file_that_changes_meanwhile() {
    let stack = fixture().await;
    for mode in ["all_files", "newest_file", "last_run"] {
        let table = format!("t_{mode}");
        let parts = parts(&table, mode);
        let run = |number, row: &str| Run {
            changed: vec!["b.csv"],
            ..Run::new(number, &parts, vec![vec![file("a.csv", number, &[row])]])
        };
        // The next run finds it.
        run(1, "2024-01-01 1 1").load(&stack).await.unwrap();
        for (number, is_reload_by_itself) in [(2, false), (3, true)] {
            let reload = Run { reload: true, is_reload_by_itself, ..run(number, "2024-01-02 2 2") };
            let (error, cause) = reload.load(&stack).await.unwrap_err();
            assert_eq!(error, "StaleRun", "{mode}");
            let told = "1 file was overwritten or deleted while the run loaded them: input_data/b.csv; ";
            assert!(cause.contains(told) && cause.ends_with("start again"), "{cause}");
            assert_eq!(rows_of(&stack, &table).await, ["2024-01-01 1 1"], "{mode}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_of_a_table_that_jobs_share_has_the_others_look_at_all_their_files_again() {
    let (one, other) = two_jobs().await;
    let parts = parts("t", "last_run");
    let load = async |stack: &Fixture, number, reload, row: &str| {
        let run = Run { reload, ..Run::new(number, &parts, vec![vec![file("a.csv", number, &[row])]]) };
        run.load(stack).await.unwrap()
    };
    load(&one, 1, false, "2024-01-01 1 1").await;
    load(&other, 2, false, "2024-01-02 2 2").await;
    assert_ne!(record(&one, &parts).await, Value::Null);
    let output = load(&other, 3, true, "2024-01-03 3 3").await;
    let told = "the table was loaded by other jobs, too: pomodoro; ";
    assert!(notes(&output).iter().any(|note| note.starts_with(told)), "{output}");
    assert_eq!(rows_of(&one, "t").await, ["2024-01-03 3 3"]);
    assert_eq!(record(&one, &parts).await, Value::Null);
    load(&one, 4, false, "2024-01-01 1 1").await;
    assert_eq!(rows_of(&one, "t").await, ["2024-01-01 1 1", "2024-01-03 3 3"]);
    // Alone, it says nothing.
    sql(&one, "delete from sluice.targets").await;
    let output = load(&one, 5, true, "2024-01-01 1 1").await;
    assert!(!notes(&output).iter().any(|note| note.starts_with(told)), "{output}");
}
