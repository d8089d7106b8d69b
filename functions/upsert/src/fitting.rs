//! Staged values become those of the types that the table's columns have, or are refused by column.

use crate::casts::Cast;
use crate::merged::{FIRST_KEYS, Keys, Merged};
use crate::target::Target;
use postgres::sql_error::classify;
use sluice::{Error, Kind, Result};
use sqlx::{AssertSqlSafe, PgConnection};

/// Which columns are to be cast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// The keys, which are compared with those of the target.
    Keys,
    /// The others.
    Values,
}

/// Gives columns of a temporary table the types that those of the target have. Where they have them already, nothing is
/// done.
///
/// # Errors
/// `InvalidSource` if a value cannot be cast exactly, naming the column, how many keys have one, and which of
/// them are dates, with the first keys in `merged`; others as [`classify`].
pub(crate) async fn fit(
    connection: &mut PgConnection,
    target: &Target<'_>,
    table: &str,
    of: Of,
    merged: &mut Merged,
) -> Result<()> {
    let columns: Vec<_> = target.columns.iter().filter(|column| column.is_key == (of == Of::Keys)).collect();
    let cast: Vec<_> = columns.into_iter().filter(|column| column.cast != Cast::None).collect();
    if cast.is_empty() {
        return Ok(());
    }
    let conditions: Vec<String> = (cast.iter().enumerate())
        .filter_map(|(place, column)| match &column.cast {
            Cast::If(condition) => {
                Some(format!("({place}, {})", condition.replace("{}", &format!("staged.{}", column.quoted))))
            }
            Cast::None | Cast::All => None,
        })
        .collect();
    let failed = |error| classify(format!("cast values to the types of {}", target.full_name), error);
    if !conditions.is_empty() {
        let (shown, conditions) = (target.names.shown("staged"), conditions.join(", "));
        let misfits: Vec<(i32, i64, Vec<String>)> = sqlx::query_as(AssertSqlSafe(format!(
            "select test.place, count(distinct {shown}), (array_agg(distinct {shown} order by {shown}))[1:{FIRST_KEYS}]
             from {table} staged, lateral (values {conditions}) as test (place, fits)
             where not test.fits
             group by test.place order by test.place"
        )))
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
        let told: Vec<String> = (misfits.into_iter())
            .filter_map(|(place, count, first)| {
                let column = cast.get(usize::try_from(place).ok()?)?;
                let keys = Keys { count: count.unsigned_abs(), first };
                let (name, sql_type) = (&column.name, &column.sql_type);
                let what = format!(
                    "the column {name:?} is {sql_type}, which does not hold what {} would get{}",
                    keys.counted(),
                    keys.told(target.names.keys.len())
                );
                merged.refuse(&what, &keys.first);
                Some(what)
            })
            .collect();
        if !told.is_empty() {
            return Err(Error::new(Kind::InvalidSource, format!("target {}: {}", target.full_name, told.join("; "))));
        }
    }
    let alter: Vec<String> = (cast.iter())
        .map(|column| {
            let collation = column.collation.as_ref().map(|name| format!(" collate {name}")).unwrap_or_default();
            let (name, sql_type) = (&column.quoted, &column.sql_type);
            format!("alter {name} type {sql_type}{collation} using {name}::{sql_type}")
        })
        .collect();
    sqlx::raw_sql(AssertSqlSafe(format!("alter table {table} {}", alter.join(", "))))
        .execute(connection)
        .await
        .map_err(failed)
        .map(|_| ())
}
