//! The target of a load: does the spec fit the parts, and what are the names? Made if it is missing, and checked before
//! a byte is loaded.

use crate::merged::{Keys, select_keys};
use postgres::identifiers::Names;
use postgres::preflight::Wanted;
use postgres::sql_error::classify;
use sluice::contract::{ColumnKind, Layout, PivotResult};
use sluice::spec::Spec;
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};

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
    /// Its value columns, not quoted.
    pub values: Vec<String>,
}

impl<'a> Target<'a> {
    /// The target of a load of such parts.
    ///
    /// # Errors
    /// `Misconfigured` for parts that are not what pivot makes of this spec.
    pub(crate) fn new(spec: &'a Spec, parts: &[PivotResult]) -> Result<Self> {
        let (target, values) = (&spec.target, spec.value_columns());
        // Others than one key are refused when the spec is checked.
        let key = spec.shape.keys.first().map_or("", String::as_str);
        let target = Self {
            spec,
            names: Names::new(&target.schema, &target.table, key, &values)?,
            full_name: target.full_name(),
            layout: Layout::of(spec),
            values,
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

    /// The type of its key column in SQL.
    pub(crate) fn key_type(&self) -> &'static str {
        self.layout.keys.first().map_or(ColumnKind::Text, |key| key.kind).sql()
    }

    /// Makes the table if the spec asks for that and it is missing, then checks it. `deletes`: the load may have to
    /// delete rows.
    ///
    /// # Errors
    /// `Misconfigured`, with everything that an operator has to put right.
    pub(crate) async fn prepare(&self, connection: &mut PgConnection, deletes: bool) -> Result<()> {
        let Spec { target, shape, .. } = self.spec;
        let wanted = Wanted {
            schema: &target.schema,
            table: &target.table,
            columns: (self.values.iter().map(|name| (name.as_str(), "numeric")))
                .chain(shape.keys.iter().map(|key| (key.as_str(), self.key_type())))
                .collect(),
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
        let problems = wanted.problems(connection, relation.as_deref()).await?;
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
    /// As [`classify`].
    pub(crate) async fn delete_keys_not_in(
        &self,
        connection: &mut PgConnection,
        source: &str,
        condition: &str,
    ) -> Result<Keys> {
        let (Names { table, key, .. }, select) = (&self.names, select_keys(&self.names.key));
        sqlx::query_as(AssertSqlSafe(format!(
            "with found as (
                 delete from only {table} known
                 where not exists (select from {source} other where other.{key} = known.{key}) {condition}
                 returning known.{key}
             )
             {select}"
        )))
        .fetch_one(connection)
        .await
        .map(Keys::new)
        .map_err(|error| classify("delete the keys that no file has", error))
    }

    async fn create(&self, connection: &mut PgConnection) -> Result<()> {
        let (Names { table, key, .. }, key_type) = (&self.names, self.key_type());
        let values = self.names.each(|name| format!("{name} numeric not null"));
        sqlx::query(AssertSqlSafe(format!("create table {table} ({key} {key_type} not null unique, {values})")))
            .execute(connection)
            .await
            .map_err(|error| classify(format!("create the table {}", self.full_name), error))
            .map(|_| ())
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
