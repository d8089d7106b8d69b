//! The keys of sums, each with the number of its row.

use super::date_map::DateMap;
use super::{Full, MAX_KEY_BYTES, MAX_KEYS};
use crate::value::date::Date;
use sluice::contract::ColumnKind;
use std::collections::HashMap;
use std::fmt;

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key<'k> {
    /// A date.
    Date(Date),
    /// A text.
    Text(&'k str),
}

/// As PostgreSQL shows it.
impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(date) => date.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Different keys of one kind, by the numbers of their rows, which they get in the order in which they come.
#[derive(Debug)]
pub enum Keys {
    /// Dates.
    Dates(DateMap),
    /// Texts.
    Texts(TextMap),
}

/// Texts, each with its row.
#[derive(Debug, Default)]
pub struct TextMap {
    rows: HashMap<String, usize>,
    bytes: usize,
}

impl TextMap {
    /// The row of a text, if it has one.
    pub fn row(&self, text: &str) -> Option<usize> {
        self.rows.get(text).copied()
    }
}

impl Keys {
    /// None yet; of another kind than dates they are texts.
    pub fn new(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Date => Self::Dates(DateMap::default()),
            _ => Self::Texts(TextMap::default()),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Dates(dates) => dates.dates().len(),
            Self::Texts(texts) => texts.rows.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row of a key, which must be of the same kind, if it has one.
    pub fn row(&self, key: Key<'_>) -> Option<usize> {
        match (self, key) {
            (Self::Dates(dates), Key::Date(date)) => dates.row(date),
            (Self::Texts(texts), Key::Text(text)) => texts.row(text),
            _ => unreachable!("{ONE_KIND}"),
        }
    }

    /// Gives a key that has no row the next one.
    ///
    /// # Errors
    /// [`Full::TooManyKeys`]; everything stays as it was.
    pub fn insert(&mut self, key: Key<'_>) -> Result<usize, Full> {
        let next = self.len();
        if next == MAX_KEYS {
            return Err(Full::TooManyKeys);
        }
        match (self, key) {
            (Self::Dates(dates), Key::Date(date)) => Ok(dates.insert(date)),
            (Self::Texts(texts), Key::Text(text)) => {
                if texts.bytes + text.len() > MAX_KEY_BYTES {
                    return Err(Full::TooManyKeys);
                }
                texts.bytes += text.len();
                texts.rows.insert(text.to_owned(), next);
                Ok(next)
            }
            _ => unreachable!("{ONE_KIND}"),
        }
    }

    /// All of them, in the order of their rows.
    pub fn in_order(&self) -> Vec<Key<'_>> {
        match self {
            Self::Dates(dates) => dates.dates().iter().copied().map(Key::Date).collect(),
            Self::Texts(texts) => {
                let mut keys = vec![Key::Text(""); texts.rows.len()];
                for (text, row) in &texts.rows {
                    keys[*row] = Key::Text(text);
                }
                keys
            }
        }
    }

    /// The least and the greatest, as PostgreSQL shows them with letters of ASCII in lower case: so that a type for
    /// which `A` is `a`, as `uuid`, changes nothing of what lies between. `None` if there are none.
    pub fn range(&self) -> Option<[String; 2]> {
        match self {
            Self::Dates(dates) => {
                let (dates, shown) = (dates.dates(), |date: &Date| date.to_string());
                Some([dates.iter().min().map(shown)?, dates.iter().max().map(shown)?])
            }
            Self::Texts(texts) => {
                let folded = |text: &&String| text.to_ascii_lowercase();
                let by = |one: &&String, other: &&String| lower_case(one).cmp(lower_case(other));
                let keys = || texts.rows.keys();
                Some([keys().min_by(by).as_ref().map(folded)?, keys().max_by(by).as_ref().map(folded)?])
            }
        }
    }
}

fn lower_case(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().map(|byte| byte.to_ascii_lowercase())
}

/// The plan has one key, and so one kind of keys.
const ONE_KIND: &str = "keys are all dates or all texts";
