//! PostgreSQL's binary format for COPY (PostgreSQL manual, "COPY", "Binary Format"), written and read.
//!
//! A part is [`HEADER`], any number of rows, then [`END`]. A row is its number of fields, then the fields. A field is
//! its length in four bytes, then its value as the type's binary output has it; a NULL has the length -1.
//!
//! # Layout
//! - `write`: appends rows to a buffer, field by field: [`begin_row`], [`write_date`], [`write_smallint`],
//!   [`write_bigint`], [`write_boolean`], [`write_timestamp`], [`write_text`], [`write_jsonb`], [`write_numeric`],
//!   [`write_null`].
//! - `read`: the rows of a part without NULLs as [`Columns`], whose fields keep their length prefixes, which is how the
//!   elements of an array are sent too.

mod read;
mod write;

pub use read::{Columns, columns};
pub use write::{
    FieldTooLong, begin_row, write_bigint, write_boolean, write_date, write_jsonb, write_null, write_numeric,
    write_smallint, write_text, write_timestamp,
};

/// What begins a part: the signature, no flags, no header extension.
pub const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What ends a part, in place of a row's number of fields.
pub const END: &[u8] = &END_OF_ROWS.to_be_bytes();

const END_OF_ROWS: i16 = -1;

#[cfg(test)]
mod tests;
