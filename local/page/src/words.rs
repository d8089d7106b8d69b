//! Numbers, times and texts, as people read them.

use std::fmt::Write;

/// Longest key that is shown, in characters.
pub const KEY_CHARACTERS: usize = 1_024;

/// Longest line of a log that is shown, in bytes.
pub const LINE_BYTES: usize = 8 * 1_024;

/// A number in groups of three digits.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            // A narrow space at which no line breaks.
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `1 file`, `2 files`.
pub fn count(value: u64, noun: &str) -> String {
    format!("{} {}", number(value), plural(value, noun))
}

/// `file` of one, else `files`.
pub fn plural(value: u64, noun: &str) -> String {
    format!("{noun}{}", if value == 1 { "" } else { "s" })
}

/// A duration in milliseconds: `0.36 s`, `12.8 s`, `1 min 02 s`, `3 h 05 min`, `2 days 4 h`.
pub fn duration(milliseconds: i64) -> String {
    let milliseconds = milliseconds.max(0);
    let seconds = milliseconds / 1_000;
    match seconds {
        0..10 => format!("{}.{:02} s", seconds, milliseconds % 1_000 / 10),
        10..60 => format!("{}.{} s", seconds, milliseconds % 1_000 / 100),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} {} h", day_count(seconds), seconds / 3_600 % 24),
    }
}

fn day_count(seconds: i64) -> String {
    match seconds / 86_400 {
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// About how long, in one or two units: `27 s`, `2 min`, `1 h 31 min`, `4 days`.
pub fn about(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 if seconds / 60 % 60 == 0 || seconds >= 36_000 => format!("{} h", seconds / 3_600),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => day_count(seconds),
    }
}

/// A size: `8 577 bytes`, `158 MB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..100_000 => count(bytes, "byte"),
        100_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", number(bytes / 1_000_000)),
        _ => format!("{}.{} GB", number(bytes / 1_000_000_000), bytes / 100_000_000 % 10),
    }
}

/// A text of somebody else's, in which nothing is invisible: control characters and those that change the direction of
/// writing are shown by their code, as `U+202E`. Longer ones than `characters` are cut, and say so.
pub fn visible(text: &str, characters: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(4 * characters));
    for (place, letter) in text.chars().enumerate() {
        if place == characters {
            shown.push_str(" … (cut)");
            break;
        }
        match letter {
            '\n' | '\t' => shown.push(' '),
            letter if is_invisible(letter) => {
                let _ = write!(shown, "U+{:04X}", u32::from(letter));
            }
            letter => shown.push(letter),
        }
    }
    shown
}

/// The name of a state, [`visible`]: those of Step Functions have 80 characters at most.
pub fn state(name: &str) -> String {
    visible(name, 80)
}

/// As [`visible`], of a text whose lines stay lines.
pub fn visible_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| visible(line, LINE_BYTES)).collect();
    lines.join("\n")
}

fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A sentence: the first letter large, a full stop behind it.
pub fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let Some(first) = letters.next() else { return String::new() };
    let rest = letters.as_str();
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{rest}{stop}", first.to_uppercase())
}

/// `a, b and c`.
pub fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_in_groups() {
        for (value, text) in [(0, "0"), (999, "999"), (1_203_551, "1\u{202f}203\u{202f}551")] {
            assert_eq!(number(value), text);
        }
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(size(8_577), "8\u{202f}577 bytes");
        assert_eq!(size(158_400_000), "158 MB");
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        for (milliseconds, text) in [
            (0, "0.00 s"),
            (363, "0.36 s"),
            (12_800, "12.8 s"),
            (62_000, "1 min 02 s"),
            (11_100_000, "3 h 05 min"),
            (187_200_000, "2 days 4 h"),
            (-5, "0.00 s"),
        ] {
            assert_eq!(duration(milliseconds), text);
        }
        for (milliseconds, text) in
            [(27_400, "27 s"), (120_000, "2 min"), (5_460_000, "1 h 31 min"), (90_000_000, "1 day")]
        {
            assert_eq!(about(milliseconds), text);
        }
    }

    #[test]
    fn what_cannot_be_seen_is_shown_by_its_code() {
        assert_eq!(visible("a\u{202e}b\u{0}c\r\n", 20), "aU+202EbU+0000cU+000D ");
        assert_eq!(visible("abcdef", 3), "abc … (cut)");
        assert_eq!(sentence("correct the file"), "Correct the file.");
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }
}
