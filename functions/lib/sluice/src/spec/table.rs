//! The columns that a spec gives its table.

use super::{Aggregate, ColumnType, Csv, Format, Other, Place, Spec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A type of PostgreSQL that columns are made with, or have in the parts that pivot leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// `date`.
    Date,
    /// `text`.
    Text,
    /// `smallint`.
    Smallint,
    /// `bigint`.
    Bigint,
    /// `numeric`.
    Numeric,
    /// `boolean`.
    Boolean,
    /// `timestamp`, of a wall clock.
    Timestamp,
    /// `timestamptz`, a point in time.
    Timestamptz,
    /// `jsonb`.
    Jsonb,
}

impl ColumnKind {
    /// Its name in SQL.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Text => "text",
            Self::Smallint => "smallint",
            Self::Bigint => "bigint",
            Self::Numeric => "numeric",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Jsonb => "jsonb",
        }
    }
}

impl ColumnType {
    /// What a column of it becomes.
    pub fn becomes(self) -> ColumnKind {
        match self {
            Self::Text => ColumnKind::Text,
            Self::Integer => ColumnKind::Bigint,
            Self::Number | Self::Duration => ColumnKind::Numeric,
            Self::Boolean => ColumnKind::Boolean,
            Self::Date => ColumnKind::Date,
            Self::Timestamp => ColumnKind::Timestamp,
            Self::Timestamptz => ColumnKind::Timestamptz,
            Self::Json => ColumnKind::Jsonb,
        }
    }
}

/// A column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn<'s> {
    /// Its name.
    pub name: String,
    /// The type that it is made with where `types` says nothing.
    pub kind: ColumnKind,
    /// Whether it is made `not null`.
    pub is_not_null: bool,
    /// What is in it.
    pub content: Content<'s>,
}

/// What is in a column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'s> {
    /// A key: a column of the source.
    Key(&'s str),
    /// What comes of the rows of a key.
    Value {
        /// What is computed.
        aggregate: &'s Aggregate,
        /// Of the rows whose category goes there; `None`: of all.
        into: Option<&'s str>,
    },
    /// A column of the row that wins.
    Row(&'s str),
}

impl Spec {
    /// The columns that the table gets: the keys in their order, then the others by name.
    pub fn table_columns(&self) -> Vec<TableColumn<'_>> {
        let kind_of =
            |name: &str| self.source.columns.get(name).map_or(ColumnKind::Text, |column| column.kind.becomes());
        let keys = self.shape.keys.iter().map(|name| TableColumn {
            name: name.clone(),
            kind: kind_of(name),
            is_not_null: true,
            content: Content::Key(name),
        });
        let mut others: Vec<TableColumn<'_>> = match &self.shape.rows {
            Some(_) => {
                let column = |name| {
                    let content = Content::Row(name);
                    TableColumn { name: name.to_owned(), kind: kind_of(name), is_not_null: false, content }
                };
                self.loaded_columns().into_iter().map(column).collect()
            }
            None => self.cells().collect(),
        };
        others.sort_by(|one, other| one.name.cmp(&other.name));
        keys.chain(others).collect()
    }

    /// Whether it is of the usual kind, which has a reader of its own, of several times the speed: of one date or text
    /// the sums of one number by category, in files of the usual form. What it comes to is the same.
    pub fn is_usual(&self) -> bool {
        let Self { source, shape, .. } = self;
        let Format { csv, records, .. } = &source.format;
        let is_plain = |name: &String, kinds: &[ColumnType]| {
            let column = source.columns.get(name);
            column.is_some_and(|column| {
                let is_in_file = matches!(column.place, Place::From(_) | Place::Partition(_));
                is_in_file && column.is_plain() && kinds.contains(&column.kind)
            })
        };
        let is_sum = |aggregate: &Aggregate| match aggregate {
            Aggregate::Sum { of, is_null_if_empty: false } => is_plain(of, &[ColumnType::Number]),
            _ => false,
        };
        let has_usual_keys =
            shape.keys.len() == 1 && shape.keys.iter().all(|key| is_plain(key, &[ColumnType::Text, ColumnType::Date]));
        let has_usual_values = shape.values.len() == 1 && shape.values.values().all(is_sum);
        let has_usual_pivot = shape.pivot.as_ref().is_some_and(|pivot| is_plain(&pivot.on, &[ColumnType::Text]));
        *csv == Csv::default()
            && records.is_empty()
            && shape.filter.is_none()
            && has_usual_keys
            && has_usual_values
            && has_usual_pivot
    }

    /// The names of the columns that are no keys, in their order.
    pub fn value_columns(&self) -> Vec<String> {
        let columns = self.table_columns().into_iter();
        columns.filter(|column| !matches!(column.content, Content::Key(_))).map(|column| column.name).collect()
    }

    /// The columns of the source that `rows` loads beside the keys.
    fn loaded_columns(&self) -> Vec<&str> {
        let named = self.shape.rows.as_ref().and_then(|rows| rows.columns.as_ref());
        let names: Vec<&str> = match named {
            Some(names) => names.iter().map(String::as_str).collect(),
            None => self.source.columns.keys().map(String::as_str).collect(),
        };
        names.into_iter().filter(|name| !self.shape.keys.iter().any(|key| key == name)).collect()
    }

    fn cells(&self) -> impl Iterator<Item = TableColumn<'_>> {
        let shape = &self.shape;
        let mut stems: Vec<Option<&str>> = match &shape.pivot {
            Some(pivot) => pivot.into.values().map(|into| Some(into.as_str())).collect(),
            None => vec![None],
        };
        if let Some(Other::Into(into)) = shape.pivot.as_ref().map(|pivot| &pivot.other) {
            stems.push(Some(into));
        }
        stems.sort_unstable();
        stems.dedup();
        let is_only = shape.values.len() == 1;
        let all = stems.into_iter().flat_map(|into| shape.values.iter().map(move |value| (into, value)));
        all.map(move |(into, (value, aggregate))| {
            let name = match into {
                None => value.clone(),
                Some(into) if is_only => into.to_owned(),
                Some(into) => format!("{into}_{value}"),
            };
            let of = || aggregate.of().and_then(|of| self.source.columns.get(of));
            let (kind, is_not_null) = match aggregate {
                Aggregate::Sum { is_null_if_empty, .. } => (ColumnKind::Numeric, !is_null_if_empty),
                Aggregate::Mean { .. } => (ColumnKind::Numeric, false),
                Aggregate::CountRows | Aggregate::Count { .. } => (ColumnKind::Bigint, true),
                Aggregate::Min { .. } | Aggregate::Max { .. } | Aggregate::First { .. } | Aggregate::Last { .. } => {
                    (of().map_or(ColumnKind::Text, |column| column.kind.becomes()), false)
                }
            };
            TableColumn { name, kind, is_not_null, content: Content::Value { aggregate, into } }
        })
    }

    /// The columns of the source that something uses. Others are not read.
    pub fn used_columns(&self) -> BTreeSet<&str> {
        let shape = &self.shape;
        let values = shape.values.values().flat_map(|aggregate| aggregate.of().into_iter().chain(aggregate.order_by()));
        let mut used: BTreeSet<&str> = shape.keys.iter().map(String::as_str).chain(values).collect();
        used.extend(shape.pivot.iter().map(|pivot| pivot.on.as_str()));
        used.extend(shape.filter.iter().flat_map(super::Condition::columns));
        if let Some(rows) = &shape.rows {
            used.extend(self.loaded_columns());
            used.extend(rows.order_by.iter().map(String::as_str));
            used.extend(rows.delete_when.iter().flat_map(super::Condition::columns));
        }
        used
    }

    /// The columns of the source that nothing uses.
    pub fn unused_columns(&self) -> impl Iterator<Item = &str> {
        let used = self.used_columns();
        self.source.columns.keys().map(String::as_str).filter(move |name| !used.contains(name))
    }
}
