//! Files that are neither CSV nor JSON, or not in UTF-8, told by their first bytes: an error that names what it is
//! helps more than one about a header. So are those that have the suffix of Parquet and are none.

use crate::format::UTF8_MARK;
use std::fmt;

/// How many bytes are looked at. Most kinds are told by ten; UTF-16 without a mark by its digits, commas and line ends,
/// which a header in another script than Latin need not have.
pub(crate) const HEAD_BYTES: usize = 4_096;

/// Of so many characters one at least is of ASCII, where others are not: a file has columns and lines.
const MOST_PER_NARROW: usize = 20;

/// What a file is that cannot be read, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// What it is.
    is: &'static str,
    /// What to do.
    advice: &'static str,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.is, self.advice)
    }
}

const fn foreign(is: &'static str, advice: &'static str) -> Foreign {
    Foreign { is, advice }
}

/// How sure the first bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sure {
    /// No text has them.
    Alone,
    /// A text may begin so, such as one whose first column is called `ORC`; but none has a control character soon
    /// behind them.
    BeforeControl,
    /// After the size of its blocks one of [`BZIP2_BLOCKS`] has to follow.
    BeforeBlock,
}

use Sure::{Alone, BeforeBlock, BeforeControl};

const REPACK: &str = "compress it with gzip or zstd, or not at all";
const TO_CSV: &str = "convert it to CSV";
const CONVERT: &str = "convert it to CSV, JSON or Parquet";
const DECRYPT: &str = "decrypt it before the bucket";
const AS_UTF_8: &str = "export it as UTF-8";

/// What a file is with these bytes at this place.
const KINDS: &[(usize, &[u8], Sure, Foreign)] = &[
    (0, b"PK\x03\x04", Alone, foreign("a ZIP file or workbook", TO_CSV)),
    (0, b"PK\x05\x06", Alone, foreign("a ZIP file without content", "upload the file that was to be in it")),
    (0, b"PK\x07\x08", Alone, foreign("a ZIP file in parts", TO_CSV)),
    (
        0,
        b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
        Alone,
        foreign("a workbook or another document of Microsoft Office", TO_CSV),
    ),
    (0, b"%PDF-", Alone, foreign("a PDF document", TO_CSV)),
    (0, b"{\\rtf", Alone, foreign("a document in RTF", TO_CSV)),
    (0, b"\x1F\x8B", Alone, TWICE),
    (0, b"\x28\xB5\x2F\xFD", Alone, TWICE),
    (0, b"BZh", BeforeBlock, foreign("compressed with bzip2", REPACK)),
    (0, b"\xFD7zXZ\0", Alone, foreign("compressed with xz", REPACK)),
    (0, b"]\0\0", Alone, foreign("compressed with LZMA", REPACK)),
    (0, b"LZIP\x01", Alone, foreign("compressed with lzip", REPACK)),
    (0, b"\x89LZO\0\r\n\x1A\n", Alone, foreign("compressed with lzop", REPACK)),
    (0, b"\x04\x22\x4D\x18", Alone, foreign("compressed with LZ4", REPACK)),
    (0, b"\x02\x21\x4C\x18", Alone, foreign("compressed with LZ4", REPACK)),
    (0, b"\xFF\x06\0\0sNaPpY", Alone, foreign("compressed with Snappy", REPACK)),
    (0, b"\x1F\x9D", Alone, foreign("compressed with compress, as .Z", REPACK)),
    (0, b"7z\xBC\xAF\x27\x1C", Alone, foreign("a 7z archive", REPACK)),
    (0, b"Rar!\x1A\x07", Alone, foreign("a RAR archive", REPACK)),
    (0, b"MSCF\0\0\0\0", Alone, foreign("a cabinet archive", REPACK)),
    (257, b"ustar", BeforeControl, foreign("a tar archive", "upload the files in it one by one")),
    (0, b"PAR1", BeforeControl, foreign("a Parquet file", "give it the suffix .parquet")),
    (0, b"PARE", BeforeControl, foreign("an encrypted Parquet file", "write it without encryption")),
    (0, b"Obj\x01", Alone, foreign("an Avro file", CONVERT)),
    (0, b"ORC", BeforeControl, foreign("an ORC file", CONVERT)),
    (0, b"ARROW1\0\0", Alone, foreign("an Arrow or Feather file", CONVERT)),
    (0, b"\xFF\xFF\xFF\xFF", BeforeControl, foreign("a stream of Arrow", CONVERT)),
    (0, b"FEA1", BeforeControl, foreign("a Feather file", CONVERT)),
    (0, b"SQLite format 3\0", Alone, foreign("a SQLite database", "convert its table to CSV")),
    (8, b"DUCK", BeforeControl, foreign("a DuckDB database", "export its table to CSV or Parquet")),
    (0, b"PGDMP", BeforeControl, foreign("a dump of PostgreSQL", "export its table to CSV")),
    (0, b"\x89HDF\r\n\x1A\n", Alone, foreign("an HDF5 file", CONVERT)),
    (0, b"\x93NUMPY", Alone, foreign("an array of NumPy", CONVERT)),
    (0, b"\x80\x04\x95", Alone, foreign("a pickle of Python", CONVERT)),
    (0, b"\x89PNG\r\n\x1A\n", Alone, foreign("a picture", "upload the data itself")),
    (0, b"\xFF\xD8\xFF", Alone, foreign("a picture", "upload the data itself")),
    (0, b"-----BEGIN PGP MESSAGE-----", Alone, foreign("encrypted with PGP", DECRYPT)),
    (0, b"age-encryption.org/v1", Alone, foreign("encrypted with age", DECRYPT)),
    (0, b"Salted__", BeforeControl, foreign("encrypted with OpenSSL", DECRYPT)),
    (0, b"bplist00", Alone, foreign("a binary property list", TO_CSV)),
];

/// What is unpacked, and packed still.
const TWICE: Foreign = foreign("compressed twice", "compress it once");

/// What a text is that begins so, blanks aside, in any case of letters.
const TEXTS: [(&[u8], Foreign); 3] =
    [(b"<!doctype html", PAGE), (b"<html", PAGE), (b"<?xml", foreign("XML", "convert it to CSV or JSON"))];

const PAGE: Foreign =
    foreign("a page of HTML, such as an error or a login in place of the file", "download the file itself");

/// What follows `BZh` and the size of the blocks: a block, or the end of a file without any. Else it may be a name.
const BZIP2_BLOCKS: [&[u8]; 2] = [b"1AY&SY", b"\x17rE8P\x90"];

/// Behind how many bytes a control character tells that they are no text.
const CONTROL_WITHIN: usize = 32;

/// What a file is that begins with `head`, if it is surely none that can be read.
pub(crate) fn kind(head: &[u8]) -> Option<Foreign> {
    if let Some(kind) = utf_32(head) {
        return Some(kind);
    }
    if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        return Some(foreign("not UTF-8: the file begins with a UTF-16 byte order mark", AS_UTF_8));
    }
    if is_wide(head) {
        return Some(foreign("not UTF-8: its bytes are those of UTF-16 without a byte order mark", AS_UTF_8));
    }
    if matches!(head, [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..]) {
        return Some(foreign("zstd that begins with a frame to be skipped", "compress it with zstd alone"));
    }
    let is_one = |(at, bytes, sure, _): &&(usize, &[u8], Sure, Foreign)| {
        let Some(rest) = head.get(*at..).and_then(|head| head.strip_prefix(*bytes)) else { return false };
        match sure {
            Alone => true,
            BeforeControl => rest.iter().take(CONTROL_WITHIN).any(|byte| is_control(*byte)),
            BeforeBlock => BZIP2_BLOCKS.iter().any(|block| rest.get(1..).unwrap_or_default().starts_with(block)),
        }
    };
    KINDS.iter().find(is_one).map(|(.., kind)| *kind)
}

/// What a text is that begins with `head`, if it is surely neither CSV with a header nor JSON.
pub(crate) fn text_kind(head: &[u8]) -> Option<Foreign> {
    let head = head.strip_prefix(&UTF8_MARK).unwrap_or(head).trim_ascii_start();
    let begins = |bytes: &[u8]| head.get(..bytes.len()).is_some_and(|head| head.eq_ignore_ascii_case(bytes));
    TEXTS.iter().find(|(bytes, _)| begins(bytes)).map(|(_, kind)| *kind)
}

/// Why a file is none of Parquet whose end does not say that it is, by its first bytes.
pub(crate) fn not_parquet(head: &[u8]) -> String {
    const NOT: &str = "not a Parquet file";
    if head.starts_with(b"PAR1") || head.starts_with(b"PARE") {
        return "a Parquet file that was cut off: it does not end with PAR1; write it anew, or upload it again"
            .to_owned();
    }
    let text = std::str::from_utf8(head).or_else(|error| match error.error_len() {
        // A character that is cut.
        None => std::str::from_utf8(&head[..error.valid_up_to()]),
        Some(_) => Err(error),
    });
    match (text_kind(head).or_else(|| kind(head)), text) {
        (Some(TWICE), _) => {
            format!("{NOT}, but compressed as a whole; store it as it is, for its pages are compressed within it")
        }
        (Some(kind), _) => format!("{NOT}, but {kind}"),
        (None, Ok(text)) if text.trim_start().starts_with(['{', '[']) => {
            format!("{NOT}, but JSON as it seems; give it the suffix .json")
        }
        (None, Ok(text)) if !text.trim().is_empty() && !text.bytes().any(is_control) => {
            format!("{NOT}, but a text, maybe CSV; give it the suffix .csv")
        }
        _ => format!("{NOT}, or one that was cut off: it does not end with PAR1"),
    }
}

/// No text of ours has it: neither a tab nor a line end.
fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r')
}

/// That it begins with a byte order mark of UTF-32, which in one order of bytes begins with that of UTF-16.
pub(crate) fn utf_32(head: &[u8]) -> Option<Foreign> {
    let is_marked = head.starts_with(b"\xFF\xFE\0\0") || head.starts_with(b"\0\0\xFE\xFF");
    is_marked.then_some(foreign("not UTF-8: the file begins with a UTF-32 byte order mark", AS_UTF_8))
}

/// Whether it looks like characters in two bytes each.
fn is_wide(head: &[u8]) -> bool {
    let (pairs, _) = head.as_chunks::<2>();
    let is = |unit: fn([u8; 2]) -> u16| is_table(&pairs.iter().map(|pair| unit(*pair)).collect::<Vec<_>>());
    // Without it no character is of ASCII.
    head.contains(&0) && (is(u16::from_le_bytes) || is(u16::from_be_bytes))
}

/// Whether these code units of UTF-16 are lines of fields, in whatever script. In UTF-8 a NUL may stand in a field, or
/// at the end of each; then what is beside it is either of a value or between values, never both.
fn is_table(units: &[u16]) -> bool {
    if units.len() < 2 || units.contains(&0) {
        return false;
    }
    if units.iter().all(|unit| *unit < 0x100) {
        return true;
    }
    let narrow: Vec<u8> = units.iter().filter_map(|unit| u8::try_from(*unit).ok()).filter(u8::is_ascii).collect();
    let has_values = narrow.iter().any(u8::is_ascii_alphanumeric);
    let has_ends = narrow.iter().any(|byte| byte.is_ascii_punctuation() || matches!(byte, b'\t' | b'\n' | b'\r'));
    has_values && has_ends && narrow.len() * MOST_PER_NARROW >= units.len() && is_decodable(units)
}

/// Whether each half of a character has its other half; that of the last one may come later.
fn is_decodable(units: &[u16]) -> bool {
    let wrong = char::decode_utf16(units.iter().copied()).filter(Result::is_err).count();
    let is_cut = units.last().is_some_and(|unit| (0xD800..0xDC00).contains(unit));
    wrong == usize::from(is_cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_no_foreign_files() {
        for text in [
            "",
            "P",
            "PK",
            "PKW,Km,Date",
            "BZhours,x,y",
            "BZh9",
            "7z,x",
            "PAR1,x,y,z",
            "Obj,Date,x",
            "\0\0\0\0",
            "ORC\n1\n",
            "FEA1\t2\r\n",
            "<a>,<b>",
            "Rar!,x",
            "[1,2]",
        ] {
            assert_eq!((kind(text.as_bytes()), text_kind(text.as_bytes())), (None, None), "{text}");
        }
        assert!(kind(b"P\0r\0").is_some() && kind(b"\0P\0r").is_some() && kind(b"P\0").is_none());
    }

    #[test]
    fn utf_16_without_a_mark_is_told_in_any_script() {
        for text in [
            "Start date,Project\n2024-01-01,Work\n",
            "Début,Durée\n2024-01-01,7\n",
            "Дата;Проект;Минуты\r\n2024-01-01;Работа;25\r\n",
            "日期,项目,分钟\n2024-01-01,一个很长的项目名称,25\n",
            "תאריך\tפרויקט\n2024-01-01\tעבודה\n",
            "{\"日期\": \"2024-01-01\", \"项目\": \"😀\"}\n",
        ] {
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            for bytes in [&little, &big] {
                assert!(kind(bytes).is_some_and(|kind| kind.is.contains("UTF-16 without")), "{text}");
                assert!(kind(&bytes[..bytes.len() - 1]).is_some(), "{text}, cut");
            }
            assert_eq!(kind(text.as_bytes()), None, "{text}");
        }
        // A NUL here and there is a matter of the row that has it.
        for text in [
            "a,b\n1,\0\n2,3\n",
            "a\0,bc\0\nd\0,ef\0\n",
            "1,\0\n2,\0\n3,\0\n",
            "Дата,Проект\n1,\0\n",
            "ab,\0\0\0\0\n1,2\n",
        ] {
            assert_eq!(kind(text.as_bytes()), None, "{text:?}");
        }
    }
}
