//! CSV in other dialects, against the same rows as RFC 4180 has them.

use super::plain;
use serde_json::{Value, json};

/// How a file is written.
struct Dialect {
    delimiter: char,
    quote: Option<char>,
    escape: Option<char>,
    comment: Option<&'static str>,
    ragged: bool,
    skip: usize,
    skip_end: usize,
    end_at: Option<&'static str>,
}

const DIALECTS: [Dialect; 5] = [
    Dialect {
        delimiter: ';',
        quote: Some('"'),
        escape: Some('\\'),
        comment: None,
        ragged: false,
        skip: 0,
        skip_end: 0,
        end_at: None,
    },
    Dialect {
        delimiter: '\t',
        quote: None,
        escape: None,
        comment: Some("#"),
        ragged: true,
        skip: 0,
        skip_end: 0,
        end_at: None,
    },
    Dialect {
        delimiter: '|',
        quote: Some('\''),
        escape: None,
        comment: None,
        ragged: false,
        skip: 1,
        skip_end: 1,
        end_at: Some("Sum"),
    },
    Dialect {
        delimiter: ',',
        quote: Some('"'),
        escape: None,
        comment: Some("//"),
        ragged: true,
        skip: 2,
        skip_end: 0,
        end_at: None,
    },
    Dialect {
        delimiter: ' ',
        quote: Some('"'),
        escape: None,
        comment: None,
        ragged: false,
        skip: 0,
        skip_end: 2,
        end_at: Some("="),
    },
];

const COLUMNS: [&str; 2] = ["k", "x"];

/// Fails if a file comes to something else than its rows do in the usual dialect. The first byte chooses the dialect.
pub(super) fn check(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let dialect = &DIALECTS[usize::from(*choice) % DIALECTS.len()];
    let source = |format: Value| json!({"columns": {"k": {}, "x": {"nullable": true}}, "format": format});
    let shape = json!({"keys": ["k"], "values": {"n": {"count": "*"}, "x": {"max": "x"}, "y": {"count": "x"}}});
    let mut format = json!({
        "header": COLUMNS, "delimiter": dialect.delimiter, "quote": dialect.quote, "ragged": dialect.ragged,
        "skip": dialect.skip, "skip_end": dialect.skip_end,
    });
    for (name, value) in [("escape", dialect.escape.map(String::from)), ("comment", dialect.comment.map(String::from))]
    {
        if let Some(value) = value {
            format[name] = json!(value);
        }
    }
    if let Some(end) = dialect.end_at {
        format["end_at"] = json!([end]);
    }
    let found = plain::outcome(&plain::spec(source(format), shape.clone()), bytes);
    let Some(rows) = rows(dialect, bytes) else { return };
    let usual = plain::spec(source(json!({"header": COLUMNS})), shape);
    assert_eq!(found, plain::outcome(&usual, &written(&rows)), "{rows:?}");
}

/// The rows as RFC 4180 has them.
fn written(rows: &[Vec<String>]) -> Vec<u8> {
    let quoted = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
    let lines = rows.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n");
    lines.collect::<String>().into_bytes()
}

/// The rows of a file. Nothing is said of one that is no text, in which a quote is amiss, or of line ends that depend
/// on more than a row.
fn rows(dialect: &Dialect, bytes: &[u8]) -> Option<Vec<Vec<String>>> {
    let text = std::str::from_utf8(bytes).ok()?;
    if text.contains(['\0', '\u{feff}', '\r']) {
        return None;
    }
    let mut rest = text;
    let is_comment = |rest: &str| dialect.comment.is_some_and(|comment| rest.starts_with(comment));
    let mut above = dialect.skip;
    // Comments are no lines, above the rows either.
    while above > 0 && !rest.is_empty() {
        above -= usize::from(!is_comment(rest));
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    let mut rows = Vec::new();
    while !rest.is_empty() {
        if dialect.end_at.is_some_and(|end| rest.starts_with(end)) {
            break;
        }
        if rest.starts_with('\n') || is_comment(rest) {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
            continue;
        }
        let (row, behind) = row(dialect, rest)?;
        rows.push(row);
        rest = behind;
    }
    rows.truncate(rows.len().saturating_sub(dialect.skip_end));
    if dialect.ragged {
        for row in &mut rows {
            while row.len() > COLUMNS.len() && row.last().is_some_and(String::is_empty) {
                row.pop();
            }
            let missing = COLUMNS.len().saturating_sub(row.len());
            row.extend(vec![String::new(); missing]);
        }
    }
    Some(rows)
}

/// The fields of the first row of a text, and what is behind its line end.
fn row<'t>(dialect: &Dialect, text: &'t str) -> Option<(Vec<String>, &'t str)> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let mut field = String::new();
        if let Some(quote) = dialect.quote.filter(|quote| rest.starts_with(*quote)) {
            rest = &rest[quote.len_utf8()..];
            loop {
                let next = rest.chars().next()?;
                let behind = &rest[next.len_utf8()..];
                let is_doubled = dialect.escape.is_none() && next == quote && behind.starts_with(quote);
                let is_escaped = Some(next) == dialect.escape && behind.starts_with([quote, next]);
                if is_doubled || is_escaped {
                    field.push(behind.chars().next()?);
                    rest = &behind[behind.chars().next()?.len_utf8()..];
                    continue;
                }
                rest = behind;
                if next == quote {
                    break;
                }
                field.push(next);
            }
            // Behind a quoted field stands nothing else.
            if !rest.is_empty() && !rest.starts_with([dialect.delimiter, '\n']) {
                return None;
            }
        } else {
            let end = rest.find([dialect.delimiter, '\n']).unwrap_or(rest.len());
            field.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        fields.push(field);
        match rest.chars().next() {
            Some(delimiter) if delimiter == dialect.delimiter => rest = &rest[delimiter.len_utf8()..],
            Some(_) => return Some((fields, &rest[1..])),
            None => return Some((fields, rest)),
        }
    }
}
