//! Compressed files.

use flate2::{Compression, write::GzEncoder};
use std::io::Write;

/// One gzip member.
pub(crate) fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    gzip_pieces([text])
}

/// One gzip member, of a text that need not be held as a whole.
pub(crate) fn gzip_pieces(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    for piece in pieces {
        encoder.write_all(piece.as_ref()).unwrap();
    }
    encoder.finish().unwrap()
}

/// One zstd frame, with a checksum as the command line tool writes it.
pub(crate) fn zstd(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(text.as_ref()).unwrap();
    encoder.finish().unwrap()
}
