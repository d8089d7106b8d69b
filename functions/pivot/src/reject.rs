//! Rejected rows: where they are, why they were rejected, and how they look in the quarantine file.

use sluice::contract::SourceFile;
use std::fmt;

/// How many rejected rows an error names. All of them are in the quarantine file.
const NAMED: usize = 5;

/// How many of one file, if all of its rows are rejected.
const NAMED_OF_FILE: usize = 3;

/// The header of a quarantine file.
pub const HEADER: &[u8] = b"source_key,source_etag,line,column,column_name,reason,raw\n";

/// Where a row is, in the unit in which its format is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowNumber {
    /// Of a text: the number of its first line, from 1.
    Line(u64),
    /// Of a text, behind others in one line: that line, and its number among the records that begin there, from 1.
    InLine {
        /// The line, from 1.
        line: u64,
        /// Its number, from 2.
        number: u64,
    },
    /// Of a Parquet file: its number, from 1.
    Row(u64),
}

impl RowNumber {
    fn number(self) -> u64 {
        match self {
            Self::Line(number) | Self::Row(number) | Self::InLine { line: number, .. } => number,
        }
    }
}

impl fmt::Display for RowNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line {number}"),
            Self::InLine { line, number } => write!(f, "line {line}, record {number}"),
            Self::Row(number) => write!(f, "row {number}"),
        }
    }
}

/// Where something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file's key.
    pub(crate) key: String,
    /// The row.
    pub(crate) row: RowNumber,
    /// From 1, or 0 where columns have no order; and its name if it is one of the spec's. `None` for the whole row.
    pub(crate) column: Option<(usize, String)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.key, self.row)?;
        match &self.column {
            Some((0, name)) => write!(f, ", column {name}"),
            Some((number, name)) if name.is_empty() => write!(f, ", column {number}"),
            Some((number, name)) => write!(f, ", column {number} ({name})"),
            None => Ok(()),
        }
    }
}

/// The rejected rows of a batch: all counted, the first ones remembered; their quarantine lines, and those of bad
/// files, waiting to be written.
#[derive(Debug, Default)]
pub struct Rejects {
    /// How many there are.
    pub count: u64,
    /// The first ones, as text.
    pub first: Vec<String>,
    /// The first ones of the current file, without its key.
    pub(crate) first_of_file: Vec<String>,
    /// Lines of the quarantine file that are still to be written.
    pub pending: Vec<u8>,
    /// The first one of them, the header, has been.
    has_header: bool,
}

impl Rejects {
    /// Adds the rejected row that is `raw` in the file.
    pub(crate) fn add(
        &mut self,
        file: &SourceFile,
        row: RowNumber,
        raw: &[u8],
        column: Option<(usize, String)>,
        reason: &str,
    ) {
        self.count += 1;
        let (number, name) = match &column {
            Some((0, name)) => (String::new(), name.as_str()),
            Some((number, name)) => (number.to_string(), name.as_str()),
            None => (String::new(), ""),
        };
        self.write_line(file, [row.number().to_string().as_str(), &number, name, reason], raw);
        if self.first_of_file.len() < NAMED_OF_FILE {
            let place = Place { key: String::new(), row, column: column.clone() };
            self.first_of_file.push(format!("{}: {reason}", place.to_string().trim_start_matches([',', ' '])));
        }
        if self.first.len() < NAMED {
            let place = Place { key: file.key.clone(), row, column };
            self.first.push(format!("{place}: {reason}"));
        }
    }

    /// Adds a file that is set aside whole.
    pub(crate) fn add_file(&mut self, file: &SourceFile, reason: &str) {
        self.write_line(file, ["", "", "", reason], b"");
    }

    /// Appends a line of the quarantine file, whose fields between the file and the row are given.
    fn write_line(&mut self, file: &SourceFile, [line, column, name, reason]: [&str; 4], raw: &[u8]) {
        if !std::mem::replace(&mut self.has_header, true) {
            self.pending.extend_from_slice(HEADER);
        }
        for text in [&file.key, &file.etag, line, column, name, reason].map(str::as_bytes) {
            write_quoted(&mut self.pending, text);
            self.pending.push(b',');
        }
        write_quoted(&mut self.pending, raw);
        self.pending.push(b'\n');
    }

    /// All of it in one sentence.
    pub fn summary(&self) -> String {
        let more = self.count - self.first.len() as u64;
        let more = if more == 0 { String::new() } else { format!("; and {more} more") };
        let rows = if self.count == 1 { "row" } else { "rows" };
        format!("{} bad {rows}: {}{more}", self.count, self.first.join("; "))
    }
}

/// Appends a field as RFC 4180 has it.
pub(crate) fn write_quoted(line: &mut Vec<u8>, field: &[u8]) {
    if !field.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        line.extend_from_slice(field);
        return;
    }
    line.push(b'"');
    for part in field.split_inclusive(|&byte| byte == b'"') {
        line.extend_from_slice(part);
        if part.ends_with(b"\"") {
            line.push(b'"');
        }
    }
    line.push(b'"');
}

/// What is wrong with a text that is not UTF-8, with a guess at what it is.
pub(crate) fn not_utf_8(text: &[u8]) -> &'static str {
    // The bytes that Windows-1252 gives no character to.
    let fits = !text.iter().any(|byte| matches!(byte, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D));
    if fits { "not UTF-8; is it Windows-1252 (Latin-1)? Export the file as UTF-8" } else { "not UTF-8" }
}

/// A name as shown in a message: short, and on one line.
pub(crate) fn shown(value: &[u8]) -> String {
    const LONGEST: usize = 40;
    let text = String::from_utf8_lossy(value);
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        for (field, expected) in
            [("a b", "a b"), ("", ""), ("a,b", "\"a,b\""), ("say \"so\"", "\"say \"\"so\"\"\""), ("a\nb", "\"a\nb\"")]
        {
            let mut line = Vec::new();
            write_quoted(&mut line, field.as_bytes());
            assert_eq!(String::from_utf8(line).unwrap(), expected);
        }
    }

    #[test]
    fn values_are_shown_short_and_on_one_line() {
        assert_eq!(shown(b"a\nb"), "\"a\\nb\"");
        assert_eq!(shown("é".repeat(50).as_bytes()), format!("\"{}…\"", "é".repeat(40)));
        assert_eq!(shown(b"\xff"), "\"\u{fffd}\"");
    }
}
