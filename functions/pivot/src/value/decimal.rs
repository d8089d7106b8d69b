//! Exact decimals: an integer and how many of its digits are decimals. No float anywhere, so a sum does not depend on
//! the order of its parts.

use super::field::{FieldPrefix, LENGTH_MASKS};
use super::{simd_digits, trimmed};
use std::fmt;
use wide::u8x16;

/// Digits that a value or a sum may have, decimals included: what a 128-bit integer holds.
pub const MAX_DIGITS: u32 = 38;

/// The largest integer of [`MAX_DIGITS`] digits.
const LIMIT: u128 = 10_u128.pow(MAX_DIGITS) - 1;

/// The powers of ten that a word holds.
const SMALL_POWERS: [i64; 19] = {
    let mut powers = [1; 19];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// `mantissa / 10^scale`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decimal {
    /// At most [`MAX_DIGITS`] digits.
    pub mantissa: i128,
    /// At most [`MAX_DIGITS`].
    pub scale: u32,
}

/// A decimal in units of 10^-20, as many decimals as floating-point numbers are written with: so adding is one integer
/// addition, however many decimals there are. Or, as a tagged value, the index of a sum that is kept elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Units(i128);

/// Decimals of a unit.
const UNIT_SCALE: u32 = 20;

/// One, in units of eight or twelve decimals.
const EIGHT_DECIMALS: i64 = 100_000_000;
const TWELVE_DECIMALS: i64 = 1_000_000_000_000;

/// Bound on |sum|, so that adding one more value cannot overflow i128.
const SUM_BOUND: i128 = 1 << 125;

impl Units {
    /// A decimal in units, if it has no more decimals than a unit, nor more digits than a decimal may have.
    #[inline]
    pub fn new(decimal: Decimal) -> Option<Self> {
        let decimal = if decimal.scale > UNIT_SCALE { decimal.trimmed() } else { decimal };
        decimal.rescaled(UNIT_SCALE).map(Self)
    }

    /// `magnitude / 10^decimals`, of at most sixteen digits, all of which may be decimals.
    #[inline(always)]
    pub(crate) fn of_digits(magnitude: i64, decimals: usize) -> Option<Self> {
        let more = (UNIT_SCALE as usize).checked_sub(decimals)?;
        let last = more.min(SMALL_POWERS.len() - 1);
        // Mostly 1, and at most 100.
        let first = SMALL_POWERS.get(more - last)?;
        Some(Self(i128::from(magnitude * first) * i128::from(SMALL_POWERS[last])))
    }

    /// A tagged value: index into `wide`, for sums that do not fit into `Units`.
    pub(crate) fn tagged(index: u32) -> Self {
        Self(i128::MIN + i128::from(index))
    }

    /// The index, if this is a tagged value.
    pub(crate) fn tag(self) -> Option<u32> {
        u32::try_from(self.0.wrapping_sub(i128::MIN)).ok()
    }

    /// The sum with a number; `None` if it exceeds `SUM_BOUND`, or if this is a tagged value.
    #[inline(always)]
    pub fn checked_add(self, number: Self) -> Option<Self> {
        let sum = self.0.wrapping_add(number.0);
        (-SUM_BOUND..SUM_BOUND).contains(&sum).then_some(Self(sum))
    }
}

impl From<Units> for Decimal {
    fn from(Units(units): Units) -> Self {
        Self { mantissa: units, scale: UNIT_SCALE }.trimmed()
    }
}

/// Why a text is not a decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDecimal {
    /// Nothing but blanks.
    Empty,
    /// `NaN` or an infinity, which would poison every sum they enter.
    NotFinite,
    /// Something else than a number.
    Malformed,
    /// More digits than [`MAX_DIGITS`].
    TooLong,
}

impl fmt::Display for NotDecimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotDecimal::Empty => f.write_str("no value, expected a number"),
            NotDecimal::NotFinite => f.write_str("not a finite number"),
            NotDecimal::Malformed => f.write_str("not a number"),
            NotDecimal::TooLong => write!(f, "a number of more than {MAX_DIGITS} digits"),
        }
    }
}

impl Decimal {
    /// Parses `[+-]digits[.digits][e[+-]digits]`, blanks around it allowed.
    ///
    /// # Errors
    /// Why it is not a decimal. Nothing is rounded: what does not fit is [`NotDecimal::TooLong`].
    pub fn parse(text: &[u8]) -> Result<Self, NotDecimal> {
        let text = trimmed(text);
        let (is_negative, unsigned) = match text {
            [] => return Err(NotDecimal::Empty),
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let mut mantissa: u128 = 0;
        let mut scale: u32 = 0;
        let mut digit_count = 0_usize;
        let mut is_fraction = false;
        let mut exponent = 0;
        for (position, &byte) in unsigned.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    if mantissa > LIMIT / 10 {
                        return Err(NotDecimal::TooLong);
                    }
                    mantissa = mantissa * 10 + u128::from(byte - b'0');
                    digit_count += 1;
                    scale += u32::from(is_fraction);
                }
                b'.' if !is_fraction => is_fraction = true,
                b'e' | b'E' if digit_count > 0 => {
                    exponent = parse_exponent(&unsigned[position + 1..])?;
                    break;
                }
                _ => return Err(if is_not_finite(unsigned) { NotDecimal::NotFinite } else { NotDecimal::Malformed }),
            }
        }
        if digit_count == 0 {
            return Err(NotDecimal::Malformed);
        }
        let (mantissa, scale) = shifted(mantissa, scale, exponent)?;
        let magnitude = i128::try_from(mantissa).map_err(|_| NotDecimal::TooLong)?;
        Ok(Self { mantissa: if is_negative { -magnitude } else { magnitude }, scale })
    }

    /// Fast path for the common format: an optional minus sign, up to eight digits, optionally a point and up to eight
    /// more, sixteen characters at most. Up to twelve more decimals take little longer.
    ///
    /// The characters are moved so that the point, which is left out, is after the eighth one: `-31.5` becomes
    /// `00000031` and `50000000`, two numbers of eight digits.
    #[inline(always)]
    pub fn parse_fast(prefix: FieldPrefix<'_>) -> Option<Units> {
        /// Offsets from the point of the characters wanted: eight before it and eight after it, modulo 256. For
        /// `-31.5`, whose point is at 3, they are 251, .., 255, 0, 1, 2 and 4, .., 11. 251 to 255 stand for -5 to -1,
        /// before the text: like all above 15, they are shuffled to zeros.
        const AROUND: u8x16 = u8x16::new([248, 249, 250, 251, 252, 253, 254, 255, 1, 2, 3, 4, 5, 6, 7, 8]);
        /// A minus sign is masked out at the start only.
        const SIGN: u8x16 = u8x16::new(*b"-000000000000000");
        let text = u8x16::new(*prefix.bytes.first_chunk()?);
        // Without a point, there is one at the end.
        let points =
            text.simd_eq(u8x16::splat(b'.')).to_bitmask() | 1_u32.checked_shl(u32::try_from(prefix.len).ok()?)?;
        let point = points.trailing_zeros();
        let is_negative = prefix.bytes[0] == b'-';
        let decimals = prefix.len.saturating_sub(point as usize + 1);
        let whole_len = (point as usize).checked_sub(usize::from(is_negative))?;
        let Some(mask) = LENGTH_MASKS.get(prefix.len).filter(|_| whole_len <= 8 && decimals <= 8) else {
            return Self::parse_fast_long(prefix);
        };
        let values = simd_digits::values(text) & *mask & !text.simd_eq(SIGN);
        #[expect(clippy::cast_possible_truncation, reason = "at most 32")]
        let values = values.shuffle_zeroing(AROUND + u8x16::splat(point as u8));
        if !simd_digits::are_digits(values) || whole_len + decimals == 0 {
            return None;
        }
        let [whole, fraction] = simd_digits::eights(values);
        let magnitude = i64::from(whole) * EIGHT_DECIMALS + i64::from(fraction);
        let value = if is_negative { -magnitude } else { magnitude };
        Some(Units(i128::from(value) * i128::from(TWELVE_DECIMALS)))
    }

    /// The same with more decimals.
    #[cold]
    fn parse_fast_long(prefix: FieldPrefix<'_>) -> Option<Units> {
        let text = prefix.bytes.get(..prefix.len)?;
        let point = text.iter().position(|byte| *byte == b'.')?;
        let (first, last) = text.split_at_checked(point + 9).filter(|(_, last)| (1..=12).contains(&last.len()))?;
        let Units(units) = Self::parse_fast(FieldPrefix { bytes: prefix.bytes, len: first.len() })?;
        let padded = last.iter().chain(&[b'0'; 12]).take(12);
        let mut digits = padded.map(|byte| byte.is_ascii_digit().then(|| i128::from(byte - b'0')));
        let more = digits.try_fold(0, |more, digit| Some(more * 10 + digit?))?;
        Some(Units(if text[0] == b'-' { units - more } else { units + more }))
    }

    /// The same value without zeros at the end of its decimals.
    #[must_use]
    pub fn trimmed(self) -> Self {
        let Self { mut mantissa, mut scale } = self;
        for zeros in [8, 4, 2, 1] {
            let unit = 10_i128.pow(zeros);
            while scale >= zeros && mantissa % unit == 0 {
                mantissa /= unit;
                scale -= zeros;
            }
        }
        Self { mantissa, scale }
    }

    /// The same value with `scale` decimals, if it has that many digits at most.
    #[inline]
    pub fn rescaled(self, scale: u32) -> Option<i128> {
        let more = scale.checked_sub(self.scale)?;
        if let Ok(mantissa) = i64::try_from(self.mantissa) {
            // Two factors, of which the first one is mostly 1: below 2^63 * 10^18, hence of 37 digits at most.
            let last = (more as usize).min(SMALL_POWERS.len() - 1);
            let first = SMALL_POWERS.get(more as usize - last);
            if let Some(mantissa) = first.and_then(|first| mantissa.checked_mul(*first)) {
                return Some(i128::from(mantissa) * i128::from(SMALL_POWERS[last]));
            }
        }
        let factor = 10_i128.checked_pow(more)?;
        self.mantissa.checked_mul(factor).filter(|mantissa| mantissa.unsigned_abs() <= LIMIT)
    }

    /// The exact sum, if it has at most [`MAX_DIGITS`] digits.
    #[inline]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let (left, right) = (self.rescaled(scale)?, other.rescaled(scale)?);
        let mantissa = left.checked_add(right).filter(|sum| sum.unsigned_abs() <= LIMIT)?;
        Some(Self { mantissa, scale })
    }
}

/// Applies a power of ten to an integer of `scale` decimals; trailing zeros make room where decimals are too many.
fn shifted(mut mantissa: u128, scale: u32, exponent: i32) -> Result<(u128, u32), NotDecimal> {
    let mut scale = i64::from(scale) - i64::from(exponent);
    if mantissa == 0 {
        scale = 0;
    }
    while scale > i64::from(MAX_DIGITS) && mantissa.is_multiple_of(10) {
        mantissa /= 10;
        scale -= 1;
    }
    while scale < 0 {
        mantissa = mantissa.checked_mul(10).filter(|&value| value <= LIMIT).ok_or(NotDecimal::TooLong)?;
        scale += 1;
    }
    let scale = u32::try_from(scale).ok().filter(|&scale| scale <= MAX_DIGITS).ok_or(NotDecimal::TooLong)?;
    Ok((mantissa, scale))
}

/// No exponent beyond this makes a difference: a field has fewer digits than this.
const MAX_EXPONENT: i32 = 10_000_000;

fn parse_exponent(text: &[u8]) -> Result<i32, NotDecimal> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        rest => (1, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NotDecimal::Malformed);
    }
    let value = digits.iter().fold(0_i32, |value, digit| (value * 10 + i32::from(digit - b'0')).min(MAX_EXPONENT));
    Ok(sign * value)
}

fn is_not_finite(text: &[u8]) -> bool {
    [&b"nan"[..], b"inf", b"infinity"].iter().any(|name| text.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(mantissa: i128, scale: u32) -> Decimal {
        Decimal { mantissa, scale }
    }

    /// The fast path and the slow one must agree.
    fn check_fast(text: &str) -> bool {
        let values = [
            ",behind it, all the way and further",
            "0123456789.1234567890123456789.0123",
            ".-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.",
        ]
        .map(|behind| {
            let ahead = format!("{text}{behind}");
            FieldPrefix::new(ahead.as_bytes(), text.len()).and_then(Decimal::parse_fast)
        });
        assert_eq!([values[0]; 3], values, "{text:?} depends on what follows it");
        if let Some(value) = values[0] {
            assert_eq!(Decimal::parse(text.as_bytes()).map(Decimal::trimmed), Ok(value.into()), "{text:?}");
        }
        values[0].is_some()
    }

    #[test]
    fn common_numbers_take_the_fast_path() {
        for text in [
            "0",
            "-7",
            "31.88333333",
            "-0.10",
            ".5",
            "5.",
            "0.000",
            "12345678",
            "-123456.1234567890",
            "31.883333333333333",
            "-12345678.123456",
            "1234567.1234567890123456",
            "0.08333333333333333",
            "-0.00012345678901234567",
        ] {
            assert!(check_fast(text), "{text:?}");
        }
        for text in [
            "",
            "-",
            ".",
            "-.",
            "1.2.3",
            "1e3",
            "+1",
            " 1",
            "1 ",
            "123456789",
            "--1",
            "1-",
            "0x1",
            "١",
            "1.123456789012345678901",
            "12345678.12345678",
        ] {
            assert!(!check_fast(text), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_fast_path_is_exact(text in "-?[0-9]{0,9}[.]?[0-9]{0,22}[ .e-]?") {
            check_fast(&text);
        }
    }

    #[test]
    fn numbers_are_read_exactly() {
        let nines = "9".repeat(38);
        for (text, expected) in [
            ("0", decimal(0, 0)),
            ("31.88333333", decimal(3_188_333_333, 8)),
            (" 16.85\t", decimal(1_685, 2)),
            ("\u{a0}7\u{202f}\u{a0}", decimal(7, 0)),
            ("-0.10", decimal(-10, 2)),
            ("+7", decimal(7, 0)),
            (".5", decimal(5, 1)),
            ("5.", decimal(5, 0)),
            ("1e3", decimal(1_000, 0)),
            ("1.5E-05", decimal(15, 6)),
            ("1.25e1", decimal(125, 1)),
            ("0e99999999999", decimal(0, 0)),
            ("0e-50", decimal(0, 0)),
            ("-0.00", decimal(0, 0)),
            ("000000000000000000000000000000000000000000001", decimal(1, 0)),
            (&nines, decimal(10_i128.pow(38) - 1, 0)),
        ] {
            assert_eq!(Decimal::parse(text.as_bytes()), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_a_number_says_why() {
        for (text, expected) in [
            ("", NotDecimal::Empty),
            ("  ", NotDecimal::Empty),
            ("NaN", NotDecimal::NotFinite),
            ("-nan", NotDecimal::NotFinite),
            ("inf", NotDecimal::NotFinite),
            ("-Infinity", NotDecimal::NotFinite),
            ("abc", NotDecimal::Malformed),
            ("1,5", NotDecimal::Malformed),
            ("1.2.3", NotDecimal::Malformed),
            ("--1", NotDecimal::Malformed),
            ("-", NotDecimal::Malformed),
            (".", NotDecimal::Malformed),
            ("e5", NotDecimal::Malformed),
            ("1e", NotDecimal::Malformed),
            ("1e+", NotDecimal::Malformed),
            ("1e5x", NotDecimal::Malformed),
            ("0x10", NotDecimal::Malformed),
            ("1 2", NotDecimal::Malformed),
            ("1\u{a0}2", NotDecimal::Malformed),
            ("\u{a0}", NotDecimal::Empty),
            ("١", NotDecimal::Malformed),
            ("1e38", NotDecimal::TooLong),
            ("1e-39", NotDecimal::TooLong),
            ("1e999999999999", NotDecimal::TooLong),
            (&"9".repeat(39), NotDecimal::TooLong),
            // One digit more than 128 bits hold, and more by little: it must not wrap.
            ("340282366920938463463374607431768211459", NotDecimal::TooLong),
            ("3.40282366920938463463374607431768211459", NotDecimal::TooLong),
            (&"9".repeat(400), NotDecimal::TooLong),
        ] {
            assert_eq!(Decimal::parse(text.as_bytes()), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn units_hold_what_is_short_enough() {
        for text in ["0", "-1.50", "123456789012345678.12345678901234567890", "0.00000000000000000001", "1e17"] {
            let decimal = Decimal::parse(text.as_bytes()).unwrap();
            assert_eq!(Units::new(decimal).map(Decimal::from), Some(decimal.trimmed()), "{text}");
        }
        for text in ["0.000000000000000000001", "1234567890123456789"] {
            assert_eq!(Units::new(Decimal::parse(text.as_bytes()).unwrap()), None, "{text}");
        }
        let one = Units(1);
        assert_eq!(Units(-3).checked_add(one), Some(Units(-2)));
        let longest = Units(10_i128.pow(MAX_DIGITS) - 1);
        for index in [0, 1, u32::MAX] {
            let tagged = Units::tagged(index);
            assert_eq!(tagged.tag(), Some(index));
            for number in [one, Units(-1), longest, Units(-longest.0)] {
                assert_eq!((tagged.checked_add(number), number.tag()), (None, None));
            }
        }
        let (mut far, mut steps) = (Units::default(), 0);
        while let Some(further) = far.checked_add(Units(1 << 122)) {
            (far, steps) = (further, steps + 1);
        }
        assert!(steps == 7 && far.checked_add(longest).is_none() && far.tag().is_none());
    }

    #[test]
    fn sums_align_their_decimals_and_never_wrap() {
        assert_eq!(decimal(1, 1).checked_add(decimal(2, 3)), Some(decimal(102, 3)));
        assert_eq!(decimal(-5, 1).checked_add(decimal(5, 1)), Some(decimal(0, 1)));
        let largest = decimal(10_i128.pow(38) - 1, 0);
        assert_eq!(largest.checked_add(decimal(1, 0)), None);
        assert_eq!(largest.checked_add(decimal(1, 1)), None);
    }
}
