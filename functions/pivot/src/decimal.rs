//! Exact decimals: an integer and how many of its digits are decimals. No float anywhere, so a sum does not depend on the
//! order of its parts.

use crate::digits;
use crate::scanner::Head;
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

/// A decimal that a word holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Small {
    /// The digits.
    pub mantissa: i64,
    /// How many of them are decimals, at most [`MAX_DIGITS`].
    pub scale: u8,
}

impl Small {
    /// The sum, if a word holds it.
    #[inline(always)]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        // Multiplied also where it is by one: numbers of more and of less decimals come in any order.
        if let Some(&factor) = SMALL_POWERS.get(usize::from(self.scale.wrapping_sub(other.scale))) {
            let mantissa = self.mantissa.checked_add(other.mantissa.checked_mul(factor)?)?;
            return Some(Self { mantissa, ..self });
        }
        let factor = *SMALL_POWERS.get(usize::from(other.scale.checked_sub(self.scale)?))?;
        let mantissa = self.mantissa.checked_mul(factor)?.checked_add(other.mantissa)?;
        Some(Self { mantissa, ..other })
    }
}

impl From<Small> for Decimal {
    fn from(small: Small) -> Self {
        Self { mantissa: i128::from(small.mantissa), scale: u32::from(small.scale) }
    }
}

impl TryFrom<Decimal> for Small {
    type Error = std::num::TryFromIntError;

    fn try_from(decimal: Decimal) -> Result<Self, Self::Error> {
        Ok(Self { mantissa: i64::try_from(decimal.mantissa)?, scale: u8::try_from(decimal.scale)? })
    }
}

/// Why a text is no decimal.
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
            NotDecimal::Empty => f.write_str("empty, expected a number"),
            NotDecimal::NotFinite => f.write_str("not a finite number"),
            NotDecimal::Malformed => f.write_str("not a number"),
            NotDecimal::TooLong => write!(f, "a number of more than {MAX_DIGITS} digits"),
        }
    }
}

impl Decimal {
    /// Reads `[+-]digits[.digits][e[+-]digits]`, blanks around it allowed.
    ///
    /// # Errors
    /// Why it is no decimal. Nothing is rounded: what does not fit is [`NotDecimal::TooLong`].
    pub fn parse(text: &[u8]) -> Result<Self, NotDecimal> {
        let text = text.trim_ascii();
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

    /// Reads a number of the usual form quickly: up to eight digits, perhaps a point and up to sixteen more, perhaps a minus sign in
    /// front.
    #[inline(always)]
    pub fn guess(head: Head<'_>) -> Option<Small> {
        let sign_len = usize::from(head.bytes[0] == b'-');
        // Behind a sign and eight digits there is none.
        let points = u8x16::new(*head.bytes.first_chunk()?).simd_eq(u8x16::splat(b'.')).to_bitmask();
        // Where there is no point, one is thought at the end.
        let end = 1_u32.checked_shl(u32::try_from(head.len).ok()?)?;
        let point = (points | end).trailing_zeros() as usize;
        let whole_len = point.checked_sub(sign_len)?;
        let decimals = head.len.saturating_sub(point + 1);
        if whole_len > 8 || decimals > 8 || whole_len + decimals == 0 {
            return Self::guess_long(head);
        }
        let word = |from: usize| head.bytes[from..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let whole = i64::from(digits::up_to_eight(word(sign_len)?, whole_len)?);
        let fraction = digits::up_to_eight(word((point + 1).min(16))?, decimals)?;
        let magnitude = whole * SMALL_POWERS[decimals] + i64::from(fraction);
        #[expect(clippy::cast_possible_truncation, reason = "at most eight")]
        let scale = if magnitude == 0 { 0 } else { decimals as u8 };
        Some(Small { mantissa: if sign_len == 0 { magnitude } else { -magnitude }, scale })
    }

    /// The same for up to sixteen decimals.
    #[cold]
    fn guess_long(head: Head<'_>) -> Option<Small> {
        let point = head.bytes.get(..head.len)?.iter().position(|byte| *byte == b'.')?;
        let more = (head.len - point - 1).checked_sub(8).filter(|more| (1..=8).contains(more))?;
        let first = Self::guess(Head { bytes: head.bytes, len: head.len - more })?;
        let last = digits::up_to_eight(u64::from_le_bytes(*head.bytes.get(point + 9..)?.first_chunk()?), more)?;
        let last = if head.bytes[0] == b'-' { -i64::from(last) } else { i64::from(last) };
        let mantissa = first.mantissa.checked_mul(SMALL_POWERS[more])?.checked_add(last)?;
        Some(Small { mantissa, scale: if mantissa == 0 { 0 } else { u8::try_from(8 + more).ok()? } })
    }

    /// The same value with `scale` decimals, if it has that many digits at most.
    #[inline]
    pub fn rescaled(self, scale: u32) -> Option<i128> {
        let more = scale.checked_sub(self.scale)?;
        if let (Ok(mantissa), Some(&factor)) = (i64::try_from(self.mantissa), SMALL_POWERS.get(more as usize)) {
            // Below 2^63 * 10^18, hence of 37 digits at most.
            return Some(i128::from(mantissa) * i128::from(factor));
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

    /// What the quick way makes of a text must be what the other way makes of it.
    fn check_guess(text: &str) -> bool {
        let guesses = [
            ",behind it, all the way and further",
            "0123456789.1234567890123456789.0123",
            ".-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.",
        ]
        .map(|behind| {
            let ahead = format!("{text}{behind}");
            Head::new(ahead.as_bytes(), text.len()).and_then(Decimal::guess)
        });
        assert_eq!([guesses[0]; 3], guesses, "{text:?} depends on what stands behind it");
        if let Some(guess) = guesses[0] {
            assert_eq!(Decimal::parse(text.as_bytes()), Ok(guess.into()), "{text:?}");
        }
        guesses[0].is_some()
    }

    #[test]
    fn usual_numbers_are_guessed() {
        for text in [
            "0",
            "-7",
            "31.88333333",
            "-0.10",
            ".5",
            "5.",
            "0.000",
            "12345678",
            "-12345678.1234567890",
            "31.883333333333333",
        ] {
            assert!(check_guess(text), "{text:?}");
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
            "99999.123456789012345",
        ] {
            assert!(!check_guess(text), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn guesses_are_right(text in "-?[0-9]{0,9}[.]?[0-9]{0,18}[ .e-]?") {
            check_guess(&text);
        }
    }

    #[test]
    fn numbers_are_read_exactly() {
        let nines = "9".repeat(38);
        for (text, expected) in [
            ("0", decimal(0, 0)),
            ("31.88333333", decimal(3_188_333_333, 8)),
            (" 16.85\t", decimal(1_685, 2)),
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
    fn what_is_no_number_says_why() {
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
    fn sums_align_their_decimals_and_never_wrap() {
        assert_eq!(decimal(1, 1).checked_add(decimal(2, 3)), Some(decimal(102, 3)));
        assert_eq!(decimal(-5, 1).checked_add(decimal(5, 1)), Some(decimal(0, 1)));
        let largest = decimal(10_i128.pow(38) - 1, 0);
        assert_eq!(largest.checked_add(decimal(1, 0)), None);
        assert_eq!(largest.checked_add(decimal(1, 1)), None);
    }
}
