//! What loading into PostgreSQL takes, whatever is loaded.
//!
//! # Layout
//! - [`connect`]: where the database is and how to log in.
//! - [`sql_error`]: from a database error to a kind. Pure. `told` says what of its text may be repeated.
//! - [`identifiers`]: checked and quoted names. Pure.
//! - [`preflight`]: does the target fit the load? Asked before a byte is loaded.
//! - [`arrays`]: a small part in one message.
//! - [`merge`]: inserts new keys and updates those that differ.
//! - [`schema`]: the schema `sluice`, where functions write down what they have done.
//! - [`runs`]: the table `sluice.runs`, which makes a run's effects happen once.

pub mod arrays;
pub mod connect;
pub mod identifiers;
pub mod merge;
pub mod preflight;
pub mod runs;
pub mod schema;
pub mod sql_error;
mod told;
