//! Sums a batch of files into one row per index value and one column per category, exactly.
//!
//! # Layout
//! The pure core, from bytes to a table:
//! - [`compression`]: plain, gzip or zstd, told by the first bytes.
//! - [`scanner`], with [`separators`], [`layout`] and [`records`]: bytes to rows.
//! - [`ndjson`], [`parquet`]: the same from other formats.
//! - [`plan`], with [`categories`]: the spec and a header to positions.
//! - [`decimal`], [`date`], with [`digits`]: fields to values.
//! - [`sums`], with [`date_rows`]: one exact sum per index value and category.
//! - [`reader`]: the above for one file after the other.
//! - [`reject`]: bad rows.
//! - [`frame`]: sums to a table.
//! - [`copy_format`]: a table as PostgreSQL loads it.
//!
//! What is read once per row has two ways: a quick one for what is usual, which gives up where something is not, and a simple one for
//! all of it, which also says what is wrong.
//!
//! The shell, from objects to objects:
//! - [`download`]: a large object in ranges.
//! - [`upload`]: an object of unknown length, in parts.
//! - [`handler`]: the order of it all.

pub mod categories;
pub mod compression;
pub mod copy_format;
pub mod date;
pub mod date_rows;
pub mod decimal;
pub mod digits;
pub mod download;
pub mod frame;
pub mod handler;
pub mod layout;
pub mod ndjson;
pub mod parquet;
pub mod plan;
pub mod reader;
pub mod records;
pub mod reject;
pub mod scanner;
pub mod separators;
pub mod sums;
pub mod upload;
