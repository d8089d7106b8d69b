//! The metadata at the end of a Parquet file (Apache Parquet, "Metadata" and "Thrift definition"). Pure.
//!
//! # Layout
//! - [`thrift`]: how it is written.
//! - `tail`: where it is. `file`: what it says of a whole file: its columns, and how many rows and nulls there are.

mod file;
mod tail;
pub mod thrift;

pub use file::{Column, File, Form};
pub use tail::{TAIL_BYTES, Tail, tail};

use std::borrow::Cow;
use std::fmt;

/// What is wrong with a file, without its key and without a value.
#[derive(Debug)]
pub struct Flaw(Cow<'static, str>);

/// What was read, or what is wrong.
pub type Checked<T> = std::result::Result<T, Flaw>;

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Flaw {}

impl From<&'static str> for Flaw {
    fn from(what: &'static str) -> Self {
        Self(Cow::Borrowed(what))
    }
}

impl From<String> for Flaw {
    fn from(what: String) -> Self {
        Self(Cow::Owned(what))
    }
}
