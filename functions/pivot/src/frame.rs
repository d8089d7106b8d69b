//! Sums to a frame, sorted by its key.

pub mod copy;

use crate::sums::{Key, Keys, Sums};
use crate::value::decimal::{Decimal, MAX_DIGITS};
use polars::prelude::{
    Column, DataFrame, DataType, Int32Chunked, Int128Chunked, IntoSeries, NamedFrom, PlSmallStr, PolarsError, Series,
    SortMultipleOptions,
};
use sluice::contract::{FILE_COLUMN, STATE_COLUMN};
use sluice::{Error, Kind, Result};

/// The sums as a table: one row per key in order, one decimal column per category; before the key its state, if there
/// are `states`.
///
/// # Errors
/// `InvalidSource` if a column needs more than 38 digits to show its largest sum with its most decimals.
pub fn frame(sums: &Sums, states: Option<Vec<i16>>, key: &str, values: &[String]) -> Result<DataFrame> {
    let mut columns = Vec::with_capacity(values.len() + 2);
    if let Some(states) = states {
        // polars itself has smaller integers only if it is built for them.
        let states: Vec<i32> = states.into_iter().map(i32::from).collect();
        columns.push(Column::from(Series::new(PlSmallStr::from(STATE_COLUMN), states)));
    }
    columns.push(Column::from(key_series(sums, key).map_err(internal)?));
    for (category, name) in values.iter().enumerate() {
        columns.push(Column::from(value_series(sums, category, name)?));
    }
    let frame = DataFrame::new(sums.len(), columns).map_err(internal)?;
    frame.sort([key], SortMultipleOptions::default()).map_err(internal)
}

/// A table with one more column in front: [`FILE_COLUMN`], in every row `file`.
///
/// # Errors
/// `InvariantBroken` if polars cannot make it.
pub fn of_file(mut frame: DataFrame, file: i64) -> Result<DataFrame> {
    let files = vec![file; frame.height()];
    let files = Column::from(Series::new(PlSmallStr::from(FILE_COLUMN), files));
    frame.insert_column(0, files).map_err(internal)?;
    Ok(frame)
}

fn key_series(sums: &Sums, name: &str) -> std::result::Result<Series, PolarsError> {
    let name = PlSmallStr::from(name);
    match sums.keys() {
        Keys::Dates(rows) => {
            let days = rows.dates().iter().map(|date| date.days()).collect();
            Int32Chunked::from_vec(name, days).into_series().cast(&DataType::Date)
        }
        keys @ Keys::Texts(_) => {
            let texts = keys.in_order().into_iter().map(|key| match key {
                Key::Text(text) => text,
                Key::Date(_) => unreachable!("a date among texts"),
            });
            Ok(Series::new(name, texts.collect::<Vec<_>>()))
        }
    }
}

fn value_series(sums: &Sums, category: usize, name: &str) -> Result<Series> {
    let scale = sums.column(category).map(|sum| sum.scale).max().unwrap_or_default();
    let mantissas: Option<Vec<i128>> = sums.column(category).map(|sum: Decimal| sum.rescaled(scale)).collect();
    let mantissas = mantissas.ok_or_else(|| {
        let what = format!("the sums of {name} need more than {MAX_DIGITS} digits, {scale} of them decimals");
        Error::new(Kind::InvalidSource, what)
    })?;
    let decimals = Int128Chunked::from_vec(PlSmallStr::from(name), mantissas);
    let decimals = decimals.into_decimal(MAX_DIGITS as usize, scale as usize).map_err(internal)?;
    Ok(decimals.into_series())
}

fn internal(error: PolarsError) -> Error {
    Error::caused(Kind::InvariantBroken, "build the table", error)
}
