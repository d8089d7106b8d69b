//! What is wrong with a category, a number or a date; and numbers at the limit that are not wrong at all.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    [categories(), dates(), numbers(), exact_numbers(), sums()].into_iter().flatten().collect()
}

fn categories() -> Vec<Case> {
    let unknown = |name: &str, category: &str, shown: &str| {
        let place = format!("line 3, column 1 (Project): unknown category {shown}");
        bad_row(&format!("the category {name}"), format!("{category},1,2024-01-01,x"), &place)
    };
    let long = "Work".repeat(11);
    vec![
        unknown("that no one listed", "Sport", r#""Sport""#),
        unknown("of no length", "", r#""""#),
        unknown("of no length in quotes", "\"\"", r#""""#),
        unknown("with a blank after it", "Work ", r#""Work ""#),
        unknown("with a blank before it", " Work", r#"" Work""#),
        unknown("with a tab after it", "Work\t", r#""Work\t""#),
        unknown("with a line end after it", "\"Work\n\"", r#""Work\n""#),
        unknown("in small letters", "work", r#""work""#),
        unknown("of two", "\"Work,Learning\"", r#""Work,Learning""#),
        unknown("with a letter of another script", "W\u{43e}rk", "\"W\u{43e}rk\""),
        unknown("with a fixed blank", "Work\u{a0}", r#""Work\u{a0}""#),
        unknown("with a blank of no width", "Work\u{200b}", r#""Work\u{200b}""#),
        unknown("of the database's NULL", "\\N", r#""\\N""#),
        unknown("of SQL", "Work'); drop table sluice.runs; --", r#""Work'); drop table sluice.runs; --""#),
        unknown("of a formula", "=cmd|' /C calc'!A0", r#""=cmd|' /C calc'!A0""#),
        unknown("of many characters", &long, &format!("\"{}…\"", &long[..40])),
    ]
}

/// Every one stands in its message as it stands here.
const NO_DATES: &[&str] = &[
    "",
    " ",
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

fn dates() -> Vec<Case> {
    let no_date = |date: &str, shown: &str| {
        let place = format!("line 3, column 3 (Start date): {shown}: not a valid date as YYYY-MM-DD");
        bad_row(&format!("the date {date:?}"), format!("Work,1,{date},x"), &place)
    };
    let mut cases: Vec<Case> = NO_DATES.iter().map(|date| no_date(date, &format!("\"{date}\""))).collect();
    cases.push(no_date("2024-01-01\u{a0}10:00", r#""2024-01-01\u{a0}10:00""#));
    cases.push(no_date(&"2024-01-01x".repeat(4), r#""2024-01-01x2024-01-01x2024-01-01x2024-01…""#));
    // Without a hyphen, and without a digit.
    let (nothing, shown) = ("\0".repeat(10), r"\0".repeat(10));
    cases.push(no_date(&nothing, &format!("\"{shown}\"")));
    cases.push(no_date(&format!("{nothing} 10:00"), &format!("\"{shown} 10:00\"")));
    // What follows the date is not looked at.
    cases.push(good_row("a time that no clock shows", "Work,1,2024-01-01 25:61,x"));
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

/// Every one stands in its message as it stands here.
const NO_NUMBERS: &[(&str, &str)] = &[
    ("", "empty, expected a number"),
    ("   ", "empty, expected a number"),
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
    let mut cases: Vec<Case> = NO_NUMBERS
        .iter()
        .map(|(text, reason)| no_number(&format!("{text:?}"), text, &format!("\"{text}\": {reason}")))
        .collect();
    cases.extend([
        no_number("of no length in quotes", "\"\"", r#""": empty, expected a number"#),
        no_number("with a comma", "\"1,5\"", r#""1,5": not a number"#),
        no_number("with points and a comma", "\"1.000,5\"", r#""1.000,5": not a number"#),
        no_number("with a fixed blank", "1\u{a0}000", r#""1\u{a0}000": not a number"#),
        no_number("in two lines", "\"1\n2\"", r#""1\n2": not a number"#),
        no_number(
            "of 39 digits, zeros at the end",
            &format!("1.{zeros}"),
            &format!("\"1.{zeros}\": a number of more than 38 digits"),
        ),
        no_number(
            "of 39 decimals",
            &format!("0.{zeros}1"),
            &format!("\"0.{zeros}…\": a number of more than 38 digits"),
        ),
        no_number(
            "of 400 digits",
            &"9".repeat(400),
            &format!("\"{}…\": a number of more than 38 digits", "9".repeat(40)),
        ),
        // 10^99,990: the decimals must not be taken off an exponent that was cut short.
        no_number(
            "of 100,010 decimals and an exponent of 200,000",
            &format!("0.{}1e200000", "0".repeat(100_009)),
            &format!("\"0.{zeros}…\": a number of more than 38 digits"),
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
            &[r#"line 2, column 2 (Duration (in minutes)): "x": not a number"#],
            &format!("{KEY}, line 4, {too_long}"),
        ),
    ]
}
