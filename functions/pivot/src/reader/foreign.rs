//! Files that are neither CSV nor JSON, or not in UTF-8, told by their first bytes: an error that names what it is
//! helps more than one about a header.

/// How many bytes are looked at. Most kinds are told by ten; UTF-16 without a mark by its digits, commas and line ends,
/// which a header in another script than Latin need not have.
pub(crate) const HEAD_BYTES: usize = 4_096;

/// Of so many characters one at least is of ASCII, where others are not: a file has columns and lines.
const MOST_PER_NARROW: usize = 20;

/// What a file begins with, and what it is then.
const KINDS: [(&[u8], &str); 15] = [
    (b"PK\x03\x04", "a ZIP file or workbook; convert it to CSV"),
    (b"PK\x05\x06", "a ZIP file without content"),
    (b"PK\x07\x08", "a ZIP file in parts; convert it to CSV"),
    (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "a workbook or another document of Microsoft Office; convert it to CSV"),
    (b"BZh", "compressed with bzip2; compress it with gzip or zstd, or not at all"),
    (b"\xFD7zXZ\0", "compressed with xz; compress it with gzip or zstd, or not at all"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z file; compress it with gzip or zstd, or not at all"),
    (b"\x04\x22\x4D\x18", "compressed with LZ4; compress it with gzip or zstd, or not at all"),
    (b"\x1F\x9D", "compressed with compress, as .Z; compress it with gzip or zstd, or not at all"),
    (b"\x1F\x8B", "compressed twice; compress it once"),
    (b"\x28\xB5\x2F\xFD", "compressed twice; compress it once"),
    (b"PAR1\x15", "a Parquet file; give it the suffix .parquet"),
    (b"Obj\x01", "an Avro file; convert it to CSV, JSON or Parquet"),
    (b"SQLite for", "a SQLite database; convert its table to CSV"),
    (b"%PDF-", "a PDF document; convert it to CSV"),
];

/// What follows `BZh` and the size of the blocks: a block, or the end of a file without any. Else it may be a name.
const BZIP2_BLOCKS: [&[u8]; 2] = [b"1AY&SY", b"\x17rE8P\x90"];

/// What a file is that begins with `head`, if it is surely none that can be read.
pub(crate) fn kind(head: &[u8]) -> Option<&'static str> {
    if let Some(kind) = utf_32(head) {
        return Some(kind);
    }
    if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        return Some("not UTF-8: the file begins with a UTF-16 byte order mark; export it as UTF-8");
    }
    if is_wide(head) {
        return Some("not UTF-8: its bytes are those of UTF-16 without a byte order mark; export it as UTF-8");
    }
    if matches!(head, [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..]) {
        return Some("zstd that begins with a frame to be skipped; compress it with zstd alone");
    }
    let (magic, kind) = KINDS.iter().find(|(magic, _)| head.starts_with(magic))?;
    let rest = head.get(4..).unwrap_or_default();
    let is_one = *magic != b"BZh" || BZIP2_BLOCKS.iter().any(|block| rest.starts_with(block));
    is_one.then_some(kind)
}

/// That it begins with a byte order mark of UTF-32, which in one order of bytes begins with that of UTF-16.
pub(crate) fn utf_32(head: &[u8]) -> Option<&'static str> {
    let is_marked = head.starts_with(b"\xFF\xFE\0\0") || head.starts_with(b"\0\0\xFE\xFF");
    is_marked.then_some("not UTF-8: the file begins with a UTF-32 byte order mark; export it as UTF-8")
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
        for text in
            ["", "P", "PK", "PKW,Km,Date", "BZhours,x,y", "BZh9", "7z,x", "PAR1,x,y,z", "Obj,Date,x", "\0\0\0\0"]
        {
            assert_eq!(kind(text.as_bytes()), None, "{text}");
        }
        assert_eq!(kind(b"BZh91AY&SY\x94"), Some(KINDS[4].1));
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
                assert!(kind(bytes).is_some_and(|kind| kind.contains("UTF-16 without")), "{text}");
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
