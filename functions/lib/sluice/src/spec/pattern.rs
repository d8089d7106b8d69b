//! Patterns of dates and times, `%d/%m/%Y`: what they are made of, and what one must have to mean a day or a time, or
//! the beginning of what it is in.

use super::ColumnType;
use serde::Serialize;

/// To the beginning of what a date or time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they say it themselves")]
pub enum Truncate {
    Second,
    Minute,
    Hour,
    Day,
    /// It begins on Monday.
    Week,
    Month,
    Quarter,
    Year,
}

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternPart {
    /// What stands there as it is.
    Text(char),
    /// Behind `%`, the letter of a part of a date or time.
    Field(u8),
}

/// The letters that may stand behind `%`.
const LETTERS: &[u8] = b"YymdebBHIMSfpzjaA";

/// The parts of a pattern; `None` if it has no field, or one that there is not.
pub fn pattern_parts(pattern: &str) -> Option<Vec<PatternPart>> {
    let mut parts = Vec::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        parts.push(match letter {
            '%' => match letters.next()? {
                '%' => PatternPart::Text('%'),
                field => PatternPart::Field(u8::try_from(field).ok().filter(|field| LETTERS.contains(field))?),
            },
            other => PatternPart::Text(other),
        });
    }
    pattern.contains('%').then_some(parts)
}

/// What is wrong with a pattern of a column of this type, which goes to such beginnings; `None` if nothing is.
pub(super) fn problem(pattern: &str, kind: ColumnType, truncate: Option<Truncate>) -> Option<String> {
    let Some(parts) = pattern_parts(pattern) else {
        let what =
            "is not iso, epoch_s, epoch_ms, epoch_us, epoch_ns or a pattern such as %d/%m/%Y; behind % stands one of";
        return Some(format!("{what} {}", String::from_utf8_lossy(LETTERS)));
    };
    let fields: Vec<u8> = parts
        .iter()
        .filter_map(|part| match part {
            PatternPart::Field(field) => Some(*field),
            PatternPart::Text(_) => None,
        })
        .collect();
    let has = |letters: &[u8]| fields.iter().any(|field| letters.contains(field));
    let is_coarse = matches!(truncate, Some(Truncate::Month | Truncate::Quarter | Truncate::Year));
    let is_yearly = truncate == Some(Truncate::Year);
    let wanted = [
        ("a year", has(b"Yy")),
        ("a month", has(b"mbBj") || is_yearly),
        ("a day", has(b"dej") || is_coarse),
        ("AM or PM (%p)", !has(b"I") || has(b"p")),
        ("a time", kind == ColumnType::Date || has(b"HI") || is_coarse),
    ];
    let missing: Vec<&str> = wanted.iter().filter(|(_, has)| !has).map(|(what, _)| *what).collect();
    if !missing.is_empty() {
        return Some(format!("lacks {}", missing.join(", ")));
    }
    // Of two fields for one thing it could not be said which one counts.
    let things: [&[u8]; 8] = [b"Yy", b"mbB", b"de", b"HI", b"M", b"S", b"f", b"z"];
    let twice = |thing: &[u8]| fields.iter().filter(|field| thing.contains(field)).count() > 1;
    let is_twice =
        things.iter().any(|thing| twice(thing)) || [b"p", b"j", b"a", b"A"].iter().any(|thing| twice(*thing));
    is_twice.then(|| "has a part twice".to_owned())
}
