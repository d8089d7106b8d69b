//! In which encoding a file is written.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// A text, and how it was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    /// The text, without a byte order mark.
    pub(super) text: String,
    /// What `format.encoding` has to say; `None`: nothing.
    pub(super) encoding: Option<&'static str>,
    /// The encoding is a guess.
    pub(super) is_guess: bool,
}

/// Decodes the beginning of a file.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let decoded = |encoding: &'static Encoding, label: Option<&'static str>, is_guess: bool| {
        let (text, _) = encoding.decode_with_bom_removal(bytes);
        // The end may be in the middle of a character.
        let text = text.trim_end_matches('\u{fffd}').to_owned();
        Decoded { text, encoding: label, is_guess }
    };
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return decoded(encoding, None, false);
    }
    // Of a wide text in western letters every second byte is 0.
    let zeros = |odd: usize| bytes.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let most = bytes.len() / 4;
    if bytes.len() >= 4 && zeros(1) > most && zeros(0) == 0 {
        return decoded(UTF_16LE, Some("utf-16le"), false);
    }
    if bytes.len() >= 4 && zeros(0) > most && zeros(1) == 0 {
        return decoded(UTF_16BE, Some("utf-16be"), false);
    }
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_some() => decoded(WINDOWS_1252, Some("windows-1252"), true),
        _ => decoded(UTF_8, None, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_found_out() {
        let wide = |text: &str, mark: &[u8]| {
            [mark.to_vec(), text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat()
        };
        let big: Vec<u8> = "a;b".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (bytes, text, encoding, is_guess) in [
            (b"a,b".to_vec(), "a,b", None, false),
            ("\u{feff}größe".into(), "größe", None, false),
            ("größe".into(), "größe", None, false),
            // Cut in the middle of a letter.
            ("grö".as_bytes()[..3].to_vec(), "gr", None, false),
            (b"gr\xf6\xdfe \x80".to_vec(), "größe €", Some("windows-1252"), true),
            (wide("größe", b"\xff\xfe"), "größe", None, false),
            (wide("a\tb", b""), "a\tb", Some("utf-16le"), false),
            (big, "a;b", Some("utf-16be"), false),
            (Vec::new(), "", None, false),
        ] {
            assert_eq!(decode(&bytes), Decoded { text: text.to_owned(), encoding, is_guess });
        }
    }
}
