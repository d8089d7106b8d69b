//! The spec, checked once; and where its columns stand in one file, by the names in its header.

use crate::categories::Categories;
use crate::date;
use crate::reject::shown;
use crate::scanner::Record;
use sluice::contract::{Column, ColumnKind, FILE_COLUMN};
use sluice::spec::{BadRow, Pivot, UnknownCategory};
use sluice::{Error, Kind, Result};

/// A checked spec.
#[derive(Debug)]
pub struct Plan {
    index_column: String,
    category_column: String,
    value_column: String,
    /// The key of the result.
    pub key: Column,
    /// The value columns of the result, in order.
    pub values: Vec<String>,
    /// From a category to its place in `values`.
    pub categories: Categories,
    /// What to do with any other category.
    pub unknown_category: UnknownCategory,
    /// What to do with a bad row.
    pub bad_row: BadRow,
    /// Keep the sums of each file apart.
    pub per_file: bool,
}

/// Positions of the three columns in a file, from 0, and how many columns it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// Of the index column.
    pub index: usize,
    /// Of the category column.
    pub category: usize,
    /// Of the value column.
    pub value: usize,
    /// Fields of a row.
    pub width: usize,
}

impl Plan {
    /// Checks a spec.
    ///
    /// # Errors
    /// `Misconfigured`, saying which part of it cannot work.
    pub fn new(spec: &Pivot) -> Result<Self> {
        let wrong = |what: &str| Err(Error::new(Kind::Misconfigured, format!("pivot spec: {what}")));
        let kind = match spec.index.date_prefix {
            None => ColumnKind::Text,
            Some(length) if usize::from(length) == date::LENGTH => ColumnKind::Date,
            Some(_) => return wrong("index.date_prefix must be 10, the length of YYYY-MM-DD"),
        };
        if spec.categories.is_empty() {
            return wrong("categories is empty");
        }
        let values = spec.value_columns();
        if values.contains(&spec.index.name) {
            return wrong("a category has the name of the index");
        }
        if values.iter().chain([&spec.index.name]).any(|name| name == FILE_COLUMN) {
            return wrong("no column of the result can have the name sluice_file");
        }
        let place = |name: &String| values.iter().position(|value| value == name).unwrap_or_default();
        let categories = spec.categories.iter().map(|(category, name)| (category.clone().into_bytes(), place(name)));
        let categories = categories.collect();
        Ok(Self {
            index_column: spec.index.column.clone(),
            category_column: spec.columns.clone(),
            value_column: spec.values.clone(),
            key: Column { name: spec.index.name.clone(), kind },
            categories,
            values,
            unknown_category: spec.unknown_category,
            bad_row: spec.bad_row,
            per_file: spec.per_file,
        })
    }

    /// Finds the columns in a header: in any order, others ignored.
    ///
    /// # Errors
    /// What is wrong with the header.
    pub fn bind(&self, header: &Record<'_>) -> std::result::Result<Positions, String> {
        let names: Vec<String> = (0..header.len())
            .filter_map(|position| header.field(position))
            .map(|name| String::from_utf8(name.into_owned()).map_err(|_| "the header is not UTF-8".to_owned()))
            .collect::<std::result::Result<_, _>>()?;
        if header.fault.is_some() {
            return Err("the header's quotes are not closed".to_owned());
        }
        // Else all rows of such a file would be taken for one header, and the file for an empty one.
        if header.raw.windows(2).any(|pair| pair[0] == b'\r' && !matches!(pair[1], b'\r' | b'\n')) {
            return Err("a CR without LF stands in the header; do its lines end with CR alone?".to_owned());
        }
        let find = |wanted: &str| {
            let mut places = names.iter().enumerate().filter(|(_, name)| name.trim() == wanted);
            match (places.next(), places.next()) {
                (Some((position, _)), None) => Ok(position),
                (Some(_), Some((second, _))) => {
                    Err(format!("the column {wanted:?} stands twice in the header, again as column {}", second + 1))
                }
                (None, _) => Err(missing(wanted, &names)),
            }
        };
        Ok(Positions {
            index: find(&self.index_column)?,
            category: find(&self.category_column)?,
            value: find(&self.value_column)?,
            width: names.len(),
        })
    }

    /// The name in the header of the column at `position`.
    pub fn column_name(&self, positions: Positions, position: usize) -> &str {
        match position {
            _ if position == positions.index => &self.index_column,
            _ if position == positions.category => &self.category_column,
            _ if position == positions.value => &self.value_column,
            _ => "",
        }
    }
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
pub(crate) mod tests {
    use super::*;
    use crate::scanner::{Scanner, TooLarge};
    use serde_json::json;

    /// The reference job's spec.
    pub(crate) fn spec() -> Pivot {
        serde_json::from_value(json!({
            "index": {"column": "Start date", "date_prefix": 10, "as": "date"},
            "columns": "Project", "values": "Duration (in minutes)", "aggregate": "sum",
            "categories": {"Learning": "learning_minutes", "Work": "work_minutes"},
        }))
        .unwrap()
    }

    fn bind(header: &str) -> std::result::Result<Positions, String> {
        let plan = Plan::new(&spec()).unwrap();
        let mut bound = None;
        let mut each = |record: Record<'_>| {
            bound = Some(plan.bind(&record));
            Ok::<(), TooLarge>(())
        };
        Scanner::default().feed(format!("{header}\n").as_bytes(), &mut each).unwrap();
        bound.unwrap()
    }

    #[test]
    fn columns_are_bound_by_name() {
        let positions = bind("End date,\"Start date\", Project ,x,Duration (in minutes)").unwrap();
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
                "\"Project\" stands twice in the header, again as column 3",
            ),
            ("Project;Start date;Duration (in minutes)", "separated by semicolons?"),
            ("Project\tStart date\tDuration (in minutes)", "separated by tabs?"),
        ] {
            let error = bind(header).unwrap_err();
            assert!(error.contains(part), "{header}: {error}");
        }
    }

    #[test]
    fn a_spec_that_cannot_work_is_refused() {
        let refused = |change: &dyn Fn(&mut Pivot)| {
            let mut spec = spec();
            change(&mut spec);
            let error = Plan::new(&spec).unwrap_err();
            assert_eq!(error.kind(), Kind::Misconfigured);
        };
        refused(&|spec| spec.categories.clear());
        refused(&|spec| spec.index.date_prefix = Some(7));
        refused(&|spec| spec.index.name = "work_minutes".into());
    }
}
