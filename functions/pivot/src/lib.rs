//! Sums a batch of files into one row per key and one column per category, exactly.
//!
//! # Layout
//! The pure core, from bytes to a table:
//! - [`decompressor`]: plain, gzip or zstd, by the first bytes.
//! - [`format`](mod@format): CSV, JSON or Parquet, by the object's key.
//! - [`reader`]: the rows of a file, by [`csv`] or `json`; [`parquet`] has its own way, from a file's end.
//! - [`plan`]: the checked spec.
//! - [`value`]: fields to dates and decimals.
//! - [`batch`], with [`sums`] and [`reject`]: what the files have come to, sums and rejected rows.
//! - [`general`]: the same for any spec of the language; all else here is for specs of the usual kind, or for both.
//! - [`frame`]: sums to a table, and the table to what PostgreSQL loads.
//!
//! The shell, from objects to objects:
//! - `s3`: large objects in ranges, objects of unknown length in parts.
//! - [`handler`]: the order of it all.
//!
//! The code that runs per row has a fast path for common input and a slow path that handles everything and reports
//! errors.
//!
//! # As an uploaded file
//! 1. `handler::read_files` opens it, by `s3::download`, while the file before it is read.
//! 2. `handler::read_file` pushes each chunk into `Decompressor::push`, and pulls pieces from `next_piece`.
//! 3. `FileReader::feed` drops a byte order mark and passes each piece to the reader of its [`format`](mod@format).
//! 4. Of CSV, `Scanner::feed` finds the lines of a block at once, and offers each as a `FastRow` to `csv::Table`.
//! 5. `csv::add_row_fast` parses its three fields by `Categories::get_fast`, `Decimal::parse_fast`, `Date::parse_fast`.
//! 6. `Sums::add_known` adds the number to the sum of its key and category: one integer addition.
//! 7. A key that is new, like anything unusual, comes again as a `Record`: `csv::add_record`, then `Batch::add_row`.
//! 8. At its end `Batch::end_file` adds its sums to those of the batch, or makes a table of them by themselves.
//! 9. `frame::copy::rows` encodes a table, `s3::upload` writes it, and `handler::handle` writes the result beside it.
//!
//! # As a rejected row
//! 1. The fast path returns `None`, for any reason, and the scanner hands the row over again as a `Record`.
//! 2. `csv::add_record` checks quotes, number of fields and UTF-8, `Batch::add_row` category, number and key. If most
//!    of its fields are names of the header, it is one again, and binds the columns anew.
//! 3. What is wrong becomes a `RowError::Reject` with the position of the field and a reason.
//! 4. `Batch::reject` looks up the column's name, and passes it to `Rejects::add`.
//! 5. That counts the row, keeps the first five for the error's text, and appends a line to `pending`.
//! 6. Where bad rows go to quarantine, `Batch::mark` remembers the row's key, of which the file has a part only.
//! 7. After each piece the handler drains `batch.tally.rejects.pending` into the upload of the quarantine file.
//! 8. The upload is finished before anything that may fail, also if a later file ends the batch.
//! 9. If the spec says so, `handler::handle` then fails with `InvalidSource` and `Rejects::summary`, also for a row of
//!    a bad file.
//!
//! # As a bad file
//! 1. What makes it unreadable is an error of the kind `InvalidSource`; a sum that is too long is a `RowError::Abort`
//!    and ends it too, as the result must not depend on the order of rows.
//! 2. If the spec says that a bad file is a failure, that error ends the batch.
//! 3. Else `Batch::set_aside` drops what it came to, and writes a line of its own into the quarantine file.
//! 4. `Batch::end_file` does the same with one of which no row is good.

pub mod batch;
pub mod csv;
pub mod decompressor;
pub mod format;
pub mod frame;
pub mod general;
pub mod handler;
pub mod parquet;
pub mod plan;
pub mod reader;
pub mod reject;
pub mod sums;
pub mod value;

mod json;
mod s3;
