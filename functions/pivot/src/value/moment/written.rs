//! What a text says of a moment, in each of the forms.

use super::super::clock::offset_of;
use super::super::decimal::Decimal;
use super::super::number::NumberForm;
use super::super::trimmed;
use super::{DAY, END_DAY, MICROS, NotMoment, Said, days, days_of_month};
use sluice::spec::PatternPart;

/// The parts of a moment, as they are found.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    /// Of the year, from 1.
    day_of_year: Option<i64>,
    hour: i64,
    /// It is an hour of a clock of twelve.
    is_twelve: bool,
    is_afternoon: bool,
    minute: i64,
    second: i64,
    nanoseconds: i64,
    offset: Option<i64>,
}

impl Parts {
    fn said(self) -> Result<Said, NotMoment> {
        let year = self.year;
        let day = match self.day_of_year {
            Some(number) => {
                let length = 337 + days_of_month(year, 2);
                (1..=length).contains(&number).then(|| days(year, 1, 1) + number - 1)
            }
            None => {
                let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
                let is_day = (1..=12).contains(&month) && (1..=days_of_month(year, month)).contains(&day);
                is_day.then(|| days(year, month, day))
            }
        };
        let day = day.filter(|_| (1..=9_999).contains(&year)).ok_or(NotMoment::NotInCalendar)?;
        let hour = match (self.is_twelve, self.hour) {
            (true, 1..=12) => self.hour % 12 + if self.is_afternoon { 12 } else { 0 },
            (true, _) => return Err(NotMoment::NotInCalendar),
            (false, hour) => hour,
        };
        if hour > 23 || self.minute > 59 || self.second > 59 {
            return Err(NotMoment::NotInCalendar);
        }
        let seconds = (hour * 60 + self.minute) * 60 + self.second;
        let wall = day * DAY + seconds * MICROS + self.nanoseconds / 1_000;
        Ok(Said { wall, offset: self.offset, is_finer: self.nanoseconds % 1_000 != 0 })
    }
}

/// A number of digits at the head of a text, `least` to `most` of them, and how many there are.
fn number(text: &[u8], least: usize, most: usize) -> Option<(i64, usize)> {
    let len = text.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    let value = text[..len].iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    (len >= least).then_some((value, len))
}

/// `YYYY-MM-DD`, alone or with blank or `T`, a time, and perhaps an offset, `Z` or `UTC` behind it.
pub(super) fn iso(text: &[u8]) -> Result<Said, NotMoment> {
    let text = trimmed(text);
    let malformed = NotMoment::Malformed;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, rest @ ..] = text else { return Err(malformed) };
    let two = |tens: u8, ones: u8| {
        let is = tens.is_ascii_digit() && ones.is_ascii_digit();
        is.then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0')).ok_or(malformed)
    };
    let mut parts = Parts {
        year: two(*y1, *y2)? * 100 + two(*y3, *y4)?,
        month: Some(two(*m1, *m2)?),
        day: Some(two(*d1, *d2)?),
        ..Parts::default()
    };
    let [b' ' | b'T' | b't', time @ ..] = rest else {
        return if rest.is_empty() { parts.said() } else { Err(malformed) };
    };
    let (hour, len) = number(time, 2, 2).ok_or(malformed)?;
    parts.hour = hour;
    let mut rest = &time[len..];
    if let [b':', behind @ ..] = rest {
        let (minute, len) = number(behind, 2, 2).ok_or(malformed)?;
        (parts.minute, rest) = (minute, &behind[len..]);
        if let [b':', behind @ ..] = rest {
            let (second, len) = number(behind, 2, 2).ok_or(malformed)?;
            (parts.second, rest) = (second, &behind[len..]);
            if let [b'.' | b',', behind @ ..] = rest {
                let (nanoseconds, len) = fraction(behind).ok_or(malformed)?;
                (parts.nanoseconds, rest) = (nanoseconds, &behind[len..]);
            }
        }
    }
    let is_any = !rest.is_empty();
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    if is_any {
        let (offset, len) = iso_offset(rest).ok_or(malformed)?;
        parts.offset = Some(offset);
        if len != rest.len() {
            return Err(malformed);
        }
    }
    parts.said()
}

/// Up to nine digits of a second, as nanoseconds, and how many there are.
fn fraction(text: &[u8]) -> Option<(i64, usize)> {
    let (value, len) = number(text, 1, 9)?;
    let missing = u32::try_from(9 - len).ok()?;
    // A tenth digit belongs to nothing.
    (!text.get(len).is_some_and(u8::is_ascii_digit)).then(|| (value * 10_i64.pow(missing), len))
}

/// `Z`, `UTC` or `+HH[[:]MM]`, in seconds.
fn iso_offset(text: &[u8]) -> Option<(i64, usize)> {
    match text {
        [b'U', b'T', b'C', ..] => Some((0, 3)),
        [b'Z', ..] => Some((0, 1)),
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let (hours, _) = number(rest, 2, 2)?;
            let behind = &rest[2..];
            let digits = behind.strip_prefix(b":").unwrap_or(behind);
            let (minutes, len) = match number(digits, 2, 2) {
                Some((minutes, len)) => (minutes, 3 + len + (behind.len() - digits.len())),
                None => (0, 3),
            };
            Some((offset_of(*sign == b'-', hours, minutes)?, len))
        }
        _ => None,
    }
}

pub(super) fn epoch(numbers: &NumberForm, decimals: u32, text: &[u8]) -> Result<Said, NotMoment> {
    let Decimal { mantissa, scale } = numbers.parse(text).map_err(|_| NotMoment::Malformed)?.trimmed();
    // In microseconds it has this many decimals.
    let (found, is_finer) = match (scale + decimals).checked_sub(6) {
        None | Some(0) => (mantissa.checked_mul(10_i128.pow(6_u32.saturating_sub(scale + decimals))), false),
        Some(more) => match 10_i128.checked_pow(more) {
            Some(unit) => (Some(mantissa.div_euclid(unit)), mantissa % unit != 0),
            // No number has so many digits before these.
            None => (Some(mantissa.signum().min(0)), true),
        },
    };
    let bound = i128::from(END_DAY) * i128::from(DAY);
    let micros = found.filter(|micros| micros.abs() <= bound).ok_or(NotMoment::OutOfYears)?;
    let wall = i64::try_from(micros).map_err(|_| NotMoment::OutOfYears)?;
    Ok(Said { wall, offset: Some(0), is_finer })
}

pub(super) fn by_pattern(pattern: &[PatternPart], text: &[u8]) -> Result<Said, NotMoment> {
    let mut parts = Parts::default();
    if fits(pattern, trimmed(text), &mut parts) { parts.said() } else { Err(NotMoment::Malformed) }
}

const MONTHS: [&[u8]; 12] = [
    b"january",
    b"february",
    b"march",
    b"april",
    b"may",
    b"june",
    b"july",
    b"august",
    b"september",
    b"october",
    b"november",
    b"december",
];

const WEEKDAYS: [&[u8]; 7] = [b"monday", b"tuesday", b"wednesday", b"thursday", b"friday", b"saturday", b"sunday"];

/// Which of some names stands at the head of a text, in any case of letters, and how long it is; its first three
/// letters if `is_short`.
fn name(text: &[u8], names: &[&[u8]], is_short: bool) -> Option<(i64, usize)> {
    let len = |name: &[u8]| if is_short { 3 } else { name.len() };
    let is = |name: &[u8]| text.get(..len(name)).is_some_and(|head| head.eq_ignore_ascii_case(&name[..len(name)]));
    let place = names.iter().position(|name| is(name))?;
    Some((i64::try_from(place).ok()? + 1, len(names[place])))
}

/// Whether a text is what a pattern says, to its end. Where a number may have one digit or two, two are tried first.
fn fits(pattern: &[PatternPart], text: &[u8], parts: &mut Parts) -> bool {
    let Some((part, pattern)) = pattern.split_first() else { return text.is_empty() };
    let field = match part {
        PatternPart::Text(letter) => {
            let mut bytes = [0; 4];
            let letter = letter.encode_utf8(&mut bytes).as_bytes();
            return text.strip_prefix(letter).is_some_and(|rest| fits(pattern, rest, parts));
        }
        PatternPart::Field(field) => *field,
    };
    // A number of digits, the longest that lets the rest fit.
    let mut digits = |text: &[u8], lengths: std::ops::RangeInclusive<usize>, set: fn(&mut Parts, i64, usize)| {
        let (least, most) = (*lengths.start(), *lengths.end());
        let Some((_, found)) = number(text, least, most) else { return false };
        (least..=found).rev().any(|len| {
            let Some((value, _)) = number(text, len, len) else { return false };
            set(parts, value, len);
            fits(pattern, &text[len..], parts)
        })
    };
    match field {
        b'Y' => digits(text, 4..=4, |parts, value, _| parts.year = value),
        b'y' => digits(text, 2..=2, |parts, value, _| parts.year = value + if value < 69 { 2_000 } else { 1_900 }),
        b'm' => digits(text, 1..=2, |parts, value, _| parts.month = Some(value)),
        b'd' => digits(text, 1..=2, |parts, value, _| parts.day = Some(value)),
        b'e' => digits(text.strip_prefix(b" ").unwrap_or(text), 1..=2, |parts, value, _| parts.day = Some(value)),
        b'H' => digits(text, 1..=2, |parts, value, _| parts.hour = value),
        b'I' => digits(text, 1..=2, |parts, value, _| (parts.hour, parts.is_twelve) = (value, true)),
        b'M' => digits(text, 2..=2, |parts, value, _| parts.minute = value),
        b'S' => digits(text, 2..=2, |parts, value, _| parts.second = value),
        b'j' => digits(text, 3..=3, |parts, value, _| parts.day_of_year = Some(value)),
        b'f' => digits(text, 1..=9, |parts, value, len| {
            let missing = u32::try_from(9 - len).unwrap_or(0);
            parts.nanoseconds = value * 10_i64.pow(missing);
        }),
        b'b' | b'B' => {
            let Some((month, len)) = name(text, &MONTHS, field == b'b') else { return false };
            parts.month = Some(month);
            fits(pattern, &text[len..], parts)
        }
        b'a' | b'A' => name(text, &WEEKDAYS, field == b'a').is_some_and(|(_, len)| fits(pattern, &text[len..], parts)),
        b'p' => {
            let [letter @ (b'a' | b'A' | b'p' | b'P'), rest @ ..] = text else { return false };
            parts.is_afternoon = letter.eq_ignore_ascii_case(&b'p');
            let rest = rest.strip_prefix(b".").unwrap_or(rest);
            let [b'm' | b'M', rest @ ..] = rest else { return false };
            let dotted = rest.strip_prefix(b".").is_some_and(|rest| fits(pattern, rest, parts));
            dotted || fits(pattern, rest, parts)
        }
        b'z' => {
            let found = if text.starts_with(b"GMT") { Some((0, 3)) } else { iso_offset(text) };
            let Some((offset, len)) = found else { return false };
            parts.offset = Some(offset);
            fits(pattern, &text[len..], parts)
        }
        _ => false,
    }
}
