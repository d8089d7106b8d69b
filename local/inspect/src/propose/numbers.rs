//! Numbers, in the ways people write them.

use super::typed::{Typed, example, fits, quoted};
use serde_json::{Value, json};
use sluice::spec::ColumnType;
use std::collections::BTreeSet;

/// Decimal mark and group marks, the usual ones first.
const MARKS: [(&str, &str); 7] =
    [(".", ""), (",", ""), (".", ","), (",", "."), (".", "'"), (",", ".' \u{a0}\u{202f}"), (".", ",' \u{a0}\u{202f}")];

/// The most texts that stand beside numbers.
const MOST_AFFIXES: usize = 6;

/// The most letters of a unit.
const MOST_LETTERS: usize = 4;

/// Signs that may stand at numbers.
const SIGNS: &str = "$€£¥₹₽%";

/// Columns that number something: their zeros at the front are a part of them.
const CODES: [&str; 7] = ["zip", "plz", "postal", "phone", "tel", "code", "iban"];

/// A column of numbers; `None` if these are none.
pub(super) fn number(title: &str, cells: &[&str]) -> Option<Typed> {
    let has_zeros =
        |cell: &&str| cell.len() > 1 && cell.starts_with('0') && cell.bytes().all(|byte| byte.is_ascii_digit());
    if cells.iter().any(has_zeros) {
        return None;
    }
    let title = title.to_lowercase();
    if CODES.iter().any(|code| title.split(|character: char| !character.is_alphanumeric()).any(|word| word == *code)) {
        return None;
    }
    let affixes = affixes(cells);
    for accounting in [false, true] {
        for strip in [&[][..], &affixes] {
            if strip.is_empty() && !affixes.is_empty() {
                continue;
            }
            let found: Vec<Value> = MARKS
                .iter()
                .map(|marks| fields(*marks, strip, accounting))
                .filter(|fields| fits(fields, cells))
                .collect();
            if let Some(first) = found.first() {
                return Some(typed(first.clone(), &found, cells));
            }
        }
    }
    None
}

fn fields((decimal, group): (&str, &str), strip: &[String], accounting: bool) -> Value {
    let mut fields = json!({"type": "number"});
    if decimal != "." {
        fields["decimal"] = decimal.into();
    }
    if !group.is_empty() {
        fields["group"] = group.into();
    }
    if !strip.is_empty() {
        fields["strip"] = json!(strip);
    }
    if accounting {
        fields["accounting"] = true.into();
    }
    fields
}

/// The column, of which `found` are all ways to read it.
fn typed(mut fields: Value, found: &[Value], cells: &[&str]) -> Typed {
    let decimal = if fields["decimal"] == "," { ',' } else { '.' };
    let has_decimals = cells
        .iter()
        .any(|cell| cell.contains(decimal) || cell.contains(['e', 'E']) && !cell.contains(char::is_whitespace));
    let mut as_integer = fields.clone();
    as_integer["type"] = "integer".into();
    if let Some(object) = as_integer.as_object_mut() {
        object.remove("decimal");
        // Without decimals, which mark they would have does not matter, as long as it is no group's.
        if object.get("group").and_then(Value::as_str).is_some_and(|group| group.contains('.')) {
            object.insert("decimal".to_owned(), ",".into());
        }
    }
    if !has_decimals && fits(&as_integer, cells) {
        return noted(Typed::new(ColumnType::Integer, as_integer), cells);
    }
    let mut unsure = Vec::new();
    // A single mark before three digits, everywhere: thousands, or thousandths?
    let other = found.iter().find(|other| {
        let group = other["group"].as_str().unwrap_or_default();
        **other != fields && group.contains(decimal)
    });
    if other.is_some() {
        let mark = decimal.to_string();
        let with_mark: Vec<&str> = cells.iter().copied().filter(|cell| cell.contains(decimal)).collect::<Vec<_>>();
        let as_thousands = decimal == ',';
        if as_thousands {
            fields = json!({"type": "integer", "group": ","});
        }
        unsure.push(format!(
            "{} may have thousands or decimals behind its {mark:?}; read as {}. Write {} if it is the other",
            quoted(&[example(&with_mark)]),
            if as_thousands { "thousands" } else { "decimals" },
            if as_thousands {
                "\"type\": \"number\", \"decimal\": \",\" and no \"group\""
            } else {
                "\"group\": \".\", \"decimal\": \",\""
            },
        ));
        if as_thousands && !fits(&fields, cells) {
            fields = found[0].clone();
            unsure.clear();
        }
    }
    let kind = if fields["type"] == "integer" { ColumnType::Integer } else { ColumnType::Number };
    let mut typed = Typed::new(kind, fields);
    typed.unsure = unsure;
    noted(typed, cells)
}

/// Says what is lost.
fn noted(mut typed: Typed, cells: &[&str]) -> Typed {
    let strip: Vec<String> = typed.fields["strip"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect();
    if strip.iter().any(|text| text == "%") {
        typed.unsure.push("12% is read as 12, not as 0.12".to_owned());
    }
    let without = cells.iter().filter(|cell| !strip.iter().any(|text| cell.contains(text.as_str()))).count();
    if strip.len() > 1 {
        typed.unsure.push(format!(
            "{} are left out, so that amounts of several units are added up: keep them apart by a column of their own",
            strip.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ")
        ));
    } else if strip.iter().any(|text| text != "%") && without > 0 {
        typed.unsure.push(format!("{:?} stands beside some of the numbers only, and is left out", strip[0]));
    }
    if typed.fields.as_object().is_some_and(|fields| fields.contains_key("accounting")) {
        typed.unsure.push("numbers in parentheses, or with - behind them, are read as negative".to_owned());
    }
    typed
}

/// Letters and signs before and behind the digits of all numbers; empty if there are none, or too many to be units.
fn affixes(cells: &[&str]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for cell in cells {
        let is_of_number = |character: char| character.is_ascii_digit() || ".,'+-() \u{a0}\u{202f}".contains(character);
        let (Some(start), Some(end)) =
            (cell.find(|c: char| c.is_ascii_digit()), cell.rfind(|c: char| c.is_ascii_digit()))
        else {
            return Vec::new();
        };
        for outside in [&cell[..start], &cell[end + 1..]] {
            let text = outside.trim_matches(is_of_number);
            if text.is_empty() {
                continue;
            }
            // A unit in letters stands apart; a1 is a name.
            let is_apart = outside.contains(char::is_whitespace) && text.chars().all(char::is_alphabetic);
            let is_sign = text.chars().all(|character| SIGNS.contains(character));
            if text.chars().count() > MOST_LETTERS || !is_apart && !is_sign {
                return Vec::new();
            }
            found.insert(text.to_owned());
        }
    }
    if found.len() > MOST_AFFIXES { Vec::new() } else { found.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_the_ways_people_write_them() {
        for (cells, fields) in [
            (vec!["1", "-2"], json!({"type": "integer"})),
            (vec!["1.50", "2"], json!({"type": "number"})),
            (vec!["1,50", "2"], json!({"type": "number", "decimal": ","})),
            (vec!["1.234,50", "2,00"], json!({"type": "number", "decimal": ",", "group": "."})),
            (vec!["1,234.50", "2"], json!({"type": "number", "group": ","})),
            (vec!["1,234,567", "2"], json!({"type": "integer", "group": ","})),
            (vec!["1.234.567", "2"], json!({"type": "integer", "group": ".", "decimal": ","})),
            (vec!["1'234.50"], json!({"type": "number", "group": "'"})),
            (vec!["$1,000.50", "(5.00)"], json!({"type": "number", "group": ",", "strip": ["$"], "accounting": true})),
            (
                vec!["3.234,50 EUR", "-1.500", "-12,3"],
                json!({"type": "number", "decimal": ",", "group": ".", "strip": ["EUR"]}),
            ),
            (vec!["12 %", "7 %"], json!({"type": "integer", "strip": ["%"]})),
            (vec!["99999999999999999999"], json!({"type": "number"})),
            (vec!["1e3"], json!({"type": "number"})),
            (vec!["1,234"], json!({"type": "integer", "group": ","})),
        ] {
            assert_eq!(number("x", &cells).map(|typed| typed.fields), Some(fields), "{cells:?}");
        }
        for cells in [vec!["007"], vec!["1.2.3"], vec!["1-2"], vec!["a1"], vec!["x"], vec!["192.168.0.1"]] {
            assert_eq!(number("x", &cells), None, "{cells:?}");
        }
        assert_eq!(number("Zip code", &["12345"]), None);
    }

    #[test]
    fn what_may_be_thousands_is_said() {
        let told = |cells: &[&str]| number("x", cells).unwrap().unsure.join("\n");
        assert!(told(&["1,234"]).contains("\"1,234\" may have thousands or decimals"), "{}", told(&["1,234"]));
        assert!(told(&["1.234", "12.500"]).contains("read as decimals. Write \"group\": \".\""));
        assert_eq!(told(&["1.234", "12.5"]), "");
        assert_eq!(told(&["1,234", "12,345,678"]), "");
    }
}
