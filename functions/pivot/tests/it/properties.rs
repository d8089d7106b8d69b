//! What must hold for every input: nothing is lost, and neither order nor batches nor pieces change the result.

use crate::support::{pivot, spec, spec_of_who};
use proptest::prelude::*;
use sluice::spec::Other;
use std::collections::BTreeMap;

/// Sums per date and category, as integers of 1/10^12.
type Model = BTreeMap<(String, usize), i128>;

#[derive(Clone, Debug)]
struct InputRow {
    category: usize,
    mantissa: i64,
    scale: u32,
    day: u32,
}

const NAMES: [&str; 2] = ["Learning", "Work"];
const UNIT: u32 = 12;

fn rows() -> impl Strategy<Value = Vec<InputRow>> {
    let row = (0..2_usize, -1_000_000_000_000_i64..1_000_000_000_000, 0..=UNIT, 1..=28_u32)
        .prop_map(|(category, mantissa, scale, day)| InputRow { category, mantissa, scale, day });
    prop::collection::vec(row, 0..60)
}

fn decimal(mantissa: i64, scale: u32) -> String {
    let sign = if mantissa < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", mantissa.unsigned_abs(), width = scale as usize + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn csv(rows: &[InputRow]) -> String {
    let mut text = "Project,Duration (in minutes),Start date,End date\n".to_owned();
    for row in rows {
        let value = decimal(row.mantissa, row.scale);
        text.push_str(&format!("{},{value},2024-02-{:02} 09:00,x\n", NAMES[row.category], row.day));
    }
    text
}

fn model(rows: &[InputRow]) -> Model {
    let mut model = Model::new();
    for row in rows {
        let date = format!("2024-02-{:02}", row.day);
        for category in 0..2 {
            model.entry((date.clone(), category)).or_default();
        }
        *model.entry((date, row.category)).or_default() += i128::from(row.mantissa) * 10_i128.pow(UNIT - row.scale);
    }
    model
}

/// Reads a result back, adding to what is there: the database adds up partial sums in the same way.
fn add_result(model: &mut Model, csv: &str) {
    for line in csv.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        for category in 0..2 {
            let text = fields[category + 1];
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            let units: i128 = format!("{whole}{fraction:0<width$}", width = UNIT as usize).parse().unwrap();
            *model.entry((fields[0].to_owned(), category)).or_default() += units;
        }
    }
}

fn pivoted(rows: &[InputRow], chunk_len: usize) -> Model {
    let text = csv(rows);
    let pivoted = pivot(&spec(), &[("a.csv", text.as_bytes())], chunk_len).unwrap();
    assert_eq!(pivoted.rejects.count, 0);
    let mut result = Model::new();
    add_result(&mut result, &pivoted.csv);
    result
}

proptest! {
    #[test]
    fn every_cell_holds_the_exact_sum(rows in rows(), chunk_len in 1_usize..200) {
        prop_assert_eq!(pivoted(&rows, chunk_len), model(&rows));
    }

    #[test]
    fn the_order_of_rows_changes_nothing((rows, shuffled) in rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))) {
        prop_assert_eq!(pivoted(&rows, 1_000), pivoted(&shuffled, 1_000));
    }

    #[test]
    fn batches_change_nothing(rows in rows(), cuts in prop::collection::vec(0_usize..60, 0..4)) {
        let mut places: Vec<usize> = cuts.into_iter().map(|cut| cut.min(rows.len())).chain([0, rows.len()]).collect();
        places.sort_unstable();
        let mut added = Model::new();
        for pair in places.windows(2) {
            let text = csv(&rows[pair[0]..pair[1]]);
            add_result(&mut added, &pivot(&spec(), &[("a.csv", text.as_bytes())], 1_000).unwrap().csv);
        }
        prop_assert_eq!(added, model(&rows));
    }

    #[test]
    fn rows_are_read_or_rejected_and_never_lost(lines in prop::collection::vec("[\\x20-\\x7eé]{0,30}", 0..40)) {
        let text = format!("Project,Duration (in minutes),Start date\n{}\n", lines.join("\n"));
        let with_quotes = lines.iter().any(|line| line.contains('"'));
        let pivoted = match pivot(&spec(), &[("a.csv", text.as_bytes())], 64) {
            Ok(pivoted) => pivoted,
            Err(error) => {
                prop_assert!(with_quotes && error.to_string().contains("never closed"), "{}", error);
                return Ok(());
            }
        };
        prop_assert!(pivoted.rejects.count <= pivoted.rows_read);
        if !with_quotes {
            prop_assert_eq!(pivoted.rows_read, lines.iter().filter(|line| !line.is_empty()).count() as u64);
        }
    }
}

#[test]
fn an_ignored_category_is_counted() {
    let mut spec = spec();
    spec.shape.pivot.as_mut().unwrap().other = Other::Ignore;
    let text = "Project,Duration (in minutes),Start date\nSport,1,2024-01-01\nWork,2,2024-01-01\nSport,x,2024-01-01\n";
    let pivoted = pivot(&spec, &[("a.csv", text.as_bytes())], 9).unwrap();
    assert_eq!((pivoted.rows_read, pivoted.rows_ignored, pivoted.rejects.count), (3, 1, 1));
    assert_eq!(pivoted.csv, "date,learning_minutes,work_minutes\n2024-01-01,0,2\n");
}

#[test]
fn a_key_of_text_is_taken_as_it_stands() {
    let spec = spec_of_who();
    let text = "Who,Project,Duration (in minutes)\n\"b, \"\"c\"\"\",Work,1\na,Learning,2\n\"b, \"\"c\"\"\",Work,0.5\n";
    let pivoted = pivot(&spec, &[("a.csv", text.as_bytes())], 5).unwrap();
    assert_eq!(pivoted.csv, "who,learning_minutes,work_minutes\na,2,0.0\n\"b, \"\"c\"\"\",0,1.5\n");
}
