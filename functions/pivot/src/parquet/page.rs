//! Pages: their headers and their decompression.

use super::thrift::{Reader, ThriftType};
use super::{Checked, MAX_PAGE_BYTES};
use flate2::read::MultiGzDecoder;
use std::borrow::Cow;
use std::io::Read;

/// How pages are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    None,
    Snappy,
    Gzip,
    Zstd,
    Brotli,
    Lz4,
}

impl Codec {
    /// The codec of this number.
    pub(super) fn of(number: i32) -> Checked<Self> {
        let name = match number {
            0 => return Ok(Codec::None),
            1 => return Ok(Codec::Snappy),
            2 => return Ok(Codec::Gzip),
            4 => return Ok(Codec::Brotli),
            6 => return Ok(Codec::Zstd),
            7 => return Ok(Codec::Lz4),
            3 => "LZO",
            5 => "LZ4 as Hadoop had it",
            _ => return Err(format!("the unknown compression {number}").into()),
        };
        Err(format!("compressed with {name}; write it with Snappy, Zstandard, gzip, Brotli, LZ4_RAW or none").into())
    }
}

/// A page as its header has it.
#[derive(Debug)]
pub(super) struct Page<'d> {
    /// What it holds.
    pub(super) kind: PageKind,
    /// As stored.
    packed: &'d [u8],
    /// Bytes once it is unpacked.
    len: usize,
}

/// What a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageKind {
    /// The values that others point to.
    Dictionary { values: u64, encoding: i32 },
    /// Values, after their definition levels.
    Data { values: u64, encoding: i32, levels: Levels },
    /// Of a kind that is not needed.
    Other,
}

/// Where the definition levels of a page are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Levels {
    /// At its head, after their length in four bytes.
    Packed { encoding: i32 },
    /// At its head and never packed: after so many bytes of other levels, so many bytes.
    Apart { before: usize, len: usize, is_packed: bool },
}

/// The fields of a header, the absent ones as they are when absent.
struct Header {
    kind: i32,
    len: u64,
    packed_len: u64,
    checksum: Option<i32>,
    values: Option<u64>,
    encoding: i32,
    levels_encoding: i32,
    before: u64,
    levels: u64,
    is_packed: bool,
}

impl<'d> Page<'d> {
    /// The page at the head of `chunk`, and what follows it.
    pub(super) fn next(chunk: &'d [u8]) -> Checked<(Self, &'d [u8])> {
        let mut reader = Reader::new(chunk);
        let header = Header::read(&mut reader)?;
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let len = Some(size(header.len)).filter(|&len| len <= MAX_PAGE_BYTES).ok_or_else(too_large)?;
        let (packed, rest) = reader.rest().split_at_checked(size(header.packed_len)).ok_or("a page is cut off")?;
        if header.checksum.is_some_and(|checksum| checksum.cast_unsigned() != checksum_of(packed)) {
            return Err("a page does not have the checksum that was stored with it".into());
        }
        let values = header.values.ok_or("a page does not say how many values it has");
        let encoding = header.encoding;
        let kind = match header.kind {
            0 => PageKind::Data {
                values: values?,
                encoding,
                levels: Levels::Packed { encoding: header.levels_encoding },
            },
            2 => PageKind::Dictionary { values: values?, encoding },
            3 => {
                let (before, len) = (size(header.before), size(header.levels));
                PageKind::Data {
                    values: values?,
                    encoding,
                    levels: Levels::Apart { before, len, is_packed: header.is_packed },
                }
            }
            _ => PageKind::Other,
        };
        Ok((Self { kind, packed, len }, rest))
    }

    /// The page as it was before it was packed; `memory` is used if it takes any.
    pub(super) fn unpacked(&self, codec: Codec, mut memory: Vec<u8>) -> Checked<Cow<'d, [u8]>> {
        let (apart, is_packed) = match self.kind {
            PageKind::Data { levels: Levels::Apart { before, len, is_packed }, .. } => {
                (before.saturating_add(len), is_packed)
            }
            PageKind::Data { .. } | PageKind::Dictionary { .. } | PageKind::Other => (0, true),
        };
        if codec == Codec::None || !is_packed {
            // Its header may say less than there is.
            return if self.packed.len() > MAX_PAGE_BYTES {
                Err(too_large().into())
            } else {
                Ok(Cow::Borrowed(self.packed))
            };
        }
        let (levels, packed) = self.packed.split_at_checked(apart).ok_or("the levels of a page are cut off")?;
        memory.clear();
        memory.resize(self.len, 0);
        let (head, tail) = memory.split_at_mut_checked(apart).ok_or("the levels of a page are larger than the page")?;
        head.copy_from_slice(levels);
        // A page of nothing but nulls may have no bytes, which no codec accepts.
        if !(tail.is_empty() && packed.is_empty()) {
            unpack(codec, packed, tail)?;
        }
        Ok(Cow::Owned(memory))
    }
}

impl Header {
    fn read(reader: &mut Reader<'_>) -> Checked<Self> {
        let mut header = Self {
            kind: -1,
            len: 0,
            packed_len: 0,
            checksum: None,
            values: None,
            encoding: -1,
            levels_encoding: -1,
            before: 0,
            levels: 0,
            is_packed: true,
        };
        reader.structure(|reader, id, kind| {
            match (id, kind) {
                (1, ThriftType::I32) => header.kind = reader.i32()?,
                (2, ThriftType::I32) => header.len = reader.natural()?,
                (3, ThriftType::I32) => header.packed_len = reader.natural()?,
                (4, ThriftType::I32) => header.checksum = Some(reader.i32()?),
                (5, ThriftType::STRUCT) => reader.structure(|reader, id, kind| header.read_data(reader, id, kind))?,
                (7, ThriftType::STRUCT) => {
                    reader.structure(|reader, id, kind| header.read_dictionary(reader, id, kind))?
                }
                (8, ThriftType::STRUCT) => {
                    reader.structure(|reader, id, kind| header.read_data_v2(reader, id, kind))?
                }
                _ => reader.skip(kind)?,
            }
            Ok(())
        })?;
        Ok(header)
    }

    fn read_data(&mut self, reader: &mut Reader<'_>, id: i16, kind: ThriftType) -> Checked<()> {
        match (id, kind) {
            (1, ThriftType::I32) => self.values = Some(reader.natural()?),
            (2, ThriftType::I32) => self.encoding = reader.i32()?,
            (3, ThriftType::I32) => self.levels_encoding = reader.i32()?,
            _ => reader.skip(kind)?,
        }
        Ok(())
    }

    fn read_dictionary(&mut self, reader: &mut Reader<'_>, id: i16, kind: ThriftType) -> Checked<()> {
        match (id, kind) {
            (1, ThriftType::I32) => self.values = Some(reader.natural()?),
            (2, ThriftType::I32) => self.encoding = reader.i32()?,
            _ => reader.skip(kind)?,
        }
        Ok(())
    }

    fn read_data_v2(&mut self, reader: &mut Reader<'_>, id: i16, kind: ThriftType) -> Checked<()> {
        match (id, kind) {
            (1, ThriftType::I32) => self.values = Some(reader.natural()?),
            (4, ThriftType::I32) => self.encoding = reader.i32()?,
            (5, ThriftType::I32) => self.levels = reader.natural()?,
            (6, ThriftType::I32) => self.before = reader.natural()?,
            (7, ThriftType::TRUE | ThriftType::FALSE) => self.is_packed = kind == ThriftType::TRUE,
            _ => reader.skip(kind)?,
        }
        Ok(())
    }
}

/// How much Brotli's decoder takes at once.
const BROTLI_BUFFER_BYTES: usize = 4 << 10;

fn too_large() -> String {
    format!("a page of more than {} MiB; write the file with smaller pages", MAX_PAGE_BYTES >> 20)
}

fn checksum_of(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Unpacks into exactly `bytes`.
fn unpack(codec: Codec, packed: &[u8], bytes: &mut [u8]) -> Checked<()> {
    let len = bytes.len();
    let count = match codec {
        Codec::None => None,
        Codec::Snappy => match snap::raw::decompress_len(packed) {
            Ok(count) if count == len => snap::raw::Decoder::new().decompress(packed, bytes).ok(),
            Ok(_) | Err(_) => None,
        },
        Codec::Gzip => {
            let mut decoder = MultiGzDecoder::new(packed);
            // One byte more, to see that it ends there.
            decoder.read_exact(bytes).and_then(|()| decoder.read(&mut [0])).ok().map(|more| len + more)
        }
        Codec::Zstd => {
            zstd::bulk::Decompressor::new().and_then(|mut zstd| zstd.decompress_to_buffer(packed, bytes)).ok()
        }
        // The mark of a window of up to 1 GiB, which is no part of the standard; else it has 16 MiB at most.
        Codec::Brotli if packed.first().is_some_and(|first| first & 0x7F == 0x11) => None,
        Codec::Brotli => {
            let mut decoder = brotli_decompressor::Decompressor::new(packed, BROTLI_BUFFER_BYTES);
            decoder.read_exact(bytes).and_then(|()| decoder.read(&mut [0])).ok().map(|more| len + more)
        }
        Codec::Lz4 => lz4_flex::block::decompress_into(packed, bytes).ok(),
    };
    if count == Some(len) { Ok(()) } else { Err(format!("a page that is no {codec:?} of {len} bytes").into()) }
}
