//! Names in SQL text: checked and quoted. Values are never part of it: they are bound.

use sluice::{Error, Kind, Result};

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

/// The names of a table with one key column, quoted.
#[derive(Clone, Debug)]
pub struct Names {
    /// The table with its schema.
    pub table: String,
    /// The key column.
    pub key: String,
    /// The value columns.
    pub values: Vec<String>,
}

impl Names {
    /// Quotes them.
    ///
    /// # Errors
    /// As [`quoted`].
    pub fn new(schema: &str, table: &str, key: &str, values: &[String]) -> Result<Self> {
        Ok(Self {
            table: format!("{}.{}", quoted(schema)?, quoted(table)?),
            key: quoted(key)?,
            values: values.iter().map(|name| quoted(name)).collect::<Result<_>>()?,
        })
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
        self.each(|name| format!("{alias}.{name}"))
    }

    /// The sums of the value columns, under their names. Zeros at the end go: 1.50 and 1.5 are to be one value.
    pub fn sums(&self) -> String {
        self.each(|name| format!("trim_scale(sum({name})) as {name}"))
    }

    /// Sets each value column to that of a table or alias.
    pub fn set_from(&self, alias: &str) -> String {
        self.each(|name| format!("{name} = {alias}.{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        let nasty = "x\"; drop table y; --";
        let names = Names::new(nasty, nasty, nasty, &[nasty.to_owned()]).unwrap();
        let quoted = "\"x\"\"; drop table y; --\"";
        assert_eq!(names.table, format!("{quoted}.{quoted}"));
        assert_eq!([names.key.clone(), names.list()], [quoted, quoted]);
        assert_eq!(names.set_from("staged"), format!("{quoted} = staged.{quoted}"));
    }

    #[test]
    fn names_that_cannot_be_kept_are_refused() {
        for name in ["", "a\0b", &"é".repeat(32)] {
            assert_eq!(quoted(name).unwrap_err().kind(), Kind::Misconfigured);
        }
        assert_eq!(quoted(&"e".repeat(63)).unwrap().len(), 65);
    }
}
