//! The target of a load: does the spec fit the parts, and what are the names? Made if it is missing, and checked before
//! a byte is loaded.

use crate::casts::{self, Cast, cast};
use crate::content::Content;
use crate::merged::{Keys, select_keys};
use postgres::identifiers::{Names, quoted};
use postgres::preflight::{Existing, Wanted, WantedColumn};
use postgres::sql_error::{classify, classify_rows};
use sluice::contract::{Layout, PartContent, PivotResult, Says};
use sluice::spec::{ColumnKind, Spec, TableColumn};
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};
use std::collections::BTreeMap;

/// A target, for parts as pivot describes them.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    /// The job's spec.
    pub spec: &'a Spec,
    /// Its names, quoted.
    pub names: Names,
    /// As people and `sluice.runs` know it: `schema.table`.
    pub full_name: String,
    /// How the parts are made.
    pub layout: Layout,
    /// What they say of a key.
    pub content: Content,
    /// The columns that are loaded: the keys in their order, then the others by name. What the table has is known once
    /// it was prepared.
    pub columns: Vec<TargetColumn>,
}

/// A column of the target.
#[derive(Debug)]
pub(crate) struct TargetColumn {
    /// Its name, not quoted.
    pub name: String,
    /// The same, quoted.
    pub quoted: String,
    /// The type of what is loaded.
    pub kind: ColumnKind,
    /// Whether it is a key.
    pub is_key: bool,
    /// Its type, as `format_type` has it.
    pub sql_type: String,
    /// Its collation, quoted.
    pub collation: Option<String>,
    /// How values become those of its type.
    pub cast: Cast,
    /// Whether its collation may take different texts for the same.
    has_equal_texts: bool,
    is_not_null: bool,
}

impl<'a> Target<'a> {
    /// The target of a load of such parts.
    ///
    /// # Errors
    /// `Misconfigured` for parts that are not what pivot makes of this spec.
    pub(crate) fn new(spec: &'a Spec, parts: &[PivotResult]) -> Result<Self> {
        let (target, keys, layout) = (&spec.target, &spec.shape.keys, Layout::of(spec));
        let column = |column: TableColumn<'_>| -> Result<TargetColumn> {
            let wanted = target.types.get(&column.name).map(|kind| casts::format_type(*kind));
            let sql_type = wanted.unwrap_or_else(|| casts::format_kind(column.kind).to_owned());
            Ok(TargetColumn {
                quoted: quoted(&column.name)?,
                is_key: keys.contains(&column.name),
                kind: column.kind,
                cast: cast(column.kind, &sql_type).unwrap_or(Cast::None),
                name: column.name,
                sql_type,
                collation: None,
                has_equal_texts: false,
                is_not_null: column.is_not_null,
            })
        };
        let target = Self {
            spec,
            names: Names::new(&target.schema, &target.table, keys, &spec.value_columns())?,
            full_name: target.full_name(),
            content: Content::new(&layout)?,
            layout,
            columns: spec.table_columns().into_iter().map(column).collect::<Result<_>>()?,
        };
        match parts.iter().find(|part| part.layout != target.layout) {
            None => Ok(target),
            Some(part) => {
                let what = format!("batch {} was pivoted by another spec than this one", part.output.index);
                Err(Error::new(Kind::Misconfigured, what))
            }
        }
    }

    /// Whether the word of each file is kept, so that parts keep them apart.
    pub(crate) fn keeps_words(&self) -> bool {
        self.spec.target.on_overlap.keeps_words()
    }

    /// Whether rows may be in quarantine, so that parts say of which keys.
    pub(crate) fn has_states(&self) -> bool {
        self.layout.has_states
    }

    /// The columns of sums and counts, which can get smaller only if what files say does; quoted.
    pub(crate) fn added_up(&self) -> impl Iterator<Item = &String> {
        let is_added_up = |says: Says| matches!(says, Says::Sum { .. } | Says::Count);
        let words = match &self.layout.content {
            PartContent::Values(words) => &words[..],
            PartContent::Rows { .. } => &[],
        };
        words.iter().zip(&self.names.values).filter(move |(word, _)| is_added_up(word.says)).map(|(_, name)| name)
    }

    /// Whether a row may say that its key is to be deleted.
    pub(crate) fn deletes_rows(&self) -> bool {
        self.spec.shape.rows.as_ref().is_some_and(|rows| rows.delete_when.is_some())
    }

    /// The columns, quoted, in which keys agree for which the newest file speaks alone; `None`: all keys.
    pub(crate) fn newest_per(&self) -> Option<Vec<String>> {
        let per = &self.spec.target.newest_per;
        let group = self.columns.iter().filter(|column| per.contains(&column.name)).map(|column| column.quoted.clone());
        Some(group.collect()).filter(|group: &Vec<String>| !group.is_empty() && group.len() < self.names.keys.len())
    }

    /// Whether two keys of the parts may be one in the table, because of its type or its collation.
    pub(crate) fn may_join_keys(&self) -> bool {
        self.columns.iter().any(|column| column.is_key && (column.cast != Cast::None || column.has_equal_texts))
    }

    /// Whether keys that are equal surely have the same text, those of the parts and those of the table.
    pub(crate) fn has_one_text_per_key(&self) -> bool {
        // Not `numeric`, nor texts, whose collation may take two of them for one.
        const PLAIN: [&str; 8] = [
            "smallint",
            "integer",
            "bigint",
            "boolean",
            "date",
            "timestamp without time zone",
            "timestamp with time zone",
            "uuid",
        ];
        let is_plain = |column: &TargetColumn| column.cast == Cast::None && PLAIN.contains(&column.sql_type.as_str());
        self.columns.iter().filter(|column| column.is_key).all(is_plain)
    }

    /// Whether a table of these columns is about keys of the target's names and types.
    pub(crate) fn has_same_key(&self, columns: &BTreeMap<String, String>) -> bool {
        let mut keys = self.columns.iter().filter(|column| column.is_key);
        keys.all(|key| columns.get(&key.name).is_some_and(|sql_type| *sql_type == key.sql_type))
    }

    /// Makes the table if the spec asks for that and it is missing, gives it the columns that it lacks if the spec asks
    /// for that, then checks it. `deletes`: the load may have to delete rows. Says whether columns were added.
    ///
    /// # Errors
    /// `Misconfigured`, with everything that an operator has to put right.
    pub(crate) async fn prepare(&mut self, connection: &mut PgConnection, deletes: bool) -> Result<bool> {
        let Spec { target, shape, .. } = self.spec;
        // A type that takes none of the values is refused before it is made.
        let misfits = self.columns.iter().filter(|column| cast(column.kind, &column.sql_type).is_none());
        let misfits: Vec<String> = misfits
            .map(|column| {
                let (name, kind) = (&column.name, column.kind.sql());
                format!("the column {name:?} cannot be {}, for its values are {kind}", column.sql_type)
            })
            .collect();
        self.refuse(&misfits)?;
        let columns = self.columns.iter().map(|column| {
            let (kind, sql_type) = (column.kind, column.sql_type.clone());
            let is_given = target.types.contains_key(&column.name);
            let accepts = {
                let wanted = sql_type.clone();
                move |there: &str| if is_given { there == wanted } else { cast(kind, there).is_some() }
            };
            (column.name.clone(), WantedColumn { sql_type, accepts: Box::new(accepts) })
        });
        let columns: BTreeMap<String, WantedColumn> = columns.collect();
        let wanted = Wanted {
            schema: &target.schema,
            table: &target.table,
            columns: columns.iter().map(|(name, column)| (name.as_str(), column)).collect(),
            key: &shape.keys,
            privileges: match deletes {
                false => &["SELECT", "INSERT", "UPDATE"],
                true => &["SELECT", "INSERT", "UPDATE", "DELETE"],
            },
        };
        let mut relation = wanted.relation(connection).await?;
        if target.create && relation.is_none() {
            self.create(connection).await?;
            relation = wanted.relation(connection).await?;
        }
        let is_table = matches!(relation.as_deref(), Some("r" | "p"));
        let mut existing = wanted.existing_columns(connection).await?;
        let is_added = target.add_columns && is_table && self.add_columns(connection, &existing).await?;
        if is_added {
            existing = wanted.existing_columns(connection).await?;
        }
        self.refuse(&wanted.problems(connection, relation.as_deref()).await?)?;
        if relation.as_deref() == Some("p") {
            self.names.set_partitioned();
        }
        for column in &mut self.columns {
            if let Some(there) = existing.get(&column.name) {
                column.cast = cast(column.kind, &there.sql_type).unwrap_or(Cast::None);
                column.sql_type.clone_from(&there.sql_type);
                column.collation.clone_from(&there.collation);
                column.has_equal_texts = there.has_equal_texts;
            }
        }
        let of = |is_it: fn(&str) -> bool| {
            self.columns.iter().filter(|column| is_it(&column.sql_type)).map(|column| column.quoted.clone()).collect()
        };
        let json = of(|sql_type| sql_type == "json");
        let texts = of(|sql_type| sql_type == "text" || sql_type.starts_with("character varying"));
        (self.names.json, self.names.texts) = (json, texts);
        Ok(is_added)
    }

    fn refuse(&self, problems: &[String]) -> Result<()> {
        match problems.is_empty() {
            true => Ok(()),
            false => {
                let what = format!("target {}: {}", self.full_name, problems.join("; "));
                Err(Error::new(Kind::Misconfigured, what))
            }
        }
    }

    /// Deletes the rows whose keys the table `source` does not have, as far as `condition` holds of them, which calls
    /// them `known`; it is empty, or begins with `and`.
    ///
    /// # Errors
    /// As [`classify_rows`].
    pub(crate) async fn delete_keys_not_in(
        &self,
        connection: &mut PgConnection,
        source: &str,
        condition: &str,
    ) -> Result<Keys> {
        let (Names { rows, .. }, select) = (&self.names, select_keys(&self.names));
        let (returned, same_key) = (self.names.keys_of("known"), self.names.same_key("other", "known"));
        sqlx::query_as(AssertSqlSafe(format!(
            "with found as (
                 delete from {rows} known
                 where not exists (select from {source} other where {same_key}) {condition}
                 returning {returned}
             )
             {select}"
        )))
        .fetch_one(connection)
        .await
        .map(Keys::new)
        .map_err(|error| classify_rows("delete the keys that no file has", error, &self.names, &[]))
    }

    async fn create(&self, connection: &mut PgConnection) -> Result<()> {
        let (Names { table, .. }, keys) = (&self.names, self.names.key_list());
        let columns = self.columns.iter().map(|column| {
            let not_null = if column.is_not_null { " not null" } else { "" };
            format!("{} {}{not_null}", column.quoted, column.sql_type)
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        sqlx::query(AssertSqlSafe(format!("create table {table} ({columns}, primary key ({keys}))")))
            .execute(connection)
            .await
            .map_err(|error| classify(format!("create the table {}", self.full_name), error))
            .map(|_| ())
    }

    /// Adds what the table lacks beside its keys. Says whether that was anything.
    async fn add_columns(&self, connection: &mut PgConnection, existing: &BTreeMap<String, Existing>) -> Result<bool> {
        let missing = self.columns.iter().filter(|column| !column.is_key && !existing.contains_key(&column.name));
        let missing: Vec<String> = missing
            .map(|column| {
                // Of rows that are there no file says anything, which is 0 of a sum or count.
                let empty = if column.is_not_null { " not null default 0" } else { "" };
                format!("add column {} {}{empty}", column.quoted, column.sql_type)
            })
            .collect();
        if missing.is_empty() {
            return Ok(false);
        }
        sqlx::raw_sql(AssertSqlSafe(format!("alter table {} {}", self.names.table, missing.join(", "))))
            .execute(connection)
            .await
            .map_err(|error| classify(format!("add columns to the table {}", self.full_name), error))
            .map(|_| true)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;
    use sluice::spec::Parts;

    /// Of days and one sum.
    pub(crate) fn spec(table: &str, on_overlap: &str) -> Spec {
        let columns = json!({"date": {"type": "date"}, "v": {"type": "number"}, "kind": {}});
        let parts = Parts {
            source: json!({"suffix": ".csv", "columns": columns}),
            shape: json!({"keys": ["date"], "values": {"v": "sum"}, "pivot": {"on": "kind", "into": {"V": "v"}}}),
            target: json!({"table": table, "on_overlap": on_overlap}),
        };
        parts.check().unwrap()
    }

    fn result(key: &str, per_file: bool, has_states: bool) -> PivotResult {
        serde_json::from_value(json!({
            "output": {"index": 0, "pivoted": null, "rows_read": 0, "rows_rejected": 0, "rows_ignored": 0,
                       "rejected": null, "days": 0, "files_loaded": 0, "files_changed": 0},
            "layout": {"per_file": per_file, "has_states": has_states, "keys": [{"name": key, "kind": "date"}],
                       "content": {"values": [{"name": "v", "says": "sum", "is_null_if_empty": false, "divided": null}]}},
            "loaded": [], "changed": [],
        }))
        .unwrap()
    }

    #[test]
    fn parts_of_another_spec_are_refused() {
        for (on_overlap, part, fits) in [
            ("last_run", result("date", false, false), true),
            ("all_files", result("date", true, false), true),
            ("last_run", result("day", false, false), false),
            ("last_run", result("date", true, false), false),
            ("newest_file", result("date", false, false), false),
            ("newest_file", result("date", true, true), false),
        ] {
            let spec = spec("t", on_overlap);
            let refused = Target::new(&spec, &[result("date", on_overlap != "last_run", false), part]).err();
            assert_eq!(refused.map(|error| error.kind()), (!fits).then_some(Kind::Misconfigured), "{on_overlap}");
        }
    }
}
