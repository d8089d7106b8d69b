//! Reads a table of MySQL, whole or a window of it, at one moment into packed CSV in S3, counted and summed. It stands
//! in the VPC, next to MySQL, and reaches nothing but that and S3.
//!
//! # Layout
//! - [`handler`]: the actions, with their documents in the bucket.
//! - [`connect`]: where MySQL is and how to log in.
//! - [`sql_error`]: from a database error to a kind. Pure.
//! - [`catalogue`]: the columns that MySQL has.
//! - [`prepare`]: lets the function's user read the table.
//! - [`query`]: what MySQL is asked. Pure.
//! - [`rows`]: the rows of a query, of one moment.
//! - [`export`]: rows on their way into CSV, until the end or the deadline.
//! - [`cells`]: a value of MySQL as it stands in the parts, or why it cannot. Pure, and the hot path.
//! - [`dates`]: dates and times of MySQL. Pure.
//! - [`sums`]: what values add up to. Pure.
//! - [`parts`]: packs CSV into objects of S3.
//! - [`audit`]: rows and their hashes, by parts of the key, for an audit.

pub mod audit;
pub mod catalogue;
pub mod cells;
pub mod connect;
pub mod dates;
pub mod export;
pub mod handler;
pub mod parts;
pub mod prepare;
pub mod query;
pub mod rows;
pub mod sql_error;
pub mod sums;
