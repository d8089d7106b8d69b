//! Counts what a result file of Athena holds, while it is read: rows, and of each column the values and their length.
//! Pure.
//!
//! The form is strict, as it was measured: every value in quotation marks, one within it doubled, NULL as nothing,
//! lines that end in a line feed, the last one too. Anything else is not Athena's, and not counted.

use memchr::memchr;
use sluice::contract::athena_elt::{ColumnCount, Counts};

/// Where in the file the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// At the start of a field.
    Start,
    /// Within quotation marks.
    Quoted,
    /// Behind a quotation mark, which ends the value or is the first of two.
    Mark,
}

/// A file that is being counted.
pub(crate) struct Counter<'a> {
    names: &'a [&'a str],
    at: At,
    column: usize,
    /// Whether the line is the first one, whose values have to be the names.
    in_header: bool,
    name: Vec<u8>,
    counts: Counts,
}

impl<'a> Counter<'a> {
    /// Of a file with these columns.
    pub(crate) fn new(names: &'a [&'a str]) -> Self {
        let counts = Counts { rows: 0, columns: vec![ColumnCount::default(); names.len()] };
        Self { names, at: At::Start, column: 0, in_header: true, name: Vec::new(), counts }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// What is wrong, with the number of the line of data; never what stands in it.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while let Some((&first, rest)) = bytes.split_first() {
            match (self.at, first) {
                (At::Quoted, _) => {
                    let end = memchr(b'"', bytes).unwrap_or(bytes.len());
                    self.value(&bytes[..end])?;
                    if end < bytes.len() {
                        self.at = At::Mark;
                    }
                    bytes = bytes.get(end + 1..).unwrap_or_default();
                    continue;
                }
                (At::Start, b'"') => {
                    self.at = At::Quoted;
                    if !self.in_header {
                        self.column_count()?.values += 1;
                    }
                }
                (At::Mark, b'"') => {
                    self.value(b"\"")?;
                    self.at = At::Quoted;
                }
                (At::Start | At::Mark, b',' | b'\n') => self.end_field(first == b'\n')?,
                (At::Start, _) => return Err(self.told("a value stands without quotation marks")),
                (At::Mark, _) => return Err(self.told("something stands behind a value")),
            }
            bytes = rest;
        }
        Ok(())
    }

    /// All of it was fed.
    ///
    /// # Errors
    /// As [`Counter::feed`].
    pub(crate) fn end(self) -> Result<Counts, String> {
        if self.at != At::Start || self.column > 0 {
            return Err(self.told("the file ends within a line"));
        }
        if self.in_header {
            return Err("the file is empty".to_owned());
        }
        Ok(self.counts)
    }

    fn value(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.in_header {
            self.name.extend_from_slice(bytes);
            return Ok(());
        }
        // Code points: all bytes but those that go on with one.
        let characters = bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64;
        self.column_count()?.characters += characters;
        Ok(())
    }

    fn column_count(&mut self) -> Result<&mut ColumnCount, String> {
        let row = self.counts.rows + 1;
        let column = self.counts.columns.get_mut(self.column);
        column.ok_or_else(|| format!("row {row}: there are more values than columns"))
    }

    fn end_field(&mut self, ends_line: bool) -> Result<(), String> {
        if self.in_header {
            let name = std::mem::take(&mut self.name);
            if self.names.get(self.column).map(|wanted| wanted.as_bytes()) != Some(&name) {
                return Err(format!("the header does not name the columns {}", self.names.join(",")));
            }
        }
        self.at = At::Start;
        self.column += 1;
        if ends_line {
            if self.column != self.names.len() {
                return Err(self.told("there is another number of values than columns"));
            }
            self.column = 0;
            self.counts.rows += u64::from(!self.in_header);
            self.in_header = false;
        }
        Ok(())
    }

    fn told(&self, what: &str) -> String {
        match self.in_header {
            true => format!("line 1: {what}"),
            false => format!("row {}: {what}", self.counts.rows + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn count(names: &[&str], file: &[u8], block: usize) -> Result<Counts, String> {
        let mut counter = Counter::new(names);
        for bytes in file.chunks(block) {
            counter.feed(bytes)?;
        }
        counter.end()
    }

    #[test]
    fn values_and_their_lengths_are_counted() {
        let file = "\"id\",\"title\"\n\"1\",\"Am\u{e9}lie, \"\"the\"\"\nfilm \u{1f600}\"\n\"2\",\n\"3\",\"\"\n";
        for block in [1, 2, 3, 7, 1_000] {
            let Counts { rows, columns } = count(&["id", "title"], file.as_bytes(), block).unwrap();
            assert_eq!(rows, 3);
            assert_eq!(columns[0], ColumnCount { values: 3, characters: 3 });
            assert_eq!(columns[1], ColumnCount { values: 2, characters: 20 }, "blocks of {block}");
        }
    }

    #[test]
    fn one_column_may_be_null_and_no_row_may_be_there() {
        let counts = count(&["a"], b"\"a\"\n\n\"\"\n\n", 3).unwrap();
        assert_eq!((counts.rows, counts.columns[0]), (3, ColumnCount { values: 1, characters: 0 }));
        assert_eq!(count(&["a"], b"\"a\"\n", 9).unwrap().rows, 0);
    }

    #[test]
    fn what_athena_would_not_write_is_refused_without_what_it_says() {
        for (file, why) in [
            ("", "is empty"),
            ("\"id\",\"title\"", "ends within a line"),
            ("\"id\",\"name\"\n", "header"),
            ("\"id\"\n", "another number"),
            ("\"id\",\"title\",\"more\"\n", "header"),
            ("\"id\",\"title\"\n\"1\",secret\n", "row 1: a value stands without"),
            ("\"id\",\"title\"\n\"1\",\"2\"\n\"1\"secret\n", "row 2: something stands behind"),
            ("\"id\",\"title\"\n\"1\"\n", "another number of values"),
            ("\"id\",\"title\"\n\"1\",\"2\",\"3\"\n", "more values than columns"),
            ("\"id\",\"title\"\n\"1\",\"2\",\n", "another number of values"),
            ("\"id\",\"title\"\n\"1\",\"sec", "ends within a line"),
            ("\"id\",\"title\"\r\n", "something stands behind"),
        ] {
            for block in [1, 5, 1_000] {
                let told = count(&["id", "title"], file.as_bytes(), block).unwrap_err();
                assert!(told.contains(why) && !told.contains("sec"), "{file:?}: {told}");
            }
        }
    }

    proptest! {
        /// Whatever the values are, and wherever the blocks of a download end.
        #[test]
        fn what_was_written_is_counted(
            rows in prop::collection::vec(prop::collection::vec(prop::option::of(".{0,8}|[\",\n]{0,4}"), 3), 0..20),
            block in 1_usize..40,
        ) {
            let field = |value: &Option<String>| {
                value.as_ref().map_or_else(String::new, |value| format!("\"{}\"", value.replace('"', "\"\"")))
            };
            let line = |row: &Vec<Option<String>>| row.iter().map(field).collect::<Vec<_>>().join(",") + "\n";
            let file = format!("\"a\",\"b\",\"c\"\n{}", rows.iter().map(line).collect::<String>());
            let counts = count(&["a", "b", "c"], file.as_bytes(), block).unwrap();
            prop_assert_eq!(counts.rows, rows.len() as u64);
            for (place, column) in counts.columns.iter().enumerate() {
                let values: Vec<&String> = rows.iter().filter_map(|row| row[place].as_ref()).collect();
                let characters = values.iter().map(|value| value.chars().count() as u64).sum::<u64>();
                prop_assert_eq!(*column, ColumnCount { values: values.len() as u64, characters });
            }
        }
    }
}
