//! Texts to decimals: the value that is written there, to the last digit, or none.

use pivot::value::decimal::{Decimal, MAX_DIGITS, NotDecimal};

/// Fails if a text is read as another value than it shows.
pub(super) fn check(text: &[u8]) {
    let parsed = Decimal::parse(text);
    let written = written(text);
    match parsed {
        Ok(decimal) => {
            assert!(decimal.mantissa.unsigned_abs() < 10_u128.pow(MAX_DIGITS) && decimal.scale <= MAX_DIGITS);
            let shown = shown(decimal);
            let again = Decimal::parse(shown.as_bytes());
            assert_eq!(self::written(shown.as_bytes()), written, "{decimal:?}");
            assert_eq!(again, Ok(if decimal.mantissa == 0 { Decimal::default() } else { decimal }), "{shown}");
            assert_eq!(decimal.checked_add(opposite(decimal)).map(|zero| zero.mantissa), Some(0), "{decimal:?}");
        }
        // It may be given up before its end is seen.
        Err(NotDecimal::TooLong) => {}
        Err(why) => assert_eq!(written, None, "{why:?}"),
    }
    let trimmed = trimmed(text);
    assert_eq!(Decimal::parse(trimmed), parsed, "blanks around it");
    if !trimmed.is_empty() && !trimmed.starts_with(b"-") && !trimmed.starts_with(b"+") {
        assert_eq!(Decimal::parse(&[&b"-"[..], trimmed].concat()), parsed.map(opposite), "a minus before it");
        assert_eq!(Decimal::parse(&[&b"+"[..], trimmed].concat()), parsed, "a plus before it");
    }
}

/// A text without the blanks around it.
fn trimmed(text: &[u8]) -> &[u8] {
    std::str::from_utf8(text).map_or_else(|_| text.trim_ascii(), |text| text.trim().as_bytes())
}

fn opposite(decimal: Decimal) -> Decimal {
    Decimal { mantissa: -decimal.mantissa, ..decimal }
}

/// As digits, with as many decimals as it has.
fn shown(decimal: Decimal) -> String {
    let sign = if decimal.mantissa < 0 { "-" } else { "" };
    let scale = usize::try_from(decimal.scale).unwrap();
    let digits = format!("{:0>width$}", decimal.mantissa.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// What a text says: whether it is negative, its digits without zeros around them, and the power of ten of the last
/// one. No digits, if it is zero; nothing, if it is no number.
fn written(text: &[u8]) -> Option<(bool, Vec<u8>, i128)> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let is_negative = text.starts_with('-');
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let exponent_digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = are_digits(whole) && are_digits(fraction) && are_digits(exponent_digits);
    if !is_number || whole.len() + fraction.len() == 0 || exponent_digits.is_empty() {
        return None;
    }
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).skip_while(|digit| *digit == b'0').collect();
    if digits.is_empty() {
        return Some((false, Vec::new(), 0));
    }
    // One that no number of this length can make up for, if it is too long for this type.
    let exponent_value: i128 = exponent_digits.parse().unwrap_or(i128::MAX / 2);
    let exponent_value = if exponent.starts_with('-') { -exponent_value } else { exponent_value };
    let mut power = exponent_value - i128::try_from(fraction.len()).unwrap();
    while digits.pop_if(|digit| *digit == b'0').is_some() {
        power += 1;
    }
    Some((is_negative, digits, power))
}
