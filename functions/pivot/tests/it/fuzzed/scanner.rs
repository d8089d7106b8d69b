//! Bytes to records: by the book, no byte lost, and dependent neither on how the stream is cut nor on the path that
//! takes a row.

use pivot::csv::block::{FastRow, Takes};
use pivot::csv::record::{Fault, MAX_FIELDS, RawFields, Record};
use pivot::csv::scanner::{RowSink, Scanner, TooLarge};
use pivot::value::field::{FieldPrefix, PREFIX_BYTES};
use std::collections::{BTreeSet, HashSet};

/// What is known of a record: line, raw bytes, fields and fault. What the fields of a faulty one are, is not said.
type Seen = (u64, Vec<u8>, Vec<Vec<u8>>, Option<Fault>);

/// The fast path has to take rows of as many bytes, with their line ends.
const FAST_BYTES: usize = 4_096;

/// How many bytes of an input are made one row.
const LONG_ROW_BYTES: usize = 300;

/// Fails if the scanner does not do as the book says.
pub(super) fn check(bytes: &[u8]) {
    let whole = scanned(bytes, bytes.len().max(1));
    for chunk_len in [1, 2, 7, 1 + bytes.len() / 3] {
        assert_eq!(scanned(bytes, chunk_len), whole, "in pieces of {chunk_len}");
    }
    // So short a file cannot exceed a limit.
    if bytes.len() < MAX_FIELDS {
        let records = whole.unwrap();
        no_byte_is_lost(bytes, &records);
        let expected = by_the_book(bytes);
        assert_eq!(records, expected);
        fast_rows(bytes);
    }
}

/// Fails if a row comes to something else in the fast path than by the book, or does not get there. Says how many rows
/// of the input did.
pub(super) fn fast_rows(bytes: &[u8]) -> usize {
    let inputs = [[bytes, b"\n"].concat(), [&long_row(bytes)[..], b"\n", bytes, b"\n"].concat()];
    inputs.iter().map(|input| compare_by_widths(input)).sum()
}

/// The same for an input that is longer than what is laid out at once, with rows between that are about as long as
/// that.
pub(super) fn check_pieces(bytes: &[u8]) {
    let long = long_row(bytes);
    let some = [bytes, b"\n", &long, b"\r\n"].concat();
    let mut input = Vec::new();
    for len in FAST_BYTES - 3..FAST_BYTES + 3 {
        input.extend(some.repeat(FAST_BYTES / some.len() + 1));
        input.extend(long.iter().chain(b",").cycle().take(len));
        input.push(b'\n');
    }
    compare_by_widths(&input);
}

/// One row of several blocks, of what is there.
fn long_row(bytes: &[u8]) -> Vec<u8> {
    let is_separator = |byte: u8| matches!(byte, b'"' | b'\n');
    let long = bytes.iter().map(|&byte| if is_separator(byte) { b',' } else { byte });
    long.cycle().take(LONG_ROW_BYTES).collect()
}

fn compare_by_widths(input: &[u8]) -> usize {
    let mut count = 0;
    let expected = by_the_book(input);
    let widths: BTreeSet<usize> = expected.iter().map(|(_, _, fields, _)| fields.len()).collect();
    // Most rows have one of a few widths; the others are between them.
    for width in widths.into_iter().filter(|width| *width > 1).take(5) {
        for takes in [Takes::Any, Takes::Text] {
            let offered = match takes {
                Takes::Any => compare::<true>(input, &expected, width),
                Takes::Text => compare::<false>(input, &expected, width),
            };
            let fast = expected.iter().enumerate().filter(|(_, row)| is_for_the_fast_path(row, width, takes));
            count = fast.fold(count, |count, (place, record)| {
                assert!(offered.contains(&place), "b\"{}\" takes the slow path", record.1.escape_ascii());
                count + 1
            });
        }
    }
    count
}

fn is_for_the_fast_path((_, raw, fields, _): &Seen, width: usize, takes: Takes) -> bool {
    let is_small = fields.len() == width && raw.len() + 2 <= FAST_BYTES;
    is_small
        && match takes {
            Takes::Any => are_quoted_as_a_whole(raw, fields),
            Takes::Text => !raw.contains(&b'"') && std::str::from_utf8(raw).is_ok(),
        }
}

/// Whether a row is these fields, each as it is or between quotes, and on one line.
fn are_quoted_as_a_whole(raw: &[u8], fields: &[Vec<u8>]) -> bool {
    let mut rest = raw;
    for field in fields {
        let quoted = [b"\"", &field[..], b"\""].concat();
        let Some(behind) = rest.strip_prefix(&quoted[..]).or_else(|| rest.strip_prefix(&field[..])) else {
            return false;
        };
        rest = behind.strip_prefix(b",").unwrap_or(behind);
    }
    !fields.iter().any(|field| field.iter().any(|byte| matches!(byte, b'"' | b'\n')))
}

/// Compares what comes of some bytes with what the book says, whoever takes the rows, and however they are cut. Returns
/// the places of the rows that it offers, if nothing is cut.
fn compare<const ANY: bool>(bytes: &[u8], expected: &[Seen], width: usize) -> HashSet<usize> {
    let whole = bytes.len().max(1);
    let mut offered = HashSet::new();
    for chunk_len in [65, 128, 1 + bytes.len() / 3, whole] {
        // Every other row is taken, or all of them.
        for one_in in [2, 1] {
            let rest = expected.iter();
            let mut comparison =
                Comparison::<ANY> { all: expected.len(), rest, width, one_in, seen: 0, offered: HashSet::new() };
            let mut scanner = Scanner::default();
            for chunk in bytes.chunks(chunk_len) {
                scanner.feed::<TooLarge>(chunk, &mut comparison).unwrap();
            }
            scanner.finish::<TooLarge>(&mut comparison).unwrap();
            let missing = comparison.rest.next();
            assert!(missing.is_none(), "in pieces of {chunk_len}, one in {one_in}: {missing:?} does not come");
            offered = comparison.offered;
        }
    }
    offered
}

/// Takes rows and records, and compares each of them with the one that the book has in its place.
struct Comparison<'a, const ANY: bool> {
    /// How many there are by the book.
    all: usize,
    /// Those that are still to come.
    rest: std::slice::Iter<'a, Seen>,
    /// Fields of a row of the fast path.
    width: usize,
    /// Of so many of them one is taken; the others come again as records.
    one_in: usize,
    /// How many of them came.
    seen: usize,
    /// Their places.
    offered: HashSet<usize>,
}

impl<const ANY: bool> RowSink<TooLarge> for Comparison<'_, ANY> {
    const TAKES: Takes = if ANY { Takes::Any } else { Takes::Text };

    fn width(&self) -> Option<usize> {
        Some(self.width)
    }

    fn take_row(&mut self, row: FastRow<'_>) -> Option<()> {
        let (_, raw, fields, fault) = self.rest.as_slice().first().expect("one row more than by the book");
        assert_eq!((self.width, None), (fields.len(), *fault), "b\"{}\"", raw.escape_ascii());
        for (position, field) in fields.iter().enumerate() {
            let text = row.text(position).unwrap();
            check_prefix(row.prefix(position).expect("there is always enough behind it"), text);
            let unquoted = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).filter(|_| ANY);
            assert_eq!(unquoted.unwrap_or(text), &field[..]);
        }
        self.offered.insert(self.all - self.rest.len());
        self.seen += 1;
        if !self.seen.is_multiple_of(self.one_in) {
            return None;
        }
        self.rest.next();
        Some(())
    }

    fn take_record(&mut self, record: Record<'_>) -> Result<(), TooLarge> {
        let found = seen(&record);
        for (position, field) in found.2.iter().enumerate() {
            record.prefix(position).into_iter().for_each(|prefix| check_prefix(prefix, field));
            assert!(record.text(position).is_none_or(|text| text == field));
        }
        assert_eq!(Some(&found), self.rest.next());
        Ok(())
    }
}

/// Fails if it is not the prefix of this field.
fn check_prefix(prefix: FieldPrefix<'_>, field: &[u8]) {
    let len = field.len().min(PREFIX_BYTES);
    assert_eq!((prefix.len, &prefix.bytes[..len]), (field.len(), &field[..len]), "b\"{}\"", field.escape_ascii());
}

fn scanned(bytes: &[u8], chunk_len: usize) -> Result<Vec<Seen>, TooLarge> {
    let mut all = Vec::new();
    let mut each = |record: Record<'_>| {
        all.push(seen(&record));
        Ok::<(), TooLarge>(())
    };
    let mut scanner = Scanner::default();
    for chunk in bytes.chunks(chunk_len) {
        scanner.feed(chunk, &mut each)?;
    }
    scanner.finish(&mut each)?;
    Ok(all)
}

fn seen(record: &Record<'_>) -> Seen {
    let fields = match record.fault {
        Some(_) => Vec::new(),
        None => (0..record.len()).filter_map(|field| record.field(field)).map(|field| field.into_owned()).collect(),
    };
    (record.line, record.raw.to_vec(), fields, record.fault)
}

/// Between the records, and around them, there are line ends and nothing else.
fn no_byte_is_lost(bytes: &[u8], records: &[Seen]) {
    let mut rest = bytes;
    for (line, raw, ..) in records {
        rest = without_line_ends(rest);
        let line_feeds = bytes[..bytes.len() - rest.len()].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(*line, line_feeds as u64 + 1, "the line of {}", raw.escape_ascii());
        rest = rest.strip_prefix(&raw[..]).unwrap_or_else(|| panic!("{} is not there", raw.escape_ascii()));
    }
    // At the very end a CR may stand for a line end.
    assert!(matches!(without_line_ends(rest), b"" | b"\r"), "{} is left over", rest.escape_ascii());
}

fn without_line_ends(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b"\n").or_else(|| bytes.strip_prefix(b"\r\n")) {
        bytes = rest;
    }
    bytes
}

/// The same, a byte at a time and with everything at hand.
fn by_the_book(bytes: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let (fields, fault, end) = record(bytes, at);
        // To the line end that closes it, which is not a part of it.
        let next = match fault {
            Some(Fault::UnclosedQuote) => bytes.len(),
            _ => bytes[end..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |offset| end + offset + 1),
        };
        let raw = &bytes[at..next];
        let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        if !raw.is_empty() {
            let fields = if fault.is_some() { Vec::new() } else { fields };
            seen.push((line, raw.to_vec(), fields, fault));
        }
        line += bytes[at..next].iter().filter(|byte| **byte == b'\n').count() as u64;
        at = next;
    }
    seen
}

/// The fields of the record at `at`, its fault, and where its last field ends or its fault is seen.
fn record(bytes: &[u8], mut at: usize) -> (Vec<Vec<u8>>, Option<Fault>, usize) {
    let is_line_end = |at: usize| matches!(&bytes[at..], b"" | b"\r" | [b'\n', ..] | [b'\r', b'\n', ..]);
    let mut fields = Vec::new();
    loop {
        let mut field = Vec::new();
        if bytes.get(at) == Some(&b'"') {
            at += 1;
            loop {
                match &bytes[at..] {
                    [] => return (fields, Some(Fault::UnclosedQuote), at),
                    [b'"', b'"', ..] => {
                        field.push(b'"');
                        at += 2;
                    }
                    [b'"', ..] => break,
                    [byte, ..] => {
                        field.push(*byte);
                        at += 1;
                    }
                }
            }
            at += 1;
            if !is_line_end(at) && bytes[at] != b',' {
                return (fields, Some(Fault::TextAfterQuote), at);
            }
        } else {
            while !is_line_end(at) && bytes[at] != b',' {
                field.push(bytes[at]);
                at += 1;
            }
        }
        fields.push(field);
        if is_line_end(at) {
            return (fields, None, at);
        }
        at += 1;
    }
}
