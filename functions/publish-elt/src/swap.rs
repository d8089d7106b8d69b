//! The table to its new version: columns, location and what runs know of it change in one call, and only if nobody else
//! changed the table meanwhile.

use aws_sdk_glue::Client;
use aws_sdk_glue::types::{Table, TableInput};
use aws_sdk_s3::primitives::DateTime;
use serde::{Deserialize, Serialize};
use sluice::time::{format_time, parse_time};
use sluice::{Error, Kind, Result};
use std::collections::HashMap;
use std::time::SystemTime;

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

/// For how long at least the files of a version stay once another one has replaced it: a query that began to read them
/// before may take as long (Amazon Athena User Guide, "Service Quotas": DML queries, by request up to 240 minutes).
const READ_FOR_SECONDS: i64 = 240 * 60;

/// A version of a table whose files are there, or may be.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(from = "Written")]
pub(crate) struct Kept {
    /// Where its files are.
    pub(crate) location: String,
    /// When another one replaced it, RFC 3339; `None` if none has yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_at: Option<String>,
    /// Whether it is kept no longer. It stands here until its files are deleted: whoever was to do that may have died.
    #[serde(rename = "dropped", skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_dropped: bool,
}

impl Kept {
    /// One that is replaced now.
    pub(crate) fn from_now_on(location: String) -> Self {
        Self { location, replaced_at: None, is_dropped: false }
    }
}

/// In the parameter of a table; before it said when a version was replaced it named the location alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Location(String),
    Kept {
        location: String,
        replaced_at: Option<String>,
        #[serde(default)]
        dropped: bool,
    },
}

impl From<Written> for Kept {
    fn from(written: Written) -> Self {
        match written {
            Written::Location(location) => Self::from_now_on(location),
            Written::Kept { location, replaced_at, dropped } => Self { location, replaced_at, is_dropped: dropped },
        }
    }
}

/// The versions of a table whose files are there, the newest first: those that the spec has kept, those that somebody
/// may still read, and those that are dropped and may not be deleted yet.
///
/// # Errors
/// `Misconfigured` if somebody has changed what the table says of them: files that are read could be deleted.
pub(crate) fn versions(table: Option<&Table>) -> Result<Vec<Kept>> {
    let Some((table, text)) = table.map(|table| (table, lake::parameter(table, lake::VERSIONS))) else {
        return Ok(Vec::new());
    };
    if text.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(text).map_err(|error| {
        let what = format!("the property {} of the table {} is not what a run writes", lake::VERSIONS, table.name());
        Error::caused(Kind::Misconfigured, what, error)
    })
}

impl Version<'_> {
    /// Makes the table `current` what `built` is. Returns its versions; `earlier` are those before it, the newest
    /// first.
    ///
    /// # Errors
    /// `TransientFailure` if somebody else changed it.
    pub(crate) async fn publish(
        &self,
        glue: &Client,
        built: &Table,
        current: Option<&Table>,
        earlier: Vec<Kept>,
    ) -> Result<Vec<Kept>> {
        let Self { database, table, .. } = self;
        let now = DateTime::from(SystemTime::now());
        let versions = keep(lake::location(built), earlier, self.keep, now);
        let input = self.input(built, &versions)?;
        let changed =
            || Error::new(Kind::TransientFailure, format!("somebody else changed {database}.{table} just now"));
        let Some(current) = current else {
            return match glue.create_table().database_name(*database).table_input(input).send().await {
                Ok(_) => Ok(versions),
                Err(error) if error.as_service_error().is_some_and(|service| service.is_already_exists_exception()) => {
                    Err(changed())
                }
                Err(error) => Err(Error::aws(format!("create the table {database}.{table}"), error)),
            };
        };
        let update = glue.update_table().database_name(*database).table_input(input).skip_archive(true);
        match update.version_id(lake::version_id(current)?).send().await {
            Ok(_) => Ok(versions),
            Err(error)
                if error.as_service_error().is_some_and(|service| service.is_concurrent_modification_exception()) =>
            {
                Err(changed())
            }
            Err(error) => Err(Error::aws(format!("update the table {database}.{table}"), error)),
        }
    }

    fn input(&self, built: &Table, versions: &[Kept]) -> Result<TableInput> {
        let incomplete = |error| Error::caused(Kind::InvariantBroken, format!("describe {}", self.table), error);
        let versions = serde_json::to_string(versions);
        let versions = versions.map_err(|error| Error::caused(Kind::InvariantBroken, "encode the versions", error))?;
        let mut parameters: HashMap<String, String> = built.parameters().cloned().unwrap_or_default();
        for (name, value) in [
            (lake::OWNER, self.owner),
            (lake::VERSION, self.version),
            (lake::LOCKED_AT, self.locked_at),
            (lake::VERSIONS, &versions),
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

/// The versions now that one at `location` is the newest. One that was dropped is not kept again, whatever the spec
/// says by now: some of its files may be gone.
fn keep(location: &str, earlier: Vec<Kept>, keep: usize, now: DateTime) -> Vec<Kept> {
    let (mut versions, mut kept) = (vec![Kept::from_now_on(location.to_owned())], 1);
    for Kept { location: other, replaced_at, is_dropped } in earlier {
        if other.trim_end_matches('/') == location.trim_end_matches('/') {
            continue;
        }
        let replaced_at = replaced_at.and_then(|at| parse_time(&at).ok()).unwrap_or(now);
        let is_read = now.secs() - replaced_at.secs() < READ_FOR_SECONDS;
        let is_dropped = is_dropped || kept >= keep && !is_read;
        kept += usize::from(!is_dropped);
        versions.push(Kept { location: other, replaced_at: Some(format_time(replaced_at)), is_dropped });
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A version, behind a hyphen if it is dropped, and how many minutes ago it was replaced.
    type Aged = (&'static str, Option<i64>);

    const NOW: i64 = 1_700_000_000;

    fn table(versions: &str) -> Table {
        Table::builder().name("t").parameters(lake::VERSIONS, versions).build().unwrap()
    }

    fn list(versions: &[Aged]) -> Vec<Kept> {
        let at = |minutes: i64| format_time(DateTime::from_secs(NOW - 60 * minutes));
        let version = |(location, ago): &Aged| {
            let (location, is_dropped) = location.strip_prefix('-').map_or((*location, false), |rest| (rest, true));
            Kept { location: location.into(), replaced_at: ago.map(at), is_dropped }
        };
        versions.iter().map(version).collect()
    }

    #[test]
    fn versions_are_kept_by_their_number_and_as_long_as_somebody_may_read_them() {
        for (earlier, count, versions) in [
            (&[][..], 2, &[("new", None)][..]),
            (&[("a", None)], 2, &[("new", None), ("a", Some(0))]),
            (&[("a", None), ("b", Some(240))], 2, &[("new", None), ("a", Some(0)), ("-b", Some(240))]),
            // What counts is when it was replaced, which was just now, and not when it was made.
            (&[("a", None)], 1, &[("new", None), ("a", Some(0))]),
            (
                &[("a", None), ("b", Some(239)), ("c", Some(300))],
                1,
                &[("new", None), ("a", Some(0)), ("b", Some(239)), ("-c", Some(300))],
            ),
            (
                &[("a", None), ("b", Some(500)), ("c", Some(600))],
                3,
                &[("new", None), ("a", Some(0)), ("b", Some(500)), ("-c", Some(600))],
            ),
            // It was published already, by an invocation whose answer was lost.
            (&[("new/", None), ("a", Some(7))], 2, &[("new", None), ("a", Some(7))]),
            // What was dropped before is not kept again, and takes no place of one that is.
            (
                &[("a", None), ("-b", Some(300)), ("c", Some(400))],
                3,
                &[("new", None), ("a", Some(0)), ("-b", Some(300)), ("c", Some(400))],
            ),
        ] {
            let found = keep("new", list(earlier), count, DateTime::from_secs(NOW));
            assert_eq!(found, list(versions));
            let written = table(&serde_json::to_string(&found).unwrap());
            assert_eq!(super::versions(Some(&written)).unwrap(), found);
        }
    }

    #[test]
    fn a_list_that_says_no_times_is_read() {
        let old = versions(Some(&table(r#"["a", "b"]"#))).unwrap();
        assert_eq!(old, list(&[("a", None), ("b", None)]));
        // Whoever reads them may have begun just now.
        let kept = keep("new", old, 1, DateTime::from_secs(NOW));
        assert_eq!(kept, list(&[("new", None), ("a", Some(0)), ("b", Some(0))]));
        assert_eq!(versions(Some(&table(""))).unwrap(), Vec::new());
        assert_eq!(versions(Some(&table("[\"a\""))).unwrap_err().kind(), Kind::Misconfigured);
    }
}
