//! The metadata at a file's end: of all that it says, the spec's columns and where their chunks are.

use super::arrow;
use super::page::Codec;
use super::schema::{Role, Schema, SpecColumn, Wanted};
use super::thrift::{Reader, ThriftType};
use super::{Checked, Flaw, MAX_GROUP_BYTES};
use sluice::spec::{ColumnType, Unit};

/// What begins and ends a file.
pub(super) const MARK: [u8; 4] = *b"PAR1";

/// What replaces [`MARK`] if the metadata is encrypted.
pub(super) const ENCRYPTED_MARK: [u8; 4] = *b"PARE";

/// A row group that has rows.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its number in the file, from 1.
    pub(super) number: usize,
    /// The number of its first row in the file, from 1.
    pub(super) first_row: u64,
    pub(super) rows: u64,
    /// Of the columns that are wanted.
    pub(super) chunks: Vec<Option<Chunk>>,
}

/// The values of a row group in one column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub(super) start: u64,
    pub(super) len: u64,
    pub(super) codec: Codec,
}

/// What the metadata says.
pub(super) struct Metadata {
    pub(super) schema: Schema,
    pub(super) groups: Vec<Group>,
    /// Of the columns that are wanted those that are durations, and of what unit.
    pub(super) durations: Vec<Option<Unit>>,
}

/// Reads the metadata of a file whose chunks end before `end`.
pub(super) fn read(bytes: &[u8], wanted: &[Option<Wanted>], end: u64) -> Checked<Metadata> {
    let mut reader = Reader::new(bytes);
    let mut schema: Option<Schema> = None;
    let mut groups: Vec<Group> = Vec::new();
    let mut stated_rows: Option<u64> = None;
    let mut arrow_schema: &[u8] = &[];
    let (mut number, mut next_row) = (0, 1_u64);
    reader.structure(|reader, id, kind| match (id, kind) {
        (2, ThriftType::LIST) => {
            schema = Some(Schema::read(reader, wanted)?);
            Ok(())
        }
        (3, ThriftType::I64) => {
            stated_rows = Some(reader.natural()?);
            Ok(())
        }
        (4, ThriftType::LIST) => {
            let schema = schema.as_mut().ok_or("its metadata has row groups before their columns")?;
            reader.structures(|reader| {
                number += 1;
                let in_group = |flaw: Flaw| Flaw::from(format!("row group {number}: {flaw}"));
                let RowGroup { rows, chunks } = RowGroup::read(reader, schema).map_err(in_group)?;
                if rows > 0 {
                    // No rows at all is a good file, whatever types its columns have.
                    if let Some(misfit) = schema.misfit.take() {
                        return Err(misfit);
                    }
                    let chunks = checked_chunks(chunks, schema, rows, end).map_err(in_group)?;
                    groups.push(Group { number, first_row: next_row, rows, chunks });
                } else if let Some(chunk) = chunks.iter().flatten().find(|chunk| chunk.values > 0) {
                    return Err(in_group(format!("it has no rows, but {} values of a column", chunk.values).into()));
                }
                next_row = next_row.checked_add(rows).ok_or("its metadata has too many rows")?;
                Ok(())
            })
        }
        (5, ThriftType::LIST) => reader.structures(|reader| {
            let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
            reader.structure(|reader, id, kind| {
                match (id, kind) {
                    (1, ThriftType::BINARY) => key = reader.binary()?,
                    (2, ThriftType::BINARY) => value = reader.binary()?,
                    _ => reader.skip(kind)?,
                }
                Ok(())
            })?;
            if key == arrow::KEY {
                arrow_schema = value;
            }
            Ok(())
        }),
        (8, ThriftType::STRUCT) => Err("it is encrypted; write it without encryption".into()),
        _ => reader.skip(kind),
    })?;
    let (schema, rows) = (schema.ok_or("its metadata has no columns")?, next_row - 1);
    let duration = |column: &Option<SpecColumn>| arrow::duration(arrow_schema, &column.as_ref()?.name);
    let durations: Vec<Option<Unit>> = schema.columns.iter().map(duration).collect();
    for ((wanted, column), _) in wanted.iter().zip(&schema.columns).zip(&durations).filter(|(_, unit)| unit.is_some()) {
        if let (Some(wanted), Some(column)) = (wanted, column)
            && wanted.role != Role::Any(ColumnType::Duration)
            && rows > 0
        {
            let what = format!("the column {:?} is a duration, which needs a unit; store it as a number", column.name);
            return Err(what.into());
        }
    }
    let stated = stated_rows.ok_or("its metadata does not say how many rows it has")?;
    if stated != rows {
        return Err(format!("its metadata says that it has {stated} rows, and its row groups have {rows}").into());
    }
    Ok(Metadata { schema, groups, durations })
}

/// A row group as the metadata has it.
struct RowGroup {
    rows: u64,
    chunks: Vec<Option<StoredChunk>>,
}

/// A chunk as the metadata has it.
#[derive(Clone, Copy, Default)]
struct StoredChunk {
    has_metadata: bool,
    is_elsewhere: bool,
    is_encrypted: bool,
    physical: i32,
    codec: i32,
    values: u64,
    len: u64,
    start: u64,
    dictionary_start: u64,
}

impl RowGroup {
    fn read(reader: &mut Reader<'_>, schema: &Schema) -> Checked<Self> {
        let mut group = Self { rows: 0, chunks: vec![None; schema.columns.len()] };
        let mut leaf = 0;
        reader.structure(|reader, id, kind| match (id, kind) {
            (1, ThriftType::LIST) => reader.structures(|reader| {
                if schema.columns.iter().flatten().any(|column| column.leaf == leaf) {
                    let chunk = StoredChunk::read(reader)?;
                    for (column, place) in schema.columns.iter().zip(&mut group.chunks) {
                        if column.as_ref().is_some_and(|column| column.leaf == leaf) {
                            *place = Some(chunk);
                        }
                    }
                } else {
                    reader.skip(ThriftType::STRUCT)?;
                }
                leaf += 1;
                Ok(())
            }),
            (3, ThriftType::I64) => {
                group.rows = reader.natural()?;
                Ok(())
            }
            _ => reader.skip(kind),
        })?;
        if leaf != schema.leaves {
            return Err(format!("it has {leaf} columns of {}", schema.leaves).into());
        }
        Ok(group)
    }
}

impl StoredChunk {
    fn read(reader: &mut Reader<'_>) -> Checked<Self> {
        let mut chunk = Self::default();
        reader.structure(|reader, id, kind| {
            match (id, kind) {
                (1, ThriftType::BINARY) => chunk.is_elsewhere = !reader.binary()?.is_empty(),
                (3, ThriftType::STRUCT) => {
                    chunk.has_metadata = true;
                    reader.structure(|reader, id, kind| chunk.read_metadata(reader, id, kind))?;
                }
                (8, ThriftType::STRUCT) => {
                    chunk.is_encrypted = true;
                    reader.skip(kind)?;
                }
                _ => reader.skip(kind)?,
            }
            Ok(())
        })?;
        Ok(chunk)
    }

    fn read_metadata(&mut self, reader: &mut Reader<'_>, id: i16, kind: ThriftType) -> Checked<()> {
        match (id, kind) {
            (1, ThriftType::I32) => self.physical = reader.i32()?,
            (4, ThriftType::I32) => self.codec = reader.i32()?,
            (5, ThriftType::I64) => self.values = reader.natural()?,
            (7, ThriftType::I64) => self.len = reader.natural()?,
            (9, ThriftType::I64) => self.start = reader.natural()?,
            (11, ThriftType::I64) => self.dictionary_start = reader.natural()?,
            _ => reader.skip(kind)?,
        }
        Ok(())
    }

    fn checked(&self, column: &SpecColumn, rows: u64, end: u64) -> Checked<Chunk> {
        if self.is_encrypted || !self.has_metadata {
            return Err("it is encrypted; write it without encryption".into());
        }
        if self.is_elsewhere {
            return Err("it is in another file".into());
        }
        if self.physical != column.physical {
            return Err("it has another type than the column".into());
        }
        if self.values != rows {
            return Err(format!("it has {} values for {rows} rows", self.values).into());
        }
        // Some writers have 0 there when there is no dictionary.
        let start = if self.dictionary_start > 0 { self.start.min(self.dictionary_start) } else { self.start };
        let is_within = start >= MARK.len() as u64 && start.checked_add(self.len).is_some_and(|last| last <= end);
        if !is_within {
            return Err("it is not where the file's metadata says".into());
        }
        Ok(Chunk { start, len: self.len, codec: Codec::of(self.codec)? })
    }
}

fn checked_chunks(
    stored: Vec<Option<StoredChunk>>,
    schema: &Schema,
    rows: u64,
    end: u64,
) -> Checked<Vec<Option<Chunk>>> {
    let checked = |place: usize| {
        let Some(column) = &schema.columns[place] else { return Ok(None) };
        let chunk = stored[place].ok_or("it is missing").map_err(Flaw::from);
        chunk
            .and_then(|chunk| chunk.checked(column, rows, end))
            .map(Some)
            .map_err(|flaw| Flaw::from(format!("column {:?}: {flaw}", column.name)))
    };
    let chunks = (0..stored.len()).map(checked).collect::<Checked<Vec<_>>>()?;
    let len = chunks.iter().flatten().fold(0_u64, |sum, chunk| sum.saturating_add(chunk.len));
    if len > MAX_GROUP_BYTES {
        let what = format!(
            "its chunks of the spec's columns have {} MiB, which must be held at once, and {} MiB is the most that is; write \
             the file with smaller row groups",
            len >> 20,
            MAX_GROUP_BYTES >> 20
        );
        return Err(what.into());
    }
    Ok(chunks)
}
