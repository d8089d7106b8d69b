//! Says which windows of a MySQL table are to be loaded into Redshift, and whether the tables of both sides fit. It
//! stands outside the VPC, where it reaches the Data API; MySQL's catalogue was read by `export-table` before.
//!
//! # Layout
//! - [`handler`]: the call of the state, with its documents in the bucket.
//! - [`catalogue`]: the columns that Redshift has, and the loads that it knows; makes what is missing.
//! - [`mapping`]: matches the columns by name, and tells all that is wrong. Pure.
//! - [`types`]: how a type of MySQL goes into one of Redshift. Pure.
//! - [`windows`]: where windows begin and end, and which ones are meant. Pure.
//! - [`explain`]: whether a window is loaded, and why not. Pure.
//! - [`prepare`]: what an administrator of Redshift runs for a job. Pure.

pub mod catalogue;
pub mod explain;
pub mod handler;
pub mod mapping;
pub mod prepare;
pub mod types;
pub mod windows;
