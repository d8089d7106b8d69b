//! What is written is what PostgreSQL sends, and is read back.

use super::*;
use proptest::prelude::*;

fn numeric(mantissa: i128, scale: u32) -> Vec<u8> {
    let mut out = Vec::new();
    write_numeric(mantissa, scale, &mut out);
    out
}

/// Fields of 16 bits, as PostgreSQL 15 sends them.
#[test]
fn numerics_are_what_postgresql_sends() {
    for (mantissa, scale, expected) in [
        (0, 0, &[0, 0, 0, 0][..]),
        (0, 5, &[0, 0, 0, 0]),
        (1, 0, &[1, 0, 0, 0, 1]),
        (-15, 1, &[2, 0, 0x4000, 1, 1, 5_000]),
        (150, 2, &[2, 0, 0, 1, 1, 5_000]),
        (12_345_678, 0, &[2, 1, 0, 0, 1_234, 5_678]),
        (3_188_333_333, 8, &[3, 0, 0, 8, 31, 8_833, 3_333]),
        (1, 4, &[1, 0xFFFF, 0, 4, 1]),
        (1_234, 8, &[1, 0xFFFE, 0, 8, 1_234]),
        (1, 5, &[1, 0xFFFE, 0, 5, 1_000]),
        (10_000, 0, &[1, 1, 0, 0, 1]),
        (100_000_001, 4, &[3, 1, 0, 4, 1, 0, 1]),
    ] {
        let field: Vec<u8> = expected.iter().flat_map(|word: &u16| word.to_be_bytes()).collect();
        let len = i32::try_from(field.len()).unwrap();
        assert_eq!(numeric(mantissa, scale), [&len.to_be_bytes()[..], &field].concat(), "{mantissa} / 10^{scale}");
    }
}

/// Fields as PostgreSQL 15 sends them.
#[test]
fn other_fields_are_what_postgresql_sends() {
    let mut out = Vec::new();
    write_boolean(true, &mut out);
    // 2000-01-01 00:00:01.
    write_timestamp(946_684_801_000_000, &mut out);
    write_jsonb("[1]", &mut out).unwrap();
    write_null(&mut out);
    let expected = [
        &[0, 0, 0, 1, 1][..],
        &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0x0F, 0x42, 0x40],
        &[0, 0, 0, 4, 1, b'[', b'1', b']'],
        &[0xFF; 4],
    ];
    assert_eq!(out, expected.concat());
}

#[test]
fn rows_become_columns() {
    let rows = [&[0, 2, 0, 0, 0, 1, b'a', 0, 0, 0, 0][..], &[0, 2, 0, 0, 0, 0, 0, 0, 0, 2, b'b', b'c']].concat();
    let part = [HEADER, &rows, END].concat();
    let fields = vec![vec![0, 0, 0, 1, b'a', 0, 0, 0, 0], vec![0, 0, 0, 0, 0, 0, 0, 2, b'b', b'c']];
    assert_eq!(columns(&part, 2), Some(Columns { row_count: 2, fields }));
    assert_eq!(columns(&[HEADER, END].concat(), 1), Some(Columns { row_count: 0, fields: vec![Vec::new()] }));
    // Another width, a part that is cut off or goes on, a NULL.
    assert_eq!(columns(&part, 1), None);
    for len in 0..part.len() {
        assert_eq!(columns(&part[..len], 2), None, "{len}");
    }
    assert_eq!(columns(&[&part[..], &[0]].concat(), 2), None);
    assert_eq!(columns(&[HEADER, &[0, 1, 0xff, 0xff, 0xff, 0xff], END].concat(), 1), None);
}

#[derive(Clone, Debug)]
struct Row {
    days: i32,
    small: i16,
    integer: i64,
    text: String,
    mantissa: i128,
    scale: u32,
}

fn row() -> impl Strategy<Value = Row> {
    // Dates of all years that PostgreSQL has.
    let values =
        (-2_440_588..2_145_042_541, any::<i16>(), any::<i64>(), "[^\0]{0,9}", any::<i128>(), 0_u32..39, 0_u32..45);
    values.prop_map(|(days, small, integer, text, mantissa, digits, scale)| Row {
        days,
        small,
        integer,
        text,
        mantissa: mantissa / 10_i128.pow(digits),
        scale,
    })
}

/// Splits a column into its fields, without their lengths.
fn split(mut column: &[u8]) -> Vec<&[u8]> {
    let mut fields = Vec::new();
    while let Some((len, rest)) = column.split_first_chunk::<4>() {
        let (field, rest) = rest.split_at(usize::try_from(i32::from_be_bytes(*len)).unwrap());
        fields.push(field);
        column = rest;
    }
    fields
}

/// A decimal without trailing zeros: sign, digits, and the power of ten of the last one.
type Value = (bool, String, i32);

fn normal(is_negative: bool, digits: &str, exponent: i32) -> Value {
    let digits = digits.trim_start_matches('0');
    let trimmed = digits.trim_end_matches('0');
    let exponent = exponent + i32::try_from(digits.len() - trimmed.len()).unwrap();
    if trimmed.is_empty() { (false, String::new(), 0) } else { (is_negative, trimmed.to_owned(), exponent) }
}

/// Decodes a numeric by its definition: the sum of `digit * 10000^(weight - index)`, digits written down one after
/// another.
fn decode(field: &[u8]) -> (Value, i32) {
    let words: Vec<i16> = field.chunks(2).map(|word| i16::from_be_bytes([word[0], word[1]])).collect();
    let [count, weight, sign, scale, ref digits @ ..] = words[..] else { panic!("{words:?}") };
    assert_eq!(usize::try_from(count).unwrap(), digits.len());
    assert!(digits.iter().all(|digit| (0..10_000).contains(digit)), "{digits:?}");
    assert!(digits.first() != Some(&0) && digits.last() != Some(&0), "{digits:?}");
    let text: String = digits.iter().map(|digit| format!("{digit:04}")).collect();
    (normal(sign != 0, &text, 4 * i32::from(weight - count + 1)), i32::from(scale))
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(rows in prop::collection::vec(row(), 0..20)) {
        let mut part = HEADER.to_vec();
        for row in &rows {
            begin_row(5, &mut part);
            write_date(row.days, &mut part);
            write_smallint(row.small, &mut part);
            write_bigint(row.integer, &mut part);
            write_text(&row.text, &mut part).unwrap();
            write_numeric(row.mantissa, row.scale, &mut part);
        }
        part.extend_from_slice(END);
        let columns = columns(&part, 5).unwrap();
        prop_assert_eq!(usize::try_from(columns.row_count).unwrap(), rows.len());
        let [dates, smalls, integers, texts, numerics] = &columns.fields[..] else { panic!("{} columns", columns.fields.len()) };
        let days: Vec<i32> =
            split(dates).into_iter().map(|field| i32::from_be_bytes(field.try_into().unwrap()) + 10_957).collect();
        prop_assert_eq!(days, rows.iter().map(|row| row.days).collect::<Vec<_>>());
        let smalls: Vec<i16> =
            split(smalls).into_iter().map(|field| i16::from_be_bytes(field.try_into().unwrap())).collect();
        prop_assert_eq!(smalls, rows.iter().map(|row| row.small).collect::<Vec<_>>());
        let integers: Vec<i64> =
            split(integers).into_iter().map(|field| i64::from_be_bytes(field.try_into().unwrap())).collect();
        prop_assert_eq!(integers, rows.iter().map(|row| row.integer).collect::<Vec<_>>());
        let texts: Vec<&[u8]> = split(texts);
        prop_assert_eq!(texts, rows.iter().map(|row| row.text.as_bytes()).collect::<Vec<_>>());
        let numerics = split(numerics);
        prop_assert_eq!(numerics.len(), rows.len());
        for (field, row) in numerics.into_iter().zip(&rows) {
            let digits = row.mantissa.unsigned_abs().to_string();
            let expected = normal(row.mantissa < 0, &digits, -i32::try_from(row.scale).unwrap());
            // It shows as many decimals as there are.
            let scale = (-expected.2).max(0);
            prop_assert_eq!(decode(field), (expected, scale));
        }
    }
}
