//! Suffixes of keys, by which objects are input, and their kinds are told.

use serde::Serialize;
use std::fmt;

/// One suffix, or several.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suffixes(pub(super) Vec<String>);

impl Suffixes {
    /// These.
    pub fn new<S: Into<String>>(suffixes: impl IntoIterator<Item = S>) -> Self {
        Self(suffixes.into_iter().map(Into::into).collect())
    }

    /// All of them.
    pub fn all(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Suffixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" or "))
    }
}

/// Suffixes of packed files, which may stand behind a suffix of the spec.
const PACKED: [&str; 2] = [".gz", ".zst"];

/// A key without the suffix of a compression; `None` if it has none.
pub fn without_packing(key: &str) -> Option<&str> {
    PACKED.iter().find_map(|packed| without_suffix(key, packed))
}

/// What stands before the suffix, if the text ends with it in any case of letters.
pub fn without_suffix<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    if suffix.is_ascii() {
        let (before, end) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
        return end.eq_ignore_ascii_case(suffix).then_some(before);
    }
    // Other letters may take more bytes in one case than in the other.
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    let suffix = lower(suffix);
    text.char_indices().map(|(place, _)| text.split_at(place)).find(|(_, end)| lower(end) == suffix).map(|(it, _)| it)
}
