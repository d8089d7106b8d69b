//! A small part as one array per column: one message, and one answer. The end of a COPY is a message of its own, which
//! waits until the one before it is acknowledged: 40 ms where neither side is in a hurry (Nagle's algorithm against
//! delayed acknowledgements; the driver does not turn the first one off).

use copy_binary::Columns;
use sluice::spec::ColumnKind;
use sqlx::Postgres;
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo};

/// Up to how many rows a part is small.
pub const SMALL_ROWS: u64 = 1_000;

/// A column as PostgreSQL takes an array: its dimensions, the type of its elements, then each with its length, as COPY
/// has it too.
pub struct Array {
    kind: ColumnKind,
    bytes: Vec<u8>,
}

/// The OIDs of a type and of its array (`pg_type.dat` of PostgreSQL's source).
fn oids(kind: ColumnKind) -> (u32, u32) {
    match kind {
        ColumnKind::Bigint => (20, 1016),
        ColumnKind::Boolean => (16, 1000),
        ColumnKind::Date => (1082, 1182),
        ColumnKind::Jsonb => (3802, 3807),
        ColumnKind::Numeric => (1700, 1231),
        ColumnKind::Smallint => (21, 1005),
        ColumnKind::Text => (25, 1009),
        ColumnKind::Timestamp => (1114, 1115),
        ColumnKind::Timestamptz => (1184, 1185),
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
        Some(PgTypeInfo::with_oid(Oid(oids(self.kind).1)))
    }
}

/// Turns the rows of a part into an array per column; `None` if it is not a part with these columns, about which COPY
/// has more to say.
pub fn columns(part: &[u8], kinds: &[ColumnKind]) -> Option<Vec<Array>> {
    let Columns { row_count, fields } = copy_binary::columns(part, kinds.len())?;
    let dimensions = i32::from(row_count > 0);
    let arrays = kinds.iter().zip(fields).map(|(&kind, fields)| {
        let (oid, _) = oids(kind);
        let mut bytes = Vec::with_capacity(20 + fields.len());
        bytes.extend_from_slice(&dimensions.to_be_bytes());
        // No nulls.
        bytes.extend_from_slice(&0_i32.to_be_bytes());
        bytes.extend_from_slice(&oid.to_be_bytes());
        if dimensions > 0 {
            bytes.extend_from_slice(&row_count.to_be_bytes());
            bytes.extend_from_slice(&1_i32.to_be_bytes());
        }
        bytes.extend_from_slice(&fields);
        Array { kind, bytes }
    });
    Some(arrays.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use copy_binary::{END, HEADER, begin_row, write_text};

    #[test]
    fn rows_become_arrays() {
        let mut part = HEADER.to_vec();
        for row in [["a", ""], ["", "bc"]] {
            begin_row(2, &mut part);
            row.iter().for_each(|text| write_text(text, &mut part).unwrap());
        }
        part.extend_from_slice(END);
        let arrays = columns(&part, &[ColumnKind::Text, ColumnKind::Text]).unwrap();
        let head = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 2, 0, 0, 0, 1];
        assert_eq!(arrays[0].bytes, [&head[..], &[0, 0, 0, 1, b'a', 0, 0, 0, 0]].concat());
        assert_eq!(arrays[1].bytes, [&head[..], &[0, 0, 0, 0, 0, 0, 0, 2, b'b', b'c']].concat());
        assert!(columns(&part, &[ColumnKind::Text]).is_none());
    }
}
