//! What the reader of a spec has to know of a SELECT: how many question marks stand in it, and that it is one.

/// A character outside of texts, quoted names and comments.
fn plain(sql: &str) -> Result<Vec<char>, &'static str> {
    let mut found = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            // A doubled quotation mark ends one text and begins another, which is as good.
            '\'' | '"' => {
                let end = rest[1..].find(first).ok_or("has a quotation mark that is never closed")?;
                found.push(first);
                end + 2
            }
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest[2..].find("*/").ok_or("has a comment that is never closed")? + 4,
            _ => {
                found.push(first);
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    Ok(found)
}

/// How many question marks there are for values.
///
/// # Errors
/// Why the text is not one SELECT that can stand in parentheses.
pub(super) fn count_marks(sql: &str) -> Result<usize, &'static str> {
    let found = plain(sql)?;
    let text: String = found.iter().collect();
    let word: String = text.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    if !["select", "with"].contains(&word.to_ascii_lowercase().as_str()) {
        return Err("does not begin with SELECT or WITH");
    }
    if found.contains(&';') {
        return Err("has a semicolon; it is one statement, and ends without one");
    }
    let mut depth = 0_i64;
    for character in &found {
        depth += i64::from(*character == '(') - i64::from(*character == ')');
        if depth < 0 {
            break;
        }
    }
    if depth != 0 {
        return Err("has parentheses that do not match");
    }
    Ok(found.iter().filter(|character| **character == '?').count())
}

#[cfg(test)]
mod tests {
    use super::count_marks;

    #[test]
    fn question_marks_count_where_they_stand_for_values() {
        for (sql, count) in [
            ("SELECT 1", 0),
            ("select ? FROM a WHERE b = ?", 2),
            ("WITH a AS (SELECT ?) SELECT * FROM a", 1),
            ("SELECT 'what?', \"why?\" FROM a -- or ?\n WHERE b = ? /* ? */", 1),
            ("-- first\nSELECT 'it''s ?', ?", 1),
            ("  SELECT 'é?', 'a\"?', \"a'?\", ?", 1),
        ] {
            assert_eq!(count_marks(sql), Ok(count), "{sql}");
        }
    }

    #[test]
    fn what_is_no_select_in_parentheses_is_refused() {
        for (sql, why) in [
            ("", "does not begin"),
            ("DROP TABLE a", "does not begin"),
            ("selection", "does not begin"),
            ("SELECT 1; SELECT 2", "semicolon"),
            ("SELECT 1) AS a, (SELECT 2", "parentheses"),
            ("SELECT (1", "parentheses"),
            ("SELECT 'a", "never closed"),
            ("SELECT 1 /* a", "never closed"),
        ] {
            assert!(count_marks(sql).unwrap_err().contains(why), "{sql}");
        }
    }
}
