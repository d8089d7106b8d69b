//! Rows to columns.

use crate::{END_OF_ROWS, HEADER};

/// The rows of a part, column by column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// How many rows there are: the type of an array's dimension.
    pub row_count: i32,
    /// For each column its fields in the order of the rows, each with its length in four bytes before it.
    pub fields: Vec<Vec<u8>>,
}

/// Reads a part whose rows have `width` fields; `None` if it is anything else, or has a NULL.
pub fn columns(part: &[u8], width: usize) -> Option<Columns> {
    let mut rest = part.strip_prefix(HEADER)?;
    let mut columns = Columns { row_count: 0, fields: vec![Vec::new(); width] };
    loop {
        let field_count = i16::from_be_bytes(take(&mut rest)?);
        if field_count == END_OF_ROWS {
            return rest.is_empty().then_some(columns);
        }
        if usize::try_from(field_count).ok()? != width {
            return None;
        }
        for column in &mut columns.fields {
            let len: [u8; 4] = take(&mut rest)?;
            // A NULL has the length -1.
            let (field, behind) = rest.split_at_checked(usize::try_from(i32::from_be_bytes(len)).ok()?)?;
            column.extend_from_slice(&len);
            column.extend_from_slice(field);
            rest = behind;
        }
        columns.row_count = columns.row_count.checked_add(1)?;
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*head)
}
