//! A spec of the whole language, ready to read rows by.

use super::column::ColumnReader;
use super::condition::Check;
use crate::plan::categories::Categories;
use crate::plan::misconfigured;
use encoding_rs::Encoding;
use sluice::Result;
use sluice::contract::{ColumnKind, Layout, PartContent, Says};
use sluice::spec::{Aggregate, ColumnType, Content, FileType, Format, OnBad, Other, Place, Spec};
use std::collections::{BTreeSet, HashMap};

/// A spec of the whole language, ready to read rows by.
#[derive(Debug)]
pub struct GeneralPlan {
    /// What the files hold, and how it is written.
    pub(crate) format: Format,
    /// What the spec says that the encoding of CSV is.
    pub(crate) encoding: Option<&'static Encoding>,
    /// The columns that something uses, those of the filter first: a row's values, by their slots.
    pub(crate) fields: Vec<Field>,
    /// How many of them the filter needs.
    pub(crate) filter_fields: usize,
    /// Which rows count.
    pub(crate) filter: Option<Check>,
    /// The slots and types of the keys.
    pub(crate) keys: Vec<(usize, ColumnKind)>,
    /// What becomes of the rows of a key.
    pub(crate) shaping: Shaping,
    /// How the parts are made.
    pub layout: Layout,
    /// What to do with a row that cannot be read.
    pub on_bad_row: OnBad,
    /// What to do with a file that cannot be read, or of which no row is good.
    pub on_bad_file: OnBad,
}

/// A column that is read.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its name in the job.
    pub(crate) name: String,
    /// Where its values are.
    pub(crate) place: Place,
    /// What they are.
    pub(crate) kind: ColumnType,
    /// A file may lack it.
    pub(crate) is_optional: bool,
    /// How they are read.
    pub(crate) reader: ColumnReader,
}

/// What becomes of the rows of a key.
#[derive(Debug)]
pub(crate) enum Shaping {
    /// Each has words.
    Words {
        /// In the order of the parts.
        cells: Vec<CellPlan>,
        /// How categories are put into cells.
        pivot: Option<Box<PivotPlan>>,
    },
    /// One of them wins.
    Rows {
        /// The slots and types of what is loaded, in the order of the parts.
        columns: Vec<(usize, ColumnKind)>,
        /// The slots and types of what the winner goes by.
        order_by: Vec<(usize, ColumnKind)>,
        /// If the winner meets it, its key is deleted.
        delete_when: Option<Check>,
    },
}

/// A cell of the table.
#[derive(Debug)]
pub(crate) struct CellPlan {
    /// What it says.
    pub(crate) says: Says,
    /// The slot of its column; `None`: it counts rows.
    pub(crate) of: Option<usize>,
    /// The slot of what it goes by.
    pub(crate) order: Option<usize>,
    /// What a duration is divided by in the end, and its decimals then.
    pub(crate) division: Option<(u32, u32)>,
}

/// From categories to cells.
#[derive(Debug)]
pub(crate) struct PivotPlan {
    /// The slot of the category.
    pub(crate) on: usize,
    /// The stem of each category.
    pub(crate) into: Categories,
    /// What to do with any other one.
    pub(crate) other: OtherStem,
    /// The cells of each stem.
    pub(crate) stems: Vec<Vec<usize>>,
}

/// What to do with a category that the spec does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OtherStem {
    /// Its row is a bad row.
    BadRow,
    /// Its row is left out, and counted.
    Ignore,
    /// It goes to this stem.
    Into(usize),
}

impl GeneralPlan {
    /// What is read and made by a spec.
    ///
    /// # Errors
    /// `Misconfigured`, naming the field of the spec that cannot work.
    pub fn new(spec: &Spec) -> Result<Self> {
        let Spec { source, shape, .. } = spec;
        let filtered: BTreeSet<&str> = shape.filter.iter().flat_map(|filter| filter.columns()).collect();
        let used = spec.used_columns();
        let others = used.iter().copied().filter(|name| !filtered.contains(name));
        let names: Vec<&str> = filtered.iter().copied().chain(others).collect();
        let slots: HashMap<&str, usize> = names.iter().enumerate().map(|(slot, name)| (*name, slot)).collect();
        let fields = names.iter().map(|name| field(spec, name)).collect::<Result<Vec<_>>>()?;
        let check = |pointer: &str, condition| {
            Check::new(condition, source, &slots).map_err(|what| misconfigured(pointer, &what))
        };
        let filter = shape.filter.as_ref().map(|filter| check("/shape/filter", filter)).transpose()?;
        let layout = Layout::of(spec);
        let slot = |name: &str| {
            slots.get(name).copied().ok_or_else(|| misconfigured("/source/columns", &format!("there is no {name:?}")))
        };
        let typed = |name: &str| {
            let kind = source.columns.get(name).map_or(ColumnKind::Text, |column| column.kind.becomes());
            slot(name).map(|slot| (slot, kind))
        };
        let keys = shape.keys.iter().map(|name| typed(name)).collect::<Result<_>>()?;
        let shaping = match (&shape.rows, &layout.content) {
            (Some(rows), PartContent::Rows { columns, .. }) => Shaping::Rows {
                columns: columns.iter().map(|column| typed(&column.name)).collect::<Result<_>>()?,
                order_by: rows.order_by.iter().map(|name| typed(name)).collect::<Result<_>>()?,
                delete_when: rows
                    .delete_when
                    .as_ref()
                    .map(|when| check("/shape/rows/delete_when", when))
                    .transpose()?,
            },
            (_, PartContent::Values(words)) => {
                let columns = spec.table_columns();
                let values = columns.iter().filter_map(|column| match column.content {
                    Content::Value { aggregate, into } => Some((aggregate, into)),
                    Content::Key(_) | Content::Row(_) => None,
                });
                let values: Vec<(&Aggregate, Option<&str>)> = values.collect();
                let cells = words.iter().zip(&values).map(|(word, (aggregate, _))| {
                    Ok(CellPlan {
                        says: word.says,
                        of: aggregate.of().map(slot).transpose()?,
                        order: aggregate.order_by().map(slot).transpose()?,
                        division: aggregate.of().map(slot).transpose()?.and_then(|slot| fields[slot].reader.division),
                    })
                });
                let pivot: Option<Result<PivotPlan>> = shape.pivot.as_ref().map(|pivot| {
                    let stems: BTreeSet<&str> = values.iter().filter_map(|(_, into)| *into).collect();
                    let stems: Vec<&str> = stems.into_iter().collect();
                    let stem = |into: &str| stems.iter().position(|stem| *stem == into).unwrap_or_default();
                    let of_stem = |stem: &&str| {
                        let cells = values.iter().enumerate().filter(|(_, (_, into))| *into == Some(*stem));
                        cells.map(|(cell, _)| cell).collect()
                    };
                    Ok(PivotPlan {
                        on: slot(&pivot.on)?,
                        into: pivot
                            .into
                            .iter()
                            .map(|(category, into)| (category.clone().into_bytes(), stem(into)))
                            .collect(),
                        other: match &pivot.other {
                            Other::BadRow => OtherStem::BadRow,
                            Other::Ignore => OtherStem::Ignore,
                            Other::Into(into) => OtherStem::Into(stem(into)),
                        },
                        stems: stems.iter().map(of_stem).collect(),
                    })
                });
                Shaping::Words { cells: cells.collect::<Result<_>>()?, pivot: pivot.transpose()?.map(Box::new) }
            }
            (None, PartContent::Rows { .. }) => return Err(misconfigured("/shape", "has neither values nor rows")),
        };
        Ok(Self {
            format: source.format.clone(),
            encoding: encoding(&source.format)?,
            filter_fields: filtered.len(),
            fields,
            filter,
            keys,
            shaping,
            layout,
            on_bad_row: source.on_bad_row,
            on_bad_file: source.on_bad_file,
        })
    }

    /// What the file `key` holds.
    pub fn format_of(&self, key: &str) -> FileType {
        self.format.kind.unwrap_or_else(|| FileType::of_key(key))
    }

    /// Whether a part says of each key if rows of it are in quarantine.
    pub(crate) fn has_states(&self) -> bool {
        self.layout.has_states
    }
}

/// The encoding that a spec names.
fn encoding(format: &Format) -> Result<Option<&'static Encoding>> {
    let Some(label) = &format.csv.encoding else { return Ok(None) };
    let found = Encoding::for_label(label.as_bytes());
    let what = "is no label of the WHATWG Encoding Standard, such as windows-1252";
    found.map(Some).ok_or_else(|| misconfigured("/source/format/encoding", what))
}

fn field(spec: &Spec, name: &str) -> Result<Field> {
    let pointer = format!("/source/columns/{name}");
    let column = spec.source.columns.get(name).ok_or_else(|| misconfigured(&pointer, "is not there"))?;
    let reader =
        ColumnReader::new(column).map_err(|(field, what)| misconfigured(&format!("{pointer}/{field}"), &what))?;
    Ok(Field {
        name: name.to_owned(),
        place: column.place.clone(),
        kind: column.kind,
        is_optional: column.optional,
        reader,
    })
}
