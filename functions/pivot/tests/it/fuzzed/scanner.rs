//! Bytes to records: by the book, no byte lost, and not dependent on how the stream is cut.

use pivot::scanner::{Fault, MAX_FIELDS, Record, Scanner, TooLarge};

/// What is known of a record: line, raw bytes, fields and fault. What the fields of a faulty one are, is not said.
type Seen = (u64, Vec<u8>, Vec<Vec<u8>>, Option<Fault>);

/// Fails if the scanner does not do as the book says.
pub fn check(bytes: &[u8]) {
    let whole = scanned(bytes, bytes.len().max(1));
    for chunk_len in [1, 2, 7, 1 + bytes.len() / 3] {
        assert_eq!(scanned(bytes, chunk_len), whole, "in pieces of {chunk_len}");
    }
    // So short a file cannot exceed a limit.
    if bytes.len() < MAX_FIELDS {
        let records = whole.unwrap();
        no_byte_is_lost(bytes, &records);
        assert_eq!(records, by_the_book(bytes));
    }
}

fn scanned(bytes: &[u8], chunk_len: usize) -> Result<Vec<Seen>, TooLarge> {
    let mut seen = Vec::new();
    let mut each = |record: Record<'_>| {
        let fields = match record.fault {
            Some(_) => Vec::new(),
            None => (0..record.len()).filter_map(|field| record.field(field)).map(|field| field.into_owned()).collect(),
        };
        seen.push((record.line, record.raw.to_vec(), fields, record.fault));
        Ok::<(), TooLarge>(())
    };
    let mut scanner = Scanner::default();
    for chunk in bytes.chunks(chunk_len) {
        scanner.feed(chunk, &mut each)?;
    }
    scanner.finish(&mut each)?;
    Ok(seen)
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
