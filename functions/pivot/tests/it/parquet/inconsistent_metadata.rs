//! Pages that are not what they say, or much more than it seems.

use super::writer::{
    BYTE_ARRAY, Chunk, Column, DATE, GZIP, INT32, INT64, Kind, PLAIN, RLE_DICTIONARY, SNAPPY, UNCOMPRESSED, UTF8, ZSTD,
    column, file_of, page, plain_page, text,
};
use super::{DAY, KEY, WHOLE, load, read, refusal};
use crate::support::spec;
use flate2::Compression;
use flate2::write::GzEncoder;
use pivot::batch::Batch;
use pivot::plan::Plan;
use std::io::Write;

const DATA: Kind = Kind::Data { encoding: PLAIN };
const INDICES: Kind = Kind::Data { encoding: RLE_DICTIONARY };

/// A file of one row group, of so many rows of one day and of 1 minute each, whose categories are in `pages`.
fn with_categories(rows: usize, is_optional: bool, codec: i32, pages: &[Vec<u8>]) -> Vec<u8> {
    let days = vec![DAY.to_le_bytes().to_vec(); rows];
    let minutes = vec![1_i64.to_le_bytes().to_vec(); rows];
    let columns = [
        column("Start date", INT32, DATE, days),
        Column { is_optional, ..column("Project", BYTE_ARRAY, UTF8, Vec::new()) },
        column("Duration (in minutes)", INT64, None, minutes),
    ];
    let plain = |column: &Column| Chunk { codec: UNCOMPRESSED, pages: plain_page(column, &column.values) };
    let chunks = vec![plain(&columns[0]), Chunk { codec, pages: pages.concat() }, plain(&columns[2])];
    file_of(&columns, &[(rows, chunks)], WHOLE)
}

/// What a file comes to.
fn pivoted(bytes: &[u8]) -> String {
    read(&spec(), KEY, bytes, 8).unwrap_or_else(|error| panic!("{error}")).csv
}

fn in_categories(reason: &str) -> String {
    format!("{KEY}: row group 1, column \"Project\": {reason}")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).unwrap()
}

/// Four rows.
fn categories() -> Vec<u8> {
    [text("Work"), text("Learning"), text("Work"), text("Work")].concat()
}

const FOUR_ROWS: &str = "date,learning_minutes,work_minutes\n2024-01-01,1,3\n";

#[test]
fn dictionaries_that_lie_are_refused() {
    let entries = [text("Work"), text("Learning")].concat();
    let of = |values| page(Kind::Dictionary, values, entries.len(), &entries);
    let indices = |bytes: &[u8]| page(INDICES, 4, bytes.len(), bytes);
    // Eight indices of one bit.
    let usual = || indices(&[1, 0x03, 0b0010]);
    let file = |pages: &[Vec<u8>]| with_categories(4, false, UNCOMPRESSED, pages);
    assert_eq!(pivoted(&file(&[of(2), usual()])), FOUR_ROWS);
    for (pages, reason) in [
        (vec![of(1), usual()], "entry 1 of a dictionary of 1"),
        (vec![of(0), usual()], "entry 0 of a dictionary of 0"),
        (vec![usual()], "entry 0 of a dictionary of 0"),
        (vec![usual(), of(2)], "entry 0 of a dictionary of 0"),
        (vec![of(2), of(2), usual()], "it has more than one dictionary"),
        (vec![of(0), of(2), usual()], "it has more than one dictionary"),
        (vec![of(3), usual()], "a page has fewer values than it says"),
        (vec![of(1 << 30), usual()], "a page has fewer values than it says"),
        // Four times index 2; twice index 0; and so many bits that no index has.
        (vec![of(2), indices(&[2, 8, 2])], "entry 2 of a dictionary of 2"),
        (vec![of(2), indices(&[1, 4, 0])], "a page has fewer values than it says"),
        (vec![of(2), indices(&[33, 8, 0])], "indices of 33 bits"),
    ] {
        assert_eq!(refusal(&spec(), KEY, &file(&pages)), in_categories(reason));
    }
}

#[test]
fn dictionaries_are_bounded() {
    // Of an empty text there is its place.
    const COUNT: usize = 5 << 20;
    let entries = vec![0; COUNT * 4];
    let dictionary = page(Kind::Dictionary, COUNT, entries.len(), &zstd(&entries));
    let reason = in_categories("a dictionary of more than 32 MiB; write the file without one");
    assert_eq!(refusal(&spec(), KEY, &with_categories(4, false, ZSTD, &[dictionary])), reason);
    // Of a text that is too long for any row nothing is said before a row has it.
    let entries = [text("Work"), text(&"x".repeat(2 << 20))].concat();
    let dictionary = page(Kind::Dictionary, 2, entries.len(), &entries);
    let file = |index| {
        let indices = [1, 8, index];
        with_categories(4, false, UNCOMPRESSED, &[dictionary.clone(), page(INDICES, 4, indices.len(), &indices)])
    };
    assert_eq!(pivoted(&file(0)), "date,learning_minutes,work_minutes\n2024-01-01,0,4\n");
    assert_eq!(refusal(&spec(), KEY, &file(1)), format!("{KEY}, row 1: a row of more than 1048576 bytes"));
}

#[test]
fn pages_that_unpack_to_something_else_are_refused() {
    let body = categories();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&body).unwrap();
    for (codec, name, packed) in [
        (SNAPPY, "Snappy", snap::raw::Encoder::new().compress_vec(&body).unwrap()),
        (GZIP, "Gzip", gzip.finish().unwrap()),
        (ZSTD, "Zstd", zstd(&body)),
    ] {
        let file = |len, packed: &[u8]| with_categories(4, false, codec, &[page(DATA, 4, len, packed)]);
        assert_eq!(pivoted(&file(body.len(), &packed)), FOUR_ROWS);
        for len in [0, 1, body.len() - 1, body.len() + 1, 1 << 20] {
            let reason = in_categories(&format!("a page that is no {name} of {len} bytes"));
            assert_eq!(refusal(&spec(), KEY, &file(len, &packed)), reason);
        }
        let reason = in_categories(&format!("a page that is no {name} of {} bytes", body.len()));
        for packed in [&packed[..packed.len() / 2], b"", b"something else"] {
            assert_eq!(refusal(&spec(), KEY, &file(body.len(), packed)), reason);
        }
        let reason = in_categories("a page of more than 32 MiB; write the file with smaller pages");
        assert_eq!(refusal(&spec(), KEY, &file((32 << 20) + 1, &packed)), reason);
    }
    let large = page(DATA, 4, 10, &vec![0; (32 << 20) + 1]);
    let reason = in_categories("a page of more than 32 MiB; write the file with smaller pages");
    assert_eq!(refusal(&spec(), KEY, &with_categories(4, false, UNCOMPRESSED, &[large])), reason);
}

#[test]
fn levels_that_lie_are_refused() {
    // Four values that are there.
    let levels = [8_u8, 1];
    let file = |codec, levels_len, len, body: &[u8]| {
        let kind = Kind::DataV2 { encoding: PLAIN, levels_len };
        with_categories(4, true, codec, &[page(kind, 4, len, body)])
    };
    let plain = [&levels[..], &categories()[..]].concat();
    let packed = [&levels[..], &zstd(&categories())[..]].concat();
    let len = plain.len();
    assert_eq!(pivoted(&file(UNCOMPRESSED, 2, len, &plain)), FOUR_ROWS);
    assert_eq!(pivoted(&file(ZSTD, 2, len, &packed)), FOUR_ROWS);
    let not_packed = format!("a page that is no Zstd of {} bytes", len - 1);
    for (bytes, reason) in [
        (file(UNCOMPRESSED, len + 1, len, &plain), "the levels of a page are cut off"),
        (file(ZSTD, packed.len() + 1, len, &packed), "the levels of a page are cut off"),
        (file(ZSTD, 2, 1, &packed), "the levels of a page are larger than the page"),
        (file(ZSTD, 1, len, &packed), not_packed.as_str()),
        (file(UNCOMPRESSED, 0, len, &plain), "a page has fewer values than it says"),
        (file(UNCOMPRESSED, 1, len, &plain), "a run of values is cut off"),
    ] {
        assert_eq!(refusal(&spec(), KEY, &bytes), in_categories(reason));
    }
}

#[test]
fn pages_without_values_are_not_unpacked() {
    let no_zstd = b"something else";
    let kinds = [DATA, Kind::DataV2 { encoding: 99, levels_len: 1 << 20 }, INDICES];
    let empty = vec![Vec::from(kinds.map(|kind| page(kind, 0, 32 << 20, no_zstd))); 200].concat();
    let body = categories();
    let usual = page(DATA, 4, body.len(), &zstd(&body));
    let dictionary = page(Kind::Dictionary, 0, 32 << 20, no_zstd);
    let pages = [vec![dictionary], empty.clone(), vec![usual.clone()], empty.clone()].concat();
    assert_eq!(pivoted(&with_categories(4, false, ZSTD, &pages)), FOUR_ROWS);
    // What is behind the last row is looked at, however much of nothing comes before it.
    let pages = [vec![usual.clone()], empty, vec![usual]].concat();
    let reason = in_categories("it has more values than its row group has rows");
    assert_eq!(refusal(&spec(), KEY, &with_categories(4, false, ZSTD, &pages)), reason);
}

#[test]
fn a_step_ends_after_some_pages_whatever_they_hold() {
    const ROWS: usize = 8;
    let body = [text("Work"), vec![0; 8 << 20]].concat();
    let large = page(DATA, 1, body.len(), &zstd(&body));
    // Not unpacked, but looked at.
    let empty = page(DATA, 0, 0, &vec![0; 5 << 20]);
    let bytes = with_categories(ROWS, false, ZSTD, &[vec![large; ROWS], vec![empty; 3]].concat());
    let plan = Plan::new(&spec()).unwrap();
    let mut batch = Batch::new(&plan);
    let mut steps = 0;
    load(&mut batch, KEY, &bytes, 8, |_| steps += 1).unwrap();
    assert_eq!((batch.tally.rows_read, batch.tally.rejects.count), (ROWS as u64, 0));
    assert!((ROWS + 2..=ROWS + 4).contains(&steps), "{steps} steps");
}
