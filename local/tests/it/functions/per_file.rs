//! `on_overlap: per_file`: whatever happens in whatever order, the table is what one load of the final files would make
//! it.

use crate::support::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Rows of a file: day of January 2024, category, half minutes.
type Rows = Vec<(u64, &'static str, u64)>;

fn file(rows: &Rows) -> Vec<u8> {
    let rows: Vec<(&str, String, String)> = rows
        .iter()
        .map(|(day, category, halves)| (*category, halves_shown(*halves), format!("2024-01-{day:02}")))
        .collect();
    let rows: Vec<(&str, &str, &str)> =
        rows.iter().map(|(category, minutes, date)| (*category, minutes.as_str(), date.as_str())).collect();
    csv(&rows)
}

fn halves_shown(halves: u64) -> String {
    if halves.is_multiple_of(2) { format!("{}", halves / 2) } else { format!("{}.5", halves / 2) }
}

/// The table that one load of these files makes.
fn expected(files: &BTreeMap<String, Rows>) -> Vec<String> {
    let mut days: BTreeMap<u64, [u64; 2]> = BTreeMap::new();
    for (day, category, halves) in files.values().flatten() {
        days.entry(*day).or_default()[usize::from(*category == "Work")] += halves;
    }
    days.iter()
        .map(|(day, [learning, work])| format!("2024-01-{day:02} {} {}", halves_shown(*learning), halves_shown(*work)))
        .collect()
}

/// How far a run gets before it dies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Until {
    Detected,
    Pivoted,
    /// The transaction is committed, and its ledger entry still says that this is in doubt.
    Committed,
    Done,
}

/// Calls the functions one after the other, as an execution would. Returns the payload of its upsert, if it gets there.
async fn run(stack: &Fixture, name: &str, until: Until) -> Option<Value> {
    let execution = execution(stack, name);
    let input = detection(stack, name);
    let detected = stack.invoke("detect-new-files", &input).await.unwrap().unwrap();
    if detected["manifest"].is_null() || until == Until::Detected {
        return None;
    }
    let mut spec = shape();
    spec["per_file"] = json!(true);
    for batch in detected["batches"].as_array().unwrap() {
        let input = json!({"execution": execution, "manifest": detected["manifest"], "batch": batch, "pivot": spec});
        stack.invoke("pivot", &input).await.unwrap().unwrap();
    }
    let mut target = target();
    target["on_overlap"] = json!("per_file");
    let payload = json!({"execution": execution, "manifest": detected["manifest"], "target": target});
    if until == Until::Pivoted {
        return Some(payload);
    }
    let known = keys(stack, "state/").await;
    stack.invoke("upsert", &payload).await.unwrap().unwrap();
    if until == Until::Committed {
        for key in keys(stack, "state/").await.iter().filter(|key| key.contains("/ledger/") && !known.contains(key)) {
            let mut entry: Value = serde_json::from_str(&read(stack, key).await).unwrap();
            entry["in_doubt"] = json!(true);
            put_json(stack, key, &entry).await;
        }
    }
    Some(payload)
}

/// One random history. A file that is deleted keeps what was loaded of it: a rule that clears old input must not clear
/// the table. To take it back, an empty one is uploaded in its place.
async fn history(seed: u64) {
    let stack = fixture_with(per_file()).await;
    let mut random = Random::new(seed);
    let mut there: BTreeMap<String, Rows> = BTreeMap::new();
    let mut loaded: BTreeMap<String, Rows> = BTreeMap::new();
    let mut payloads: Vec<Value> = Vec::new();
    // Runs that died before their load, with the files as they pivoted them.
    let mut pivoted: Vec<(Value, BTreeMap<String, Rows>, usize)> = Vec::new();
    let mut last_commit = None;
    let steps = 14;
    for step in 0..=steps {
        let name = format!("{}.csv", ["a", "b", "c'\"", "d e"][usize::try_from(random.below(4)).unwrap()]);
        let action = if step == steps { 10 } else { random.below(13) };
        match action {
            0..=4 => {
                let count = random.below(5);
                let rows: Rows = (0..count)
                    .map(|_| {
                        let category = if random.below(2) == 0 { "Work" } else { "Learning" };
                        (random.below(4) + 1, category, random.below(9))
                    })
                    .collect();
                stack.upload(&name, file(&rows)).await.unwrap();
                there.insert(name, rows);
            }
            5 => {
                stack
                    .s3()
                    .delete_object()
                    .bucket(&stack.bucket)
                    .key(format!("input_data/{name}"))
                    .send()
                    .await
                    .unwrap();
                there.remove(&name);
            }
            // A run that died before its load is taken up again, before or after others have loaded.
            6 if !pivoted.is_empty() => {
                let (payload, files, begun) = pivoted.remove(0);
                let answer = stack.invoke("upsert", &payload).await.unwrap();
                match last_commit > Some(begun) {
                    true => assert_eq!(answer.unwrap_err().0, "StaleRun", "seed {seed}, step {step}"),
                    false => {
                        answer.unwrap();
                        loaded.extend(files);
                        last_commit = Some(begun);
                    }
                }
                assert_eq!(table(&stack).await, expected(&loaded), "seed {seed}, step {step}");
            }
            // Something that was committed long ago is tried again.
            6 | 7 => {
                let before = table(&stack).await;
                if let Some(payload) = payloads.first() {
                    let answer = stack.invoke("upsert", payload).await.unwrap();
                    assert!(answer.is_ok() || answer.unwrap_err().0 == "StaleRun", "seed {seed}, step {step}");
                }
                if payloads.len() > 1 {
                    assert_eq!(table(&stack).await, before, "seed {seed}, step {step}");
                }
            }
            _ => {
                let until = match action {
                    8 => Until::Detected,
                    9 => Until::Pivoted,
                    11 => Until::Committed,
                    _ => Until::Done,
                };
                let payload = run(&stack, &format!("run-{step}"), until).await;
                if until == Until::Pivoted {
                    pivoted.extend(payload.map(|payload| (payload, there.clone(), step)));
                    continue;
                }
                if until == Until::Detected {
                    continue;
                }
                last_commit = payload.as_ref().map(|_| step).or(last_commit);
                payloads.extend(payload);
                loaded.extend(there.clone());
                assert_eq!(table(&stack).await, expected(&loaded), "seed {seed}, step {step}: {loaded:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_history_ends_as_one_load_of_the_final_files() {
    // Side by side, for most of it is waiting.
    let mut histories = tokio::task::JoinSet::new();
    for seed in seeds(12) {
        eprintln!("per_file history: SLUICE_SEEDS={seed}..{}", seed + 1);
        histories.spawn(history(seed));
        if histories.len() == 4 {
            histories.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(ended) = histories.join_next().await {
        ended.unwrap();
    }
}

/// The example of the README, in both modes.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_split_over_files_is_whole_in_one_mode_and_not_in_the_other() {
    let (replace, per_file) = (fixture().await, fixture_with(per_file()).await);
    for (name, minutes) in [("morning.csv", "60"), ("evening.csv", "30"), ("morning.csv", "45")] {
        for stack in [&replace, &per_file] {
            stack.upload(name, csv(&[("Work", minutes, "2024-01-01")])).await.unwrap();
            run_well(stack, json!({})).await;
        }
    }
    assert_eq!(table(&replace).await, ["2024-01-01 0 45"], "the evening is lost");
    assert_eq!(table(&per_file).await, ["2024-01-01 0 75"]);

    // All of it once more changes nothing, and writes nothing.
    let again = run_well(&per_file, json!({"since": "2000-01-01T00:00:00Z"})).await;
    assert_eq!(merged(&again), [0, 0, 1]);
    // A file that has no rows any more takes its day along if nobody else has a share in it.
    per_file.upload("evening.csv", HEADER.as_bytes().to_vec()).await.unwrap();
    assert_eq!(merged(&run_well(&per_file, json!({})).await), [0, 1, 0]);
    per_file.upload("morning.csv", HEADER.as_bytes().to_vec()).await.unwrap();
    let last = run_well(&per_file, json!({})).await;
    assert_eq!(last.counts["upsert"]["rows_deleted"], 1);
    assert!(table(&per_file).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_modes_are_not_mixed() {
    let options = per_file();
    let stack = fixture_with(options.clone()).await;
    sql(&stack, TARGET).await;
    sql(&stack, "insert into pomodoro_day_catg values ('2023-01-01', 1, 1)").await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let (error, cause) = run_badly(&stack, json!({})).await;
    assert_eq!(error, "Misconfigured");
    assert!(cause.contains("rows that are no file's share") && cause.contains("since"), "{cause}");
    sql(&stack, "delete from pomodoro_day_catg").await;
    run_well(&stack, json!({})).await;

    // Somebody sets it back to replace.
    let replaced = stack.stack.deploy(&stack.name, &vpc_mode()).await.unwrap();
    replaced.upload("b.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let (error, cause) = run_badly(&replaced, json!({})).await;
    assert_eq!(error, "Misconfigured");
    assert!(cause.contains("was loaded per_file"), "{cause}");
    // And only half of it back again.
    let half = local::deployment::Options { spec: vec![options.spec[1]], ..vpc_mode() };
    let half = stack.stack.deploy(&stack.name, &half).await.unwrap();
    let (error, cause) = run_badly(&half, json!({})).await;
    assert_eq!(error, "Misconfigured");
    assert!(cause.contains("the pivot's per_file"), "{cause}");
    assert_eq!(table(&stack).await, ["2024-01-01 0 1"]);
    // A category that comes later gets its column.
    sql(&stack, "alter table pomodoro_day_catg add column rest_minutes numeric not null default 0").await;
    let mut wider = options;
    wider.spec.push((r#""Work": "work_minutes""#, r#""Work": "work_minutes", "Rest": "rest_minutes""#));
    let wider = stack.stack.deploy(&stack.name, &wider).await.unwrap();
    wider.upload("c.csv", csv(&[("Rest", "7", "2024-01-01")])).await.unwrap();
    run_well(&wider, json!({})).await;
    let mut connection = stack.connect().await.unwrap();
    let row: String = sqlx::query_scalar("select concat_ws(' ', work_minutes, rest_minutes) from pomodoro_day_catg")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(row, "2 7", "of three files");
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelines_that_share_a_table_keep_their_shares_apart_and_a_lost_table_comes_back_whole() {
    let one = fixture_with(per_file()).await;
    let mut options = per_file();
    options.parameters.insert("DatabaseUrl", one.database_url.clone());
    let other = fixture_with(options).await;
    for (stack, minutes, day) in [(&one, "1", "2024-01-01"), (&other, "2", "2024-01-01"), (&other, "4", "2024-01-02")] {
        stack.upload("a.csv", csv(&[("Work", minutes, day)])).await.unwrap();
        run_well(stack, json!({})).await;
    }
    assert_eq!(table(&one).await, ["2024-01-01 0 1", "2024-01-02 0 4"], "each has its own a.csv");
    sql(&one, "truncate pomodoro_day_catg").await;
    one.upload("b.csv", csv(&[("Work", "8", "2024-01-03")])).await.unwrap();
    run_well(&one, json!({})).await;
    assert_eq!(table(&one).await, ["2024-01-01 0 1", "2024-01-02 0 4", "2024-01-03 0 8"]);
}
