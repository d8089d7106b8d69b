//! What the handler asks of a batch, the same whichever way its files are read.

use crate::batch::{Batch, Tally};
use crate::frame;
use crate::general::batch::GeneralBatch;
use crate::general::reader::GeneralReader;
use crate::general::table::Rows;
use crate::parquet::{GroupReader, ParquetPlan, Tail};
use crate::reader::FileReader;
use polars::prelude::DataFrame;
use sluice::Result;
use sluice::contract::{SharedKeys, SourceFile};
use sluice::spec::{FileType, OnBad};

/// Up to how many bytes of a part are made at once, or a little more.
const PART_BYTES: usize = 1 << 20;

/// A batch on its way.
pub(super) trait Work {
    /// Reads a file from its beginning.
    type Reader<'f>;
    /// What a file, or all of them, have come to.
    type Part;

    /// What was read, and what was wrong with it.
    fn tally(&mut self) -> &mut Tally;
    /// The same, at the end.
    fn into_tally(self) -> Tally;
    /// What the file `key` holds.
    fn format_of(&self, key: &str) -> FileType;
    /// What to do with a file that cannot be read.
    fn on_bad_file(&self) -> OnBad;
    /// What to do with a row that cannot be read.
    fn on_bad_row(&self) -> OnBad;
    /// Before the first byte of a file.
    fn reader<'f>(&self, file: &'f SourceFile) -> Result<Self::Reader<'f>>;
    /// Adds the rows that a piece of the file completes.
    fn feed(&mut self, reader: &mut Self::Reader<'_>, piece: &[u8]) -> Result<()>;
    /// Adds what is left at the end of the file.
    fn finish(&mut self, reader: Self::Reader<'_>) -> Result<()>;
    /// Reads the end of a Parquet file.
    fn read_tail(&self, file: &SourceFile, tail: &[u8]) -> Result<Tail>;
    /// Adds some rows of a Parquet file; returns whether there may be more.
    fn step(&mut self, reader: &mut GroupReader<'_, '_>, file: &SourceFile) -> Result<bool>;
    /// Ends a file that was read to its end.
    fn end_file(&mut self, file: &SourceFile) -> Result<Option<Self::Part>>;
    /// Ends a file that cannot be loaded.
    fn set_aside(&mut self, file: &SourceFile, reason: String);
    /// What all files have come to, if each is not kept apart, and the keys that several of them have.
    fn take_merged(&mut self) -> Result<(Option<Self::Part>, SharedKeys)>;
    /// Writes the next rows of a part, of the file of this number if files are kept apart; returns how many, 0 at its
    /// end.
    fn write(part: &mut Self::Part, file: Option<i64>, out: &mut Vec<u8>) -> Result<u64>;
}

impl Work for Batch<'_> {
    type Reader<'f> = FileReader<'f>;
    type Part = DataFrame;

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn into_tally(self) -> Tally {
        self.tally
    }

    fn format_of(&self, key: &str) -> FileType {
        self.plan().format_of(key)
    }

    fn on_bad_file(&self) -> OnBad {
        self.plan().on_bad_file
    }

    fn on_bad_row(&self) -> OnBad {
        self.plan().on_bad_row
    }

    fn reader<'f>(&self, file: &'f SourceFile) -> Result<FileReader<'f>> {
        FileReader::new(file, self.plan())
    }

    fn feed(&mut self, reader: &mut FileReader<'_>, piece: &[u8]) -> Result<()> {
        reader.feed(piece, self)
    }

    fn finish(&mut self, reader: FileReader<'_>) -> Result<()> {
        reader.finish(self)
    }

    fn read_tail(&self, file: &SourceFile, tail: &[u8]) -> Result<Tail> {
        ParquetPlan::from_tail(file, self.plan(), tail)
    }

    fn step(&mut self, reader: &mut GroupReader<'_, '_>, file: &SourceFile) -> Result<bool> {
        reader.step(file, self)
    }

    fn end_file(&mut self, file: &SourceFile) -> Result<Option<DataFrame>> {
        self.end_file(file)
    }

    fn set_aside(&mut self, file: &SourceFile, reason: String) {
        self.set_aside(file, reason);
    }

    fn take_merged(&mut self) -> Result<(Option<DataFrame>, SharedKeys)> {
        self.take_merged()
    }

    fn write(part: &mut DataFrame, file: Option<i64>, out: &mut Vec<u8>) -> Result<u64> {
        let table = std::mem::take(part);
        let table = match file {
            Some(file) if table.height() > 0 => frame::of_file(table, file)?,
            _ => table,
        };
        if table.height() > 0 {
            out.append(&mut frame::copy::rows(&table)?);
        }
        Ok(table.height() as u64)
    }
}

impl<'p> Work for GeneralBatch<'p> {
    type Reader<'f> = GeneralReader<'f>;
    type Part = Rows<'p>;

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn into_tally(self) -> Tally {
        self.tally
    }

    fn format_of(&self, key: &str) -> FileType {
        self.plan().format_of(key)
    }

    fn on_bad_file(&self) -> OnBad {
        self.plan().on_bad_file
    }

    fn on_bad_row(&self) -> OnBad {
        self.plan().on_bad_row
    }

    fn reader<'f>(&self, file: &'f SourceFile) -> Result<GeneralReader<'f>> {
        GeneralReader::new(file, self.plan())
    }

    fn feed(&mut self, reader: &mut GeneralReader<'_>, piece: &[u8]) -> Result<()> {
        reader.feed(piece, self)
    }

    fn finish(&mut self, reader: GeneralReader<'_>) -> Result<()> {
        reader.finish(self)
    }

    fn read_tail(&self, file: &SourceFile, tail: &[u8]) -> Result<Tail> {
        ParquetPlan::general(file, self.plan(), tail)
    }

    fn step(&mut self, reader: &mut GroupReader<'_, '_>, file: &SourceFile) -> Result<bool> {
        reader.step_general(file, self)
    }

    fn end_file(&mut self, file: &SourceFile) -> Result<Option<Rows<'p>>> {
        self.end_file(file)
    }

    fn set_aside(&mut self, file: &SourceFile, reason: String) {
        self.set_aside(file, reason);
    }

    fn take_merged(&mut self) -> Result<(Option<Rows<'p>>, SharedKeys)> {
        Ok((None, SharedKeys::default()))
    }

    fn write(part: &mut Rows<'p>, file: Option<i64>, out: &mut Vec<u8>) -> Result<u64> {
        Ok(part.write(file.unwrap_or_default(), PART_BYTES, out))
    }
}
