//! The SQL of a step. Pure. Names are quoted, values are bound; what a data engineer wrote stands as it is.

use lake::TableColumn;
use sluice::contract::athena_elt::{Export, Format, REST, Source, Spec, Target};
use std::collections::BTreeMap;

/// A name in SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// By which the queries of an execution are found. An ARN holds neither `*` nor a line break.
pub(crate) fn comment(execution: &str) -> String {
    format!("/* {execution} */\n")
}

/// Makes the table `staging` of the target's SELECT.
///
/// No `external_location`: Athena names a place after the query, which is new and empty whatever was before, also
/// where the workgroup says which (Amazon Athena User Guide, "Considerations and limitations for CTAS queries").
pub(crate) fn build(spec: &Spec, target: &Target, staging: &str) -> String {
    format!(
        "CREATE TABLE {}.{} WITH (format = 'PARQUET') AS\nWITH {}\nSELECT * FROM (\n{}\n)",
        quoted(&spec.database),
        quoted(staging),
        typed_sources(&spec.database, &spec.sources),
        target.select
    )
}

/// The sources under their own names, typed: what the catalogue has of a CSV file are texts. Of a Parquet file it has
/// the types that the file has, and its names.
fn typed_sources(database: &str, sources: &BTreeMap<String, Source>) -> String {
    let each = sources.iter().map(|(name, source)| {
        let table = format!("{}.{}", quoted(database), quoted(name));
        let select = match source.format {
            Format::Csv => of_csv(source, &table),
            Format::Parquet => of_parquet(source, &table),
        };
        format!("{} AS (\n{select}\n)", quoted(name))
    });
    each.collect::<Vec<_>>().join(",\n")
}

/// The rows of Parquet files. Of a text Athena takes the bytes as they are, whatever they are, and of such that are not
/// UTF-8 a result has U+FFFD. A text is judged where it is read, for a column that a SELECT does not read is free.
fn of_parquet(source: &Source, table: &str) -> String {
    let columns = source.columns.iter().map(|column| {
        let stored = quoted(&column.stored_name());
        let value = match column.kind.as_str() {
            "varchar" => {
                let (is_wrong, what) = (is_mangled(&format!("from_utf8(to_utf8({stored}))")), mangled(&column.name));
                format!("CASE WHEN {is_wrong} THEN CAST(CAST({what} AS boolean) AS varchar) ELSE {stored} END")
            }
            _ => stored,
        };
        format!("{value} AS {}", quoted(&column.name))
    });
    format!("  SELECT {}\n  FROM {table}", columns.collect::<Vec<_>>().join(",\n    "))
}

/// The verdict on a line.
const LINE: &str = "\"sluice_line\"";

/// The lines of CSV files, typed. Each column hangs on the verdict on its line, and so does the line: whatever a SELECT
/// filters by, and however few columns it reads, no line is left out that was not judged.
fn of_csv(source: &Source, table: &str) -> String {
    let columns = source.columns.iter().map(|column| {
        let name = quoted(&column.name);
        format!("CASE WHEN {LINE} THEN {} END AS {name}", typed(&name, &column.kind))
    });
    let texts = source.columns.iter().map(|column| quoted(&column.name));
    format!(
        "  SELECT {}\n  FROM (\n    SELECT {},\n    {} AS {LINE}\n    FROM {table}\n  )\n  WHERE {LINE}",
        columns.collect::<Vec<_>>().join(",\n    "),
        texts.collect::<Vec<_>>().join(", "),
        is_whole(source)
    )
}

/// A text as what the spec says that it is; an empty one is NULL. One that it cannot be no line has: see [`is_whole`].
fn typed(column: &str, kind: &str) -> String {
    match kind {
        "varchar" => column.to_owned(),
        _ => format!("TRY_CAST(NULLIF({column}, '') AS {kind})"),
    }
}

/// Holds for a line that has a field for every column and no more, and whose texts are what the columns are; fails for
/// any other, with the file and the column in the error, and without the text.
///
/// The serde makes NULL of fields that are missing, also where a line break within quotation marks tears a record in
/// two, and of an empty one it does not. Of bytes that are not UTF-8 it makes the character U+FFFD.
fn is_whole(source: &Source) -> String {
    let last = source.columns.last().map_or_else(|| quoted(REST), |column| quoted(&column.name));
    let torn = complaint("a line is empty, torn, or has another number of fields than there are columns");
    let torn = format!("{last} IS NULL OR {} IS NOT NULL THEN CAST({torn} AS boolean)", quoted(REST));
    let columns = source.columns.iter().map(|column| {
        let name = quoted(&column.name);
        let (is_wrong, what) = match column.kind.as_str() {
            "varchar" => (is_mangled(&name), mangled(&column.name)),
            kind => (is_none_of(&name, kind), wrong(&column.name, &format!("no {kind}"))),
        };
        format!("{is_wrong} THEN CAST({what} AS boolean)")
    });
    let cases: String = [torn].into_iter().chain(columns).map(|case| format!("\n      WHEN {case}")).collect();
    format!("CASE{cases}\n      ELSE true END")
}

/// That a text was written in another encoding than UTF-8, or was mangled before.
fn is_mangled(text: &str) -> String {
    format!("strpos({text}, chr(65533)) > 0")
}

fn mangled(column: &str) -> String {
    wrong(column, "not UTF-8, or holds U+FFFD")
}

fn wrong(column: &str, is: &str) -> String {
    complaint(&format!("in the column {column} stands what is {is}"))
}

/// That a text is none of a type. A cast alone would round decimals and times that have more places than the type, take
/// a time for a date, and for a double whatever Java takes for one: `NaN`, `4.5f`, `0x1p3`, blanks around it, and
/// infinity for a number that is too large. Without question marks: those of a statement are its parameters.
fn is_none_of(column: &str, kind: &str) -> String {
    let mut is_none = format!("TRY_CAST({column} AS {kind}) IS NULL");
    if kind == "double" {
        is_none = format!("{is_none} OR abs(TRY_CAST({column} AS double)) > {LARGEST_DOUBLE}");
    }
    let form = match kind {
        "double" => Some(DOUBLE.to_owned()),
        "date" => Some(DATE.to_owned()),
        "timestamp" => {
            Some(format!("{DATE}( [0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.][0-9]{{1,3}}0*){{0,1}}){{0,1}}){{0,1}}"))
        }
        _ => scale(kind).map(|scale| format!("[+-]{{0,1}}[0-9]*([.][0-9]{{0,{scale}}}0*){{0,1}}")),
    };
    match form {
        None => format!("{column} <> '' AND {is_none}"),
        Some(form) => format!("{column} <> '' AND ({is_none} OR NOT regexp_like({column}, '^{form}$'))"),
    }
}

/// The form of a number, with or without an exponent.
const DOUBLE: &str = "[+-]{0,1}([0-9]+[.]{0,1}[0-9]*|[.][0-9]+)([eE][+-]{0,1}[0-9]+){0,1}";

/// Beyond it is infinity.
const LARGEST_DOUBLE: &str = "1.7976931348623157E308";

/// The form of a day.
const DATE: &str = "[0-9]{4}-[0-9]{2}-[0-9]{2}";

/// How many places behind the point a decimal has, and `None` for any other type.
fn scale(kind: &str) -> Option<u32> {
    kind.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?.1.trim().parse().ok()
}

/// Where a complaint of ours begins in the reason of a query that failed.
pub(crate) const COMPLAINT: &str = "sluice: ";

/// A text that no cast takes, and that ends with the file. With that in it, it cannot be worked out before a line is
/// read.
fn complaint(what: &str) -> String {
    format!("'{COMPLAINT}{what}: ' || \"$path\"")
}

/// What the file shows: every column of the table that was built, and the texts disarmed where that is asked for.
fn shown(database: &str, staging: &str, export: &Export, columns: &[TableColumn]) -> String {
    let column = |column: &TableColumn| {
        let name = quoted(&column.name);
        match export.spreadsheet_safe && column.is_text() {
            true => format!(
                "CASE WHEN regexp_like({name}, '^[=+\\-@\\t\\r]') THEN '''' || {name} ELSE {name} END AS {name}"
            ),
            false => name,
        }
    };
    let columns: Vec<String> = columns.iter().map(column).collect();
    format!("SELECT {} FROM {}.{}", columns.join(", "), quoted(database), quoted(staging))
}

/// Reads the table that was built, in the order of the export.
pub(crate) fn export(database: &str, staging: &str, export: &Export, columns: &[TableColumn]) -> String {
    let order: Vec<String> = export
        .order_by
        .iter()
        .map(|order| format!("{}{}", quoted(&order.column), if order.descending { " DESC" } else { "" }))
        .collect();
    let order = if order.is_empty() { String::new() } else { format!("\nORDER BY {}", order.join(", ")) };
    format!("{}{order}", shown(database, staging, export, columns))
}

/// Counts what the export shows: its rows, and of each column the values and the length of the texts.
pub(crate) fn verify(database: &str, staging: &str, export: &Export, columns: &[TableColumn]) -> String {
    let mut counts = vec!["count(*)".to_owned()];
    for column in columns {
        let name = quoted(&column.name);
        counts.push(format!("count({name})"));
        counts.push(match column.is_text() {
            true => format!("coalesce(sum(length({name})), 0)"),
            false => "0".to_owned(),
        });
    }
    let named: Vec<String> =
        counts.iter().enumerate().map(|(place, count)| format!("{count} AS count_{place}")).collect();
    format!("SELECT {}\nFROM (\n{}\n)", named.join(", "), shown(database, staging, export, columns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice::contract::athena_elt::Parts;

    fn spec() -> Spec {
        let parts = serde_json::json!({
            "database": "lake", "source_prefix": "in/", "export_prefix": "out/",
            "sources": {"movies": {"location": "movies/", "columns": [{"name": "id", "type": "bigint"}, {"name": "title"}]}},
            "targets": [{"table": "t", "select": "SELECT title FROM movies WHERE title = ?", "parameters": ["g"],
                         "export": {"to": "t.csv", "order_by": ["title DESC", "id"], "spreadsheet_safe": true}}],
            "more_targets": [], "variables": {"g": {"value": "x"}},
        });
        serde_json::from_value::<Parts>(parts).unwrap().check().unwrap()
    }

    fn columns() -> Vec<TableColumn> {
        let column = |name: &str, kind: &str| TableColumn { name: name.into(), kind: kind.into() };
        vec![column("id", "bigint"), column("title", "string")]
    }

    #[test]
    fn a_table_is_built_of_typed_sources() {
        let spec = spec();
        let sql = build(&spec, &spec.targets[0], "t__0123456789ab_0");
        let expected = r#"CREATE TABLE "lake"."t__0123456789ab_0" WITH (format = 'PARQUET') AS
WITH "movies" AS (
  SELECT CASE WHEN "sluice_line" THEN TRY_CAST(NULLIF("id", '') AS bigint) END AS "id",
    CASE WHEN "sluice_line" THEN "title" END AS "title"
  FROM (
    SELECT "id", "title",
    CASE
      WHEN "title" IS NULL OR "sluice_rest" IS NOT NULL THEN CAST('sluice: a line is empty, torn, or has another number of fields than there are columns: ' || "$path" AS boolean)
      WHEN "id" <> '' AND TRY_CAST("id" AS bigint) IS NULL THEN CAST('sluice: in the column id stands what is no bigint: ' || "$path" AS boolean)
      WHEN strpos("title", chr(65533)) > 0 THEN CAST('sluice: in the column title stands what is not UTF-8, or holds U+FFFD: ' || "$path" AS boolean)
      ELSE true END AS "sluice_line"
    FROM "lake"."movies"
  )
  WHERE "sluice_line"
)
SELECT * FROM (
SELECT title FROM movies WHERE title = ?
)"#;
        assert_eq!(sql, expected);
    }

    #[test]
    fn what_a_cast_would_round_is_none_of_the_type() {
        for (kind, form) in [
            ("decimal(4,2)", "[+-]{0,1}[0-9]*([.][0-9]{0,2}0*){0,1}"),
            ("decimal(12, 0)", "[+-]{0,1}[0-9]*([.][0-9]{0,0}0*){0,1}"),
            ("date", "[0-9]{4}-[0-9]{2}-[0-9]{2}"),
            ("timestamp", "[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,3}0*){0,1}){0,1}){0,1}"),
        ] {
            let expected =
                format!(r#""c" <> '' AND (TRY_CAST("c" AS {kind}) IS NULL OR NOT regexp_like("c", '^{form}$'))"#);
            assert_eq!(is_none_of("\"c\"", kind), expected);
        }
        let double = "c <> '' AND (TRY_CAST(c AS double) IS NULL OR abs(TRY_CAST(c AS double)) > 1.7976931348623157E308 \
                      OR NOT regexp_like(c, '^[+-]{0,1}([0-9]+[.]{0,1}[0-9]*|[.][0-9]+)([eE][+-]{0,1}[0-9]+){0,1}$'))";
        assert_eq!(is_none_of("c", "double"), double);
        assert_eq!(is_none_of("c", "bigint"), "c <> '' AND TRY_CAST(c AS bigint) IS NULL");
    }

    #[test]
    fn of_parquet_files_the_names_are_theirs_and_the_types_too() {
        let mut spec = spec();
        let movies = spec.sources.get_mut("movies").unwrap();
        movies.format = Format::Parquet;
        movies.columns[0].from = "movieId".into();
        let expected = r#"WITH "movies" AS (
  SELECT "movieid" AS "id",
    CASE WHEN strpos(from_utf8(to_utf8("title")), chr(65533)) > 0 THEN CAST(CAST('sluice: in the column title stands what is not UTF-8, or holds U+FFFD: ' || "$path" AS boolean) AS varchar) ELSE "title" END AS "title"
  FROM "lake"."movies"
)
SELECT"#;
        let sql = build(&spec, &spec.targets[0], "t__0123456789ab_0");
        assert!(sql.contains(expected), "{sql}");
    }

    #[test]
    fn the_file_is_ordered_and_disarmed_and_counted_as_it_is_shown() {
        let export_of = &spec().targets[0].export;
        let shown = r#"SELECT "id", CASE WHEN regexp_like("title", '^[=+\-@\t\r]') THEN '''' || "title" ELSE "title" END AS "title" FROM "lake"."s""#;
        assert_eq!(export("lake", "s", export_of, &columns()), format!("{shown}\nORDER BY \"title\" DESC, \"id\""));
        let counts = r#"SELECT count(*) AS count_0, count("id") AS count_1, 0 AS count_2, count("title") AS count_3, coalesce(sum(length("title")), 0) AS count_4"#;
        assert_eq!(verify("lake", "s", export_of, &columns()), format!("{counts}\nFROM (\n{shown}\n)"));
        let plain = Export::default();
        assert_eq!(export("lake", "s", &plain, &columns()), r#"SELECT "id", "title" FROM "lake"."s""#);
    }
}
