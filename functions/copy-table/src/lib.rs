//! Copies a PostgreSQL table into another database, window by window. Each window is copied, verified and recorded in
//! one transaction; there is no watermark.
//!
//! # Layout
//! - [`handler`]: the actions, with their documents in the bucket.
//! - [`plan`]: which windows, and do the columns fit?
//! - [`copy`]: one window, as one transaction.
//! - [`conclude`]: are all windows there? `sequences` says what a whole copy leaves to do.
//! - `prepare`: roles and grants, by hand and once.
//! - [`session`]: bounded waits, and the end of earlier attempts.
//! - For a window: `grid` says where windows begin, `bounds` which rows are in one, `settle` whether it is complete,
//!   `waiting` how long it is waited for, and `parts` cuts one that is too large; `windows` is the table
//!   `sluice.windows`, `missing` says which of them it lacks, `kept` whether those that were just copied are still so.
//! - For a table: `catalogue` reads its columns, `types` decides how one goes over, `mapping` matches them by name,
//!   `preflight` asks whether the target keeps what it gets.
//! - For the rows: [`pump`] carries them, `long_rows` says which are fetched one at a time, `checksum` sums them up,
//!   `write` puts them into the table, `merge` only those that differ.

mod bounds;
mod catalogue;
mod checksum;
pub mod conclude;
pub mod copy;
mod grid;
pub mod handler;
mod kept;
mod long_rows;
mod mapping;
mod merge;
mod missing;
mod parts;
pub mod plan;
mod preflight;
mod prepare;
pub mod pump;
mod sequences;
pub mod session;
mod settle;
mod types;
mod waiting;
mod windows;
mod write;
