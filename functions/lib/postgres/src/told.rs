//! What is told of an error of the database: what PostgreSQL says, without the values of rows. Pure.
//!
//! Errors and logs name file, line, column and rule, never the value of a cell: that stands in the quarantine only. But
//! PostgreSQL quotes values, in any language, so it depends on the SQLSTATE what is kept:
//!
//! - a unique, foreign key or exclusion constraint, or a row without a partition: `Key (a, b)=(..., ...) is not present
//!   in table "t".`;
//! - a check or NOT NULL, which quotes the whole row: the dates of its key;
//! - data (class 22): the message, without what is quoted in it, which may be a value;
//! - what a trigger or a function of somebody's raises: its message, which is the only cause there is, and where;
//! - everything else: the message and its DETAIL, which are about tables, locks and settings.
//!
//! Of the values a date is kept that is of the row's key, which tells the row; any other one may be of birth.

use std::fmt;

/// The fields of an error, as PostgreSQL sends them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fields<'a> {
    /// The SQLSTATE.
    pub code: &'a str,
    /// The primary message.
    pub message: &'a str,
    /// Its DETAIL.
    pub detail: Option<&'a str>,
    /// The call stack of the functions in the database, the innermost one first.
    pub context: Option<&'a str>,
    /// The schema of what it is about.
    pub schema: Option<&'a str>,
    /// The table.
    pub table: Option<&'a str>,
    /// The column.
    pub column: Option<&'a str>,
    /// The constraint, or the index.
    pub constraint: Option<&'a str>,
    /// The columns of the table in their order, plain; none if they are not known.
    pub columns: &'a [String],
    /// Those of its key, quoted; none if they are not known.
    pub keys: &'a [String],
}

/// Whether somebody's own code in the database, such as a trigger, says what this SQLSTATE means: that of `RAISE`, one
/// of the standard's classes for it, or a class that PostgreSQL does not have.
pub(crate) fn is_raised(code: &str) -> bool {
    // Appendix A, without the classes 09 (triggered action exception) and P0 (PL/pgSQL).
    const CLASSES: &str = "00 01 02 03 08 0A 0B 0F 0L 0P 0Z 10 20 21 22 23 24 25 26 27 28 2B 2D 2F 34 38 39 3B 3D 3F 40 \
                           42 44 53 54 55 57 58 72 F0 HV XX";
    code.get(..2).is_some_and(|class| !CLASSES.split(' ').any(|known| known == class))
}

/// All in one line.
impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = self.code.get(..2).unwrap_or_default();
        let message = match self.code {
            // An encoding and bytes.
            "22021" => self.message.to_owned(),
            _ if class == "22" => without_quoted(self.message),
            _ => self.message.to_owned(),
        };
        f.write_str(&message)?;
        let detail = self.detail.and_then(|detail| match self.code {
            "23502" | "23514" | "44000" => self.row(detail),
            _ if class == "23" => self.key(detail, "=("),
            _ if class == "22" || is_raised(self.code) => None,
            _ => Some(detail.to_owned()),
        });
        if let Some(detail) = detail {
            write!(f, "; {}", detail.trim_end_matches('.'))?;
        }
        let qualified = self.table.map(|table| match self.schema {
            Some(schema) => format!("{schema}.{table}"),
            None => table.to_owned(),
        });
        for (kind, name, plain) in [
            ("table", qualified.as_deref(), self.table),
            ("column", self.column, self.column),
            ("constraint", self.constraint, self.constraint),
        ] {
            let is_named = plain.is_none_or(|plain| message.contains(&format!("{plain:?}")));
            if let Some(name) = name.filter(|_| !is_named) {
                write!(f, "; {kind} {name:?}")?;
            }
        }
        // With quotes it may be a statement, whose values are somebody's.
        let place = self.context.and_then(|context| context.lines().next()).filter(|line| !line.contains('"'));
        match place.filter(|_| is_raised(self.code)) {
            Some(place) => write!(f, "; {place}"),
            None => Ok(()),
        }
    }
}

impl Fields<'_> {
    /// Of `Key (a)=(1) already exists.` all but the values; `between` stands between columns and values.
    fn key(&self, detail: &str, between: &str) -> Option<String> {
        let (columns, rest) = detail.split_once(between)?;
        // A value may hold a parenthesis, so the last one ends them.
        let (values, rest) = rest.rsplit_once(')')?;
        let names: Vec<&str> = columns.split_once('(')?.1.trim_end_matches(')').split(", ").collect();
        let told: Vec<&str> = match values_of(values, names.len()) {
            Some(values) => {
                names.into_iter().zip(values).map(|(name, value)| self.date(name, value).unwrap_or("...")).collect()
            }
            None => vec!["..."],
        };
        Some(format!("{columns}{between}{}){rest}", told.join(", ")))
    }

    /// Of `Failing row contains (2024-03-01, a, 1).` the dates of the key.
    fn row(&self, detail: &str) -> Option<String> {
        let (before, rest) = detail.split_once('(')?;
        if let Some((names, _)) = rest.split_once(OF_PARTITION)
            // A row may hold that in a text.
            && names.split(", ").all(|name| self.columns.iter().any(|column| is_name(name, column)))
        {
            return self.key(detail, OF_PARTITION);
        }
        let (values, _) = rest.rsplit_once(')')?;
        let values = values_of(values, self.columns.len())?;
        let dates = self.columns.iter().zip(values).filter_map(|(name, value)| self.date(name, value));
        let dates: Vec<&str> = dates.collect();
        (!dates.is_empty()).then(|| format!("{before}({}, ...)", dates.join(", ")))
    }

    /// The value of this column, quoted or plain, if it is a date and of the key.
    fn date<'v>(&self, name: &str, value: &'v str) -> Option<&'v str> {
        let is_key = |key: &String| key == name || is_name(key, name);
        Some(value).filter(|value| is_date(value) && self.keys.iter().any(is_key))
    }
}

/// What stands between the columns and the values of a row that fits no partition.
const OF_PARTITION: &str = ") = (";

/// Whether a name, quoted or plain, is that of a column.
fn is_name(name: &str, column: &str) -> bool {
    name == column || name == format!("\"{}\"", column.replace('"', "\"\""))
}

/// The values of so many columns; `None` if the commas between them cannot be told from those of a text.
fn values_of(values: &str, columns: usize) -> Option<Vec<&str>> {
    let values: Vec<&str> = if columns == 1 { vec![values] } else { values.split(", ").collect() };
    (values.len() == columns).then_some(values)
}

/// Of a key of so many columns, as [`shown`](crate::identifiers::Names::shown) has it, what may be told: those of its
/// values that are dates. `None` if there is none, as of a name or an e-mail address; or if a text has a comma in it,
/// as a date may be a part of that then, and no value.
pub fn of_key(key: &str, columns: usize) -> Option<String> {
    let parts = values_of(key, columns)?.into_iter();
    let parts: Vec<&str> = parts.map(|value| if is_date(value) { value } else { "..." }).collect();
    match &parts[..] {
        parts if parts.iter().all(|part| *part == "...") => None,
        [date] => Some((*date).to_owned()),
        parts => Some(format!("({})", parts.join(", "))),
    }
}

/// `YYYY-MM-DD`, and nothing else.
fn is_date(value: &str) -> bool {
    value.len() == 10
        && value.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// A message without what stands between its first and its last quote, of whatever language.
fn without_quoted(message: &str) -> String {
    const QUOTES: [char; 7] = ['"', '»', '«', '„', '“', '”', '‹'];
    let (Some(first), Some(last)) = (message.find(QUOTES), message.rfind(QUOTES)) else { return message.to_owned() };
    let opening = message[first..].chars().next().map_or(1, char::len_utf8);
    match first == last {
        true => format!("{}...", &message[..first + opening]),
        false => format!("{}...{}", &message[..first + opening], &message[last..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_constraint_is_told_with_its_columns_and_without_the_values() {
        let keys = texts(&["\"date\"", "\"the \"\"day\"\"\""]);
        let told = |code, message, detail, constraint| {
            let (schema, table) = (Some("public"), Some("days"));
            let detail = Some(detail);
            Fields {
                code,
                message,
                detail,
                schema,
                table,
                constraint: Some(constraint),
                keys: &keys,
                ..Fields::default()
            }
            .to_string()
        };
        for (code, message, detail, expected) in [
            (
                "23503",
                "insert or update on table \"days\" violates foreign key constraint \"too_long\"",
                "Key (date)=(2024-03-01) is not present in table \"calendar\".",
                "insert or update on table \"days\" violates foreign key constraint \"too_long\"; \
                 Key (date)=(2024-03-01) is not present in table \"calendar\"",
            ),
            (
                "23503",
                "insert or update on table \"days\" violates foreign key constraint \"too_long\"",
                "Key (born)=(1980-03-01) is not present in table \"calendar\".",
                "insert or update on table \"days\" violates foreign key constraint \"too_long\"; \
                 Key (born)=(...) is not present in table \"calendar\"",
            ),
            (
                "23505",
                "duplicate key value violates unique constraint \"too_long\"",
                "Key (lower(name), date)=(se)cr=(et, 2024-03-01) already exists.",
                "duplicate key value violates unique constraint \"too_long\"; \
                 Key (lower(name), date)=(..., 2024-03-01) already exists; table \"public.days\"",
            ),
            (
                "23505",
                "duplicate key value violates unique constraint \"too_long\"",
                "Key (\"the \"\"day\"\"\", born)=(2024-03-01, 1980-03-01) already exists.",
                "duplicate key value violates unique constraint \"too_long\"; \
                 Key (\"the \"\"day\"\"\", born)=(2024-03-01, ...) already exists; table \"public.days\"",
            ),
            (
                "23505",
                "duplicate key value violates unique constraint \"too_long\"",
                "Key (name)=(Smith, Ann, 1980-03-01) already exists.",
                "duplicate key value violates unique constraint \"too_long\"; Key (name)=(...) already exists; \
                 table \"public.days\"",
            ),
            (
                "23505",
                "duplicate key value violates unique constraint \"too_long\"",
                "Key (name, date)=(Smith, 1980-03-01, 2024-03-01) already exists.",
                "duplicate key value violates unique constraint \"too_long\"; Key (name, date)=(...) already exists; \
                 table \"public.days\"",
            ),
            (
                "23P01",
                "conflicting key value violates exclusion constraint \"too_long\"",
                "Key (c)=(secret) conflicts with existing key (c)=(secret).",
                "conflicting key value violates exclusion constraint \"too_long\"; Key (c)=(...); table \"public.days\"",
            ),
            (
                "23503",
                "Einfügen oder Aktualisieren in Tabelle »days« verletzt Fremdschlüssel-Constraint »too_long«",
                "Schlüssel (name)=(geheim) ist nicht in Tabelle »calendar« vorhanden.",
                "Einfügen oder Aktualisieren in Tabelle »days« verletzt Fremdschlüssel-Constraint »too_long«; \
                 Schlüssel (name)=(...) ist nicht in Tabelle »calendar« vorhanden; table \"public.days\"; \
                 constraint \"too_long\"",
            ),
        ] {
            assert_eq!(told(code, message, detail, "too_long"), expected);
        }
    }

    #[test]
    fn of_a_row_the_dates_of_its_key_are_told() {
        let keys = texts(&["\"date\""]);
        for (columns, detail, expected) in [
            (vec!["date", "a", "b"], "Failing row contains (2024-03-01, 0, 12).", Some("(2024-03-01, ...)")),
            (vec!["id", "note", "date"], "Failing row contains (7, secret, 2024-03-01).", Some("(2024-03-01, ...)")),
            (vec!["id", "born"], "Failing row contains (7, 1980-03-01).", None),
            // A comma of a text.
            (vec!["note", "date"], "Failing row contains (secret, 1980-03-01, 2024-03-01).", None),
            (vec!["note", "date"], "Failing row contains (secret) = (b, 2024-03-01).", Some("(2024-03-01, ...)")),
            (vec!["note"], "Failing row contains (secret) = (2024-03-01).", None),
            (vec![], "Failing row contains (2024-03-01, 0, 12).", None),
            (
                vec!["date", "a"],
                "Partition key of the failing row contains (date) = (2024-03-01).",
                Some("(date) = (2024-03-01)"),
            ),
            (
                vec!["id", "born"],
                "Partition key of the failing row contains (born) = (1980-03-01).",
                Some("(born) = (...)"),
            ),
        ] {
            let columns = texts(&columns);
            let message = "new row for relation \"days\" violates check constraint \"c\"";
            let fields = Fields {
                code: "23514",
                message,
                detail: Some(detail),
                columns: &columns,
                keys: &keys,
                ..Fields::default()
            };
            let before = detail.split_once(" (").unwrap().0;
            let expected = expected.map_or_else(String::new, |expected| format!("; {before} {expected}"));
            assert_eq!(fields.to_string(), format!("{message}{expected}"), "{detail}");
        }
    }

    #[test]
    fn of_a_key_its_dates_are_told() {
        for (key, columns, told) in [
            ("2024-03-01", 1, Some("2024-03-01")),
            ("ann@example.org", 1, None),
            ("4711", 1, None),
            ("a, b", 1, None),
            ("a, b", 2, None),
            ("ann@example.org, 2024-03-01", 2, Some("(..., 2024-03-01)")),
            (", 2024-03-01", 2, Some("(..., 2024-03-01)")),
            ("2024-03-01, a, 2024-03-02", 3, Some("(2024-03-01, ..., 2024-03-02)")),
            // Texts with a date in them, such as of birth.
            ("Smith, Ann, 1980-03-01", 1, None),
            ("1980-03-01, 1980-03-02", 1, None),
            ("Smith, 1980-03-01, 2024-03-01", 2, None),
        ] {
            assert_eq!(of_key(key, columns).as_deref(), told, "{key} of {columns}");
        }
    }

    #[test]
    fn a_message_about_data_is_told_without_what_it_quotes() {
        for (code, message, expected) in [
            ("22P02", "invalid input syntax for type date: \"secret\"", "invalid input syntax for type date: \"...\""),
            ("22P02", "ungültige Eingabesyntax für Typ date: »geheim«", "ungültige Eingabesyntax für Typ date: »...«"),
            ("22003", "value \"12\" of \"x\" is out of range", "value \"...\" is out of range"),
            ("22003", "numeric field overflow", "numeric field overflow"),
            ("22000", "one \" only", "one \"..."),
            (
                "22021",
                "invalid byte sequence for encoding \"UTF8\": 0x00",
                "invalid byte sequence for encoding \"UTF8\": 0x00",
            ),
        ] {
            let fields = Fields { code, message, detail: Some("Token \"secret\" is invalid."), ..Fields::default() };
            assert_eq!(fields.to_string(), expected);
        }
    }

    #[test]
    fn what_a_trigger_raises_is_told_with_its_place_and_without_detail() {
        let fields = Fields {
            code: "P0001",
            message: "the month is closed",
            detail: Some("(2024-03-01,secret)"),
            context: Some("PL/pgSQL function closed() line 3 at RAISE\nSQL statement \"insert ...\""),
            ..Fields::default()
        };
        let told = "the month is closed; PL/pgSQL function closed() line 3 at RAISE";
        assert_eq!(fields.to_string(), told);
        assert_eq!(Fields { code: "ZX001", ..fields }.to_string(), told);
        let quoted = Fields { context: Some("SQL statement \"insert 'secret'\""), ..fields };
        assert_eq!(quoted.to_string(), "the month is closed");
    }

    #[test]
    fn other_details_are_told_as_they_are() {
        let fields = Fields {
            code: "40P01",
            message: "deadlock detected",
            detail: Some("Process 1 waits for ShareLock on transaction 5; blocked by process 2."),
            context: Some("while updating tuple (0,1) in relation days"),
            ..Fields::default()
        };
        assert_eq!(
            fields.to_string(),
            "deadlock detected; Process 1 waits for ShareLock on transaction 5; blocked by process 2"
        );
        let column = Fields {
            code: "23502",
            message: "null value in column \"note\" of relation \"days\" violates not-null constraint",
            detail: Some("Failing row contains (2024-03-01, null)."),
            schema: Some("public"),
            table: Some("days"),
            column: Some("note"),
            columns: &texts(&["date", "note"]),
            keys: &texts(&["\"date\""]),
            ..Fields::default()
        };
        assert!(column.to_string().ends_with("constraint; Failing row contains (2024-03-01, ...)"), "{column}");
    }

    #[test]
    fn classes_that_postgresql_does_not_have_are_somebody_s_own() {
        for (code, expected) in
            [("P0001", true), ("P0004", true), ("ZX001", true), ("09000", true), ("23514", false), ("", false)]
        {
            assert_eq!(is_raised(code), expected, "{code}");
        }
    }
}
