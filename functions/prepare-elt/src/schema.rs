//! The columns of a Parquet file. Pure.

use parquet_metadata::{Column as Stored, File, Form};
use sluice::contract::athena_elt::Column;

/// Whether a file has these columns, of these types: one that it has not would be NULL in every row, and one of another
/// type is not read. What else it has is not looked at.
///
/// # Errors
/// What is missing, or another type than the spec says.
pub(crate) fn check(file: &File, wanted: &[Column]) -> Result<(), String> {
    for column in wanted {
        let from = &column.from;
        let found: Vec<&Stored> = file.columns.iter().filter(|it| it.name.eq_ignore_ascii_case(from)).collect();
        let [stored] = found[..] else {
            return Err(match found.is_empty() {
                true => format!("it has no column {from:?}; the columns of Parquet files are bound by name"),
                false => format!("it has {} columns {from:?} that differ in upper and lower case only", found.len()),
            });
        };
        let kind = written(stored.form);
        if kind.as_deref() != Ok(column.kind.as_str()) {
            let kind = kind.unwrap_or_else(ToOwned::to_owned);
            return Err(format!("the column {from:?} is {kind}, not {}", column.kind));
        }
    }
    Ok(())
}

/// The type as the spec writes it; or what it is if the spec has no word for it.
fn written(form: Form) -> Result<String, &'static str> {
    Ok(match form {
        Form::Boolean => "boolean".to_owned(),
        Form::Integer => "integer".to_owned(),
        Form::Bigint => "bigint".to_owned(),
        Form::Double => "double".to_owned(),
        Form::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        Form::Text => "varchar".to_owned(),
        Form::Date => "date".to_owned(),
        Form::Timestamp => "timestamp".to_owned(),
        Form::Other(name) => return Err(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(columns: &[(&str, Form)]) -> File {
        let column = |(name, form): &(&str, Form)| Stored { name: (*name).into(), form: *form, nulls: None };
        File { columns: columns.iter().map(column).collect(), rows: 1, ..File::default() }
    }

    fn wanted(columns: &[(&str, &str)]) -> Vec<Column> {
        let column =
            |(from, kind): &(&str, &str)| Column { name: "x".into(), from: (*from).into(), kind: (*kind).into() };
        columns.iter().map(column).collect()
    }

    #[test]
    fn columns_are_found_by_name_whatever_else_there_is() {
        let file = file(&[
            ("more", Form::Other("a list")),
            ("Title", Form::Text),
            ("movieId", Form::Bigint),
            ("price", Form::Decimal { precision: 9, scale: 2 }),
        ]);
        let wanted = wanted(&[("movieId", "bigint"), ("title", "varchar"), ("price", "decimal(9,2)")]);
        assert_eq!(check(&file, &wanted), Ok(()));
    }

    #[test]
    fn another_type_or_no_column_is_told() {
        let decimal = Form::Decimal { precision: 9, scale: 2 };
        for (columns, from, kind, told) in [
            (&[("id", Form::Integer)][..], "id", "bigint", "the column \"id\" is integer, not bigint"),
            (&[("id", decimal)], "id", "decimal(10,2)", "the column \"id\" is decimal(9,2), not decimal(10,2)"),
            (&[("id", Form::Other("FLOAT"))], "id", "double", "the column \"id\" is FLOAT, not double"),
            (&[("ids", Form::Bigint)], "id", "bigint", "it has no column \"id\""),
            (&[("id", Form::Bigint), ("ID", Form::Bigint)], "Id", "bigint", "it has 2 columns \"Id\""),
        ] {
            let what = check(&file(columns), &wanted(&[(from, kind)])).unwrap_err();
            assert!(what.contains(told), "{what}");
        }
    }
}
