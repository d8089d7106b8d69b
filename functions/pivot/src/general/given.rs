//! What is known of a file before it is read: what its key says, its date, and constants.

use super::column::Raw;
use super::plan::GeneralPlan;
use crate::plan::partition;
use sluice::contract::SourceFile;
use sluice::spec::{Constant, FilePart, Place};
use sluice::{Error, Kind, Result};
use std::borrow::Cow;

/// For each column that is read what all rows of a file have; `None`: it is in the rows.
#[derive(Debug)]
pub(crate) struct Given(Vec<Option<GivenField>>);

#[derive(Debug)]
enum GivenField {
    Null,
    Text(Vec<u8>),
    /// A number of the spec.
    Number(Vec<u8>),
    /// Of S3's listing, RFC 3339.
    Date(Vec<u8>),
    /// The number of the row.
    Row,
}

impl Given {
    /// What is known of a file.
    ///
    /// # Errors
    /// `InvalidSource` if its key is not as a column needs it.
    pub(crate) fn new(plan: &GeneralPlan, file: &SourceFile) -> Result<Self> {
        let field = |place: &Place| {
            Ok(match place {
                Place::From(_) | Place::Way(_) => None,
                Place::Constant(constant) => {
                    let text = constant.text().into_owned().into_bytes();
                    let is_number = matches!(constant, Constant::Number(_));
                    Some(if is_number { GivenField::Number(text) } else { GivenField::Text(text) })
                }
                Place::Partition(name) => Some(match partition(&file.key, name)? {
                    Some(text) => GivenField::Text(text),
                    None => GivenField::Null,
                }),
                Place::File { of: FilePart::Row, .. } => Some(GivenField::Row),
                Place::File { of: FilePart::Modified, .. } => {
                    Some(GivenField::Date(file.last_modified.clone().into_bytes()))
                }
                Place::File { of, pattern } => {
                    let name = file.key.rsplit('/').next().unwrap_or_default();
                    let text = if *of == FilePart::Key { file.key.as_str() } else { name };
                    let text = pattern.as_deref().map_or(Ok(text), |pattern| starred(text, pattern))?;
                    Some(GivenField::Text(text.as_bytes().to_vec()))
                }
            })
        };
        let fields = plan.fields.iter().map(|of| field(&of.place)).collect::<std::result::Result<_, String>>();
        fields.map(Self).map_err(|what| Error::new(Kind::InvalidSource, format!("{}: {what}", file.key)))
    }

    /// What the row of this number has for a column; `None`: it is in the row.
    pub(crate) fn raw(&self, slot: usize, number: u64) -> Option<Raw<'_>> {
        self.0[slot].as_ref().map(|field| match field {
            GivenField::Null => Raw::Null,
            GivenField::Text(text) => Raw::Text(Cow::Borrowed(text)),
            GivenField::Number(text) => Raw::Numeric(text),
            GivenField::Date(text) => Raw::Typed(text),
            GivenField::Row => Raw::Number(number),
        })
    }

    /// Whether the column is not in the rows.
    pub(crate) fn has(&self, slot: usize) -> bool {
        self.0[slot].is_some()
    }
}

/// What stands for the one star of a pattern.
fn starred<'t>(text: &'t str, pattern: &str) -> std::result::Result<&'t str, String> {
    let (before, after) = pattern.split_once('*').unwrap_or((pattern, ""));
    let found = text.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    found.ok_or_else(|| format!("its key does not fit the pattern {pattern:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_star_stands_for_what_is_between() {
        assert_eq!(starred("mtd-2024-03.csv", "mtd-*.csv"), Ok("2024-03"));
        assert_eq!(starred("mtd-.csv", "mtd-*.csv"), Ok(""));
        assert_eq!(starred("a", "*"), Ok("a"));
        for (text, pattern) in [("mtd.csv", "mtd-*.csv"), ("aba", "ab*ba"), ("x", "y*")] {
            assert!(starred(text, pattern).is_err(), "{text} {pattern}");
        }
    }
}
