//! The table to its new version: columns, location and what runs know of it change in one call, and only if nobody else
//! changed the table meanwhile.

use aws_sdk_glue::Client;
use aws_sdk_glue::types::{Table, TableInput};
use sluice::{Error, Kind, Result};
use std::collections::HashMap;

/// What a table becomes.
pub(crate) struct Version<'a> {
    pub(crate) database: &'a str,
    pub(crate) table: &'a str,
    pub(crate) owner: &'a str,
    /// The id of the query that made it.
    pub(crate) version: &'a str,
    pub(crate) locked_at: &'a str,
    /// How many versions are kept, this one included.
    pub(crate) keep: usize,
}

/// The locations of the versions that a table keeps, the newest first.
pub(crate) fn versions(table: Option<&Table>) -> Vec<String> {
    let text = table.map_or("", |table| lake::parameter(table, lake::VERSIONS));
    serde_json::from_str(text).unwrap_or_default()
}

impl Version<'_> {
    /// Makes the table `current` what `built` is. Returns the locations of versions that are no longer kept.
    ///
    /// # Errors
    /// `TransientFailure` if somebody else changed it.
    pub(crate) async fn publish(&self, glue: &Client, built: &Table, current: Option<&Table>) -> Result<Vec<String>> {
        let Self { database, table, .. } = self;
        let (kept, dropped) = keep(lake::location(built), versions(current), self.keep);
        let input = self.input(built, &kept)?;
        let changed =
            || Error::new(Kind::TransientFailure, format!("somebody else changed {database}.{table} just now"));
        let Some(current) = current else {
            return match glue.create_table().database_name(*database).table_input(input).send().await {
                Ok(_) => Ok(dropped),
                Err(error) if error.as_service_error().is_some_and(|service| service.is_already_exists_exception()) => {
                    Err(changed())
                }
                Err(error) => Err(Error::aws(format!("create the table {database}.{table}"), error)),
            };
        };
        let update = glue.update_table().database_name(*database).table_input(input).skip_archive(true);
        match update.version_id(lake::version_id(current)?).send().await {
            Ok(_) => Ok(dropped),
            Err(error)
                if error.as_service_error().is_some_and(|service| service.is_concurrent_modification_exception()) =>
            {
                Err(changed())
            }
            Err(error) => Err(Error::aws(format!("update the table {database}.{table}"), error)),
        }
    }

    fn input(&self, built: &Table, kept: &[String]) -> Result<TableInput> {
        let incomplete = |error| Error::caused(Kind::InvariantBroken, format!("describe {}", self.table), error);
        let kept = serde_json::to_string(kept);
        let kept = kept.map_err(|error| Error::caused(Kind::InvariantBroken, "encode the versions", error))?;
        let mut parameters: HashMap<String, String> = built.parameters().cloned().unwrap_or_default();
        for (name, value) in [
            (lake::OWNER, self.owner),
            (lake::VERSION, self.version),
            (lake::LOCKED_AT, self.locked_at),
            (lake::VERSIONS, &kept),
        ] {
            parameters.insert(name.to_owned(), value.to_owned());
        }
        TableInput::builder()
            .name(self.table)
            .table_type("EXTERNAL_TABLE")
            .set_partition_keys(Some(built.partition_keys().to_vec()))
            .set_storage_descriptor(built.storage_descriptor().cloned())
            .set_parameters(Some(parameters))
            .build()
            .map_err(incomplete)
    }
}

/// The locations that are kept, and those that are not.
fn keep(location: &str, earlier: Vec<String>, keep: usize) -> (Vec<String>, Vec<String>) {
    let others = earlier.into_iter().filter(|other| other.trim_end_matches('/') != location.trim_end_matches('/'));
    let mut kept: Vec<String> = std::iter::once(location.to_owned()).chain(others).collect();
    let dropped = kept.split_off(keep.clamp(1, kept.len()));
    (kept, dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_versions_are_kept() {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        for (earlier, count, kept, dropped) in [
            (&[][..], 2, &["new"][..], &[][..]),
            (&["a"], 2, &["new", "a"], &[]),
            (&["a", "b"], 2, &["new", "a"], &["b"]),
            (&["a", "b", "c"], 1, &["new"], &["a", "b", "c"]),
            // It was published already, by an invocation whose answer was lost.
            (&["new/", "a"], 2, &["new", "a"], &[]),
        ] {
            assert_eq!(keep("new", list(earlier), count), (list(kept), list(dropped)));
        }
    }
}
