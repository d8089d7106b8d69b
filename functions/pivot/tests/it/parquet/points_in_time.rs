//! A date means one thing in all formats: a wall clock has its own day, a point in time that of the spec's zone.

use super::writer::{BYTE_ARRAY, Column, INT64, INT96, TIMESTAMP_MICROS, TIMESTAMP_MILLIS, UTF8, column, file, text};
use super::{KEY, WHOLE, read};
use crate::support::{Pivoted, pivot, spec};
use sluice::spec::Spec;

const NO_ZONE: &str = "a point in time; on whose clock? say zone";

fn spec_of_zone(zone: Option<&str>) -> Spec {
    let mut spec = spec();
    spec.source.columns.get_mut("date").unwrap().zone = zone.map(str::to_owned);
    spec
}

/// The day of the only row, or what is wrong with it.
fn day(pivoted: &Pivoted) -> String {
    match pivoted.rejects.first.first() {
        Some(first) => {
            first.rsplit_once("(Start date): ").or(first.rsplit_once("column Start date: ")).unwrap().1.to_owned()
        }
        None => pivoted.csv.lines().nth(1).unwrap().split(',').next().unwrap().to_owned(),
    }
}

fn parquet(dates: Column) -> Vec<u8> {
    let others = [
        column("Project", BYTE_ARRAY, UTF8, vec![text("Work")]),
        column("Duration (in minutes)", BYTE_ARRAY, UTF8, vec![text("1")]),
    ];
    file(&std::iter::once(dates).chain(others).collect::<Vec<_>>(), WHOLE)
}

fn day_in_parquet(zone: Option<&str>, dates: Column) -> String {
    day(&read(&spec_of_zone(zone), KEY, &parquet(dates), 64).unwrap())
}

/// The day of a text in all formats, which must be the same.
fn day_of_text(zone: Option<&str>, date: &str) -> String {
    let spec = spec_of_zone(zone);
    // Twice: the second one takes the fast path, if there is one for it.
    let csv = format!("Start date,Project,Duration (in minutes)\n{0},Work,1\n{0},Work,1\n{1}", date, ",,\n".repeat(20));
    let object = format!(r#"{{"Start date": "{date}", "Project": "Work", "Duration (in minutes)": 1}}"#);
    let csv = pivot(&spec, &[("a.csv", csv.as_bytes())], 4_096).unwrap();
    if csv.rejects.count == 20 {
        assert!(csv.csv.ends_with(",0,2\n"), "{}", csv.csv);
    }
    let day_in_csv = match csv.rejects.count {
        20 => csv.csv.lines().nth(1).unwrap().split(',').next().unwrap().to_owned(),
        _ => day(&csv),
    };
    let json = day(&pivot(&spec, &[("a.json", object.as_bytes())], 4_096).unwrap());
    let parquet = day_in_parquet(zone, column("Start date", BYTE_ARRAY, UTF8, vec![text(date)]));
    assert_eq!([&json, &parquet], [&day_in_csv; 2], "{date}");
    day_in_csv
}

#[test]
fn a_text_has_one_day_in_all_formats() {
    for (date, zone, expected) in [
        ("2024-03-01", None, "2024-03-01"),
        ("2024-03-01T23", None, "2024-03-01"),
        ("2024-03-01 23:59:59.999999000", None, "2024-03-01"),
        ("2024-03-01 23:59", Some("Pacific/Kiritimati"), "2024-03-01"),
        ("2024-03-01T23:30Z", None, NO_ZONE),
        ("2024-03-01T23Z", None, NO_ZONE),
        ("2024-03-01 23:30:00+00:00", None, NO_ZONE),
        ("2024-03-01T23:30Z", Some("UTC"), "2024-03-01"),
        ("2024-03-01T23:30:00Z", Some("Europe/Berlin"), "2024-03-02"),
        ("2024-03-31 23:30 UTC", Some("Europe/Berlin"), "2024-04-01"),
        ("2024-03-01T01:00:00.5+02:00", Some("UTC"), "2024-02-29"),
        ("2024-03-01T10:00:00.123456789", None, "2024-03-01"),
        ("2024-03-01T23:59:59.999999999Z", Some("UTC"), "2024-03-01"),
        ("2024-03-01T22:59:59.9999999Z", Some("Europe/Berlin"), "2024-03-01"),
        ("2024-03-01T23:00:00.0000001Z", Some("Europe/Berlin"), "2024-03-02"),
        ("9999-12-31T23:30Z", Some("Europe/Berlin"), "a point in time outside the years 1 to 9999 of its zone"),
    ] {
        assert_eq!(day_of_text(zone, date), expected, "{date} in {zone:?}");
    }
}

#[test]
fn timestamps_of_parquet_are_wall_clocks_or_points_in_time() {
    // 2024-03-01 23:30.
    const SECONDS: i64 = 1_709_335_800;
    let micros = |value: i64| column("Start date", INT64, TIMESTAMP_MICROS, vec![value.to_le_bytes().to_vec()]);
    let local = |unit: u8, value: i64| Column { converted: None, local_unit: Some(unit), ..micros(value) };
    for (unit, per_second) in [(1, 1_000), (2, 1_000_000), (3, 1_000_000_000)] {
        for zone in [None, Some("Europe/Berlin")] {
            assert_eq!(day_in_parquet(zone, local(unit, SECONDS * per_second)), "2024-03-01", "{unit}");
        }
    }
    let nanoseconds = SECONDS * 1_000_000_000;
    assert_eq!(day_in_parquet(None, local(3, nanoseconds + 1)), "2024-03-01");
    assert_eq!(day_in_parquet(None, local(3, -1)), "1969-12-31");

    let millis = Column { converted: TIMESTAMP_MILLIS, ..micros(SECONDS * 1_000) };
    let int96 = [&((23 * 60 + 30) * 60 * 1_000_000_000_i64).to_le_bytes()[..], &2_460_371_u32.to_le_bytes()].concat();
    for dates in [micros(SECONDS * 1_000_000), millis, column("Start date", INT96, None, vec![int96])] {
        let values = dates.values.clone();
        let again =
            || Column { values: values.clone(), ..column("Start date", dates.physical, dates.converted, vec![]) };
        assert_eq!(day_in_parquet(None, again()), NO_ZONE);
        assert_eq!(day_in_parquet(Some("UTC"), again()), "2024-03-01");
        assert_eq!(day_in_parquet(Some("Europe/Berlin"), again()), "2024-03-02");
        assert_eq!(day_in_parquet(Some("America/New_York"), again()), "2024-03-01");
    }
}
