//! Texts in any encoding, piece by piece, as texts in UTF-8.

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// In place of what cannot be decoded: no byte of UTF-8, so that the field with it is a text of no encoding.
const UNDECODABLE: u8 = 0x81;

/// The encoding that a file's byte order mark tells, and how many bytes the mark has. Of a file that is no CSV it can
/// be none but UTF-8.
pub(crate) fn marked(head: &[u8], is_csv: bool) -> Option<(&'static Encoding, usize)> {
    Encoding::for_bom(head).filter(|(encoding, _)| is_csv || *encoding == UTF_8)
}

/// Whether it is UTF-16, in either order of bytes.
pub(crate) fn is_wide(encoding: &'static Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

/// Turns the pieces of one file into UTF-8. It keeps one of them.
#[derive(Default)]
pub(crate) struct ToUtf8 {
    /// `None`: the bytes are those of UTF-8.
    decoder: Option<Decoder>,
    /// A piece in UTF-8.
    text: Vec<u8>,
}

impl ToUtf8 {
    /// Of a file in this encoding, behind its byte order mark.
    pub(crate) fn new(encoding: &'static Encoding) -> Self {
        let decoder = (encoding != UTF_8).then(|| encoding.new_decoder_without_bom_handling());
        Self { decoder, text: Vec::new() }
    }

    /// The text of the next piece; the last one, which may be empty, is the end.
    pub(crate) fn decode<'t>(&'t mut self, piece: &'t [u8], is_end: bool) -> &'t [u8] {
        let Some(decoder) = &mut self.decoder else { return piece };
        let text = &mut self.text;
        text.clear();
        let mut rest = piece;
        loop {
            let room = decoder.max_utf8_buffer_length_without_replacement(rest.len()).unwrap_or(rest.len() * 3 + 16);
            let start = text.len();
            text.resize(start + room, 0);
            let (result, read, written) = decoder.decode_to_utf8_without_replacement(rest, &mut text[start..], is_end);
            text.truncate(start + written);
            rest = &rest[read..];
            match result {
                DecoderResult::InputEmpty => return text,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => text.push(UNDECODABLE),
            }
        }
    }
}

impl std::fmt::Debug for ToUtf8 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let encoding = self.decoder.as_ref().map_or(UTF_8, Decoder::encoding);
        f.debug_struct("ToUtf8").field("encoding", &encoding.name()).finish_non_exhaustive()
    }
}
