//! Section 4 of the reference: filters, keys, values and rows.

use super::{Outcome, outcome, outcome_of, spec};
use serde_json::{Value, json};
use sluice::Kind;

const FILE: &str = "\
k,d,c,n,at,ok
a,2024-03-01,bug,1.5,2024-03-01T10:00,true
a,2024-03-01,task,2,2024-03-01T09:00,false
a,2024-03-02,Bug,3,2024-03-02T09:00,true
b,2024-03-01,,4,2024-03-01T10:00,true
a,2024-03-01,bug,,2024-03-01T10:00,true
";

fn columns() -> Value {
    json!({
        "k": {}, "d": {"type": "date"}, "c": {}, "n": {"type": "number", "nullable": true},
        "at": {"type": "timestamp"}, "ok": {"type": "boolean"},
    })
}

fn shaped(shape: Value) -> Outcome {
    outcome_of(&spec(json!({"columns": columns()}), shape, "last_run"), "a.csv", FILE)
}

fn rows(shape: Value) -> Vec<String> {
    let found = shaped(shape);
    assert_eq!((found.bad_files, found.bad_rows), (vec![], vec![]));
    found.rows.iter().map(|row| row.join(" ")).collect()
}

#[test]
fn rows_of_a_key_come_to_words() {
    let two_keys = json!(["k", "d"]);
    for (keys, value, expected) in [
        (json!(["k"]), json!({"sum": "n"}), vec!["a 6.5", "b 4"]),
        (two_keys.clone(), json!({"sum": "n"}), vec!["a 2024-03-01 3.5", "a 2024-03-02 3", "b 2024-03-01 4"]),
        (json!(["ok", "k"]), json!({"sum": "n"}), vec!["f a 2", "t a 4.5", "t b 4"]),
        (json!(["k"]), json!({"count": "*"}), vec!["a 4", "b 1"]),
        (json!(["k"]), json!({"count": "n"}), vec!["a 3", "b 1"]),
        (json!(["k"]), json!({"count": "c"}), vec!["a 4", "b 0"]),
        (json!(["k"]), json!({"min": "n"}), vec!["a 1.5", "b 4"]),
        (json!(["k"]), json!({"max": "c"}), vec!["a task", "b NULL"]),
        (json!(["k"]), json!({"max": "d"}), vec!["a 2024-03-02", "b 2024-03-01"]),
        (json!(["k"]), json!({"mean": "n", "scale": 2}), vec!["a 6.5 3", "b 4 1"]),
        // The row with the least time; of equals the earlier one is first, and the later one last.
        (
            two_keys.clone(),
            json!({"first": "c", "order_by": "at"}),
            vec![
                "a 2024-03-01 task 2024-03-01 09:00:00 2",
                "a 2024-03-02 Bug 2024-03-02 09:00:00 3",
                "b 2024-03-01 NULL 2024-03-01 10:00:00 4",
            ],
        ),
        (
            two_keys,
            json!({"last": "n", "order_by": "at"}),
            vec![
                "a 2024-03-01 NULL 2024-03-01 10:00:00 5",
                "a 2024-03-02 3 2024-03-02 09:00:00 3",
                "b 2024-03-01 4 2024-03-01 10:00:00 4",
            ],
        ),
        (json!(["k"]), json!({"last": "c", "order_by": "n"}), vec!["a Bug 3 3", "b NULL 4 4"]),
    ] {
        assert_eq!(rows(json!({"keys": keys, "values": {"v": value}})), expected, "{keys} {value}");
    }
    let both = |empty: Value| json!({"keys": ["c"], "filter": {"column": "n", "null": true}, "values": {"v": {"sum": "n", "empty": empty}}});
    assert_eq!(
        (rows(both(json!(0))), rows(both(json!(null)))),
        (vec!["bug 0".to_owned()], vec!["bug NULL".to_owned()])
    );
}

#[test]
fn categories_go_into_columns() {
    let pivot = |other: Value| {
        json!({
            "keys": ["k"], "values": {"n": "sum", "rows": {"count": "*"}},
            "pivot": {"on": "c", "into": {"bug": "bug", "Bug": "bug", "": "none"}, "other": other},
        })
    };
    // bug_n, bug_rows, none_n, none_rows and so on.
    assert_eq!(rows(pivot(json!({"into": "other"}))), ["a 4.5 3 0 0 2 1", "b 0 0 4 1 0 0"]);
    assert_eq!(rows(pivot(json!({"into": "none"}))), ["a 4.5 3 2 1", "b 0 0 4 1"]);
    let ignored = shaped(pivot(json!("ignore")));
    assert_eq!((ignored.ignored, ignored.rows[0].join(" ").as_str()), (1, "a 4.5 3 0 0"));
    let refused = shaped(pivot(json!("bad_row")));
    assert_eq!(refused.bad_rows, ["a.csv, line 3, column 3 (c): unknown category"]);
    assert_eq!(refused.rows[0].join(" "), "a 4.5 3 0 0 [1]", "of the key there is a part only");
}

#[test]
fn filters_leave_rows_out() {
    for (filter, expected) in [
        (json!({"column": "n", "gt": 2}), 2),
        (json!({"column": "n", "gte": "2.0", "lt": 4}), 2),
        (json!({"column": "n", "lte": 1.5}), 1),
        (json!({"not": {"column": "n", "gt": 2}}), 3),
        (json!({"column": "n", "null": true}), 1),
        (json!({"column": "c", "equal": "bug"}), 2),
        (json!({"not": {"column": "c", "equal": "bug"}}), 3),
        (json!({"column": "c", "one_of": ["Bug", "task", ""]}), 2),
        (json!({"column": "d", "equal": "2024-03-02"}), 1),
        (json!({"column": "at", "lt": "2024-03-01 10:00"}), 1),
        (json!({"column": "ok", "equal": true}), 4),
        (
            json!([{"column": "k", "equal": "a"}, {"or": [{"column": "n", "gt": 2}, {"column": "c", "equal": "task"}]}]),
            2,
        ),
    ] {
        let found = shaped(json!({"filter": filter, "keys": ["k"], "values": {"v": {"count": "*"}}}));
        let counted: u64 = found.rows.iter().map(|row| row[1].parse::<u64>().unwrap()).sum();
        assert_eq!((counted, found.filtered), (expected, 5 - expected), "{filter}");
    }
    // Of a row that is left out nothing else is read; what the filter needs must be readable.
    let source = json!({"columns": {"k": {}, "n": {"type": "integer"}, "m": {"type": "integer"}}});
    let shape = json!({"filter": {"column": "n", "gt": 0}, "keys": ["k"], "values": {"m": "sum"}});
    let found = outcome_of(&spec(source, shape, "last_run"), "a.csv", "k,n,m\na,0,x\na,1,5\na,y,5\n");
    assert_eq!(found.rows, [["a", "5", "[1]"]]);
    assert_eq!(found.bad_rows, ["a.csv, line 4, column 2 (n): not a number"]);
}

#[test]
fn the_row_that_wins_is_loaded() {
    let text = "id,v,at,gone\n1,a,2,\n1,b,3,\n1,c,,\n2,x,1,\n2,y,1,yes\n3,,1,\n";
    let columns = json!({"id": {"type": "integer"}, "v": {}, "at": {"type": "integer", "nullable": true}, "gone": {}});
    let rows = |rows: Value| {
        let spec = spec(json!({"columns": columns}), json!({"keys": ["id"], "rows": rows}), "newest_row");
        let found = outcome_of(&spec, "a.csv", text);
        found.rows.iter().map(|row| row.join(" ")).collect::<Vec<_>>()
    };
    // What the key has, what it goes by, the row's number, and whether it is deleted.
    assert_eq!(rows(json!({"columns": ["v"]})), ["1 c 3 f", "2 y 5 f", "3 NULL 6 f"]);
    let ordered = json!({"columns": ["v"], "order_by": ["at"], "delete_when": {"column": "gone", "null": false}});
    assert_eq!(rows(ordered), ["1 b 3 2 f", "2 y 1 5 t", "3 NULL 1 6 f"]);
    assert_eq!(rows(json!({}))[0], "1 NULL NULL c 3 f", "all columns, by their names");
}

#[test]
fn sums_are_exact_and_have_an_end() {
    let nines = "9".repeat(38);
    let columns = json!({"k": {}, "n": {"type": "number"}});
    let of = |text: &str| {
        let spec = spec(json!({"columns": columns}), json!({"keys": ["k"], "values": {"n": "sum"}}), "last_run");
        outcome_of(&spec, "a.csv", text)
    };
    let wide = of(&format!("k,n\na,{nines}\na,-{nines}\na,0.00000000000000000000000000000000000001\nb,0.1\nb,0.2\n"));
    assert_eq!(wide.rows, [["a", "0.00000000000000000000000000000000000001"], ["b", "0.3"]]);
    let long = of(&format!("k,n\na,{nines}\na,1\n"));
    assert_eq!(
        long.bad_files,
        ["a.csv, line 3, column 2 (n): the sum that this value belongs to needs more than 38 digits"]
    );
    assert!(long.rows.is_empty(), "of a bad file nothing is loaded");
}

#[test]
fn bad_rows_tell_of_which_keys_there_is_a_part() {
    let columns = json!({"k": {}, "d": {"type": "date"}, "n": {"type": "number"}});
    let spec = spec(json!({"columns": columns}), json!({"keys": ["k", "d"], "values": {"n": "sum"}}), "all_files");
    let found = outcome_of(&spec, "a.csv", "k,d,n\na,2024-03-01,1\na,2024-03-01,x\nb,2024-03-01,y\nc,2024-03-01,3\n");
    assert_eq!(
        found.rows,
        [vec!["a", "2024-03-01", "1", "[1]"], vec!["b", "2024-03-01", "0", "[2]"], vec!["c", "2024-03-01", "3"]]
    );
    assert!(found.quarantine.contains("a.csv,etag,3,3,n,not a number,\"a,2024-03-01,x\""), "{}", found.quarantine);
}

#[test]
fn a_spec_that_cannot_work_is_told_by_its_field() {
    for (source, pointer) in [
        (json!({"columns": {"k": {"type": "date", "zone": "Mars/Olympus"}}}), "/source/columns/k/zone"),
        (json!({"columns": {"k": {}}, "format": {"encoding": "klingon"}}), "/source/format/encoding"),
        (
            json!({"columns": {"k": {"type": "date", "format": "%d.%m.%Y", "if_null": "2024-03-01"}}}),
            "/source/columns/k/if_null",
        ),
    ] {
        let spec = spec(source.clone(), json!({"keys": ["k"], "values": {"v": {"count": "*"}}}), "last_run");
        let error = outcome(&spec, &[], 1).unwrap_err();
        assert_eq!(error.kind(), Kind::Misconfigured);
        assert!(error.to_string().contains(pointer), "{source}: {error}");
    }
}
