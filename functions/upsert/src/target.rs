//! The target of a load: does the spec fit the parts, and what are the names? Made if it is missing, and checked before
//! a byte is loaded.

use postgres::identifiers::Names;
use postgres::preflight::Wanted;
use postgres::sql_error::classify;
use sluice::contract::{ColumnKind, PivotResult};
use sluice::spec::{self, OnOverlap};
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};

/// A target, for parts as pivot describes them.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    /// What the spec says of it.
    pub spec: &'a spec::Target,
    /// Its names, quoted.
    pub names: Names,
    /// As people and `sluice.runs` know it: `schema.table`.
    pub full_name: String,
    /// The type of its key column.
    pub key_kind: ColumnKind,
    /// Its value columns, not quoted.
    values: &'a [String],
}

impl<'a> Target<'a> {
    /// The target of a load of parts such as `result`.
    ///
    /// # Errors
    /// `Misconfigured` for a name that is no identifier, for a key that is not the result's, and for parts that keep
    /// the files apart where the target does not want it, or the other way around.
    pub(crate) fn new(spec: &'a spec::Target, result: &'a PivotResult) -> Result<Self> {
        if spec.key != [result.key.name.as_str()] {
            let what = format!("the target's key is {:?}, the pivot's index is {:?}", spec.key, result.key.name);
            return Err(Error::new(Kind::Misconfigured, what));
        }
        if (spec.on_overlap == OnOverlap::PerFile) != result.per_file {
            let what = "the target's on_overlap is per_file if, and only if, the pivot's per_file is true";
            return Err(Error::new(Kind::Misconfigured, what));
        }
        Ok(Self {
            spec,
            names: Names::new(&spec.schema, &spec.table, &result.key.name, &result.values)?,
            full_name: format!("{}.{}", spec.schema, spec.table),
            key_kind: result.key.kind,
            values: &result.values,
        })
    }

    /// Whether the sums of each file are kept apart.
    pub(crate) fn is_per_file(&self) -> bool {
        self.spec.on_overlap == OnOverlap::PerFile
    }

    /// The names of its value columns, not quoted.
    pub(crate) fn value_columns(&self) -> &'a [String] {
        self.values
    }

    fn key_type(&self) -> &'static str {
        match self.key_kind {
            ColumnKind::Date => "date",
            ColumnKind::Text => "text",
        }
    }

    /// Makes the table if the spec asks for that and it is missing, then checks it. `has_shares`: a load before kept
    /// the contributions of files in a side table.
    ///
    /// # Errors
    /// `Misconfigured`, with everything that an operator has to put right.
    pub(crate) async fn prepare(&self, connection: &mut PgConnection, has_shares: bool) -> Result<()> {
        let wanted = Wanted {
            schema: &self.spec.schema,
            table: &self.spec.table,
            columns: (self.values.iter().map(|name| (name.as_str(), "numeric")))
                .chain([(self.spec.key[0].as_str(), self.key_type())])
                .collect(),
            key: &self.spec.key,
            privileges: match self.spec.on_overlap {
                OnOverlap::Replace => &["SELECT", "INSERT", "UPDATE"],
                OnOverlap::PerFile => &["SELECT", "INSERT", "UPDATE", "DELETE"],
            },
        };
        let mut relation = wanted.relation(connection).await?;
        if self.spec.create && relation.is_none() {
            self.create(connection).await?;
            relation = wanted.relation(connection).await?;
        }
        // A load that does not keep the contributions of files would make them wrong.
        let loses_shares = (has_shares && !self.is_per_file()).then(|| {
            let name = &self.full_name;
            format!(
                "was loaded per_file; leave on_overlap at that, or drop the table of shares, sluice.{name:?}, for good"
            )
        });
        let problems = wanted.problems(connection, relation.as_deref(), loses_shares).await?;
        match problems.is_empty() {
            true => Ok(()),
            false => {
                let what = format!("target {}: {}", self.full_name, problems.join("; "));
                Err(Error::new(Kind::Misconfigured, what))
            }
        }
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

    pub(crate) fn target(key: &str, table: &str, on_overlap: OnOverlap) -> spec::Target {
        let (schema, key) = ("public".to_owned(), vec![key.to_owned()]);
        spec::Target { schema, table: table.to_owned(), key, create: false, on_overlap }
    }

    /// Of a pivot by `date`.
    pub(crate) fn result(per_file: bool) -> PivotResult {
        serde_json::from_value(serde_json::json!({
            "output": {"index": 0, "pivoted": null, "rows_read": 0, "rows_rejected": 0, "rows_ignored": 0,
                       "rejected": null, "days": 0, "files_loaded": 0, "files_changed": 0},
            "key": {"name": "date", "kind": "date"}, "values": ["v"], "per_file": per_file,
            "loaded": [], "changed": [],
        }))
        .unwrap()
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for (target, per_file) in [
            (target("day", "t", OnOverlap::Replace), false),
            (target("date", "t", OnOverlap::Replace), true),
            (target("date", "t", OnOverlap::PerFile), false),
        ] {
            let refused = Target::new(&target, &result(per_file)).unwrap_err();
            assert_eq!(refused.kind(), Kind::Misconfigured, "{target:?}");
        }
    }
}
