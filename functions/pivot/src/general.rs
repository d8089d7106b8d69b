//! The general way: any spec of the language. The usual way, beside it, is for one kind of spec, and several times as
//! fast; what both can do comes to the same.
//!
//! # Layout
//! - [`plan`]: a spec, ready to read rows by.
//! - [`reader`], with `csv` and `json`: a file to its rows; [`crate::parquet`] has its own way.
//! - `given`: what is known of a file without its rows.
//! - `column`, `condition`, `value`: what stands in a file to the value of a column, and whether a row counts.
//! - [`batch`], with [`table`]: the rows of a file to what they come to, key by key; `keys`, `few_keys` and
//!   `winners` are its memory, of which `full` says how much there is.
//! - `columns`: the rows of a block of CSV, column by column.
//! - [`probe`]: one value alone, for those who look for a spec.
//!
//! # As a row
//! 1. A reader hands it over as a `Row`, of which any field can be had.
//! 2. `GeneralBatch::try_add` reads the columns of the filter, and if it holds, the others, by a `ColumnReader` each:
//!    a field that is written as nearly all are where it stands in the file, and any other one as the spec says.
//! 3. Its key is written as it will stand in the part, and found by that in the `KeyIndex` of the table; one of few
//!    short keys by its values.
//! 4. Each word of the key takes its value; of `rows` the row takes the place of the one before if it wins.
//! 5. What is wrong with it makes it a bad row, and its key one of which the file has a part only.
//! 6. At the end of the file `Table::finish` gives the rows of the part, which the handler writes.

pub mod batch;
pub mod plan;
pub mod probe;
pub mod reader;
pub mod table;

pub(crate) mod column;
pub(crate) mod columns;
pub(crate) mod given;
pub(crate) mod value;

mod condition;
mod csv;
mod few_keys;
mod full;
mod json;
mod keys;
mod winners;
