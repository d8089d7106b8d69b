//! `on_repeated_file`: a file that says what another one says is not counted twice.

use crate::functions::prepared::*;
use crate::support::*;
use serde_json::{Value, json};
use sluice::spec::Parts;
use std::collections::BTreeMap;

const DAYS: [&str; 4] = ["2024-01-01 1 1", "2024-01-02 2 2", "2024-01-03 3 3", "2024-01-04 4 4"];

fn all_files(table: &str, on_bad_file: &str) -> Parts {
    let mut parts = parts(table, "all_files");
    parts.source["on_bad_file"] = json!(on_bad_file);
    parts
}

/// The files of the ledger's entry of a run, and the bad ones.
async fn entry(stack: &Fixture, number: u32) -> [Vec<String>; 2] {
    let entries = keys(stack, "state/pomodoro/ledger/").await;
    let key = entries.iter().rfind(|key| key.contains(&format!("-run-{number}-"))).unwrap();
    let entry: Value = serde_json::from_str(&read(stack, key).await).unwrap();
    ["files", "bad"].map(|field| {
        let files = entry[field].as_array().into_iter().flatten();
        files.map(|file| file["key"].as_str().unwrap().to_owned()).collect()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_says_most_of_what_another_one_says_is_refused() {
    let stack = fixture().await;
    for (case, (one, other, is_repeated)) in [
        // Two of two, and of three; one is not enough, nor is half of them; nor what is not shared.
        (&DAYS[..2], &DAYS[..2], true),
        (&DAYS[..2], &["2024-01-01 1 1"][..], false),
        (&DAYS[..3], &["2024-01-01 1.0 1", "2024-01-02 2 2", "2024-01-03 9 9"][..], true),
        (&DAYS[..4], &["2024-01-01 1 1", "2024-01-02 2 2", "2024-01-03 9 9", "2024-01-04 9 9"][..], false),
        (&DAYS[..2], &DAYS[2..], false),
        // One of two values is another one.
        (&DAYS[..2], &["2024-01-01 1 0", "2024-01-02 2 0"][..], false),
        (&[][..], &[][..], false),
        // Two files of one key: two values tell, one does not, and what is 0 in both is none.
        (&DAYS[..1], &DAYS[..1], true),
        (&["2024-01-01 0 7"][..], &["2024-01-01 0 7"][..], false),
        (&DAYS[..1], &["2024-01-01 1 2"][..], false),
        // What is 0 in all values is neither equal nor shared: hosts that are idle on most days; exports that overlap,
        // filled up with zeros to the end of the month; and a day among such zeros.
        (
            &["2024-01-01 5 5", "2024-01-02 0 0", "2024-01-03 0 0", "2024-01-04 0 0"][..],
            &["2024-01-01 0 0", "2024-01-02 7 7", "2024-01-03 0 0", "2024-01-04 0 0"][..],
            false,
        ),
        (&["2024-01-01 1 1", "2024-01-02 2 2", "2024-01-03 0 0", "2024-01-04 0 0"][..], &DAYS[..4], true),
        (&["2024-01-01 1 1", "2024-01-02 0 0"][..], &["2024-01-01 1 1", "2024-01-03 0 0"][..], true),
        // One figure on all keys: two people who work as long each day. Two figures tell.
        (&["2024-01-01 0 480", "2024-01-02 0 480"][..], &["2024-01-01 0 480", "2024-01-02 0 480.0"][..], false),
        (&["2024-01-01 0 480", "2024-01-02 480 0"][..], &["2024-01-01 0 480", "2024-01-02 480 0"][..], true),
    ]
    .into_iter()
    .enumerate()
    {
        // In one run, and in two, whichever comes first.
        for order in 0..3_u32 {
            let table = format!("t{case}_{order}");
            let parts = all_files(&table, "fail");
            let (one, other) = (file("one.csv", 1, one), file("other.csv", 2, other));
            let runs = match order {
                0 => vec![vec![one, other]],
                1 => vec![vec![one], vec![other]],
                _ => vec![vec![other], vec![one]],
            };
            let last = runs.len();
            for (number, files) in (1..).zip(runs) {
                let answer = Run::new(number, &parts, vec![files]).load(&stack).await;
                if number as usize == last && is_repeated {
                    let (error, cause) = answer.unwrap_err();
                    assert_eq!(error, "InvalidSource", "{cause}");
                    let (keys, first) = match case {
                        0..7 | 11 | 14 => ("2 of the ", "2024-01-01, 2024-01-02"),
                        _ => ("the only key that they have", "2024-01-01"),
                    };
                    let told = format!("input_data/other.csv says the same as input_data/one.csv on {keys}");
                    for part in [told.as_str(), first] {
                        assert!(cause.contains(part), "{case}, {order}: {cause}");
                    }
                    let ways = ["\"on_repeated_file\": \"allow\"", "\"newest_file\""].map(|way| cause.find(way));
                    assert!(ways[0].is_some() && ways[0] < ways[1], "{case}, {order}: {cause}");
                } else {
                    answer.unwrap();
                }
            }
        }
    }
}

/// The rows of the file of a number.
type RowsOf<'a> = dyn Fn(u32) -> Vec<String> + 'a;

/// Of many files that are equal, each is found by some of the others; what is told and counted is as of two.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_files_that_say_the_same_one_counts() {
    let stack = fixture().await;
    let day = |day: u32| format!("2024-01-{day:02} {day} {}", day + 1);
    let rows = |days: std::ops::RangeInclusive<u32>| days.map(day).collect::<Vec<_>>();
    // Exports of a month, and of the month so far; and files of one day each that share nothing but that with these.
    let equal = |_: u32| rows(1..=30);
    let growing = |number: u32| rows(1..=number);
    let shared = |number: u32| {
        let own = format!("2023-{:02}-{:02} {number} 7", 1 + number / 28, 1 + number % 28);
        vec![own, "2024-01-31 7 8".to_owned()]
    };
    let cases: [(&str, &RowsOf<'_>, u32); 3] =
        [("equal", &equal, 1), ("growing", &growing, 2), ("shared", &shared, 30)];
    for (table, rows, counting) in cases {
        for is_split in [false, true] {
            let table = format!("{table}_{is_split}");
            let parts = all_files(&table, "quarantine");
            let mut files: Vec<File> = (1..=30)
                .map(|number| {
                    let rows = rows(number);
                    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
                    file(&format!("{number:02}.csv"), number, &rows)
                })
                .collect();
            // The later ones come first.
            files.reverse();
            let later = files.split_off(if is_split { 17 } else { 30 });
            let output = Run::new(1, &parts, vec![files]).load(&stack).await.unwrap();
            let bad = match (is_split, counting) {
                (false, _) => 30 - counting,
                (true, 30) => 0,
                // Each of the 17 later ones repeats the first of them.
                (true, _) => 16,
            };
            assert_eq!(counts(&output, ["files_bad"]), [u64::from(bad)], "{table}");
            if is_split {
                Run::new(2, &parts, vec![later]).load(&stack).await.unwrap();
            } else if bad > 0 {
                let told = notes(&output);
                let [one, other] = [counting, counting + 1].map(|number| format!("input_data/{number:02}.csv"));
                let keys = if table.starts_with("equal") { 30 } else { 2 };
                let told = told.iter().find(|note| note.starts_with(&other)).unwrap_or_else(|| panic!("{told:?}"));
                let expected = format!("says the same as {one} on {keys} of the {keys} keys that they share");
                assert!(told.contains(&expected), "{told}");
            }
            let mut expected: BTreeMap<String, [u32; 2]> = BTreeMap::new();
            for row in (1..=counting).flat_map(rows) {
                let mut fields = row.split(' ');
                let sums = expected.entry(fields.next().unwrap().to_owned()).or_default();
                sums.iter_mut().zip(fields).for_each(|(sum, field)| *sum += field.parse::<u32>().unwrap());
            }
            let expected: Vec<String> = expected.iter().map(|(day, [one, two])| format!("{day} {one} {two}")).collect();
            assert_eq!(rows_of(&stack, &table).await, expected, "{table}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_files_that_repeat_one_another_the_first_one_counts() {
    let stack = fixture().await;
    let parts = all_files("t", "quarantine");
    // c repeats b only, which is bad itself.
    let files = vec![
        file("c.csv", 3, &["2024-01-01 9 9", "2024-01-02 9 9", "2024-01-03 3 3", "2024-01-04 4 4", "2024-01-05 5 5"]),
        file("b.csv", 2, &["2024-01-01 1 1", "2024-01-02 2 2", "2024-01-03 3 3", "2024-01-04 4 4", "2024-01-05 5 5"]),
        file("a.csv", 1, &["2024-01-01 1 1", "2024-01-02 2 2"]),
    ];
    let output = Run::new(1, &parts, vec![files]).load(&stack).await.unwrap();
    assert_eq!(counts(&output, ["files", "files_bad"]), [2, 1]);
    let notes_of_run = notes(&output);
    assert_eq!(notes_of_run.len(), 1, "{notes_of_run:?}");
    assert!(notes_of_run[0].starts_with("input_data/b.csv says the same as input_data/a.csv on 2 of the 2 keys"));
    let told = "; it is set aside, and counts as soon as the two differ";
    assert!(notes_of_run[0].ends_with(told), "{notes_of_run:?}");
    // What it says is kept, so the next runs need not read it again.
    assert_eq!(entry(&stack, 1).await, [vec!["input_data/c.csv", "input_data/b.csv", "input_data/a.csv"], vec![]]);
    let expected = ["2024-01-01 10 10", "2024-01-02 11 11", "2024-01-03 3 3", "2024-01-04 4 4", "2024-01-05 5 5"];
    assert_eq!(rows_of(&stack, "t").await, expected);

    // The same for a retry, whose answer got lost.
    let run = Run { assumed: Some(Value::Null), ..Run::new(1, &parts, vec![vec![file("x.csv", 1, &[])]]) };
    let again = run.load(&stack).await.unwrap();
    assert_eq!(again, output);

    // One that comes later and is dated before those that it repeats: what they say does not count any more.
    let older = file("0.csv", 0, &["2024-01-01 1 1", "2024-01-02 2 2"]);
    let output = Run::new(2, &parts, vec![vec![older]]).load(&stack).await.unwrap();
    assert_eq!(counts(&output, ["files", "files_bad"]), [1, 1]);
    let [note] = &notes(&output)[..] else { panic!("{output}") };
    assert!(note.starts_with("input_data/a.csv says the same as input_data/0.csv") && note.ends_with(told), "{note}");
    assert_eq!(rows_of(&stack, "t").await, expected);

    // The file that was the first one is corrected: a counts again, and b does not, as it repeats that one.
    let output = Run::new(3, &parts, vec![vec![file("0.csv", 9, &["2024-01-01 7 7"])]]).load(&stack).await.unwrap();
    assert_eq!(counts(&output, ["files", "files_bad"]), [1, 0]);
    let again = |names: &str| format!("what was set aside since it repeated another file counts again: {names}");
    assert_eq!(notes(&output), [again("input_data/a.csv")]);
    let expected = ["2024-01-01 17 17", "2024-01-02 11 11", "2024-01-03 3 3", "2024-01-04 4 4", "2024-01-05 5 5"];
    assert_eq!(rows_of(&stack, "t").await, expected);

    // That one, too: now b counts, and c, which repeats it, does not.
    let output = Run::new(4, &parts, vec![vec![file("a.csv", 10, &["2024-01-06 6 6"])]]).load(&stack).await.unwrap();
    assert_eq!(counts(&output, ["files", "files_bad"]), [1, 1]);
    let [note, back, smaller] = &notes(&output)[..] else { panic!("{output}") };
    assert!(note.starts_with("input_data/c.csv says the same as input_data/b.csv on 3 of the 5 keys"), "{note}");
    assert_eq!(*back, again("input_data/b.csv"));
    assert_eq!(smaller, "2 keys got smaller, by what files say now: 2024-01-01, 2024-01-02");
    let expected =
        ["2024-01-01 8 8", "2024-01-02 2 2", "2024-01-03 3 3", "2024-01-04 4 4", "2024-01-05 5 5", "2024-01-06 6 6"];
    assert_eq!(rows_of(&stack, "t").await, expected);
    // None of that is forgotten by a run that has nothing to do with it, nor done again.
    let output = Run::new(5, &parts, vec![vec![file("z.csv", 11, &["2024-01-06 1 1"])]]).load(&stack).await.unwrap();
    assert_eq!((counts(&output, ["files_bad", "rows_updated"]), notes(&output)), ([0, 1], vec![]));
    // And all of it counts if that is what the spec says.
    let mut allowing = parts.clone();
    allowing.target["on_repeated_file"] = json!("allow");
    let output = Run::new(6, &allowing, vec![vec![file("z.csv", 12, &["2024-01-06 0 0"])]]).load(&stack).await.unwrap();
    let smaller = "1 key got smaller, by what files say now: 2024-01-06";
    assert_eq!(notes(&output), [again("input_data/c.csv"), smaller.to_owned()]);
    let expected = [
        "2024-01-01 17 17",
        "2024-01-02 11 11",
        "2024-01-03 6 6",
        "2024-01-04 8 8",
        "2024-01-05 10 10",
        "2024-01-06 6 6",
    ];
    assert_eq!(rows_of(&stack, "t").await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_repeats_another_file_takes_the_place_of_the_one_before_and_counts_once_they_differ() {
    let stack = fixture().await;
    let parts = all_files("t", "quarantine");
    let files = vec![file("a.csv", 1, &DAYS[..2]), file("b.csv", 2, &DAYS[2..])];
    Run::new(1, &parts, vec![files]).load(&stack).await.unwrap();
    let output = Run::new(2, &parts, vec![vec![file("b.csv", 3, &DAYS[..2])]]).load(&stack).await.unwrap();
    assert_eq!(counts(&output, ["files", "files_bad", "rows_deleted"]), [0, 1, 2]);
    assert_eq!(rows_of(&stack, "t").await, DAYS[..2]);
    // Its twin is emptied.
    let output = Run::new(3, &parts, vec![vec![file("a.csv", 4, &[])]]).load(&stack).await.unwrap();
    assert_eq!(counts(&output, ["files", "files_bad", "rows_updated", "rows_deleted"]), [1, 0, 0, 0]);
    assert_eq!(rows_of(&stack, "t").await, DAYS[..2]);
    // Both come at once, the other way round.
    let files = vec![file("b.csv", 6, &DAYS[..3]), file("a.csv", 5, &DAYS[..3])];
    let output = Run::new(4, &parts, vec![files]).load(&stack).await.unwrap();
    assert!(
        notes(&output)[0].starts_with("input_data/b.csv says the same as input_data/a.csv on 3 of the 3"),
        "{output}"
    );
    assert_eq!(rows_of(&stack, "t").await, DAYS[..3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_files_that_repeat_one_another_some_are_named() {
    let stack = fixture().await;
    let parts = all_files("t", "quarantine");
    let files = (0..100).map(|number| file(&format!("{number:04}.csv"), number, &DAYS)).collect();
    let output = Run::new(1, &parts, vec![files]).load(&stack).await.unwrap();
    assert_eq!(counts(&output, ["files", "files_bad"]), [1, 99]);
    assert_eq!(notes(&output).len(), 4);
    assert_eq!(notes(&output)[3], "96 more files that say the same as others are set aside");
    assert_eq!(rows_of(&stack, "t").await, DAYS);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_of_a_file_is_no_other_file_and_equal_files_may_be_allowed() {
    let stack = fixture().await;
    let strict = all_files("strict", "fail");
    for number in 1..=2 {
        Run::new(number, &strict, vec![vec![file("a.csv", number, &DAYS)]]).load(&stack).await.unwrap();
    }
    let mut allowing = all_files("allowing", "fail");
    allowing.target["on_repeated_file"] = json!("allow");
    let files = vec![file("a.csv", 1, &DAYS[..2]), file("b.csv", 2, &DAYS[..2])];
    Run::new(1, &allowing, vec![files.clone()]).load(&stack).await.unwrap();
    assert_eq!(rows_of(&stack, "allowing").await, ["2024-01-01 2 2", "2024-01-02 4 4"]);
    // Exports that overlap are not refused.
    Run::new(1, &parts("newest", "newest_file"), vec![files]).load(&stack).await.unwrap();
    assert_eq!(rows_of(&stack, "newest").await, ["2024-01-01 1 1", "2024-01-02 2 2"]);
}

/// One value of one key, or half of all, may be equal by chance: both count, and a person is told.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_say_the_same_of_half_of_what_they_share_are_named() {
    let stack = fixture().await;
    let parts = all_files("t", "fail");
    let alike = |pairs: &str| {
        format!(
            "files say the same of half or more of the keys that they share, and both count: {pairs}; if exports \
             overlap, \"on_overlap\": \"newest_file\" is for them; if one is the other under a new name, upload it \
             without rows"
        )
    };
    // Of both in one run it is said once.
    let files = vec![file("a.csv", 1, &["2024-01-01 0 7"]), file("b.csv", 2, &["2024-01-01 0 7"])];
    let output = Run::new(1, &parts, vec![files]).load(&stack).await.unwrap();
    assert_eq!(notes(&output), [alike("input_data/b.csv and input_data/a.csv (1 of 1: 2024-01-01)")]);
    assert_eq!(rows_of(&stack, "t").await, ["2024-01-01 0 14"]);
    // Files that come later, and share but that key, or one more; what is 0 in both says nothing, nor what is equal on
    // one key of many that are shared.
    let files = vec![
        file("c.csv", 3, &["2024-01-01 0 7", "2024-01-02 5 5"]),
        file("d.csv", 4, &["2024-01-01 1 1", "2024-01-03 0 0"]),
        file("e.csv", 5, &["2024-01-03 0 0"]),
        file("f.csv", 6, &["2024-01-02 5 5", "2024-01-01 3 3"]),
        file("h.csv", 7, &["2024-01-02 6 6", "2024-01-01 3 3", "2024-01-03 1 1"]),
    ];
    let output = Run::new(2, &parts, vec![files]).load(&stack).await.unwrap();
    assert_eq!(
        notes(&output),
        [alike(
            "input_data/c.csv and input_data/a.csv (1 of 1: 2024-01-01), \
             input_data/f.csv and input_data/c.csv (1 of 2: 2024-01-02), \
             input_data/h.csv and input_data/f.csv (1 of 2: 2024-01-01)"
        )]
    );
    // It is not said again by a run of other files.
    let output =
        Run::new(3, &parts, vec![vec![file("g.csv", 8, &["2024-01-01 8 8", "2024-01-02 6 6", "2024-01-03 8 8"])]])
            .load(&stack)
            .await
            .unwrap();
    assert_eq!(notes(&output), Vec::<String>::new());
    // Many are counted in the end.
    let files = (0..100).map(|number| file(&format!("{number:02}.csv"), 9, &["2024-01-09 0 3"])).collect();
    let output = Run::new(4, &parts, vec![files]).load(&stack).await.unwrap();
    let [note] = &notes(&output)[..] else { panic!("{output}") };
    let told = "input_data/01.csv and input_data/00.csv (1 of 1: 2024-01-09), input_data/02.csv and";
    assert!(note.contains(told) && note.contains(", ...; if exports overlap"), "{note}");
    // Month-to-date exports, one with a correction: more than is said of both would be refused.
    let month = |days: &[u32], changed: u32| -> Vec<String> {
        let value = |day: u32| if day == changed { 25 } else { 10 * day };
        days.iter().map(|day| format!("2024-02-{day:02} 0 {}", value(*day))).collect()
    };
    let files = [("mtd-02.csv", month(&[1, 2], 0)), ("mtd-03.csv", month(&[1, 2, 3], 2))];
    let mut notes_of = Vec::new();
    for (number, (name, rows)) in (5..).zip(&files) {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let output = Run::new(number, &parts, vec![vec![file(name, 20 + number, &rows)]]).load(&stack).await.unwrap();
        notes_of.push(notes(&output));
    }
    let told = alike("input_data/mtd-03.csv and input_data/mtd-02.csv (1 of 2: 2024-02-01)");
    assert_eq!(notes_of, [Vec::new(), vec![told]]);
    // One figure on all keys, which says no more than it does on one.
    let days: Vec<String> = (1..=20).map(|day| format!("2024-03-{day:02} 0 480")).collect();
    let days: Vec<&str> = days.iter().map(String::as_str).collect();
    let files = vec![file("ann.csv", 30, &days), file("bob.csv", 31, &days)];
    let output = Run::new(7, &parts, vec![files]).load(&stack).await.unwrap();
    assert_eq!(notes(&output), [alike("input_data/bob.csv and input_data/ann.csv (20 of 20: 2024-03-01)")]);
    assert_eq!(rows_of(&stack, "t").await.last().unwrap(), "2024-03-20 0 960");
    // None of it where equal files are wanted.
    let mut allowing = all_files("u", "fail");
    allowing.target["on_repeated_file"] = json!("allow");
    let files = vec![file("a.csv", 1, &["2024-01-01 0 7"]), file("b.csv", 2, &["2024-01-01 0 7"])];
    let output = Run::new(8, &allowing, vec![files]).load(&stack).await.unwrap();
    assert_eq!(notes(&output), Vec::<String>::new());
}
