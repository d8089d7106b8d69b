//! Bytes to CSV records (RFC 4180), as they arrive: only the record that is not yet complete is kept.
//!
//! Quoted fields may contain commas, line ends and doubled quotes. A line ends with LF or CRLF. Empty lines are not
//! records.
//!
//! The fast path takes lines without quotes, and from those who say so also fields that are quoted in the usual way;
//! separators are found a block at a time. The slow path reads one record, whatever it is, and decides what is a fault.

use super::block::{BlockLines, BlockScanner, FastRow, Takes};
use super::record::{Dialect, FieldRange, MAX_FIELDS, Record, find_record};
use crate::batch::MAX_ROW_BYTES;
use memchr::{memchr, memchr_iter};

/// Takes what a scanner finds.
pub trait RowSink<E> {
    /// What rows of the fast path may have.
    const TAKES: Takes = Takes::Text;

    /// How many fields a row of the fast path has; `None` as long as only records are wanted.
    fn width(&self) -> Option<usize>;

    /// Takes a row of the fast path; `None` has it handed over again as a record.
    fn take_row(&mut self, row: FastRow<'_>) -> Option<()>;

    /// Takes the lines of a block from number `first` on as rows of the fast path, up to one that has to be handed over
    /// again as a record. Returns the number of that, or how many lines there are.
    #[inline(always)]
    fn take_lines(&mut self, lines: &BlockLines<'_>, first: usize) -> usize {
        let mut others = (first..lines.count()).filter(|line| self.take_row(lines.row(*line)).is_none());
        others.next().unwrap_or(lines.count())
    }

    /// Takes a record.
    ///
    /// # Errors
    /// What ends the scan.
    fn take_record(&mut self, record: Record<'_>) -> Result<(), E>;
}

impl<E, F: FnMut(Record<'_>) -> Result<(), E>> RowSink<E> for F {
    fn width(&self) -> Option<usize> {
        None
    }

    fn take_row(&mut self, _: FastRow<'_>) -> Option<()> {
        None
    }

    fn take_record(&mut self, record: Record<'_>) -> Result<(), E> {
        self(record)
    }
}

/// A record beyond [`MAX_ROW_BYTES`] or [`MAX_FIELDS`]; what follows cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// Number of its first line, from 1.
    pub line: u64,
}

/// Cuts a stream into records.
#[derive(Debug)]
pub struct Scanner {
    carry: Vec<u8>,
    block: BlockScanner,
    records: RecordScanner,
}

/// Of records as RFC 4180 has them.
impl Default for Scanner {
    fn default() -> Self {
        Self::new(Dialect::default())
    }
}

impl Scanner {
    /// Of records of this dialect, whose quote, if it has one, is `"`: the fast path looks for no other.
    pub(crate) fn new(dialect: Dialect) -> Self {
        let records = RecordScanner { dialect, next_line: 1, fields: Vec::new() };
        Self { carry: Vec::new(), block: BlockScanner::new(dialect), records }
    }

    /// Hands every record that is complete by the end of `chunk` over.
    ///
    /// # Errors
    /// The first error of `rows`, or [`TooLarge`].
    pub fn feed<E: From<TooLarge>>(&mut self, chunk: &[u8], rows: &mut impl RowSink<E>) -> Result<(), E> {
        let rest = match self.carry.is_empty() {
            true => chunk,
            false => self.complete(chunk, rows)?,
        };
        let used = self.scan(rest, rows)?;
        self.carry.extend_from_slice(&rest[used..]);
        // One more: the CR of a line end whose LF has not come yet. What is longer all the same is refused when it
        // ends.
        if self.carry.len() > MAX_ROW_BYTES + 1 {
            return Err(TooLarge { line: self.records.next_line }.into());
        }
        Ok(())
    }

    /// Hands over what is left at the end of the stream.
    ///
    /// # Errors
    /// As [`Scanner::feed`].
    pub fn finish<E: From<TooLarge>>(&mut self, rows: &mut impl RowSink<E>) -> Result<(), E> {
        let window = std::mem::take(&mut self.carry);
        let mut rest = &window[..];
        while !rest.is_empty() {
            rest = &rest[self.records.scan(rest, true, &[], rows)?..];
        }
        Ok(())
    }

    /// Completes the record that the last chunk began, with as much of this one as it takes. Returns the rest of the
    /// chunk; none of it if the record does not end here.
    fn complete<'a, E: From<TooLarge>>(&mut self, chunk: &'a [u8], rows: &mut impl RowSink<E>) -> Result<&'a [u8], E> {
        let mut window = std::mem::take(&mut self.carry);
        // Mostly it ends with this line. If it does not, it is quoted, and all of the chunk may belong to it.
        let line_end = memchr(b'\n', chunk).map_or(chunk.len(), |at| at + 1);
        for (from, to) in [(0, line_end), (line_end, chunk.len())] {
            let carried = window.len();
            window.extend_from_slice(&chunk[from..to]);
            let used = self.records.scan(&window, false, &[], rows)?;
            if used > 0 {
                // It was not complete without this chunk, so it ends in it.
                return Ok(&chunk[from + used - carried..]);
            }
            if to == chunk.len() {
                break;
            }
        }
        self.carry = window;
        Ok(&[])
    }

    /// Hands over the records that are complete. Returns how many bytes of `window` are done with.
    fn scan<E: From<TooLarge>>(&mut self, window: &[u8], rows: &mut impl RowSink<E>) -> Result<usize, E> {
        let mut start = 0;
        while start < window.len() {
            let ahead = &window[start..];
            start += match self.scan_lines(ahead, rows)? {
                0 => match self.records.scan(ahead, false, ahead, rows)? {
                    0 => break,
                    used => used,
                },
                used => used,
            };
        }
        Ok(start)
    }

    /// The fast path: the lines at the head of `ahead` that it can take, those of one block at most. Returns their
    /// length in bytes.
    fn scan_lines<E: From<TooLarge>, R: RowSink<E>>(&mut self, ahead: &[u8], rows: &mut R) -> Result<usize, E> {
        // A line of one field may be empty, which is not a record.
        let Some(width) = rows.width().filter(|width| *width > 1) else { return Ok(0) };
        let lines = self.block.lines(ahead, width, R::TAKES);
        let mut first = 0;
        loop {
            let other = rows.take_lines(&lines, first);
            self.records.next_line += (other - first) as u64;
            if other == lines.count() {
                return Ok(lines.len(other));
            }
            self.records.scan(&ahead[lines.len(other)..], false, &[], rows)?;
            first = other + 1;
        }
    }
}

/// The slow path.
#[derive(Debug)]
struct RecordScanner {
    dialect: Dialect,
    next_line: u64,
    fields: Vec<FieldRange>,
}

impl RecordScanner {
    /// One record. Returns its length with its line end; 0 if it is not complete.
    #[cold]
    fn scan<E: From<TooLarge>>(
        &mut self,
        window: &[u8],
        is_end: bool,
        ahead: &[u8],
        rows: &mut impl RowSink<E>,
    ) -> Result<usize, E> {
        let Self { dialect, fields, next_line } = self;
        take_record(window, is_end, *dialect, ahead, (fields, next_line), rows)
    }
}

/// Hands on the record that begins `bytes`, and counts its lines; empty ones are passed over. Returns its length, 0 if
/// its end is not there yet.
///
/// # Errors
/// [`TooLarge`]; what `rows` makes of it.
pub(crate) fn take_record<E: From<TooLarge>>(
    bytes: &[u8],
    is_end: bool,
    dialect: Dialect,
    ahead: &[u8],
    (fields, next_line): (&mut Vec<FieldRange>, &mut u64),
    rows: &mut impl RowSink<E>,
) -> Result<usize, E> {
    let Some(found) = find_record(bytes, is_end, dialect, fields) else { return Ok(0) };
    let raw = &bytes[..found.content_len];
    let line = *next_line;
    if raw.len() > MAX_ROW_BYTES || fields.len() > MAX_FIELDS {
        return Err(TooLarge { line }.into());
    }
    *next_line += 1;
    if found.is_multiline {
        *next_line += memchr_iter(b'\n', raw).count() as u64;
    }
    if !raw.is_empty() {
        rows.take_record(Record { line, raw, fields, fault: found.fault, ahead, dialect })?;
    }
    Ok(found.len)
}

#[cfg(test)]
mod tests {
    use super::super::record::Fault;
    use super::*;
    use proptest::prelude::*;

    type Seen = (u64, Vec<String>, Option<Fault>);

    fn scan_in_chunks(text: &[u8], chunk_len: usize) -> Result<Vec<Seen>, TooLarge> {
        let mut seen = Vec::new();
        let mut each = |record: Record<'_>| {
            let fields = (0..record.len())
                .map(|position| String::from_utf8_lossy(&record.field(position).unwrap()).into_owned())
                .collect();
            seen.push((record.line, fields, record.fault));
            Ok(())
        };
        let mut scanner = Scanner::default();
        for chunk in text.chunks(chunk_len) {
            scanner.feed(chunk, &mut each)?;
        }
        scanner.finish(&mut each)?;
        Ok(seen)
    }

    fn check(text: &str, expected: &[(u64, &[&str])]) {
        let expected: Vec<Seen> = expected
            .iter()
            .map(|(line, fields)| (*line, fields.iter().map(ToString::to_string).collect(), None))
            .collect();
        for chunk_len in 1..=text.len().max(1) {
            assert_eq!(scan_in_chunks(text.as_bytes(), chunk_len).unwrap(), expected, "{text:?} by {chunk_len}");
        }
    }

    #[test]
    fn records_do_not_depend_on_how_the_stream_is_cut() {
        check("", &[]);
        check("a", &[(1, &["a"])]);
        check("a,b\n1,2\n", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("a,b\r\n1,2\r\n", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("a,b\r\n1,2\r", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("a,\n,\n", &[(1, &["a", ""]), (2, &["", ""])]);
        check("\n\r\na\n\n\nb", &[(3, &["a"]), (6, &["b"])]);
        check("\"a,b\",c\n", &[(1, &["a,b", "c"])]);
        check("\"a\nb\",c\nd,e", &[(1, &["a\nb", "c"]), (3, &["d", "e"])]);
        check("\"a\r\nb\"\r\nd", &[(1, &["a\r\nb"]), (3, &["d"])]);
        check("\"say \"\"so\"\"\",\"\"\nx", &[(1, &["say \"so\"", ""]), (2, &["x"])]);
        check("a\"b,c\n", &[(1, &["a\"b", "c"])]);
        check("x,\"a\"", &[(1, &["x", "a"])]);
        check("x,\"a\"\r", &[(1, &["x", "a"])]);
    }

    #[test]
    fn faults_are_told_with_their_line() {
        for chunk_len in 1..20 {
            let seen = scan_in_chunks(b"h\n\"a\"b,c\nd\n", chunk_len).unwrap();
            assert_eq!(
                seen.iter().map(|(line, _, fault)| (*line, *fault)).collect::<Vec<_>>(),
                [(1, None), (2, Some(Fault::TextAfterQuote)), (3, None)]
            );
            let seen = scan_in_chunks(b"h\n\"a,b\nc,d\n", chunk_len).unwrap();
            assert_eq!(
                seen.iter().map(|(line, _, fault)| (*line, *fault)).collect::<Vec<_>>(),
                [(1, None), (2, Some(Fault::UnclosedQuote))]
            );
        }
    }

    #[test]
    fn a_record_has_bounds() {
        let mut text = b"h\n\"".to_vec();
        text.resize(text.len() + MAX_ROW_BYTES + 10, b'x');
        assert_eq!(scan_in_chunks(&text, 65_536), Err(TooLarge { line: 2 }));
        assert_eq!(scan_in_chunks(&text, text.len()), Err(TooLarge { line: 2 }));
        let wide = ",".repeat(MAX_FIELDS);
        assert_eq!(scan_in_chunks(wide.as_bytes(), 4_096), Err(TooLarge { line: 1 }));
    }

    proptest! {
        #[test]
        fn quoted_records_come_back(
            rows in prop::collection::vec(prop::collection::vec("[a,\"\r\n é]{0,6}", 1..4), 1..6),
            chunk_len in 1_usize..16,
        ) {
            let quoted = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n";
            let text: String = rows.iter().map(line).collect();
            let seen = scan_in_chunks(text.as_bytes(), chunk_len).unwrap();
            prop_assert!(seen.iter().all(|(_, _, fault)| fault.is_none()));
            prop_assert_eq!(seen.into_iter().map(|(_, fields, _)| fields).collect::<Vec<_>>(), rows);
        }
    }
}
