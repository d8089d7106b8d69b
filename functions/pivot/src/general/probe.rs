//! Whether a text that stands in a file is a value of a column: what reads rows, asked for one value alone.

use super::column::{ColumnReader, Raw};
use sluice::spec::Column;
use std::borrow::Cow;

/// Reads texts as values of one column.
#[derive(Debug)]
pub struct Probe(ColumnReader);

impl Probe {
    /// For this column; `None` if it cannot work, such as one with a zone that there is not.
    pub fn new(column: &Column) -> Option<Self> {
        ColumnReader::new(column).ok().map(Self)
    }

    /// Whether a row of CSV with this text is no bad row by it.
    pub fn takes(&self, text: &str) -> bool {
        self.0.read(Raw::Text(Cow::Borrowed(text.as_bytes()))).is_ok()
    }
}
