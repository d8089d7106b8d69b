//! How a file of CSV is written. Values are none of its business: it finds out marks, the header, and where rows begin
//! and end; then the function's own code reads the file by that.

use serde_json::{Value, json};

/// What may separate fields.
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];

/// The most lines of a field: beyond that its quote is none.
const MOST_LINES: usize = 100;

/// The most rows at the end that are none.
const MOST_FOOTERS: usize = 3;

/// How a file is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dialect {
    /// The fields of `format` that are not as usual.
    pub(super) format: Value,
    /// The names of its columns.
    pub(super) header: Vec<String>,
    /// What it does not tell.
    pub(super) unsure: Vec<String>,
}

/// A line, or several if a field has some.
struct Record<'t> {
    /// As it is written.
    raw: &'t str,
    fields: Vec<String>,
}

/// One way to take a text apart.
struct Candidate<'t> {
    delimiter: char,
    quote: Option<char>,
    escape: bool,
    records: Vec<Record<'t>>,
    /// How many fields most records have.
    width: usize,
    /// How many have so many.
    count: usize,
}

/// Finds out how a text is written, of which more may follow unless it `is_whole`.
///
/// # Errors
/// There is nothing in it.
pub(super) fn dialect(text: &str, is_whole: bool) -> Result<Dialect, String> {
    let best = best(text, is_whole).ok_or("there is no row in it")?;
    let mut format = json!({});
    let mut unsure = Vec::new();
    if best.delimiter != ',' {
        format["delimiter"] = best.delimiter.to_string().into();
    }
    if best.quote.is_none() {
        format["quote"] = Value::Null;
    }
    if best.escape {
        format["escape"] = "\\".into();
    }
    let is_comment = |record: &&Record<'_>| record.raw.starts_with('#') && record.fields.len() != best.width;
    let has_comments = best.records.first().is_some_and(|first| is_comment(&first));
    if has_comments {
        format["comment"] = "#".into();
    }
    let is_row = |record: &&Record<'_>| !has_comments || !record.raw.starts_with('#');
    let kept: Vec<&Record<'_>> = best.records.iter().filter(is_row).collect();
    let first = kept.iter().position(|record| record.fields.len() == best.width).unwrap_or_default();
    let (above, rows) = kept.split_at(first);
    let header: Vec<String>;
    let data;
    if rows.first().is_some_and(|row| is_header(&row.fields)) {
        header = rows[0].fields.iter().map(|name| name.trim().to_owned()).collect();
        data = &rows[1..];
        if !above.is_empty() {
            format["skip"] = "to_header".into();
        }
    } else {
        header = (1..=best.width).map(|number| format!("column_{number}")).collect();
        data = rows;
        format["header"] = json!(header);
        if !above.is_empty() {
            let start = rows.first().map_or(0, |row| row.raw.as_ptr() as usize - text.as_ptr() as usize);
            format["skip"] = text[..start].lines().count().into();
        }
        unsure.push(
            "the first row has values, not names, so the columns are called column_1, column_2, ...: write better names in \
             \"header\" of \"format\", in their order, and \"from\" them"
                .to_owned(),
        );
    }
    let data = footer(data, &best, is_whole, &mut format, &mut unsure);
    let short = data.iter().filter(|record| record.fields.len() != best.width).count();
    if short > 0 {
        format["ragged"] = true.into();
        unsure.push(format!(
            "{short} of the first {} rows have another number of fields than the {} of the header: missing ones are read as \
             null. Drop \"ragged\" if such rows are wrong",
            data.len(),
            best.width
        ));
    }
    Ok(Dialect { format, header, unsure })
}

/// The candidate by which most records have the same number of fields.
fn best(text: &str, is_whole: bool) -> Option<Candidate<'_>> {
    let mut best: Option<Candidate<'_>> = None;
    let candidates = DELIMITERS.into_iter().flat_map(|delimiter| {
        let has_escapes = text.contains("\\\"");
        let of_quote = [(Some('"'), false), (Some('"'), true), (None, false)];
        of_quote.into_iter().filter(move |(_, escape)| !escape || has_escapes).map(move |how| (delimiter, how))
    });
    for (delimiter, (quote, escape)) in candidates {
        let Some(records) = records(text, is_whole, delimiter, quote, escape) else { continue };
        let width = most_usual(&records);
        let count = records.iter().filter(|record| record.fields.len() == width).count();
        if records.is_empty() {
            continue;
        }
        let found = Candidate { delimiter, quote, escape, records, width, count };
        // Where all are equal the first one stays: the usual marks come first.
        if best.as_ref().is_none_or(|best| found.score() > best.score() + 1e-9) {
            best = Some(found);
        }
    }
    best
}

impl Candidate<'_> {
    /// How well it fits: one column always does, and tells nothing.
    fn score(&self) -> f64 {
        let share = f64::from(u32::try_from(self.count).unwrap_or(u32::MAX))
            / f64::from(u32::try_from(self.records.len()).unwrap_or(u32::MAX));
        if self.width < 2 { 0.0 } else { share + 0.01 * f64::from(u32::try_from(self.width.min(30)).unwrap_or(30)) }
    }
}

/// How many fields most records have, of equals the more.
fn most_usual(records: &[Record<'_>]) -> usize {
    let mut widths: Vec<usize> = records.iter().map(|record| record.fields.len()).collect();
    widths.sort_unstable();
    widths
        .chunk_by(|one, next| one == next)
        .max_by_key(|of_one| (of_one.len(), of_one[0]))
        .map_or(1, |of_one| of_one[0])
}

/// Takes a text apart; `None` if quotes do not go together.
fn records(text: &str, is_whole: bool, delimiter: char, quote: Option<char>, escape: bool) -> Option<Vec<Record<'_>>> {
    let mut records = Vec::new();
    let (mut start, mut fields, mut field) = (0, Vec::new(), String::new());
    let (mut is_quoted, mut is_field_start, mut lines) = (false, true, 0);
    let mut rest = text.char_indices().peekable();
    while let Some((place, character)) = rest.next() {
        if is_quoted {
            lines += usize::from(character == '\n');
            if lines > MOST_LINES {
                return None;
            }
            match character {
                '\\' if escape => field.extend(rest.next().map(|(_, escaped)| escaped)),
                _ if Some(character) == quote => match rest.next_if(|(_, next)| Some(*next) == quote && !escape) {
                    Some(_) => field.push(character),
                    None => is_quoted = false,
                },
                _ => field.push(character),
            }
            continue;
        }
        match character {
            _ if Some(character) == quote && is_field_start => (is_quoted, is_field_start, lines) = (true, false, 0),
            _ if character == delimiter => {
                fields.push(std::mem::take(&mut field));
                is_field_start = true;
            }
            '\n' | '\r' => {
                let raw = &text[start..place];
                if character == '\r' {
                    rest.next_if(|(_, next)| *next == '\n');
                }
                start = rest.peek().map_or(text.len(), |(place, _)| *place);
                fields.push(std::mem::take(&mut field));
                let fields = std::mem::take(&mut fields);
                if !raw.trim().is_empty() {
                    records.push(Record { raw, fields });
                }
                is_field_start = true;
            }
            _ => {
                is_field_start = is_field_start && character == ' ';
                field.push(character);
            }
        }
    }
    // What is cut off may be a part of a row.
    if is_whole {
        if is_quoted {
            return None;
        }
        if !text[start..].trim().is_empty() {
            fields.push(field);
            records.push(Record { raw: &text[start..], fields });
        }
    }
    Some(records)
}

/// Whether a row is names, not values.
fn is_header(fields: &[String]) -> bool {
    let is_value = |field: &str| {
        field.bytes().any(|byte| byte.is_ascii_digit())
            && field.chars().all(|character| "0123456789.,:-/+ '%$€TZ".contains(character))
    };
    let named = fields.iter().filter(|field| !field.trim().is_empty()).count();
    named > 0 && 2 * named >= fields.len() && fields.iter().all(|field| !is_value(field.trim()))
}

/// The rows without those at the end that are none.
fn footer<'r, 't>(
    rows: &'r [&'r Record<'t>],
    best: &Candidate<'_>,
    is_whole: bool,
    format: &mut Value,
    unsure: &mut Vec<String>,
) -> &'r [&'r Record<'t>] {
    let is_other = |record: &&&Record<'_>| record.fields.len() != best.width;
    let count = rows.iter().rev().take_while(is_other).count();
    if !is_whole || count == 0 || count > MOST_FOOTERS || count == rows.len() {
        return rows;
    }
    let (data, footer) = rows.split_at(rows.len() - count);
    // Too short rows among others like it are no footer.
    if data.iter().any(|record| record.fields.len() == footer[0].fields.len() && footer[0].fields.len() > 1) {
        return rows;
    }
    end_at(format, footer[0].raw, &footer[0].fields[0], count);
    unsure.push(format!(
        "{} at the end of a file {} read, since {} no row: drop \"end_at\" or \"skip_end\" of \"format\" if it is otherwise",
        if count == 1 { "the last line".to_owned() } else { format!("the last {count} lines") },
        if count == 1 { "is not" } else { "are not" },
        if count == 1 { "it is" } else { "they are" },
    ));
    data
}

/// Says where the rows end: before a line that begins as that one does, or so many before the end.
pub(super) fn end_at(format: &mut Value, raw: &str, first: &str, count: usize) {
    let first = first.trim();
    let is_word = !first.is_empty() && !first.bytes().any(|byte| byte.is_ascii_digit()) && raw.starts_with(first);
    if is_word {
        format["end_at"] = json!([first]);
    } else {
        format["skip_end"] = count.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> (Value, Vec<String>) {
        let dialect = dialect(text, true).unwrap();
        (dialect.format, dialect.header)
    }

    #[test]
    fn marks_are_found_out() {
        for (text, format, header) in [
            ("a,b\n1,2\n", json!({}), vec!["a", "b"]),
            ("a;b\n1,5;2,5\n3,5;4\n", json!({"delimiter": ";"}), vec!["a", "b"]),
            ("a\tb\r\n1\t2\r\n", json!({"delimiter": "\t"}), vec!["a", "b"]),
            ("a|b|c\n1|2|x,y\n", json!({"delimiter": "|"}), vec!["a", "b", "c"]),
            ("name\nx\ny\n", json!({}), vec!["name"]),
            ("a,b\n\"x,\ny\",2\n\"say \"\"so\"\"\",3\n", json!({}), vec!["a", "b"]),
            ("a,b\n\"x\\\", y\",2\n\"z\",3\n", json!({"escape": "\\"}), vec!["a", "b"]),
            ("size,b\n\"5 inch,2\n6 inch,3\n", json!({"quote": null}), vec!["size", "b"]),
            ("1,2024-01-01\n2,2024-01-02\n", json!({"header": ["column_1", "column_2"]}), vec!["column_1", "column_2"]),
            ("Report\nof 2024\n\na,b,c\n1,2,3\n4,5,6\n", json!({"skip": "to_header"}), vec!["a", "b", "c"]),
            (
                "Report\n\n1,2,3\n4,5,6\n",
                json!({"skip": 2, "header": ["column_1", "column_2", "column_3"]}),
                vec!["column_1", "column_2", "column_3"],
            ),
            ("# made today\na,b\n1,2\n# more\n3,4\n", json!({"comment": "#"}), vec!["a", "b"]),
            ("a,b,c\n1,2,3\n4,5\n6,7,8\n", json!({"ragged": true}), vec!["a", "b", "c"]),
            ("a,b,c\n1,2,3\n6,7,8\nTotal\n", json!({"end_at": ["Total"]}), vec!["a", "b", "c"]),
            ("a,b,c\n1,2,3\n6,7,8\n2 rows\n", json!({"skip_end": 1}), vec!["a", "b", "c"]),
        ] {
            let expected: Vec<String> = header.into_iter().map(ToOwned::to_owned).collect();
            assert_eq!(found(text), (format, expected), "{text}");
        }
        assert!(dialect("", true).is_err());
    }

    #[test]
    fn what_is_cut_off_is_no_row() {
        let dialect = dialect("a,b\n1,2\n3", false).unwrap();
        assert_eq!((dialect.format, dialect.unsure), (json!({}), Vec::new()));
    }
}
