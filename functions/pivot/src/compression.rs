//! Plain, gzip or zstd: told by a file's first bytes, since names lie. Decompressed a piece at a time, so that a small file
//! that unpacks to a huge one needs no more memory than another.

use crate::reader::{FileError, FileReader};
use crate::reject::Rejects;
use flate2::write::MultiGzDecoder;
use pipeline::{Error, Kind, Result};
use std::io::Write;

const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// Largest window of a zstd frame, as a power of two: 8 MiB, what `zstd` writes up to its level 19.
const ZSTD_WINDOW_LOG: u32 = 23;

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

    /// Reads a piece of the file as it is stored.
    ///
    /// # Errors
    /// `InvalidSource`, with the place, if the rest of the file cannot be read.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<()> {
        if !matches!(self.state, State::Undecided(_)) {
            return self.pass(chunk);
        }
        self.head.extend_from_slice(chunk);
        if self.head.len() < ZSTD_MAGIC.len() { Ok(()) } else { self.decide() }
    }

    /// Reads what is left, at the end of the file.
    ///
    /// # Errors
    /// As [`Decompressor::feed`]; a compressed file that was cut off is one of them.
    pub fn finish(mut self) -> Result<()> {
        if matches!(self.state, State::Undecided(_)) {
            self.decide()?;
        }
        let reader = match self.state {
            State::Undecided(reader) | State::Plain(reader) => reader,
            State::Gzip(decoder) => {
                let mut decoder = *decoder;
                decoder.try_finish().map_err(|error| unreadable(&self.key, decoder.get_mut(), error))?;
                decoder.finish().map_err(|error| corrupt(&self.key, error))?
            }
            State::Zstd(decoder) => {
                let mut decoder = *decoder;
                decoder.flush().map_err(|error| unreadable(&self.key, decoder.get_mut(), error))?;
                decoder.finish().map_err(|error| corrupt(&self.key, error))?
            }
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

    fn decide(&mut self) -> Result<()> {
        let head = std::mem::take(&mut self.head);
        let State::Undecided(reader) = std::mem::replace(&mut self.state, State::Moving) else {
            unreachable!("decided once")
        };
        self.state = if head.starts_with(&GZIP_MAGIC) {
            State::Gzip(Box::new(MultiGzDecoder::new(reader)))
        } else if head.starts_with(&ZSTD_MAGIC) {
            let mut decoder = zstd::stream::write::Decoder::new(reader).map_err(|error| corrupt(&self.key, error))?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(|error| corrupt(&self.key, error))?;
            State::Zstd(Box::new(decoder))
        } else {
            State::Plain(reader)
        };
        self.pass(&head)
    }

    fn pass(&mut self, chunk: &[u8]) -> Result<()> {
        match &mut self.state {
            State::Plain(reader) => reader.feed(chunk).map_err(|error| error.of(&self.key)),
            State::Gzip(decoder) => {
                decoder.write_all(chunk).map_err(|error| unreadable(&self.key, decoder.get_mut(), error))
            }
            State::Zstd(decoder) => {
                decoder.write_all(chunk).map_err(|error| unreadable(&self.key, decoder.get_mut(), error))
            }
            State::Undecided(_) | State::Moving => unreachable!("decided before"),
        }
    }
}

/// Tells a fault of the text within from one of the compression around it.
fn unreadable(key: &str, reader: &mut FileReader<'_, '_>, error: std::io::Error) -> Error {
    reader.take_failure().map_or_else(|| corrupt(key, error), |failure: FileError| failure.of(key))
}

fn corrupt(key: &str, error: std::io::Error) -> Error {
    Error::caused(Kind::InvalidSource, format!("{key}: corrupt or cut off compressed file"), error)
}
