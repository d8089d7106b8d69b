//! Numbers with marks between their digits, currencies and what accountants write, against the same in plain form.

use super::plain;
use serde_json::{Value, json};

/// Marks of a column: decimal, between groups, what may stand around, and whether brackets are a sign.
struct Form {
    decimal: char,
    group: &'static str,
    strip: &'static [&'static str],
    accounting: bool,
}

const FORMS: [Form; 5] = [
    Form { decimal: ',', group: ".", strip: &[], accounting: false },
    Form { decimal: '.', group: ", '", strip: &["$", "EUR"], accounting: true },
    Form { decimal: ',', group: "", strip: &["%"], accounting: false },
    Form { decimal: '.', group: "\u{a0}", strip: &[], accounting: true },
    Form { decimal: '.', group: "", strip: &["."], accounting: false },
];

/// Fails if a text is read as another number than it shows. The first byte chooses form and type.
pub(super) fn check(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let Some(raw) = plain::text(bytes) else { return };
    let form = &FORMS[usize::from(*choice) % FORMS.len()];
    let kind = if choice & 4 == 0 { "number" } else { "integer" };
    let column: Value = json!({
        "type": kind, "decimal": form.decimal, "group": form.group, "strip": form.strip, "accounting": form.accounting,
    });
    let (column, plain) = (plain::of_column(&column), plain::of_column(&json!({"type": kind})));
    plain::compare(&column, &raw, &plain, written(form, &raw).as_deref());
}

/// The same number as digits with a point; `None` if the form has no such number.
fn written(form: &Form, raw: &str) -> Option<String> {
    let mut text = raw.trim();
    let mut is_negative = false;
    if form.accounting {
        let inner = text.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).or(text.strip_suffix('-'));
        (text, is_negative) = inner.map_or((text, false), |inner| (inner.trim(), true));
    }
    let mut sign = None;
    let take_sign = |text: &mut &str, sign: &mut Option<char>| {
        if sign.is_none() && text.starts_with(['+', '-']) {
            *sign = text.chars().next();
            *text = text[1..].trim_start();
        }
    };
    take_sign(&mut text, &mut sign);
    for affix in form.strip {
        if let Some(rest) = text.strip_prefix(affix) {
            text = rest.trim_start();
            take_sign(&mut text, &mut sign);
        }
        text = text.strip_suffix(affix).map_or(text, str::trim_end);
    }
    // Not negative twice.
    if is_negative && sign.is_some() {
        return None;
    }
    let (mantissa, exponent) = text.find(['e', 'E']).map_or((text, ""), |at| text.split_at(at));
    let (whole, fraction) = mantissa.split_once(form.decimal).unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let groups: Vec<&str> = whole.split(|letter| form.group.contains(letter)).collect();
    let is_grouped = match &groups[..] {
        [_] => true,
        [first, middle @ .., last] => {
            (1..=3).contains(&first.len())
                && !first.starts_with('0')
                && middle.iter().all(|group| (2..=3).contains(&group.len()))
                && last.len() == 3
        }
        [] => false,
    };
    let is_number = is_grouped && groups.iter().all(|group| are_digits(group)) && are_digits(fraction);
    // Digits of more than one sign, or none, the plain form refuses as well.
    let minus = if is_negative || sign == Some('-') { "-" } else { "" };
    let has_digit = groups.iter().any(|group| !group.is_empty()) || !fraction.is_empty();
    (is_number && has_digit).then(|| format!("{minus}{}.{fraction}{exponent}", groups.concat()))
}
