//! What planning and loading share of Redshift.
//!
//! # Layout
//! - [`warehouse`]: the Data API: batches that are submitted, asked for and read.
//! - [`failure`]: from the text of a failed statement to a kind. Pure.
//! - [`text`]: names and values in SQL. Pure.
//! - [`bookkeeping`]: the table of loads, and the lock of a job. Pure.

pub mod bookkeeping;
pub mod failure;
pub mod text;
pub mod warehouse;
