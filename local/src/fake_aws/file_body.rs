//! Content that is in a file, and may be longer than it.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The lines of a file, those behind the first one repeated: gigabytes that nobody has to keep.
#[derive(Debug)]
pub struct FileBody {
    file: File,
    /// Length of the first line.
    head: u64,
    /// Length of the file.
    size: u64,
    times: u64,
}

impl FileBody {
    /// The file at `path`, whose lines behind the first one come `times` times.
    ///
    /// # Errors
    /// As the file system has it.
    pub fn open(path: &Path, times: u64) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut line = Vec::new();
        BufReader::new(&file).read_until(b'\n', &mut line)?;
        Ok(Self { head: line.len() as u64, size: file.metadata()?.len(), file, times })
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> u64 {
        self.size + (self.size - self.head) * self.times.saturating_sub(1)
    }

    /// How often the lines behind the first one come.
    pub(super) fn times(&self) -> u64 {
        self.times
    }

    /// The bytes from `first` up to, but without, `end`.
    ///
    /// # Errors
    /// As the file system has it.
    pub(super) fn read(&self, first: u64, end: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(end - first).map_err(io::Error::other)?];
        let (mut at, mut left) = (first, bytes.as_mut_slice());
        while !left.is_empty() {
            // Behind the first round, a place in the repeated part.
            let place = if at < self.size { at } else { self.head + (at - self.size) % (self.size - self.head) };
            let count = usize::try_from(self.size - place).unwrap_or(usize::MAX).min(left.len());
            let (now, rest) = left.split_at_mut(count);
            self.file.read_exact_at(now, place)?;
            (at, left) = (at + count as u64, rest);
        }
        Ok(bytes)
    }
}
