//! The rows of a frame in PostgreSQL's binary format for COPY, so that the database has nothing to parse while the
//! table is locked.

use copy_binary::{begin_row, write_bigint, write_date, write_numeric, write_smallint, write_text};
use polars::prelude::{DataFrame, DataType, PolarsError, Series};
use sluice::{Error, Kind, Result};

/// The rows of a table.
///
/// # Errors
/// `InvariantBroken` for a column of a type that [`frame`](super::frame) does not make.
pub fn rows(table: &DataFrame) -> Result<Vec<u8>> {
    let columns = table.columns().iter().map(|column| CopyColumn::of(column.as_materialized_series()));
    let columns: Vec<CopyColumn<'_>> = columns.collect::<Result<_>>()?;
    let width = i16::try_from(columns.len()).map_err(|error| broken("more columns than a row can have", error))?;
    // A usual row of three columns has some fifty bytes.
    let mut out = Vec::with_capacity(table.height() * 24 * columns.len());
    for row in 0..table.height() {
        begin_row(width, &mut out);
        for column in &columns {
            column.write(row, &mut out)?;
        }
    }
    Ok(out)
}

/// A column of the frame as slices.
enum CopyColumn<'a> {
    /// Days since 1970-01-01.
    Dates(&'a [i32]),
    Integers(&'a [i64]),
    /// Of the values of a `smallint`.
    States(&'a [i32]),
    Texts(Vec<&'a str>),
    /// The mantissas, all of the same scale.
    Decimals(&'a [i128], u32),
}

impl<'a> CopyColumn<'a> {
    fn of(column: &'a Series) -> Result<Self> {
        let failed = |error: PolarsError| broken("a column that cannot be read", error);
        Ok(match column.dtype() {
            DataType::Date => Self::Dates(column.date().and_then(|days| days.physical().cont_slice()).map_err(failed)?),
            DataType::Int64 => Self::Integers(column.i64().and_then(|values| values.cont_slice()).map_err(failed)?),
            DataType::Int32 => Self::States(column.i32().and_then(|values| values.cont_slice()).map_err(failed)?),
            DataType::String => {
                let texts = column.str().map_err(failed)?;
                Self::Texts(texts.iter().map(|text| text.expect("no column of ours has nulls")).collect())
            }
            DataType::Decimal(_, scale) => {
                let decimals = column.decimal().and_then(|values| values.physical().cont_slice()).map_err(failed)?;
                Self::Decimals(decimals, u32::try_from(*scale).expect("a decimal has at most 38 decimals"))
            }
            other => return Err(Error::new(Kind::InvariantBroken, format!("a column of {other}"))),
        })
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Dates(days) => write_date(days[row], out),
            Self::Integers(values) => write_bigint(values[row], out),
            Self::States(states) => {
                let state = i16::try_from(states[row]).map_err(|error| broken("a state that is none", error))?;
                write_smallint(state, out);
            }
            Self::Texts(texts) => write_text(texts[row], out).map_err(|error| broken("write a row", error))?,
            Self::Decimals(mantissas, scale) => write_numeric(mantissas[row], *scale, out),
        }
        Ok(())
    }
}

fn broken(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::caused(Kind::InvariantBroken, what, error)
}
