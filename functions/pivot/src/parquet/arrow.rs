//! What Arrow's own schema, which many writers store beside that of Parquet, says more than that: which columns are
//! durations. In Parquet they are integers, of a unit that is written nowhere else.
//!
//! It is a message of Arrow in base64, the message a flatbuffer: tables whose fields are found by offsets. Where it
//! cannot be read, nothing is known, as if it were not there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sluice::spec::Unit;

/// The key of the metadata that holds it.
pub(super) const KEY: &[u8] = b"ARROW:schema";

/// Arrow's number of the type.
const DURATION: u8 = 18;

/// Its number of a message that is a schema.
const SCHEMA: u8 = 1;

/// The unit of the column `name` of the table, if that is a duration, according to the schema `stored`.
pub(super) fn duration(stored: &[u8], name: &str) -> Option<Unit> {
    unit(&STANDARD.decode(stored).ok()?, name.as_bytes())
}

fn unit(message: &[u8], name: &[u8]) -> Option<Unit> {
    let content = match message.strip_prefix(&[0xFF; 4]) {
        Some(rest) => rest.get(4..)?,
        // As written before Arrow 0.15.
        None => message.get(4..)?,
    };
    let buffer = Buffer(content);
    let root = Table { buffer, at: buffer.reference(0)? };
    if buffer.byte(root.field(1)?)? != SCHEMA {
        return None;
    }
    let schema = Table { buffer, at: buffer.reference(root.field(2)?)? };
    let columns = buffer.reference(schema.field(1)?)?;
    for place in 0..buffer.number(columns)? {
        let column = Table { buffer, at: buffer.reference(columns.checked_add(4 * (place + 1))?)? };
        let text = buffer.reference(column.field(0)?)?;
        let start = text.checked_add(4)?;
        if content.get(start..start.checked_add(buffer.number(text)?)?)? != name {
            continue;
        }
        if buffer.byte(column.field(2)?)? != DURATION {
            return None;
        }
        // What is left out is the default, milliseconds (Arrow's `Schema.fbs`, `Duration`).
        let kind = column.field(3).and_then(|at| buffer.reference(at)).map(|at| Table { buffer, at });
        let unit = kind.and_then(|kind| kind.field(0)).and_then(|at| buffer.byte(at));
        return Some(match unit {
            Some(0) => Unit::Seconds,
            None | Some(1) => Unit::Milliseconds,
            Some(2) => Unit::Microseconds,
            Some(_) => Unit::Nanoseconds,
        });
    }
    None
}

#[derive(Clone, Copy)]
struct Buffer<'a>(&'a [u8]);

/// Its fields are listed elsewhere, at a distance that its first four bytes have.
struct Table<'a> {
    buffer: Buffer<'a>,
    at: usize,
}

impl Buffer<'_> {
    fn byte(self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    fn number(self, at: usize) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(*self.0.get(at..)?.first_chunk()?)).ok()
    }

    /// What the offset at `at` leads to.
    fn reference(self, at: usize) -> Option<usize> {
        at.checked_add(self.number(at)?)
    }
}

impl Table<'_> {
    /// Where a field is, if it is not left out.
    fn field(&self, number: usize) -> Option<usize> {
        let bytes = self.buffer.0;
        let back = i32::from_le_bytes(*bytes.get(self.at..)?.first_chunk()?);
        let list = self.at.checked_add_signed(isize::try_from(back).ok()?.checked_neg()?)?;
        let entry =
            |at: usize| Some(usize::from(u16::from_le_bytes(*bytes.get(list.checked_add(at)?..)?.first_chunk()?)));
        let place = 4 + 2 * number;
        if place + 2 > entry(0)? {
            return None;
        }
        entry(place).filter(|&offset| offset > 0).and_then(|offset| self.at.checked_add(offset))
    }
}
