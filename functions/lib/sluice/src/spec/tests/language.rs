//! Each field of the language with a right value and wrong ones, where there is more to it than the first jobs used.

use super::{Parts, changed, parts, problems};
use crate::spec::{Aggregate, ColumnKind, Constant, FilePart, OnOverlap, Place, Skip, Step, Truncate, Unit};
use serde_json::{Value, json};

/// A column of the source, beside those of the example.
fn column(fields: Value) -> Parts {
    changed("/source/columns/x", fields)
}

/// The example with rows in place of values.
fn rows(rows: Value) -> Parts {
    let mut parts = parts();
    parts.shape = json!({"keys": ["date"], "rows": rows});
    parts.target["on_overlap"] = json!("last_run");
    parts
}

fn values(values: Value) -> Parts {
    changed("/shape/values", values)
}

#[test]
fn right_values_of_every_field_are_taken() {
    let mut all = vec![
        rows(json!({})),
        rows(json!({"columns": ["project"], "order_by": ["minutes", "date"]})),
        rows(json!({"delete_when": {"not": {"column": "project", "one_of": ["a", "b"]}}})),
        values(json!({"minutes": "sum", "n": {"count": "*"}})),
        values(json!({"minutes": {"mean": "minutes", "scale": 2}})),
        values(json!({"minutes": {"sum": "minutes", "empty": null}})),
        values(json!({"minutes": {"sum": "minutes", "empty": 0}})),
        values(json!({"minutes": {"first": "project", "order_by": "date"}})),
        values(json!({"minutes": {"last": "project", "order_by": "minutes"}})),
        values(json!({"project": "max", "date": {"min": "date"}})),
        changed("/shape/pivot", None),
        changed("/shape/keys", json!(["date", "project"])),
        changed("/target/add_columns", json!(true)),
    ];
    for format in [
        json!({"delimiter": "\t", "quote": null}),
        json!({"delimiter": "§"}),
        json!({"quote": "'", "escape": "\\"}),
        json!({"skip": 1000}),
        json!({"skip": "to_header", "end_at": ["Total"], "skip_end": 100}),
        json!({"header": ["Start date", "Project", "Duration (in minutes)"]}),
        json!({"comment": "//", "ragged": true, "encoding": "Windows-1252"}),
        json!({"type": "json", "records": ["data", 0]}),
    ] {
        all.push(changed("/source/format", format));
    }
    for fields in [
        json!({"file": "key"}),
        json!({"file": "name", "pattern": "mtd-*.csv", "type": "date"}),
        json!({"file": "modified", "type": "date", "zone": "UTC"}),
        json!({"file": "row"}),
        json!({"constant": 5}),
        json!({"constant": "2024-03-01", "type": "date"}),
        json!({"type": "date", "format": "%d/%m/%y", "truncate": "week"}),
        json!({"type": "date", "format": "%b %Y", "truncate": "month"}),
        json!({"type": "date", "format": "%Y-%j"}),
        json!({"type": "timestamp", "format": "%Y%m%dT%H%M%S.%f", "truncate": "second"}),
        json!({"type": "timestamptz", "format": "epoch_ms", "zone": "Europe/Berlin", "ambiguous": "later"}),
        json!({"type": "timestamp", "format": "%m/%d/%Y %I:%M %p"}),
        json!({"type": "duration", "unit": "seconds"}),
        json!({"type": "duration", "unit": "hours", "scale": 20, "format": "h:m", "decimal": ",", "group": "."}),
        json!({"type": "duration", "unit": "nanoseconds", "format": "milliseconds"}),
        json!({"type": "integer", "group": " '", "strip": ["$", "EUR"], "accounting": true}),
        json!({"type": "boolean", "true_values": ["yes"], "false_values": []}),
        json!({"type": "json", "trim": true, "null_values": []}),
        json!({"type": "number", "nullable": true, "optional": true}),
        json!({"type": "number", "if_null": 0, "optional": true}),
        json!({"nullable": false}),
    ] {
        all.push(column(fields));
    }
    for filter in [
        json!({"column": "minutes", "gt": 0, "lte": "5"}),
        json!([{"column": "date", "gte": "2024-03-01"}, {"or": [{"column": "project", "null": true}, {"column": "project", "equal": "a"}]}]),
        json!({"and": [{"not": {"column": "minutes", "lt": 1, "null": false}}]}),
    ] {
        all.push(changed("/shape/filter", filter));
    }
    for parts in all {
        assert_eq!(problems(&parts), Vec::<String>::new(), "{parts:?}");
    }
}

#[test]
fn wrong_values_are_told_by_their_field() {
    let of_column = |field: &str| format!("/source/columns/x{field}");
    for (fields, field, part) in [
        (json!({"from": ["a", "b"]}), "/from", "csv has no nested fields"),
        (json!({"from": []}), "/from", "is not a list of 1 to 32 names"),
        (json!({"file": "size"}), "/file", "not key or name"),
        (json!({"file": "row", "type": "text"}), "/type", "cannot be read as a text"),
        (json!({"file": "row", "pattern": "*.csv"}), "/pattern", "is for file key or name"),
        (json!({"file": "name", "pattern": "a**"}), "/pattern", "one star"),
        (json!({"file": "name", "optional": true}), "/optional", "does not go with file"),
        (json!({"constant": null}), "/constant", "is not a text, a number"),
        (json!({"constant": "x", "trim": true}), "/trim", "does not go with constant"),
        (json!({"constant": "x", "type": "integer"}), "/constant", "is \"x\", not an integer"),
        (json!({"type": "date", "format": "DD.MM.YYYY"}), "/format", "behind % stands one of"),
        (json!({"type": "date", "format": "%d/%m"}), "/format", "lacks a year"),
        (json!({"type": "date", "format": "%Y %d"}), "/format", "lacks a month"),
        (json!({"type": "date", "format": "%Y-%m"}), "/format", "lacks a day"),
        (json!({"type": "timestamp", "format": "%Y-%m-%d"}), "/format", "lacks a time"),
        (json!({"type": "timestamp", "format": "%Y-%m-%d %I:%M"}), "/format", "lacks AM or PM"),
        (json!({"type": "date", "format": "%d/%d/%m/%Y"}), "/format", "has a part twice"),
        (json!({"type": "date", "format": "%Y-%m-%d %Z"}), "/format", "behind % stands one of"),
        (json!({"type": "date", "truncate": "hour"}), "/truncate", "not week or month"),
        (json!({"type": "date", "ambiguous": "later"}), "/ambiguous", "is for timestamptz"),
        (json!({"type": "timestamptz", "ambiguous": "first"}), "/ambiguous", "not bad_row or earlier"),
        (json!({"format": "iso"}), "/format", "is for date, timestamp"),
        (json!({"type": "duration"}), "", "lacks the field \"unit\""),
        (json!({"type": "duration", "unit": "hours"}), "", "lacks the field \"scale\""),
        (json!({"type": "duration", "unit": "seconds", "scale": 1}), "/scale", "is for durations in minutes"),
        (json!({"type": "duration", "unit": "hours", "scale": 21}), "/scale", "from 0 to 20"),
        (json!({"type": "duration", "unit": "weeks"}), "/unit", "not nanoseconds or"),
        (json!({"type": "duration", "unit": "seconds", "format": "iso"}), "/format", "not h:m, m:s or a unit"),
        (json!({"unit": "seconds"}), "/unit", "is for duration"),
        (json!({"type": "number", "decimal": ",", "group": ",."}), "", "is a group mark too"),
        (json!({"type": "number", "group": "1"}), "/group", "none a digit"),
        (json!({"type": "number", "strip": [""]}), "/strip", "1 to 16 characters"),
        (json!({"type": "number", "strip": ["$", "$"]}), "/strip/1", "is there already"),
        (json!({"type": "number", "accounting": 1}), "/accounting", "not true or false"),
        (json!({"type": "duration", "unit": "seconds", "strip": ["h"]}), "/strip", "is for integer, number"),
        (json!({"type": "text", "true_values": ["x"]}), "/true_values", "is for boolean"),
        (json!({"type": "boolean", "false_values": "x"}), "/false_values", "is not a list"),
        (json!({"null_values": [1]}), "/null_values", "is not a list"),
        (json!({"nullable": 1}), "/nullable", "not true or false"),
        (json!({"nullable": true, "if_null": "x"}), "/if_null", "does not go with nullable"),
        (json!({"type": "number", "if_null": "none"}), "/if_null", "is \"none\", not a number"),
        (json!({"type": "number", "optional": true}), "/optional", "say nullable or if_null"),
        (json!({"trim": "yes"}), "/trim", "not true or false"),
    ] {
        let found = problems(&column(fields.clone()));
        let at = of_column(field);
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("{at}: ")) && found[0].contains(part),
            "{fields}: {found:?}"
        );
    }
    for (format, field, part) in [
        (json!({"delimiter": ";;"}), "/delimiter", "not one character"),
        (json!({"delimiter": "\n"}), "/delimiter", "not one character"),
        (json!({"delimiter": "\""}), "/delimiter", "is the quote too"),
        (json!({"quote": ""}), "/quote", "not one character"),
        (json!({"escape": null}), "/escape", "not one character"),
        (json!({"quote": null, "escape": "\\"}), "/escape", "there is a quote"),
        (json!({"header": false}), "/header", "not true or a list"),
        (json!({"header": ["a", "a"]}), "/header", "twice"),
        (json!({"skip": 1001}), "/skip", "to 1000"),
        (json!({"skip_end": 101}), "/skip_end", "from 0 to 100"),
        (json!({"end_at": [""]}), "/end_at", "an empty text"),
        (json!({"comment": ""}), "/comment", "1 to 8 characters"),
        (json!({"ragged": 1}), "/ragged", "not true or false"),
        (json!({"encoding": "utf 8"}), "/encoding", "not a label"),
        (json!({"records": ["data"]}), "/records", "is for json, and no file is"),
        (json!({"type": "json", "delimiter": ";"}), "/delimiter", "is for csv, and no file is"),
        (json!({"type": "json", "records": [-1]}), "/records", "is not a list of 1 to 32"),
    ] {
        let found = problems(&changed("/source/format", format.clone()));
        let at = format!("/source/format{field}: ");
        assert!(found.iter().any(|problem| problem.starts_with(&at) && problem.contains(part)), "{format}: {found:?}");
    }
    let lacks = problems(&changed("/source/format", json!({"header": ["Start date", "Project"]})));
    assert_eq!(lacks, ["/source/columns/minutes: format.header has no \"Duration (in minutes)\""]);
    for (parts, at, part) in [
        (values(json!({"n": "count"})), "/shape/values/n", "to count rows, write {\"count\": \"*\"}"),
        (values(json!({"x": {"sum": "project"}})), "/shape/values/x/sum", "\"project\" is text; only integer"),
        (values(json!({"x": {"mean": "minutes"}})), "/shape/values/x", "lacks the field \"scale\""),
        (values(json!({"x": "mean"})), "/shape/values/x", "needs more"),
        (values(json!({"x": {"sum": "minutes", "scale": 1}})), "/shape/values/x/scale", "is for mean"),
        (values(json!({"x": {"max": "minutes", "empty": null}})), "/shape/values/x/empty", "is for sum"),
        (values(json!({"x": {"sum": "minutes", "empty": 1}})), "/shape/values/x/empty", "not 0 or null"),
        (values(json!({"x": {"first": "project"}})), "/shape/values/x", "lacks the field \"order_by\""),
        (values(json!({"x": {"sum": "minutes", "max": "date"}})), "/shape/values/x", "several aggregates"),
        (changed("/shape", json!({"keys": ["date"], "values": {"date": "max"}})), "/shape", "two columns of the table"),
        (rows(json!({"columns": ["y"]})), "/shape/rows/columns/0", "there is no column \"y\""),
        (rows(json!({"order_by": []})), "/shape/rows/order_by", "1 to 8"),
        (rows(json!({"delete_when": {"column": "minutes"}})), "/shape/rows/delete_when", "compares with nothing"),
        (changed("/shape/rows", json!({})), "/shape/rows", "does not go with values"),
        (changed("/shape/filter", json!({"column": "date", "gte": "1/3/2024"})), "/shape/filter/gte", "in ISO form"),
        (
            changed("/shape/filter", json!({"column": "minutes", "one_of": [1, "x"]})),
            "/shape/filter/one_of/1",
            "not a number",
        ),
        (
            changed("/shape/filter", json!([{"or": [{"column": "y", "null": true}]}])),
            "/shape/filter/0/or/0/column",
            "no column",
        ),
        (changed("/shape/filter", json!({"and": []})), "/shape/filter/and", "is not a list of conditions"),
        (changed("/shape/filter", json!({"column": "date", "null": 1})), "/shape/filter/null", "not true or false"),
        (
            changed("/shape/filter", json!({"not": {"column": "date", "equals": 1}})),
            "/shape/filter/not/equals",
            "did you mean \"equal\"",
        ),
        (changed("/shape/filter", json!({})), "/shape/filter", "has one of the fields column"),
        (changed("/target/on_overlap", json!("newest_row")), "/target/on_overlap", "values are of many rows"),
        (
            changed("/target/types", json!({"work_minutes": "money"})),
            "/target/types/work_minutes",
            "not one of smallint",
        ),
        (changed("/target/types", json!({"work": "text"})), "/target/types/work", "the table gets no such column"),
        (changed("/target/add_columns", json!("yes")), "/target/add_columns", "not true or false"),
    ] {
        let found = problems(&parts);
        let is_it = |problem: &String| problem.starts_with(at) && problem.contains(part);
        assert!(found.iter().any(is_it), "{at}: {found:?}");
    }
    let mut all_files = rows(json!({}));
    all_files.target["on_overlap"] = json!("all_files");
    assert!(problems(&all_files)[0].starts_with("/target/on_overlap: rows cannot be added up"));
}

#[test]
fn what_is_read_is_what_was_said() {
    let mut parts =
        changed("/source/defaults", json!({"decimal": ",", "group": ".", "zone": "UTC", "null_values": ["-"]}));
    parts.source["format"] = json!({"type": "json", "records": ["data", 0]});
    parts.source["columns"]["way"] =
        json!({"from": ["a", 1], "type": "duration", "unit": "hours", "scale": 2, "group": " "});
    parts.source["columns"]["at"] = json!({"file": "modified"});
    parts.source["columns"]["no"] = json!({"constant": 5});
    parts.source["columns"]["day"] = json!({"type": "date", "truncate": "quarter", "if_null": "2024-01-01"});
    parts.shape["values"] = json!({"hours": {"sum": "way"}, "n": {"count": "*"}});
    let spec = parts.read().unwrap();
    let column = |name: &str| &spec.source.columns[name];
    let way = column("way");
    assert_eq!(way.place, Place::Way(vec![Step::Name("a".into()), Step::Place(1)]));
    assert_eq!(
        (way.unit, way.scale, way.has_decimal_comma, way.group.as_str()),
        (Some(Unit::Hours), Some(2), true, " ")
    );
    assert_eq!((way.zone.as_deref(), column("at").zone.as_deref()), (None, Some("UTC")));
    assert_eq!(column("at").place, Place::File { of: FilePart::Modified, pattern: None });
    assert_eq!(column("no").place, Place::Constant(Constant::Number(5.into())));
    assert_eq!((column("no").is_nullable(), column("project").is_nullable()), (false, true));
    assert_eq!(column("project").null_values, Some(vec!["-".to_owned()]));
    assert_eq!(
        (column("day").truncate, column("day").if_null.as_ref().unwrap().text().as_ref()),
        (Some(Truncate::Quarter), "2024-01-01")
    );
    assert_eq!((spec.source.format.csv.skip, spec.source.format.records.len()), (Skip::Lines(0), 2));
    assert!(!spec.is_usual());
    let names: Vec<(String, ColumnKind, bool)> =
        spec.table_columns().into_iter().map(|column| (column.name, column.kind, column.is_not_null)).collect();
    let expected = [
        ("date", ColumnKind::Date, true),
        ("learning_minutes_hours", ColumnKind::Numeric, true),
        ("learning_minutes_n", ColumnKind::Bigint, true),
        ("work_minutes_hours", ColumnKind::Numeric, true),
        ("work_minutes_n", ColumnKind::Bigint, true),
    ];
    assert_eq!(names, expected.map(|(name, kind, is_not_null)| (name.to_owned(), kind, is_not_null)));
    assert_eq!(spec.shape.values["n"], Aggregate::CountRows);
    assert_eq!(spec.unused_columns().collect::<Vec<_>>(), ["at", "day", "minutes", "no"]);

    let mut rows = rows(json!({"columns": ["minutes"], "delete_when": {"column": "project", "equal": "x"}}));
    rows.target["on_overlap"] = json!("newest_row");
    rows.target["types"] = json!({"minutes": "numeric(12,2)"});
    let spec = rows.read().unwrap();
    assert_eq!(
        (spec.target.on_overlap, spec.target.types["minutes"].to_string().as_str()),
        (OnOverlap::NewestRow, "numeric(12,2)")
    );
    assert_eq!(spec.value_columns(), ["minutes"]);
    assert_eq!(spec.unused_columns().count(), 0);
}

/// Of the parts that the functions do not follow yet.
#[test]
fn what_comes_later_is_refused_by_its_field() {
    let found = changed("/source/format", json!({"delimiter": "§"})).check().unwrap_err();
    assert_eq!(
        found.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["/source/format/delimiter: is not supported yet"]
    );
    assert!(parts().check().is_ok());
}
