//! The header to the positions of the spec's columns: in any order, others ignored.

use super::record::Record;
use crate::plan::{Plan, Positions};
use crate::reject::shown;

/// Finds the columns of the spec in a header.
///
/// # Errors
/// What is wrong with the header.
pub(super) fn positions(header: &Record<'_>, plan: &Plan) -> Result<Positions, String> {
    let names: Vec<String> = (0..header.len())
        .filter_map(|position| header.field(position))
        .map(|name| String::from_utf8(name.into_owned()).map_err(|_| "the header is not UTF-8".to_owned()))
        .collect::<Result<_, _>>()?;
    if header.fault.is_some() {
        return Err("the header's quotes are not closed".to_owned());
    }
    // Else all rows of such a file would be taken for one header, and the file for an empty one.
    if header.raw.windows(2).any(|pair| pair[0] == b'\r' && !matches!(pair[1], b'\r' | b'\n')) {
        return Err("a CR without LF in the header; do its lines end with CR alone?".to_owned());
    }
    let find = |wanted: &str| {
        let mut found = names.iter().enumerate().filter(|(_, name)| name.trim() == wanted);
        match (found.next(), found.next()) {
            (Some((position, _)), None) => Ok(position),
            (Some(_), Some((second, _))) => {
                Err(format!("duplicate column {wanted:?} in the header (also column {})", second + 1))
            }
            (None, _) => Err(missing(wanted, &names)),
        }
    };
    let [index, category, value] = plan.columns();
    Ok(Positions { index: find(index)?, category: find(category)?, value: find(value)?, width: names.len() })
}

fn missing(wanted: &str, names: &[String]) -> String {
    let only = names.first().map(String::as_str).unwrap_or_default();
    let hint = match only {
        _ if names.len() > 1 => "",
        _ if only.contains(';') => "; are its fields separated by semicolons?",
        _ if only.contains('\t') => "; are its fields separated by tabs?",
        _ => "",
    };
    let few: Vec<String> = names.iter().take(20).map(|name| shown(name.as_bytes())).collect();
    format!("the column {wanted:?} is missing; the header has {}{hint}", few.join(", "))
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
        assert_eq!(positions, Positions { index: 1, category: 2, value: 4, width: 5 });
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
        ] {
            let error = positions_of(header).unwrap_err();
            assert!(error.contains(part), "{header}: {error}");
        }
    }
}
