//! What is taken and what is refused, as a reader of a template meets it.

mod language;

use super::*;
use serde_json::json;

/// The spec of the reference's first example.
fn parts() -> Parts {
    Parts {
        source: json!({"suffix": ".csv",
                       "columns": {"date": {"from": "Start date", "type": "date"}, "project": "Project",
                                   "minutes": {"from": "Duration (in minutes)", "type": "number"}}}),
        shape: json!({"keys": ["date"], "values": {"minutes": "sum"},
                      "pivot": {"on": "project", "into": {"Learning": "learning_minutes", "Work": "work_minutes"}}}),
        target: json!({"table": "pomodoro_day_catg", "create": true, "on_overlap": "all_files"}),
    }
}

/// The same with another value at a pointer; without one the field goes.
fn changed(pointer: &str, value: impl Into<Option<Value>>) -> Parts {
    let mut parts = parts();
    let (part, path) = pointer.trim_start_matches('/').split_once('/').unwrap_or((&pointer[1..], ""));
    let mut place = match part {
        "source" => &mut parts.source,
        "shape" => &mut parts.shape,
        _ => &mut parts.target,
    };
    let (path, name) = path.rsplit_once('/').unwrap_or(("", path));
    for step in path.split('/').filter(|step| !step.is_empty()) {
        place = &mut place[step];
    }
    match (value.into(), name) {
        (Some(value), "") => *place = value,
        (Some(value), name) => place[name] = value,
        (None, name) => drop(place.as_object_mut().unwrap().remove(name)),
    }
    parts
}

fn problems(parts: &Parts) -> Vec<String> {
    parts.read().map_or_else(|problems| problems.iter().map(ToString::to_string).collect(), |_| Vec::new())
}

#[test]
fn the_reference_s_example_is_taken() {
    let spec = parts().check().unwrap();
    let sum = Aggregate::Sum { of: "minutes".into(), is_null_if_empty: false };
    assert_eq!((&spec.shape.keys[..], &spec.shape.values["minutes"]), (&["date".to_owned()][..], &sum));
    assert_eq!(spec.value_columns(), ["learning_minutes", "work_minutes"]);
    assert!(spec.is_usual());
    assert_eq!(spec.target.full_name(), "public.pomodoro_day_catg");
    assert_eq!((spec.source.lookback_hours, spec.target.on_overlap), (24, OnOverlap::AllFiles));
    assert_eq!(spec.source.columns["project"].place, Place::From("Project".into()));
    assert_eq!(spec.unused_columns().count(), 0);
    let more = changed("/source/columns/end", json!("End date")).check().unwrap();
    assert_eq!(more.unused_columns().collect::<Vec<_>>(), ["end"]);
    for (pointer, value) in [
        ("/source/suffix", json!([".csv", ".json"])),
        ("/source/lookback_hours", json!(87_660)),
        ("/source/format", json!({})),
        ("/source/columns/date", json!({"type": "date", "zone": "America/Argentina/Buenos_Aires"})),
        ("/source/columns/date", json!({"partition": "dt", "type": "date", "zone": "UTC"})),
        ("/source/defaults", json!({"zone": "Etc/GMT+5"})),
        ("/shape/values/minutes", json!({"sum": "minutes"})),
        ("/shape/pivot/into", json!(["Learning", "Work"])),
        ("/shape/pivot/other", json!({"into": "work_minutes"})),
        ("/target/schema", json!("of.mine")),
        ("/target/on_repeated_file", json!("allow")),
    ] {
        assert_eq!(problems(&changed(pointer, value.clone())), Vec::<String>::new(), "{pointer}: {value}");
    }
    let newest = json!({"table": "t", "on_overlap": "newest_file", "newest_by": "key", "newest_per": ["date"]});
    assert_eq!(problems(&changed("/target", newest)), Vec::<String>::new());
}

/// What is changed, and where and how that is refused.
#[test]
fn what_is_wrong_is_named_with_its_field() {
    let long = "x".repeat(64);
    let many: serde_json::Map<String, Value> =
        (0..1_600).map(|number| (number.to_string(), format!("c{number}").into())).collect();
    let newest = |more: Value| {
        let mut target = json!({"table": "t", "on_overlap": "newest_file"});
        target.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        target
    };
    for (pointer, value, at, part) in [
        ("/source", json!("x"), "/source", "is a text, not an object"),
        ("/source/prefix", json!("/input"), "/source/prefix", "the job's parameter Prefix"),
        ("/source/sufix", json!(".csv"), "/source/sufix", "did you mean \"suffix\"?"),
        ("/source/suffix", json!(""), "/source/suffix", "say format.type"),
        ("/source/suffix", json!([".csv", ".GZ"]), "/source/suffix/1", "say format.type"),
        ("/source/suffix", json!("in/.csv"), "/source/suffix", "no slash"),
        ("/source/suffix", json!([".csv", ".csv"]), "/source/suffix/1", "is there already"),
        ("/source/lookback_hours", json!(24.5), "/source/lookback_hours", "from 0 to 87660"),
        ("/source/lookback_hours", json!("24"), "/source/lookback_hours", "from 0 to 87660"),
        ("/source/lookback_hours", json!(87_661), "/source/lookback_hours", "from 0 to 87660"),
        ("/source/on_bad_row", json!("ignore"), "/source/on_bad_row", "not fail or quarantine"),
        ("/source/on_bad_file", json!(true), "/source/on_bad_file", "not fail or quarantine"),
        ("/source/read_hidden", json!("yes"), "/source/read_hidden", "not true or false"),
        ("/source/format", json!({"type": "xlsx"}), "/source/format/type", "not csv or json or parquet"),
        ("/source/defaults", json!({"decimal": ";"}), "/source/defaults/decimal", "not . or ,"),
        ("/source/defaults", json!({"zone": "CET+1"}), "/source/defaults/zone", "IANA"),
        ("/source/columns", json!({}), "/source/columns", "names no column"),
        ("/source/columns/sluice_file", json!("x"), "/source/columns/sluice_file", "cannot be the name"),
        ("/source/columns/price.$", json!("x"), "/source/columns/price.$", "a path to Step Functions"),
        ("/source/columns/date/from", json!("${Name}"), "/source/columns/date/from", "a substitution"),
        ("/source/columns/date/nullable", json!(true), "/source/columns/date/nullable", "a key is never null"),
        ("/source/columns/date/zone", json!("New York"), "/source/columns/date/zone", "IANA"),
        ("/source/columns/date/zone", json!(""), "/source/columns/date/zone", "IANA"),
        (
            "/source/columns/minutes/zone",
            json!("UTC"),
            "/source/columns/minutes/zone",
            "is for date, timestamp, timestamptz",
        ),
        ("/source/columns/minutes/type", json!("float"), "/source/columns/minutes/type", "\"float\", not text or"),
        (
            "/source/columns/project",
            json!({"from": "a", "partition": "b"}),
            "/source/columns/project/partition",
            "from",
        ),
        ("/source/columns/project", json!(""), "/source/columns/project", "is not the name of a column"),
        ("/source/columns/project", json!(5), "/source/columns/project", "is a number, not an object"),
        ("/shape/keys", json!(["day"]), "/shape/keys/0", "there is no column \"day\""),
        ("/shape/keys", json!(["dte"]), "/shape/keys/0", "did you mean \"date\"?"),
        ("/shape/keys", json!([""]), "/shape/keys", "is not a list of columns"),
        ("/shape/keys", json!([]), "/shape/keys", "is not a list of 1 to 16 columns"),
        ("/shape/keys", json!(["date", "date"]), "/shape/keys/1", "is there already"),
        ("/shape/values/minutes", json!("avg"), "/shape/values/minutes", "\"avg\" is not an aggregate"),
        ("/shape/values/minutes", json!("summ"), "/shape/values/minutes", "did you mean \"sum\"?"),
        ("/shape/values", json!({"": {"sum": "minutes"}}), "/shape/values/", "1 to 63 bytes"),
        ("/shape/values", json!({"*": {"sum": "minutes"}}), "/shape/values/*", "cannot be the name"),
        ("/shape/values", json!({"sluice_x": {"sum": "minutes"}}), "/shape/values/sluice_x", "cannot be the name"),
        ("/shape/values", json!({long.clone(): {"sum": "minutes"}}), &format!("/shape/values/{long}"), "1 to 63 bytes"),
        ("/shape/values/minutes", json!({"sum": ""}), "/shape/values/minutes/sum", "names no column"),
        ("/shape/pivot/on", json!(""), "/shape/pivot/on", "names no column"),
        ("/shape/pivot/on", json!("minutes"), "/shape/pivot/on", "\"minutes\" is number; categories are text"),
        ("/shape/pivot/into/Play", json!("date"), "/shape/pivot/into/Play", "two columns of the table"),
        ("/shape/pivot/into/Play", json!(long), "/shape/pivot/into/Play", "1 to 63 bytes"),
        ("/shape/pivot/into/Work.$", json!("work_minutes"), "/shape/pivot/into/Work.$", "a path to Step Functions"),
        ("/shape/pivot/into/${Work}", json!("work_minutes"), "/shape/pivot/into/${Work}", "a substitution"),
        ("/shape/pivot/into", json!(many), "/shape/pivot/into", "at most 1600 columns"),
        ("/shape/pivot/into", json!(["a", "a"]), "/shape/pivot/into", "twice"),
        ("/shape/pivot/into", json!({}), "/shape/pivot/into", "names no category"),
        ("/shape/pivot/other", json!("drop"), "/shape/pivot/other", "is not \"bad_row\""),
        ("/shape/pivot/other", json!({"into": "date"}), "/shape/pivot/other/into", "two columns of the table"),
        ("/target/on_overlap", Value::Null, "/target/on_overlap", "is null, not all_files"),
        ("/target/newest_by", json!("key"), "/target/newest_by", "is for on_overlap newest_file"),
        (
            "/target",
            newest(json!({"on_repeated_file": "allow"})),
            "/target/on_repeated_file",
            "is for on_overlap all_files",
        ),
        ("/target", newest(json!({"newest_per": ["project"]})), "/target/newest_per/0", "is no key"),
        ("/target", newest(json!({"newest_per": "date"})), "/target/newest_per", "is not a list of"),
        ("/target", newest(json!({"newest_per": []})), "/target/newest_per", "is not a list of keys"),
        ("/target/table", json!("analytics.days"), "/target/table", "the schema goes into the field schema"),
        ("/target/table", json!(""), "/target/table", "1 to 63 bytes"),
        ("/target/schema", json!("sluice"), "/target/schema", "for themselves"),
    ] {
        let found = problems(&changed(pointer, value.clone()));
        assert_eq!(found.len(), 1, "{pointer} {value}: {found:?}");
        assert!(found[0].starts_with(&format!("{at}: ")) && found[0].contains(part), "{at}, {part}: {found:?}");
    }
    for (pointer, lacks) in [
        ("/source/suffix", "/source: lacks the field \"suffix\""),
        ("/source/columns", "/source: lacks the field \"columns\""),
        ("/shape/keys", "/shape: lacks the field \"keys\""),
        ("/shape/values", "/shape: lacks the field \"values\""),
        ("/shape/pivot/on", "/shape/pivot: lacks the field \"on\""),
        ("/shape/pivot/into", "/shape/pivot: lacks the field \"into\""),
        ("/target/table", "/target: lacks the field \"table\""),
        ("/target/on_overlap", "/target: lacks the field \"on_overlap\""),
    ] {
        assert_eq!(problems(&changed(pointer, None)), [lacks]);
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once_with_the_job() {
    let mut parts = changed("/source/sufix", json!(".csv"));
    parts.shape["pivot"]["other"] = json!("drop");
    parts.target["table"] = json!(5);
    let error = parts.spec("sales").unwrap_err();
    assert_eq!(error.kind(), Kind::Misconfigured);
    let text = error.to_string();
    assert!(text.contains("the spec of job sales: /source/sufix: there is no such field"), "{text}");
    assert!(text.contains("; /shape/pivot/other: ") && text.contains("; /target/table: is a number"), "{text}");
}

#[test]
fn what_one_field_says_of_another_is_told_beside_what_is_wrong_elsewhere() {
    let mut parts = changed("/source/sufix", json!(".csv"));
    parts.shape["keys"] = json!(["dte"]);
    parts.target["newest_per"] = json!(["project"]);
    parts.target["on_overlap"] = json!("newest_file");
    parts.source["columns"]["minutes"]["type"] = json!("minutes");
    let found = problems(&parts);
    for begin in [
        "/source/sufix: there is no such field",
        "/source/columns/minutes/type: is \"minutes\", not text or",
        "/shape/keys/0: there is no column \"dte\" in source.columns; did you mean \"date\"?",
        "/target/newest_per/0: \"project\" is no key",
    ] {
        assert_eq!(found.iter().filter(|problem| problem.starts_with(begin)).count(), 1, "{begin}: {found:?}");
    }
    assert_eq!(found.len(), 4, "of a type that is not read nothing is said: {found:?}");
}

/// Each line of "From the form before" in the reference.
#[test]
fn the_form_before_is_refused_by_what_its_fields_are_called_now() {
    let earlier = Parts {
        source: json!({"suffix": ".csv"}),
        shape: json!({"index": {"column": "Start date", "date_prefix": 10, "as": "date"}, "columns": "Project",
                      "values": "Duration", "aggregate": "sum", "categories": {"Work": "work"},
                      "unknown_category": "fail", "bad_row": "fail", "per_file": true}),
        target: json!({"schema": "public", "table": "t", "key": ["date"], "on_overlap": "per_file"}),
    };
    let found = problems(&earlier);
    for (pointer, part) in [
        ("/shape/index", "source.columns"),
        ("/shape/columns", "shape.pivot.on"),
        ("/shape/values", "is now an object"),
        ("/shape/aggregate", "shape.values"),
        ("/shape/categories", "shape.pivot.into"),
        ("/shape/unknown_category", "shape.pivot.other"),
        ("/shape/bad_row", "source.on_bad_row"),
        ("/shape/per_file", "all_files"),
        ("/target/key", "shape.keys"),
        ("/target/on_overlap", "all_files"),
    ] {
        let is_it = |problem: &&String| problem.starts_with(&format!("{pointer}: ")) && problem.contains(part);
        assert_eq!(found.iter().filter(is_it).count(), 1, "{pointer}: {found:?}");
    }
    assert_eq!(found.len(), 10, "{found:?}");
    for (word, now) in [("replace", "last_run"), ("sum_files", "all_files"), ("per_file", "all_files")] {
        let found = problems(&changed("/target/on_overlap", json!(word)));
        assert!(found.len() == 1 && found[0].contains(now), "{word}: {found:?}");
    }
    assert!(problems(&changed("/shape/values", json!(["minutes"])))[0].starts_with("/shape/values: is now an object"));
}

#[test]
fn a_print_is_what_decides_what_the_table_holds() {
    let print = |parts: &Parts| parts.check().unwrap().print("lake", "in/");
    let first = print(&parts());
    // Short forms and defaults, written out.
    for (pointer, value) in [
        ("/source/suffix", json!([".CSV"])),
        ("/source/columns/project", json!({"from": "Project"})),
        ("/source/columns/project", json!({"from": "Project", "type": "text"})),
        ("/source/defaults", json!({})),
        ("/source/format", json!({})),
        ("/source/read_hidden", json!(false)),
        ("/shape/values/minutes", json!({"sum": "minutes"})),
        ("/shape/pivot/other", json!("bad_row")),
        ("/target/schema", json!("public")),
        // What says how a run goes on, and not what it means.
        ("/source/lookback_hours", json!(1)),
        ("/source/lookback_hours", json!(24.0)),
        ("/source/on_bad_row", json!("quarantine")),
        ("/source/on_bad_file", json!("quarantine")),
        ("/target/create", json!(false)),
    ] {
        assert_eq!(print(&changed(pointer, value)), first, "{pointer}");
    }
    let zone = |zone: &str| changed("/source/defaults", json!({"zone": zone}));
    let own = changed("/source/columns/date/zone", json!("UTC"));
    assert_eq!(print(&zone("UTC")), print(&own), "a default is the column's own");

    let readings = [
        ("/source/columns/date/from", json!("End date")),
        ("/source/columns/date/zone", json!("UTC")),
        ("/source/columns/date/zone", json!("Europe/Berlin")),
        ("/source/format", json!({"type": "csv"})),
        ("/shape/pivot/into/Work", json!("play_minutes")),
        ("/shape/pivot/other", json!("ignore")),
        ("/shape/pivot/other", json!({"into": "work_minutes"})),
    ];
    let mut seen = std::collections::BTreeSet::from([first.reading.clone()]);
    for (pointer, value) in readings {
        let print = print(&changed(pointer, value));
        assert!(seen.insert(print.reading.clone()), "{pointer}");
        assert_eq!(Print { reading: first.reading.clone(), ..print }, first, "{pointer}");
    }
    assert_ne!(print(&changed("/source/suffix", json!(".json"))).selection, first.selection);
    assert_ne!(print(&changed("/source/read_hidden", json!(true))).selection, first.selection);
    assert_ne!(parts().check().unwrap().print("lake", "out/").selection, first.selection);
    assert_ne!(parts().check().unwrap().print("pond", "in/").selection, first.selection);
    assert_ne!(print(&changed("/target/schema", json!("mine"))).target, first.target);
    let last_run = print(&changed("/target/on_overlap", json!("last_run")));
    assert_eq!(Print { on_overlap: first.on_overlap, ..last_run.clone() }, first);
    assert_ne!(last_run, first);
    let allowing = print(&changed("/target/on_repeated_file", json!("allow")));
    assert_eq!(allowing, Print { allows_repeated: true, ..first.clone() });
    let newest =
        |by: &str| print(&changed("/target", json!({"table": "t", "on_overlap": "newest_file", "newest_by": by})));
    assert_ne!(newest("key").reading, newest("modified").reading);
}

#[test]
fn a_selection_knows_its_bucket_unless_an_earlier_version_wrote_it() {
    let of = |bucket: &str, prefix: &str| parts().check().unwrap().print(bucket, prefix).selection;
    let (here, there) = (of("lake", "in/"), of("pond", "in/"));
    let mut text = serde_json::to_value(&here).unwrap();
    text.as_object_mut().unwrap().remove("bucket");
    let earlier: super::Selection = serde_json::from_value(text).unwrap();
    assert!(here.is_of_other_bucket(&there) && here.selects_as(&there));
    assert!(!here.is_of_other_bucket(&here) && !here.selects_as(&of("lake", "out/")));
    assert!(!earlier.is_of_other_bucket(&here) && !here.is_of_other_bucket(&earlier) && earlier.selects_as(&here));
}
