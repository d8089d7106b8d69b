//! What the metadata says of a whole file: the columns of its table, and how many rows and nulls there are.

use crate::thrift::{Reader, ThriftType};
use crate::{Checked, Flaw};

/// How deep groups of columns may be nested.
const MAX_NESTED: usize = 1_000;

/// The repetition of what may be there any number of times.
const REPEATED: i32 = 2;

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// The columns of its table, in their order.
    pub columns: Vec<Column>,
    /// The ways to what is there once in each row, from the names of columns down to those within them.
    pub ways: Vec<Vec<String>>,
    /// The ways to what is there any number of times: to its lists and maps.
    pub lists: Vec<Vec<String>>,
    /// Its rows: the metadata states them twice, and must say the same.
    pub rows: u64,
}

/// A column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, as it is written.
    pub name: String,
    /// What its values are.
    pub form: Form,
    /// How many of them are null; `None` where the file does not say.
    pub nulls: Option<u64>,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Whether it is so.
    Boolean,
    /// A signed number of at most 32 bits.
    Integer,
    /// A signed number of 64 bits.
    Bigint,
    /// A floating point number of 64 bits.
    Double,
    /// A decimal number.
    Decimal {
        /// How many digits it has at most.
        precision: i32,
        /// How many of them stand behind the point.
        scale: i32,
    },
    /// A text in UTF-8.
    Text,
    /// A day.
    Date,
    /// A point in time, of milliseconds or microseconds, or as 96 bits.
    Timestamp,
    /// Anything else: its name.
    Other(&'static str),
}

impl File {
    /// Reads the metadata of a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(metadata: &[u8]) -> Checked<Self> {
        let (mut schema, mut stated): (Option<Schema>, Option<u64>) = (None, None);
        let (mut rows, mut nulls): (u64, Vec<Option<u64>>) = (0, Vec::new());
        Reader::new(metadata).structure(|reader, id, kind| match (id, kind) {
            (2, ThriftType::LIST) => {
                let read = Schema::read(reader)?;
                nulls = vec![Some(0); read.leaves];
                schema = Some(read);
                Ok(())
            }
            (3, ThriftType::I64) => reader.natural().map(|rows| stated = Some(rows)),
            (4, ThriftType::LIST) => reader.structures(|reader| {
                let group = row_group(reader, &mut nulls)?;
                rows = rows.checked_add(group).ok_or("its metadata has too many rows")?;
                Ok(())
            }),
            (8, ThriftType::STRUCT) => Err("it is encrypted; write it without encryption".into()),
            _ => reader.skip(kind),
        })?;
        let schema = schema.ok_or("its metadata has no columns")?;
        let stated = stated.ok_or("its metadata does not say how many rows it has")?;
        if stated != rows {
            let what = format!("its metadata says that it has {stated} rows, and its row groups have {rows}");
            return Err(what.into());
        }
        let column = |(name, form, leaf): (String, Form, usize)| Column { name, form, nulls: nulls[leaf] };
        // Of a group of columns the first leaf, which its nulls would not be.
        let column = |found: (String, Form, usize)| match found.1 {
            Form::Other(_) => Column { nulls: None, ..column(found) },
            _ => column(found),
        };
        let Schema { columns, ways, lists, .. } = schema;
        Ok(Self { columns: columns.into_iter().map(column).collect(), ways, lists, rows })
    }
}

/// The rows of a row group; what it says of nulls is added up, by the columns' chunks.
fn row_group(reader: &mut Reader<'_>, nulls: &mut [Option<u64>]) -> Checked<u64> {
    let (mut rows, mut leaf) = (0, 0);
    reader.structure(|reader, id, kind| match (id, kind) {
        (1, ThriftType::LIST) => reader.structures(|reader| {
            let of_chunk = nulls_of_chunk(reader)?;
            let sum = nulls.get_mut(leaf).ok_or("a row group has more columns than the table")?;
            *sum = sum.and_then(|sum| sum.checked_add(of_chunk?));
            leaf += 1;
            Ok(())
        }),
        (3, ThriftType::I64) => reader.natural().map(|stated| rows = stated),
        _ => reader.skip(kind),
    })?;
    if leaf != nulls.len() { Err("a row group has fewer columns than the table".into()) } else { Ok(rows) }
}

/// `ColumnChunk.meta_data.statistics.null_count`.
fn nulls_of_chunk(reader: &mut Reader<'_>) -> Checked<Option<u64>> {
    let mut nulls = None;
    reader.structure(|reader, id, kind| match (id, kind) {
        (3, ThriftType::STRUCT) => reader.structure(|reader, id, kind| match (id, kind) {
            (12, ThriftType::STRUCT) => reader.structure(|reader, id, kind| match (id, kind) {
                (3, ThriftType::I64) => reader.natural().map(|stated| nulls = Some(stated)),
                _ => reader.skip(kind),
            }),
            _ => reader.skip(kind),
        }),
        _ => reader.skip(kind),
    })?;
    Ok(nulls)
}

/// The columns of the table, each with its first chunk's place in a row group.
struct Schema {
    columns: Vec<(String, Form, usize)>,
    ways: Vec<Vec<String>>,
    lists: Vec<Vec<String>>,
    leaves: usize,
}

/// A group of columns that has begun.
struct Group {
    /// How many more columns belong to it.
    left: u64,
    name: String,
    /// It is there any number of times, or something that it belongs to is.
    is_repeated: bool,
}

impl Schema {
    fn read(reader: &mut Reader<'_>) -> Checked<Self> {
        let (mut columns, mut leaves) = (Vec::new(), 0);
        let (mut ways, mut lists): (_, Vec<Vec<String>>) = (Vec::new(), Vec::new());
        // The first one is the table.
        let mut groups: Vec<Group> = Vec::new();
        let mut has_table = false;
        reader.structures(|reader| {
            let element = Element::read(reader)?;
            let name = String::from_utf8_lossy(element.name).into_owned();
            while groups.last().is_some_and(|group| group.left == 0) {
                groups.pop();
            }
            let is_repeated = match groups.last_mut() {
                Some(group) => {
                    group.left -= 1;
                    group.is_repeated || element.repetition == REPEATED
                }
                None if has_table => return Err("its metadata has more columns than its table".into()),
                None => {
                    has_table = true;
                    groups.push(Group { left: element.children, name, is_repeated: false });
                    return Ok(());
                }
            };
            if groups.len() == 1 {
                columns.push((name.clone(), element.form(), leaves));
            }
            let way = |groups: &[Group]| groups.iter().skip(1).map(|group| group.name.clone()).collect::<Vec<_>>();
            if is_repeated && !groups.iter().any(|group| group.is_repeated) {
                // Within a group that stands for all of them, or by itself.
                let list = if groups.len() > 1 { way(&groups) } else { vec![name.clone()] };
                if lists.last() != Some(&list) {
                    lists.push(list);
                }
            }
            if element.physical.is_some() {
                leaves += 1;
                if !is_repeated {
                    ways.push(way(&groups).into_iter().chain([name]).collect());
                }
                return Ok(());
            }
            groups.push(Group { left: element.children, name, is_repeated });
            if groups.len() > MAX_NESTED { Err("its columns are nested too deeply".into()) } else { Ok(()) }
        })?;
        if groups.iter().any(|group| group.left > 0) {
            return Err("its metadata has fewer columns than its table".into());
        }
        match columns.last() {
            Some((_, _, leaf)) if *leaf >= leaves => Err(Flaw::from("a group of columns is empty")),
            _ => Ok(Self { columns, ways, lists, leaves }),
        }
    }
}

/// A column or a group of columns (`SchemaElement`).
#[derive(Default)]
struct Element<'a> {
    name: &'a [u8],
    physical: Option<i32>,
    repetition: i32,
    children: u64,
    /// What older writers say that its values mean.
    converted: Option<i32>,
    /// What newer ones say: the number of the kind, and more of it.
    logical: Option<i16>,
    scale: i32,
    precision: i32,
    is_unsigned: bool,
    is_of_nanoseconds: bool,
}

impl<'a> Element<'a> {
    fn read(reader: &mut Reader<'a>) -> Checked<Self> {
        let mut element = Self::default();
        reader.structure(|reader, id, kind| {
            match (id, kind) {
                (1, ThriftType::I32) => element.physical = Some(reader.i32()?),
                (3, ThriftType::I32) => element.repetition = reader.i32()?,
                (4, ThriftType::BINARY) => element.name = reader.binary()?,
                (5, ThriftType::I32) => element.children = reader.natural()?,
                (6, ThriftType::I32) => element.converted = Some(reader.i32()?),
                (7, ThriftType::I32) => element.scale = reader.i32()?,
                (8, ThriftType::I32) => element.precision = reader.i32()?,
                (10, ThriftType::STRUCT) => {
                    reader.structure(|reader, id, kind| element.read_logical(reader, id, kind))?
                }
                _ => reader.skip(kind)?,
            }
            Ok(())
        })?;
        Ok(element)
    }

    /// One of the kinds of `LogicalType`.
    fn read_logical(&mut self, reader: &mut Reader<'a>, id: i16, kind: ThriftType) -> Checked<()> {
        self.logical = Some(id);
        if kind != ThriftType::STRUCT {
            return reader.skip(kind);
        }
        reader.structure(|reader, field, kind| match (id, field, kind) {
            (5, 1, ThriftType::I32) => reader.i32().map(|scale| self.scale = scale),
            (5, 2, ThriftType::I32) => reader.i32().map(|precision| self.precision = precision),
            (8, 2, ThriftType::STRUCT) => reader.structure(|reader, unit, kind| {
                self.is_of_nanoseconds = !matches!(unit, 1 | 2);
                reader.skip(kind)
            }),
            (10, 2, ThriftType::FALSE) => {
                self.is_unsigned = true;
                reader.skip(kind)
            }
            _ => reader.skip(kind),
        })
    }

    /// What its values are, by how they are stored and what is said of that.
    fn form(&self) -> Form {
        const NAMES: [&str; 8] = ["BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BINARY", "FIXED BINARY"];
        let Some(physical) = self.physical else { return Form::Other("a group of columns") };
        if self.repetition == REPEATED {
            return Form::Other("a list");
        }
        let stored = usize::try_from(physical).ok().and_then(|place| NAMES.get(place).copied());
        let stored = stored.unwrap_or("of an unknown type");
        match (physical, self.meaning()) {
            (0, Meaning::Plain) => Form::Boolean,
            (1, Meaning::Plain | Meaning::Signed) => Form::Integer,
            (2, Meaning::Plain | Meaning::Signed) => Form::Bigint,
            (5, Meaning::Plain) => Form::Double,
            (6, Meaning::Text) => Form::Text,
            (1 | 2 | 6 | 7, Meaning::Decimal) => Form::Decimal { precision: self.precision, scale: self.scale },
            (1, Meaning::Date) => Form::Date,
            (2, Meaning::Timestamp) | (3, Meaning::Plain) => Form::Timestamp,
            (_, Meaning::Plain) => Form::Other(stored),
            (1 | 2, Meaning::Other("unsigned")) => Form::Other("an unsigned number"),
            _ => Form::Other("a type that is not read"),
        }
    }

    /// By the numbers of `LogicalType`; without one by those of `ConvertedType`.
    fn meaning(&self) -> Meaning {
        match (self.logical, self.converted) {
            (Some(1 | 4 | 12), _) | (None, Some(0 | 4 | 19)) => Meaning::Text,
            (Some(5), _) | (None, Some(5)) => Meaning::Decimal,
            (Some(6), _) | (None, Some(6)) => Meaning::Date,
            (Some(8), _) if !self.is_of_nanoseconds => Meaning::Timestamp,
            (None, Some(9 | 10)) => Meaning::Timestamp,
            (Some(10), _) if !self.is_unsigned => Meaning::Signed,
            (Some(10), _) | (None, Some(11..=14)) => Meaning::Other("unsigned"),
            (None, Some(15..=18)) => Meaning::Signed,
            (None, None) => Meaning::Plain,
            _ => Meaning::Other(""),
        }
    }
}

/// What a column's values mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// What they are.
    Plain,
    Text,
    Signed,
    Decimal,
    Date,
    Timestamp,
    Other(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TAIL_BYTES, Tail, tail};
    use std::path::PathBuf;

    /// Files that other programs wrote, for the function that sums them.
    fn folder() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../pivot/tests/parquet")
    }

    fn read(name: &str) -> Checked<File> {
        let bytes = std::fs::read(folder().join(name)).unwrap();
        let size = bytes.len() as u64;
        let Tail::Metadata(metadata) = tail(&bytes, size, 1 << 20)? else { panic!("all of it was given") };
        assert!(size > TAIL_BYTES || metadata.len() < bytes.len());
        File::read(metadata)
    }

    fn forms(name: &str) -> Vec<Form> {
        read(name).unwrap().columns.into_iter().map(|column| column.form).collect()
    }

    #[test]
    fn rows_are_those_of_the_same_file_as_csv() {
        let mut seen = 0;
        for entry in std::fs::read_dir(folder()).unwrap() {
            let path = entry.unwrap().path();
            let (name, csv) = (path.file_name().unwrap().to_str().unwrap().to_owned(), path.with_extension("csv"));
            if name.ends_with(".parquet") && csv.exists() {
                let lines = std::fs::read_to_string(csv).unwrap().lines().count() as u64;
                assert_eq!(read(&name).unwrap().rows, lines - 1, "{name}");
                seen += 1;
            }
        }
        assert!(seen > 20, "{seen} files of pyarrow, polars and DuckDB");
    }

    #[test]
    fn columns_have_names_forms_and_nulls() {
        let file = read("nulls-v1-plain.parquet").unwrap();
        let names: Vec<&str> = file.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["Start date", "Project", "Duration (in minutes)"]);
        let csv = std::fs::read_to_string(folder().join("nulls-v1-plain.csv")).unwrap();
        for (place, column) in file.columns.iter().enumerate() {
            let fields = csv.lines().skip(1).map(|line| line.split(',').nth(place).unwrap());
            let empty = fields.filter(|field| field.is_empty()).count() as u64;
            assert_eq!(column.nulls, Some(empty), "{}", column.name);
        }
        assert!(file.columns.iter().any(|column| column.nulls > Some(0)));
        assert_eq!(forms("duckdb-dates-doubles.parquet"), [Form::Date, Form::Text, Form::Double]);
        let decimal = |precision, scale| Form::Decimal { precision, scale };
        assert_eq!(forms("decimals-of-38-digits-dictionary-column.parquet")[2], decimal(38, 6));
        let binary = Form::Other("BINARY");
        assert_eq!(forms("decimals-as-integers-binary.parquet"), [binary, binary, decimal(9, 2)]);
        assert_eq!(forms("gzip-int96-int64.parquet")[0], Form::Timestamp);
        assert_eq!(forms("gzip-int96-int64.parquet")[2], Form::Bigint);
        assert_eq!(forms("bool-category-v1.parquet")[1], Form::Boolean);
        assert_eq!(forms("floats.parquet")[2], Form::Other("FLOAT"));
        assert_eq!(forms("bytes.parquet")[2], Form::Integer);
        assert_eq!(forms("unsigned.parquet")[2], Form::Other("an unsigned number"));
        assert_eq!(forms("refused-list-value.parquet")[2], Form::Other("a group of columns"));
        assert!(matches!(forms("refused-time-index.parquet")[0], Form::Other(_)));
    }

    #[test]
    fn ways_lead_to_what_is_there_once_in_a_row() {
        let file = read("zstd-plain-pages-v2-nested-others.parquet").unwrap();
        let way = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(file.ways.contains(&way(&["nested", "n"])) && file.ways.contains(&way(&["Project"])), "{file:?}");
        assert_eq!(file.lists, [way(&["nested", "tags"]), way(&["list"])]);
        let is_within = |way: &Vec<String>| file.lists.iter().any(|list| way.starts_with(list));
        assert!(!file.ways.iter().any(is_within), "{:?}", file.ways);
    }

    #[test]
    fn metadata_that_is_cut_off_or_says_two_things_is_refused() {
        let bytes = std::fs::read(folder().join("duckdb-v1.parquet")).unwrap();
        let Tail::Metadata(metadata) = tail(&bytes, bytes.len() as u64, 1 << 20).unwrap() else { panic!() };
        for length in 0..metadata.len() - 1 {
            assert!(File::read(&metadata[..length]).is_err(), "{length} bytes");
        }
    }
}
