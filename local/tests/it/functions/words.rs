//! `on_overlap: all_files` and `newest_file`: whatever happens in whatever order, the table is what the words of the
//! files make it.

use crate::functions::prepared::*;
use crate::support::*;
use serde_json::{Value, json};
use sluice::spec::Parts;
use std::collections::{BTreeMap, BTreeSet};

/// Rows of a file: day of January 2024, category, half minutes.
type Rows = Vec<(u64, &'static str, u64)>;

fn content(rows: &Rows) -> Vec<u8> {
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
    // Files say the same as others by chance here.
    let allowing = |mut payload: Value| {
        payload["target"]["on_repeated_file"] = json!("allow");
        payload
    };
    let input = allowing(detection(stack, name));
    let detected = stack.invoke("detect-new-files", &input).await.unwrap().unwrap();
    if detected["manifest"].is_null() || until == Until::Detected {
        return None;
    }
    for batch in detected["batches"].as_array().unwrap() {
        let input = json!({"execution": execution, "manifest": detected["manifest"], "batch": batch});
        stack.invoke("pivot", &allowing(with_spec(input))).await.unwrap().unwrap();
    }
    let payload = allowing(with_spec(json!({"execution": execution, "manifest": detected["manifest"]})));
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
    let stack = fixture_with(vpc_mode()).await;
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
                stack.upload(&name, content(&rows)).await.unwrap();
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
        eprintln!("history of words: SLUICE_SEEDS={seed}..{}", seed + 1);
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
    let (last_run, all_files) = (fixture_with(last_run()).await, fixture_with(vpc_mode()).await);
    for (name, minutes) in [("morning.csv", "60"), ("evening.csv", "30"), ("morning.csv", "45")] {
        for stack in [&last_run, &all_files] {
            stack.upload(name, csv(&[("Work", minutes, "2024-01-01")])).await.unwrap();
            run_well(stack, json!({})).await;
        }
    }
    assert_eq!(table(&last_run).await, ["2024-01-01 0 45"], "the evening is lost");
    assert_eq!(table(&all_files).await, ["2024-01-01 0 75"]);

    // All of it once more changes nothing, and writes nothing.
    let again = run_well(&all_files, json!({"since": "2000-01-01T00:00:00Z"})).await;
    assert_eq!(merged(&again), [0, 0, 1]);
    // A file that has no rows any more takes its day along if nobody else has a word on it.
    all_files.upload("evening.csv", HEADER.as_bytes().to_vec()).await.unwrap();
    assert_eq!(merged(&run_well(&all_files, json!({})).await), [0, 1, 0]);
    all_files.upload("morning.csv", HEADER.as_bytes().to_vec()).await.unwrap();
    let last = run_well(&all_files, json!({})).await;
    assert_eq!(last.counts["upsert"]["rows_deleted"], 1);
    assert_eq!(notes(&last.counts["upsert"]), ["1 key went, since no file that counts has them any more: 2024-01-01"]);
    assert!(table(&all_files).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_come_from_no_file_are_not_overwritten() {
    let stack = fixture().await;
    for on_overlap in ["all_files", "newest_file"] {
        let parts = parts("pomodoro_day_catg", on_overlap);
        sql(&stack, "drop table if exists pomodoro_day_catg").await;
        sql(&stack, TARGET).await;
        sql(&stack, "insert into pomodoro_day_catg values ('2023-01-01', 1, 1)").await;
        sql(&stack, "create schema if not exists sluice; drop table if exists sluice.targets, sluice.key_ranges").await;
        sql(&stack, "drop table if exists sluice.\"public.pomodoro_day_catg\", sluice.runs").await;
        let run = |number| Run::new(number, &parts, vec![vec![file("a.csv", number, &["2024-01-01 1 1"])]]);
        let (error, cause) = run(1).load(&stack).await.unwrap_err();
        assert_eq!(error, "Misconfigured");
        assert!(cause.contains("rows that come from no file") && cause.contains("reload"), "{cause}");
        assert_eq!(table(&stack).await, ["2023-01-01 1 1"]);
        sql(&stack, "delete from pomodoro_day_catg").await;
        run(2).load(&stack).await.unwrap();
        // Without its words a table cannot be added to.
        sql(&stack, "drop table sluice.\"public.pomodoro_day_catg\"").await;
        let (error, cause) = run(3).load(&stack).await.unwrap_err();
        assert_eq!(error, "Misconfigured", "{cause}");
        let reload = Run { reload: true, ..run(4) };
        sql(&stack, "insert into pomodoro_day_catg values ('2023-01-01', 1, 1)").await;
        let output = reload.load(&stack).await.unwrap();
        assert_eq!(counts(&output, ["rows_deleted", "rows_unchanged"]), [1, 1], "{output}");
        assert_eq!(table(&stack).await, ["2024-01-01 1 1"]);
    }
}

/// From before there was a record: words without a date.
#[tokio::test(flavor = "multi_thread")]
async fn words_of_an_earlier_version_are_kept() {
    let stack = fixture().await;
    let parts = parts("pomodoro_day_catg", "newest_file");
    sql(&stack, TARGET).await;
    sql(
        &stack,
        "insert into pomodoro_day_catg values ('2024-01-01', 1, 1), ('2024-01-02', 2, 2);
         create schema sluice;
         create table sluice.\"public.pomodoro_day_catg\" as
             select 'old.csv'::text as sluice_file, * from pomodoro_day_catg;
         alter table sluice.\"public.pomodoro_day_catg\" add primary key (date, sluice_file)",
    )
    .await;
    let mut connection = stack.connect().await.unwrap();
    sqlx::raw_sql(include_str!("../../../../functions/lib/postgres/src/bookkeeping.sql"))
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::query("update sluice.\"public.pomodoro_day_catg\" set sluice_file = $1 || '/' || sluice_file")
        .bind(&stack.bucket)
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::query(
        "insert into sluice.runs (execution, job, target, started_at, detected_at, files, files_changed, rows_read,
             rows_rejected, rows_staged, rows_inserted, rows_updated, rows_unchanged)
         values ($1, 'pomodoro', 'public.pomodoro_day_catg', '2024-01-01', '2024-01-01', 1, 0, 2, 0, 2, 2, 0, 0)",
    )
    .bind(execution(&stack, "before")["id"].as_str())
    .execute(&mut connection)
    .await
    .unwrap();
    let output = Run::new(1, &parts, vec![vec![file("a.csv", 1, &["2024-01-01 9 9"])]]).load(&stack).await.unwrap();
    assert_eq!(counts(&output, ["rows_inserted", "rows_updated", "rows_unchanged"]), [0, 1, 1]);
    assert_eq!(table(&stack).await, ["2024-01-01 9 9", "2024-01-02 2 2"]);
}

/// What a read of a file finds on a day: both sums, and the state.
type Found = BTreeMap<u32, (u64, u64, u64)>;

/// A version of a file, as the reference of the language has it.
#[derive(Clone, Debug)]
struct Version {
    second: u32,
    found: Found,
    has_unknown_keys: bool,
}

impl Version {
    fn is_whole(&self, day: u32) -> bool {
        !self.has_unknown_keys && self.found.get(&day).is_none_or(|(.., state)| *state == 0)
    }

    fn sums(&self, day: u32) -> Option<(u64, u64)> {
        self.found.get(&day).filter(|(.., state)| *state < 2).map(|(learning, work, _)| (*learning, *work))
    }
}

/// A file's word on a day, and whether it is whole: that of its newest version that is whole on the day; where that
/// lacks the day, or none is, that of the newest one after it that has it.
fn word(versions: &[Version], day: u32) -> Option<(bool, u32, (u64, u64))> {
    let whole = versions.iter().rposition(|version| version.is_whole(day));
    if let Some((version, sums)) = whole.and_then(|at| Some((&versions[at], versions[at].sums(day)?))) {
        return Some((true, version.second, sums));
    }
    let later = &versions[whole.map_or(0, |at| at + 1)..];
    later.iter().rev().find_map(|version| Some((false, version.second, version.sums(day)?)))
}

/// The table that these files make.
fn of_words(files: &BTreeMap<String, Vec<Version>>, mode: &str) -> Vec<String> {
    let days: BTreeSet<u32> = files.values().flatten().flat_map(|version| version.found.keys().copied()).collect();
    let mut rows = Vec::new();
    for day in days {
        let words = files.iter().filter_map(|(name, versions)| Some((name, word(versions, day)?)));
        let sums = match mode {
            "all_files" => words.map(|(_, (.., sums))| sums).reduce(|one, other| (one.0 + other.0, one.1 + other.1)),
            "by key" => words
                .max_by_key(|(name, (whole, second, _))| (*whole, (*name).clone(), *second))
                .map(|(_, word)| word.2),
            _ => words
                .max_by_key(|(name, (whole, second, _))| (*whole, *second, (*name).clone()))
                .map(|(_, word)| word.2),
        };
        rows.extend(sums.map(|(learning, work)| format!("2024-01-{day:02} {learning} {work}")));
    }
    rows
}

/// Random versions of four files, some with rows in quarantine, loaded in random runs.
async fn random_words(stack: &Fixture, mode: &str, seed: u64) {
    let mut random = Random::new(seed);
    let table = format!("words_{}_{seed}", mode.replace(' ', "_"));
    let on_overlap = if mode == "all_files" { mode } else { "newest_file" };
    let mut parts: Parts = parts(&table, on_overlap);
    match mode {
        "all_files" => parts.target["on_repeated_file"] = json!("allow"),
        "by key" => parts.target["newest_by"] = json!("key"),
        _ => {}
    }
    let mut files: BTreeMap<String, Vec<Version>> = BTreeMap::new();
    for number in 1..=8 {
        let mut batches = vec![Vec::new(), Vec::new()];
        let mut partial: BTreeSet<u32> = BTreeSet::new();
        for name in ["a.csv", "b.csv", "B.csv", "é.csv"] {
            if random.below(2) == 0 {
                continue;
            }
            let second = u32::try_from(random.below(4)).unwrap();
            let mut found = Found::new();
            for _ in 0..random.below(5) {
                let state = random.below(7).saturating_sub(4);
                let sums = if state == 2 { (0, 0) } else { (random.below(4), random.below(4)) };
                found.insert(u32::try_from(random.below(5)).unwrap() + 1, (sums.0, sums.1, state));
            }
            let version = Version { second, found, has_unknown_keys: random.below(6) == 0 };
            let rows: Vec<String> = (version.found.iter())
                .map(|(day, (learning, work, state))| format!("2024-01-{day:02} {learning} {work} {state}"))
                .collect();
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            let found = File { has_unknown_keys: version.has_unknown_keys, ..file(name, second, &rows) };
            partial.extend(version.found.keys().filter(|day| !version.is_whole(**day)));
            let versions = files.entry(name.to_owned()).or_default();
            partial.extend((1..=5).filter(|day| version.has_unknown_keys && word(versions, *day).is_some()));
            batches[usize::from(random.below(2) == 0)].push(found);
            versions.push(version);
        }
        let output = Run::new(number, &parts, batches).load(stack).await.unwrap();
        let context = || format!("{mode}, seed {seed}, run {number}: {files:#?}");
        assert_eq!(rows_of(stack, &table).await, of_words(&files, mode), "{}", context());
        assert_eq!(counts(&output, ["keys_partial"]), [u64::try_from(partial.len()).unwrap()], "{}", context());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_versions_in_any_runs_make_what_their_words_say() {
    let stack = fixture().await;
    for seed in seeds(3) {
        for mode in ["all_files", "by date", "by key"] {
            random_words(&stack, mode, seed).await;
        }
    }
}

/// A file that came again, or a newer one, may say less than the table had: somebody should know.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_get_smaller_are_told() {
    let stack = fixture().await;
    let told = "2 keys got smaller, by what files say now: 2024-01-01, 2024-01-02";
    for (mode, newer, expected) in [
        // Of another file, all_files adds what it says; newest_file has it speak alone.
        ("all_files", "b.csv", vec![]),
        ("newest_file", "b.csv", vec![told]),
        ("all_files", "a.csv", vec![told]),
    ] {
        let table = format!("{mode}_{}", &newer[..1]);
        let parts = parts(&table, mode);
        let before = file("a.csv", 1, &["2024-01-01 5 5", "2024-01-02 5 5", "2024-01-03 5 5", "2024-01-04 5 5"]);
        let output = Run::new(1, &parts, vec![vec![before]]).load(&stack).await.unwrap();
        assert_eq!(notes(&output), Vec::<String>::new());
        let after = file(newer, 2, &["2024-01-01 4 6", "2024-01-02 1 1", "2024-01-03 5 5", "2024-01-04 6 5"]);
        let output = Run::new(2, &parts, vec![vec![after]]).load(&stack).await.unwrap();
        assert_eq!(notes(&output), expected, "{mode}, {newer}");
    }
}

/// As long as pivot takes them, of a bucket and an object with the longest names that S3 allows; and of letters by
/// chance, which no compression makes shorter.
#[tokio::test(flavor = "multi_thread")]
async fn the_longest_key_fits_into_the_indexes() {
    let stack = fixture().await;
    let mut random = Random::new(0);
    let letters = *b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut text = |len: usize| -> String {
        (0..len).map(|_| char::from(letters[usize::try_from(random.below(36)).unwrap()])).collect()
    };
    let name = text(63 + 1 + 1_024 - format!("{}/input_data/", stack.bucket).len());
    let row = format!("{} 1 2", text(1_600));
    for mode in ["all_files", "newest_file", "last_run"] {
        let mut parts = parts(&format!("t_{mode}"), mode);
        parts.source["columns"]["date"]["type"] = json!("text");
        Run::new(1, &parts, vec![vec![file(&name, 1, &[&row])]]).load(&stack).await.unwrap();
        assert_eq!(rows_of(&stack, &format!("t_{mode}")).await, [row.as_str()], "{mode}");
    }
}
