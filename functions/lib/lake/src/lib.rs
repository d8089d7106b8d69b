//! What the functions of an ELT share: the tables in the catalogue of Glue, and the objects of the lake.
//!
//! # Layout
//! - `tables`: looks a table up, and tells whose it is.
//! - `definition`: how the files of a table are read, and whether that has changed.
//! - `listing`: the objects under a prefix, and their fingerprint.
//! - `parquet`: what the metadata of a Parquet file says.

mod definition;
mod listing;
mod parquet;
mod tables;

pub use definition::{SKIPPED_LINES, Shape, definition, shape, shape_of_input};
pub use listing::{Fingerprint, Listed, Pages, fingerprint, is_hidden, keys, list, seen};
pub use parquet::{MAX_METADATA_BYTES, parquet};
pub use tables::{
    LOCKED_AT, OWNER, TableColumn, VERSION, VERSIONS, columns, is_owned, location, owner, parameter, table, version_id,
};
