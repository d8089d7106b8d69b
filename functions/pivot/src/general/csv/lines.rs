//! Bytes to records of any dialect, as they arrive: without the lines above the header, without comments, and up to the
//! line that ends the rows.

use crate::batch::{FileError, MAX_ROW_BYTES};
use crate::csv::record::{Dialect, FieldRange};
use crate::csv::scanner::{RowSink, TooLarge, take_record};
use memchr::memchr;
use sluice::spec::Csv;

/// Cuts a stream into records; only what is not yet complete is kept.
#[derive(Debug)]
pub(super) struct LineScanner {
    dialect: Dialect,
    /// Lines that are still to be passed over.
    above: u32,
    comment: Option<String>,
    end_at: Vec<String>,
    /// How many bytes of a line tell whether it is a comment or ends the rows.
    head_len: usize,
    carry: Vec<u8>,
    next_line: u64,
    is_over: bool,
    fields: Vec<FieldRange>,
}

impl LineScanner {
    /// Before the first byte; so many lines stand above all else.
    pub(super) fn new(dialect: Dialect, above: u32, csv: &Csv) -> Self {
        let heads = csv.comment.iter().chain(&csv.end_at);
        Self {
            dialect,
            above,
            comment: csv.comment.clone(),
            end_at: csv.end_at.clone(),
            head_len: heads.map(String::len).max().unwrap_or(0),
            carry: Vec::new(),
            next_line: 1,
            is_over: false,
            fields: Vec::new(),
        }
    }

    /// Hands every record over that is complete by the end of `chunk`; at the end of the stream also the last one.
    ///
    /// # Errors
    /// The first error of `rows`, or [`TooLarge`].
    pub(super) fn feed(
        &mut self,
        chunk: &[u8],
        is_end: bool,
        rows: &mut impl RowSink<FileError>,
    ) -> Result<(), FileError> {
        if self.is_over {
            return Ok(());
        }
        let mut window = std::mem::take(&mut self.carry);
        let used = if window.is_empty() {
            let used = self.scan(chunk, is_end, rows)?;
            window.extend_from_slice(&chunk[used..]);
            0
        } else {
            window.extend_from_slice(chunk);
            self.scan(&window, is_end, rows)?
        };
        // Its memory serves the next one.
        window.drain(..used);
        self.carry = window;
        if self.is_over {
            self.carry.clear();
        }
        // One more: the CR of a line end whose LF has not come yet.
        if self.carry.len() > MAX_ROW_BYTES + 1 { Err(TooLarge { line: self.next_line }.into()) } else { Ok(()) }
    }

    /// Returns how many bytes are done with.
    fn scan(&mut self, window: &[u8], is_end: bool, rows: &mut impl RowSink<FileError>) -> Result<usize, FileError> {
        let mut at = 0;
        while at < window.len() && !self.is_over {
            let used = self.next(&window[at..], is_end, rows)?;
            if used == 0 {
                break;
            }
            at += used;
        }
        Ok(at)
    }

    /// The line or record at the head of some bytes. Returns its length; 0 if it is not complete.
    fn next(&mut self, bytes: &[u8], is_end: bool, rows: &mut impl RowSink<FileError>) -> Result<usize, FileError> {
        let has_head = bytes.len() >= self.head_len || bytes.contains(&b'\n') || is_end;
        if !has_head {
            return Ok(0);
        }
        let is_comment = self.comment.as_ref().is_some_and(|comment| bytes.starts_with(comment.as_bytes()));
        if is_comment || self.above > 0 {
            let Some(len) = memchr(b'\n', bytes).map(|at| at + 1).or(is_end.then_some(bytes.len())) else {
                return Ok(0);
            };
            self.next_line += 1;
            if !is_comment {
                self.above -= 1;
            }
            return Ok(len);
        }
        if self.end_at.iter().any(|end| bytes.starts_with(end.as_bytes())) {
            self.is_over = true;
            return Ok(bytes.len());
        }
        take_record(bytes, is_end, self.dialect, bytes, (&mut self.fields, &mut self.next_line), rows)
    }
}
