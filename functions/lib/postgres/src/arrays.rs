//! A small part as one array per column: one message, and one answer. The end of a COPY is a message of its own, which waits until the one
//! before it is acknowledged: 40 ms where neither side is in a hurry (Nagle's algorithm against delayed acknowledgements; the driver
//! does not turn the first one off).

use sqlx::Postgres;
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo};

/// Up to how many rows a part is small.
pub const SMALL_ROWS: u64 = 1_000;

/// What begins a part: COPY's signature, no flags, no more header.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// A column as PostgreSQL takes an array: its dimensions, the type of its elements, then each with its length, as COPY has it too.
pub struct Array {
    element: Element,
    bytes: Vec<u8>,
}

/// The type of a column: OIDs of the type and of its array (`pg_type.dat` of PostgreSQL's source).
#[derive(Clone, Copy, Debug)]
pub enum Element {
    /// `bigint`.
    Integer,
    /// `date`.
    Date,
    /// `numeric`.
    Numeric,
    /// `text`.
    Text,
}

impl Element {
    fn oids(self) -> (u32, u32) {
        match self {
            Self::Integer => (20, 1016),
            Self::Date => (1082, 1182),
            Self::Numeric => (1700, 1231),
            Self::Text => (25, 1009),
        }
    }
}

impl sqlx::Type<Postgres> for Array {
    fn type_info() -> PgTypeInfo {
        // Never asked: each says what it is.
        PgTypeInfo::with_name("numeric[]")
    }
}

impl Encode<'_, Postgres> for Array {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.bytes);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(Oid(self.element.oids().1)))
    }
}

/// Turns the rows of a part into columns; nothing for what is no part with these columns, about which COPY has more to say.
pub fn columns(part: &[u8], elements: &[Element]) -> Option<Vec<Array>> {
    let mut rest = part.strip_prefix(HEAD)?;
    let mut columns: Vec<Vec<u8>> = vec![Vec::new(); elements.len()];
    let mut count = 0_i32;
    loop {
        let width = i16::from_be_bytes(take(&mut rest)?);
        if width == -1 {
            break;
        }
        if usize::try_from(width).ok()? != elements.len() {
            return None;
        }
        for column in &mut columns {
            let len: [u8; 4] = take(&mut rest)?;
            let (field, behind) = rest.split_at_checked(usize::try_from(i32::from_be_bytes(len)).ok()?)?;
            column.extend_from_slice(&len);
            column.extend_from_slice(field);
            rest = behind;
        }
        count += 1;
    }
    let dimensions = i32::from(count > 0);
    let arrays = elements.iter().zip(columns).map(|(&element, fields)| {
        let (oid, _) = element.oids();
        let mut bytes = Vec::with_capacity(20 + fields.len());
        bytes.extend_from_slice(&dimensions.to_be_bytes());
        // No nulls.
        bytes.extend_from_slice(&0_i32.to_be_bytes());
        bytes.extend_from_slice(&oid.to_be_bytes());
        if dimensions > 0 {
            bytes.extend_from_slice(&count.to_be_bytes());
            bytes.extend_from_slice(&1_i32.to_be_bytes());
        }
        bytes.extend_from_slice(&fields);
        Array { element, bytes }
    });
    rest.is_empty().then(|| arrays.collect())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        let rows = [&[0, 2, 0, 0, 0, 1, b'a', 0, 0, 0, 0][..], &[0, 2, 0, 0, 0, 0, 0, 0, 0, 2, b'b', b'c']].concat();
        let part = [HEAD, &rows, &[0xff, 0xff]].concat();
        let arrays = columns(&part, &[Element::Text, Element::Text]).unwrap();
        let head = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 2, 0, 0, 0, 1];
        assert_eq!(arrays[0].bytes, [&head[..], &[0, 0, 0, 1, b'a', 0, 0, 0, 0]].concat());
        assert_eq!(arrays[1].bytes, [&head[..], &[0, 0, 0, 0, 0, 0, 0, 2, b'b', b'c']].concat());
        // A NULL is none of ours, nor is another width, nor anything cut off or added.
        assert!(columns(&part, &[Element::Text]).is_none());
        for len in 0..part.len() {
            assert!(columns(&part[..len], &[Element::Text, Element::Text]).is_none(), "{len}");
        }
        assert!(columns(&[&part[..], &[0]].concat(), &[Element::Text, Element::Text]).is_none());
        let null = [HEAD, &[0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]].concat();
        assert!(columns(&null, &[Element::Text]).is_none());
    }
}
