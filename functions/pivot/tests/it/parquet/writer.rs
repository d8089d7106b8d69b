//! A Parquet writer of the simplest kind: plain values, version 1 pages, nothing compressed. What it writes can lie;
//! and pages of any other kind can be put in place of its own.

/// A column as it is to be written.
#[derive(Debug)]
pub(super) struct Column {
    pub name: &'static str,
    /// The number of its physical type.
    pub physical: i32,
    /// The number of the type its values are converted to.
    pub converted: Option<i32>,
    /// The number of its unit, if it is what wall clocks show.
    pub local_unit: Option<u8>,
    /// Decimals.
    pub scale: i32,
    pub is_optional: bool,
    /// In the plain encoding.
    pub values: Vec<Option<Vec<u8>>>,
}

/// The pages of a row group in one column, as they are stored.
pub(super) struct Chunk {
    /// The number of their compression.
    pub codec: i32,
    pub pages: Vec<u8>,
}

pub(super) const UNCOMPRESSED: i32 = 0;
pub(super) const SNAPPY: i32 = 1;
pub(super) const GZIP: i32 = 2;
pub(super) const ZSTD: i32 = 6;

pub(super) const PLAIN: i32 = 0;
pub(super) const RLE_DICTIONARY: i32 = 8;

/// What a page says it is.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Data {
        encoding: i32,
    },
    DataV2 {
        encoding: i32,
        /// Bytes of its definition levels.
        levels_len: usize,
    },
    Dictionary,
}

pub(super) const INT32: i32 = 1;
pub(super) const INT64: i32 = 2;
pub(super) const INT96: i32 = 3;
pub(super) const DOUBLE: i32 = 5;
pub(super) const BYTE_ARRAY: i32 = 6;

pub(super) const UTF8: Option<i32> = Some(0);
pub(super) const DECIMAL: Option<i32> = Some(5);
pub(super) const DATE: Option<i32> = Some(6);
pub(super) const TIMESTAMP_MILLIS: Option<i32> = Some(9);
pub(super) const TIMESTAMP_MICROS: Option<i32> = Some(10);
pub(super) const UINT_64: Option<i32> = Some(14);

/// A column of required values.
pub(super) fn column(name: &'static str, physical: i32, converted: Option<i32>, values: Vec<Vec<u8>>) -> Column {
    let values = values.into_iter().map(Some).collect();
    Column { name, physical, converted, local_unit: None, scale: 0, is_optional: false, values }
}

/// A text in the plain encoding.
pub(super) fn text(text: &str) -> Vec<u8> {
    let len = u32::try_from(text.len()).unwrap();
    [&len.to_le_bytes(), text.as_bytes()].concat()
}

/// How a file is cut, and what it says that is not so.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    pub group_rows: usize,
    pub page_rows: usize,
    /// How many rows more than there are each row group states, its chunks and the file with it.
    pub rows_too_many: i64,
    /// How many values more than its row group each chunk states.
    pub values_too_many: i64,
    /// How many rows more than its row groups the file states.
    pub file_rows_too_many: i64,
    /// How many bytes each chunk states, if not those it has.
    pub stated_len: Option<i64>,
}

/// Writes a file.
pub(super) fn file(columns: &[Column], cut: Cut) -> Vec<u8> {
    let rows = columns.first().map_or(0, |column| column.values.len());
    let mut groups = Vec::new();
    for start in (0..rows).step_by(cut.group_rows) {
        let group = start..rows.min(start + cut.group_rows);
        let chunk = |column: &Column| {
            let pages = column.values[group.clone()].chunks(cut.page_rows);
            Chunk { codec: UNCOMPRESSED, pages: pages.flat_map(|values| plain_page(column, values)).collect() }
        };
        let chunks: Vec<Chunk> = columns.iter().map(chunk).collect();
        groups.push((group.len(), chunks));
    }
    file_of(columns, &groups, cut)
}

/// Writes a file of row groups of so many rows, whose chunks are given.
pub(super) fn file_of(columns: &[Column], groups: &[(usize, Vec<Chunk>)], cut: Cut) -> Vec<u8> {
    let mut bytes = b"PAR1".to_vec();
    let mut places: Vec<Group> = Vec::new();
    for (rows, chunks) in groups {
        let mut stored = Vec::new();
        for chunk in chunks {
            stored.push((chunk.codec, signed(bytes.len()), signed(chunk.pages.len())));
            bytes.extend(&chunk.pages);
        }
        places.push((signed(*rows) + cut.rows_too_many, stored));
    }
    let metadata = metadata(columns, &places, cut);
    let len = u32::try_from(metadata.len()).unwrap();
    bytes.extend(metadata);
    bytes.extend(len.to_le_bytes());
    bytes.extend(b"PAR1");
    bytes
}

/// A page of plain values, behind their definition levels if they may be absent.
pub(super) fn plain_page(column: &Column, values: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut body = Vec::new();
    if column.is_optional {
        let mut levels = Vec::new();
        for run in values.chunk_by(|left, right| left.is_some() == right.is_some()) {
            write_varint(&mut levels, (run.len() as u64) << 1);
            levels.push(u8::from(run[0].is_some()));
        }
        body.extend(u32::try_from(levels.len()).unwrap().to_le_bytes());
        body.extend(levels);
    }
    body.extend(values.iter().flatten().flatten());
    page(Kind::Data { encoding: PLAIN }, values.len(), body.len(), &body)
}

/// A page that says it has so many values and unpacks to `len` bytes; `body` is what it has.
pub(super) fn page(kind: Kind, values: usize, len: usize, body: &[u8]) -> Vec<u8> {
    const RLE: i32 = 3;
    let number = |number: usize| i32::try_from(number).unwrap();
    let mut header = Thrift::default();
    let kind_number = match kind {
        Kind::Data { .. } => 0,
        Kind::Dictionary => 2,
        Kind::DataV2 { .. } => 3,
    };
    header.i32(1, kind_number);
    header.i32(2, number(len));
    header.i32(3, number(body.len()));
    match kind {
        Kind::Data { encoding } => header.structure(5, |header| {
            header.i32(1, number(values));
            header.i32(2, encoding);
            header.i32(3, RLE);
            header.i32(4, RLE);
        }),
        Kind::Dictionary => header.structure(7, |header| {
            header.i32(1, number(values));
            header.i32(2, PLAIN);
        }),
        Kind::DataV2 { encoding, levels_len } => header.structure(8, |header| {
            header.i32(1, number(values));
            header.i32(2, 0);
            header.i32(3, number(values));
            header.i32(4, encoding);
            header.i32(5, number(levels_len));
            header.i32(6, 0);
        }),
    }
    [&header.finish()[..], body].concat()
}

/// The rows that a row group states, and its chunks: their compressions, their offsets and their lengths.
type Group = (i64, Vec<(i32, i64, i64)>);

fn metadata(columns: &[Column], groups: &[Group], cut: Cut) -> Vec<u8> {
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
            if let Some(unit) = column.local_unit {
                const FALSE: u8 = 2;
                metadata.structure(10, |meaning| {
                    meaning.structure(8, |timestamp| {
                        timestamp.field(1, FALSE);
                        timestamp.structure(2, |unit_of| unit_of.structure(unit, |_| ()));
                    });
                });
            }
        }
    });
    metadata.i64(3, groups.iter().map(|(rows, _)| rows).sum::<i64>() + cut.file_rows_too_many);
    metadata.list(4, groups.len(), |metadata, place| {
        let (rows, chunks) = &groups[place];
        metadata.list(1, chunks.len(), |metadata, place| {
            let (codec, offset, len) = chunks[place];
            let len = cut.stated_len.unwrap_or(len);
            metadata.i64(2, offset);
            metadata.structure(3, |metadata| {
                metadata.i32(1, columns[place].physical);
                metadata.i32(4, codec);
                metadata.i64(5, *rows + cut.values_too_many);
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
