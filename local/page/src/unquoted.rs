//! Values of cells that an older function has quoted in a reason, `KEY, line 2, column 1 (n): "twelve": not a number`:
//! they are cut, wherever such a text is from. Values are shown nowhere.

use std::borrow::Cow;

/// A text without the values that stand before the reasons of bad rows.
pub fn unquoted(text: &str) -> Cow<'_, str> {
    let (mut kept, mut rest) = (String::new(), text);
    while let Some((before, behind)) = next(rest) {
        kept.push_str(before);
        rest = behind;
    }
    if kept.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(kept + rest) }
}

/// What stands before the first quoted value, and what behind it.
fn next(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    while let Some(found) = text[from..].find(": \"") {
        let quote = from + found + 2;
        let value = quoted(&text[quote..]);
        let behind = value.and_then(|length| text[quote + length..].strip_prefix(": "));
        match behind {
            Some(behind) if is_place(&text[..quote]) => return Some((&text[..quote], behind)),
            _ => from = quote + 1,
        }
    }
    None
}

/// How long a quoted value is that stands first: within it a quotation mark has a backslash before it.
fn quoted(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (place, letter) in text.char_indices().skip(1) {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(place + 1),
            _ => {}
        }
    }
    None
}

/// Whether a text says of which line or row it is, behind the key of a file or at its start.
fn is_place(text: &str) -> bool {
    let is_number = |behind: &str| behind.starts_with(|letter: char| letter.is_ascii_digit());
    ["line ", "row "].iter().any(|word| text.strip_prefix(word).is_some_and(is_number))
        || [", line ", ", row ", ": line ", ": row "].iter().any(|word| text.split(word).skip(1).any(is_number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_whatever_they_hold() {
        for value in ["twelve", "", "a; b", r#"a\": b"#, r#"in/b.csv, line 3: \"x\": y"#, r"a\\", "é…"] {
            let text = format!(
                "2 bad rows: in/a.csv, line 2, column 1 (n): \"{value}\": no number; in/a.csv, line 9: \"{value}\": no date"
            );
            let cut = "2 bad rows: in/a.csv, line 2, column 1 (n): no number; in/a.csv, line 9: no date";
            assert_eq!(unquoted(&text), cut, "{value}");
            // As of a file that was set aside.
            for place in ["in/a.csv: row 2, column 1 (n)", "line 2, column 1 (n)"] {
                let text = format!("{place}: \"{value}\": not a number");
                assert_eq!(unquoted(&text), format!("{place}: not a number"), "{value}");
            }
        }
    }

    #[test]
    fn what_quotes_no_value_stays() {
        for text in [
            "target public.t: \"x\": unknown",
            "in/a.csv, line 2, column 1 (n): not a number",
            "in/a.csv, line 2: the columns \"a\" and \"b\" are the same",
            "in/a.csv, line 2: \"open",
            "",
        ] {
            assert_eq!(unquoted(text), text);
        }
    }
}
