//! The tables that are read, in the catalogue: made, or held against what the spec says.

use aws_sdk_glue::Client;
use aws_sdk_glue::error::BuildError;
use aws_sdk_glue::types::builders::StorageDescriptorBuilder;
use aws_sdk_glue::types::{Column, SerDeInfo, StorageDescriptor, TableInput};
use lake::Shape;
use sluice::contract::Execution;
use sluice::contract::athena_elt::{Definition, Format, REST, Source};
use sluice::store::Store;
use sluice::{Error, Kind, Result, lock};

const OPEN_CSV: &str = "org.apache.hadoop.hive.serde2.OpenCSVSerde";

/// Makes the table, sees that it is as the spec has it, or brings it up to date if it is the job's own. Returns what
/// became of it, and [`lake::definition`] of what is there now.
///
/// # Errors
/// `Misconfigured` for one of somebody else's that differs, with what differs; `StaleRun` if the run has lost its lock;
/// `TransientFailure` if somebody else changed it meanwhile.
pub(crate) async fn define(
    glue: Client,
    store: &Store,
    execution: &Execution,
    database: &str,
    name: &str,
    source: &Source,
) -> Result<(Definition, String)> {
    let owner = lake::owner(store.bucket(), &execution.job);
    let wanted = table_input(store.bucket(), name, source, &owner)?;
    let (shape, full_name) = (lake::shape_of_input(&wanted), format!("{database}.{name}"));
    let changed_meanwhile =
        || Error::new(Kind::TransientFailure, format!("somebody else changed {full_name} just now"));
    let there = lake::table(&glue, database, name).await?;
    // After it was read: what a run that has taken the lock over writes from now on refuses what is written here.
    if !lock::is_of(store, execution).await? {
        let what = "this run no longer has the job's lock: it was given up for dead or has ended; start a new one";
        return Err(Error::new(Kind::StaleRun, what));
    }
    let outcome = match there {
        None => match glue.create_table().database_name(database).table_input(wanted).send().await {
            Ok(_) => Definition::Created,
            Err(error) if error.as_service_error().is_some_and(|service| service.is_already_exists_exception()) => {
                return Err(changed_meanwhile());
            }
            Err(error) => return Err(Error::aws(format!("create the table {full_name}"), error)),
        },
        Some(there) => {
            let differences = differences(&shape, &lake::shape(&there));
            if differences.is_empty() {
                return Ok((Definition::Exists, lake::definition(&there)?));
            }
            if !lake::is_owned(&there, &owner) {
                let what = format!(
                    "the table {full_name} is not of this job, and differs from the spec: {}. Choose another name, or \
                     drop it",
                    differences.join("; ")
                );
                return Err(Error::new(Kind::Misconfigured, what));
            }
            let update = glue.update_table().database_name(database).table_input(wanted).skip_archive(true);
            match update.version_id(lake::version_id(&there)?).send().await {
                Ok(_) => Definition::Changed,
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(|service| service.is_concurrent_modification_exception()) =>
                {
                    return Err(changed_meanwhile());
                }
                Err(error) => return Err(Error::aws(format!("bring the table {full_name} up to date"), error)),
            }
        }
    };
    // Glue does not answer by which version it knows what was written.
    let now = lake::table(&glue, database, name).await?.filter(|now| lake::shape(now) == shape);
    Ok((outcome, lake::definition(&now.ok_or_else(changed_meanwhile)?)?))
}

/// The definition that the spec asks for.
fn table_input(bucket: &str, name: &str, source: &Source, owner: &str) -> Result<TableInput> {
    let incomplete = |error| Error::caused(Kind::InvariantBroken, format!("describe {name}"), error);
    let (storage, classification) = match source.format {
        Format::Csv => (csv_storage(source), "csv"),
        Format::Parquet => (parquet_storage(source), "parquet"),
    };
    let storage = storage.map_err(incomplete)?.location(format!("s3://{bucket}/{}", source.prefix)).build();
    let table = TableInput::builder()
        .name(name)
        .table_type("EXTERNAL_TABLE")
        .set_partition_keys(Some(Vec::new()))
        .parameters("EXTERNAL", "TRUE")
        .parameters("classification", classification)
        .parameters(lake::OWNER, owner)
        .storage_descriptor(storage);
    match source.format {
        Format::Csv => table.parameters(lake::SKIPPED_LINES, "1"),
        Format::Parquet => table,
    }
    .build()
    .map_err(incomplete)
}

/// How CSV files are read.
///
/// All columns are texts: OpenCSVSerde refuses an empty number, and LazySimpleSerDe makes NULL of one that it cannot
/// read, 4 of 4.5, and two fields of a text in quotation marks. The query converts, and says what it cannot. Of a line
/// with too many fields the serde drops the rest, and one with too few it fills up with NULL: so there is one column
/// more than the files have, which has to be NULL, and the last of theirs must not be.
fn csv_storage(source: &Source) -> std::result::Result<StorageDescriptorBuilder, BuildError> {
    let names = source.columns.iter().map(|column| column.name.as_str()).chain([REST]);
    let columns = names.map(|name| Column::builder().name(name).r#type("string").build());
    let serde = SerDeInfo::builder()
        .serialization_library(OPEN_CSV)
        .parameters("separatorChar", ",")
        .parameters("quoteChar", "\"")
        // Its default, a backslash, would be taken out of every text.
        .parameters("escapeChar", "\u{1}")
        .build();
    Ok(StorageDescriptor::builder()
        .set_columns(Some(columns.collect::<std::result::Result<_, _>>()?))
        .input_format("org.apache.hadoop.mapred.TextInputFormat")
        .output_format("org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat")
        .serde_info(serde))
}

/// How Parquet files are read: columns are found by their names, and have the types that they have in the files, for
/// another one is not read (Amazon Athena User Guide, "Change a column data type").
fn parquet_storage(source: &Source) -> std::result::Result<StorageDescriptorBuilder, BuildError> {
    let columns = source.columns.iter().map(|column| {
        let kind = match column.kind.as_str() {
            "varchar" => "string",
            "integer" => "int",
            same => same,
        };
        Column::builder().name(column.stored_name()).r#type(kind).build()
    });
    let serde = SerDeInfo::builder()
        .serialization_library("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe")
        .parameters("serialization.format", "1")
        .build();
    Ok(StorageDescriptor::builder()
        .set_columns(Some(columns.collect::<std::result::Result<_, _>>()?))
        .input_format("org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat")
        .output_format("org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat")
        .serde_info(serde))
}

/// What differs, each with what is wanted and what is there.
fn differences(wanted: &Shape, there: &Shape) -> Vec<String> {
    let differing = wanted.iter().filter(|(what, value)| there.get(*what) != Some(*value));
    differing
        .map(|(what, value)| format!("{what}: {} in place of {value}", there.get(what).map_or("", |it| it)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_glue::types::Table;
    use sluice::contract::athena_elt::Column as SourceColumn;

    fn source() -> Source {
        let column = |name: &str| SourceColumn { name: name.into(), from: name.into(), kind: "varchar".into() };
        let columns = vec![column("id"), column("title")];
        Source { prefix: "lake/movies/".into(), format: Format::Csv, columns }
    }

    #[test]
    fn a_table_is_as_wanted_whatever_else_it_says() {
        let wanted = table_input("b", "movies", &source(), "b/scifi").unwrap();
        let storage = wanted.storage_descriptor().unwrap().clone();
        let there = Table::builder().name("movies").parameters(lake::SKIPPED_LINES, "1").parameters("comment", "x");
        let there = there.storage_descriptor(storage).build().unwrap();
        assert_eq!(differences(&lake::shape_of_input(&wanted), &lake::shape(&there)), Vec::<String>::new());
        assert!(!lake::is_owned(&there, "b/scifi"));
    }

    #[test]
    fn a_table_of_parquet_files_has_their_names_and_types() {
        let mut source = source();
        source.format = Format::Parquet;
        for (column, (from, kind)) in source.columns.iter_mut().zip([("movieId", "integer"), ("title", "varchar")]) {
            (column.from, column.kind) = (from.into(), kind.into());
        }
        let shape = lake::shape_of_input(&table_input("b", "movies", &source, "b/scifi").unwrap());
        assert_eq!(shape["columns"], "movieid int, title string");
        assert_eq!((shape["skipped lines"].as_str(), shape["location"].as_str()), ("0", "s3://b/lake/movies"));
        assert!(shape["serde"].ends_with("ParquetHiveSerDe"));
    }

    #[test]
    fn every_difference_is_told() {
        let wanted = table_input("b", "movies", &source(), "b/scifi").unwrap();
        let other = Table::builder().name("movies").build().unwrap();
        let told = differences(&lake::shape_of_input(&wanted), &lake::shape(&other));
        assert_eq!(told.len(), 6, "{told:#?}");
        let columns = "columns:  in place of id string, title string, sluice_rest string";
        assert!(told.contains(&columns.to_owned()), "{told:#?}");
    }
}
