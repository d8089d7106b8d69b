//! Does the target fit the load? Everything that is wrong is said at once, before a byte is loaded.

use crate::sql_error::classify;
use sluice::Result;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use std::collections::BTreeMap;
use std::fmt;

/// What a load needs of its target.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The target's schema.
    pub schema: &'a str,
    /// Its name.
    pub table: &'a str,
    /// The columns that are loaded.
    pub columns: BTreeMap<&'a str, &'a WantedColumn>,
    /// The columns of a unique constraint.
    pub key: &'a [String],
    /// What the user must be allowed to do with the table.
    pub privileges: &'a [&'a str],
}

/// What a load needs of a column.
pub struct WantedColumn {
    /// The type that is best, as `format_type` has it.
    pub sql_type: String,
    /// Whether a column of that type takes the values, if need be by a cast that is exact or refused.
    pub accepts: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

// Without the function.
impl fmt::Debug for WantedColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sql_type.fmt(f)
    }
}

/// A column of the target.
#[derive(Clone, Debug)]
pub struct Existing {
    /// Its type, as `format_type` has it.
    pub sql_type: String,
    /// Its collation, quoted; `None` if its type has none.
    pub collation: Option<String>,
    /// Whether its collation may take different texts for the same.
    pub has_equal_texts: bool,
    must_be_given: bool,
}

impl Wanted<'_> {
    /// What an operator has to put right before the load; `relation` is what the target is.
    ///
    /// # Errors
    /// As [`classify`].
    pub async fn problems(&self, connection: &mut PgConnection, relation: Option<&str>) -> Result<Vec<String>> {
        Ok(match relation {
            None => vec!["does not exist; create it, or set \"create\": true in the spec".to_owned()],
            Some("r" | "p") => {
                let mut problems = self.column_problems(&self.existing_columns(connection).await?);
                problems.extend(self.missing_constraint(connection).await?);
                problems.extend(self.missing_privileges(connection).await?);
                problems
            }
            Some(_) => vec!["is not a table".to_owned()],
        })
    }

    /// What the target is, as `pg_class.relkind` has it; `None` if there is nothing of its name.
    ///
    /// # Errors
    /// As [`classify`].
    pub async fn relation(&self, connection: &mut PgConnection) -> Result<Option<String>> {
        sqlx::query_scalar(
            "select c.relkind::text
             from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where n.nspname = $1 and c.relname = $2",
        )
        .bind(self.schema)
        .bind(self.table)
        .fetch_optional(connection)
        .await
        .map_err(|error| classify("look up the target", error))
    }

    /// The columns that the target has; none if there is nothing of its name.
    ///
    /// # Errors
    /// As [`classify`].
    pub async fn existing_columns(&self, connection: &mut PgConnection) -> Result<BTreeMap<String, Existing>> {
        let rows = sqlx::query(
            "select a.attname::text, format_type(a.atttypid, a.atttypmod),
                    a.attnotnull and not a.atthasdef and a.attidentity = '',
                    (select format('%I.%I', s.nspname, l.collname)
                     from pg_collation l join pg_namespace s on s.oid = l.collnamespace where l.oid = a.attcollation),
                    exists (select from pg_collation l where l.oid = a.attcollation and not l.collisdeterministic)
             from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
             where n.nspname = $1 and c.relname = $2 and a.attnum > 0 and not a.attisdropped",
        )
        .bind(self.schema)
        .bind(self.table)
        .fetch_all(connection)
        .await
        .map_err(|error| classify("look up the target's columns", error))?;
        let column = |row: &PgRow| Existing {
            sql_type: row.get(1),
            must_be_given: row.get(2),
            collation: row.get(3),
            has_equal_texts: row.get(4),
        };
        Ok(rows.iter().map(|row| (row.get(0), column(row))).collect())
    }

    fn column_problems(&self, existing: &BTreeMap<String, Existing>) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, WantedColumn { sql_type, accepts }) in &self.columns {
            match existing.get(*name).map(|column| column.sql_type.as_str()) {
                None => problems.push(format!("the column {name:?} ({sql_type}) is missing")),
                Some(there) if accepts(there) => {}
                Some(there) => problems.push(format!("the column {name:?} is {there}, not {sql_type}")),
            }
        }
        let given_by_nobody =
            existing.iter().filter(|(name, column)| column.must_be_given && !self.columns.contains_key(name.as_str()));
        problems.extend(given_by_nobody.map(|(name, _)| {
            format!("the column {name:?} is NOT NULL without a default, but the spec does not provide it")
        }));
        problems
    }

    /// What is wrong if there is no unique constraint on exactly the key.
    ///
    /// # Errors
    /// As [`classify`].
    pub async fn missing_constraint(&self, connection: &mut PgConnection) -> Result<Option<String>> {
        let mut key = self.key.to_vec();
        key.sort();
        let has_unique: bool = sqlx::query_scalar(
            "select exists (
                 select from pg_index i
                 join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname = $1 and c.relname = $2
                 and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
                 and $3 = (
                     select array_agg(a.attname::text order by a.attname::text collate \"C\")
                     from unnest(i.indkey::int2[], i.indcollation::oid[]) with ordinality as k (attnum, ordered_by, place)
                     join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
                     where k.place <= i.indnkeyatts
                     -- What is equal to the index is what is equal to the column: all deterministic collations agree.
                     and (k.ordered_by = a.attcollation or not exists (
                         select from pg_collation l
                         where l.oid in (k.ordered_by, a.attcollation) and not l.collisdeterministic
                     ))
                 )
             )",
        )
        .bind(self.schema)
        .bind(self.table)
        .bind(&key)
        .fetch_one(connection)
        .await
        .map_err(|error| classify("look up the target's constraints", error))?;
        Ok((!has_unique).then(|| format!("there is no unique constraint on exactly ({})", self.key.join(", "))))
    }

    /// What is wrong if the user may not do what the load does.
    ///
    /// # Errors
    /// As [`classify`].
    pub async fn missing_privileges(&self, connection: &mut PgConnection) -> Result<Option<String>> {
        let missing: Vec<String> = sqlx::query_scalar(
            "select privilege
             from pg_class c join pg_namespace n on n.oid = c.relnamespace, unnest($3) as privilege
             where n.nspname = $1 and c.relname = $2 and not has_table_privilege(c.oid, privilege)
             union all
             select 'TEMPORARY on the database'
             where not has_database_privilege(current_database(), 'TEMPORARY')",
        )
        .bind(self.schema)
        .bind(self.table)
        .bind(self.privileges)
        .fetch_all(connection)
        .await
        .map_err(|error| classify("look up the target's privileges", error))?;
        Ok((!missing.is_empty()).then(|| format!("the user lacks {}", missing.join(", "))))
    }
}
