//! The columns of a file: which of them the spec names, how their values are stored, and what they mean.

use super::text::Form;
use super::thrift::{Reader, ThriftType};
use super::values::{ColumnLayout, Physical};
use super::{Checked, Flaw};
use crate::reject::shown;
use crate::value::decimal::MAX_DIGITS;
use sluice::spec::ColumnType;

/// How deep groups of columns may be nested.
const MAX_NESTED: usize = 1_000;

/// How many columns an error about a missing one names.
const NAMED: usize = 20;

/// What a column is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The key, of dates.
    Date,
    /// The key, of texts.
    Text,
    /// The category.
    Category,
    /// The value.
    Value,
    /// A column of any type.
    Any(ColumnType),
}

/// A column that is wanted.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The names on the way to it: one of the table's own columns has one.
    pub(super) way: Vec<String>,
    /// What it is read for.
    pub(super) role: Role,
    /// The file may lack it.
    pub(super) is_optional: bool,
}

impl Wanted {
    /// Its way as errors name it.
    fn name(&self) -> String {
        self.way.join(".")
    }
}

impl Role {
    /// What its values are.
    pub(super) fn wanted(self) -> &'static str {
        match self {
            Role::Date => "a date, a timestamp or a text",
            Role::Value | Role::Any(ColumnType::Integer | ColumnType::Number) => "a number",
            Role::Text | Role::Category | Role::Any(ColumnType::Text) => "a single value",
            Role::Any(ColumnType::Boolean) => "a boolean or a text",
            Role::Any(ColumnType::Json) => "a text, a number or a boolean",
            Role::Any(ColumnType::Duration) => "a duration, a number or a text",
            Role::Any(_) => "a date, a timestamp, a number or a text",
        }
    }

    fn takes(self, form: Form) -> bool {
        let is_number = form.is_number();
        if let Role::Any(kind) = self {
            return match kind {
                _ if matches!(form, Form::Text | Form::Null) => true,
                ColumnType::Text => true,
                ColumnType::Integer | ColumnType::Number | ColumnType::Duration => is_number,
                ColumnType::Boolean => form == Form::Boolean,
                ColumnType::Json => is_number || form == Form::Boolean,
                ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz => is_number || form.is_time(),
            };
        }
        match form {
            _ if matches!(self, Role::Text | Role::Category) => true,
            Form::Text | Form::Null => true,
            Form::Signed | Form::Unsigned => self != Role::Date,
            Form::Boolean => false,
            Form::Float | Form::Decimal { .. } => self == Role::Value,
            Form::Date | Form::Time { .. } | Form::Instant96 => self == Role::Date,
        }
    }
}

/// One column that the spec names.
#[derive(Clone, Debug)]
pub(super) struct SpecColumn {
    /// Its name, or the way to it.
    pub(super) name: String,
    /// How to read it.
    pub(super) layout: ColumnLayout,
    /// Its type's number, which its chunks repeat.
    pub(super) physical: i32,
    /// Its index among the columns of the table, from 0.
    pub(super) position: usize,
    /// Its index among the chunks of a row group, from 0.
    pub(super) leaf: usize,
}

/// The spec's columns, and how many there are in all.
#[derive(Debug)]
pub(super) struct Schema {
    /// Those that are wanted; `None` for those that the file does not have, or need not, or that do not fit.
    pub(super) columns: Vec<Option<SpecColumn>>,
    /// Why the first one of those that do not fit cannot be read, which matters only if there are rows.
    pub(super) misfit: Option<Flaw>,
    /// Columns of the table.
    pub(super) width: usize,
    /// Chunks of a row group: a group of columns has many.
    pub(super) leaves: usize,
}

impl Schema {
    /// Finds the columns that are wanted in the list of all.
    pub(super) fn read(reader: &mut Reader<'_>, wanted: &[Option<Wanted>]) -> Checked<Self> {
        let mut found: Vec<Option<Checked<SpecColumn>>> = wanted.iter().map(|_| None).collect();
        let mut names = Vec::new();
        let (mut width, mut leaves) = (0, 0);
        // The groups that have begun; the first one is the table.
        let mut groups: Vec<OpenGroup<'_>> = Vec::new();
        let mut has_table = false;
        reader.structures(|reader| {
            let element = Element::read(reader)?;
            while groups.last().is_some_and(|group| group.left == 0) {
                groups.pop();
            }
            match groups.last_mut() {
                Some(group) => group.left -= 1,
                None if has_table => return Err("its metadata has more columns than its table".into()),
                None => {
                    has_table = true;
                    groups.push(OpenGroup { left: element.children, name: &[], levels: 0, is_list: false });
                    return Ok(());
                }
            }
            let above = &groups[1..];
            if above.is_empty() {
                if names.len() < NAMED {
                    names.push(shown(element.name));
                }
                width += 1;
            }
            for (wanted, column) in wanted.iter().zip(&mut found) {
                let Some(wanted) = wanted.as_ref().filter(|wanted| is_way(wanted, above, element.name)) else {
                    continue;
                };
                let new = element.column(wanted, above, width - 1, leaves);
                if column.replace(new).is_some() {
                    return Err(format!("it has two columns of the name {:?}", wanted.name()).into());
                }
            }
            if element.is_group() {
                let levels = groups.last().map_or(0, |group| group.levels) + u32::from(element.repetition == 1);
                let is_list = element.repetition > 1 || groups.last().is_some_and(|group| group.is_list);
                groups.push(OpenGroup { left: element.children, name: element.name, levels, is_list });
            } else {
                leaves += 1;
            }
            if groups.len() > MAX_NESTED { Err("its columns are nested too deeply".into()) } else { Ok(()) }
        })?;
        if groups.iter().any(|group| group.left > 0) {
            return Err("its metadata has fewer columns than its table".into());
        }
        let missing = wanted.iter().zip(&found).filter(|(_, column)| column.is_none());
        if let Some(wanted) = missing.filter_map(|(wanted, _)| wanted.as_ref()).find(|wanted| !wanted.is_optional) {
            let what = format!("the column {:?} is missing; the file has {}", wanted.name(), names.join(", "));
            return Err(what.into());
        }
        let (mut columns, mut misfit) = (Vec::new(), None);
        for column in found {
            match column.transpose() {
                Ok(column) => columns.push(column),
                Err(flaw) => {
                    columns.push(None);
                    misfit.get_or_insert(flaw);
                }
            }
        }
        Ok(Self { columns, misfit, width, leaves })
    }
}

/// A group of columns that has begun.
struct OpenGroup<'a> {
    /// How many more columns belong to it.
    left: u64,
    name: &'a [u8],
    /// How many of it and of the groups around it may be null.
    levels: u32,
    /// It, or a group around it, is one of many in a row.
    is_list: bool,
}

/// Whether the way to a wanted column leads through these groups to this name.
fn is_way(wanted: &Wanted, above: &[OpenGroup<'_>], name: &[u8]) -> bool {
    let through = above.iter().map(|group| group.name).chain([name]);
    wanted.way.len() == above.len() + 1 && wanted.way.iter().map(String::as_bytes).eq(through)
}

/// A column or a group of columns as the file describes it.
struct Element<'a> {
    name: &'a [u8],
    physical: Option<i32>,
    type_len: u64,
    repetition: i32,
    children: u64,
    /// How older writers say what is meant.
    converted: Option<i32>,
    scale: i32,
    precision: i32,
    meaning: Meaning,
}

/// What a column's values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// What they are.
    Plain,
    Text,
    Signed,
    Unsigned,
    Decimal,
    Date,
    Timestamp {
        per_second: i64,
        is_in_utc: bool,
    },
    /// Nothing: there are only nulls.
    Null,
    Other(&'static str),
}

impl<'a> Element<'a> {
    fn read(reader: &mut Reader<'a>) -> Checked<Self> {
        let mut element = Self {
            name: &[],
            physical: None,
            type_len: 0,
            repetition: 0,
            children: 0,
            converted: None,
            scale: 0,
            precision: 0,
            meaning: Meaning::Plain,
        };
        reader.structure(|reader, id, kind| {
            match (id, kind) {
                (1, ThriftType::I32) => element.physical = Some(reader.i32()?),
                (2, ThriftType::I32) => element.type_len = reader.natural()?,
                (3, ThriftType::I32) => element.repetition = reader.i32()?,
                (4, ThriftType::BINARY) => element.name = reader.binary()?,
                (5, ThriftType::I32) => element.children = reader.natural()?,
                (6, ThriftType::I32) => element.converted = Some(reader.i32()?),
                (7, ThriftType::I32) => element.scale = reader.i32()?,
                (8, ThriftType::I32) => element.precision = reader.i32()?,
                (10, ThriftType::STRUCT) => {
                    reader.structure(|reader, id, kind| element.read_meaning(reader, id, kind))?
                }
                _ => reader.skip(kind)?,
            }
            Ok(())
        })?;
        if element.meaning == Meaning::Plain {
            element.meaning = element.converted.map_or(Meaning::Plain, converted);
        }
        Ok(element)
    }

    fn read_meaning(&mut self, reader: &mut Reader<'a>, id: i16, kind: ThriftType) -> Checked<()> {
        if kind != ThriftType::STRUCT {
            return reader.skip(kind);
        }
        self.meaning = match id {
            1 | 4 | 12 => Meaning::Text,
            2 => Meaning::Other("MAP"),
            3 => Meaning::Other("LIST"),
            5 => {
                reader.structure(|reader, id, kind| {
                    match (id, kind) {
                        (1, ThriftType::I32) => self.scale = reader.i32()?,
                        (2, ThriftType::I32) => self.precision = reader.i32()?,
                        _ => reader.skip(kind)?,
                    }
                    Ok(())
                })?;
                self.meaning = Meaning::Decimal;
                return Ok(());
            }
            6 => Meaning::Date,
            7 => Meaning::Other("TIME"),
            8 => return self.read_timestamp(reader),
            10 => return self.read_integer(reader),
            11 => Meaning::Null,
            13 => Meaning::Other("BSON"),
            14 => Meaning::Other("UUID"),
            15 => Meaning::Other("FLOAT16"),
            16 => Meaning::Other("VARIANT"),
            17 => Meaning::Other("GEOMETRY"),
            18 => Meaning::Other("GEOGRAPHY"),
            _ => Meaning::Other("of an unknown type"),
        };
        reader.skip(kind)
    }

    fn read_timestamp(&mut self, reader: &mut Reader<'a>) -> Checked<()> {
        let (mut is_in_utc, mut per_second) = (false, None);
        reader.structure(|reader, id, kind| match (id, kind) {
            (1, ThriftType::TRUE) => {
                is_in_utc = true;
                reader.skip(kind)
            }
            (2, ThriftType::STRUCT) => reader.structure(|reader, id, kind| {
                per_second = match id {
                    1 => Some(1_000),
                    2 => Some(1_000_000),
                    3 => Some(1_000_000_000),
                    _ => per_second,
                };
                reader.skip(kind)
            }),
            _ => reader.skip(kind),
        })?;
        self.meaning = match per_second {
            Some(per_second) => Meaning::Timestamp { per_second, is_in_utc },
            None => Meaning::Other("TIMESTAMP of an unknown unit"),
        };
        Ok(())
    }

    fn read_integer(&mut self, reader: &mut Reader<'a>) -> Checked<()> {
        self.meaning = Meaning::Signed;
        reader.structure(|reader, id, kind| {
            if (id, kind) == (2, ThriftType::FALSE) {
                self.meaning = Meaning::Unsigned;
            }
            reader.skip(kind)
        })
    }

    fn is_group(&self) -> bool {
        self.physical.is_none()
    }

    /// As one of the spec's columns, in these groups.
    fn column(&self, wanted: &Wanted, above: &[OpenGroup<'_>], position: usize, leaf: usize) -> Checked<SpecColumn> {
        let (name, role) = (wanted.name(), wanted.role);
        let unusable =
            |what: &str| -> Flaw { format!("the column {name:?} is {what}; expected {}", role.wanted()).into() };
        let Some(physical) = self.physical else { return Err(unusable("a group of columns")) };
        let levels = match self.repetition {
            _ if above.last().is_some_and(|group| group.is_list) => return Err(unusable("in a list")),
            0 => 0,
            1 => 1,
            _ => return Err(unusable("a list")),
        };
        let levels = levels + above.last().map_or(0, |group| group.levels);
        let layout = self.layout(physical).filter(|(_, form)| role.takes(*form));
        let Some((stored, form)) = layout else { return Err(unusable(&self.type_name(physical))) };
        let layout = ColumnLayout { physical: stored, form, levels };
        Ok(SpecColumn { name, layout, physical, position, leaf })
    }

    /// How its values are stored and what they mean, if they are anything that is ever read.
    fn layout(&self, physical: i32) -> Option<(Physical, Form)> {
        let stored = match physical {
            0 => Physical::Bit,
            1 => Physical::Integer(4),
            2 => Physical::Integer(8),
            3 => Physical::Fixed(12),
            4 => Physical::Fixed(4),
            5 => Physical::Fixed(8),
            6 => Physical::Bytes,
            7 => {
                Physical::Fixed(usize::try_from(self.type_len).ok().filter(|len| (1..=MAX_FIXED_BYTES).contains(len))?)
            }
            _ => return None,
        };
        let form = match (physical, self.meaning) {
            (_, Meaning::Null) => Form::Null,
            (0, Meaning::Plain) => Form::Boolean,
            (1 | 2, Meaning::Plain | Meaning::Signed) => Form::Signed,
            (1 | 2, Meaning::Unsigned) => Form::Unsigned,
            (1, Meaning::Date) => Form::Date,
            (2, Meaning::Timestamp { per_second, is_in_utc }) => Form::Time { per_second, is_in_utc },
            (3, Meaning::Plain) => Form::Instant96,
            (4 | 5, Meaning::Plain) => Form::Float,
            (6, Meaning::Plain | Meaning::Text) => Form::Text,
            (1 | 2 | 6 | 7, Meaning::Decimal) => {
                let scale = u32::try_from(self.scale).ok().filter(|&scale| scale <= MAX_DIGITS)?;
                u32::try_from(self.precision).ok().filter(|precision| (1..=MAX_DIGITS).contains(precision))?;
                Form::Decimal { scale, is_big_endian: physical >= 6 }
            }
            _ => return None,
        };
        Some((stored, form))
    }

    fn type_name(&self, physical: i32) -> String {
        const NAMES: [&str; 8] = ["BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BINARY", "FIXED BINARY"];
        let stored = usize::try_from(physical).ok().and_then(|place| NAMES.get(place)).unwrap_or(&"of an unknown type");
        match self.meaning {
            Meaning::Plain => (*stored).to_owned(),
            Meaning::Decimal => format!("{stored} (DECIMAL({}, {}))", self.precision, self.scale),
            Meaning::Timestamp { .. } => format!("{stored} (TIMESTAMP)"),
            Meaning::Text => format!("{stored} (TEXT)"),
            Meaning::Signed => format!("{stored} (SIGNED)"),
            Meaning::Unsigned => format!("{stored} (UNSIGNED)"),
            Meaning::Date => format!("{stored} (DATE)"),
            Meaning::Null => format!("{stored} (NULL)"),
            Meaning::Other(name) => format!("{stored} ({name})"),
        }
    }
}

/// The most bytes that a value of fixed length may have: no number has more.
const MAX_FIXED_BYTES: usize = 64;

fn converted(number: i32) -> Meaning {
    match number {
        0 | 4 | 19 => Meaning::Text,
        1 | 2 => Meaning::Other("MAP"),
        3 => Meaning::Other("LIST"),
        5 => Meaning::Decimal,
        6 => Meaning::Date,
        7 | 8 => Meaning::Other("TIME"),
        // As the format's specification has it (LogicalTypes.md, "TIMESTAMP", deprecated ones).
        9 => Meaning::Timestamp { per_second: 1_000, is_in_utc: true },
        10 => Meaning::Timestamp { per_second: 1_000_000, is_in_utc: true },
        11..=14 => Meaning::Unsigned,
        15..=18 => Meaning::Signed,
        20 => Meaning::Other("BSON"),
        21 => Meaning::Other("INTERVAL"),
        _ => Meaning::Other("of an unknown type"),
    }
}
