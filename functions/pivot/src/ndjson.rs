//! Newline-delimited JSON: one object per line, the spec's columns by name among its keys, whatever else it holds
//! skipped.
//!
//! A value's text is taken as it is in the file, whether it is a JSON number or a JSON string, so that it stays exact.

use crate::batch::{Batch, FileError, MAX_ROW_BYTES, RowError};
use crate::plan::Positions;
use crate::reject::{RowNumber, shown};
use memchr::memchr;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use sluice::contract::SourceFile;
use std::borrow::Cow;
use std::fmt;

/// Reads one file of JSON lines.
#[derive(Debug, Default)]
pub(crate) struct NdjsonReader {
    lines: LineSplitter,
}

impl NdjsonReader {
    /// Adds the rows that a piece of the file completes.
    ///
    /// # Errors
    /// What makes the rest of the file unreadable.
    pub(crate) fn feed(&mut self, piece: &[u8], file: &SourceFile, batch: &mut Batch<'_>) -> Result<(), FileError> {
        self.lines.feed(piece, &mut |line, raw| add_line(file, batch, line, raw))
    }

    /// Adds the rest, at the end of the file.
    ///
    /// # Errors
    /// As [`NdjsonReader::feed`].
    pub(crate) fn finish(&mut self, file: &SourceFile, batch: &mut Batch<'_>) -> Result<(), FileError> {
        self.lines.finish(&mut |line, raw| add_line(file, batch, line, raw))
    }
}

/// Cuts a stream into lines; only the one that is not yet complete is kept.
#[derive(Debug)]
struct LineSplitter {
    carry: Vec<u8>,
    next_line: u64,
}

impl Default for LineSplitter {
    fn default() -> Self {
        Self { carry: Vec::new(), next_line: 1 }
    }
}

impl LineSplitter {
    /// Hands every line that is complete by the end of `chunk` to `each`, with its number from 1 and without its end.
    ///
    /// # Errors
    /// The first error of `each`; or a line of more than [`MAX_ROW_BYTES`].
    fn feed(
        &mut self,
        chunk: &[u8],
        each: &mut impl FnMut(u64, &[u8]) -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        let mut rest = chunk;
        while let Some(end) = memchr(b'\n', rest) {
            if self.carry.is_empty() {
                self.hand_over(&rest[..end], each)?;
            } else {
                let mut line = std::mem::take(&mut self.carry);
                line.extend_from_slice(&rest[..end]);
                self.hand_over(&line, each)?;
                // Its memory serves the next one.
                line.clear();
                self.carry = line;
            }
            rest = &rest[end + 1..];
        }
        self.carry.extend_from_slice(rest);
        // One more: the CR of a line end whose LF has not come yet.
        if self.carry.len() > MAX_ROW_BYTES + 1 { Err(too_long(self.next_line)) } else { Ok(()) }
    }

    /// Hands over what is left at the end of the stream.
    ///
    /// # Errors
    /// As [`LineSplitter::feed`].
    fn finish(&mut self, each: &mut impl FnMut(u64, &[u8]) -> Result<(), FileError>) -> Result<(), FileError> {
        let line = std::mem::take(&mut self.carry);
        if line.is_empty() { Ok(()) } else { self.hand_over(&line, each) }
    }

    fn hand_over(
        &mut self,
        line: &[u8],
        each: &mut impl FnMut(u64, &[u8]) -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        let number = self.next_line;
        self.next_line += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > MAX_ROW_BYTES { Err(too_long(number)) } else { each(number, line) }
    }
}

fn too_long(line: u64) -> FileError {
    let reason = format!("a line of more than {MAX_ROW_BYTES} bytes begins here; is there one JSON object per line?");
    FileError::new(RowNumber::Line(line), reason)
}

/// The columns have no order, so they get the numbers of their order in the spec, which are never shown.
const POSITIONS: Positions = Positions { index: 0, category: 1, value: 2, width: 3 };

/// Adds one line of `file` to `batch`; a line of blanks is not a row.
fn add_line(file: &SourceFile, batch: &mut Batch<'_>, line: u64, raw: &[u8]) -> Result<(), FileError> {
    if raw.trim_ascii().is_empty() {
        return Ok(());
    }
    batch.rows_read += 1;
    let Err(error) = add_object(batch, raw) else { return Ok(()) };
    let plan = batch.plan();
    // A column without a number.
    let column = |position| (0, plan.column_name(POSITIONS, position).to_owned());
    batch.reject(file, RowNumber::Line(line), raw, error, column)
}

fn add_object(batch: &mut Batch<'_>, raw: &[u8]) -> Result<(), RowError> {
    let json = std::str::from_utf8(raw).map_err(|_| RowError::row("not UTF-8"))?;
    let names = batch.plan().columns();
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let object = ObjectSeed { names }.deserialize(&mut deserializer);
    let object = object.and_then(|cells| deserializer.end().map(|()| cells));
    let [index, category, value] = object.map_err(|error| RowError::row(not_an_object(&error)))?;
    let index = text(POSITIONS.index, index)?;
    let category = text(POSITIONS.category, category)?;
    let value = text(POSITIONS.value, value)?;
    batch.add_row(POSITIONS, &index, &category, &value)
}

fn text(position: usize, value: JsonValue<'_>) -> Result<Cow<'_, [u8]>, RowError> {
    value.text().map_err(|reason| RowError::field(position, reason))
}

/// Why a line is not a JSON object: in the words of the parser, which takes every line for the first.
fn not_an_object(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = text.strip_suffix(&place).unwrap_or(&text);
    format!("not a JSON object: {what}, at byte {} of the line", error.column())
}

/// What an object has for one of the spec's columns.
#[derive(Clone, Copy, Debug)]
enum JsonValue<'l> {
    Missing,
    /// A value as it is in the line.
    Json(&'l str),
    /// More than one.
    Twice,
}

impl<'l> JsonValue<'l> {
    /// The text of a string or a number.
    fn text(self) -> Result<Cow<'l, [u8]>, String> {
        let json = match self {
            JsonValue::Json(json) => json,
            JsonValue::Missing => return Err("the object has no such key".to_owned()),
            JsonValue::Twice => return Err("the object has this key twice".to_owned()),
        };
        let what = match json.as_bytes() {
            [b'"', inner @ .., b'"'] if memchr(b'\\', inner).is_none() => return Ok(Cow::Borrowed(inner)),
            [b'"', ..] => {
                return match serde_json::from_str::<String>(json) {
                    Ok(text) => Ok(Cow::Owned(text.into_bytes())),
                    // Escapes of half a character.
                    Err(_) => Err(format!("{}: not valid Unicode", shown(json.as_bytes()))),
                };
            }
            [b'-' | b'0'..=b'9', ..] => return Ok(Cow::Borrowed(json.as_bytes())),
            [b'n', ..] => "null",
            [b't', ..] => "true",
            [b'f', ..] => "false",
            [b'{', ..] => "an object",
            _ => "an array",
        };
        Err(format!("{what}, expected a string or a number"))
    }
}

/// An object of which the values under three names are wanted.
#[derive(Clone, Copy)]
struct ObjectSeed<'n> {
    names: [&'n str; 3],
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_> {
    type Value = [JsonValue<'de>; 3];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_> {
    type Value = [JsonValue<'de>; 3];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut cells = [JsonValue::Missing; 3];
        while let Some(is_wanted) = map.next_key_seed(KeySeed { names: self.names })? {
            if is_wanted == [false; 3] {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let json = map.next_value::<&'de RawValue>()?.get();
            for (cell, is_wanted) in cells.iter_mut().zip(is_wanted) {
                if is_wanted {
                    *cell = if matches!(cell, JsonValue::Missing) { JsonValue::Json(json) } else { JsonValue::Twice };
                }
            }
        }
        Ok(cells)
    }
}

/// A key: which of three names it is.
struct KeySeed<'n> {
    names: [&'n str; 3],
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = [bool; 3];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = [bool; 3];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.names.map(|name| name == key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_do_not_depend_on_how_the_stream_is_cut() {
        let text = b"a\r\n\nb\rc\n\r\nlast";
        let expected: [(u64, &[u8]); 5] = [(1, b"a"), (2, b""), (3, b"b\rc"), (4, b""), (5, b"last")];
        for chunk_len in 1..=text.len() {
            let mut seen = Vec::new();
            let mut each = |number: u64, line: &[u8]| {
                seen.push((number, line.to_vec()));
                Ok(())
            };
            let mut lines = LineSplitter::default();
            for chunk in text.chunks(chunk_len) {
                lines.feed(chunk, &mut each).unwrap();
            }
            lines.finish(&mut each).unwrap();
            assert!(seen.iter().map(|(number, line)| (*number, &line[..])).eq(expected), "{chunk_len}: {seen:?}");
        }
    }

    #[test]
    fn a_line_has_a_bound() {
        for line_end in ["", "\n", "\r\n"] {
            for over in [0, 1] {
                let text = format!("\n{}{line_end}", "x".repeat(MAX_ROW_BYTES + over));
                for chunk_len in [text.len(), text.len() - 1, 65_536] {
                    let mut lines = LineSplitter::default();
                    let mut each = |_: u64, _: &[u8]| Ok(());
                    let fed = text.as_bytes().chunks(chunk_len).try_for_each(|chunk| lines.feed(chunk, &mut each));
                    let read = fed.and_then(|()| lines.finish(&mut each));
                    let expected = if over == 0 { Ok(()) } else { Err(too_long(2)) };
                    assert_eq!(read, expected, "{line_end:?} {over} over, in pieces of {chunk_len}");
                }
            }
        }
    }
}
