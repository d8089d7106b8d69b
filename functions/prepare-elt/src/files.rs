//! The files of a source: what is there, and whether each has the columns of the spec: CSV in its first line, Parquet
//! in its metadata.

use crate::{header, schema};
use futures_util::future::try_join_all;
use lake::Listed;
use sluice::contract::athena_elt::{Definition, Format, Source, SourceState};
use sluice::store::{Pinned, Store};
use sluice::{Error, Kind, Result};

/// How many files of a source are looked into at the same time, and how many it may have at most: all of them are kept
/// in memory until they have been looked into, within the time of one invocation.
fn limits(format: Format) -> (usize, usize) {
    match format {
        Format::Csv => (16, 100_000),
        // The metadata of one may be much larger than a first line.
        Format::Parquet => (4, 20_000),
    }
}

/// How much of a file is read, in bytes: a first line has to end within.
const FIRST_BYTES: u64 = 64 << 10;

/// Looks at all files of a source, whose table is `table`.
///
/// # Errors
/// `InvalidSource`, naming the file that has other columns; or that there is no file, or that there are too many.
pub(crate) async fn look(store: &Store, name: &str, source: &Source, table: Definition) -> Result<SourceState> {
    let (concurrency, most) = limits(source.format);
    let Some(listed) = lake::list_at_most(store, &source.prefix, most).await? else {
        let what = format!(
            "{name}: there are more than {most} objects below {}; write fewer and larger files, or make several sources \
             of them",
            source.prefix
        );
        return Err(Error::new(Kind::InvalidSource, what));
    };
    let read: Vec<&Listed> = listed.iter().filter(|object| !lake::is_hidden(object, &source.prefix)).collect();
    if read.is_empty() {
        let what = format!("{name}: there is no file below {}", source.prefix);
        return Err(Error::new(Kind::InvalidSource, what));
    }
    for some in read.chunks(concurrency) {
        let mut checks = Vec::with_capacity(some.len());
        for object in some {
            checks.push(check(store, object, source));
        }
        try_join_all(checks).await?;
    }
    let (files, bytes) = read.iter().fold((0, 0), |(files, bytes), object| (files + 1, bytes + object.size));
    Ok(SourceState { table, files, bytes, fingerprint: lake::fingerprint(&listed) })
}

async fn check(store: &Store, object: &Listed, source: &Source) -> Result<()> {
    match source.format {
        Format::Csv => check_csv(store, object, source).await,
        Format::Parquet => {
            let file = lake::parquet(store, object).await?;
            schema::check(&file, &source.columns)
                .map_err(|what| Error::new(Kind::InvalidSource, format!("{}: {what}", object.key)))
        }
    }
}

async fn check_csv(store: &Store, object: &Listed, source: &Source) -> Result<()> {
    let wanted: Vec<&str> = source.columns.iter().map(|column| column.from.as_str()).collect();
    let key = &object.key;
    let Pinned::Body(body) = store.open_range(key, &object.etag, &(0..=FIRST_BYTES - 1)).await? else {
        return Err(Error::new(Kind::TransientFailure, format!("{key} was replaced or deleted just now")));
    };
    let first = body.collect().await;
    let first = first.map_err(|error| Error::caused(Kind::TransientFailure, format!("read {key}"), error))?;
    let first = first.into_bytes();
    header::check(key, &first, first.len() as u64 == object.size, &wanted)
        .map_err(|what| Error::new(Kind::InvalidSource, format!("{key}: {what}; columns are bound by position")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much memory the files that are looked into at the same time may take, in bytes: the function has 128 MB.
    const MOST_BYTES: u64 = 32 << 20;

    #[test]
    fn what_is_looked_into_at_the_same_time_fits_into_memory() {
        for (format, each) in [(Format::Csv, FIRST_BYTES), (Format::Parquet, lake::MAX_METADATA_BYTES)] {
            assert!(limits(format).0 as u64 * each <= MOST_BYTES, "{format:?}");
        }
    }
}
