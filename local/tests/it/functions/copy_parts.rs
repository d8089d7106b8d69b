//! Partial sums as pivot leaves them, written and read by the database itself: what it takes and what it sends is the
//! format.

use crate::support::*;
use serde_json::json;

/// A part with these rows, whose columns have these types.
pub(crate) async fn encoded(stack: &Fixture, types: &[&str], rows: &[Vec<String>]) -> Vec<u8> {
    let field = |(place, kind): (usize, &&str)| {
        let send = match *kind {
            "bigint" => "int8send",
            "smallint" => "int2send",
            "date" => "date_send",
            "text" => "textsend",
            "numeric" => "numeric_send",
            other => panic!("{other} in a part"),
        };
        let sent = format!("{send}((line->>{place})::{kind})");
        format!("int4send(length({sent})) || {sent}")
    };
    let fields: Vec<String> = types.iter().enumerate().map(field).collect();
    let mut connection = stack.connect().await.unwrap();
    let encoded: Option<Vec<u8>> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "select string_agg(int2send({}::smallint) || {}, ''::bytea order by number) \
         from json_array_elements($1::json) with ordinality as lines (line, number)",
        types.len(),
        fields.join(" || ")
    )))
    .bind(json!(rows).to_string())
    .fetch_one(&mut connection)
    .await
    .unwrap();
    [&b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"[..], &encoded.unwrap_or_default(), &[0xff, 0xff]].concat()
}

/// The rows of a part whose columns have these types, their fields with commas between.
pub(crate) async fn decoded(stack: &Fixture, types: &[&str], key: &str) -> Vec<String> {
    let mut connection = stack.connect().await.unwrap();
    let part = read_bytes(stack, key).await;
    let columns: Vec<String> =
        (0..).zip(types).map(|(place, kind): (u32, _)| format!("column_{place} {kind}")).collect();
    let create = format!("create temporary table part ({})", columns.join(", "));
    sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
    let mut copy = connection.copy_in_raw("copy part from stdin (format binary)").await.unwrap();
    copy.send(part).await.unwrap();
    copy.finish().await.unwrap();
    let names: Vec<String> = (0..types.len()).map(|place| format!("column_{place}")).collect();
    let rows = format!("select concat_ws(',', {}) from part order by ctid", names.join(", "));
    sqlx::query_scalar(sqlx::AssertSqlSafe(rows)).fetch_all(&mut connection).await.unwrap()
}
