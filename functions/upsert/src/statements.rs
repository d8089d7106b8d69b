//! The SQL for one target table. Identifiers are checked and quoted; values never appear in it.

use pipeline::contract::{Column, ColumnKind};
use pipeline::spec::Target;
use pipeline::{Error, Kind, Result};

/// PostgreSQL cuts longer names short, in bytes ("SQL Syntax, Identifiers and Key Words").
const MAX_IDENTIFIER_BYTES: usize = 63;

/// The staging table. It lives in the session's own schema, under a name that no target can shadow.
const STAGING: &str = "pg_temp.sluice_staging";

/// The statements of one load.
#[derive(Debug)]
pub struct Statements {
    /// The target as it is known to people and in `sluice.runs`: `schema.table`.
    pub target_name: String,
    /// Makes the target table.
    pub create_target: String,
    /// Makes the staging table; it is gone with the transaction.
    pub create_staging: String,
    /// Takes one part, as CSV with a header.
    pub copy: String,
    /// How many different keys are staged.
    pub count_keys: String,
    /// Adds up the parts and merges them; answers how many rows were inserted and how many updated.
    pub merge: String,
}

impl Statements {
    /// Builds them.
    ///
    /// # Errors
    /// `Misconfigured` for a name that is no identifier, and for a key that is not the result's.
    pub fn new(target: &Target, key: &Column, values: &[String]) -> Result<Self> {
        if target.key != [key.name.as_str()] {
            let what = format!("the target's key is {:?}, the pivot's index is {:?}", target.key, key.name);
            return Err(Error::new(Kind::Misconfigured, what));
        }
        let table = format!("{}.{}", quoted(&target.schema)?, quoted(&target.table)?);
        let key_name = quoted(&key.name)?;
        let values: Vec<String> = values.iter().map(|name| quoted(name)).collect::<Result<_>>()?;
        let key_type = sql_type(key.kind);
        let each = |form: &dyn Fn(&str) -> String| values.iter().map(|name| form(name)).collect::<Vec<_>>().join(", ");
        let names = each(&ToString::to_string);
        Ok(Self {
            target_name: format!("{}.{}", target.schema, target.table),
            create_target: format!(
                "create table {table} ({key_name} {key_type} not null unique, {})",
                each(&|name| format!("{name} numeric not null"))
            ),
            create_staging: format!(
                "create temporary table sluice_staging ({key_name} {key_type} not null, {}) on commit drop",
                each(&|name| format!("{name} numeric not null"))
            ),
            copy: format!("copy {STAGING} ({key_name}, {names}) from stdin (format csv, header true)"),
            count_keys: format!("select count(distinct {key_name}) from {STAGING}"),
            // The order makes concurrent writers of other tools meet the rows in one order, hence without a deadlock.
            merge: format!(
                "with written as (\
                 insert into {table} as known ({key_name}, {names}) \
                 select {key_name}, {} from {STAGING} group by {key_name} order by {key_name} \
                 on conflict ({key_name}) do update set {} \
                 where ({}) is distinct from ({}) \
                 returning (xmax = 0) as is_new) \
                 select count(*) filter (where is_new), count(*) filter (where not is_new) from written",
                each(&|name| format!("trim_scale(sum({name}))")),
                each(&|name| format!("{name} = excluded.{name}")),
                each(&|name| format!("known.{name}")),
                each(&|name| format!("excluded.{name}")),
            ),
        })
    }
}

/// The type of a key column.
pub fn sql_type(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Date => "date",
        ColumnKind::Text => "text",
    }
}

/// A quoted identifier.
///
/// # Errors
/// `Misconfigured` for a name that PostgreSQL could not keep as it is.
pub fn quoted(name: &str) -> Result<String> {
    if name.is_empty() || name.len() > MAX_IDENTIFIER_BYTES || name.contains('\0') {
        let what = format!("{name:?} is no PostgreSQL name: 1 to {MAX_IDENTIFIER_BYTES} bytes, none of them NUL");
        return Err(Error::new(Kind::Misconfigured, what));
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::spec::OnOverlap;

    fn target(table: &str) -> Target {
        Target {
            schema: "public".into(),
            table: table.into(),
            key: vec!["date".into()],
            create: false,
            on_overlap: OnOverlap::Replace,
        }
    }

    fn key() -> Column {
        Column { name: "date".into(), kind: ColumnKind::Date }
    }

    #[test]
    fn names_are_quoted_wherever_they_stand() {
        let nasty = "x\"; drop table y; --";
        let statements = Statements::new(&target(nasty), &key(), &[nasty.to_owned()]).unwrap();
        let Statements { create_target, create_staging, copy, merge, .. } = statements;
        for text in [create_target, create_staging, copy, merge] {
            assert!(!text.replace("\"x\"\"; drop table y; --\"", "").contains("drop table"), "{text}");
        }
    }

    #[test]
    fn names_that_cannot_be_kept_are_refused() {
        for name in ["", "a\0b", &"é".repeat(32)] {
            assert_eq!(quoted(name).unwrap_err().kind(), Kind::Misconfigured);
        }
        assert_eq!(quoted(&"e".repeat(63)).unwrap().len(), 65);
    }

    #[test]
    fn the_key_must_be_the_index() {
        let other = Target { key: vec!["day".into()], ..target("t") };
        assert_eq!(Statements::new(&other, &key(), &["v".into()]).unwrap_err().kind(), Kind::Misconfigured);
    }
}
