//! Every type at its limits goes over exactly; what cannot is told, or becomes what the policies say.

use crate::lab::*;
use serde_json::json;
use sluice::Kind;
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Row};

/// A value of MySQL and one of Redshift as texts that are the same if the values are.
fn same(data_type: &str, source: &Option<String>, target: &Option<String>) -> bool {
    let (Some(source), Some(target)) = (source, target) else { return source == target };
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    match data_type {
        "float" => source.parse::<f64>().unwrap() == f64::from(target.parse::<f32>().unwrap()),
        "double" => source.parse::<f64>().unwrap() == target.parse::<f64>().unwrap(),
        "year" => source.parse::<u32>().unwrap() == target.parse::<u32>().unwrap(),
        "datetime" | "timestamp" => trimmed(source) == trimmed(target),
        "bit" if target == "true" || target == "false" => (source == "1") == (target == "true"),
        _ => source == target,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_goes_over_at_its_limits() {
    let lab = Lab::new().await;
    let sample = local::binaries::workspace().join("local/sample/nps/every-type.sql");
    lab.in_mysql(&std::fs::read_to_string(sample).unwrap()).await;
    // Of the rows themselves one has NULL in every column that could say which window it is in.
    lab.in_mysql("alter table every_type add loaded_at timestamp not null default '2018-07-01 12:00:00'").await;
    let columns = lab
        .source(&format!(
            "select concat(column_name, '\\n', data_type) from information_schema.columns \
             where table_schema = '{}' and table_name = 'every_type' order by ordinal_position",
            lab.name
        ))
        .await;
    let columns: Vec<(&str, &str)> = columns.iter().map(|column| column.split_once('\n').unwrap()).collect();
    assert!(columns.len() > 30, "{columns:?}");
    // In every mode, all rows of one day, and with everything compared that can be.
    let parts = |mode: &str| {
        let windows = json!({"cursor": "loaded_at", "zone": "UTC", "start": "2018-07-01"});
        json!({
            "source": {"schema": lab.name, "table": "every_type"},
            "target": {"table": "every_type", "key": ["id"], "mode": mode, "create": true, "verify": "hash"},
            "windows": if mode == "replace" { json!(null) } else { windows },
        })
    };
    let day = json!({"from": "2018-07-01", "to": "2018-07-02"});
    for mode in ["replace", "upsert", "replace_window"] {
        let input = || if mode == "replace" { json!({}) } else { day.clone() };
        lab.run(&parts(mode), input()).await.unwrap();
        assert_cells_equal(&lab, &columns, mode).await;
        // Nothing of it is found different when it comes again.
        let counts = lab.run(&parts(mode), input()).await.unwrap().counts;
        let unchanged = if mode == "replace" { 0 } else { 5 };
        assert_eq!((counts.rows, counts.rows_unchanged, counts.rows_inserted), (5, unchanged, 5 - unchanged), "{mode}");
        assert_cells_equal(&lab, &columns, mode).await;
        lab.in_redshift("drop table every_type; delete from sluice.loads").await;
    }
}

/// Every cell of every column is the same on both sides.
async fn assert_cells_equal(lab: &Lab, columns: &[(&str, &str)], mode: &str) {
    let (mut mysql, mut redshift) = (lab.mysql().await, lab.redshift().await);
    for (column, data_type) in columns {
        let (backquoted, quoted) = (format!("`{column}`"), format!("\"{}\"", column.replace('"', "\"\"")));
        let read = match *data_type {
            "bit" => format!("{backquoted} + 0"),
            "float" => format!("{backquoted} + 0e0"),
            "binary" | "varbinary" | "blob" => format!("lower(hex({backquoted}))"),
            _ => backquoted,
        };
        let written = match *data_type {
            "binary" | "varbinary" | "blob" => format!("encode({quoted}, 'hex')"),
            _ => format!("{quoted}::text"),
        };
        let marked = |text: &str| text.strip_prefix('=').map(ToOwned::to_owned);
        let query = format!("select coalesce(concat('=', {read}), 'null') from every_type order by id");
        let rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(&mut mysql).await.unwrap();
        let text = |row: &MySqlRow| marked(std::str::from_utf8(row.try_get_unchecked::<&[u8], _>(0).unwrap()).unwrap());
        let source: Vec<Option<String>> = rows.iter().map(text).collect();
        let query = format!("select coalesce('=' || {written}, 'null') from every_type order by id");
        let target: Vec<String> = sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(&mut redshift).await.unwrap();
        assert_eq!((source.len(), target.len()), (5, 5));
        for (source, target) in source.iter().zip(target.iter().map(|text| marked(text))) {
            assert!(same(data_type, source, &target), "{mode}: {column} {data_type}: {source:?} became {target:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_that_are_none_are_refused_or_become_null_and_are_counted() {
    let lab = Lab::new().await;
    lab.in_mysql(
        "set sql_mode = ''; create table nps (id int not null primary key, created_at datetime(6), score date)",
    )
    .await;
    lab.in_mysql(
        "set sql_mode = ''; insert into nps values (1, '2018-07-01', '2018-07-01'), (2, '0000-00-00', '2018-02-00')",
    )
    .await;
    let mut parts = lab.nps("replace");
    let error = lab.run(&parts, json!({})).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidSource);
    let told = error.to_string();
    assert!(
        told.contains(".nps: the value of the column \"created_at\" in row 2 in the order of id is no day"),
        "{told}"
    );
    assert!(!told.contains("0000"), "{told}");
    parts["source"]["zero_dates"] = json!("null");
    let output = lab.run(&parts, json!({})).await.unwrap();
    assert_eq!((output.counts.rows, output.changed.zero_dates), (2, 2));
    let rows = lab.target("select concat_ws(' ', id, created_at, score) from nps order by id").await;
    assert_eq!(rows, ["1 2018-07-01 00:00:00 2018-07-01", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_are_too_long_or_have_nul_bytes_are_refused_or_changed_and_counted() {
    let lab = Lab::new().await;
    lab.in_mysql("create table nps (id int not null primary key, note mediumtext) default charset utf8mb4").await;
    lab.in_mysql("insert into nps values (1, concat(repeat('x', 65534), 'ä')), (2, concat('a', char(0), 'b'))").await;
    let mut parts = lab.nps("replace");
    let error = lab.run(&parts, json!({})).await.unwrap_err();
    assert!(
        error.to_string().contains("\"note\" in row 1") && error.to_string().contains("source/too_long"),
        "{error}"
    );
    parts["source"]["too_long"] = json!("truncate");
    let error = lab.run(&parts, json!({})).await.unwrap_err();
    assert!(error.to_string().contains("row 2") && error.to_string().contains("source/nul"), "{error}");
    parts["source"]["nul"] = json!("strip");
    let output = lab.run(&parts, json!({})).await.unwrap();
    assert_eq!((output.changed.truncated, output.changed.nuls), (1, 1));
    let rows = lab.target("select concat_ws(' ', id, octet_length(note), right(note, 2)) from nps order by id").await;
    assert_eq!(rows, ["1 65534 xx", "2 2 ab"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_choose_is_what_the_target_has() {
    let lab = Lab::new().await;
    lab.in_mysql(
        "create table nps (id bigint unsigned not null primary key, flag tinyint(1), t time(6), d decimal(65,30), j json, u time); \
         insert into nps values (9223372036854775807, 1, '-838:59:59', 0.5, '{\"a\": 1}', '23:59:59'), (1, 0, '00:00:00.000001', 7, 'null', null)",
    )
    .await;
    lab.in_redshift("create table nps (id bigint not null, flag boolean, t decimal(13,6), d decimal(38,10), j varchar(65535), u time)").await;
    lab.run(&lab.nps("replace"), json!({})).await.unwrap();
    let rows = lab.target("select concat_ws(' ', id, flag, t, d, u) from nps order by id").await;
    assert_eq!(rows, ["1 f 0.000001 7.0000000000", "9223372036854775807 t -3020399.000000 0.5000000000 23:59:59"]);
    for (change, expected) in [
        ("update nps set flag = 2 where id = 1", "\"flag\" in row 1 in the order of id is neither 0 nor 1"),
        ("update nps set flag = 1, d = 1e-20 where id = 1", "\"d\" in row 1 in the order of id has more digits behind"),
        (
            "update nps set d = 1, id = 9223372036854775808 where id = 1",
            "\"id\" in row 2 in the order of id is more than",
        ),
    ] {
        lab.in_mysql(change).await;
        let error = lab.run(&lab.nps("replace"), json!({})).await.unwrap_err();
        assert!(error.kind() == Kind::InvalidSource && error.to_string().contains(expected), "{error}");
    }
    assert_eq!(lab.target("select count(*)::text from nps").await, ["2"], "a failed run leaves the table as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_sixteen_megabytes_is_not_the_end_of_all_rows() {
    let lab = Lab::new().await;
    lab.in_mysql("set global max_allowed_packet = 67108864").await;
    lab.in_mysql("create table nps (note longtext not null, id int not null primary key) default charset utf8mb4")
        .await;
    for id in 1..=6 {
        let note = if id == 3 { "repeat('x', 16777300)" } else { "'short'" };
        lab.in_mysql(&format!("insert into nps values ({note}, {id})")).await;
    }
    let mut parts = lab.nps("replace");
    parts["source"]["too_long"] = json!("truncate");
    let output = lab.run(&parts, json!({})).await.unwrap();
    assert_eq!((output.counts.rows, output.changed.truncated), (6, 1));
    assert_eq!(lab.target("select count(*)::text from nps").await, ["6"]);
}
