//! Plain, gzip or zstd: told by a file's first bytes, since names lie. Decompressed a piece at a time, so that a small file
//! that unpacks to a huge one needs no more memory than another.

use crate::reader::{FileError, FileReader};
use crate::reject::Rejects;
use flate2::write::MultiGzDecoder;
use sluice::{Error, Kind, Result};
use std::io::{ErrorKind, Write};

const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// Largest window of a zstd frame, as a power of two: 8 MiB, what `zstd` writes up to its level 19.
const ZSTD_WINDOW_LOG: u32 = 23;

/// How much of a plain file is read at once, in bytes. A bad row of two bytes makes a quarantine line of a hundred.
const PLAIN_PIECE_BYTES: usize = 64 << 10;

/// The same of a packed file, whose pieces may take long to unpack.
const PACKED_PIECE_BYTES: usize = 16 << 10;

/// A key without the suffix of a compression.
pub(crate) fn unpacked_name(key: &str) -> &str {
    key.strip_suffix(".gz").or_else(|| key.strip_suffix(".zst")).unwrap_or(key)
}

/// Reads one file, whatever its compression.
pub struct Decompressor<'a, 'b> {
    key: String,
    head: Vec<u8>,
    state: State<'a, 'b>,
}

enum State<'a, 'b> {
    /// Fewer bytes than it takes to tell.
    Undecided(FileReader<'a, 'b>),
    Plain(FileReader<'a, 'b>),
    Gzip(Box<MultiGzDecoder<FileReader<'a, 'b>>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, FileReader<'a, 'b>>>),
    /// Only while one state becomes another.
    Moving,
}

impl<'a, 'b> Decompressor<'a, 'b> {
    /// Before the first byte of the file `key`.
    pub fn new(key: &str, reader: FileReader<'a, 'b>) -> Self {
        Self { key: key.to_owned(), head: Vec::new(), state: State::Undecided(reader) }
    }

    /// Reads a piece of the file as it is stored. Returns how much of it was taken: less than all when the bad rows found so
    /// far have to be taken away first, or the rest would take long.
    ///
    /// # Errors
    /// `InvalidSource`, with the place, if the rest of the file cannot be read.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<usize> {
        if matches!(self.state, State::Undecided(_)) {
            // No more than that takes, for what is taken here is read without asking whether bad rows wait.
            let taken = chunk.len().min(ZSTD_MAGIC.len() - self.head.len());
            self.head.extend_from_slice(&chunk[..taken]);
            if self.head.len() >= ZSTD_MAGIC.len() {
                self.decide()?;
            }
            return Ok(taken);
        }
        // What told the compression is the first to be read; a few bytes, which no reader refuses for long.
        while !self.head.is_empty() {
            let head = std::mem::take(&mut self.head);
            let taken = self.pass(&head)?;
            self.head.extend_from_slice(&head[taken..]);
            if taken == 0 {
                return Ok(0);
            }
        }
        self.pass(chunk)
    }

    /// Passes on, at the end of the file, what the decompressor still holds; says whether that was all.
    ///
    /// # Errors
    /// As [`Decompressor::feed`].
    pub fn flush(&mut self) -> Result<bool> {
        if matches!(self.state, State::Undecided(_)) {
            self.decide()?;
        }
        self.feed(&[])?;
        if !self.head.is_empty() {
            return Ok(false);
        }
        let flushed = match &mut self.state {
            State::Gzip(decoder) => decoder.try_finish(),
            State::Zstd(decoder) => decoder.flush(),
            State::Undecided(_) | State::Plain(_) | State::Moving => Ok(()),
        };
        match flushed {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(self.unreadable(error)),
        }
    }

    /// Ends the file, after [`Decompressor::flush`].
    ///
    /// # Errors
    /// As [`Decompressor::feed`]; a compressed file that was cut off is one of them.
    pub fn finish(self) -> Result<()> {
        let reader = match self.state {
            State::Undecided(reader) | State::Plain(reader) => reader,
            State::Gzip(decoder) => decoder.finish().map_err(|error| corrupt(&self.key, error))?,
            State::Zstd(decoder) => decoder.finish().map_err(|error| corrupt(&self.key, error))?,
            State::Moving => unreachable!("a state is always put back"),
        };
        reader.finish().map_err(|error| error.of(&self.key))
    }

    /// The batch's bad rows, to be taken away while the file is read.
    pub fn rejects(&mut self) -> &mut Rejects {
        match &mut self.state {
            State::Undecided(reader) | State::Plain(reader) => reader,
            State::Gzip(decoder) => decoder.get_mut(),
            State::Zstd(decoder) => decoder.get_mut(),
            State::Moving => unreachable!("a state is always put back"),
        }
        .rejects()
    }

    /// Tells the compression by the head, which stays to be read.
    fn decide(&mut self) -> Result<()> {
        let State::Undecided(reader) = std::mem::replace(&mut self.state, State::Moving) else {
            unreachable!("decided once")
        };
        self.state = if self.head.starts_with(&GZIP_MAGIC) {
            State::Gzip(Box::new(MultiGzDecoder::new(reader)))
        } else if self.head.starts_with(&ZSTD_MAGIC) {
            let mut decoder = zstd::stream::write::Decoder::new(reader).map_err(|error| corrupt(&self.key, error))?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(|error| corrupt(&self.key, error))?;
            State::Zstd(Box::new(decoder))
        } else {
            State::Plain(reader)
        };
        Ok(())
    }

    /// Passes on as much as is taken.
    fn pass(&mut self, chunk: &[u8]) -> Result<usize> {
        let chunk = match self.state {
            State::Plain(_) => chunk,
            _ => &chunk[..chunk.len().min(PACKED_PIECE_BYTES)],
        };
        let mut taken = 0;
        while taken < chunk.len() {
            let written = match &mut self.state {
                State::Plain(reader) => {
                    let piece = &chunk[..chunk.len().min(PLAIN_PIECE_BYTES)];
                    reader.feed(piece).map_err(|error| error.of(&self.key))?;
                    return Ok(piece.len());
                }
                State::Gzip(decoder) => decoder.write(&chunk[taken..]),
                State::Zstd(decoder) => decoder.write(&chunk[taken..]),
                State::Undecided(_) | State::Moving => unreachable!("decided before"),
            };
            match written {
                // Nothing follows the last gzip member.
                Ok(0) => return Err(corrupt(&self.key, ErrorKind::InvalidData.into())),
                Ok(count) => taken += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(self.unreadable(error)),
            }
        }
        Ok(taken)
    }

    /// Tells a fault of the text within from one of the compression around it.
    fn unreadable(&mut self, error: std::io::Error) -> Error {
        let failure: Option<FileError> = match &mut self.state {
            State::Undecided(reader) | State::Plain(reader) => reader.take_failure(),
            State::Gzip(decoder) => decoder.get_mut().take_failure(),
            State::Zstd(decoder) => decoder.get_mut().take_failure(),
            State::Moving => None,
        };
        failure.map_or_else(|| corrupt(&self.key, error), |failure| failure.of(&self.key))
    }
}

fn corrupt(key: &str, error: std::io::Error) -> Error {
    Error::caused(Kind::InvalidSource, format!("{key}: corrupt or cut off compressed file"), error)
}
