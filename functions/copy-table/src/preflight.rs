//! Does the target take what is copied, and keep it as it is? All that is wrong is said at once, before a row is read.

use crate::catalogue::Table;
use postgres::preflight::Wanted;
use postgres::sql_error::classify;
use sluice::Result;
use sluice::contract::copy_table::{Mode, Spec};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use std::collections::BTreeMap;

/// The first version with all that is used here.
const OLDEST_TARGET: i32 = 140_000;

/// What of the target would change or lose what is copied, so that an operator has to put it right.
///
/// # Errors
/// As [`classify`].
pub(crate) async fn problems(connection: &mut PgConnection, spec: &Spec, target: &Table) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    match target.kind.as_str() {
        "r" | "p" => {}
        _ => problems.push("it is not a table".to_owned()),
    }
    if target.server.version < OLDEST_TARGET {
        problems.push("its server is older than PostgreSQL 14".to_owned());
    }
    problems.extend(relation_problems(connection, spec, target).await?);
    let privileges: &[&str] = match spec.target.mode {
        Mode::Upsert => &["SELECT", "INSERT", "UPDATE"],
        Mode::ReplaceWindow | Mode::Replace => &["SELECT", "INSERT", "UPDATE", "DELETE"],
    };
    let wanted = Wanted {
        schema: &spec.target.schema,
        table: &spec.target.table,
        columns: BTreeMap::new(),
        key: &spec.target.key,
        privileges,
    };
    if !spec.target.key.is_empty() {
        problems.extend(wanted.missing_constraint(connection).await?);
    }
    problems.extend(wanted.missing_privileges(connection).await?);
    // An identity that is always generated cannot be updated, so only a key, which never is, may be one.
    let fixed = target.columns.iter().filter(|column| column.is_identity_always);
    problems.extend(fixed.filter(|column| !spec.target.key.contains(&column.name)).map(|column| {
        format!("the column {:?} is GENERATED ALWAYS AS IDENTITY, but not in the key; make it BY DEFAULT", column.name)
    }));
    Ok(problems)
}

/// What is wrong with the table itself, or with one of its partitions.
async fn relation_problems(connection: &mut PgConnection, spec: &Spec, target: &Table) -> Result<Vec<String>> {
    let tree = match target.kind.as_str() {
        "p" => "select relid::oid from pg_partition_tree($1::oid::regclass)",
        _ => "select $1::oid",
    };
    let row = sqlx::query(AssertSqlSafe(format!(
        "with tree (oid) as ({tree})
         select
             exists (select from pg_class c join tree using (oid) where c.relpersistence = 'u'),
             exists (select from pg_class c join tree using (oid) where c.relkind = 'f'),
             exists (
                 select from pg_inherits i join pg_class c on c.oid = i.inhparent where c.oid = $1::oid and c.relkind = 'r'
             ),
             exists (select from pg_class c join tree using (oid) where c.relhasrules),
             row_security_active($1::oid),
             array(
                 select distinct t.tgname::text from pg_trigger t join tree on tree.oid = t.tgrelid
                 where not t.tgisinternal and t.tgenabled <> 'D' and t.tgtype & 1 = 1
             )"
    )))
    .bind(target.oid)
    .fetch_one(connection)
    .await
    .map_err(|error| classify(format!("look at the target {}", target.name), error))?;
    let triggers: Vec<String> = row.get(5);
    let mut problems = Vec::new();
    for (is_so, problem) in [
        (row.get(0), "it is unlogged, so a crash would empty it while its windows are recorded"),
        (row.get(1), "one of its partitions is a foreign table"),
        (row.get(2), "other tables inherit from it"),
        (row.get(3), "it has rewrite rules"),
        (row.get(4), "row-level security applies to the user, who has to be the owner or exempt"),
    ] {
        if is_so {
            problems.push(problem.to_owned());
        }
    }
    if !triggers.is_empty() && !spec.target.allow_triggers {
        problems.push(format!(
            "its row triggers {triggers:?} may change what is copied; disable them, or set allow_triggers, which verifies \
             counts only"
        ));
    }
    Ok(problems)
}
