//! The header to the positions of the spec's columns: in any order, others ignored.

use super::record::Record;
use crate::plan::{Plan, Positions};
use crate::reject::{not_utf_8, shown};
use std::borrow::Cow;
use std::collections::HashSet;

/// Finds the columns of the spec in a header.
///
/// # Errors
/// What is wrong with the header.
pub(super) fn positions(header: &Record<'_>, plan: &Plan) -> Result<Positions, String> {
    let names: Vec<Cow<'_, [u8]>> = fields(header).collect();
    if header.fault.is_some() {
        let hint = delimiter_hint(header.raw, plan, 0);
        return Err(match hint {
            Some(hint) => format!("its names are not separated by commas{hint}"),
            None => "the header's quotes are not closed".to_owned(),
        });
    }
    // Else all rows of such a file would be taken for one header, and the file for an empty one.
    if header.raw.windows(2).any(|pair| pair[0] == b'\r' && !matches!(pair[1], b'\r' | b'\n')) {
        return Err("a CR without LF in the header; do its lines end with CR alone?".to_owned());
    }
    let find = |wanted: &str| {
        let mut found = names.iter().enumerate().filter(|(_, name)| trimmed(name) == Some(wanted));
        match (found.next(), found.next()) {
            (Some((position, _)), None) => Ok(position),
            (Some(_), Some((second, _))) => {
                Err(format!("duplicate column {wanted:?} in the header (also column {})", second + 1))
            }
            (None, _) => Err(missing(wanted, &names, header.raw, plan)),
        }
    };
    let width = names.len();
    let find = |place: usize, wanted: Option<&str>| wanted.map_or(Ok(width + place), find);
    let [key, category, value] = plan.columns();
    Ok(Positions { key: find(0, key)?, category: find(1, category)?, value: find(2, value)?, width })
}

/// The names of a header, without blanks around them.
pub(super) fn names(header: &Record<'_>) -> HashSet<Vec<u8>> {
    fields(header).map(|name| name.trim_ascii().to_vec()).filter(|name| !name.is_empty()).collect()
}

/// Whether a row that cannot be added is a header again: more than half of its fields are names of the one before.
pub(super) fn is_header(row: &Record<'_>, names: &HashSet<Vec<u8>>) -> bool {
    let count = fields(row).filter(|field| names.contains(field.trim_ascii())).count();
    row.fault.is_none() && 2 * count > row.len()
}

fn fields<'a>(record: &Record<'a>) -> impl Iterator<Item = Cow<'a, [u8]>> {
    (0..record.len()).filter_map(|position| record.field(position))
}

/// A name without the blanks around it; `None` if it is not UTF-8, so it is none of the spec's.
fn trimmed(name: &[u8]) -> Option<&str> {
    std::str::from_utf8(name).ok().map(str::trim)
}

fn missing(wanted: &str, names: &[Cow<'_, [u8]>], raw: &[u8], plan: &Plan) -> String {
    let few: Vec<String> = names.iter().take(20).map(|name| shown(name)).collect();
    let found =
        plan.columns().iter().flatten().filter(|wanted| names.iter().any(|name| trimmed(name) == Some(wanted))).count();
    let hint = match names.iter().position(|name| trimmed(name).is_none()) {
        // It may be the one that is missing.
        Some(position) => format!("; column {} is {}", position + 1, not_utf_8(&names[position])),
        None => delimiter_hint(raw, plan, found).unwrap_or_default(),
    };
    format!("the column {wanted:?} is missing; the header has {}{hint}", few.join(", "))
}

/// What may separate fields in place of commas.
const DELIMITERS: [(u8, &str); 3] = [(b';', "semicolons"), (b'\t', "tabs"), (b'|', "bars")];

/// Which delimiter would fit: one by which more of the spec's columns are found than by commas; or one that is there
/// where commas separate nothing.
fn delimiter_hint(raw: &[u8], plan: &Plan, found: usize) -> Option<String> {
    let count = |delimiter: u8| {
        let names: Vec<&[u8]> = raw.split(|&byte| byte == delimiter).map(unquoted).collect();
        plan.columns().iter().flatten().filter(|wanted| names.contains(&wanted.as_bytes())).count()
    };
    let fitting = DELIMITERS.into_iter().find(|(delimiter, _)| count(*delimiter) > found);
    let only = || DELIMITERS.into_iter().find(|(delimiter, _)| !raw.contains(&b',') && raw.contains(delimiter));
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
                "\"Project\" is missing; the header has \"project\", \"Start date\"",
            ),
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
        ] {
            let error = positions_of(header).unwrap_err();
            assert!(error.contains(part), "{header}: {error}");
        }
    }
}
