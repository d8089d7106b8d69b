//! Thrift's compact protocol, as far as Parquet's metadata uses it. Fields that are not wanted are skipped; nothing is
//! allocated, and no length is trusted before the bytes are there.

use crate::{Checked, Flaw};

/// How deep structures may be nested in what is skipped.
const MAX_DEPTH: u32 = 32;

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThriftType(u8);

impl ThriftType {
    /// A boolean that is true, where a structure has it.
    pub const TRUE: Self = Self(1);
    /// One that is false.
    pub const FALSE: Self = Self(2);
    /// A number of 8 bits.
    pub const I8: Self = Self(3);
    /// A number of 16 bits.
    pub const I16: Self = Self(4);
    /// A number of 32 bits.
    pub const I32: Self = Self(5);
    /// A number of 64 bits.
    pub const I64: Self = Self(6);
    /// A floating point number of 64 bits.
    pub const DOUBLE: Self = Self(7);
    /// Bytes or a text.
    pub const BINARY: Self = Self(8);
    /// A list.
    pub const LIST: Self = Self(9);
    /// A set.
    pub const SET: Self = Self(10);
    /// A map.
    pub const MAP: Self = Self(11);
    /// A structure.
    pub const STRUCT: Self = Self(12);
}

/// Reads from the head of some bytes.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// At the head of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Hands every field of a structure to `each`, which must read it or skip it.
    pub fn structure(&mut self, mut each: impl FnMut(&mut Self, i16, ThriftType) -> Checked<()>) -> Checked<()> {
        let mut id = 0_i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            id = match head >> 4 {
                0 => i16::try_from(self.integer()?).map_err(|_| TOO_LARGE)?,
                step => id.checked_add(i16::from(step)).ok_or(TOO_LARGE)?,
            };
            each(self, id, ThriftType(head & 0x0F))?;
        }
    }

    /// The head of a list: the type of its elements, and how many there are.
    pub fn list(&mut self) -> Checked<(ThriftType, usize)> {
        let head = self.byte()?;
        let len = match head >> 4 {
            15 => self.length()?,
            len => usize::from(len),
        };
        // No element has less than a byte, so that whoever loops over them ends with the bytes.
        if len > self.rest.len() { Err(CUT_OFF.into()) } else { Ok((ThriftType(head & 0x0F), len)) }
    }

    /// The elements of a list of structures, each read by `each`.
    pub fn structures(&mut self, mut each: impl FnMut(&mut Self) -> Checked<()>) -> Checked<()> {
        match self.list()? {
            (ThriftType::STRUCT, len) => (0..len).try_for_each(|_| each(self)),
            (_, 0) => Ok(()),
            _ => Err("its metadata has a list of something else than what belongs there".into()),
        }
    }

    /// An integer of 16, 32 or 64 bits.
    pub fn integer(&mut self) -> Checked<i64> {
        Ok(zigzag(self.varint()?))
    }

    /// An integer that must not be negative.
    pub fn natural(&mut self) -> Checked<u64> {
        u64::try_from(self.integer()?).map_err(|_| "its metadata has a negative number where none can be".into())
    }

    /// An integer of 32 bits.
    pub fn i32(&mut self) -> Checked<i32> {
        i32::try_from(self.integer()?).map_err(|_| TOO_LARGE.into())
    }

    /// Bytes or a text.
    pub fn binary(&mut self) -> Checked<&'a [u8]> {
        let len = self.length()?;
        self.take(len)
    }

    /// A number of seven bits per byte, the lowest first.
    pub fn varint(&mut self) -> Checked<u64> {
        let (value, rest) = varint(self.rest)?;
        self.rest = rest;
        Ok(value)
    }

    /// Skips a field.
    pub fn skip(&mut self, kind: ThriftType) -> Checked<()> {
        self.skip_nested(kind, 0)
    }

    fn skip_nested(&mut self, kind: ThriftType, depth: u32) -> Checked<()> {
        if depth > MAX_DEPTH {
            return Err("its metadata is nested too deeply".into());
        }
        match kind {
            // A field of this type has its value in its head.
            ThriftType::TRUE | ThriftType::FALSE => Ok(()),
            ThriftType::I8 => self.byte().map(drop),
            ThriftType::I16 | ThriftType::I32 | ThriftType::I64 => self.varint().map(drop),
            ThriftType::DOUBLE => self.take(8).map(drop),
            ThriftType::BINARY => self.binary().map(drop),
            ThriftType::LIST | ThriftType::SET => {
                let (element, len) = self.list()?;
                (0..len).try_for_each(|_| self.skip_element(element, depth))
            }
            ThriftType::MAP => {
                let len = self.length()?;
                if len == 0 {
                    return Ok(());
                }
                let kinds = self.byte()?;
                if len > self.rest.len() {
                    return Err(CUT_OFF.into());
                }
                (0..len).try_for_each(|_| {
                    self.skip_element(ThriftType(kinds >> 4), depth)?;
                    self.skip_element(ThriftType(kinds & 0x0F), depth)
                })
            }
            ThriftType::STRUCT => self.structure(|reader, _, kind| reader.skip_nested(kind, depth + 1)),
            ThriftType(other) => Err(format!("its metadata has a field of the unknown type {other}").into()),
        }
    }

    fn skip_element(&mut self, kind: ThriftType, depth: u32) -> Checked<()> {
        match kind {
            ThriftType::TRUE | ThriftType::FALSE => self.byte().map(drop),
            _ => self.skip_nested(kind, depth + 1),
        }
    }

    fn byte(&mut self) -> Checked<u8> {
        let (byte, rest) = self.rest.split_first().ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn length(&mut self) -> Checked<usize> {
        usize::try_from(self.varint()?).map_err(|_| TOO_LARGE.into())
    }

    fn take(&mut self, len: usize) -> Checked<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(head)
    }
}

const CUT_OFF: &str = "its metadata is cut off";
const TOO_LARGE: &str = "its metadata has a number that is too large";

/// A number of seven bits per byte, the lowest first; and what follows it.
pub fn varint(bytes: &[u8]) -> Checked<(u64, &[u8])> {
    let mut value = 0_u64;
    for (position, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7F) << (7 * position);
        if byte & 0x80 == 0 {
            return Ok((value, &bytes[position + 1..]));
        }
    }
    let what = if bytes.len() < 10 { "a number is cut off" } else { "a number has more than 64 bits" };
    Err(Flaw::from(what))
}

/// Decodes a signed number: 0, 1, 2, 3 are 0, -1, 1, -2.
pub fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_protocol_has_them() {
        for (bytes, expected) in [
            (&[0x00][..], 0),
            (&[0x01], -1),
            (&[0x02], 1),
            (&[0xAC, 0x02], 150),
            (&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], i64::MIN),
        ] {
            assert_eq!(Reader::new(bytes).integer().unwrap(), expected, "{bytes:?}");
        }
        for bytes in [&[][..], &[0x80], &[0x80; 10], &[0x80; 11]] {
            assert!(Reader::new(bytes).integer().is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_asked_for_is_skipped() {
        // 1: true, 2: i32 5, 3: "ab", 4: list of two i32, 5: {1: i64 1}, 6: map of one i32 to true, 20: double, 21: i32
        // 7.
        let bytes = [
            0x11, 0x15, 0x0A, 0x18, 0x02, b'a', b'b', 0x19, 0x25, 0x02, 0x04, 0x1C, 0x16, 0x02, 0x00, 0x1B, 0x01, 0x51,
            0x02, 0x01, 0x07, 0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0x15, 0x0E, 0x00, 0xEE,
        ];
        let mut last = None;
        let mut reader = Reader::new(&bytes);
        reader
            .structure(|reader, id, kind| match (id, kind) {
                (21, ThriftType::I32) => {
                    last = Some(reader.i32()?);
                    Ok(())
                }
                _ => reader.skip(kind),
            })
            .unwrap();
        assert_eq!((last, reader.rest()), (Some(7), &[0xEE][..]));
        for len in 0..bytes.len() - 2 {
            assert!(Reader::new(&bytes[..len]).skip(ThriftType::STRUCT).is_err(), "{len} bytes");
        }
        assert!(Reader::new(&[0x1C; 1_000]).skip(ThriftType::STRUCT).is_err(), "nested without end");
        assert!(Reader::new(&[0x19; 1_000]).skip(ThriftType::STRUCT).is_err(), "lists without end");
    }
}
