//! Names in SQL text: checked and quoted. Values are never part of it: they are bound.

use sluice::{Error, Kind, Result};
use std::collections::BTreeSet;

/// PostgreSQL cuts longer names short, in bytes ("SQL Syntax, Identifiers and Key Words").
pub const MAX_IDENTIFIER_BYTES: usize = 63;

/// A quoted identifier.
///
/// # Errors
/// `Misconfigured` for a name that PostgreSQL could not keep as it is.
pub fn quoted(name: &str) -> Result<String> {
    if name.is_empty() || name.len() > MAX_IDENTIFIER_BYTES || name.contains('\0') {
        let what =
            format!("invalid PostgreSQL name {name:?}: a name has 1 to {MAX_IDENTIFIER_BYTES} bytes, none of them NUL");
        return Err(Error::new(Kind::Misconfigured, what));
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}

/// The names of a table with its key columns, quoted.
#[derive(Clone, Debug)]
pub struct Names {
    /// The table with its schema.
    pub table: String,
    /// The same as rows are looked for in it: without those of tables that inherit from it, but with those of its
    /// partitions.
    pub rows: String,
    /// The key columns, one at least.
    pub keys: Vec<String>,
    /// The other columns that are loaded.
    pub values: Vec<String>,
    /// Those of them that are `json`, which knows no equality.
    pub json: BTreeSet<String>,
    /// Those of them that are texts. They are compared by their bytes: a collation may take different ones for the
    /// same, or be another one than that of what is loaded.
    pub texts: BTreeSet<String>,
}

impl Names {
    /// Quotes them. Of a table that has no partitions, and no columns of the type `json`.
    ///
    /// # Errors
    /// As [`quoted`].
    pub fn new(schema: &str, table: &str, keys: &[String], values: &[String]) -> Result<Self> {
        let all = |names: &[String]| names.iter().map(|name| quoted(name)).collect::<Result<Vec<_>>>();
        let table = format!("{}.{}", quoted(schema)?, quoted(table)?);
        let rows = format!("only {table}");
        Ok(Self { table, rows, keys: all(keys)?, values: all(values)?, json: BTreeSet::new(), texts: BTreeSet::new() })
    }

    /// Says that the table has partitions.
    pub fn set_partitioned(&mut self) {
        self.rows.clone_from(&self.table);
    }

    /// The key columns with commas between.
    pub fn key_list(&self) -> String {
        self.keys.join(", ")
    }

    /// The key columns of a table or alias, with commas between.
    pub fn keys_of(&self, alias: &str) -> String {
        qualified(alias, &self.keys)
    }

    /// The key of a row of a table or alias as people read it, a text: one column as it is, several with commas
    /// between.
    pub fn shown(&self, alias: &str) -> String {
        match &self.keys[..] {
            [key] => format!("{alias}.{key}::text"),
            keys => {
                let keys: Vec<String> = keys.iter().map(|key| format!("{alias}.{key}::text collate \"C\"")).collect();
                format!("concat_ws(', ', {})", keys.join(", "))
            }
        }
    }

    /// That two rows have the same key.
    pub fn same_key(&self, one: &str, other: &str) -> String {
        let same: Vec<String> = self.keys.iter().map(|key| format!("{one}.{key} = {other}.{key}")).collect();
        same.join(" and ")
    }

    /// The value columns with commas between.
    pub fn list(&self) -> String {
        self.values.join(", ")
    }

    /// The value columns, each as `form` has it, with commas between.
    pub fn each(&self, form: impl Fn(&str) -> String) -> String {
        self.values.iter().map(|name| form(name)).collect::<Vec<_>>().join(", ")
    }

    /// The value columns of a table or alias, with commas between.
    pub fn of(&self, alias: &str) -> String {
        qualified(alias, &self.values)
    }

    /// The same, as they can be compared.
    pub fn compared(&self, alias: &str) -> String {
        self.each(|name| match (self.json.contains(name), self.texts.contains(name)) {
            (true, _) => format!("{alias}.{name}::jsonb"),
            (_, true) => format!("{alias}.{name} collate \"C\""),
            _ => format!("{alias}.{name}"),
        })
    }

    /// Sets each value column to that of a table or alias.
    pub fn set_from(&self, alias: &str) -> String {
        self.each(|name| format!("{name} = {alias}.{name}"))
    }
}

/// Columns of a table or alias, with commas between.
pub fn qualified(alias: &str, columns: &[String]) -> String {
    columns.iter().map(|name| format!("{alias}.{name}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        let nasty = "x\"; drop table y; --";
        let nasties = [nasty.to_owned()];
        let names = Names::new(nasty, nasty, &nasties, &nasties).unwrap();
        let quoted = "\"x\"\"; drop table y; --\"";
        assert_eq!(names.table, format!("{quoted}.{quoted}"));
        assert_eq!([names.key_list(), names.list()], [quoted, quoted]);
        assert_eq!(names.set_from("staged"), format!("{quoted} = staged.{quoted}"));
    }

    #[test]
    fn keys_of_several_columns_are_one_key() {
        let keys = ["a", "b"].map(str::to_owned);
        let names = Names::new("s", "t", &keys, &[]).unwrap();
        assert_eq!(names.keys_of("x"), "x.\"a\", x.\"b\"");
        assert_eq!(names.same_key("x", "y"), "x.\"a\" = y.\"a\" and x.\"b\" = y.\"b\"");
        let shown = "concat_ws(', ', x.\"a\"::text collate \"C\", x.\"b\"::text collate \"C\")";
        assert_eq!(names.shown("x"), shown);
        assert_eq!(Names::new("s", "t", &keys[..1], &[]).unwrap().shown("x"), "x.\"a\"::text");
    }

    #[test]
    fn names_that_cannot_be_kept_are_refused() {
        for name in ["", "a\0b", &"é".repeat(32)] {
            assert_eq!(quoted(name).unwrap_err().kind(), Kind::Misconfigured);
        }
        assert_eq!(quoted(&"e".repeat(63)).unwrap().len(), 65);
    }
}
