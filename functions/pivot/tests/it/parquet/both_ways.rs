//! Parquet where the usual way and the general one both apply: they come to the same.

use super::writer::{
    BYTE_ARRAY, Column, DATE, DECIMAL, DOUBLE, INT32, INT64, TIMESTAMP_MICROS, UTF8, column, file, text,
};
use super::{Cut, WHOLE, load};
use crate::general::parquet::outcome;
use crate::general::spec;
use crate::general::usual::{cases, compare, usual};
use crate::support::whole;
use proptest::prelude::*;
use serde_json::json;
use sluice::Kind;

/// Values of a column in one of some types, and nulls.
fn values(rows: usize, name: &'static str, kinds: &'static [usize]) -> impl Strategy<Value = Column> {
    let numbers = prop::collection::vec(prop::option::weighted(0.9, -200_i32..20_000), rows);
    (numbers, prop::sample::select(kinds)).prop_map(move |(numbers, kind)| {
        let (physical, converted) =
            [(BYTE_ARRAY, UTF8), (INT32, DATE), (INT64, DECIMAL), (DOUBLE, None), (INT64, TIMESTAMP_MICROS)][kind];
        let of = |number: i32| match kind {
            0 => text(["a", "b", "c", "2024-03-01", "1.50", "x, y", ""][number.unsigned_abs() as usize % 7]),
            1 => number.to_le_bytes().to_vec(),
            2 => i64::from(number).to_le_bytes().to_vec(),
            3 => (f64::from(number) / 8.0).to_le_bytes().to_vec(),
            _ => (i64::from(number) * 3_600_000_000).to_le_bytes().to_vec(),
        };
        let values = numbers.into_iter().map(|number| number.map(of)).collect();
        let scale = if kind == 2 { 2 } else { 0 };
        Column { scale, is_optional: true, values, ..column(name, physical, converted, Vec::new()) }
    })
}

/// Texts of categories.
fn categories(rows: usize) -> impl Strategy<Value = Column> {
    prop::collection::vec(prop::option::weighted(0.9, prop::sample::select(vec!["a", "b", "c"])), rows).prop_map(|on| {
        let values = on.into_iter().map(|on| on.map(text)).collect();
        Column { is_optional: true, values, ..column("on", BYTE_ARRAY, UTF8, Vec::new()) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(400)))]
    #[test]
    fn the_general_way_is_the_usual_one_in_parquet(
        columns in (1..12_usize).prop_flat_map(|rows| (values(rows, "k", &[0, 0, 1, 2, 3, 4]), categories(rows), values(rows, "n", &[0, 2, 3]))),
        of in usual(), group_rows in 1..8_usize, page_rows in 1..8_usize,
    ) {
        // A number is no date for the usual way, at once, and for the general way row by row.
        prop_assume!(!of.is_date() || [UTF8, DATE, TIMESTAMP_MICROS].contains(&columns.0.converted));
        let bytes = file(&[columns.0, columns.1, columns.2], Cut { group_rows, page_rows, ..WHOLE });
        let spec = of.spec(".parquet", false);
        let general = outcome(&spec, "x.parquet", &bytes);
        let usual = whole(&spec, &[("x.parquet", &bytes)], |file, bytes, batch| load(batch, &file.key, bytes, bytes.len(), |_| ()));
        match general {
            Ok(mut general) => {
                general.rows.sort();
                compare(Ok(general), usual);
            }
            // A bad file fails the run, or is set aside.
            Err(reason) => match usual {
                Ok(usual) => prop_assert_eq!(usual.bad.len(), 1, "{}", reason),
                Err(error) => prop_assert_eq!(error.kind(), Kind::InvalidSource, "{}", reason),
            },
        }
    }
}

/// No rows at all is a good file, also if its columns have types that no value could be read from.
#[test]
fn without_rows_any_types_are_good() {
    let of = |values: Vec<Vec<u8>>| {
        let others = [
            column("on", BYTE_ARRAY, UTF8, values.iter().map(|_| text("a")).collect()),
            column("n", BYTE_ARRAY, UTF8, values.iter().map(|_| text("1")).collect()),
        ];
        let key = column("k", DOUBLE, None, values);
        file(&std::iter::once(key).chain(others).collect::<Vec<_>>(), WHOLE)
    };
    let source = json!({
        "suffix": ".parquet", "columns": {"k": {"type": "date"}, "on": {}, "n": {"type": "number"}},
    });
    let shape = json!({"keys": ["k"], "values": {"n": "sum"}, "pivot": {"on": "on", "into": ["a", "b"]}});
    let spec = spec(source, shape, "all_files");
    assert!(spec.is_usual());
    let read = |bytes: &[u8]| {
        whole(&spec, &[("x.parquet", bytes)], |file, bytes, batch| load(batch, &file.key, bytes, bytes.len(), |_| ()))
    };
    let empty = of(Vec::new());
    let usual = read(&empty).unwrap();
    assert_eq!((usual.bad.len(), usual.loaded.len(), usual.rows), (0, 1, [0; 3]));
    let general = outcome(&spec, "x.parquet", &empty).unwrap();
    assert_eq!((general.bad_files.len(), general.rows.len()), (0, 0));
    // With a row, both ways refuse the file.
    let one = of(vec![0.5_f64.to_le_bytes().to_vec()]);
    assert_eq!(read(&one).unwrap().bad.len(), 1);
    assert!(!outcome(&spec, "x.parquet", &one).unwrap().bad_files.is_empty());
}
