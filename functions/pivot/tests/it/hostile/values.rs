//! What is wrong with a category, a number or a date; and numbers at the limit that are not wrong at all.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    [categories(), dates(), numbers(), exact_numbers(), sums()].into_iter().flatten().collect()
}

fn categories() -> Vec<Case> {
    let unknown = |name: &str, category: &str| {
        let row = format!("{category},1,2024-01-01,x");
        bad_row(&format!("the category {name}"), row, "line 3, column 1 (Project): unknown category")
    };
    let none = |name: &str, category: &str| {
        let place = r#"line 3, column 1 (Project): no value, and "" is not one of the categories"#;
        bad_row(&format!("the category {name}"), format!("{category},1,2024-01-01,x"), place)
    };
    let long = "Work".repeat(11);
    vec![
        unknown("that no one listed", "Sport"),
        none("of no length", ""),
        none("of no length in quotes", "\"\""),
        unknown("with a blank after it", "Work "),
        unknown("with a blank before it", " Work"),
        unknown("with a tab after it", "Work\t"),
        unknown("with a line end after it", "\"Work\n\""),
        unknown("in small letters", "work"),
        unknown("of two", "\"Work,Learning\""),
        unknown("with a letter of another script", "W\u{43e}rk"),
        unknown("with a fixed blank", "Work\u{a0}"),
        unknown("with a blank of no width", "Work\u{200b}"),
        unknown("of the database's NULL", "\\N"),
        unknown("of SQL", "Work'); drop table sluice.runs; --"),
        unknown("of a formula", "=cmd|' /C calc'!A0"),
        unknown("of many characters", &long),
    ]
}

/// None of them stands in its message: a value stands in quarantine only.
const NO_DATES: &[&str] = &[
    "2023-02-29",
    "1900-02-29",
    "2024-02-30",
    "2024-04-31",
    "2024-13-01",
    "2024-00-10",
    "2024-01-00",
    "2024-01-32",
    "0000-00-00",
    "0000-01-01",
    "10000-01-01",
    "-001-01-01",
    "-2024-01-01",
    "+024-01-01",
    "24-01-01",
    "2024-1-1",
    "2024-01",
    "2024/01/01",
    "2024.01.01",
    "01.02.2024",
    "20240101",
    "2024-01-01Z",
    "2024-01-01_10:00",
    "2024-01-011",
    "2024-01-1O",
    "2024 01 01",
    "2024-W01-1",
    "2024–01–01",
    "２０２４-01-01",
    "Jan 1 2024",
    "45292",
    "NaT",
];

/// Dates, and behind them what makes them none.
const NO_TIMES: &[&str] = &[
    "2024-03-01 - 2024-03-31",
    "2024-03-01 – 2024-03-31",
    "2024-03-01 to 2024-03-31",
    "2024-03-01 total",
    "2024-01-01 2024-01-02",
    "2024-01-01T",
    "2024-01-01  10:00",
    "2024-01-01 25:61",
    "2024-01-01 24:00",
    "2024-01-01 10:60",
    "2024-01-01 10:00:60",
    "2024-01-01 10:00 - 11:00",
    "2024-01-01 10:00-11:00 h",
    "2024-01-01 10:00 PM",
    "2024-01-01 10:00 CET",
    "2024-01-01 (sum)",
    "2024-01-01 ab:cd",
    "2024-01-01 1o:00",
];

/// Dates with a time behind them.
const TIMES: &[&str] = &[
    "2024-01-01 00:00",
    "2024-01-01 23:59",
    "2024-01-01T10:00",
    "2024-01-01t10:00",
    "2024-01-01 10:00:59",
    "2024-01-01 10",
    "2024-01-01T10:00:00.123",
    "2024-01-01T10:00:00.123456000",
    "2024-01-01T10:00:00.1234567",
    "2024-01-01 10:00:00.123456789",
    "\"2024-01-01 10:00:00,5\"",
];

/// Points in time, which have no day without a clock.
const POINTS_IN_TIME: &[&str] = &[
    "2024-01-01T10:00:00.123Z",
    "2024-01-01T10Z",
    "2024-01-01 10:00Z",
    "2024-01-01 10:00 UTC",
    "2024-01-01 10:00:00.000000 +0000",
    "2024-01-01T10:00:00+02:00",
    "2024-01-01T10:00-11:00",
    "2024-01-01 10:00:00-05",
];

fn dates() -> Vec<Case> {
    let bad_date = |date: &str, reason: &str| {
        let place = format!("line 3, column 3 (Start date): {reason}");
        bad_row(&format!("the date {date:?}"), format!("Work,1,{date},x"), &place)
    };
    let no_date = |date: &str| bad_date(date, "not a valid date as YYYY-MM-DD");
    let mut cases: Vec<Case> = NO_DATES.iter().map(|date| no_date(date)).collect();
    cases.push(no_date("2024-01-01\u{a0}10:00"));
    cases.push(no_date(&"2024-01-01x".repeat(4)));
    // Without a hyphen, and without a digit.
    let nothing = "\0".repeat(10);
    cases.push(no_date(&nothing));
    cases.push(no_date(&format!("{nothing} 10:00")));
    cases.extend(["", " "].map(|date| bad_date(date, "no value, expected a date")));
    cases.extend(NO_TIMES.iter().map(|date| bad_date(date, "a date and something behind it that is not a time")));
    cases.extend(TIMES.iter().map(|date| good_row(&format!("the time {date}"), format!("Work,1,{date},x"))));
    cases.extend(POINTS_IN_TIME.iter().map(|date| bad_date(date, "a point in time; on whose clock? say zone")));
    cases.push(good_row("blanks around a date", "Work,1, 2024-01-01\t,x"));
    cases.push(loaded(
        "the first and the last date",
        file("Work,1,9999-12-31,x\nWork,1,0001-01-01,x\n"),
        2,
        &[],
        &["0001-01-01,0,1", "9999-12-31,0,1"],
    ));
    cases
}

/// None of them stands in its message either.
const NO_NUMBERS: &[(&str, &str)] = &[
    ("", "no value, expected a number"),
    ("   ", "no value, expected a number"),
    ("NaN", "not a finite number"),
    ("nan", "not a finite number"),
    ("-NaN", "not a finite number"),
    ("inf", "not a finite number"),
    ("-inf", "not a finite number"),
    ("+Infinity", "not a finite number"),
    ("infinite", "not a number"),
    ("NaN0", "not a number"),
    ("+", "not a number"),
    ("-", "not a number"),
    (".", "not a number"),
    ("-.", "not a number"),
    ("--1", "not a number"),
    ("+-1", "not a number"),
    ("- 1", "not a number"),
    ("1-", "not a number"),
    ("1.2.3", "not a number"),
    ("..1", "not a number"),
    ("e5", "not a number"),
    (".e5", "not a number"),
    ("1e", "not a number"),
    ("1e+", "not a number"),
    ("1e5.0", "not a number"),
    ("1e 5", "not a number"),
    ("1e5e5", "not a number"),
    ("1_000", "not a number"),
    ("1 000", "not a number"),
    ("1'000", "not a number"),
    ("(1)", "not a number"),
    ("0x1F", "not a number"),
    ("1f", "not a number"),
    ("0b1", "not a number"),
    ("$5", "not a number"),
    ("5 €", "not a number"),
    ("£5", "not a number"),
    ("5%", "not a number"),
    ("½", "not a number"),
    ("１２", "not a number"),
    ("−5", "not a number"),
    ("=1+1", "not a number"),
    ("#N/A", "not a number"),
    ("true", "not a number"),
    ("NULL", "not a number"),
    ("1:30", "not a number"),
    ("999999999999999999999999999999999999999", "a number of more than 38 digits"),
    ("1e38", "a number of more than 38 digits"),
    ("1e-39", "a number of more than 38 digits"),
    ("-1e999999999999999999999", "a number of more than 38 digits"),
];

fn numbers() -> Vec<Case> {
    let no_number = |name: &str, text: &str, place: &str| {
        let place = format!("line 3, column 2 (Duration (in minutes)): {place}");
        bad_row(&format!("the number {name}"), format!("Work,{text},2024-01-01,x"), &place)
    };
    let zeros = "0".repeat(38);
    let mut cases: Vec<Case> =
        NO_NUMBERS.iter().map(|(text, reason)| no_number(&format!("{text:?}"), text, reason)).collect();
    let too_long = "a number of more than 38 digits";
    cases.extend([
        no_number("of no length in quotes", "\"\"", "no value, expected a number"),
        no_number("with a comma", "\"1,5\"", "not a number"),
        no_number("with points and a comma", "\"1.000,5\"", "not a number"),
        no_number("with a fixed blank", "1\u{a0}000", "not a number"),
        no_number("in two lines", "\"1\n2\"", "not a number"),
        no_number("of 39 digits, zeros at the end", &format!("1.{zeros}"), too_long),
        no_number("of 39 decimals", &format!("0.{zeros}1"), too_long),
        no_number("of 400 digits", &"9".repeat(400), too_long),
        // 10^99,990: the decimals must not be taken off an exponent that was cut short.
        no_number(
            "of 100,010 decimals and an exponent of 200,000",
            &format!("0.{}1e200000", "0".repeat(100_009)),
            too_long,
        ),
    ]);
    cases
}

fn exact_numbers() -> Vec<Case> {
    let exact = |text: &str, sum: &str| {
        let (zero, sum) = ("Work,0,2024-01-01,x\n", format!("2024-01-01,0,{sum}"));
        let bytes = around(zero, format!("Work,{text},2024-01-01,x"), zero);
        loaded(&format!("the exact number {text:.50}"), bytes, ROWS, &[], &[&sum])
    };
    let nines = "9".repeat(38);
    let smallest = format!("0.{}1", "0".repeat(37));
    vec![
        exact(&nines, &nines),
        exact(&format!("-{nines}"), &format!("-{nines}")),
        exact(&format!("000{nines}"), &nines),
        exact(&smallest, &smallest),
        exact("1e-38", &smallest),
        exact("1e37", &format!("1{}", "0".repeat(37))),
        exact("1e5", "100000"),
        exact("1.5E-3", "0.0015"),
        exact("-.5", "-0.5"),
        exact("5.", "5"),
        exact("+7", "7"),
        exact("007", "7"),
        exact("1.50", "1.5"),
        exact("-0.00", "0"),
        exact("0e99999999999999999999", "0"),
        exact(&"0".repeat(400), "0"),
        exact(" 1\t", "1"),
    ]
}

fn sums() -> Vec<Case> {
    let nines = "9".repeat(38);
    let row = |value: &str, date: &str| format!("Work,{value},{date},x\n");
    let day = "2024-01-01";
    let too_long = "column 2 (Duration (in minutes)): the sum that this value belongs to needs more than 38 digits";
    let too_long_with = |name: &str, first: &str, second: &str| {
        refused(name, around(&row(first, day), second, GOOD), &format!("line 3, {too_long}"))
    };
    vec![
        too_long_with("a sum of 39 digits", &nines, GOOD.trim_end()),
        too_long_with("a negative sum of 39 digits", &format!("-{nines}"), row("-1", day).trim_end()),
        too_long_with("a sum of 38 decimals and one digit before them", "1e-38", GOOD.trim_end()),
        ended(
            "a column of 38 digits and one decimal",
            file(&(row(&nines, day) + &row("0.1", "2024-01-02"))),
            &[],
            "the sums of work_minutes need more than 38 digits, 1 of them decimals",
        ),
        ended(
            "a bad row before a sum of 39 digits",
            file(&(row("x", day) + &row(&nines, day) + GOOD)),
            &["line 2, column 2 (Duration (in minutes)): not a number"],
            &format!("{KEY}, line 4, {too_long}"),
        ),
    ]
}
