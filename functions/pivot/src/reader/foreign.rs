//! Files that are neither CSV nor JSON, told by their first bytes: an error that names what it is helps more than one
//! about a header.

/// How many bytes are looked at.
pub(crate) const HEAD_BYTES: usize = 10;

/// What a file begins with, and what it is then.
const KINDS: [(&[u8], &str); 14] = [
    (b"PK\x03\x04", "a ZIP file or workbook; convert it to CSV"),
    (b"PK\x05\x06", "a ZIP file without content"),
    (b"PK\x07\x08", "a ZIP file in parts; convert it to CSV"),
    (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "a workbook or another document of Microsoft Office; convert it to CSV"),
    (b"BZh", "compressed with bzip2; compress it with gzip or zstd, or not at all"),
    (b"\xFD7zXZ\0", "compressed with xz; compress it with gzip or zstd, or not at all"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z file; compress it with gzip or zstd, or not at all"),
    (b"\x04\x22\x4D\x18", "compressed with LZ4; compress it with gzip or zstd, or not at all"),
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
    if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        return Some("not UTF-8: the file begins with a UTF-16 byte order mark; export it as UTF-8");
    }
    if is_wide(head) {
        return Some("not UTF-8: every other byte is NUL, as in UTF-16 without a byte order mark; export it as UTF-8");
    }
    if matches!(head, [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..]) {
        return Some("zstd that begins with a frame to be skipped; compress it with zstd alone");
    }
    let (magic, kind) = KINDS.iter().find(|(magic, _)| head.starts_with(magic))?;
    let is_one = *magic != b"BZh" || BZIP2_BLOCKS.iter().any(|block| head.get(4..) == Some(block));
    is_one.then_some(kind)
}

/// Whether it looks like characters of ASCII in two bytes each.
fn is_wide(head: &[u8]) -> bool {
    let (pairs, _) = head.as_chunks::<2>();
    let is = |low: usize| pairs.iter().all(|pair| pair[1 - low] == 0 && pair[low] != 0);
    pairs.len() > 1 && (is(0) || is(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_no_foreign_files() {
        for text in
            ["", "P", "PK", "PKW,Km,Date", "BZhours,x,y", "BZh9", "7z,x", "PAR1,x,y,z", "Obj,Date,x", "\0\0\0\0"]
        {
            assert_eq!(kind(&text.as_bytes()[..text.len().min(HEAD_BYTES)]), None, "{text}");
        }
        assert_eq!(kind(&b"BZh91AY&SY\x94"[..HEAD_BYTES]), Some(KINDS[4].1));
        assert!(kind(b"P\0r\0").is_some() && kind(b"\0P\0r").is_some() && kind(b"P\0").is_none());
    }
}
