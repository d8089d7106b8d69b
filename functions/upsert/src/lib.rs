//! Loads the partial sums of a run into its PostgreSQL table, in one transaction.
//!
//! # Layout
//! - [`statements`]: the SQL for a table, with quoted identifiers. Pure.
//! - [`sql_error`]: from a database error to a kind. Pure.
//! - [`preflight`]: is the table what the load needs? Asked before a byte is loaded.
//! - [`runs`]: the table `sluice.runs`, which makes a run's effects happen once.
//! - [`shares`]: what each file says of each key, for `on_overlap: per_file`.
//! - [`merge`]: from rows that are ready to rows of the target.
//! - [`arrays`]: a small part in one message.
//! - [`load`]: the transaction.
//! - [`ledger`]: what was loaded, for the next detection.
//! - [`results`]: what pivot left.
//! - [`connect`]: where the database is and how to log in.
//! - [`prepare`]: makes the role that loads.
//! - [`scram`]: what PostgreSQL keeps of a password. Pure.
//! - [`handler`]: the order of it all.

pub mod arrays;
pub mod connect;
pub mod handler;
pub mod ledger;
pub mod load;
pub mod merge;
pub mod preflight;
pub mod prepare;
pub mod results;
pub mod runs;
pub mod scram;
pub mod shares;
pub mod sql_error;
pub mod statements;
