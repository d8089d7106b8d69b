//! The pure core from bytes to CSV: golden cases, properties, hostile files, limits and fuzz targets.

mod bad_files;
mod compressed;
mod foreign;
mod fuzzed;
mod general;
mod golden;
mod hostile;
mod json;
mod limits;
mod packing;
mod parquet;
mod partial_keys;
mod properties;
mod reading;
mod several_files;
mod support;
