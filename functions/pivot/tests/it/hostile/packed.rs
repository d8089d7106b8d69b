//! What is wrong with a compressed file: around the text, or within it.

use super::*;
use crate::packing::{gzip, zstd};

/// What flate2 says of a member whose checksum or length does not match.
const NO_CHECKSUM: &str = "corrupt gzip stream does not have a matching checksum";

/// What it says of a member that ends within its header or its trailer.
const CUT_OFF: &str = "unexpected end of file";

/// What it says of a member that ends within its data.
const CUT_WITHIN_DATA: &str = "incomplete deflate stream";

const NOT_GZIP: &str = "invalid gzip header";

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

const WINDOW_TOO_LARGE: &str = "Frame requires too much memory for decoding";

pub(super) fn cases() -> Vec<Case> {
    [gzip_members(), gzip_headers(), zstd_frames(), zstd_headers(), texts_within()].into_iter().flatten().collect()
}

fn corrupt(name: &str, bytes: impl Into<Vec<u8>>, cause: &str) -> Case {
    ended(name, bytes, &[], &format!("{KEY}: corrupt or cut off compressed file: {cause}"))
}

/// Turns a bit of the byte that stands `from_end` bytes before the end.
fn flipped(mut bytes: Vec<u8>, from_end: usize) -> Vec<u8> {
    let place = bytes.len() - from_end;
    bytes[place] ^= 1;
    bytes
}

fn gzip_members() -> Vec<Case> {
    let whole = gzip(file(GOOD));
    let corrupt_at_end = |name: &str, bytes: &[u8]| corrupt(name, bytes, NO_CHECKSUM);
    let cut_off = |name: &str, bytes: &[u8]| corrupt(name, bytes, CUT_OFF);
    let cut_within = |name: &str, bytes: &[u8]| corrupt(name, bytes, CUT_WITHIN_DATA);
    vec![
        loaded("gzip", &whole[..], 1, &[], &[GOOD_SUM]),
        loaded("gzip of nothing", gzip(""), 0, &[], &[]),
        loaded("gzip in two members", [gzip(HEADER), gzip(GOOD)].concat(), 1, &[], &[GOOD_SUM]),
        cut_off("gzip, cut after its magic", &whole[..2]),
        cut_off("gzip, cut within its header", &whole[..5]),
        cut_within("gzip, cut after its header", &whole[..10]),
        cut_within("gzip, cut within its data", &whole[..whole.len() / 2]),
        cut_off("gzip, cut before its checksum", &whole[..whole.len() - 8]),
        cut_off("gzip, cut within its checksum", &whole[..whole.len() - 5]),
        cut_off("gzip, without its last byte", &whole[..whole.len() - 1]),
        corrupt_at_end("gzip, another checksum", &flipped(whole.clone(), 8)),
        corrupt_at_end("gzip, another length", &flipped(whole.clone(), 4)),
        cut_within("gzip, its second member cut", &[&whole[..], &gzip(GOOD)[..20]].concat()),
        corrupt_at_end(
            "gzip, the first of two members with another checksum",
            &[flipped(whole.clone(), 8), gzip(GOOD)].concat(),
        ),
        cut_off("gzip and a few bytes after it", &[&whole[..], b"xyz"].concat()),
        corrupt("gzip and text after it", [&whole[..], b"Work,1,2024-01-01,x\n"].concat(), NOT_GZIP),
        corrupt("gzip and zeros after it", [&whole[..], &[0; 512]].concat(), NOT_GZIP),
    ]
}

fn gzip_headers() -> Vec<Case> {
    let with_header = |header: [u8; 4], rest: &[u8]| [&header[..], &[0; 6], rest].concat();
    vec![
        corrupt("gzip, a reserved flag", with_header([0x1F, 0x8B, 8, 0xE0], b""), NOT_GZIP),
        corrupt("gzip, another method", with_header([0x1F, 0x8B, 7, 0], b""), NOT_GZIP),
        corrupt("gzip, a block of no type", with_header([0x1F, 0x8B, 8, 0], &[7]), "corrupt deflate stream"),
        corrupt(
            "gzip, a file name that never ends",
            with_header([0x1F, 0x8B, 8, 8], &[b'n'; 70_000]),
            "gzip header field too long",
        ),
    ]
}

fn zstd_frames() -> Vec<Case> {
    let whole = zstd(file(GOOD));
    vec![
        loaded("zstd", &whole[..], 1, &[], &[GOOD_SUM]),
        loaded("zstd of nothing", zstd(""), 0, &[], &[]),
        loaded("zstd in two frames", [zstd(HEADER), zstd(GOOD)].concat(), 1, &[], &[GOOD_SUM]),
        corrupt("zstd, cut after its magic", &whole[..4], "incomplete frame"),
        corrupt("zstd, cut within its data", &whole[..whole.len() / 2], "incomplete frame"),
        corrupt("zstd, without its last byte", &whole[..whole.len() - 1], "incomplete frame"),
        corrupt("zstd, its second frame cut", [&whole[..], &zstd(GOOD)[..12]].concat(), "incomplete frame"),
        corrupt("zstd, another checksum", flipped(whole.clone(), 1), "Restored data doesn't match checksum"),
        corrupt("zstd and a few bytes after it", [&whole[..], b"xyz"].concat(), "Unknown frame descriptor"),
        corrupt("zstd and text after it", [&whole[..], GOOD.as_bytes()].concat(), "Unknown frame descriptor"),
        refused(
            "three bytes of zstd's magic",
            &whole[..3],
            concat!(
                r#"line 1: the column "Start date" is missing"#,
                r#"; the header has 1 column; column 1 is not UTF-8; is it Windows-1252 (Latin-1)? Export the file as UTF-8"#
            ),
        ),
        // Told by its content, a file is zstd only from its first byte on.
        ended(
            "zstd after a frame to be skipped",
            [&b"\x50\x2A\x4D\x18\x04\0\0\0skip"[..], &whole].concat(),
            &[],
            &format!("{KEY}: zstd that begins with a frame to be skipped; compress it with zstd alone"),
        ),
    ]
}

fn zstd_headers() -> Vec<Case> {
    // A frame of one block that is stored as it is.
    let with_header = |header: &[u8]| {
        let text = file(GOOD);
        let block = u32::try_from((text.len() << 3) | 1).unwrap().to_le_bytes();
        [&ZSTD_MAGIC[..], header, &block[..3], text.as_bytes()].concat()
    };
    let block_of_no_type = [&ZSTD_MAGIC[..], &[0, 0x58, 7, 0, 0]].concat();
    vec![
        loaded("zstd, the largest window that is read", with_header(&[0, 13 << 3]), 1, &[], &[GOOD_SUM]),
        corrupt("zstd, a window that is a little larger", with_header(&[0, (13 << 3) | 1]), WINDOW_TOO_LARGE),
        corrupt("zstd, a window of 128 MiB", with_header(&[0, 17 << 3]), WINDOW_TOO_LARGE),
        corrupt("zstd, a window of 2 GiB", with_header(&[0, 21 << 3]), WINDOW_TOO_LARGE),
        corrupt("zstd, one segment of 1 GiB", with_header(&[0xA0, 0, 0, 0, 0x40]), WINDOW_TOO_LARGE),
        corrupt("zstd, a reserved flag", with_header(&[8, 0x58]), "Unsupported frame parameter"),
        corrupt("zstd, a dictionary that is not there", with_header(&[1, 0x58, 7]), "Dictionary mismatch"),
        corrupt("zstd, a block of no type", block_of_no_type, "Data corruption detected"),
    ]
}

fn texts_within() -> Vec<Case> {
    let text = file(GOOD);
    let utf_16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let foreign = |name: &str, bytes: Vec<u8>, what: &str| ended(name, bytes, &[], &format!("{KEY}: {what}"));
    let twice = "compressed twice; compress it once";
    let wrong_then_too_long = file(&format!("Work,x,2024-01-01,x\nWork,{},2024-01-01,x\n{GOOD}", "9".repeat(38)));
    let bad = ["line 2, column 2 (Duration (in minutes)): not a number"];
    let too_long = concat!(
        "a.csv, line 4, column 2 (Duration (in minutes)): ",
        "the sum that this value belongs to needs more than 38 digits",
    );
    vec![
        foreign("gzip within gzip", gzip(gzip(&text)), twice),
        foreign("gzip within zstd", zstd(gzip(&text)), twice),
        foreign("zstd within gzip", gzip(zstd(&text)), twice),
        loaded("UTF-16 within gzip", gzip(&utf_16), 1, &[], &[GOOD_SUM]),
        loaded("UTF-16 within zstd", zstd(&utf_16), 1, &[], &[GOOD_SUM]),
        loaded("a byte order mark within gzip", gzip(format!("\u{feff}{text}")), 1, &[], &[GOOD_SUM]),
        // The rejected row is in quarantine, once.
        ended("gzip, a sum of 39 digits after a bad row", gzip(&wrong_then_too_long), &bad, too_long),
        ended("zstd, a sum of 39 digits after a bad row", zstd(&wrong_then_too_long), &bad, too_long),
    ]
}
