//! The header to the positions of the spec's columns: in any order, others ignored.

use super::record::{FieldRange, RawFields, Record, find_record};
use crate::format::UTF8_MARK;
use crate::plan::{Plan, Positions};
use crate::reject::not_utf_8;
use foldhash::quality::RandomState;
use sluice::spec::did_you_mean;
use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

/// The names of a header.
pub(crate) type NameSet = HashSet<Vec<u8>, RandomState>;

/// Finds the columns of the spec in a header.
///
/// # Errors
/// What is wrong with the header.
pub(super) fn positions(header: &Record<'_>, plan: &Plan) -> Result<Positions, String> {
    let columns = plan.columns();
    let wanted: Vec<&str> = columns.iter().copied().flatten().collect();
    check(header, &wanted)?;
    let width = header.len();
    let position = |place: usize, name: Option<&str>| match name {
        None => Ok(width + place),
        Some(name) => find(header, name)?.ok_or_else(|| missing(name, header, &wanted)),
    };
    let [key, category, value] = columns;
    Ok(Positions { key: position(0, key)?, category: position(1, category)?, value: position(2, value)?, width })
}

/// Whether a record can be a header.
///
/// # Errors
/// Why it cannot.
pub(crate) fn check(header: &Record<'_>, wanted: &[&str]) -> Result<(), String> {
    if header.fault.is_some() {
        let hint =
            kind_hint(header.raw, 0).map_or_else(|| delimiter_hint(header, wanted, 0), |kind| Some(kind.to_owned()));
        return Err(match hint {
            Some(hint) => format!("its names are not separated by {}{hint}", separator(header)),
            None => "the header's quotes are not closed".to_owned(),
        });
    }
    // Else all rows of such a file would be taken for one header, and the file for an empty one.
    if header.raw.windows(2).any(|pair| pair[0] == b'\r' && !matches!(pair[1], b'\r' | b'\n')) {
        return Err("a CR without LF in the header; do its lines end with CR alone?".to_owned());
    }
    Ok(())
}

/// Where a header has a column.
///
/// # Errors
/// It has two of that name.
pub(crate) fn find(header: &Record<'_>, wanted: &str) -> Result<Option<usize>, String> {
    let mut found = fields(header).enumerate().filter(|(_, name)| trimmed(name) == Some(wanted));
    match (found.next(), found.next()) {
        (Some(_), Some((second, _))) => {
            Err(format!("duplicate column {wanted:?} in the header (also column {})", second + 1))
        }
        (found, _) => Ok(found.map(|(position, _)| position)),
    }
}

/// A row without the byte order mark before it: of files that were appended to one another each brings its own.
pub(crate) fn without_mark<'r>(row: &Record<'r>, fields: &'r mut Vec<FieldRange>) -> Option<Record<'r>> {
    let mut raw = row.raw.strip_prefix(&UTF8_MARK)?;
    while let Some(rest) = raw.strip_prefix(&UTF8_MARK) {
        raw = rest;
    }
    let found = find_record(raw, true, row.dialect, fields)?;
    // What a quote goes on with behind the end of the line was never part of this record.
    let fault = found.fault.or(row.fault);
    Some(Record { line: row.line, raw: &raw[..found.content_len], fields, fault, ahead: &[], dialect: row.dialect })
}

/// The names of a header, without blanks around them.
pub(super) fn names(header: &Record<'_>) -> NameSet {
    fields(header).map(|name| key_of(&name).to_vec()).filter(|name| !name.is_empty()).collect()
}

/// Whether a row is a header again: more than half of its fields are names of the one before, or it has all names that
/// are `needed`, of an export with other columns beside them.
pub(super) fn is_header(row: &Record<'_>, names: &NameSet, needed: &[impl AsRef<[u8]>]) -> bool {
    let count = fields(row).filter(|field| names.contains(key_of(field))).count();
    row.fault.is_none() && (2 * count > row.len() || has_all(row, needed))
}

/// Whether a row has all of these names. One alone may well be a value.
fn has_all(row: &Record<'_>, needed: &[impl AsRef<[u8]>]) -> bool {
    let has = |name: &[u8]| fields(row).any(|field| key_of(&field) == name);
    are_several(needed) && needed.iter().all(|name| has(name.as_ref()))
}

/// Whether there are two or more.
fn are_several(names: &[impl AsRef<[u8]>]) -> bool {
    names.iter().any(|name| name.as_ref() != names[0].as_ref())
}

/// The names of a header, to tell one that comes again.
#[derive(Debug)]
pub(crate) struct Names {
    names: NameSet,
    /// With which bytes one of them, or blanks before one, may begin: few rows need to be looked at any closer.
    begin: [bool; 256],
    /// The same of fields of the fast path, which are on one line, with every byte that may be a blank.
    may_begin: [bool; 256],
    /// Those that a header must have; none where one alone would tell it.
    needed: Vec<Vec<u8>>,
}

impl Default for Names {
    fn default() -> Self {
        Self { names: NameSet::default(), begin: [false; 256], may_begin: [false; 256], needed: Vec::new() }
    }
}

impl Names {
    /// Those of a header that has all that are `needed`.
    pub(crate) fn of(header: &Record<'_>, needed: &[&str]) -> Self {
        let names = names(header);
        let begins = |byte: u8| names.iter().any(|name| name.first() == Some(&byte));
        let begin = std::array::from_fn(|byte| {
            let byte = u8::try_from(byte).unwrap_or_default();
            !names.is_empty() && (byte.is_ascii_whitespace() || !byte.is_ascii() || begins(byte))
        });
        let may_begin = std::array::from_fn(|byte| {
            let byte = u8::try_from(byte).unwrap_or_default();
            let begins_needed = needed.iter().any(|name| name.as_bytes().first() == Some(&byte));
            byte != b'\n' && (begin[usize::from(byte)] || begins_needed || !byte.is_ascii_graphic())
        });
        let needed = if are_several(needed) { needed } else { &[] };
        let needed = needed.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self { names, begin, may_begin, needed }
    }

    /// Whether a name, or blanks before one, may begin with this byte, the first of a field of the fast path.
    #[inline(always)]
    pub(crate) fn may_begin(&self, byte: u8) -> bool {
        self.may_begin[usize::from(byte)]
    }

    /// The first of the names by all of which a header is told.
    fn first_needed(&self) -> Option<&[u8]> {
        self.needed.first().map(Vec::as_slice)
    }

    /// Whether a row is the header again.
    pub(crate) fn are_in(&self, row: &Record<'_>) -> bool {
        !self.names.is_empty() && is_header(row, &self.names, &self.needed)
    }

    /// Whether a row, of `width` fields without quotes, may be the header again. Of one that is, more than half of the
    /// fields are names, so that one of them is among the first half; or it has all that are needed, so that it has the
    /// first of them.
    pub(crate) fn may_be_in<'a>(&self, row: &impl RawFields<'a>, width: usize) -> bool {
        let is_name = |position: usize| {
            let field = row.text(position).unwrap_or_default();
            let may_be = field.first().is_some_and(|byte| self.begin[usize::from(*byte)]);
            may_be && {
                // A header of a file that was appended may bring its byte order mark.
                let field = if position == 0 { field.strip_prefix(&UTF8_MARK).unwrap_or(field) } else { field };
                self.names.contains(key_of(field))
            }
        };
        let half = width.div_ceil(2);
        (0..half).any(is_name) || self.first_needed().is_some_and(|needed| is_among(row, half..width, needed))
    }
}

/// Whether a name stands in one of these fields of a row, which few rows get further than the first byte of.
fn is_among<'a>(row: &impl RawFields<'a>, mut positions: Range<usize>, name: &[u8]) -> bool {
    let begins = name.first().copied();
    positions.any(|position| {
        let field = row.text(position).unwrap_or_default();
        let may_be = field.first().is_some_and(|byte| Some(*byte) == begins || !byte.is_ascii_graphic());
        may_be && key_of(field) == name
    })
}

fn fields<'a>(record: &Record<'a>) -> impl Iterator<Item = Cow<'a, [u8]>> {
    (0..record.len()).filter_map(|position| record.field(position))
}

/// A name without the blanks around it; `None` if it is not UTF-8, so it is none of the spec's.
fn trimmed(name: &[u8]) -> Option<&str> {
    std::str::from_utf8(name).ok().map(str::trim)
}

/// The same of one that may not be.
fn key_of(name: &[u8]) -> &[u8] {
    trimmed(name).map_or_else(|| name.trim_ascii(), str::as_bytes)
}

/// That a column is missing. The file may have no header, and its first row is not for errors: no more of it is named
/// than what is close to the column.
pub(crate) fn missing(wanted: &str, header: &Record<'_>, all: &[&str]) -> String {
    let names: Vec<Cow<'_, [u8]>> = fields(header).collect();
    let found = all.iter().filter(|wanted| names.iter().any(|name| trimmed(name) == Some(wanted))).count();
    let near = did_you_mean(wanted, names.iter().filter_map(|name| trimmed(name)));
    let hint = match names.iter().position(|name| trimmed(name).is_none()) {
        _ if is_of_excel(header.raw) => OF_EXCEL.to_owned(),
        _ if !near.is_empty() => near,
        // It may be the one that is missing.
        Some(position) => format!("; column {} is {}", position + 1, not_utf_8(&names[position])),
        None => {
            let none = if found == 0 { "; has the file no header?" } else { "" };
            let delimiter = || delimiter_hint(header, all, found).unwrap_or_else(|| none.to_owned());
            kind_hint(header.raw, found).map_or_else(delimiter, ToOwned::to_owned)
        }
    };
    let count = if names.len() == 1 { "1 column".to_owned() } else { format!("{} columns", names.len()) };
    format!("the column {wanted:?} is missing; the header has {count}{hint}")
}

/// What is said of a file whose first line is no header, but what tells Excel how fields are separated.
const OF_EXCEL: &str = "; its first line is Excel's \"sep=\", which \"skip\": 1 in the spec's format leaves out";

/// Whether a line tells Excel how fields are separated, and nothing else: `sep=;`, perhaps with quotes around it.
fn is_of_excel(raw: &[u8]) -> bool {
    match unquoted(raw).split_at_checked(4) {
        Some((sep, delimiter)) => sep.eq_ignore_ascii_case(b"sep=") && delimiter.len() <= 1,
        None => false,
    }
}

/// What a file may be whose first line is no header; `found` columns of the spec are in it.
fn kind_hint(raw: &[u8], found: usize) -> Option<&'static str> {
    if raw.contains(&0) {
        return Some("; it has NUL bytes: is the file an archive, or not a text at all?");
    }
    match raw.trim_ascii_start() {
        _ if found > 0 => None,
        [b'{', b'"' | b' ', ..] | [b'[', b'{' | b' ', ..] | [b'[' | b'{'] => {
            Some("; is the file JSON? Then its name has to end with .json")
        }
        [b'<', b'!' | b'?' | b'a'..=b'z' | b'A'..=b'Z', ..] => Some("; is the file HTML or XML? Convert it to CSV"),
        _ => None,
    }
}

/// What may separate fields.
const DELIMITERS: [(u8, &str); 4] = [(b';', "semicolons"), (b'\t', "tabs"), (b'|', "bars"), (b',', "commas")];

/// What separates the fields of a record.
fn separator(record: &Record<'_>) -> &'static str {
    let is_it = |(delimiter, _): &&(u8, &str)| *delimiter == record.dialect.delimiter;
    DELIMITERS.iter().find(is_it).map_or("its delimiter", |(_, name)| name)
}

/// Which delimiter would fit: one by which more of the spec's columns are found than by that of the spec; or one that
/// is there where that separates nothing.
fn delimiter_hint(header: &Record<'_>, wanted: &[&str], found: usize) -> Option<String> {
    let (raw, stated) = (header.raw, header.dialect.delimiter);
    let others = || DELIMITERS.into_iter().filter(move |(delimiter, _)| *delimiter != stated);
    let count = |delimiter: u8| {
        let names: Vec<&[u8]> = raw.split(|&byte| byte == delimiter).map(unquoted).collect();
        wanted.iter().filter(|wanted| names.contains(&wanted.as_bytes())).count()
    };
    let fitting = others().find(|(delimiter, _)| count(*delimiter) > found);
    let only = || others().find(|(delimiter, _)| !raw.contains(&stated) && raw.contains(delimiter));
    let (_, name) = fitting.or_else(only)?;
    Some(format!("; are its fields separated by {name}?"))
}

/// A name without blanks and quotes around it.
fn unquoted(name: &[u8]) -> &[u8] {
    let name = name.trim_ascii();
    name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name).trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csv::scanner::{Scanner, TooLarge};
    use crate::plan::tests::spec;

    fn positions_of(header: &str) -> Result<Positions, String> {
        let plan = Plan::new(&spec()).unwrap();
        let mut found = None;
        let mut each = |record: Record<'_>| {
            found = Some(positions(&record, &plan));
            Ok::<(), TooLarge>(())
        };
        Scanner::default().feed(format!("{header}\n").as_bytes(), &mut each).unwrap();
        found.unwrap()
    }

    #[test]
    fn columns_are_found_by_name() {
        let positions = positions_of("End date,\"Start date\", Project ,x,Duration (in minutes)").unwrap();
        assert_eq!(positions, Positions { key: 1, category: 2, value: 4, width: 5 });
    }

    #[test]
    fn a_wrong_header_says_what_is_wrong() {
        for (header, part) in [
            ("Project,Start date", "\"Duration (in minutes)\" is missing"),
            (
                "project,Start date,Duration (in minutes)",
                "\"Project\" is missing; the header has 3 columns; did you mean \"project\"?",
            ),
            ("Project,StartDate,Duration", "\"Start date\" is missing; the header has 3 columns; did you mean"),
            ("Alice,50000,2024-03-01", "\"Start date\" is missing; the header has 3 columns; has the file no header?"),
            (
                "Project,Start date,Project,Duration (in minutes)",
                "duplicate column \"Project\" in the header (also column 3)",
            ),
            ("Project;Start date;Duration (in minutes)", "separated by semicolons?"),
            ("Project\tStart date\tDuration (in minutes)", "separated by tabs?"),
            ("Project|Start date|Duration (in minutes)", "separated by bars?"),
            ("a;b", "separated by semicolons?"),
            ("\"Project\";\"Start date\";\"Duration (in minutes)\"", "separated by semicolons?"),
            ("\"Project\"\t\"x, y\"\t\"Duration (in minutes)\"", "separated by tabs?"),
            ("\"Project\"|\"Start date\"|\"Duration (in minutes)\"", "separated by bars?"),
            ("Project;Start date;Duration (in minutes);Tags, labels", "separated by semicolons?"),
            ("Tags, labels;Project;Start date;Duration (in minutes)", "separated by semicolons?"),
            ("\"a\";\"b\"", "separated by semicolons?"),
            ("<!DOCTYPE html>", "the header has 1 column; is the file HTML or XML?"),
            ("<?xml version=\"1.0\"?>", "HTML or XML?"),
            ("{\"Start date\": \"Alice\", \"Project\": \"x\"}", "the header has 2 columns; is the file JSON?"),
            ("{\"Start date\":\"Alice\",\"Project\":\"x\"}", "not separated by commas; is the file JSON?"),
            ("[", "the header has 1 column; is the file JSON?"),
            ("sep=,", "the header has 2 columns; its first line is Excel's \"sep=\", which \"skip\": 1"),
            ("sep=;", "the header has 1 column; its first line is Excel's"),
            ("\"sep=;\"", "its first line is Excel's"),
            ("SEP=\t", "its first line is Excel's"),
            ("sep=,Project", "\"Start date\" is missing; the header has 2 columns"),
            ("a.csv\0\0\0ustar", "the header has 1 column; it has NUL bytes"),
            ("[x],<y>", "has the file no header?"),
        ] {
            let error = positions_of(header).unwrap_err();
            assert!(error.contains(part), "{header}: {error}");
            assert!(!["Alice", "50000", "2024"].iter().any(|value| error.contains(value)), "{header}: {error}");
        }
    }
}
