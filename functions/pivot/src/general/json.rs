//! JSON by ways: objects one per line, run together, in one array, or in an array inside each document.

mod documents;

use super::batch::{Fields, GeneralBatch, Row};
use super::column::{PlainFields, Raw};
use super::given::Given;
use super::plan::{Field, GeneralPlan};
use crate::batch::FileError;
use crate::json::object::not_an_object;
use crate::json::splitter::{RecordSink, Splitter};
use crate::reject::{RowNumber, not_utf_8};
use documents::Documents;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use sluice::contract::SourceFile;
use sluice::spec::{Place, Step};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// Reads one JSON file.
#[derive(Debug)]
pub(crate) struct JsonReader {
    /// Where the rows are inside documents.
    documents: Option<Documents>,
    splitter: Splitter,
    given: Given,
    names: Names,
}

/// The names of the fields of a row that are read, and what it has for them.
#[derive(Debug)]
struct Names {
    names: Vec<String>,
    /// For each column that is read the place of its first name; `None`: it is not in the rows.
    of_slots: Vec<Option<usize>>,
    found: Vec<Found>,
}

/// What a row has for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Missing,
    /// The bytes of its value in the row.
    Value(Range<usize>),
    Twice,
}

impl JsonReader {
    /// Before the first byte of a file of which this is known.
    pub(crate) fn new(plan: &GeneralPlan, given: Given) -> Self {
        let records = &plan.format.records;
        let documents = (!records.is_empty()).then(|| Documents::new(records.clone()));
        let mut names: Vec<String> = Vec::new();
        let first = |field: &Field| match &field.place {
            Place::From(name) => Some(name.clone()),
            // A row is an object, which has no elements.
            Place::Way(way) => match way.first() {
                Some(Step::Name(name)) => Some(name.clone()),
                _ => None,
            },
            _ => None,
        };
        let of_slots = plan.fields.iter().map(|field| {
            let name = first(field)?;
            let known = names.iter().position(|known| *known == name);
            Some(known.unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            }))
        });
        let of_slots = of_slots.collect();
        let found = vec![Found::Missing; names.len()];
        let names = Names { names, of_slots, found };
        Self { documents, splitter: Splitter::default(), given, names }
    }

    /// Adds the rows that a piece of the file completes.
    ///
    /// # Errors
    /// What makes the rest of the file unreadable.
    pub(crate) fn feed(
        &mut self,
        piece: &[u8],
        file: &SourceFile,
        batch: &mut GeneralBatch<'_>,
    ) -> Result<(), FileError> {
        let Self { documents, splitter, given, names } = self;
        let mut rows = Rows { file, batch, given, names };
        match documents {
            None => splitter.feed(piece, &mut rows),
            Some(documents) => documents.feed(piece, &mut |part| splitter.feed(part, &mut rows)),
        }
    }

    /// Adds the rest, at the end of the file.
    ///
    /// # Errors
    /// As [`JsonReader::feed`].
    pub(crate) fn finish(&mut self, file: &SourceFile, batch: &mut GeneralBatch<'_>) -> Result<(), FileError> {
        let Self { documents, splitter, given, names } = self;
        if let Some(documents) = documents {
            documents.finish()?;
        }
        splitter.finish(&mut Rows { file, batch, given, names })
    }
}

/// A file's rows on their way into the batch.
struct Rows<'t, 'p> {
    file: &'t SourceFile,
    batch: &'t mut GeneralBatch<'p>,
    given: &'t Given,
    names: &'t mut Names,
}

impl RecordSink for Rows<'_, '_> {
    fn take(&mut self, row: RowNumber, text: &[u8]) -> Result<(), FileError> {
        let fault = match std::str::from_utf8(text) {
            Err(_) => Some(not_utf_8(text).to_owned()),
            Ok(json) => self.names.read(json).err().map(|error| not_an_object(text, &error)),
        };
        self.add(row, text, fault)
    }

    fn take_line(&mut self, row: RowNumber, line: &[u8]) -> Result<bool, FileError> {
        let is_object = std::str::from_utf8(line).is_ok_and(|json| self.names.read(json).is_ok());
        if is_object {
            self.add(row, line, None)?;
        }
        Ok(is_object)
    }
}

impl Rows<'_, '_> {
    fn add(&mut self, row: RowNumber, text: &[u8], fault: Option<String>) -> Result<(), FileError> {
        let row = JsonRow { text, row, given: self.given, names: self.names, fault };
        self.batch.add(self.file, &row)
    }
}

struct JsonRow<'r> {
    text: &'r [u8],
    row: RowNumber,
    given: &'r Given,
    names: &'r Names,
    fault: Option<String>,
}

const TWICE: &str = "the object has this name twice";

impl PlainFields for JsonRow<'_> {}

impl Fields for JsonRow<'_> {
    fn raw(&self, slot: usize, field: &Field, number: u64) -> Raw<'_> {
        if let Some(given) = self.given.raw(slot, number) {
            return given;
        }
        let Some(name) = self.names.of_slots[slot] else { return Raw::Null };
        let value = match &self.names.found[name] {
            Found::Missing => return Raw::Null,
            Found::Twice => return Raw::Wrong(TWICE),
            // The row was read, so that it is UTF-8.
            Found::Value(range) => std::str::from_utf8(&self.text[range.clone()]).unwrap_or_default(),
        };
        match &field.place {
            Place::Way(way) => along(value, &way[1..]),
            _ => Raw::Json(value),
        }
    }
}

impl Row for JsonRow<'_> {
    fn place(&self) -> RowNumber {
        self.row
    }

    fn whole(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.text)
    }

    fn column(&self, _: usize, field: &Field) -> (usize, String) {
        let name = match &field.place {
            Place::From(name) | Place::Partition(name) => name.clone(),
            _ => field.name.clone(),
        };
        (0, name)
    }

    fn fault(&self) -> Option<String> {
        self.fault.clone()
    }

    fn is_sure(&self, slot: usize) -> bool {
        self.given.has(slot) || self.fault.is_none()
    }
}

/// What stands at the end of a way into a value, which is JSON; a way that leads nowhere is null.
fn along<'j>(json: &'j str, way: &[Step]) -> Raw<'j> {
    let Some((step, rest)) = way.split_first() else { return Raw::Json(json) };
    let opens = match step {
        Step::Name(_) => '{',
        Step::Place(_) => '[',
    };
    if !json.starts_with(opens) {
        return Raw::Null;
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    match (Inner { step }).deserialize(&mut deserializer) {
        Ok(Some(Ok(inner))) => along(inner, rest),
        Ok(Some(Err(()))) => Raw::Wrong(TWICE),
        // It is JSON, since all of the row is.
        Ok(None) | Err(_) => Raw::Null,
    }
}

/// A step into a value: what is there, or that it is there twice.
#[derive(Clone, Copy)]
struct Inner<'s> {
    step: &'s Step,
}

impl<'de> DeserializeSeed<'de> for Inner<'_> {
    type Value = Option<Result<&'de str, ()>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.step {
            Step::Name(_) => deserializer.deserialize_map(self),
            Step::Place(_) => deserializer.deserialize_seq(self),
        }
    }
}

impl<'de> Visitor<'de> for Inner<'_> {
    type Value = Option<Result<&'de str, ()>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let names = match self.step {
            Step::Name(name) => std::slice::from_ref(name),
            Step::Place(_) => &[],
        };
        let mut found = None;
        while let Some(is_wanted) = map.next_key_seed(Key { names })? {
            if is_wanted.is_none() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let json = map.next_value::<&'de RawValue>()?.get();
            found = Some(if found.is_none() { Ok(json) } else { Err(()) });
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let place = match self.step {
            Step::Place(place) => *place,
            Step::Name(_) => return Ok(None),
        };
        for _ in 0..place {
            if elements.next_element::<IgnoredAny>()?.is_none() {
                return Ok(None);
            }
        }
        let found = elements.next_element::<&'de RawValue>()?.map(|json| Ok(json.get()));
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}

impl Names {
    /// Finds the values of the names in the object that is all of `json`.
    fn read(&mut self, json: &str) -> serde_json::Result<()> {
        self.found.fill(Found::Missing);
        let mut deserializer = serde_json::Deserializer::from_str(json);
        Object { names: &self.names, found: &mut self.found, start: json.as_ptr() as usize }
            .deserialize(&mut deserializer)?;
        deserializer.end()
    }
}

struct Object<'n> {
    names: &'n [String],
    found: &'n mut [Found],
    /// Where the object begins in memory, by which the places of its values are known.
    start: usize,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Key { names: self.names })? {
            let Some(name) = name else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let json = map.next_value::<&'de RawValue>()?.get();
            let start = json.as_ptr() as usize - self.start;
            let found = &mut self.found[name];
            *found = if *found == Found::Missing { Found::Value(start..start + json.len()) } else { Found::Twice };
        }
        Ok(())
    }
}

/// A name: which of some it is.
struct Key<'n> {
    names: &'n [String],
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.names.iter().position(|name| name == key))
    }
}
