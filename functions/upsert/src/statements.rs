//! The SQL for one target table. Identifiers are checked and quoted; values never appear in it.

use crate::arrays::Element;
use crate::merge::Merge;
use crate::shares::{Shares, table_name};
use sluice::contract::{ColumnKind, FILE_COLUMN, PivotResult};
use sluice::spec::{OnOverlap, Target};
use sluice::{Error, Kind, Result};

/// PostgreSQL cuts longer names short, in bytes ("SQL Syntax, Identifiers and Key Words").
pub(crate) const MAX_IDENTIFIER_BYTES: usize = 63;

/// The staging table. It lives in the session's own schema, under a name that no target can shadow.
pub(crate) const STAGING: &str = "pg_temp.sluice_staging";

/// The sums of several parts.
const SUMS: &str = "pg_temp.sluice_sums";

/// The statements of one load.
#[derive(Debug)]
pub struct Statements {
    /// The target as it is known to people and in `sluice.runs`: `schema.table`.
    pub target_name: String,
    /// Makes the target table.
    pub create_target: String,
    /// Makes the staging table, once the target is there; it is gone with the transaction.
    pub create_staging: String,
    /// Takes one part, in COPY's binary format.
    pub copy: String,
    /// Takes a small part, as an array per column.
    pub unnest: String,
    /// The types of these.
    pub elements: Vec<Element>,
    /// What comes of the staged rows.
    pub overlap: Overlap,
}

/// What staged rows mean for rows that are there.
#[derive(Debug)]
pub enum Overlap {
    /// A known key gets the new values.
    Replace {
        /// Merges what is staged, if it is one part: a part has each key once.
        one_part: Merge,
        /// Else adds up the parts.
        sum_up: String,
        /// And merges their sums.
        sums: Merge,
    },
    /// A key's values are the sum of what all files say of it.
    PerFile(Shares),
}

impl Statements {
    /// Builds them for parts as `result` describes them.
    ///
    /// # Errors
    /// `Misconfigured` for a name that is no identifier, for a key that is not the result's, and for parts that keep the files
    /// apart where the target does not want it, or the other way around.
    pub fn new(target: &Target, result: &PivotResult) -> Result<Self> {
        let (key, per_file) = (&result.key, target.on_overlap == OnOverlap::PerFile);
        if target.key != [key.name.as_str()] {
            let what = format!("the target's key is {:?}, the pivot's index is {:?}", target.key, key.name);
            return Err(Error::new(Kind::Misconfigured, what));
        }
        if per_file != result.per_file {
            let what = "the target's on_overlap is per_file if, and only if, the pivot's per_file is true";
            return Err(Error::new(Kind::Misconfigured, what));
        }
        let names = Names::new(target, result)?;
        let Names { table, key: key_name, key_type, .. } = &names;
        let list = names.list();
        let values = names.each(&|name| format!("{name} numeric not null"));
        let key_element = match result.key.kind {
            ColumnKind::Date => Element::Date,
            ColumnKind::Text => Element::Text,
        };
        let elements: Vec<Element> = per_file
            .then_some(Element::Integer)
            .into_iter()
            .chain([key_element])
            .chain(names.values.iter().map(|_| Element::Numeric))
            .collect();
        let file = if per_file { format!("0::bigint as {FILE_COLUMN}, ") } else { String::new() };
        let file_name = if per_file { format!("{FILE_COLUMN}, ") } else { String::new() };
        Ok(Self {
            target_name: table_name(target),
            create_target: format!("create table {table} ({key_name} {key_type} not null unique, {values})"),
            // From the target's own columns, whose collations a comparison needs.
            create_staging: format!(
                "create temporary table sluice_staging on commit drop as \
                 select {file}{key_name}, {list} from {table} with no data; \
                 alter table {STAGING} alter {key_name} set not null{}",
                names.values.iter().map(|name| format!(", alter {name} set not null")).collect::<String>(),
            ),
            unnest: format!(
                "insert into {STAGING} ({file_name}{key_name}, {list}) select * from unnest({})",
                (1..=elements.len()).map(|number| format!("${number}")).collect::<Vec<_>>().join(", "),
            ),
            elements,
            copy: format!("copy {STAGING} ({file_name}{key_name}, {list}) from stdin (format binary)"),
            overlap: match target.on_overlap {
                OnOverlap::PerFile => Overlap::PerFile(Shares::new(target, result, &names)?),
                OnOverlap::Replace => Overlap::Replace {
                    one_part: Merge::new(&names, STAGING),
                    sum_up: format!(
                        "create temporary table sluice_sums on commit drop as select {key_name}, {} from {STAGING} \
                         group by {key_name} order by {key_name}",
                        names.sums(),
                    ),
                    sums: Merge::new(&names, SUMS),
                },
            },
        })
    }
}

/// The names of a target, quoted.
pub struct Names {
    /// The table with its schema.
    pub table: String,
    /// The key column.
    pub key: String,
    /// Its type.
    pub key_type: &'static str,
    /// The value columns.
    pub values: Vec<String>,
}

impl Names {
    fn new(target: &Target, result: &PivotResult) -> Result<Self> {
        Ok(Self {
            table: format!("{}.{}", quoted(&target.schema)?, quoted(&target.table)?),
            key: quoted(&result.key.name)?,
            key_type: sql_type(result.key.kind),
            values: result.values.iter().map(|name| quoted(name)).collect::<Result<_>>()?,
        })
    }

    /// The value columns in some form, with commas between.
    pub fn each(&self, form: &dyn Fn(&str) -> String) -> String {
        self.values.iter().map(|name| form(name)).collect::<Vec<_>>().join(", ")
    }

    /// The value columns with commas between.
    pub fn list(&self) -> String {
        self.values.join(", ")
    }

    /// The sums of the value columns, under their names. Zeros at the end go: 1.50 and 1.5 are to be one value.
    pub fn sums(&self) -> String {
        self.each(&|name| format!("trim_scale(sum({name})) as {name}"))
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
    use sluice::spec::OnOverlap;

    fn target(table: &str, on_overlap: OnOverlap) -> Target {
        Target { schema: "public".into(), table: table.into(), key: vec!["date".into()], create: false, on_overlap }
    }

    fn result(value: &str, per_file: bool) -> PivotResult {
        serde_json::from_value(serde_json::json!({
            "output": {"index": 0, "pivoted": null, "rows_read": 0, "rows_rejected": 0, "rows_ignored": 0, "rejected": null,
                       "days": 0, "files_loaded": 0, "files_changed": 0},
            "key": {"name": "date", "kind": "date"}, "values": [value], "per_file": per_file, "loaded": [], "changed": [],
        }))
        .unwrap()
    }

    #[test]
    fn names_are_quoted_wherever_they_stand() {
        let nasty = "x\"; drop table y; --";
        for per_file in [false, true] {
            let on_overlap = if per_file { OnOverlap::PerFile } else { OnOverlap::Replace };
            let statements = Statements::new(&target(nasty, on_overlap), &result(nasty, per_file)).unwrap();
            let everything = format!("{statements:?}").replace("\\\"", "\"");
            // In `sluice.runs` and in a parameter it is a value.
            let everything = everything.replace("public.x\"; drop table y; --", "");
            let everything = everything.replace("columns: [\"x\"; drop table y; --\"]", "");
            let rest = everything.replace("x\"\"; drop table y; --\"", "");
            assert!(!rest.contains("drop table"), "{rest}");
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
    fn what_does_not_fit_together_is_refused() {
        let other = Target { key: vec!["day".into()], ..target("t", OnOverlap::Replace) };
        let long = target(&"t".repeat(60), OnOverlap::PerFile);
        for (target, per_file) in [
            (other, false),
            (target("t", OnOverlap::Replace), true),
            (target("t", OnOverlap::PerFile), false),
            (long, true),
        ] {
            let refused = Statements::new(&target, &result("v", per_file)).unwrap_err();
            assert_eq!(refused.kind(), Kind::Misconfigured, "{target:?}");
        }
    }
}
