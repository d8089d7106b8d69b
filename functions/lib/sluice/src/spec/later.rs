//! What of the language comes later: the only place that says so. A spec that asks for it is refused by its field.

use super::fields::child;
use super::{Aggregate, ColumnType, Csv, FileType, OnOverlap, Place, Problem, Spec, Step, Target, format};

/// What is said of it.
const LATER: &str = "is not supported yet";

/// A problem for each field that the functions do not follow yet.
pub(super) fn problems(spec: &Spec) -> Vec<Problem> {
    let mut found = Later(Vec::new());
    reading(spec, &mut found);
    shaping(spec, &mut found);
    target(spec, &mut found);
    found.0
}

struct Later(Vec<Problem>);

impl Later {
    /// The field at `pointer` comes later, if it `is_there`.
    fn refuse(&mut self, is_there: bool, pointer: &str) {
        if is_there {
            self.0.push(Problem { pointer: pointer.to_owned(), what: LATER.to_owned() });
        }
    }
}

/// What pivot does not read yet.
fn reading(spec: &Spec, found: &mut Later) {
    let format = &spec.source.format;
    let Csv { delimiter, quote, escape, .. } = &format.csv;
    for (mark, field) in [(&Some(*delimiter), "delimiter"), (quote, "quote"), (escape, "escape")] {
        found.refuse(mark.is_some_and(|mark| !mark.is_ascii()), &child("/source/format", field));
    }
    // An element of a list in Parquet.
    let is_parquet = format::kinds(format, &spec.source.suffix) == [FileType::Parquet].into();
    for (name, column) in spec.source.columns.iter().filter(|_| is_parquet) {
        let has_place = match &column.place {
            Place::Way(way) => way.iter().any(|step| matches!(step, Step::Place(_))),
            _ => false,
        };
        found.refuse(has_place, &child(&child("/source/columns", name), "from"));
    }
}

/// What upsert does not load yet.
fn shaping(spec: &Spec, found: &mut Later) {
    let shape = &spec.shape;
    found.refuse(shape.keys.len() > 1, "/shape/keys");
    found.refuse(shape.rows.is_some(), "/shape/rows");
    for (place, key) in shape.keys.iter().enumerate() {
        let kind = spec.source.columns.get(key).map(|column| column.kind);
        let is_loaded = matches!(kind, Some(ColumnType::Text | ColumnType::Date));
        found.refuse(!is_loaded, &child("/shape/keys", &place.to_string()));
    }
    found.refuse(shape.values.len() > 1, "/shape/values");
    found.refuse(shape.rows.is_none() && shape.pivot.is_none(), "/shape/pivot");
    for (name, aggregate) in &shape.values {
        let is_loaded = match aggregate {
            // One that is divided in the end is more than a sum.
            Aggregate::Sum { of, is_null_if_empty: false } => {
                spec.source.columns.get(of).is_some_and(|column| column.scale.is_none())
            }
            _ => false,
        };
        found.refuse(!is_loaded, &child("/shape/values", name));
    }
}

/// What upsert does not do yet to a table.
fn target(spec: &Spec, found: &mut Later) {
    let Target { types, add_columns, on_overlap, .. } = &spec.target;
    found.refuse(!types.is_empty(), "/target/types");
    found.refuse(*add_columns, "/target/add_columns");
    let is_loaded = match on_overlap {
        OnOverlap::AllFiles | OnOverlap::NewestFile => true,
        // Its parts keep files apart.
        OnOverlap::LastRun => spec.is_usual(),
        OnOverlap::NewestRow => false,
    };
    found.refuse(!is_loaded, "/target/on_overlap");
}
