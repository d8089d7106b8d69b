//! A column of all lines of a block: how it is read is decided once.

use super::{ColumnReader, Form, integer_quickly};
use crate::csv::block::{BlockLines, Span};
use crate::value::decimal::Units;

/// The values of one column, by line; of a line that was not read any.
#[derive(Debug)]
pub(crate) enum Cells {
    Texts(Vec<Span>),
    Integers(Vec<i64>),
    Numbers(Vec<Units>),
    Moments(Vec<i64>),
}

impl ColumnReader {
    /// Room for what [`ColumnReader::read_lines`] reads, if it reads any.
    pub(crate) fn cells(&self) -> Option<Cells> {
        match self.form {
            Form::Text => Some(Cells::Texts(Vec::new())),
            Form::Integer(_) => Some(Cells::Integers(Vec::new())),
            Form::Number(_) => Some(Cells::Numbers(Vec::new())),
            Form::Moment(_) => Some(Cells::Moments(Vec::new())),
            Form::Json | Form::Boolean { .. } | Form::Duration(_) => None,
        }
    }

    /// The same as [`ColumnReader::read_quickly`] of all lines of a block. A line whose field cannot be read so counts
    /// as not read.
    pub(crate) fn read_lines(&self, lines: &BlockLines<'_>, position: usize, cells: &mut Cells, are_read: &mut [bool]) {
        let spans = lines.spans(position);
        match (&self.form, cells) {
            (Form::Text, Cells::Texts(texts)) => read_each(spans, texts, are_read, |span| {
                self.is_plain(lines.text(span), Some(lines.prefix(span))).then_some(span)
            }),
            (Form::Integer(form), Cells::Integers(numbers)) => {
                read_each(spans, numbers, are_read, |span| integer_quickly(form, lines.prefix(span)));
            }
            (Form::Number(form), Cells::Numbers(numbers)) => {
                read_each(spans, numbers, are_read, |span| form.parse_units(lines.prefix(span)));
            }
            (Form::Moment(form), Cells::Moments(moments)) => {
                read_each(spans, moments, are_read, |span| form.parse_quickly(lines.prefix(span)));
            }
            _ => are_read.fill(false),
        }
        if !self.is_empty_null {
            for (span, is_read) in lines.spans(position).zip(are_read) {
                *is_read &= !self.is_null(lines.text(span));
            }
        }
    }
}

/// Reads a field of each line.
#[inline(always)]
fn read_each<T: Default>(
    spans: impl Iterator<Item = Span>,
    values: &mut Vec<T>,
    are_read: &mut [bool],
    read: impl Fn(Span) -> Option<T>,
) {
    values.clear();
    values.extend(spans.zip(are_read).map(|(span, is_read)| {
        let value = read(span);
        *is_read &= value.is_some();
        value.unwrap_or_default()
    }));
}
