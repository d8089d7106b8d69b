//! A stream of JSON to its objects: one per line, run together, spread over lines, or the elements of an array.
//!
//! Only brackets and strings are looked at here, which is enough to see where an object ends; whether it is one is for
//! the parser to say. Where nothing tells it, it ends with its line: a line that was cut off takes no other with it.

use crate::batch::{FileError, MAX_ROW_BYTES};
use crate::reject::RowNumber;
use memchr::{memchr, memchr_iter, memchr3};

/// Takes what a splitter finds.
pub(crate) trait RecordSink {
    /// Takes a text that should be an object.
    ///
    /// # Errors
    /// What ends the file.
    fn take(&mut self, row: RowNumber, text: &[u8]) -> Result<(), FileError>;

    /// Takes a line if it is one object and nothing else; false if it is not, and nothing has been taken.
    ///
    /// # Errors
    /// What ends the file.
    fn take_line(&mut self, row: RowNumber, line: &[u8]) -> Result<bool, FileError>;
}

/// Cuts a stream; only what is not yet complete is kept.
#[derive(Debug)]
pub(crate) struct Splitter {
    carry: Vec<u8>,
    state: State,
    /// Where it is: a line from 1, and how many records have begun in it.
    line: u64,
    in_line: u64,
    /// The brackets that are open within a record.
    open: Vec<u8>,
    /// A comma between objects outside of an array has been handed over: no other one is.
    has_told_comma: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first record, or the array that holds all of them.
    Start,
    /// A record outside of an array.
    Record,
    /// An element of the array; its end too, if nothing has come yet.
    Element { may_end: bool },
    /// A comma, or the array's end.
    Comma,
}

/// Where a record ends.
enum End {
    /// After so many bytes.
    Whole(usize),
    /// It is none; what follows so many bytes may be one.
    Broken(usize),
    /// Not yet.
    Open,
}

impl Default for Splitter {
    fn default() -> Self {
        Self { carry: Vec::new(), state: State::Start, line: 1, in_line: 0, open: Vec::new(), has_told_comma: false }
    }
}

impl Splitter {
    /// Hands every record that is complete by the end of `chunk` over.
    ///
    /// # Errors
    /// The first error of `records`, a record of more than [`MAX_ROW_BYTES`], or an array that is none.
    pub(crate) fn feed(&mut self, chunk: &[u8], records: &mut impl RecordSink) -> Result<(), FileError> {
        if self.carry.is_empty() {
            let used = self.scan(chunk, false, records)?;
            self.carry.extend_from_slice(&chunk[used..]);
        } else {
            let mut window = std::mem::take(&mut self.carry);
            window.extend_from_slice(chunk);
            let used = self.scan(&window, false, records)?;
            // Its memory serves the next one.
            window.drain(..used);
            self.carry = window;
        }
        Ok(())
    }

    /// Hands over what is left at the end of the stream.
    ///
    /// # Errors
    /// As [`Splitter::feed`]; or the array has no end.
    pub(crate) fn finish(&mut self, records: &mut impl RecordSink) -> Result<(), FileError> {
        let window = std::mem::take(&mut self.carry);
        let mut used = 0;
        while used < window.len() {
            used += self.scan(&window[used..], true, records)?;
        }
        match self.state {
            State::Start | State::Record => Ok(()),
            State::Element { .. } | State::Comma => {
                Err(self.no_array("the array is not closed; was the file cut off?"))
            }
        }
    }

    /// Hands over what is complete. Returns how many bytes of `window` are done with.
    fn scan(&mut self, window: &[u8], is_end: bool, records: &mut impl RecordSink) -> Result<usize, FileError> {
        let mut at = 0;
        loop {
            let rest = &window[at..];
            let blanks = blanks(rest);
            self.pass(&rest[..blanks]);
            at += blanks;
            let rest = &window[at..];
            let Some(&first) = rest.first() else { return Ok(at) };
            let used = match (self.state, first) {
                (State::Start, b'[') => self.turn(State::Element { may_end: true }),
                (State::Start, _) => {
                    self.state = State::Record;
                    0
                }
                (State::Element { may_end: true } | State::Comma, b']') => self.turn(State::Start),
                (State::Comma, b',') => self.turn(State::Element { may_end: false }),
                (State::Comma, _) => return Err(self.no_array("a comma is missing in the array")),
                (State::Record, _) => match self.record(rest, is_end, records)? {
                    0 => return Ok(at),
                    used => used,
                },
                (State::Element { .. }, _) => match self.element(rest, is_end, records)? {
                    0 => return Ok(at),
                    used => used,
                },
            };
            at += used;
        }
    }

    /// A bracket or a comma was read.
    fn turn(&mut self, next: State) -> usize {
        self.state = next;
        1
    }

    /// Counts the lines of a text that is done with.
    fn pass(&mut self, text: &[u8]) {
        let line_feeds = memchr_iter(b'\n', text).count() as u64;
        if line_feeds > 0 {
            self.line += line_feeds;
            self.in_line = 0;
        }
    }

    /// A record outside of an array. Returns its length; 0 if it is not complete.
    fn record(&mut self, rest: &[u8], is_end: bool, records: &mut impl RecordSink) -> Result<usize, FileError> {
        if self.in_line == 0
            && rest[0] == b'{'
            && let Some(line) = line_len(rest, is_end).map(|len| &rest[..len])
            && line.len() <= MAX_ROW_BYTES
            && records.take_line(self.row(), trimmed(line))?
        {
            self.in_line = 1;
            return Ok(line.len());
        }
        let end = match rest[0] {
            b'{' => end_of_brackets(rest, is_end, &mut self.open),
            _ => line_len(rest, is_end).map_or(End::Open, End::Broken),
        };
        match end {
            End::Broken(len) if trimmed(&rest[..len]) == b"," && std::mem::replace(&mut self.has_told_comma, true) => {
                Ok(len)
            }
            End::Whole(len) | End::Broken(len) => self.hand_over(&rest[..len], records),
            End::Open => self.wait(rest),
        }
    }

    /// An element of the array. Returns its length; 0 if it is not complete.
    fn element(&mut self, rest: &[u8], is_end: bool, records: &mut impl RecordSink) -> Result<usize, FileError> {
        let end = match rest[0] {
            b'{' | b'[' => end_of_brackets(rest, is_end, &mut self.open),
            b'"' => end_of_string(rest, 0).map_or(End::Open, |end| end.map_or(End::Broken(0), End::Whole)),
            _ => match rest.iter().position(|&byte| is_blank(byte) || matches!(byte, b',' | b']' | b'{' | b'}')) {
                Some(0) => End::Broken(0),
                Some(len) => End::Whole(len),
                None => End::Open,
            },
        };
        match end {
            End::Whole(len) => {
                self.state = State::Comma;
                self.hand_over(&rest[..len], records)
            }
            End::Broken(len) if !(is_end && len == rest.len()) => {
                Err(self.no_array("the array cannot be read from here on"))
            }
            End::Broken(_) => Err(self.no_array("the array is not closed; was the file cut off?")),
            End::Open if is_end => Err(self.no_array("the array is not closed; was the file cut off?")),
            End::Open => self.wait(rest),
        }
    }

    fn hand_over(&mut self, text: &[u8], records: &mut impl RecordSink) -> Result<usize, FileError> {
        if text.strip_suffix(b"\r").unwrap_or(text).len() > MAX_ROW_BYTES {
            return Err(too_long(self.row()));
        }
        records.take(self.row(), trimmed(text))?;
        self.in_line += 1;
        self.pass(text);
        Ok(text.len())
    }

    /// What has come of a record is kept, within bounds. One byte more: the CR of a line end whose LF has not come yet.
    fn wait(&self, rest: &[u8]) -> Result<usize, FileError> {
        if rest.len() > MAX_ROW_BYTES + 1 { Err(too_long(self.row())) } else { Ok(0) }
    }

    /// Where the next record is.
    fn row(&self) -> RowNumber {
        match self.in_line {
            0 => RowNumber::Line(self.line),
            before => RowNumber::InLine { line: self.line, number: before + 1 },
        }
    }

    fn no_array(&self, what: &str) -> FileError {
        FileError::new(self.row(), what)
    }
}

fn too_long(row: RowNumber) -> FileError {
    FileError::new(row, format!("a line or a JSON object of more than {MAX_ROW_BYTES} bytes begins here"))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// How many bytes before the next record mean nothing. A byte order mark is among them: of files that were appended to
/// one another each brings its own.
fn blanks(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let [b' ' | b'\t' | b'\r' | b'\n', behind @ ..] | [0xEF, 0xBB, 0xBF, behind @ ..] = rest {
        rest = behind;
    }
    bytes.len() - rest.len()
}

/// Without the blanks at its end.
fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text
        && is_blank(*last)
    {
        text = rest;
    }
    text
}

/// The length of the line that begins `bytes`, without its line feed; `None` if its end is not there yet.
fn line_len(bytes: &[u8], is_end: bool) -> Option<usize> {
    memchr(b'\n', bytes).or(is_end.then_some(bytes.len()))
}

/// Where the string that begins at `start` ends; `None` if not yet, `Some(None)` if its line ends first.
#[expect(clippy::option_option, reason = "two ways of not having it, which the caller treats differently")]
fn end_of_string(bytes: &[u8], start: usize) -> Option<Option<usize>> {
    let mut at = start + 1;
    loop {
        at += memchr3(b'"', b'\\', b'\n', bytes.get(at..)?)?;
        match bytes[at] {
            b'"' => return Some(Some(at + 1)),
            b'\n' => return Some(None),
            // Whatever it is, it ends nothing; but a line end is none of a string's characters.
            _ => at += if bytes.get(at + 1)? == &b'\n' { 1 } else { 2 },
        }
    }
}

/// Where the object or array that begins `bytes` ends.
fn end_of_brackets(bytes: &[u8], is_end: bool, open: &mut Vec<u8>) -> End {
    open.clear();
    // The last byte that was not blank, and whether a line has begun since.
    let (mut last, mut is_new_line) = (b':', false);
    let mut at = 0;
    let to_line_end = |at: usize| match line_len(&bytes[at..], is_end) {
        Some(len) => End::Broken(at + len),
        None => End::Open,
    };
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\n' => is_new_line = true,
            b' ' | b'\t' | b'\r' => {}
            b'"' => match end_of_string(bytes, at) {
                Some(Some(end)) => {
                    (last, is_new_line) = (byte, false);
                    at = end;
                    continue;
                }
                Some(None) => return to_line_end(at),
                None if is_end => return End::Broken(bytes.len()),
                None => return End::Open,
            },
            b'{' | b'[' => {
                let is_in_array = open.last() == Some(&b'[');
                let may_begin = last == b':' || is_in_array && matches!(last, b'[' | b',');
                if byte == b'{' && !may_begin {
                    // What came before was cut off, if this begins a line.
                    return if is_new_line { End::Broken(at) } else { to_line_end(at) };
                }
                open.push(byte);
                (last, is_new_line) = (byte, false);
            }
            b'}' | b']' => {
                // In ASCII, a closing bracket is two after the one that opens.
                if open.pop() != Some(byte - 2) {
                    return to_line_end(at);
                }
                if open.is_empty() {
                    return End::Whole(at + 1);
                }
                (last, is_new_line) = (byte, false);
            }
            _ => (last, is_new_line) = (byte, false),
        }
        at += 1;
    }
    if is_end { End::Broken(bytes.len()) } else { End::Open }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes whole lines only if `takes_lines`: what comes must be the same.
    struct Seen {
        records: Vec<(String, String)>,
        takes_lines: bool,
    }

    impl RecordSink for Seen {
        fn take(&mut self, row: RowNumber, text: &[u8]) -> Result<(), FileError> {
            self.records.push((row.to_string(), String::from_utf8_lossy(text).into_owned()));
            Ok(())
        }

        fn take_line(&mut self, row: RowNumber, line: &[u8]) -> Result<bool, FileError> {
            let is_object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line).is_ok();
            if is_object && self.takes_lines {
                self.take(row, line)?;
            }
            Ok(is_object && self.takes_lines)
        }
    }

    fn split(text: &str, chunk_len: usize, takes_lines: bool) -> (Vec<(String, String)>, Result<(), FileError>) {
        let mut seen = Seen { records: Vec::new(), takes_lines };
        let mut splitter = Splitter::default();
        let fed = text.as_bytes().chunks(chunk_len).try_for_each(|chunk| splitter.feed(chunk, &mut seen));
        let ended = fed.and_then(|()| splitter.finish(&mut seen));
        (seen.records, ended)
    }

    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<(String, String)> =
            expected.iter().map(|(row, text)| ((*row).to_owned(), (*text).to_owned())).collect();
        for chunk_len in 1..=text.len().max(1) {
            for takes_lines in [true, false] {
                assert_eq!(split(text, chunk_len, takes_lines), (expected.clone(), Ok(())), "{text:?} by {chunk_len}");
            }
        }
    }

    #[test]
    fn objects_do_not_depend_on_how_the_stream_is_cut() {
        check("", &[]);
        check(" \r\n\t", &[]);
        check("{}", &[("line 1", "{}")]);
        check("{\"a\":1}\r\n\n {\"a\":2} \n", &[("line 1", "{\"a\":1}"), ("line 3", "{\"a\":2}")]);
        check(
            "{}{\"}\\\"\":1} {}\n{}",
            &[("line 1", "{}"), ("line 1, record 2", "{\"}\\\"\":1}"), ("line 1, record 3", "{}"), ("line 2", "{}")],
        );
        check(
            "{\n \"a\": [{}, {}],\n \"b\": {}\n}\n{}",
            &[("line 1", "{\n \"a\": [{}, {}],\n \"b\": {}\n}"), ("line 5", "{}")],
        );
        check("[]", &[]);
        check("[{},{\"a\":\"]\"}]", &[("line 1", "{}"), ("line 1, record 2", "{\"a\":\"]\"}")]);
        check(
            "\n[\n  {\n    \"a\": 1\n  }, {\n  },\n  7, [1, 2], \"x\"\n]\n",
            &[
                ("line 3", "{\n    \"a\": 1\n  }"),
                ("line 5", "{\n  }"),
                ("line 7", "7"),
                ("line 7, record 2", "[1, 2]"),
                ("line 7, record 3", "\"x\""),
            ],
        );
    }

    #[test]
    fn what_is_broken_takes_no_more_with_it_than_it_must() {
        check("a\n{}\n1 {}\n[]", &[("line 1", "a"), ("line 2", "{}"), ("line 3", "1 {}"), ("line 4", "[]")]);
        check("{\"a\": 1\n{}\n", &[("line 1", "{\"a\": 1"), ("line 2", "{}")]);
        check("{\"a\": 1,\n\n {}\n", &[("line 1", "{\"a\": 1,"), ("line 3", "{}")]);
        check("{\"a\": \"x\r\n{}", &[("line 1", "{\"a\": \"x"), ("line 2", "{}")]);
        check("{\"a\": \"x\\\n{}", &[("line 1", "{\"a\": \"x\\"), ("line 2", "{}")]);
        check("{]\n{}\n{{}}\n{}", &[("line 1", "{]"), ("line 2", "{}"), ("line 3", "{{}}"), ("line 4", "{}")]);
        check("{\"a\": [1\n", &[("line 1", "{\"a\": [1")]);
        // Of commas that belong to no array the first one stands for all.
        check(
            "{},\r\n{},\n{\n}, \n{},{}\n,",
            &[
                ("line 1", "{}"),
                ("line 1, record 2", ","),
                ("line 2", "{}"),
                ("line 3", "{\n}"),
                ("line 5", "{}"),
                ("line 5, record 2", ",{}"),
            ],
        );
    }

    #[test]
    fn an_array_that_is_none_ends_the_file() {
        for (text, place) in [
            ("[", "line 1: the array is not closed"),
            ("[{}\n", "line 2: the array is not closed"),
            ("[{},", "line 1, record 2: the array is not closed"),
            ("[{}, {\"a\": 1", "line 1, record 2: the array is not closed"),
            ("[{}, \"a", "line 1, record 2: the array is not closed"),
            ("[{}, 1", "line 1, record 2: the array is not closed"),
            ("[{} {}]", "line 1, record 2: a comma is missing"),
            ("[{}\n,,{}]", "line 2: the array cannot be read"),
            ("[,]", "line 1: the array cannot be read"),
            ("[{}, {\"a\n\": 1}]", "line 1, record 2: the array cannot be read"),
            ("[{\"a\": 1, {}\n, {}]", "line 1: the array cannot be read"),
            ("[{]\n]", "line 1: the array cannot be read"),
        ] {
            for chunk_len in 1..=text.len() {
                let (_, ended) = split(text, chunk_len, true);
                let error = ended.unwrap_err().of("a.json").to_string();
                assert!(error.starts_with(&format!("a.json, {place}")), "{text:?} by {chunk_len}: {error}");
            }
        }
    }

    #[test]
    fn a_record_has_a_bound() {
        for line_end in ["", "\n", "\r\n"] {
            for over in [0, 1] {
                for (head, tail) in [("\n", ""), ("\n{\"a\":\"", "\"}"), ("[\n\"", "\"]")] {
                    let in_record = head.len() - head.find('\n').unwrap() - 1 + tail.trim_end_matches(']').len();
                    let filling = "x".repeat(MAX_ROW_BYTES + over - in_record);
                    let text = format!("{head}{filling}{tail}{line_end}");
                    for chunk_len in [text.len(), text.len() - 1, 65_536] {
                        let (_, ended) = split(&text, chunk_len, true);
                        let expected = if over == 0 { Ok(()) } else { Err(too_long(RowNumber::Line(2))) };
                        assert_eq!(ended, expected, "{head:?} {line_end:?} {over} over, in pieces of {chunk_len}");
                    }
                }
            }
        }
    }
}
