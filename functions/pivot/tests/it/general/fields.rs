//! Each field of sections 2 and 3 of the reference: what it reads, and what it does not.

use super::{outcome, outcome_of, spec};
use serde_json::{Value, json};

/// What the column `x` of a file is read as: its key's row, or why its row is bad.
fn read(column: Value, raw: &str) -> Result<String, String> {
    let columns = json!({"k": {"constant": "k"}, "x": column});
    let spec = spec(
        json!({"columns": columns, "format": {"quote": null, "delimiter": "\t"}}),
        json!({"keys": ["k"], "rows": {}}),
        "last_run",
    );
    let mut found = outcome_of(&spec, "in/a.csv", &format!("x\tother\n{raw}\t1\n"));
    match (found.rows.pop(), found.bad_files.pop()) {
        (Some(row), None) => Ok(row[1].clone()),
        (None, Some(reason)) => Err(reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn values_are_read_as_their_columns_say() {
    for (column, raw, expected) in [
        (json!({}), " a ", " a "),
        (json!({"trim": true}), "\u{a0}a ", "a"),
        (json!({}), "", "NULL"),
        (json!({"null_values": []}), "", ""),
        (json!({"null_values": ["-", "n/a"], "trim": true}), " n/a", "NULL"),
        (json!({"if_null": "none"}), "", "none"),
        (json!({"type": "integer"}), "5.00", "5"),
        (json!({"type": "integer", "group": " "}), "1 500", "1500"),
        (json!({"type": "number"}), " -1.50 ", "-1.5"),
        (json!({"type": "number", "decimal": ",", "group": "."}), "1.234,5", "1234.5"),
        (json!({"type": "number", "strip": ["$"], "accounting": true}), "($5.00)", "-5"),
        (json!({"type": "number", "nullable": true}), "", "NULL"),
        (json!({"type": "number", "if_null": 0}), "", "0"),
        (json!({"type": "number"}), "99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        (json!({"type": "number"}), "1e-38", "0.00000000000000000000000000000000000001"),
        (json!({"type": "boolean"}), "TRUE", "t"),
        (json!({"type": "boolean", "true_values": ["ja"], "false_values": ["nein"]}), "nein", "f"),
        (json!({"type": "date"}), "2024-03-01T23:30", "2024-03-01"),
        (json!({"type": "date", "zone": "Europe/Berlin"}), "2024-03-01T23:30Z", "2024-03-02"),
        (json!({"type": "date"}), "2024-03-01T23:59:59.999999999", "2024-03-01"),
        (json!({"type": "date", "zone": "UTC"}), "2024-03-01T10:00:00.1234567Z", "2024-03-01"),
        (json!({"type": "date", "format": "%Y%m%dT%H%M%S.%f"}), "20240301T235959.123456789", "2024-03-01"),
        (json!({"type": "date", "format": "epoch_ns", "zone": "UTC"}), "1709283600000001001", "2024-03-01"),
        (json!({"type": "date", "format": "epoch_ns", "zone": "UTC"}), "-1", "1969-12-31"),
        (json!({"type": "date", "format": "epoch_ns", "zone": "UTC"}), "-1e-38", "1969-12-31"),
        (json!({"type": "date", "format": "%d.%m.%Y", "truncate": "month"}), "15.3.2024", "2024-03-01"),
        (json!({"type": "timestamp"}), "2024-03-01 10:11:12.5", "2024-03-01 10:11:12.5"),
        (json!({"type": "timestamptz", "zone": "America/New_York"}), "2024-03-01 10:00", "2024-03-01 15:00:00+00"),
        (json!({"type": "timestamptz", "format": "epoch_ms"}), "1709283600123", "2024-03-01 09:00:00.123+00"),
        (
            json!({"type": "timestamptz", "zone": "Europe/Berlin", "ambiguous": "later"}),
            "2024-10-27 02:30",
            "2024-10-27 01:30:00+00",
        ),
        (json!({"type": "duration", "unit": "minutes", "scale": 2}), "1:25:30", "85.5"),
        (json!({"type": "duration", "unit": "hours", "scale": 3, "format": "minutes"}), "50", "0.833"),
        (json!({"type": "duration", "unit": "milliseconds"}), "1.5 s", "1500"),
        (json!({"type": "json"}), "{\"a\": [1, 2.50]}", "{\"a\": [1, 2.50]}"),
        (json!({"from": "other", "type": "integer"}), "z", "1"),
        (json!({"file": "key"}), "z", "in/a.csv"),
        (json!({"file": "name", "pattern": "*.csv"}), "z", "a"),
        (json!({"file": "row"}), "z", "1"),
        (json!({"file": "modified"}), "z", "2024-06-01 00:00:00+00"),
        (json!({"file": "modified", "type": "date", "zone": "America/New_York"}), "z", "2024-05-31"),
        (json!({"constant": 5}), "z", "5"),
        (json!({"constant": true}), "z", "t"),
        (json!({"from": "y", "optional": true}), "z", "NULL"),
        (json!({"from": "y", "optional": true, "type": "number", "if_null": 3}), "z", "3"),
    ] {
        assert_eq!(read(column.clone(), raw), Ok(expected.to_owned()), "{column} {raw:?}");
    }
}

#[test]
fn what_a_column_does_not_take_makes_a_bad_row() {
    for (column, raw, part) in [
        (json!({"nullable": false}), "", "the column is not nullable"),
        (json!({}), "a\0b", "NUL"),
        (json!({"type": "integer"}), "5.5", "not a whole number"),
        (json!({"type": "integer"}), "9223372036854775808", "not a whole number"),
        (json!({"type": "number"}), "", "not nullable"),
        (json!({"type": "number"}), "1,5", "not a number"),
        (json!({"type": "number"}), "NaN", "finite"),
        (json!({"type": "number", "group": ","}), "1,50", "not a number"),
        (json!({"type": "number"}), "1e38", "more than 38 digits"),
        (json!({"type": "boolean"}), "yes", "neither true nor false"),
        (json!({"type": "boolean", "true_values": ["ja"]}), "JA", "neither"),
        (json!({"type": "date"}), "2024-03-01 - 2024-03-31", "not a date or time"),
        (json!({"type": "date"}), "2024-03-01T10:00Z", "say zone"),
        (json!({"type": "date", "format": "%d/%m/%Y"}), "2024-03-01", "not a date or time"),
        (json!({"type": "date", "format": "%d/%m/%Y"}), "31/02/2024", "not a day and time of the calendar"),
        (json!({"type": "timestamp"}), "2024-03-01 10:00:00.1234567", "finer than a microsecond"),
        (json!({"type": "timestamptz", "format": "epoch_s"}), "-1e-38", "finer than a microsecond"),
        (json!({"type": "timestamptz"}), "2024-03-01 10:00", "say zone"),
        (json!({"type": "timestamptz", "zone": "Europe/Berlin"}), "2024-10-27 02:30", "comes twice"),
        (
            json!({"type": "timestamptz", "zone": "Europe/Berlin", "ambiguous": "later"}),
            "2024-03-31 02:30",
            "never comes",
        ),
        (json!({"type": "duration", "unit": "seconds"}), "18:25", "say format h:m or m:s"),
        (json!({"type": "duration", "unit": "seconds"}), "90", "say format"),
        (json!({"type": "json"}), "{a: 1}", "not JSON"),
        (json!({"type": "json"}), "\"\\u0000\"", "NUL"),
        (json!({"from": "y"}), "z", "the column \"y\" is missing"),
        (json!({"file": "name", "pattern": "b*.csv"}), "z", "does not fit the pattern"),
        (json!({"partition": "dt"}), "z", "has no part dt="),
    ] {
        let found = read(column.clone(), raw);
        assert!(found.as_ref().is_err_and(|reason| reason.contains(part)), "{column} {raw:?}: {found:?}");
        assert!(!found.unwrap_err().contains("2024-03-01T10"), "a value is told");
    }
}

#[test]
fn marks_of_texts_are_none_of_the_numbers_of_json() {
    let number = json!({"type": "number", "decimal": ",", "group": "."});
    let with = |field: &str, value: Value| {
        let mut column = number.clone();
        column[field] = value;
        column
    };
    let minutes = json!({"type": "duration", "decimal": ",", "group": ".", "format": "minutes", "unit": "seconds"});
    for (column, raw, expected) in [
        (number.clone(), "1.234", "1.234"),
        (number.clone(), "\"1.234\"", "1234"),
        (number.clone(), "1234.5", "1234.5"),
        (number.clone(), "-1.5e3", "-1500"),
        (number.clone(), "\"1.234,5\"", "1234.5"),
        (with("strip", json!(["-"])), "-7", "-7"),
        (with("null_values", json!(["0"])), "0", "no value"),
        (json!({"type": "integer", "decimal": ",", "group": "."}), "1.500", "not a whole number"),
        (json!({"type": "integer", "decimal": ",", "group": "."}), "\"1.500\"", "1500"),
        (minutes.clone(), "1.234", "74.04"),
        (minutes.clone(), "\"1.234\"", "74040"),
        (json!({"type": "duration", "unit": "seconds", "decimal": ","}), "1.5", "a number without a unit"),
        (json!({"type": "timestamptz", "format": "epoch_s"}), "1709283600.5", "2024-03-01 09:00:00.5+00"),
        (json!({}), "1.50", "1.50"),
        // Numbers of the spec are those of JSON.
        (with("constant", json!(1.234)), "0", "1.234"),
        (with("constant", json!("1.234")), "0", "1234"),
        (with("if_null", json!(1.234)), "null", "1.234"),
        (with("if_null", json!("1.234")), "null", "1234"),
    ] {
        let columns = json!({"k": {"constant": "k"}, "x": column});
        let source = json!({"columns": columns, "suffix": ".json"});
        let spec = spec(source, json!({"keys": ["k"], "rows": {}}), "last_run");
        let found = outcome_of(&spec, "a.json", &format!("{{\"x\": {raw}}}"));
        let found = found.rows.first().map(|row| row[1].clone()).unwrap_or_else(|| found.bad_files.join(" "));
        assert!(found == expected || found.contains("line 1") && found.contains(expected), "{column} {raw}: {found}");
    }
}

/// The table of `k` and the sum of `n`, or why the file or its first row is bad.
fn csv(format: Value, bytes: &[u8]) -> String {
    let columns = json!({"k": {}, "n": {"type": "integer", "optional": true, "nullable": true}});
    let spec =
        spec(json!({"columns": columns, "format": format}), json!({"keys": ["k"], "values": {"n": "sum"}}), "last_run");
    let mut texts = Vec::new();
    for chunk_len in [1 << 20, 1, 7] {
        let found = outcome(&spec, &[("a.csv", bytes)], chunk_len).unwrap();
        let rows: Vec<String> = found.rows.iter().map(|row| row.join("=")).collect();
        let reasons = found.bad_files.first().or(found.bad_rows.first()).cloned();
        texts.push(reasons.map_or_else(|| rows.join(" "), |reason| format!("{} ! {reason}", rows.join(" "))));
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    texts.remove(0)
}

#[test]
fn csv_is_read_in_every_dialect() {
    let utf_16 = |text: &str, mark: &[u8], bytes: fn(u16) -> [u8; 2]| {
        [mark, &text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>()].concat()
    };
    for (format, bytes, expected) in [
        (json!({"delimiter": ";"}), b"k;n\na;1\n\"b;c\";2\n".to_vec(), "a=1 b;c=2"),
        (json!({"delimiter": "\t", "quote": null}), b"k\tn\n\"a\t1\n".to_vec(), "\"a=1"),
        (json!({"quote": "'"}), b"k,n\n'a,''b',1\n".to_vec(), "a,'b=1"),
        (json!({"escape": "\\"}), b"k,n\n\"a\\\"b\\\\\",1\n\"c\\n\",2\n".to_vec(), "a\"b\\=1 c\\n=2"),
        (json!({"header": ["k", "n"]}), b"a,1\nk,2\n".to_vec(), "a=1 k=2"),
        (json!({"skip": 2}), b"Report\n\nk,n\na,1\n".to_vec(), "a=1"),
        (json!({"skip": "to_header"}), b"Report of k\nx,y,z\nn,k\n1,a\n".to_vec(), "a=1"),
        (json!({"skip_end": 1}), b"k,n\na,1\nTotal,1\n".to_vec(), "a=1"),
        (json!({"skip_end": 3}), b"k,n\na,1\n".to_vec(), ""),
        (json!({"end_at": ["Total", "Sum"]}), b"k,n\na,1\nSum,1\nb,2\n".to_vec(), "a=1"),
        (json!({"comment": "#"}), b"# made by\nk,n\n#a,1\nb,2\n".to_vec(), "b=2"),
        (json!({"ragged": true}), b"k,n,x\na\nb,2,,,\n".to_vec(), "a=0 b=2"),
        (json!({"encoding": "iso-8859-1"}), b"k,n\n\xe9\x80,1\n".to_vec(), "\u{e9}\u{20ac}=1"),
        (json!({"encoding": "utf-16"}), utf_16("k,n\n\u{e9},1\n", b"\xff\xfe", u16::to_le_bytes), "\u{e9}=1"),
        (json!({"encoding": "utf-16"}), utf_16("k,n\n\u{e9},1\n", b"\xfe\xff", u16::to_be_bytes), "\u{e9}=1"),
        (json!({"encoding": "utf-16"}), utf_16("k,n\na,1\n", b"", u16::to_le_bytes), "a=1"),
        (json!({}), utf_16("k,n\na,1\n", b"\xff\xfe", u16::to_le_bytes), "a=1"),
        (json!({}), b"\xef\xbb\xbfk,n\na,1\n\xef\xbb\xbfn,k\n2,b\n".to_vec(), "a=1 b=2"),
        (json!({}), b"k,n\rb,1\r\"c\rd\",2".to_vec(), "b=1 c\nd=2"),
        (json!({}), b"x,k\n\xff,a\n".to_vec(), "a=0"),
        (json!({}), b"k\na\n\nb\n".to_vec(), "a=0 b=0"),
        (json!({}), b"".to_vec(), ""),
        // What is none of these.
        (
            json!({}),
            b"k;n\na;1\n".to_vec(),
            " ! a.csv, line 1: the column \"k\" is missing; the header has 1 column; are its fields separated by semicolons?",
        ),
        (
            json!({"delimiter": ";"}),
            b"k,n\na,1\n".to_vec(),
            " ! a.csv, line 1: the column \"k\" is missing; the header has 1 column; are its fields separated by commas?",
        ),
        (json!({}), b"k,n\na,1,2\nb,1\n".to_vec(), "b=1 ! a.csv, line 2: 3 fields, the header has 2"),
        (json!({"ragged": true}), b"k,n\na,1,2\nb,1\n".to_vec(), "b=1 ! a.csv, line 2: 3 fields, the header has 2"),
        (json!({}), b"k,k\na,1\n".to_vec(), " ! a.csv, line 1: duplicate column \"k\" in the header (also column 2)"),
        (
            json!({"skip": "to_header"}),
            b"x,y\n1,2\n".to_vec(),
            " ! a.csv, line 1: none of its rows is a header that names every column",
        ),
        (
            json!({"encoding": "windows-1252"}),
            b"\xef\xbb\xbfk,n\na,1\n".to_vec(),
            " ! a.csv: its byte order mark says that it is UTF-8, format.encoding windows-1252",
        ),
        (
            json!({"encoding": "shift_jis"}),
            b"k,n\n\x81,1\nb,2\n".to_vec(),
            "b=2 ! a.csv, line 2, column 1 (k): not UTF-8",
        ),
        (
            json!({}),
            b"k,n\n\xff,1\nb,2\n".to_vec(),
            "b=2 ! a.csv, line 2, column 1 (k): not UTF-8; is it Windows-1252 (Latin-1)? Export the file as UTF-8",
        ),
        (
            json!({}),
            b"k,n\n\"a,1\nb,2\n".to_vec(),
            " ! a.csv, line 2: a quote that is never closed; is the file cut off?",
        ),
    ] {
        assert_eq!(csv(format.clone(), &bytes), expected, "{format} {}", bytes.escape_ascii());
    }
}

/// Where the columns that are read are texts, any header could be a row.
#[test]
fn a_header_again_may_have_other_columns_in_any_place() {
    let columns = json!({"k": {}, "n": {}, "z": {"optional": true}});
    let shape = json!({"keys": ["k", "n"], "values": {"z": {"count": "z"}}});
    let spec = spec(json!({"columns": columns, "format": {"delimiter": ";"}}), shape, "last_run");
    for (text, expected) in [
        ("k;n;u;v;w\na;1;;;\nx;y;q;n;k\n9;9;9;2;b\n", "a=1=0 b=2=0"),
        ("k;n;u;v;w\na;1;;;\nx;y;q; n ;\"k\"\n9;9;9;2;b\n", "a=1=0 b=2=0"),
        ("k;n;u;v;w\na;1;;;\nz;y;q;k;n\n9;9;9;b;2\n", "a=1=0 b=2=1"),
        // Not all that are needed, and no more than half.
        ("k;n;u;v;w\na;1;;;\nx;y;k;v;q\n", "a=1=0 x=y=0"),
    ] {
        let found = outcome_of(&spec, "a.csv", text);
        let rows: Vec<String> = found.rows.iter().map(|row| row.join("=")).collect();
        assert_eq!((rows.join(" "), found.bad_rows), (expected.to_owned(), Vec::new()), "{text}");
    }
}

#[test]
fn json_is_read_by_ways() {
    let columns = json!({
        "k": {"from": ["a", "b"]}, "n": {"from": ["items", 1, "n"], "type": "number", "nullable": true}, "j": {"type": "json"},
    });
    let source = |format: Value| json!({"columns": columns, "suffix": ".json", "format": format});
    let shape = json!({"keys": ["k"], "rows": {}});
    let rows = |format: Value, text: &str| {
        let found = outcome_of(&spec(source(format), shape.clone(), "last_run"), "x/a.json", text);
        let rows: Vec<String> = found.rows.iter().map(|row| row[..3].join("|")).collect();
        (rows.join(" "), found.bad_files.into_iter().chain(found.bad_rows).next().unwrap_or_default())
    };
    for (format, text, expected) in [
        (json!({}), r#"{"a": {"b": "x"}, "items": [{}, {"n": 1.50}], "j": {"z": [1]}}"#, r#"x|{"z": [1]}|1.5"#),
        (
            json!({}),
            r#"{"a": {"b": 5}, "items": [1], "j": null}{"a": {"b": true}, "items": {"1": 2}, "j": "q"}"#,
            r#"5|NULL|NULL true|"q"|NULL"#,
        ),
        (json!({"records": ["data"]}), r#"{"n": 1, "data": [{"a": {"b": "\u0041"}}], "more": [{}]}"#, "A|NULL|NULL"),
        (json!({"records": ["x", 1]}), "{\"x\": [0, [{\"a\": {\"b\": \"x\"}}]]}\n{\"x\": [0, []]}", "x|NULL|NULL"),
    ] {
        assert_eq!(rows(format.clone(), text), (expected.to_owned(), String::new()), "{format} {text}");
    }
    for (format, text, part) in [
        (json!({}), r#"{"a": {"b": "x", "b": "y"}}"#, "has this name twice"),
        (json!({}), r#"{"a": {"b": {}}}"#, "an object, not a single value"),
        (json!({}), r#"{"a": {"c": 1}}"#, "no value, and it is a key"),
        (json!({}), "[1]", "a number, expected a JSON object"),
        (json!({"records": ["data"]}), r#"{"dat": []}"#, "no array at the end of format.records"),
    ] {
        let (_, reason) = rows(format.clone(), text);
        assert!(reason.contains(part), "{format} {text}: {reason}");
    }
}
