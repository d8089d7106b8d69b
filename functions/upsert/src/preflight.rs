//! Is the target what the load needs? Everything that is wrong is said at once, before a byte is loaded.

use crate::shares;
use crate::sql_error::classify;
use crate::statements::{Statements, sql_type};
use sluice::contract::Column;
use sluice::spec::{OnOverlap, Target};
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use std::collections::BTreeMap;

/// A column of the target.
struct Existing {
    sql_type: String,
    must_be_given: bool,
}

/// Makes the table if that is asked for and it is missing, then checks it.
///
/// # Errors
/// `Misconfigured`, with everything that an operator has to put right.
pub async fn check(
    connection: &mut PgConnection,
    target: &Target,
    statements: &Statements,
    key: &Column,
    values: &[String],
) -> Result<()> {
    let name = &statements.target_name;
    let mut relation = kind_of_relation(connection, target).await?;
    if relation.is_none() && target.create {
        sqlx::query(AssertSqlSafe(statements.create_target.as_str()))
            .execute(&mut *connection)
            .await
            .map_err(|error| classify(format!("create the table {name}"), error))?;
        relation = kind_of_relation(connection, target).await?;
    }
    let problems = match relation.as_deref() {
        None => vec!["does not exist; create it, or let the spec say \"create\": true".to_owned()],
        Some("p") => vec!["is partitioned, which a load cannot count its rows in; load a plain table".to_owned()],
        Some("r") => {
            let mut problems = check_columns(&columns(connection, target).await?, key, values);
            problems.extend(check_unique(connection, target).await?);
            problems.extend(check_privileges(connection, target).await?);
            problems.extend(check_mode(connection, target).await?);
            problems
        }
        Some(_) => vec!["is not a table".to_owned()],
    };
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::new(Kind::Misconfigured, format!("target {name}: {}", problems.join("; ")))),
    }
}

async fn kind_of_relation(connection: &mut PgConnection, target: &Target) -> Result<Option<String>> {
    sqlx::query_scalar(
        "select c.relkind::text from pg_class c join pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = $1 and c.relname = $2",
    )
    .bind(&target.schema)
    .bind(&target.table)
    .fetch_optional(connection)
    .await
    .map_err(|error| classify("look up the target", error))
}

async fn columns(connection: &mut PgConnection, target: &Target) -> Result<BTreeMap<String, Existing>> {
    let rows = sqlx::query(
        "select a.attname::text, format_type(a.atttypid, a.atttypmod), \
         a.attnotnull and not a.atthasdef and a.attidentity = '' \
         from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = $1 and c.relname = $2 and a.attnum > 0 and not a.attisdropped",
    )
    .bind(&target.schema)
    .bind(&target.table)
    .fetch_all(connection)
    .await
    .map_err(|error| classify("look up the target's columns", error))?;
    Ok(rows.iter().map(|row| (row.get(0), Existing { sql_type: row.get(1), must_be_given: row.get(2) })).collect())
}

fn check_columns(existing: &BTreeMap<String, Existing>, key: &Column, values: &[String]) -> Vec<String> {
    let numerics = values.iter().map(|name| (name.as_str(), "numeric"));
    let wanted: BTreeMap<&str, &str> = numerics.chain([(key.name.as_str(), sql_type(key.kind))]).collect();
    let mut problems = Vec::new();
    for (name, sql_type) in &wanted {
        match existing.get(*name) {
            None => problems.push(format!("the column {name:?} ({sql_type}) is missing")),
            Some(column) if column.sql_type == *sql_type => {}
            Some(column) if column.sql_type.starts_with("numeric(") => {
                problems.push(format!("the column {name:?} is {}, which rounds; it must be numeric", column.sql_type));
            }
            Some(column) => problems.push(format!("the column {name:?} is {}, not {sql_type}", column.sql_type)),
        }
    }
    for (name, _) in
        existing.iter().filter(|(name, column)| column.must_be_given && !wanted.contains_key(name.as_str()))
    {
        problems.push(format!("the column {name:?} must be given a value, and the load has none"));
    }
    problems
}

async fn check_unique(connection: &mut PgConnection, target: &Target) -> Result<Option<String>> {
    let mut key = target.key.clone();
    key.sort();
    let has_unique: bool = sqlx::query_scalar(
        "select exists (select from pg_index i \
         join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = $1 and c.relname = $2 \
         and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null \
         and $3 = (select array_agg(a.attname::text order by a.attname::text collate \"C\") \
         from unnest(i.indkey) with ordinality as k (attnum, place) \
         join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum \
         where k.place <= i.indnkeyatts))",
    )
    .bind(&target.schema)
    .bind(&target.table)
    .bind(&key)
    .fetch_one(connection)
    .await
    .map_err(|error| classify("look up the target's constraints", error))?;
    Ok((!has_unique).then(|| format!("there is no unique constraint on exactly ({})", target.key.join(", "))))
}

async fn check_privileges(connection: &mut PgConnection, target: &Target) -> Result<Option<String>> {
    let needed: &[&str] = match target.on_overlap {
        OnOverlap::Replace => &["SELECT", "INSERT", "UPDATE"],
        OnOverlap::PerFile => &["SELECT", "INSERT", "UPDATE", "DELETE"],
    };
    let missing: Vec<String> = sqlx::query_scalar(
        "select privilege from pg_class c join pg_namespace n on n.oid = c.relnamespace, \
         unnest($3) as privilege \
         where n.nspname = $1 and c.relname = $2 and not has_table_privilege(c.oid, privilege) \
         union all select 'TEMPORARY on the database' where not has_database_privilege(current_database(), 'TEMPORARY')",
    )
    .bind(&target.schema)
    .bind(&target.table)
    .bind(needed)
    .fetch_all(connection)
    .await
    .map_err(|error| classify("look up the target's privileges", error))?;
    Ok((!missing.is_empty()).then(|| format!("the user lacks {}", missing.join(", "))))
}

/// Once the files' shares are kept, a load that does not keep them would make them wrong.
async fn check_mode(connection: &mut PgConnection, target: &Target) -> Result<Option<String>> {
    let name = shares::table_name(target);
    let keeps_shares = target.on_overlap == OnOverlap::Replace && shares::exists(connection, &name).await?;
    Ok(keeps_shares.then(|| {
        format!("was loaded per_file; leave on_overlap at that, or drop the table of shares, sluice.{name:?}, for good")
    }))
}
