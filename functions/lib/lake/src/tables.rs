//! Tables in the catalogue of Glue. What a run knows of one stands in parameters of the table itself, which change in
//! the same call as its columns and its location.

use aws_sdk_glue::Client;
use aws_sdk_glue::types::Table;
use sluice::{Error, Kind, Result};

/// The parameter that says whose a table is: [`owner`].
pub const OWNER: &str = "sluice.job";
/// The parameter that says by which execution and query a table was made.
pub const VERSION: &str = "sluice.version";
/// The parameter that says since when that execution had the job's lock, RFC 3339.
pub const LOCKED_AT: &str = "sluice.locked_at";
/// The parameter that lists the locations of the versions that are kept, the newest first, as JSON.
pub const VERSIONS: &str = "sluice.versions";

/// Whose a job's tables are: of all stacks on one bucket only one can have a job of this name.
pub fn owner(bucket: &str, job: &str) -> String {
    format!("{bucket}/{job}")
}

/// A parameter of a table; empty if it has none of this name.
pub fn parameter<'a>(table: &'a Table, name: &str) -> &'a str {
    table.parameters().and_then(|all| all.get(name)).map_or("", String::as_str)
}

/// Whether the table is this owner's.
pub fn is_owned(table: &Table, owner: &str) -> bool {
    parameter(table, OWNER) == owner
}

/// Where the files of a table are: `s3://bucket/prefix/`; empty if it does not say.
pub fn location(table: &Table) -> &str {
    table.storage_descriptor().and_then(|storage| storage.location()).unwrap_or_default()
}

/// By which version of a table an update of it knows that nobody has changed it meanwhile.
///
/// # Errors
/// `InvariantBroken` if Glue names none: the update would hold over anything.
pub fn version_id(table: &Table) -> Result<&str> {
    let unnamed = || Error::new(Kind::InvariantBroken, format!("Glue names no version of the table {}", table.name()));
    table.version_id().filter(|id| !id.is_empty()).ok_or_else(unnamed)
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type, as the catalogue writes it: a `varchar` of Athena is a `string` there.
    pub kind: String,
}

impl TableColumn {
    /// Whether its values are texts of any length.
    pub fn is_text(&self) -> bool {
        self.kind == "string" || self.kind.starts_with("varchar")
    }
}

/// The columns of a table, in their order.
pub fn columns(table: &Table) -> Vec<TableColumn> {
    let columns = table.storage_descriptor().map_or(&[][..], |storage| storage.columns());
    let column = |column: &aws_sdk_glue::types::Column| TableColumn {
        name: column.name().to_owned(),
        kind: column.r#type().unwrap_or_default().to_owned(),
    };
    columns.iter().map(column).collect()
}

/// The table of this name; `None` if there is none.
///
/// # Errors
/// As [`Error::aws`].
pub async fn table(glue: &Client, database: &str, name: &str) -> Result<Option<Table>> {
    match glue.get_table().database_name(database).name(name).send().await {
        Ok(output) => Ok(output.table),
        Err(error) if error.as_service_error().is_some_and(|service| service.is_entity_not_found_exception()) => {
            Ok(None)
        }
        Err(error) => Err(Error::aws(format!("look up the table {database}.{name}"), error)),
    }
}
