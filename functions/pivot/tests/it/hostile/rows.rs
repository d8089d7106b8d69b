//! What is wrong with a row as a whole: its fields, its quotes, its bytes.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    [field_counts(), quotes(), lines(), bytes()].into_iter().flatten().collect()
}

fn field_counts() -> Vec<Case> {
    vec![
        bad_row("a field too few", "Work,1,2024-01-01", "line 3: 3 fields, the header has 4"),
        bad_row("a field too many", "Work,1,2024-01-01,x,", "line 3: 5 fields, the header has 4"),
        bad_row("one field", "Work", "line 3: 1 fields, the header has 4"),
        bad_row("a blank in an empty line", " ", "line 3: 1 fields, the header has 4"),
        bad_row("a row of two quotes", "\"\"", "line 3: 1 fields, the header has 4"),
        bad_row("semicolons in one row", "Work;1;2024-01-01;x", "line 3: 1 fields, the header has 4"),
        bad_row("a comma as decimal point", "Work,1,5,2024-01-01,x", "line 3: 5 fields, the header has 4"),
        bad_row("commas, too many", ",,,,", "line 3: 5 fields, the header has 4"),
        bad_row(
            "commas, as many as in the header",
            ",,,",
            r#"line 3, column 1 (Project): no value, and "" is not one of the categories"#,
        ),
        loaded("the header once more", around(GOOD, HEADER.trim_end(), GOOD), ROWS - 1, &[], &[GOOD_SUMS]),
        refused(
            "the header once more, with a column less",
            around(GOOD, "Project,Duration (in minutes)", GOOD),
            r#"line 3: the column "Start date" is missing; the header has 2 columns"#,
        ),
        loaded(
            "a header of another order",
            around(GOOD, "End date,Start date, Project ,Duration (in minutes)", "200,2024-01-01,Work,1\n"),
            ROWS - 1,
            &[],
            &[GOOD_SUMS],
        ),
        bad_row(
            "half of the header",
            "Project,Duration (in minutes),2024-01-01,x",
            "line 3, column 1 (Project): unknown category",
        ),
        bad_row("a sum below", "Total,1", "line 3: 2 fields, the header has 4"),
        loaded(
            "a file that was cut within a row",
            file(&format!("{GOOD}Work,1,20")),
            2,
            &["line 3: 3 fields, the header has 4"],
            &[GOOD_SUM],
        ),
        loaded(
            "the end mark of DOS",
            file(&format!("{GOOD}\x1A")),
            2,
            &["line 3: 1 fields, the header has 4"],
            &[GOOD_SUM],
        ),
    ]
}

fn quotes() -> Vec<Case> {
    let text_after = "line 3: text after a closing quote";
    let never_closed = |line: u32| format!("line {line}: a quote that is never closed; is the file cut off?");
    vec![
        bad_row("text after a closing quote", "\"Work\"x,1,2024-01-01,x", text_after),
        bad_row("a blank after a closing quote", "\"Work\" ,1,2024-01-01,x", text_after),
        bad_row("a CR after a closing quote", "\"Work\"\r,1,2024-01-01,x", text_after),
        bad_row("a quote after a backslash", r#""W\"ork",1,2024-01-01,x"#, text_after),
        bad_row("text after the last closing quote", "Work,1,2024-01-01,\"x\"y", text_after),
        bad_row("text after a quote that holds a line end", "Work,1,2024-01-01,\"x\nx\"y", text_after),
        bad_row("a quote within a field", "Wo\"rk,1,2024-01-01,x", "line 3, column 1 (Project): unknown category"),
        bad_row("a blank before a quote", " \"Work\",1,2024-01-01,x", "line 3, column 1 (Project): unknown category"),
        bad_row(
            "a doubled quote before the closing one",
            "\"Work\"\"\",1,2024-01-01,x",
            "line 3, column 1 (Project): unknown category",
        ),
        bad_row("single quotes", "'Work',1,2024-01-01,x", "line 3, column 1 (Project): unknown category"),
        bad_row("quotes of a word processor", "“Work”,1,2024-01-01,x", "line 3, column 1 (Project): unknown category"),
        refused("a first quote that is never closed", file(&format!("\"{GOOD}{GOOD}")), &never_closed(2)),
        refused("a last quote that is never closed", file(&format!("{GOOD}Work,1,2024-01-01,\"x\n")), &never_closed(3)),
        refused("a quote as the last byte", file(&format!("{GOOD}Work,1,2024-01-01,\"")), &never_closed(3)),
        refused("a file that ends with a doubled quote", file("Work,1,2024-01-01,\"x\"\""), &never_closed(2)),
        refused(
            "a quote in the middle that is never closed",
            around(GOOD, "Work,1,2024-01-01,\"x", GOOD),
            &never_closed(3),
        ),
        loaded(
            "a quote that the next row's first one closes",
            file(&format!("Work,1,2024-01-01,\"x\nWork,1,2024-01-01,\"y\"\n{GOOD}")),
            2,
            &["line 2: text after a closing quote"],
            &[GOOD_SUM],
        ),
    ]
}

fn lines() -> Vec<Case> {
    let not_a_number = |line: u32| format!("line {line}, column 2 (Duration (in minutes)): not a number");
    vec![
        loaded(
            "a bad row after one of three lines",
            file("Work,1,2024-01-01,\"a\nb\r\nc\"\nWork,x,2024-01-01,x\n"),
            2,
            &[&not_a_number(5)],
            &[GOOD_SUM],
        ),
        loaded(
            "a bad row of three lines",
            file("Work,x,2024-01-01,\"a\n\nc\"\nWork,x,2024-01-01,x\n"),
            2,
            &[&not_a_number(2), &not_a_number(5)],
            &[],
        ),
        loaded(
            "a bad row after one whose quotes are wrong",
            file("\"Work\nx\"x,1,2024-01-01,x\nWork,x,2024-01-01,x\n"),
            2,
            &["line 2: text after a closing quote", &not_a_number(4)],
            &[],
        ),
        loaded(
            "bad rows between empty lines",
            file("\n\r\nWork,x,2024-01-01,x\n\n\nWork,x,2024-01-01,x"),
            2,
            &[&not_a_number(4), &not_a_number(7)],
            &[],
        ),
    ]
}

fn bytes() -> Vec<Case> {
    let guess = "not UTF-8; is it Windows-1252 (Latin-1)? Export the file as UTF-8";
    let in_category = format!("line 3, column 1 (Project): {guess}");
    let in_value = format!("line 3, column 2 (Duration (in minutes)): {guess}");
    vec![
        bad_row("NUL in a category", "Wo\0rk,1,2024-01-01,x", "line 3, column 1 (Project): unknown category"),
        bad_row("NUL after a value", "Work,1\0,2024-01-01,x", "line 3, column 2 (Duration (in minutes)): not a number"),
        bad_row(
            "NUL after a date",
            "Work,1,2024-01-01\0,x",
            "line 3, column 3 (Start date): not a valid date as YYYY-MM-DD",
        ),
        good_row("NUL in another column", "Work,1,2024-01-01,\0"),
        bad_row("Latin-1 in a category", b"W\xF6rk,1,2024-01-01,x", &in_category),
        bad_row("a byte of no character", b"W\x81rk,1,2024-01-01,x", "line 3, column 1 (Project): not UTF-8"),
        bad_row("a fixed blank of Latin-1 in a value", b"Work,1\xA0000,2024-01-01,x", &in_value),
        bad_row(
            "a stray byte after a date",
            b"Work,1,2024-01-01\xFF,x",
            &format!("line 3, column 3 (Start date): {guess}"),
        ),
        good_row("Latin-1 in another column", b"Work,1,2024-01-01,caf\xE9"),
        good_row("half a character", b"Work,1,2024-01-01,caf\xC3"),
        good_row("a character that a quote cuts", b"Work,1,2024-01-01,\"\xC3\"\"\xA9\""),
        good_row("half a surrogate pair", b"Work,1,2024-01-01,\xED\xA0\x80"),
        good_row("a slash in two bytes", b"Work,1,2024-01-01,\xC0\xAF"),
        good_row("a character beyond the last one", b"Work,1,2024-01-01,\xF4\x90\x80\x80"),
        bad_row("two columns that are not UTF-8", b"Work,\xFF,\xFF,x", &in_value),
        bad_row("too few fields, and not UTF-8", b"W\xF6rk", "line 3: 1 fields, the header has 4"),
        bad_row(
            "a byte order mark before a row",
            "\u{feff}Work,1,2024-01-01,x",
            "line 3, column 1 (Project): unknown category",
        ),
    ]
}
