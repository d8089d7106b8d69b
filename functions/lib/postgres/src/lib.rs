//! What loading into PostgreSQL takes, whatever is loaded.
//!
//! # Layout
//! - [`connect`]: where the database is and how to log in.
//! - [`sql_error`]: from a database error to a kind. Pure. `told` says what of its text may be repeated.
//! - [`identifiers`]: checked and quoted names. Pure.
//! - [`roles`]: makes the role that a function logs in as.
//! - [`preflight`]: does the target fit the load? Asked before a byte is loaded.
//! - [`loading`]: what loads of all kinds hold to.
//! - [`arrays`]: a small part in one message.
//! - [`merge`]: inserts new keys and updates those that differ.
//! - [`bookkeeping`]: the schema `sluice` and its tables.
//! - [`targets`]: its table `targets`: what is loaded into what.

pub mod arrays;
pub mod bookkeeping;
pub mod connect;
pub mod identifiers;
pub mod loading;
pub mod merge;
pub mod preflight;
pub mod roles;
pub mod sql_error;
pub mod targets;
pub mod told;
