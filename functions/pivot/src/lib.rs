//! Sums a batch of CSV files into one row per index value and one column per category, exactly.
//!
//! # Layout
//! The pure core, from bytes to a table:
//! - [`compression`]: plain, gzip or zstd, told by the first bytes.
//! - [`scanner`]: bytes to records.
//! - [`plan`]: the spec and a header to positions.
//! - [`decimal`], [`date`]: fields to values.
//! - [`sums`]: one exact sum per index value and category.
//! - [`reader`]: the above for one file after the other.
//! - [`reject`]: bad rows.
//! - [`frame`]: sums to CSV.
//!
//! The shell, from objects to objects:
//! - [`upload`]: an object of unknown length, in parts.
//! - [`handler`]: the order of it all.

pub mod compression;
pub mod date;
pub mod decimal;
pub mod frame;
pub mod handler;
pub mod plan;
pub mod reader;
pub mod reject;
pub mod scanner;
pub mod sums;
pub mod upload;
