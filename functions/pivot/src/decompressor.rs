//! The bytes of a file as they were before compression: none, gzip or zstd, detected by the first bytes, since names
//! lie.
//!
//! Compressed bytes are pushed in, and pieces of bounded size are pulled out, so a small file that unpacks to a huge
//! one needs no more memory than another.

use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;
use sluice::{Error, Kind, Result};
use std::io::{self, BufRead, ErrorKind, Read};

const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// Largest window of a zstd frame, as a power of two: 8 MiB, what `zstd` writes up to its level 19.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Size of a piece of a plain file, in bytes. A rejected row of two bytes makes a quarantine line of a hundred.
const PLAIN_PIECE_BYTES: usize = 64 << 10;

/// Size of a piece of a compressed file, in bytes.
const UNPACKED_PIECE_BYTES: usize = 32 << 10;

/// Decompresses one file.
pub struct Decompressor {
    key: String,
    /// Pushed and not read yet.
    input: Input,
    /// `None` as long as fewer bytes have been pushed than the magic numbers have.
    compression: Option<Compression>,
}

/// What has been read from the file.
#[derive(Default)]
struct Input {
    bytes: Bytes,
    is_end: bool,
}

/// Each owns the input that it reads, and the piece it wrote last.
enum Compression {
    None { piece: Bytes },
    Gzip { decoder: Box<MultiGzDecoder<Input>>, piece: Box<[u8]> },
    Zstd { decoder: Box<zstd::stream::read::Decoder<'static, Input>>, piece: Box<[u8]> },
}

/// The decoders' view of the input. [`ErrorKind::WouldBlock`] means that more has to be pushed; both resume after it.
impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.is_empty() && !self.is_end { Err(ErrorKind::WouldBlock.into()) } else { Ok(&self.bytes) }
    }

    fn consume(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl Decompressor {
    /// Before the first byte of the file `key`.
    pub fn new(key: &str) -> Self {
        Self { key: key.to_owned(), input: Input::default(), compression: None }
    }

    /// Takes the next bytes of the file as it is stored; `None` is its end. [`Decompressor::next_piece`] must have
    /// returned `None` before.
    ///
    /// # Errors
    /// `InvalidSource` if zstd cannot be started.
    pub fn push(&mut self, bytes: Option<Bytes>) -> Result<()> {
        let input = match &mut self.compression {
            None | Some(Compression::None { .. }) => &mut self.input,
            Some(Compression::Gzip { decoder, .. }) => decoder.get_mut(),
            Some(Compression::Zstd { decoder, .. }) => decoder.get_mut(),
        };
        match bytes {
            None => input.is_end = true,
            Some(bytes) if input.bytes.is_empty() => input.bytes = bytes,
            // Too few to detect the compression.
            Some(bytes) => input.bytes = [&input.bytes[..], &bytes].concat().into(),
        }
        if self.compression.is_none() && (self.input.is_end || self.input.bytes.len() >= ZSTD_MAGIC.len()) {
            self.compression = Some(self.detect().map_err(|error| corrupt(&self.key, error))?);
        }
        Ok(())
    }

    fn detect(&mut self) -> io::Result<Compression> {
        let piece = || vec![0; UNPACKED_PIECE_BYTES].into_boxed_slice();
        Ok(if self.input.bytes.starts_with(&GZIP_MAGIC) {
            let decoder = MultiGzDecoder::new(std::mem::take(&mut self.input));
            Compression::Gzip { decoder: Box::new(decoder), piece: piece() }
        } else if self.input.bytes.starts_with(&ZSTD_MAGIC) {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(std::mem::take(&mut self.input))?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Compression::Zstd { decoder: Box::new(decoder), piece: piece() }
        } else {
            Compression::None { piece: Bytes::new() }
        })
    }

    /// The next bytes of the file as it was before compression; `None` if more has to be pushed, or if that was all.
    ///
    /// # Errors
    /// `InvalidSource` if the file is corrupt, or ends where it must not.
    pub fn next_piece(&mut self) -> Result<Option<&[u8]>> {
        let (unpacked, piece) = match &mut self.compression {
            None => return Ok(None),
            Some(Compression::None { piece }) => {
                let len = self.input.bytes.len().min(PLAIN_PIECE_BYTES);
                *piece = self.input.bytes.split_to(len);
                return Ok(Some(&piece[..]).filter(|piece| !piece.is_empty()));
            }
            Some(Compression::Gzip { decoder, piece }) => (decoder.read(piece), piece),
            Some(Compression::Zstd { decoder, piece }) => (decoder.read(piece), piece),
        };
        match unpacked {
            Ok(0) => Ok(None),
            Ok(len) => Ok(Some(&piece[..len])),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(corrupt(&self.key, error)),
        }
    }
}

fn corrupt(key: &str, error: io::Error) -> Error {
    Error::caused(Kind::InvalidSource, format!("{key}: corrupt or cut off compressed file"), error)
}
