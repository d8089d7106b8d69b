//! Durations in all their forms, against the same as a number of seconds.

use super::plain;
use serde_json::{Value, json};

/// A decimal: so many units of a power of ten.
type Number = (i128, u32);

/// Digits of a number that this adds up without an overflow.
const MOST_DIGITS: usize = 10;

/// Fails if a text is read as another duration than it shows. The first byte chooses what the spec says of the form.
pub(super) fn check(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let Some(raw) = plain::text(bytes) else { return };
    let format = [None, Some("h:m"), Some("m:s")][usize::from(*choice) % 3];
    let (unit, scale) = if choice & 4 == 0 { ("milliseconds", None) } else { ("hours", Some(3)) };
    let mut column: Value = json!({"type": "duration", "unit": unit});
    if let Some(scale) = scale {
        column["scale"] = json!(scale);
    }
    let mut with_form = column.clone();
    if let Some(format) = format {
        with_form["format"] = json!(format);
    }
    let with_form = plain::of_column(&with_form);
    column["format"] = json!("seconds");
    let is_long = raw.split(|letter: char| !letter.is_ascii_digit()).any(|digits| digits.len() > MOST_DIGITS);
    if is_long || raw.matches(['.', ',']).count() > 3 {
        // That it does not end in a panic, and is the same however it is cut.
        plain::value(&with_form, &raw);
        return;
    }
    let seconds = seconds(raw.trim(), format).map(|(units, scale)| format!("{units}e-{scale}"));
    plain::compare(&with_form, &raw, &plain::of_column(&column), seconds.as_deref());
}

/// How many seconds a text says.
fn seconds(text: &str, format: Option<&str>) -> Option<Number> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let found = match text.strip_prefix('P') {
        Some(iso) => of_iso(iso),
        None if text.contains(':') => of_clock(text, format),
        None => of_words(text),
    };
    found.map(|(units, scale)| (sign * units, scale))
}

fn of_iso(text: &str) -> Option<Number> {
    let (days, time) = text.split_once('T').map_or((text, None), |(days, time)| (days, Some(time)));
    let mut sum = (0, 0);
    let mut rest = days;
    for (letter, factor) in [('W', 604_800), ('D', 86_400)] {
        if let Some((number, behind)) = rest.split_once(letter) {
            sum = added(
                sum,
                times(number.parse::<u64>().ok().filter(|_| is_digits(number)).map(|_| decimal(number, "."))??, factor),
            );
            rest = behind;
        }
    }
    if !rest.is_empty() || text.is_empty() || time == Some("") {
        return None;
    }
    rest = time.unwrap_or_default();
    for (letter, factor) in [('H', 3_600), ('M', 60), ('S', 1)] {
        if let Some((number, behind)) = rest.split_once(letter) {
            sum = added(sum, times(decimal(number, ".")?, factor));
            rest = behind;
        }
    }
    rest.is_empty().then_some(sum)
}

fn of_clock(text: &str, format: Option<&str>) -> Option<Number> {
    let sixtieth = |text: &str| {
        (is_digits(text) && text.len() <= 2).then(|| text.parse::<i128>().unwrap()).filter(|number| *number < 60)
    };
    match text.split(':').collect::<Vec<_>>()[..] {
        [hours, minutes, seconds] => {
            let hours: i128 = Some(hours).filter(|hours| is_digits(hours))?.parse().ok()?;
            let whole = seconds.split(['.', ',']).next()?;
            sixtieth(whole)?;
            (whole.len() == seconds.len() || seconds.len() > whole.len() + 1).then_some(())?;
            Some(added((hours * 3_600 + sixtieth(minutes)? * 60, 0), decimal(seconds, ".,")?))
        }
        [first, second] => {
            let first: i128 = Some(first).filter(|first| is_digits(first))?.parse().ok()?;
            let digits = second.trim_end_matches(|letter: char| !letter.is_ascii_digit());
            let form = match &second[digits.len()..] {
                "" => format?,
                " min" | "min" => "m:s",
                " h" | "h" => "h:m",
                _ => return None,
            };
            let parts = first * 60 + sixtieth(digits)?;
            Some((if form == "h:m" { parts * 60 } else { parts }, 0))
        }
        _ => None,
    }
}

fn of_words(text: &str) -> Option<Number> {
    let mut sum = (0, 0);
    let mut rest = text;
    let mut is_any = false;
    while !rest.is_empty() {
        let number = &rest[..rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?];
        let behind = &rest[number.len()..];
        let behind = behind.strip_prefix(' ').unwrap_or(behind);
        let word = &behind[..behind.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(behind.len())];
        let (factor, decimals) = match word {
            "ms" => (1, 3),
            "s" | "sec" => (1, 0),
            "m" | "min" => (60, 0),
            "h" => (3_600, 0),
            "d" => (86_400, 0),
            _ => return None,
        };
        let (units, scale) = times(decimal(number, ".")?, factor);
        sum = added(sum, (units, scale + decimals));
        rest = &behind[word.len()..];
        rest = rest.strip_prefix(' ').unwrap_or(rest);
        is_any = true;
    }
    is_any.then_some(sum)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Digits, with one of these marks in them or not.
fn decimal(text: &str, marks: &str) -> Option<Number> {
    let (whole, fraction) = text.split_once(|letter| marks.contains(letter)).unwrap_or((text, ""));
    let digits = format!("{whole}{fraction}");
    is_digits(&digits).then(|| (digits.parse().unwrap(), u32::try_from(fraction.len()).unwrap()))
}

fn times((units, scale): Number, factor: i128) -> Number {
    (units * factor, scale)
}

fn added(one: Number, other: Number) -> Number {
    let scale = one.1.max(other.1);
    let units = |(units, decimals): Number| units * 10_i128.pow(scale - decimals);
    (units(one) + units(other), scale)
}
