//! Names and values in SQL. The Data API binds values in no COPY, so all of them are literals; none is a cell.

/// A quoted name, `"` doubled.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table with its schema, both quoted.
pub fn table(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

/// A text as a literal. A backslash begins an escape in Redshift, as in the PostgreSQL that it comes from.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Names with commas between.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// A statement of several lines on one.
pub fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_end_where_they_end() {
        assert_eq!(table("a\"b", "c.d"), "\"a\"\"b\".\"c.d\"");
        assert_eq!(literal("o'clock"), "'o''clock'");
        assert_eq!(list(["a", "b"]), "\"a\", \"b\"");
    }
}
