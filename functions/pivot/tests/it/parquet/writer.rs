//! A Parquet writer of the simplest kind: plain values, version 1 pages, nothing compressed. What it writes can lie.

/// A column as it is to be written.
pub struct Column {
    pub name: &'static str,
    /// The number of its physical type.
    pub physical: i32,
    /// The number of the type its values are converted to.
    pub converted: Option<i32>,
    /// Decimals.
    pub scale: i32,
    pub is_optional: bool,
    /// In the plain encoding.
    pub values: Vec<Option<Vec<u8>>>,
}

pub const INT32: i32 = 1;
pub const INT64: i32 = 2;
pub const DOUBLE: i32 = 5;
pub const BYTE_ARRAY: i32 = 6;

pub const UTF8: Option<i32> = Some(0);
pub const DECIMAL: Option<i32> = Some(5);
pub const DATE: Option<i32> = Some(6);
pub const TIMESTAMP_MICROS: Option<i32> = Some(10);
pub const UINT_64: Option<i32> = Some(14);

/// A column of required values.
pub fn column(name: &'static str, physical: i32, converted: Option<i32>, values: Vec<Vec<u8>>) -> Column {
    let values = values.into_iter().map(Some).collect();
    Column { name, physical, converted, scale: 0, is_optional: false, values }
}

/// A text in the plain encoding.
pub fn text(text: &str) -> Vec<u8> {
    let len = u32::try_from(text.len()).unwrap();
    [&len.to_le_bytes(), text.as_bytes()].concat()
}

/// How a file is cut, and what it says that is not so.
#[derive(Clone, Copy)]
pub struct Cut {
    pub group_rows: usize,
    pub page_rows: usize,
    /// How many rows more than there are each row group states.
    pub rows_too_many: i64,
    /// How many bytes each chunk states, if not those it has.
    pub stated_len: Option<i64>,
}

/// Writes a file.
pub fn file(columns: &[Column], cut: Cut) -> Vec<u8> {
    let mut bytes = b"PAR1".to_vec();
    let rows = columns.first().map_or(0, |column| column.values.len());
    let mut groups = Vec::new();
    for start in (0..rows).step_by(cut.group_rows) {
        let group = start..rows.min(start + cut.group_rows);
        let mut chunks = Vec::new();
        for column in columns {
            let offset = bytes.len();
            for values in column.values[group.clone()].chunks(cut.page_rows) {
                write_page(&mut bytes, column, values);
            }
            chunks.push((signed(offset), signed(bytes.len() - offset)));
        }
        groups.push((signed(group.len()) + cut.rows_too_many, chunks));
    }
    let metadata = metadata(columns, signed(rows), &groups, cut);
    let len = u32::try_from(metadata.len()).unwrap();
    bytes.extend(metadata);
    bytes.extend(len.to_le_bytes());
    bytes.extend(b"PAR1");
    bytes
}

fn write_page(bytes: &mut Vec<u8>, column: &Column, values: &[Option<Vec<u8>>]) {
    let mut page = Vec::new();
    if column.is_optional {
        let mut levels = Vec::new();
        for run in values.chunk_by(|left, right| left.is_some() == right.is_some()) {
            write_varint(&mut levels, (run.len() as u64) << 1);
            levels.push(u8::from(run[0].is_some()));
        }
        page.extend(u32::try_from(levels.len()).unwrap().to_le_bytes());
        page.extend(levels);
    }
    page.extend(values.iter().flatten().flatten());
    let len = i32::try_from(page.len()).unwrap();
    let mut header = Thrift::default();
    header.i32(1, 0);
    header.i32(2, len);
    header.i32(3, len);
    header.structure(5, |header| {
        header.i32(1, i32::try_from(values.len()).unwrap());
        header.i32(2, 0);
        header.i32(3, 3);
        header.i32(4, 3);
    });
    bytes.extend(header.finish());
    bytes.extend(page);
}

/// The rows of a row group, and where its chunks are: their offsets and their lengths.
type Group = (i64, Vec<(i64, i64)>);

fn metadata(columns: &[Column], rows: i64, groups: &[Group], cut: Cut) -> Vec<u8> {
    let mut metadata = Thrift::default();
    metadata.i32(1, 1);
    metadata.list(2, columns.len() + 1, |metadata, place| match place.checked_sub(1) {
        None => {
            metadata.binary(4, b"schema");
            metadata.i32(5, i32::try_from(columns.len()).unwrap());
        }
        Some(place) => {
            let column = &columns[place];
            metadata.i32(1, column.physical);
            metadata.i32(3, i32::from(column.is_optional));
            metadata.binary(4, column.name.as_bytes());
            if let Some(converted) = column.converted {
                metadata.i32(6, converted);
                metadata.i32(7, column.scale);
                metadata.i32(8, 18);
            }
        }
    });
    metadata.i64(3, rows);
    metadata.list(4, groups.len(), |metadata, place| {
        let (rows, chunks) = &groups[place];
        metadata.list(1, chunks.len(), |metadata, place| {
            let (offset, len) = chunks[place];
            let len = cut.stated_len.unwrap_or(len);
            metadata.i64(2, offset);
            metadata.structure(3, |metadata| {
                metadata.i32(1, columns[place].physical);
                metadata.i32(4, 0);
                metadata.i64(5, *rows);
                metadata.i64(6, len);
                metadata.i64(7, len);
                metadata.i64(9, offset);
            });
        });
        metadata.i64(2, 0);
        metadata.i64(3, *rows);
    });
    metadata.finish()
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap()
}

fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7F).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
}

/// Thrift's compact protocol, the fields of each structure in the order of their numbers.
#[derive(Default)]
struct Thrift {
    bytes: Vec<u8>,
    last: u8,
}

impl Thrift {
    fn field(&mut self, id: u8, kind: u8) {
        self.bytes.push((id - self.last) << 4 | kind);
        self.last = id;
    }

    fn number(&mut self, value: i64) {
        write_varint(&mut self.bytes, ((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    fn i32(&mut self, id: u8, value: i32) {
        self.field(id, 5);
        self.number(i64::from(value));
    }

    fn i64(&mut self, id: u8, value: i64) {
        self.field(id, 6);
        self.number(value);
    }

    fn binary(&mut self, id: u8, value: &[u8]) {
        self.field(id, 8);
        write_varint(&mut self.bytes, value.len() as u64);
        self.bytes.extend(value);
    }

    fn structure(&mut self, id: u8, write: impl FnOnce(&mut Self)) {
        self.field(id, 12);
        self.nested(write);
    }

    /// A list of structures.
    fn list(&mut self, id: u8, len: usize, mut write: impl FnMut(&mut Self, usize)) {
        self.field(id, 9);
        self.bytes.push(0xFC);
        write_varint(&mut self.bytes, len as u64);
        for place in 0..len {
            self.nested(|thrift| write(thrift, place));
        }
    }

    fn nested(&mut self, write: impl FnOnce(&mut Self)) {
        let last = std::mem::take(&mut self.last);
        write(self);
        self.bytes.push(0);
        self.last = last;
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}
