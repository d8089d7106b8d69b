//! Documents of JSON with the rows in an array inside: of each only that array is passed on, and the line ends of all
//! else, so that lines keep their numbers. Nothing but brackets, strings and names is looked at, and no more is kept
//! than a name.

use crate::batch::{FileError, MAX_ROW_BYTES};
use crate::format::UTF8_MARK;
use crate::reject::RowNumber;
use sluice::spec::Step;

/// Finds the arrays of rows.
#[derive(Debug)]
pub(super) struct Documents {
    way: Vec<Step>,
    /// The open brackets around here, within a document.
    open: Vec<Bracket>,
    /// How many of the outermost are on the way.
    on_way: usize,
    state: State,
    /// The name that was read last, with its quotes.
    name: Vec<u8>,
    line: u64,
    /// This document has the array.
    has_found: bool,
}

#[derive(Clone, Copy, Debug)]
enum Bracket {
    Object,
    /// With the place of the element.
    Array(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A value may begin, or something else that is no string.
    Value,
    /// A name of an object may begin.
    Name,
    /// Within a name; behind a backslash or not.
    InName(bool),
    /// Within another string.
    InText(bool),
    /// Within the array of rows: how many brackets are open in it, and whether a string is, and a backslash before.
    Rows { depth: u32, in_text: bool, is_escaped: bool },
}

impl Documents {
    /// With rows at the end of this way.
    pub(super) fn new(way: Vec<Step>) -> Self {
        Self { way, open: Vec::new(), on_way: 0, state: State::Value, name: Vec::new(), line: 1, has_found: false }
    }

    /// Passes on what a piece has of rows.
    ///
    /// # Errors
    /// A document without an array at the end of the way; those of `pass`.
    pub(super) fn feed(
        &mut self,
        piece: &[u8],
        pass: &mut impl FnMut(&[u8]) -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        let mut at = 0;
        while at < piece.len() {
            if let State::Rows { .. } = self.state {
                at += self.rows(&piece[at..], pass)?;
                continue;
            }
            let byte = piece[at];
            if byte == b'\n' {
                self.line += 1;
                pass(b"\n")?;
            }
            match self.state {
                State::InText(true) => self.state = State::InText(false),
                State::InName(true) => {
                    self.keep(byte)?;
                    self.state = State::InName(false);
                }
                State::InText(false) => match byte {
                    b'"' => self.state = State::Value,
                    b'\\' => self.state = State::InText(true),
                    _ => {}
                },
                State::InName(false) => {
                    self.keep(byte)?;
                    match byte {
                        b'"' => self.state = State::Value,
                        b'\\' => self.state = State::InName(true),
                        _ => {}
                    }
                }
                State::Value | State::Name => self.outside(byte, pass)?,
                State::Rows { .. } => {}
            }
            at += 1;
        }
        Ok(())
    }

    /// At the end of the file.
    ///
    /// # Errors
    /// A document is not closed.
    pub(super) fn finish(&self) -> Result<(), FileError> {
        match (self.open.is_empty(), self.state) {
            (true, State::Value) => Ok(()),
            _ => Err(self.wrong("the document is not closed; was the file cut off?")),
        }
    }

    fn keep(&mut self, byte: u8) -> Result<(), FileError> {
        self.name.push(byte);
        if self.name.len() > MAX_ROW_BYTES { Err(self.wrong("a name of more than a MiB")) } else { Ok(()) }
    }

    fn wrong(&self, what: &str) -> FileError {
        FileError::new(RowNumber::Line(self.line), what)
    }

    /// Whether a value that begins here is the one at the end of the way.
    fn is_at_end(&self) -> bool {
        let depth = self.open.len();
        depth > 0 && depth == self.way.len() && self.on_way + 1 == depth && self.is_step()
    }

    /// Whether the value that begins here is where the next step leads.
    fn is_step(&self) -> bool {
        match (self.open.last(), self.open.len().checked_sub(1).and_then(|depth| self.way.get(depth))) {
            (Some(Bracket::Object), Some(Step::Name(name))) => {
                serde_json::from_slice::<String>(&self.name).is_ok_and(|found| found == *name)
            }
            (Some(Bracket::Array(place)), Some(Step::Place(wanted))) => place == wanted,
            _ => false,
        }
    }

    fn outside(&mut self, byte: u8, pass: &mut impl FnMut(&[u8]) -> Result<(), FileError>) -> Result<(), FileError> {
        match byte {
            b'"' if self.state == State::Name => {
                self.name.clear();
                self.name.push(b'"');
                self.state = State::InName(false);
            }
            b'"' => self.state = State::InText(false),
            b'{' | b'[' => {
                if self.is_at_end() {
                    self.has_found = true;
                    self.state = State::Rows { depth: 1, in_text: false, is_escaped: false };
                    return pass(&[byte]);
                }
                if !self.open.is_empty() && self.on_way + 1 == self.open.len() && self.is_step() {
                    self.on_way += 1;
                }
                self.open.push(if byte == b'{' { Bracket::Object } else { Bracket::Array(0) });
                self.state = if byte == b'{' { State::Name } else { State::Value };
            }
            b'}' | b']' => {
                let fits = match self.open.pop() {
                    Some(Bracket::Object) => byte == b'}',
                    Some(Bracket::Array(_)) => byte == b']',
                    None => false,
                };
                if !fits {
                    return Err(self.wrong("a bracket closes that is not open"));
                }
                self.state = State::Value;
                self.on_way = self.on_way.min(self.open.len().saturating_sub(1));
                if self.open.is_empty() && !std::mem::take(&mut self.has_found) {
                    return Err(self.wrong("a document has no array at the end of format.records"));
                }
            }
            b',' => match self.open.last_mut() {
                Some(Bracket::Array(place)) => *place = place.saturating_add(1),
                Some(Bracket::Object) => self.state = State::Name,
                None => {}
            },
            // A value, or blanks, or the byte order mark of another document.
            b':' | b' ' | b'\t' | b'\r' | b'\n' => {}
            byte if self.open.is_empty() && !UTF8_MARK.contains(&byte) => {
                return Err(self.wrong("not an object or an array"));
            }
            _ => {}
        }
        Ok(())
    }

    /// Passes on what belongs to the array of rows. Returns how many bytes that are.
    fn rows(
        &mut self,
        piece: &[u8],
        pass: &mut impl FnMut(&[u8]) -> Result<(), FileError>,
    ) -> Result<usize, FileError> {
        let State::Rows { mut depth, mut in_text, mut is_escaped } = self.state else { return Ok(0) };
        let mut len = piece.len();
        for (at, &byte) in piece.iter().enumerate() {
            self.line += u64::from(byte == b'\n');
            match (in_text, byte) {
                _ if is_escaped => is_escaped = false,
                (true, b'\\') => is_escaped = true,
                (_, b'"') => in_text = !in_text,
                (false, b'{' | b'[') => depth += 1,
                (false, b'}' | b']') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                len = at + 1;
                break;
            }
        }
        pass(&piece[..len])?;
        self.state = if depth == 0 { State::Value } else { State::Rows { depth, in_text, is_escaped } };
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(way: &[Step], text: &str, chunk_len: usize) -> Result<String, String> {
        let mut documents = Documents::new(way.to_vec());
        let mut passed = Vec::new();
        let mut pass = |part: &[u8]| {
            passed.extend_from_slice(part);
            Ok(())
        };
        let fed = text.as_bytes().chunks(chunk_len).try_for_each(|chunk| documents.feed(chunk, &mut pass));
        let ended = fed.and_then(|()| documents.finish());
        ended.map(|()| String::from_utf8(passed).unwrap()).map_err(|error| error.of("x").to_string())
    }

    #[test]
    fn the_array_of_each_document_is_passed_on() {
        let name = |name: &str| Step::Name(name.to_owned());
        let data = [name("data")];
        let deep = [name("a"), Step::Place(1), name("b")];
        for (way, text, expected) in [
            (&data[..], r#"{"n": 2, "data": [{"a": "]}"}, {"b": 1}], "data2": [1]}"#, r#"[{"a": "]}"}, {"b": 1}]"#),
            (&data, "{\"x\": {\"data\": [1]},\n\"data\": []}\n{\"data\": [3]}", "\n[]\n[3]"),
            (&data, r#"{"d\u0061ta": [1]}"#, "[1]"),
            (&data, r#"{"x": "\"data\": [9]", "data": [1]}"#, "[1]"),
            (&data, "\u{feff}{\"data\": [1]}\u{feff}{\"data\": [2]}", "[1][2]"),
            (&deep, r#"{"a": [{"b": [0]}, {"c": 1, "b": [1]}, {"b": [2]}]}"#, "[1]"),
            (&deep, r#"{"b": [7], "a": ["x", {"b": [[1], 2]}]}"#, "[[1], 2]"),
            (&[Step::Place(0)], "[[1, 2], [3]]", "[1, 2]"),
        ] {
            for chunk_len in 1..=text.len() {
                assert_eq!(passed(way, text, chunk_len).as_deref(), Ok(expected), "{text} by {chunk_len}");
            }
        }
        for (text, what) in [
            (r#"{"dat": [1]}"#, "no array at the end"),
            (r#"{"data": 5}"#, "no array at the end"),
            (r#"{"x": {"data": [1]}}"#, "no array at the end"),
            (r#"{"data": [1]"#, "cut off"),
            (r#"{"data": [1"#, "cut off"),
            (r#"{"data": [1]]"#, "not open"),
            ("x", "not an object"),
        ] {
            for chunk_len in 1..=text.len() {
                assert!(
                    passed(&data, text, chunk_len).is_err_and(|error| error.contains(what)),
                    "{text} by {chunk_len}"
                );
            }
        }
        assert_eq!(passed(&data, "", 1).as_deref(), Ok(""));
    }
}
