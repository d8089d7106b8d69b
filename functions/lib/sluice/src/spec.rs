//! A job's spec: which objects are read and how, what becomes of their rows, and where that goes. Its three parts are
//! parameters of the job in the template, put into the states that need them, so it is fixed when the stack is
//! deployed; whoever starts an execution cannot change it. The reference is `local/spec/reference.md`.
//!
//! # Layout
//! - `fields`: the fields of a JSON object, each asked for once; what is left over is a problem.
//! - `names`: what may be called how.
//! - `near`: which of some names was meant by another one.
//! - `source`, `shape`, `target`: the parts.
//! - `earlier`: the form before this one, refused with what it is called now.
//! - `print`: what of a spec decides what a table holds.

mod earlier;
pub(crate) mod fields;
pub(crate) mod names;
mod near;
mod print;
mod shape;
mod source;
mod target;
#[cfg(test)]
mod tests;

pub use names::reserved;
pub use near::did_you_mean;
pub use print::{Print, Selection};
pub use shape::{Other, Pivot, Shape};
pub use source::{Column, ColumnType, FileType, OnBad, Place, Source, Suffixes};
pub use target::{NewestBy, OnOverlap, OnRepeatedFile, Target};

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

impl Spec {
    /// The columns of the source that the shape does not use. They are not read.
    pub fn unused_columns(&self) -> impl Iterator<Item = &str> {
        let Shape { key, sum, pivot, .. } = &self.shape;
        self.source
            .columns
            .keys()
            .map(String::as_str)
            .filter(move |name| ![key, sum, &pivot.on].into_iter().any(|used| used == name))
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
    /// All that is wrong with it.
    pub fn check(&self) -> std::result::Result<Spec, Vec<Problem>> {
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
        shape::compare(&spec, &mut problems);
        target::compare(&self.target["newest_per"], &spec, &mut problems);
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
