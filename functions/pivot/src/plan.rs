//! The spec, checked once.

pub(crate) mod categories;
mod given;

pub(crate) use given::{Given, partition};

use crate::reject::not_utf_8;
use crate::sums::Key;
use crate::value::date::{Date, NotDate};
use crate::value::decimal::Decimal;
use crate::value::zone::Zone;
use categories::Categories;
use sluice::contract::{Column, ColumnKind};
use sluice::spec::{Aggregate, ColumnType, FileType, OnBad, Other, Place, Spec};
use sluice::{Error, Kind, Result};
use std::collections::HashSet;
use std::hash::BuildHasher;

/// A checked spec.
#[derive(Debug)]
pub struct Plan {
    /// Where the values of the key, the category and the value are.
    places: [Place; 3],
    /// The key of the result.
    pub key: Column,
    /// On whose clock a point in time has its day.
    zone: Option<Zone>,
    /// The value columns of the result, in order.
    pub values: Vec<String>,
    /// From a category to its index in `values`.
    pub(crate) categories: Categories,
    /// What to do with any other category.
    pub(crate) other: OtherCategory,
    /// What the files hold; `None`: their suffixes tell.
    format: Option<FileType>,
    /// What to do with a row that cannot be read.
    pub on_bad_row: OnBad,
    /// What to do with a file that cannot be read, or of which no row is good.
    pub on_bad_file: OnBad,
    /// Keep the sums of each file apart.
    pub per_file: bool,
}

/// What to do with a category that the spec does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OtherCategory {
    /// Its row is a bad row.
    BadRow,
    /// Its row is left out, and counted.
    Ignore,
    /// It goes into this one of the value columns.
    Into(usize),
}

/// Positions of the three columns in a file, from 0, and how many columns it has. A column that the object's key gives
/// comes after those of the file: its position is the width and its place among the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// Of the key.
    pub key: usize,
    /// Of the category.
    pub category: usize,
    /// Of the value.
    pub value: usize,
    /// Fields of a row.
    pub width: usize,
}

impl Positions {
    /// The number of a column of the file, from 1; 0 of one that the object's key gives.
    pub(crate) fn number(self, position: usize) -> usize {
        if position < self.width { position + 1 } else { 0 }
    }
}

impl Plan {
    /// What this version can do of a spec.
    ///
    /// # Errors
    /// `Misconfigured`, naming the field of the spec that cannot work.
    pub fn new(spec: &Spec) -> Result<Self> {
        let Spec { source, shape, target } = spec;
        let column = |name: &String| {
            source.columns.get(name).ok_or_else(|| misconfigured("/source/columns", &format!("there is no {name:?}")))
        };
        let usual = || match (&shape.keys[..], &shape.pivot, shape.values.values().next()) {
            ([key], Some(pivot), Some(Aggregate::Sum { of, .. })) if spec.is_usual() => Some((key, pivot, of)),
            _ => None,
        };
        let (key, pivot, sum) = usual().ok_or_else(|| misconfigured("/shape", "is not of the usual kind"))?;
        let columns = [column(key)?, column(&pivot.on)?, column(sum)?];
        let kind = if columns[0].kind == ColumnType::Date { ColumnKind::Date } else { ColumnKind::Text };
        for (name, column) in &source.columns {
            if column.zone.as_deref().is_some_and(|zone| Zone::named(zone).is_none()) {
                let what = "is none of the time zone database of this release; zones are called as in Europe/Berlin";
                return Err(misconfigured(&format!("/source/columns/{name}/zone"), what));
            }
        }
        let values = spec.value_columns();
        let index_of = |name: &String| {
            values.iter().position(|value| value == name).expect("value_columns has the column of every category")
        };
        let into = &pivot.into;
        let categories = into.iter().map(|(category, name)| (category.clone().into_bytes(), index_of(name))).collect();
        let other = match &pivot.other {
            Other::BadRow => OtherCategory::BadRow,
            Other::Ignore => OtherCategory::Ignore,
            Other::Into(name) => OtherCategory::Into(index_of(name)),
        };
        Ok(Self {
            places: columns.map(|column| column.place.clone()),
            key: Column { name: key.clone(), kind },
            zone: columns[0].zone.as_deref().and_then(Zone::named),
            categories,
            values,
            other,
            format: source.format.kind,
            on_bad_row: source.on_bad_row,
            on_bad_file: source.on_bad_file,
            per_file: target.on_overlap.keeps_words(),
        })
    }

    /// Whether the names of a header, in whatever order, may make a row: among them are values of all columns that the
    /// file has.
    pub(crate) fn reads_names(&self, names: &HashSet<Vec<u8>, impl BuildHasher>) -> bool {
        let is_category = |name: &[u8]| self.other != OtherCategory::BadRow || self.categories.get(name).is_some();
        let [key, category, value] = self.columns().map(|column| column.is_some());
        (!key || names.iter().any(|name| self.read_key(name).is_ok()))
            && (!category || names.iter().any(|name| is_category(name)))
            && (!value || names.iter().any(|name| Decimal::parse(name).is_ok()))
    }

    /// The names in a file of the columns of the key, the category and the value; `None` for those that the object's
    /// key gives.
    pub(crate) fn columns(&self) -> [Option<&str>; 3] {
        self.places.each_ref().map(|place| match place {
            Place::From(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The name of the column at `position`, in the file or in the object's key; empty if it is none of the spec's.
    pub fn column_name(&self, positions: Positions, position: usize) -> &str {
        let Positions { key, category, value, .. } = positions;
        let place = [key, category, value].into_iter().position(|one| one == position);
        match place.map(|place| &self.places[place]) {
            Some(Place::From(name) | Place::Partition(name)) => name,
            _ => "",
        }
    }

    /// What the file `key` holds.
    pub fn format_of(&self, key: &str) -> FileType {
        self.format.unwrap_or_else(|| FileType::of_key(key))
    }

    /// Whether a part says of each key if rows of it are in quarantine.
    pub fn has_states(&self) -> bool {
        self.on_bad_row == OnBad::Quarantine
    }

    /// The key that a field holds.
    ///
    /// # Errors
    /// Why it holds none.
    pub(crate) fn read_key<'k>(&self, field: &'k [u8]) -> std::result::Result<Key<'k>, &'static str> {
        match self.key.kind {
            ColumnKind::Date => self.read_date(field).map(Key::Date).map_err(NotDate::reason),
            _ => match std::str::from_utf8(field) {
                Err(_) => Err(not_utf_8(field)),
                Ok("") => Err("no value, expected a text"),
                Ok(text) if text.contains('\0') => Err(NUL),
                Ok(text) if text.len() > MAX_TEXT_KEY_BYTES => Err(LONG_TEXT_KEY),
                Ok(text) => Ok(Key::Text(text)),
            },
        }
    }

    /// The date of a field, on the clock of the spec.
    ///
    /// # Errors
    /// Why it holds none.
    pub(crate) fn read_date(&self, field: &[u8]) -> std::result::Result<Date, NotDate> {
        Date::parse(field, self.zone.as_ref())
    }
}

/// How long a key may be in UTF-8. An entry of a B-tree has at most 2,704 bytes: 8 of its own, and in the index of the
/// words of files a key and a file's name, of 63 bytes for the bucket, a slash and 1,024 for the object's key, with 4
/// bytes before each of the two. Where no words are kept, the limit is the same: a spec may change.
/// Of several keys all texts together have it.
pub const MAX_TEXT_KEY_BYTES: usize = 1_600;

/// What is wrong with a longer one.
pub(crate) const LONG_TEXT_KEY: &str = "a text of more than 1600 bytes, which an index of PostgreSQL may not hold";

/// What is wrong with a text that holds one.
pub(crate) const NUL: &str = "a NUL character, which PostgreSQL has not in a text";

pub(crate) fn misconfigured(pointer: &str, what: &str) -> Error {
    Error::new(Kind::Misconfigured, format!("the spec: {pointer}: {what}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use sluice::contract::PivotInput;
    use sluice::spec::OnOverlap;

    /// The reference job's spec: that of the event, which is compared with the template's.
    pub(crate) fn spec() -> Spec {
        let event: PivotInput = serde_json::from_str(include_str!("../../../events/pivot.json")).unwrap();
        event.parts.spec(&event.execution.job).unwrap()
    }

    #[test]
    fn a_spec_becomes_a_plan() {
        let mut spec = spec();
        let plan = Plan::new(&spec).unwrap();
        assert_eq!(plan.columns(), ["Start date", "Project", "Duration (in minutes)"].map(Some));
        assert_eq!(plan.values, ["learning_minutes", "work_minutes"]);
        assert_eq!((plan.other, plan.per_file, plan.has_states()), (OtherCategory::BadRow, true, false));
        assert_eq!((plan.format_of("a.parquet"), plan.format_of("a")), (FileType::Parquet, FileType::Csv));

        spec.source.format.kind = Some(FileType::Json);
        spec.source.on_bad_row = OnBad::Quarantine;
        spec.shape.pivot.as_mut().unwrap().other = Other::Into("other".to_owned());
        spec.target.on_overlap = OnOverlap::LastRun;
        spec.source.columns.get_mut("project").unwrap().place = Place::Partition("p".to_owned());
        let plan = Plan::new(&spec).unwrap();
        assert_eq!(plan.columns(), [Some("Start date"), None, Some("Duration (in minutes)")]);
        let positions = Positions { key: 1, category: 5, value: 0, width: 4 };
        let names = [0, 1, 2, 5].map(|position| (positions.number(position), plan.column_name(positions, position)));
        assert_eq!(names, [(1, "Duration (in minutes)"), (2, "Start date"), (3, ""), (0, "p")]);
        assert_eq!(plan.values, ["learning_minutes", "other", "work_minutes"]);
        assert_eq!((plan.other, plan.per_file, plan.has_states()), (OtherCategory::Into(1), false, true));
        assert_eq!(plan.format_of("a.parquet"), FileType::Json);
    }

    #[test]
    fn zones_must_be_known() {
        let mut spec = spec();
        let date = spec.source.columns.get_mut("date").unwrap();
        date.zone = Some("Europe/Berlin".to_owned());
        assert!(Plan::new(&spec).is_ok());
        spec.source.columns.get_mut("date").unwrap().zone = Some("Mars/Olympus".to_owned());
        let error = Plan::new(&spec).unwrap_err();
        assert_eq!(error.kind(), Kind::Misconfigured);
        assert!(error.to_string().starts_with("the spec: /source/columns/date/zone: "), "{error}");
    }
}
