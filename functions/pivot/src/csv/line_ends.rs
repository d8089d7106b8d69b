//! Lines that end with CR alone, as those of old spreadsheets do: the first line tells.

use memchr::memchr2;
use std::borrow::Cow;

/// How the lines of a file end.
#[derive(Debug, Default)]
pub(crate) enum LineEnds {
    /// Its first line has not ended yet, or with a CR that may be of a CRLF.
    #[default]
    Unknown,
    /// The same, and the CR is held back.
    AfterCr,
    /// With LF or CRLF.
    Lf,
    /// With CR alone.
    Cr,
}

impl LineEnds {
    /// A piece of the file, in which lines end with LF or CRLF whatever they do in the file. Also a CR within quotes
    /// is LF then.
    pub(crate) fn read<'p>(&mut self, piece: &'p [u8]) -> Cow<'p, [u8]> {
        let piece = match self {
            Self::Lf => return Cow::Borrowed(piece),
            Self::AfterCr if piece.is_empty() => return Cow::Borrowed(piece),
            Self::AfterCr => Cow::Owned([b"\r", piece].concat()),
            Self::Unknown | Self::Cr => Cow::Borrowed(piece),
        };
        if !matches!(self, Self::Cr) {
            *self = Self::of(&piece);
        }
        match self {
            Self::Cr => Cow::Owned(piece.iter().map(|&byte| if byte == b'\r' { b'\n' } else { byte }).collect()),
            Self::AfterCr => Cow::Owned(piece[..piece.len() - 1].to_vec()),
            Self::Unknown | Self::Lf => piece,
        }
    }

    /// What is left at the end of the file.
    pub(crate) fn finish(&self) -> &'static [u8] {
        if matches!(self, Self::AfterCr) { b"\r" } else { b"" }
    }

    /// What the first line end of some bytes tells.
    fn of(bytes: &[u8]) -> Self {
        let Some(end) = memchr2(b'\r', b'\n', bytes) else { return Self::Unknown };
        match bytes[end..].iter().find(|&&byte| byte != b'\r') {
            Some(b'\n') => Self::Lf,
            Some(_) => Self::Cr,
            None => Self::AfterCr,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<u8> {
        let mut ends = LineEnds::default();
        let mut text: Vec<u8> = pieces.iter().flat_map(|piece| ends.read(piece).into_owned()).collect();
        text.extend_from_slice(ends.finish());
        text
    }

    /// Those that are not blank: how long a run of CRs is matters no more than where pieces end.
    fn lines(text: &[u8]) -> Vec<&[u8]> {
        text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty()).collect()
    }

    #[test]
    fn the_first_line_tells_how_lines_end() {
        for (text, expected) in [
            ("", ""),
            ("a,b", "a,b"),
            ("a\r", "a\r"),
            ("a\n1\r2\n", "a\n1\r2\n"),
            ("a\r\n1\r2\r\n", "a\r\n1\r2\r\n"),
            ("a\r\r\n1\r\r\n", "a\r\r\n1\r\r\n"),
            ("a\r1\r2\r", "a\n1\n2\n"),
            ("a\r\r1\n2\r", "a\n\n1\n2\n"),
        ] {
            assert_eq!(read(&[text.as_bytes()]), expected.as_bytes(), "{text:?}");
            for at in 0..=text.len() {
                let (first, second) = text.as_bytes().split_at(at);
                assert_eq!(lines(&read(&[first, second])), lines(expected.as_bytes()), "{text:?} at {at}");
            }
        }
    }
}
