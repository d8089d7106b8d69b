//! What the values of a column are: the first type of which the function can read all of them.

use super::moments::Moments;
use super::numbers;
use super::sample::{Column, Sample};
use super::typed::{Typed, example, fits, probe, quoted};
use pivot::general::probe::Probe;
use serde_json::{Value, json};
use sluice::spec::ColumnType;
use std::collections::BTreeSet;

/// What may stand where there is no value.
const NULLS: [&str; 16] =
    ["N/A", "n/a", "NA", "#N/A", "NULL", "null", "None", "none", "NaN", "nan", "-", "--", "?", "\\N", "(null)", "nil"];

/// Of them those that are hardly ever a text.
const SURE_NULLS: [&str; 5] = ["#N/A", "NULL", "\\N", "(null)", "N/A"];

/// Words for true and false, in small letters.
const TRUTHS: [(&str, &str); 5] = [("yes", "no"), ("y", "n"), ("ja", "nein"), ("t", "f"), ("on", "off")];

/// How many values stand beside one word in a column that is none of texts.
const LEAST_VALUES: usize = 9;

/// The most rows at the end that are none.
const MOST_FOOTERS: usize = 3;

/// Knows all forms.
pub(super) struct Typing {
    moments: Moments,
    plain_boolean: Option<Probe>,
}

impl Typing {
    pub(super) fn new() -> Self {
        Self { moments: Moments::new(), plain_boolean: probe(&json!({"type": "boolean"})) }
    }

    /// How many rows at the end are none: as few as let more columns have a type.
    pub(super) fn footer(&self, sample: &Sample) -> usize {
        let rows = sample.columns.first().map_or(0, |column| column.cells.len());
        let typed = |dropped: usize| {
            let of = |column: &&Column| {
                let kept = Column { cells: column.cells[..rows - dropped].to_vec(), ..(*column).clone() };
                self.found(&kept, false).kind != ColumnType::Text
            };
            sample.columns.iter().filter(of).count()
        };
        if !(MOST_FOOTERS + 1..10_000).contains(&rows) {
            return 0;
        }
        let all = typed(0);
        // A column that has a type only without the last row: it is the row that is odd.
        (1..=MOST_FOOTERS).find(|dropped| rows - dropped > 3 && typed(*dropped) > all).unwrap_or(0)
    }

    /// What the values of a column are.
    pub(super) fn of(&self, column: &Column) -> Typed {
        self.found(column, true)
    }

    /// The same; a few words among many values are bad ones if it `takes_most`.
    fn found(&self, column: &Column, takes_most: bool) -> Typed {
        let cells: Vec<&str> = column.cells.iter().flatten().map(String::as_str).collect();
        let has_nulls = cells.len() < column.cells.len();
        let is_null = |cell: &str| NULLS.contains(&cell.trim());
        let mut nulls: Vec<&str> = cells.iter().map(|cell| cell.trim()).filter(|cell| is_null(cell)).collect();
        nulls.sort_unstable();
        nulls.dedup();
        let mut typed = self.typed(&column.title, &cells);
        if typed.is_none() && !nulls.is_empty() && nulls.len() <= 4 {
            let rest: Vec<&str> = cells.iter().copied().filter(|cell| !is_null(cell)).collect();
            typed = self.typed(&column.title, &rest).map(|mut typed| {
                let texts: Vec<&str> = std::iter::once("").chain(nulls.iter().copied()).collect();
                typed.fields["null_values"] = json!(texts);
                typed.has_nulls = true;
                typed.unsure.push(format!("{} is read as null", quoted(&nulls)));
                typed
            });
        }
        let typed = typed.or_else(|| if takes_most { self.most(&column.title, &cells) } else { None });
        let mut typed = typed.unwrap_or_else(|| text(&cells));
        typed.has_nulls |= has_nulls;
        if typed.has_nulls && typed.kind != ColumnType::Text {
            typed.fields["nullable"] = true.into();
        }
        for line in &mut typed.unsure {
            *line = format!("column {:?}: {line}", column.title);
        }
        typed
    }

    /// The type of nearly all values, where the others are words.
    fn most(&self, title: &str, cells: &[&str]) -> Option<Typed> {
        let (values, words): (Vec<&str>, Vec<&str>) =
            cells.iter().copied().partition(|cell| cell.bytes().any(|byte| byte.is_ascii_digit()));
        if words.is_empty() || values.len() < LEAST_VALUES * words.len() {
            return None;
        }
        let mut typed = self.typed(title, &values)?;
        typed.unsure.push(format!(
            "{} of {} values are of no {}, such as {}: their rows are bad rows. Write \"null_values\" with them if they mean null",
            words.len(),
            cells.len(),
            typed.kind.as_str(),
            quoted(&[example(&words)])
        ));
        Some(typed)
    }

    /// The type of texts that are none; `None`: they are texts.
    fn typed(&self, title: &str, cells: &[&str]) -> Option<Typed> {
        if cells.is_empty() {
            return None;
        }
        let all =
            |probe: &Option<Probe>| probe.as_ref().is_some_and(|probe| cells.iter().all(|cell| probe.takes(cell)));
        if all(&self.plain_boolean) {
            return Some(Typed::new(ColumnType::Boolean, json!({})));
        }
        truth(cells)
            .or_else(|| self.moments.of_digits(title, cells))
            .or_else(|| numbers::number(title, cells))
            .or_else(|| self.moments.moment(title, cells))
            .or_else(|| duration(title, cells))
    }
}

/// A column of words for true and false.
fn truth(cells: &[&str]) -> Option<Typed> {
    let words: BTreeSet<&str> = cells.iter().map(|cell| cell.trim()).collect();
    let (yes, no) =
        TRUTHS.iter().find(|(yes, no)| words.iter().all(|word| [*yes, *no].contains(&word.to_lowercase().as_str())))?;
    // One of them alone may be anything that begins so.
    if words.len() < 2 && yes.len() < 2 {
        return None;
    }
    let like = |meant: &str, known: &str| {
        let is_large = known.chars().next().is_some_and(char::is_uppercase);
        if is_large { meant[..1].to_uppercase() + &meant[1..] } else { meant.to_owned() }
    };
    let of = |meant: &str| {
        let found: Vec<String> =
            words.iter().filter(|word| word.to_lowercase() == meant).map(|word| (*word).to_owned()).collect();
        // One that does not come is written like the other.
        let known = words.first().copied().unwrap_or_default();
        if found.is_empty() { vec![like(meant, known)] } else { found }
    };
    let (true_values, false_values) = (of(yes), of(no));
    Some(Typed::new(ColumnType::Boolean, json!({"true_values": true_values, "false_values": false_values})))
}

/// A column of durations, in one of the forms that mean one thing.
fn duration(title: &str, cells: &[&str]) -> Option<Typed> {
    let seconds = json!({"unit": "seconds"});
    let with_type = |fields: &Value| {
        let mut fields = fields.clone();
        fields["type"] = "duration".into();
        fields
    };
    let title = title.to_lowercase();
    let is_named = ["dura", "dauer", "elapsed", "took", "spent", "length"].iter().any(|word| title.contains(word));
    // A time of day looks like a duration.
    let is_clock = cells.iter().any(|cell| !cell.chars().any(char::is_alphabetic));
    if fits(&with_type(&seconds), cells) {
        let mut typed = Typed::new(ColumnType::Duration, seconds);
        if is_clock && !is_named {
            return None;
        }
        typed.unsure.push(format!(
            "{} is read as a duration, in seconds. Write \"unit\": \"hours\" and \"scale\": 2 for hours with two decimals",
            quoted(&[example(cells)])
        ));
        return Some(typed);
    }
    let stated = json!({"unit": "seconds", "format": "h:m"});
    if is_named && fits(&with_type(&stated), cells) {
        let mut typed = Typed::new(ColumnType::Duration, stated);
        typed.unsure.push(format!(
            "{} may be hours and minutes or minutes and seconds; read as hours and minutes. Write \"format\": \"m:s\" if it is \
             the other",
            quoted(&[example(cells)])
        ));
        return Some(typed);
    }
    None
}

fn text(cells: &[&str]) -> Typed {
    let mut typed = Typed::new(ColumnType::Text, json!({}));
    if cells.iter().any(|cell| cell.trim() != *cell) {
        typed.fields["trim"] = true.into();
    }
    let nulls: BTreeSet<&str> = cells.iter().map(|cell| cell.trim()).filter(|cell| SURE_NULLS.contains(cell)).collect();
    if !nulls.is_empty() {
        let nulls: Vec<&str> = nulls.into_iter().collect();
        let texts: Vec<&str> = std::iter::once("").chain(nulls.iter().copied()).collect();
        typed.fields["null_values"] = json!(texts);
        typed.has_nulls = true;
        typed.unsure.push(format!("{} is read as null. Drop it from \"null_values\" if it is a text", quoted(&nulls)));
    }
    typed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(title: &str, cells: &[&str]) -> Column {
        let cells = cells.iter().map(|cell| (!cell.is_empty()).then(|| (*cell).to_owned())).collect();
        Column { title: title.to_owned(), name: title.to_owned(), place: json!({}), cells }
    }

    #[test]
    fn types_are_found_out() {
        let typing = Typing::new();
        for (title, cells, fields) in [
            ("x", vec!["true", "FALSE"], json!({"type": "boolean"})),
            ("x", vec!["Yes", "No"], json!({"type": "boolean", "true_values": ["Yes"], "false_values": ["No"]})),
            ("x", vec!["Yes", "Yes"], json!({"type": "boolean", "true_values": ["Yes"], "false_values": ["No"]})),
            ("x", vec!["1", "2"], json!({"type": "integer"})),
            ("x", vec!["1", "", "2"], json!({"type": "integer", "nullable": true})),
            ("x", vec!["1", "N/A", "2"], json!({"type": "integer", "nullable": true, "null_values": ["", "N/A"]})),
            ("x", vec!["-1.5", "2"], json!({"type": "number"})),
            ("x", vec!["2024-03-01"], json!({"type": "date"})),
            ("duration", vec!["00:18:25", "1:25:30"], json!({"type": "duration", "unit": "seconds"})),
            ("start time", vec!["00:18:25", "1:25:30"], json!({})),
            ("x", vec!["PT1H25M"], json!({"type": "duration", "unit": "seconds"})),
            ("duration", vec!["18:25"], json!({"type": "duration", "unit": "seconds", "format": "h:m"})),
            ("x", vec!["a", " b"], json!({"trim": true})),
            ("x", vec!["a", "NULL"], json!({"null_values": ["", "NULL"]})),
            ("x", vec!["", ""], json!({})),
            ("x", vec!["a", "-"], json!({})),
            ("x", vec!["1", "2", "3", "4", "5", "6", "7", "8", "9", "oops"], json!({"type": "integer"})),
            ("x", vec!["1", "2", "3", "oops"], json!({})),
        ] {
            assert_eq!(typing.of(&column(title, &cells)).fields, fields, "{title} {cells:?}");
        }
    }
}
