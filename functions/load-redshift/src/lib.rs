//! Loads the parts of one window into a table in Redshift: one batch, which is one transaction and guards itself, so
//! that a load that is wrong, late or double undoes itself.
//!
//! # Layout
//! - [`handler`]: the actions, with their documents in the bucket.
//! - [`batch`]: the statements of a load. Pure.
//! - [`guards`]: queries that fail a batch if something is not as it must be. Pure.
//! - [`sums`]: what Redshift adds up of a column, to be compared with what was read. Pure.
//! - [`outcome`]: what the end of a batch means. Pure.
//! - [`pauses`]: when to ask again. Pure.
//! - [`submission`]: a batch is submitted once, also when answers are lost.
//! - [`audit`]: the statements of an audit, and what Redshift answers. Pure.
//! - [`differences`]: where both tables differ, and what may have come of it. Pure.

pub mod audit;
pub mod batch;
pub mod differences;
pub mod guards;
pub mod handler;
pub mod outcome;
pub mod pauses;
pub mod submission;
pub mod sums;
