//! The spec, checked once.

mod categories;

use crate::value::date;
use categories::Categories;
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
    /// From a category to its index in `values`.
    pub(crate) categories: Categories,
    /// What to do with any other category.
    pub unknown_category: UnknownCategory,
    /// What to do with a rejected row.
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
        let index_of = |name: &String| {
            values.iter().position(|value| value == name).expect("value_columns has the column of every category")
        };
        let categories = spec.categories.iter().map(|(category, name)| (category.clone().into_bytes(), index_of(name)));
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

    /// The names in a file of the columns of the index, the category and the value.
    pub(crate) fn columns(&self) -> [&str; 3] {
        [&self.index_column, &self.category_column, &self.value_column]
    }

    /// The name in the file of the column at `position`; empty if it is none of the spec's.
    pub fn column_name(&self, positions: Positions, position: usize) -> &str {
        match position {
            _ if position == positions.index => &self.index_column,
            _ if position == positions.category => &self.category_column,
            _ if position == positions.value => &self.value_column,
            _ => "",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use sluice::contract::PivotInput;

    /// The reference job's spec: that of the event, which is compared with the template's.
    pub(crate) fn spec() -> Pivot {
        let event: PivotInput = serde_json::from_str(include_str!("../../../events/pivot.json")).unwrap();
        event.pivot
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
