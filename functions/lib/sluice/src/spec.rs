//! A job's spec: which objects are read and how, what becomes of their rows, and where that goes. Its three parts are
//! parameters of the job in the template, put into the states that need them, so it is fixed when the stack is
//! deployed; whoever starts an execution cannot change it. The reference is `local/spec/reference.md`.
//!
//! # Layout
//! - `fields`: the fields of a JSON object, each asked for once; what is left over is a problem.
//! - `names`: what may be called how.
//! - `near`: which of some names was meant by another one.
//! - `source`, with `suffix`, `format`, `column`, `column_type`, `pattern` and `constant`: the first part.
//! - `shape`, with `aggregate` and `condition`, and `target`: the others.
//! - `table`: the columns that a spec gives its table.
//! - `later`: what of the language the functions do not follow yet.
//! - `earlier`: the form before this one, refused with what it is called now.
//! - `print`: what of a spec decides what a table holds.

mod aggregate;
mod column;
mod column_type;
mod condition;
mod constant;
mod earlier;
pub(crate) mod fields;
mod format;
mod later;
pub(crate) mod names;
mod near;
mod pattern;
mod print;
mod shape;
mod source;
mod suffix;
mod table;
mod target;
#[cfg(test)]
mod tests;

pub use aggregate::Aggregate;
pub use column::{Ambiguous, Column, FilePart, Place, Unit};
pub use column_type::ColumnType;
pub use condition::{Condition, Test};
pub use constant::Constant;
pub use format::{Csv, FileType, Format, Skip};
pub use names::reserved;
pub use near::did_you_mean;
pub use pattern::{PatternPart, Truncate, pattern_parts};
pub use print::{Print, Selection};
pub use shape::{Other, Pivot, Rows, Shape};
pub use source::{OnBad, Source};
pub use suffix::{Suffixes, without_packing, without_suffix};
pub use table::{ColumnKind, Content, TableColumn};
pub use target::{NewestBy, OnOverlap, OnRepeatedFile, SqlType, Target};

use crate::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// The three parts as they stand in a payload.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Parts {
    /// Which objects are read, and how.
    pub source: Value,
    /// What becomes of their rows.
    pub shape: Value,
    /// Where that goes.
    pub target: Value,
}

/// A checked spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Which objects are read, and how.
    pub source: Source,
    /// What becomes of their rows.
    pub shape: Shape,
    /// Where that goes.
    pub target: Target,
}

/// A step on the way to something nested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Step {
    /// Into the field of an object.
    Name(String),
    /// To the element of an array, from 0.
    Place(u32),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Place(place) => place.fmt(f),
        }
    }
}

/// What is wrong with a field of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which field, as a JSON Pointer (RFC 6901) that begins with the part: `/shape/keys/0`.
    pub pointer: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.what)
    }
}

impl Parts {
    /// The spec of these parts.
    ///
    /// # Errors
    /// All that is wrong with it, or that the functions do not follow yet.
    pub fn check(&self) -> std::result::Result<Spec, Vec<Problem>> {
        let spec = self.read()?;
        let problems = later::problems(&spec);
        if problems.is_empty() { Ok(spec) } else { Err(problems) }
    }

    /// The same in the whole language, whether the functions follow it yet or not.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read(&self) -> std::result::Result<Spec, Vec<Problem>> {
        let mut problems = earlier::problems(self);
        if !problems.is_empty() {
            return Err(problems);
        }
        for (part, value) in [("/source", &self.source), ("/shape", &self.shape), ("/target", &self.target)] {
            names::reserved(part, value, &mut problems);
        }
        let source = source::read(&self.source, &mut problems);
        let shape = shape::read(&self.shape, &mut problems);
        let target = target::read(&self.target, &mut problems);
        let spec = Spec { source, shape, target };
        shape::compare(self, &spec, &mut problems);
        target::compare(&spec, &mut problems);
        if problems.is_empty() { Ok(spec) } else { Err(problems) }
    }

    /// The same for a function, to which they come from the state machine.
    ///
    /// # Errors
    /// `Misconfigured`, naming the job and each field.
    pub fn spec(&self, job: &str) -> Result<Spec> {
        self.check().map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Error::new(Kind::Misconfigured, format!("the spec of job {job}: {}", problems.join("; ")))
        })
    }
}
