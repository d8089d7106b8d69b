//! The function alone, against the real bucket.

use crate::functions::copy_parts;
use crate::support::*;
use serde_json::{Value, json};

/// Detects what is in the bucket, and returns the payload of its first batch; the sums of all files are added up.
async fn detected(stack: &Fixture) -> Value {
    detected_by(stack, "one", &json!(".csv")).await
}

/// The same in an execution of this name, among the files of these suffixes.
async fn detected_by(stack: &Fixture, name: &str, suffix: &Value) -> Value {
    let mut input = detection(stack, name);
    input["source"]["suffix"] = suffix.clone();
    let output = stack.invoke("detect-new-files", &input).await.unwrap().unwrap();
    let mut payload = with_spec(json!({
        "execution": execution(stack, name),
        "manifest": output["manifest"],
        "batch": {"index": 0},
    }));
    payload["source"]["suffix"] = suffix.clone();
    payload["target"]["on_overlap"] = json!("last_run");
    payload
}

/// The columns of a part of all files, and before them those of a file's, and of states.
const ALL_FILES: [&str; 3] = ["date", "numeric", "numeric"];
const PER_FILE: [&str; 5] = ["bigint", "smallint", "date", "numeric", "numeric"];

/// The rows of the part of an output.
async fn part(stack: &Fixture, types: &[&str], output: &Value) -> Vec<String> {
    copy_parts::decoded(stack, types, output["pivoted"]["key"].as_str().unwrap()).await
}

/// The result beside the manifest of a payload.
async fn result(stack: &Fixture, payload: &Value) -> Value {
    let manifest = payload["manifest"]["key"].as_str().unwrap();
    let result = read(stack, &manifest.replace("manifest.json", "result-00000.json")).await;
    serde_json::from_str(&result).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_partial_sums_are_exact() {
    let stack = fixture().await;
    stack
        .upload("a.csv", csv(&[("Work", "0.1", "2024-01-02"), ("Learning", "31.88333333", "2024-01-01")]))
        .await
        .unwrap();
    stack.upload("b.csv", csv(&[("Work", "0.2", "2024-01-02")])).await.unwrap();
    let payload = detected(&stack).await;
    let output = stack.invoke("pivot", &payload).await.unwrap().unwrap();
    assert_eq!(output["rows_read"], 3);
    assert_eq!(output["days"], 2);
    let rows = part(&stack, &ALL_FILES, &output).await;
    assert_eq!(rows, ["2024-01-01,31.88333333,0", "2024-01-02,0,0.3"]);
    let result = result(&stack, &payload).await;
    let keys: Vec<[&str; 2]> = result["loaded"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| ["first_key", "last_key"].map(|field| file[field].as_str().unwrap()))
        .collect();
    assert_eq!(keys, [["2024-01-01", "2024-01-02"], ["2024-01-02"; 2]]);
    let files = ["input_data/a.csv", "input_data/b.csv"];
    assert_eq!(result["shared"], json!({"count": 1, "first": [{"key": "2024-01-02", "files": files}]}));

    // Once more, though a file has changed by now: the first result stays.
    stack.upload("b.csv", csv(&[("Work", "100", "2024-01-02")])).await.unwrap();
    assert_eq!(stack.invoke("pivot", &payload).await.unwrap().unwrap(), output);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_kept_apart_with_the_states_of_their_keys() {
    let stack = fixture().await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-02"), ("Work", "x", "2024-01-02")])).await.unwrap();
    stack.upload("b.csv", csv(&[("Work", "x", "2024-01-01"), ("Work", "2", "2024-01-02")])).await.unwrap();
    stack.upload("c.csv", csv(&[("Work", "4", "2024-01-03"), ("Work", "1", "2024-02-30")])).await.unwrap();
    let mut payload = detected(&stack).await;
    payload["target"]["on_overlap"] = json!("newest_file");
    payload["source"]["on_bad_row"] = json!("quarantine");
    let output = stack.invoke("pivot", &payload).await.unwrap().unwrap();
    let rows = part(&stack, &PER_FILE, &output).await;
    assert_eq!(rows, ["0,1,2024-01-02,0,1", "1,2,2024-01-01,0,0", "1,0,2024-01-02,0,2", "2,0,2024-01-03,0,4"]);
    let result = result(&stack, &payload).await;
    let layout = &result["layout"];
    assert_eq!((&layout["per_file"], &layout["has_states"]), (&json!(true), &json!(true)));
    let unknown: Vec<bool> =
        result["loaded"].as_array().unwrap().iter().map(|file| file["has_unknown_keys"] == true).collect();
    assert_eq!(unknown, [false, false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_each_format_comes_to_the_same() {
    let stack = fixture().await;
    let files = local::binaries::workspace().join("functions/pivot/tests/parquet");
    let text = std::fs::read_to_string(files.join("snappy-dictionaries-two-groups.csv")).unwrap();
    let lines = text.lines().skip(1).map(|line| {
        let [date, project, minutes] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        json!({"Start date": date, "Project": project, "Duration (in minutes)": minutes}).to_string()
    });
    let parquet = std::fs::read(files.join("snappy-dictionaries-two-groups.parquet")).unwrap();
    let objects = lines.collect::<Vec<_>>().join("\n");
    for (name, bytes) in [("a.csv", text.into_bytes()), ("b.jsonl", objects.into_bytes()), ("c.parquet", parquet)] {
        stack.upload(name, bytes).await.unwrap();
    }
    let mut sums = Vec::new();
    for (place, suffix) in [json!(".csv"), json!([".jsonl"]), json!(".parquet"), json!([".csv", ".jsonl", ".parquet"])]
        .into_iter()
        .enumerate()
    {
        // Each takes over the lock of the one before, of which nobody knows.
        let payload = detected_by(&stack, &format!("one-{place}"), &suffix).await;
        let output = stack.invoke("pivot", &payload).await.unwrap().unwrap();
        assert_eq!(output["rows_read"], if place < 3 { 200 } else { 600 });
        sums.push(part(&stack, &ALL_FILES, &output).await);
    }
    assert!(sums[0].len() > 10 && sums[1..3].iter().all(|sums_of| *sums_of == sums[0]), "{sums:?}");
    let days = |sums: &[String]| -> Vec<String> { sums.iter().map(|row| row[..10].to_owned()).collect() };
    assert_eq!(days(&sums[3]), days(&sums[0]));
    let mut connection = stack.connect().await.unwrap();
    for (all, one) in sums[3].iter().zip(&sums[0]) {
        let [all, one] = [all, one].map(|row| row.split(',').skip(1).map(str::to_owned).collect::<Vec<_>>());
        let is_threefold: bool =
            sqlx::query_scalar("select $1::text[]::numeric[] = array[3 * $2::numeric, 3 * $3::numeric]")
                .bind(all)
                .bind(&one[0])
                .bind(&one[1])
                .fetch_one(&mut connection)
                .await
                .unwrap();
        assert!(is_threefold, "{one:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_or_vanished_is_left_for_the_next_run() {
    let stack = fixture().await;
    for name in ["changed.csv", "vanished.csv", "same.csv"] {
        stack.upload(name, csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    }
    let payload = detected(&stack).await;
    stack.upload("changed.csv", csv(&[("Work", "100", "2024-01-01")])).await.unwrap();
    stack.s3().delete_object().bucket(&stack.bucket).key("input_data/vanished.csv").send().await.unwrap();
    let output = stack.invoke("pivot", &payload).await.unwrap().unwrap();
    assert_eq!(output["files_changed"], 2);
    assert_eq!(output["rows_read"], 1);
    let result = result(&stack, &payload).await;
    let names = |field: &str| -> Vec<String> {
        result[field].as_array().unwrap().iter().map(|file| file["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("loaded"), ["input_data/same.csv"]);
    assert_eq!(names("changed"), ["input_data/changed.csv", "input_data/vanished.csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_go_to_quarantine_and_the_others_on() {
    let stack = fixture().await;
    let rows = [("Work", "1", "2024-01-01"), ("Sport", "1", "2024-01-01"), ("Work", "1", "2024-02-30")];
    stack.upload("a.csv", csv(&rows)).await.unwrap();
    let mut payload = detected(&stack).await;
    payload["source"]["on_bad_row"] = json!("quarantine");
    let output = stack.invoke("pivot", &payload).await.unwrap().unwrap();
    assert_eq!((&output["rows_read"], &output["rows_rejected"], &output["days"]), (&json!(3), &json!(2), &json!(1)));
    let lines = read(&stack, output["rejected"]["key"].as_str().unwrap()).await;
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[0], "source_key,source_etag,line,column,column_name,reason,raw");
    assert!(lines[1].contains(",3,1,Project,unknown category,"), "{}", lines[1]);
    assert!(lines[2].contains(",4,3,Start date,"), "{}", lines[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_which_no_row_is_good_fails_also_with_quarantine() {
    let stack = fixture().await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01"), ("Sport", "1", "2024-01-01")])).await.unwrap();
    stack.upload("b.csv", csv(&[("Sport", "1", "2024-01-01"), ("Work", "x", "2024-01-01")])).await.unwrap();
    stack.upload("c.csv", csv(&[("Sport", "1", "2024-01-01"), ("Work", "1", "2024-01-01")])).await.unwrap();
    let mut payload = detected(&stack).await;
    payload["source"]["on_bad_row"] = json!("quarantine");
    let (error, cause) = stack.invoke("pivot", &payload).await.unwrap().unwrap_err();
    assert_eq!(error, "InvalidSource");
    assert!(cause.contains("input_data/b.csv: all of its 2 rows are bad: line 2, column 1 (Project)"), "{cause}");
    assert!(!cause.contains("a.csv") && !cause.contains("c.csv"), "{cause}");
    let quarantine = read(&stack, "quarantine/pomodoro/one/batch-00000.csv").await;
    assert_eq!(quarantine.lines().count(), 5, "a header and the bad rows of all files");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_set_aside_and_the_others_go_on() {
    let stack = fixture().await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    stack.upload("b.csv", b"PK\x03\x04\x14\0\x06\0\x08\0".to_vec()).await.unwrap();
    stack.upload("c.csv", csv(&[("Sport", "1", "2024-01-01")])).await.unwrap();
    let good_and_cut_off = [csv(&[("Work", "100", "2024-01-01")]), b"Start date,Project\n".to_vec()].concat();
    stack.upload("d.csv", good_and_cut_off).await.unwrap();
    stack.upload("e.csv", csv(&[("Work", "2", "2024-01-01")])).await.unwrap();
    let mut payload = detected(&stack).await;
    for field in ["on_bad_row", "on_bad_file"] {
        payload["source"][field] = json!("quarantine");
    }
    let output = stack.invoke("pivot", &payload).await.unwrap().unwrap();
    let counts =
        ["files_loaded", "files_bad", "rows_read", "rows_rejected"].map(|field| output[field].as_u64().unwrap());
    assert_eq!(counts, [2, 3, 4, 1]);
    assert_eq!(part(&stack, &PER_FILE[1..], &output).await, ["0,2024-01-01,0,3"]);
    let result = result(&stack, &payload).await;
    let bad: Vec<String> = result["bad"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| format!("{}: {}", file["key"].as_str().unwrap(), file["reason"].as_str().unwrap()))
        .collect();
    let expected = [
        "input_data/b.csv: a ZIP file or workbook; convert it to CSV",
        "input_data/c.csv: its only row is bad: line 2, column 1 (Project): unknown category",
        "input_data/d.csv: line 3: the column \"Duration (in minutes)\" is missing; the header has 2 columns",
    ];
    assert_eq!(bad, expected);
    let lines = read(&stack, output["rejected"]["key"].as_str().unwrap()).await;
    assert_eq!(lines.lines().count(), 5, "a header, a bad row and three bad files: {lines}");
    // The first one is a failure, where that is what bad files are.
    payload["source"]["on_bad_file"] = json!("fail");
    let (error, cause) = stack.invoke("pivot", &payload).await.unwrap().unwrap_err();
    assert_eq!(error, "InvalidSource");
    assert!(cause.starts_with("input_data/b.csv: a ZIP file or workbook"), "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_zone_is_refused_by_its_place() {
    let stack = fixture().await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let mut payload = detected(&stack).await;
    payload["source"]["columns"]["date"]["zone"] = json!("Mars/Olympus");
    let (error, cause) = stack.invoke("pivot", &payload).await.unwrap().unwrap_err();
    assert_eq!(error, "Misconfigured");
    assert!(cause.contains("/source/columns/date/zone"), "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_bad_rows_is_written_in_parts() {
    let stack = fixture().await;
    let line = format!("Work,x,2024-01-01,{}\n", "y".repeat(1_000));
    let count = 20_000;
    stack.upload("a.csv", format!("{HEADER}{}", line.repeat(count)).into_bytes()).await.unwrap();
    let (error, cause) = stack.invoke("pivot", &detected(&stack).await).await.unwrap().unwrap_err();
    assert_eq!(error, "InvalidSource");
    assert!(cause.starts_with("20000 bad rows: input_data/a.csv, line 2, column 2"), "{cause}");
    assert!(cause.contains("and 19995 more"), "{cause}");
    let quarantine = read(&stack, "quarantine/pomodoro/one/batch-00000.csv").await;
    assert_eq!(quarantine.lines().count(), count + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_read_its_input_and_nothing_else() {
    let stack = fixture().await;
    stack.upload("a.csv", csv(&[("Work", "1", "2024-01-01")])).await.unwrap();
    let mut payload = detected(&stack).await;
    payload["manifest"] = put_json(&stack, "elsewhere/manifest.json", &json!({})).await;
    let (error, cause) = stack.invoke("pivot", &payload).await.unwrap().unwrap_err();
    assert_eq!(error, "Misconfigured");
    assert!(cause.contains("AccessDenied"), "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_file() {
    let block: String = (0..2_000)
        .map(|row| format!("Work,{row}.88333333,2024-{:02}-{:02} 10:00,x\n", row % 12 + 1, row % 28 + 1))
        .collect();
    let peak_of = async |bytes: usize| {
        // A deployment of its own, hence a process of its own.
        let stack = fixture().await;
        let body = format!("{HEADER}{}", block.repeat(bytes / block.len()));
        stack.upload("a.csv", body.into_bytes()).await.unwrap();
        let output = stack.invoke("pivot", &detected(&stack).await).await.unwrap().unwrap();
        assert_eq!(output["days"], 84);
        let [pid] = &processes(&stack, "pivot")[..] else { panic!("one process") };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    // Enough for all ranges that may be under way. How many of them are at once depends on how busy the machine is, so
    // what it may take more is a part of what the file is longer, not of what it takes.
    let small = peak_of(50_000_000).await;
    let large = peak_of(300_000_000).await;
    assert!(large <= small + 25_000, "{small} kB for 50 MB, {large} kB for 300 MB");
}
