//! What the key of an object gives: of the spec's columns those that are a part `name=value` of it, as Hive has them.

use super::Plan;
use crate::value::field::{FieldPrefix, PREFIX_BYTES};
use sluice::spec::Place;
use sluice::{Error, Kind, Result};

/// The fields that all rows of a file share: of the key, the category and the value those that its object's key gives.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    fields: [Option<GivenField>; 3],
}

#[derive(Clone, Debug)]
struct GivenField {
    /// With so many zeros behind it that it can be loaded at once.
    padded: Vec<u8>,
    len: usize,
}

/// What stands there for a null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

impl Given {
    /// What the object's key `key` gives.
    ///
    /// # Errors
    /// `InvalidSource` if a part is missing in it, or is not UTF-8.
    pub(crate) fn new(plan: &Plan, key: &str) -> Result<Self> {
        let field = |place: &Place| match place {
            Place::Partition(name) => {
                read(key, name).map(Some).map_err(|what| Error::new(Kind::InvalidSource, format!("{key}: {what}")))
            }
            _ => Ok(None),
        };
        let [index, category, value] = &plan.places;
        Ok(Self { fields: [field(index)?, field(category)?, field(value)?] })
    }

    /// Whether it is nothing, as usual.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.iter().all(Option::is_none)
    }

    /// The text of the key (0), the category (1) or the value (2); of a null the empty one.
    pub(crate) fn text(&self, place: usize) -> Option<&[u8]> {
        self.fields[place].as_ref().map(|field| &field.padded[..field.len])
    }

    /// The same for the fast path.
    #[inline]
    pub(crate) fn prefix(&self, place: usize) -> Option<FieldPrefix<'_>> {
        self.fields[place].as_ref().and_then(|field| FieldPrefix::new(&field.padded, field.len))
    }
}

fn read(key: &str, name: &str) -> std::result::Result<GivenField, String> {
    let mut padded = partition(key, name)?.unwrap_or_default();
    let len = padded.len();
    padded.resize(len + PREFIX_BYTES, 0);
    Ok(GivenField { padded, len })
}

/// The text of the part `name=...` of an object's key; `None` if it stands for a null.
///
/// # Errors
/// There is none, or it is not UTF-8.
pub(crate) fn partition(key: &str, name: &str) -> std::result::Result<Option<Vec<u8>>, String> {
    // As in the paths of Hive, the last folder counts, and the file's own name is none.
    let found = key.rsplit('/').skip(1).find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    let value = found.ok_or_else(|| format!("its key has no part {name}=..., of which a column is read"))?;
    if value == NULL {
        return Ok(None);
    }
    let text: Vec<u8> = percent_encoding::percent_decode_str(value).collect();
    match std::str::from_utf8(&text) {
        Ok(_) => Ok(Some(text)),
        Err(_) => Err(format!("the part {name}=... of its key is not UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::spec;
    use super::*;

    #[test]
    fn parts_of_the_key_are_decoded() {
        let mut spec = spec();
        for (column, partition) in [("date", "dt"), ("project", "p")] {
            let column = spec.source.columns.get_mut(column).unwrap();
            column.place = Place::Partition(partition.to_owned());
        }
        let plan = Plan::new(&spec).unwrap();
        let texts = |key: &str| {
            let given = Given::new(&plan, key).map_err(|error| {
                assert_eq!(error.kind(), Kind::InvalidSource);
                error.to_string()
            })?;
            assert!(given.text(2).is_none() && given.prefix(2).is_none());
            assert_eq!(given.prefix(0).map(|prefix| prefix.len), given.text(0).map(<[u8]>::len));
            Ok([0, 1].map(|place| String::from_utf8(given.text(place).unwrap().to_vec()).unwrap()))
        };
        for (key, expected) in [
            ("in/dt=2024-03-01/p=Work/a.csv", ["2024-03-01", "Work"]),
            ("in/p=a%2Fb%20%3D/x/dt=2024-03-01T10%3A00/a.csv", ["2024-03-01T10:00", "a/b ="]),
            ("in/dt=/p=__HIVE_DEFAULT_PARTITION__/a.csv", ["", ""]),
            ("in/dt=1/dt=2/p=x=y/a.csv", ["2", "x=y"]),
            ("in/xdt=1/dt=2/p=100%/a.csv", ["2", "100%"]),
        ] {
            assert_eq!(texts(key), Ok(expected.map(str::to_owned)), "{key}");
        }
        let missing = "its key has no part dt=..., of which a column is read";
        for (key, what) in [
            ("in/p=Work/a.csv", missing),
            ("in/DT=2024-03-01/p=Work/a.csv", missing),
            ("in/dt/p=Work/a.csv", missing),
            ("in/dt=%FF/p=Work/a.csv", "the part dt=... of its key is not UTF-8"),
        ] {
            assert_eq!(texts(key), Err(format!("{key}: {what}")));
        }
    }
}
