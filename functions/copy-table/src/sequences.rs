//! Sequences that a copy leaves behind: an identity column takes the values that are copied, but its sequence goes on
//! where it was, and the target's own next row would collide with one of them.

use crate::catalogue::Table;
use postgres::identifiers::quoted;
use postgres::sql_error::classify;
use sluice::Result;
use sqlx::PgConnection;

/// Statements that make the sequences of a table go on after its rows, for somebody who wants rows of the target's own
/// there, and who may. None is run: what is only copied needs none.
///
/// # Errors
/// As [`classify`].
pub(crate) async fn offers(connection: &mut PgConnection, table: &Table) -> Result<Vec<String>> {
    let owned: Vec<(String, String, String)> = sqlx::query_as(
        "select a.attname::text, c.oid::regclass::text, s.oid::regclass::text
         from pg_depend d
         join pg_class s on s.oid = d.objid and s.relkind = 'S'
         join pg_class c on c.oid = d.refobjid
         join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
         where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = $1::oid
         and d.deptype in ('a', 'i')
         order by a.attnum",
    )
    .bind(table.oid)
    .fetch_all(connection)
    .await
    .map_err(|error| classify(format!("look for the sequences of {}", table.name), error))?;
    owned
        .into_iter()
        .map(|(column, table, sequence)| {
            let sequence = sequence.replace('\'', "''");
            Ok(format!("select setval('{sequence}', (select max({}) from {table}))", quoted(&column)?))
        })
        .collect()
}
