//! Numbers as people write them: other decimal marks, marks between groups of digits, currencies, and what accountants
//! put in place of a sign.

use super::decimal::{Decimal, NotDecimal, Units};
use super::digits::{Digits, at_once, groups_at_once, places_of};
use super::field::FieldPrefix;
use sluice::spec::Column;

/// How the numbers of a column are written.
#[derive(Clone, Debug)]
pub(crate) struct NumberForm {
    decimal: u8,
    /// In UTF-8, each.
    group: Vec<String>,
    strip: Vec<String>,
    accounting: bool,
    is_plain: bool,
    /// The decimal mark may also be what stands around a number.
    strips_mark: bool,
    /// The only mark between groups of digits, if it is ASCII; else the decimal mark, which is none of them.
    short_group: u8,
}

/// Characters of a number in its plain form, at most: what is longer has more digits than a decimal, or is padded.
const MAX_LEN: usize = 128;

/// A number in its plain form.
struct PlainNumber {
    text: [u8; MAX_LEN],
    len: usize,
}

impl PlainNumber {
    fn push(&mut self, byte: u8) -> Result<(), NotDecimal> {
        *self.text.get_mut(self.len).ok_or(NotDecimal::TooLong)? = byte;
        self.len += 1;
        Ok(())
    }
}

impl NumberForm {
    /// Those of a column.
    pub(crate) fn new(column: &Column) -> Self {
        let decimal = if column.has_decimal_comma { b',' } else { b'.' };
        let group: Vec<String> = column.group.chars().map(String::from).collect();
        let is_plain = decimal == b'.' && group.is_empty() && column.strip.is_empty() && !column.accounting;
        let short_group = match group.as_slice() {
            [mark] if mark.len() == 1 => mark.as_bytes()[0],
            _ => decimal,
        };
        let strips_mark = column.strip.iter().any(|affix| affix.as_bytes() == [decimal]);
        let (strip, accounting) = (column.strip.clone(), column.accounting);
        Self { decimal, group, strip, accounting, is_plain, strips_mark, short_group }
    }

    /// With this decimal mark, and nothing else.
    pub(crate) fn with_mark(decimal: u8) -> Self {
        let is_plain = decimal == b'.';
        let (group, strip) = (Vec::new(), Vec::new());
        Self { decimal, group, strip, accounting: false, is_plain, strips_mark: false, short_group: decimal }
    }

    /// The number of a text that means the same in every form with these marks: a minus sign, digits, perhaps with a
    /// mark between groups of three, perhaps the decimal mark and more digits. `None` if it is anything else, or a long
    /// one.
    #[inline(always)]
    pub(crate) fn parse_quickly(&self, prefix: FieldPrefix<'_>) -> Option<Decimal> {
        match self.parse_digits(prefix) {
            Some(digits) => Some(digits.into()),
            None => self.parse_long(prefix),
        }
    }

    /// The same in units.
    #[inline(always)]
    pub(crate) fn parse_units(&self, prefix: FieldPrefix<'_>) -> Option<Units> {
        match self.parse_digits(prefix) {
            Some(Digits { magnitude, decimals }) => Units::of_digits(magnitude, decimals),
            None => self.parse_long(prefix).and_then(Units::new),
        }
    }

    /// The same of at most sixteen characters.
    #[inline(always)]
    fn parse_digits(&self, prefix: FieldPrefix<'_>) -> Option<Digits> {
        let (mark, group) = (self.decimal, self.short_group);
        if self.strips_mark {
            return None;
        }
        let has_groups = group != mark && places_of(prefix, group) != Some(0);
        if has_groups { groups_at_once(prefix, mark, group) } else { at_once(prefix, mark) }
    }

    /// The same of a longer text. Not inlined: few are.
    #[inline(never)]
    fn parse_long(&self, prefix: FieldPrefix<'_>) -> Option<Decimal> {
        let text = prefix.bytes.get(..prefix.len)?;
        if self.strips_mark { None } else { short(text, self.decimal, self.short_group) }
    }

    /// The number of a text, without zeros at the end of its decimals.
    ///
    /// # Errors
    /// Why it is none.
    #[inline]
    pub(crate) fn parse_trimmed(&self, text: &[u8]) -> Result<Decimal, NotDecimal> {
        match short(text, self.decimal, self.short_group) {
            Some(number) => Ok(number),
            None => self.parse(text).map(Decimal::trimmed),
        }
    }

    /// The number of a text.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn parse(&self, text: &[u8]) -> Result<Decimal, NotDecimal> {
        if self.is_plain {
            return Decimal::parse(text);
        }
        let text = std::str::from_utf8(text).map_err(|_| NotDecimal::Malformed)?.trim();
        if text.is_empty() {
            return Err(NotDecimal::Empty);
        }
        let (text, is_negative) = if self.accounting { accounting(text) } else { (text, false) };
        let (sign, text) = self.stripped(text);
        if is_negative && sign.is_some() {
            return Err(NotDecimal::Malformed);
        }
        let mut plain = PlainNumber { text: [0; MAX_LEN], len: 0 };
        if is_negative || sign == Some('-') {
            plain.push(b'-')?;
        }
        self.write_plain(text, &mut plain)?;
        Decimal::parse(&plain.text[..plain.len])
    }

    /// The sign, and the text without it and without what may stand before and behind.
    fn stripped<'t>(&self, text: &'t str) -> (Option<char>, &'t str) {
        let signed = |text: &'t str| match text.strip_prefix(['+', '-']) {
            Some(rest) => (text.chars().next(), rest.trim_start()),
            None => (None, text),
        };
        let (mut sign, mut text) = signed(text.trim());
        for affix in &self.strip {
            if let Some(rest) = text.strip_prefix(affix.as_str()) {
                text = rest.trim_start();
                if sign.is_none() {
                    (sign, text) = signed(text);
                }
            }
            if let Some(rest) = text.strip_suffix(affix.as_str()) {
                text = rest.trim_end();
            }
        }
        (sign, text)
    }

    /// Digits, point and exponent as [`Decimal::parse`] takes them.
    fn write_plain(&self, text: &str, plain: &mut PlainNumber) -> Result<(), NotDecimal> {
        let end = text.bytes().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(text.len());
        let (mantissa, exponent) = text.split_at(end);
        let point = mantissa.bytes().position(|byte| byte == self.decimal).unwrap_or(mantissa.len());
        let (whole, fraction) = mantissa.split_at(point);
        self.write_whole(whole, plain)?;
        if let Some(digits) = fraction.as_bytes().get(1..) {
            plain.push(b'.')?;
            for &digit in digits {
                // No other mark, nor another point.
                if !digit.is_ascii_digit() {
                    return Err(NotDecimal::Malformed);
                }
                plain.push(digit)?;
            }
        }
        exponent.bytes().try_for_each(|byte| plain.push(byte))
    }

    /// The digits before the point, without the marks between them: three digits follow the last mark, two or three the
    /// others, and no zero leads.
    fn write_whole(&self, whole: &str, plain: &mut PlainNumber) -> Result<(), NotDecimal> {
        let mut rest = whole;
        let mut group_len = 0;
        let mut groups = 0;
        while let Some(&byte) = rest.as_bytes().first() {
            if byte.is_ascii_digit() {
                plain.push(byte)?;
                group_len += 1;
                rest = &rest[1..];
                continue;
            }
            let mark = self.group.iter().find(|mark| rest.starts_with(mark.as_str())).ok_or(NotDecimal::Malformed)?;
            let is_first = groups == 0;
            let is_right = if is_first {
                (1..=3).contains(&group_len) && !whole.starts_with('0')
            } else {
                (2..=3).contains(&group_len)
            };
            if !is_right {
                return Err(NotDecimal::Malformed);
            }
            (groups, group_len) = (groups + 1, 0);
            rest = &rest[mark.len()..];
        }
        if groups > 0 && group_len != 3 { Err(NotDecimal::Malformed) } else { Ok(()) }
    }
}

/// The number of a text that has a point, if anything, and no other mark; without zeros at the end of its decimals.
///
/// # Errors
/// Why it is none.
#[inline]
pub(crate) fn parse_plain(text: &[u8]) -> Result<Decimal, NotDecimal> {
    match short(text, b'.', b'.') {
        Some(number) => Ok(number),
        None => Decimal::parse(text).map(Decimal::trimmed),
    }
}

/// Fast path for what means the same in every form: a minus sign, digits, perhaps with the mark between groups of
/// three, perhaps the decimal mark and more digits; 18 digits at most.
#[inline]
fn short(text: &[u8], mark: u8, group: u8) -> Option<Decimal> {
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    // The marks and 18 digits.
    if !(1..=24).contains(&digits.len()) || !digits[0].is_ascii_digit() {
        return None;
    }
    let (mut value, mut point, mut zeros) = (0_u64, None, 0_u32);
    let (mut marks, mut last_mark) = (0, None);
    for (place, &byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                // What wraps around has too many digits.
                value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
                zeros = if byte == b'0' { zeros + 1 } else { 0 };
            }
            _ if byte == mark && point.is_none() => (point, zeros) = (Some(place), 0),
            // Only what no rule of groups could object to.
            _ if byte == group && point.is_none() => {
                let is_right = last_mark.map_or(place <= 3 && digits[0] != b'0', |last| place - last == 4);
                if !is_right {
                    return None;
                }
                (marks, last_mark) = (marks + 1, Some(place));
            }
            _ => return None,
        }
    }
    let whole = point.unwrap_or(digits.len());
    if digits.len() - marks - usize::from(point.is_some()) > 18 || last_mark.is_some_and(|last| whole - last != 4) {
        return None;
    }
    let decimals = u32::try_from(point.map_or(0, |point| digits.len() - point - 1)).ok()?;
    let zeros = zeros.min(decimals);
    let magnitude = i128::from(value / 10_u64.pow(zeros));
    Some(Decimal { mantissa: if is_negative { -magnitude } else { magnitude }, scale: decimals - zeros })
}

/// What stands between brackets or before a minus sign, which mean that it is negative.
fn accounting(text: &str) -> (&str, bool) {
    let bracketed = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    match bracketed.or_else(|| text.strip_suffix('-')) {
        Some(inner) => (inner.trim(), true),
        None => (text, false),
    }
}

/// The whole number of 64 bits that a decimal is.
pub(crate) fn integer(number: Decimal) -> Option<i64> {
    let Decimal { mantissa, scale } = number.trimmed();
    if scale == 0 { i64::try_from(mantissa).ok() } else { None }
}

/// A number over another, with so many decimals, halves rounded away from zero; `None` if that has too many digits.
pub fn divided(number: Decimal, by: u64, scale: u32) -> Option<Decimal> {
    let Decimal { mantissa, scale: decimals } = number.trimmed();
    let divisor = u128::from(by).checked_mul(10_u128.checked_pow(decimals)?)?;
    // Ten times a remainder must not overflow.
    divisor.checked_mul(10)?;
    let magnitude = mantissa.unsigned_abs();
    let (mut quotient, mut rest) = (magnitude / divisor, magnitude % divisor);
    for _ in 0..scale {
        rest *= 10;
        quotient = quotient.checked_mul(10)?.checked_add(rest / divisor)?;
        rest %= divisor;
    }
    if 2 * rest >= divisor {
        quotient += 1;
    }
    let quotient = i128::try_from(quotient).ok()?;
    let found = Decimal { mantissa: if mantissa < 0 { -quotient } else { quotient }, scale };
    // Within its digits.
    found.rescaled(scale).map(|_| found.trimmed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice::spec::{ColumnType, Place};

    fn form(change: impl FnOnce(&mut Column)) -> NumberForm {
        let mut column = Column::new(Place::From("x".to_owned()), ColumnType::Number);
        change(&mut column);
        NumberForm::new(&column)
    }

    fn shown(form: &NumberForm, text: &str) -> Option<String> {
        form.parse(text.as_bytes()).ok().map(|number| {
            let Decimal { mantissa, scale } = number.trimmed();
            format!("{mantissa}e-{scale}")
        })
    }

    #[test]
    fn numbers_are_read_as_their_column_says() {
        let european = form(|column| {
            column.has_decimal_comma = true;
            column.group = ".' \u{202f}".to_owned();
            column.strip = vec!["EUR".to_owned(), "€".to_owned()];
        });
        let american = form(|column| {
            column.group = ",".to_owned();
            column.strip = vec!["$".to_owned(), "USD".to_owned(), "%".to_owned()];
            column.accounting = true;
        });
        for (form, text, expected) in [
            (&european, "1.234,50", Some("12345e-1")),
            (&european, "1.500", Some("1500e-0")),
            (&european, "1.50", None),
            (&european, "0.500", None),
            (&european, "12'34'567,0", Some("1234567e-0")),
            (&european, "1\u{202f}234 EUR", Some("1234e-0")),
            (&european, "-€5", Some("-5e-0")),
            (&european, "€ -5", Some("-5e-0")),
            (&european, "--5", None),
            (&european, ",5", Some("5e-1")),
            (&european, "5,", Some("5e-0")),
            (&european, "1,5,5", None),
            (&european, "1,5.5", None),
            (&european, "1e3", Some("1000e-0")),
            (&european, ",", None),
            (&european, "EUR", None),
            (&european, "", None),
            (&american, "(1,234.50)", Some("-12345e-1")),
            (&american, "($5.00)", Some("-5e-0")),
            (&american, "5.00-", Some("-5e-0")),
            (&american, "-5.00-", None),
            (&american, "(-5)", None),
            (&american, "$1,234.5", Some("12345e-1")),
            (&american, "12 %", Some("12e-0")),
            (&american, "USD 12", Some("12e-0")),
            (&american, "1,23", None),
            (&american, "1,2345", None),
            (&american, "1,,234", None),
            (&american, ",234", None),
            (&american, "(5", None),
        ] {
            assert_eq!(shown(form, text).as_deref(), expected, "{text:?}");
        }
        let long = "9".repeat(200);
        assert_eq!(american.parse(long.as_bytes()), Err(NotDecimal::TooLong));
    }

    /// What is read of a text together with what follows it.
    fn at_once(form: &NumberForm, text: &str) -> Option<Decimal> {
        let ahead = format!("{text}7,7.000 and what follows, up to the length that is loaded");
        form.parse_quickly(FieldPrefix::new(ahead.as_bytes(), text.len()).unwrap())
    }

    proptest::proptest! {
        #[test]
        fn short_numbers_with_groups_take_the_fast_path_to_the_same(text in "-?[0-9]{0,4}([.,'][0-9]{1,4}){0,6}[.,]?[0-9]{0,4}") {
            for (has_decimal_comma, group) in [(true, "."), (true, ".'"), (false, ","), (false, "'")] {
                let form = form(|column| {
                    column.has_decimal_comma = has_decimal_comma;
                    column.group = group.to_owned();
                });
                let slow = form.parse(text.as_bytes()).map(Decimal::trimmed);
                proptest::prop_assert_eq!(form.parse_trimmed(text.as_bytes()), slow, "{}", text);
                if let Some(found) = at_once(&form, &text) {
                    proptest::prop_assert_eq!(Ok(found), slow, "{}", text);
                }
            }
        }

        #[test]
        fn numbers_with_groups_are_read_at_once(text in "-?[1-9][0-9]{0,2}([.][0-9]{3}){1,2}(,[0-9]{0,4})?") {
            let form = form(|column| {
                column.has_decimal_comma = true;
                column.group = ".".to_owned();
            });
            let slow = form.parse(text.as_bytes()).map(Decimal::trimmed).unwrap();
            proptest::prop_assert_eq!(at_once(&form, &text), Some(slow), "{}", text);
        }

        #[test]
        fn numbers_are_read_at_once_to_the_same(text in "-?[0-9]{0,10}[.,]?[0-9]{0,10}[-.,e ]?") {
            for mark in [b'.', b','] {
                let form = NumberForm::with_mark(mark);
                let slow = form.parse(text.as_bytes()).map(Decimal::trimmed);
                match at_once(&form, &text) {
                    Some(found) => proptest::prop_assert_eq!(Ok(found), slow, "{}", text),
                    None => {
                        let is_plain = text.len() <= 16
                            && text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit() || byte == mark);
                        proptest::prop_assert!(!is_plain || slow.is_err(), "{} is {:?}", text, slow);
                    }
                }
            }
        }

        #[test]
        fn short_numbers_take_the_fast_path_to_the_same(text in "-?[0-9]{0,12}[.,]?[0-9]{0,12}[ e,.-]?[0-9]?") {
            for mark in [b'.', b','] {
                let form = NumberForm::with_mark(mark);
                let slow = form.parse(text.as_bytes()).map(Decimal::trimmed);
                proptest::prop_assert_eq!(form.parse_trimmed(text.as_bytes()), slow, "{}", text);
            }
        }
    }

    #[test]
    fn quotients_are_rounded_once() {
        let quotient = |mantissa, decimals, by, scale| {
            divided(Decimal { mantissa, scale: decimals }, by, scale).map(|found| (found.mantissa, found.scale))
        };
        assert_eq!(quotient(90, 0, 60, 2), Some((15, 1)));
        assert_eq!(quotient(-30, 0, 60, 0), Some((-1, 0)));
        assert_eq!(quotient(29, 0, 60, 0), Some((0, 0)));
        assert_eq!(quotient(1, 0, 3_600, 6), Some((278, 6)));
        assert_eq!(quotient(1, 3, 86_400, 20), Some((1_157_407_407_407, 20)));
        assert_eq!(quotient(10_i128.pow(37), 0, 1, 2), None);
    }

    #[test]
    fn whole_numbers_have_64_bits() {
        let of = |text: &str| integer(Decimal::parse(text.as_bytes()).unwrap());
        assert_eq!(of("5.00"), Some(5));
        assert_eq!(of("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(of("9223372036854775808"), None);
        assert_eq!(of("5.01"), None);
        assert_eq!(of("1e3"), Some(1_000));
    }
}
