//! Partial sums as pivot leaves them, written and read by the database itself: what it takes and what it sends is the
//! format.

use crate::support::*;

/// A part with the rows of a CSV text: a date and two numbers each.
pub(crate) async fn encoded(stack: &Fixture, csv: &str) -> Vec<u8> {
    let mut connection = stack.connect().await.unwrap();
    let rows: Option<Vec<u8>> = sqlx::query_scalar(
        "select string_agg('\\x0003'::bytea || int4send(length(date)) || date || int4send(length(first)) || first \
         || int4send(length(second)) || second, ''::bytea order by number) \
         from regexp_split_to_table($1, '\\n') with ordinality as lines (line, number), \
         lateral (select date_send(split_part(line, ',', 1)::date) as date, \
         numeric_send(split_part(line, ',', 2)::numeric) as first, numeric_send(split_part(line, ',', 3)::numeric) as second \
         where line <> '') as fields",
    )
    .bind(csv)
    .fetch_one(&mut connection)
    .await
    .unwrap();
    [&b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"[..], &rows.unwrap_or_default(), &[0xff, 0xff]].concat()
}

/// The rows of a part, as `date,number,number`.
pub(crate) async fn decoded(stack: &Fixture, key: &str) -> Vec<String> {
    let mut connection = stack.connect().await.unwrap();
    let part = read_bytes(stack, key).await;
    sqlx::query("create temporary table part (date date, learning numeric, work numeric)")
        .execute(&mut connection)
        .await
        .unwrap();
    let mut copy = connection.copy_in_raw("copy part from stdin (format binary)").await.unwrap();
    copy.send(part).await.unwrap();
    copy.finish().await.unwrap();
    sqlx::query_scalar("select concat_ws(',', date, learning, work) from part order by ctid")
        .fetch_all(&mut connection)
        .await
        .unwrap()
}
