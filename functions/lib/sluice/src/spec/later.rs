//! What of the language comes later: the only place that says so. A spec that asks for it is refused by its field.

use super::fields::child;
use super::{Csv, FileType, Place, Problem, Spec, Step, format};

/// What is said of it.
const LATER: &str = "is not supported yet";

/// A problem for each field that the functions do not follow yet.
pub(super) fn problems(spec: &Spec) -> Vec<Problem> {
    let mut found = Later(Vec::new());
    reading(spec, &mut found);
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
