//! The rows of a block, column by column: how a column is read is decided once for all of them. Nothing is added here,
//! so that a row which cannot be read so is simply read by itself, in its turn.

use super::column::lines::Cells;
use super::plan::{GeneralPlan, Shaping};
use super::value::Value;
use crate::csv::block::BlockLines;
use crate::value::decimal::Units;
use crate::value::field::FieldPrefix;
use sluice::spec::Place;
use std::borrow::Cow;

/// The values of the lines of a block.
#[derive(Debug)]
pub(crate) struct BlockColumns {
    /// By slot.
    columns: Vec<Cells>,
    /// Whether all values of a line are here.
    are_read: Vec<bool>,
}

/// One value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'b> {
    Text(FieldPrefix<'b>, &'b [u8]),
    Integer(i64),
    Number(Units),
    Moment(i64),
}

impl BlockColumns {
    /// Those of a spec that adds up rows without a filter, and of which all columns are read quickly and stand in the
    /// file; else there are none, since a row would be put together from its columns again.
    pub(crate) fn new(plan: &GeneralPlan) -> Option<Self> {
        if plan.filter.is_some() || matches!(plan.shaping, Shaping::Rows { .. }) {
            return None;
        }
        let cells = plan.fields.iter().map(|field| match field.place {
            Place::From(_) => field.reader.cells(),
            _ => None,
        });
        Some(Self { columns: cells.collect::<Option<_>>()?, are_read: Vec::new() })
    }

    /// Reads the lines of a block, whose columns stand at these positions; none if one of them is not in the file.
    pub(crate) fn read(&mut self, plan: &GeneralPlan, positions: &[Option<usize>], lines: &BlockLines<'_>) {
        self.are_read.clear();
        self.are_read.resize(lines.count(), positions.iter().all(Option::is_some));
        for ((field, position), cells) in plan.fields.iter().zip(positions).zip(&mut self.columns) {
            let Some(position) = *position else { return };
            field.reader.read_lines(lines, position, cells, &mut self.are_read);
        }
    }

    /// Of each line whether it was read; what is set to `false` is read by itself.
    pub(crate) fn are_read(&mut self) -> &mut [bool] {
        &mut self.are_read
    }

    /// A line that was read.
    #[inline(always)]
    pub(crate) fn line<'b>(&'b self, lines: &'b BlockLines<'b>, number: usize) -> Option<Line<'b>> {
        self.are_read[number].then_some(Line { columns: &self.columns, lines, number })
    }
}

/// The values of one line, by slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'b> {
    columns: &'b [Cells],
    lines: &'b BlockLines<'b>,
    number: usize,
}

impl<'b> Line<'b> {
    #[inline(always)]
    pub(crate) fn cell(&self, slot: usize) -> Cell<'b> {
        match &self.columns[slot] {
            Cells::Texts(texts) => {
                let span = texts[self.number];
                Cell::Text(self.lines.prefix(span), self.lines.text(span))
            }
            Cells::Integers(numbers) => Cell::Integer(numbers[self.number]),
            Cells::Numbers(numbers) => Cell::Number(numbers[self.number]),
            Cells::Moments(moments) => Cell::Moment(moments[self.number]),
        }
    }

    /// The same as a value.
    pub(crate) fn value(&self, slot: usize) -> Value<'b> {
        match self.cell(slot) {
            Cell::Text(_, text) => Value::Text(Cow::Borrowed(text)),
            Cell::Integer(number) => Value::Integer(number),
            Cell::Number(units) => Value::Decimal(units.into()),
            Cell::Moment(micros) => Value::Moment(micros),
        }
    }

    /// Appends all of them.
    pub(crate) fn append_values(&self, values: &mut Vec<Value<'b>>) {
        values.extend((0..self.columns.len()).map(|slot| self.value(slot)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csv::block::{FastRow, Takes};
    use crate::csv::record::{Dialect, Record};
    use crate::csv::scanner::{RowSink, Scanner, TooLarge};
    use crate::general::column::tests::{field_text, readers};
    use crate::general::column::{ColumnReader, Raw};
    use proptest::prelude::*;

    /// The first fields of lines of two, by one reader; `None` where it leaves them to others.
    struct FirstFields<'r> {
        reader: &'r ColumnReader,
        found: Vec<Option<Value<'static>>>,
    }

    impl RowSink<TooLarge> for FirstFields<'_> {
        const TAKES: Takes = Takes::Any;

        fn width(&self) -> Option<usize> {
            Some(2)
        }

        fn take_row(&mut self, _: FastRow<'_>) -> Option<()> {
            None
        }

        fn take_lines(&mut self, lines: &BlockLines<'_>, first: usize) -> usize {
            let mut columns =
                BlockColumns { columns: Vec::from_iter(self.reader.cells()), are_read: vec![true; lines.count()] };
            self.reader.read_lines(lines, 0, &mut columns.columns[0], &mut columns.are_read);
            let found = (first..lines.count()).map(|number| columns.line(lines, number).map(|it| it.value(0).kept()));
            self.found.extend(found);
            lines.count()
        }

        fn take_record(&mut self, _: Record<'_>) -> Result<(), TooLarge> {
            self.found.push(None);
            Ok(())
        }
    }

    fn first_fields(reader: &ColumnReader, texts: &[String]) -> Vec<Option<Value<'static>>> {
        let text: String = texts.iter().map(|text| format!("{text};x\n")).collect();
        let mut scanner = Scanner::new(Dialect { delimiter: b';', ..Dialect::default() });
        let mut fields = FirstFields { reader, found: Vec::new() };
        scanner.feed(text.as_bytes(), &mut fields).unwrap();
        scanner.finish(&mut fields).unwrap();
        fields.found
    }

    proptest! {
        #[test]
        fn lines_that_are_read_have_the_values_of_their_fields(texts in prop::collection::vec(field_text(), 1..40)) {
            for reader in readers().iter().filter(|reader| reader.cells().is_some()) {
                let found = first_fields(reader, &texts);
                prop_assert_eq!(found.len(), texts.len());
                for (text, value) in texts.iter().zip(found).filter_map(|(text, value)| Some((text, value?))) {
                    prop_assert_eq!(reader.read(Raw::Text(Cow::Borrowed(text.as_bytes()))), Ok(value), "{:?}", reader);
                }
            }
        }
    }

    #[test]
    fn usual_fields_are_read() {
        let usual = ["\"a\"", "12", "-1.5", "1,5", "2024-02-29", "29.02.2024", "2024-02-29 01:02:03"];
        let texts: Vec<String> = usual.iter().chain(&[""; 200]).map(|text| (*text).to_owned()).collect();
        let mut others = Vec::new();
        for reader in readers().into_iter().filter(|reader| reader.cells().is_some()) {
            let found = first_fields(&reader, &texts);
            assert!(found[usual.len()..].iter().all(Option::is_none), "{reader:?}");
            if found.iter().all(Option::is_none) {
                others.push(reader);
            }
        }
        // A number without its points, a date with a blank behind it, one of its month, and a point in time.
        assert_eq!(others.len(), 4, "{others:?}");
    }
}
