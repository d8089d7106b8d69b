//! What Redshift adds up of a column. The reader adds up the same, digit by digit: `export-table`'s module `sums`.

use sluice::contract::mysql_to_redshift::{ColumnSum, Form};

/// How many digits of a decimal can be added up whole: ten more are left for the number of rows.
pub const WHOLE_DIGITS: u32 = 28;

/// The sum of a column's values; `None` where nothing can be added exactly.
pub fn expression(column: &str, form: Form) -> Option<String> {
    let digits = |pattern: &str| format!("sum(cast(to_char({column}, '{pattern}') as decimal(38,0)))");
    Some(match form {
        Form::Integer { .. } => format!("sum(cast({column} as decimal(38,0)))"),
        Form::Boolean => format!("sum(case when {column} then 1 else 0 end)"),
        Form::Decimal { precision, .. } if precision <= WHOLE_DIGITS => format!("sum({column})"),
        Form::Seconds => format!("sum({column})"),
        // The last 18 digits of each: of all 38 there is no sum.
        Form::Decimal { .. } => format!(
            "sum(cast(right(replace(replace(cast({column} as varchar(64)), '-', ''), '.', ''), 18) as decimal(38,0)))"
        ),
        Form::Date => digits("YYYYMMDD"),
        Form::Timestamp => digits("YYYYMMDDHH24MISSUS"),
        // Whole seconds.
        Form::Time => format!("sum(cast(replace(left(cast({column} as varchar(20)), 8), ':', '') as decimal(38,0)))"),
        Form::Text { .. } | Form::Binary { .. } => format!("sum(octet_length({column}))"),
        Form::Float | Form::Super => return None,
    })
}

/// The text of each value that is hashed; `None` where a value has not one text alone. The reader hashes the same
/// texts.
pub fn hashed(column: &str, form: Form) -> Option<String> {
    Some(match form {
        Form::Integer { .. } | Form::Decimal { .. } | Form::Seconds => format!("cast({column} as varchar(64))"),
        Form::Date => format!("to_char({column}, 'YYYYMMDD')"),
        Form::Timestamp => format!("to_char({column}, 'YYYYMMDDHH24MISSUS')"),
        Form::Text { .. } => column.to_owned(),
        Form::Binary { .. } => format!("lower(to_hex({column}))"),
        Form::Float | Form::Super | Form::Time | Form::Boolean => return None,
    })
}

/// The sum of 32 bits of the MD5 of each value; `None` where a value has not one text alone.
pub fn hashes(column: &str, form: Form) -> Option<String> {
    Some(format!("sum(cast(strtol(left(md5({}), 8), 16) as decimal(38,0)))", hashed(column, form)?))
}

/// What an audit hashes of a value, as `export-table` does in `Cells::write_for_audit`.
pub fn audited(column: &str, form: Form) -> String {
    let text = match (hashed(column, form), form) {
        (Some(text), _) => format!("left(md5({text}), 8)"),
        (None, Form::Boolean) => format!("case when {column} then '1' when not {column} then '0' end"),
        (None, Form::Time) => format!("replace(left(cast({column} as varchar(20)), 8), ':', '')"),
        (None, _) => format!("case when {column} is not null then '+' end"),
    };
    format!("coalesce({text}, '-')")
}

/// A condition that holds if a column has not the values that were read; `None` of one that cannot be compared: of
/// SUPER not even the values can be counted, since it takes the null of JSON for none.
pub fn differs(column: &str, form: Form, read: &ColumnSum) -> Option<String> {
    let count = format!("count({column}) <> {}", read.values);
    let differs = match (expression(column, form), &read.sum) {
        (Some(sum), Some(expected)) => format!("{count} or coalesce({sum}, 0) <> {expected}"),
        _ if form == Form::Super => return None,
        _ => count,
    };
    Some(match (hashes(column, form), read.hash) {
        (Some(sum), Some(expected)) => format!("{differs} or coalesce({sum}, 0) <> {expected}"),
        _ => differs,
    })
}
