//! Every type at its limits, cell by cell.

use super::{deploy, run_badly, run_well, sample};
use serde_json::{Value, json};

/// A column, how MySQL shows it and how the PostgreSQL behind the stand-in does, so that both say the same.
const COLUMNS: [(&str, &str, &str); 36] = [
    ("id", "#", "#"),
    ("a_tinyint", "#", "#"),
    ("a_tinyint_unsigned", "#", "#"),
    ("a_flag", "#", "#"),
    ("a_smallint", "#", "#"),
    ("a_smallint_unsigned", "#", "#"),
    ("a_mediumint", "#", "#"),
    ("a_mediumint_unsigned", "#", "#"),
    ("an_int", "#", "#"),
    ("an_int_unsigned", "#", "#"),
    ("a_bigint", "#", "#"),
    ("a_bigint_unsigned", "#", "#"),
    ("a_year", "# + 0", "#"),
    ("a_bit", "# + 0", "#::int"),
    ("some_bits", "# + 0", "#"),
    ("a_decimal", "#", "#"),
    ("a_money", "#", "#"),
    ("a_float", "# + 0E0", "#::float8"),
    ("a_double", "#", "#"),
    ("a_date", "#", "#"),
    ("a_datetime", "date_format(#, '%Y-%m-%d %H:%i:%s.%f')", "to_char(#, 'YYYY-MM-DD HH24:MI:SS.US')"),
    ("a_datetime_6", "date_format(#, '%Y-%m-%d %H:%i:%s.%f')", "to_char(#, 'YYYY-MM-DD HH24:MI:SS.US')"),
    ("a_timestamp", "date_format(#, '%Y-%m-%d %H:%i:%s.%f')", "to_char(#, 'YYYY-MM-DD HH24:MI:SS.US')"),
    ("a_time", "#", "#"),
    ("a_char", "lower(hex(#))", "encode(convert_to(#, 'UTF8'), 'hex')"),
    ("a_varchar", "lower(hex(#))", "encode(convert_to(#, 'UTF8'), 'hex')"),
    ("an_enum", "lower(hex(#))", "encode(convert_to(#, 'UTF8'), 'hex')"),
    ("a_set", "lower(hex(#))", "encode(convert_to(#, 'UTF8'), 'hex')"),
    ("a_text", "lower(hex(#))", "encode(convert_to(#, 'UTF8'), 'hex')"),
    ("a_longtext", "lower(hex(#))", "encode(convert_to(#, 'UTF8'), 'hex')"),
    ("a_json", "#", "#"),
    ("a_binary", "lower(hex(#))", "encode(#, 'hex')"),
    ("a_varbinary", "lower(hex(#))", "encode(#, 'hex')"),
    ("a_blob", "lower(hex(#))", "encode(#, 'hex')"),
    ("a \"quoted\" name", "lower(hex(#))", "encode(convert_to(#, 'UTF8'), 'hex')"),
    ("select", "#", "#"),
];

/// What both sides mean by a cell: numbers that are floats and JSON may be written in several ways.
fn meaning(column: &str, cell: &str) -> Value {
    match column {
        _ if cell == "NULL" => Value::Null,
        "a_float" | "a_double" => json!(cell.parse::<f64>().unwrap().to_bits()),
        "a_json" => serde_json::from_str(cell).unwrap(),
        _ => cell.into(),
    }
}

#[tokio::test]
async fn every_cell_is_equal_on_both_sides() {
    let target = json!({"table": "every_type", "key": ["id"], "mode": "replace", "create": true});
    let job = deploy("every_type", json!({}), target, Value::Null).await;
    job.sides.in_mysql(&sample("every-type.sql")).await;
    // Twice: the second time over what the first has loaded.
    for _ in 0..2 {
        run_well(&job.deployment, json!({})).await;
        for (name, in_mysql, in_redshift) in COLUMNS {
            let in_mysql = in_mysql.replace('#', &format!("`{name}`"));
            let in_redshift = in_redshift.replace('#', &format!("\"{}\"", name.replace('"', "\"\"")));
            let source = format!("select coalesce(cast({in_mysql} as char), 'NULL') from every_type order by id");
            let target = format!("select coalesce(({in_redshift})::text, 'NULL') from every_type order by id");
            let means = |cells: Vec<String>| cells.iter().map(|cell| meaning(name, cell)).collect::<Vec<_>>();
            let (source, target) = (means(job.in_source(&source).await), means(job.in_target(&target).await));
            assert_eq!(source.len(), 5);
            assert_eq!(source, target, "{name}");
        }
    }
}

#[tokio::test]
async fn dates_that_are_none_fail_or_become_null_and_are_counted() {
    let target = json!({"table": "zero_dates", "key": ["id"], "mode": "replace", "create": true});
    let job = deploy("zero_dates", json!({"zero_dates": "null"}), target.clone(), Value::Null).await;
    job.sides.in_mysql(&sample("every-type.sql")).await;
    let outcome = run_well(&job.deployment, json!({})).await;
    assert_eq!(outcome.counts["conclusion"]["changed"]["zero_dates"], 4, "{:?}", outcome.counts);
    let rows = "select concat_ws(' ', id, coalesce(a_date::text, '-'), coalesce(a_datetime::text, '-')) from zero_dates order by id";
    assert_eq!(job.in_target(rows).await, ["1 - -", "2 2024-01-31 2024-01-31 12:00:00", "3 - -", "4 - -"]);
    let job = deploy("zero_dates", json!({}), target, Value::Null).await;
    job.sides.in_mysql(&sample("every-type.sql")).await;
    let (error, cause) = run_badly(&job.deployment, json!({})).await;
    assert_eq!(error, "InvalidSource");
    // By its place; never by its value.
    assert!(cause.contains("a_date") && !cause.contains("0000-00-00"), "{cause}");
}
