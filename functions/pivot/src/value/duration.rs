//! Durations: `1:25:30`, `PT1H25M`, `1h 25m`, `25 min`, or numbers of a unit. They are read exactly, as seconds, or as
//! their unit if that is a part of one; a division by minutes, hours or days is left to the end.

use super::decimal::{Decimal, MAX_DIGITS};
use super::number::NumberForm;
use sluice::spec::{Column, Unit};

/// How the durations of a column are written, and what they become.
#[derive(Clone, Debug)]
pub(crate) struct DurationForm {
    numbers: NumberForm,
    stated: Stated,
    /// Of the number that is made.
    unit: Unit,
}

/// What the spec says of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stated {
    /// The form tells.
    Nothing,
    /// What `18:25` is.
    HoursMinutes,
    MinutesSeconds,
    /// A number of it.
    Number(Unit),
}

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotDuration {
    /// It is something else.
    Malformed,
    /// `18:25`, of which nobody says what it is.
    Ambiguous,
    /// A number, of which nobody says of what.
    NoUnit,
    /// More digits than a decimal has.
    TooLong,
}

impl NotDuration {
    /// The same in words.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "not a duration",
            Self::Ambiguous => "hours and minutes, or minutes and seconds? say format h:m or m:s",
            Self::NoUnit => "a number without a unit; say format, such as minutes",
            Self::TooLong => "a duration of more than 38 digits",
        }
    }
}

impl DurationForm {
    /// Those of a column.
    pub(crate) fn new(column: &Column) -> Self {
        let stated = match column.format.as_deref() {
            None => Stated::Nothing,
            Some("h:m") => Stated::HoursMinutes,
            Some("m:s") => Stated::MinutesSeconds,
            Some(unit) => Unit::named(unit).map_or(Stated::Nothing, Stated::Number),
        };
        Self { numbers: NumberForm::new(column), stated, unit: column.unit.unwrap_or(Unit::Seconds) }
    }

    /// The duration of a text.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn parse(&self, text: &[u8]) -> Result<Decimal, NotDuration> {
        let seconds = match self.stated {
            Stated::Number(unit) => seconds(self.numbers.parse(text).map_err(|_| NotDuration::Malformed)?, unit)?,
            _ => self.told(text)?,
        };
        self.in_unit(seconds)
    }

    /// The duration of a number with a point, if anything, and no other mark.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn parse_number(&self, text: &[u8]) -> Result<Decimal, NotDuration> {
        let number = Decimal::parse(text).map_err(|_| NotDuration::Malformed)?;
        let Stated::Number(unit) = self.stated else { return Err(NotDuration::NoUnit) };
        self.of(number, unit)
    }

    /// So many of the unit, as of a constant in a spec.
    pub(crate) fn of_unit(&self, number: Decimal) -> Result<Decimal, NotDuration> {
        self.in_unit(seconds(number, self.unit)?)
    }

    /// A duration that is counted in a unit of its own, whatever the spec says.
    pub(crate) fn of(&self, number: Decimal, unit: Unit) -> Result<Decimal, NotDuration> {
        self.in_unit(seconds(number, unit)?)
    }

    fn in_unit(&self, seconds: Decimal) -> Result<Decimal, NotDuration> {
        let Decimal { mantissa, scale } = seconds;
        let decimals = self.unit.decimals();
        let shifted = match scale.checked_sub(decimals) {
            Some(scale) => Some(Decimal { mantissa, scale }),
            None => seconds.rescaled(decimals).map(|mantissa| Decimal { mantissa, scale: 0 }),
        };
        shifted.ok_or(NotDuration::TooLong)
    }

    fn told(&self, text: &[u8]) -> Result<Decimal, NotDuration> {
        let text = std::str::from_utf8(text).map_err(|_| NotDuration::Malformed)?.trim();
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let found = match text.as_bytes() {
            [b'P', ..] => iso(&text[1..]),
            _ if text.contains(':') => self.clock(text),
            _ if text.bytes().any(|byte| byte.is_ascii_alphabetic()) => self.words(text),
            _ => Err(if self.numbers.parse(text.as_bytes()).is_ok() {
                NotDuration::NoUnit
            } else {
                NotDuration::Malformed
            }),
        }?;
        Ok(if is_negative { Decimal { mantissa: -found.mantissa, ..found } } else { found })
    }

    /// `1:25:30`, `1:25:30.5`, `18:25`, `18:25 min`, `18:25 h`.
    fn clock(&self, text: &str) -> Result<Decimal, NotDuration> {
        let mut parts = text.splitn(3, ':');
        let (Some(first), Some(second), third) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NotDuration::Malformed);
        };
        let first = digits(first, usize::MAX)?;
        if let Some(third) = third {
            let (whole, fraction) = match third.find(['.', ',']) {
                Some(point) => (&third[..point], &third[point + 1..]),
                None => (third, ""),
            };
            let has_fraction = whole.len() != third.len();
            let fraction = fraction.trim_end_matches('0');
            let decimals = u32::try_from(fraction.len()).ok().filter(|decimals| *decimals <= MAX_DIGITS);
            let scale = decimals.ok_or(NotDuration::TooLong)?;
            let mantissa = if has_fraction && !fraction.is_empty() { digits(fraction, usize::MAX)? } else { 0 };
            if has_fraction && third.ends_with(['.', ',']) {
                return Err(NotDuration::Malformed);
            }
            let (minutes, seconds) = (sixtieth(second)?, sixtieth(whole)?);
            let whole = total(first, 3_600)?.checked_add(minutes * 60 + seconds).ok_or(NotDuration::TooLong)?;
            let fraction = Decimal { mantissa, scale };
            return Decimal { mantissa: whole, scale: 0 }.checked_add(fraction).ok_or(NotDuration::TooLong);
        }
        let (second, unit) = match second.find(|letter: char| !letter.is_ascii_digit()) {
            None => (second, None),
            Some(end) => match second[end..].strip_prefix(' ').unwrap_or(&second[end..]) {
                "min" => (&second[..end], Some(Stated::MinutesSeconds)),
                "h" => (&second[..end], Some(Stated::HoursMinutes)),
                _ => return Err(NotDuration::Malformed),
            },
        };
        let parts = |factor: i128| {
            total(first, 60 * factor)?.checked_add(sixtieth(second)? * factor).ok_or(NotDuration::TooLong)
        };
        let mantissa = match unit.unwrap_or(self.stated) {
            Stated::HoursMinutes => parts(60)?,
            Stated::MinutesSeconds => parts(1)?,
            Stated::Nothing | Stated::Number(_) => {
                sixtieth(second)?;
                return Err(NotDuration::Ambiguous);
            }
        };
        Ok(Decimal { mantissa, scale: 0 })
    }

    /// `1h 25m`, `25 min`, `1.5 h`.
    fn words(&self, text: &str) -> Result<Decimal, NotDuration> {
        let mut sum = Decimal::default();
        let mut rest = text;
        while !rest.is_empty() {
            let is_number = |letter: char| letter.is_ascii_digit() || matches!(letter, '.' | ',');
            let end = rest.find(|letter| !is_number(letter)).ok_or(NotDuration::Malformed)?;
            let (number, behind) = rest.split_at(end);
            let behind = behind.strip_prefix(' ').unwrap_or(behind);
            let end = behind.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(behind.len());
            let (word, behind) = behind.split_at(end);
            let unit = match word {
                "ms" => Unit::Milliseconds,
                "s" | "sec" => Unit::Seconds,
                "m" | "min" => Unit::Minutes,
                "h" => Unit::Hours,
                "d" => Unit::Days,
                _ => return Err(NotDuration::Malformed),
            };
            let number = self.numbers.parse(number.as_bytes()).map_err(|_| NotDuration::Malformed)?;
            sum = sum.checked_add(seconds(number, unit)?).ok_or(NotDuration::TooLong)?;
            rest = behind.strip_prefix(' ').unwrap_or(behind);
        }
        Ok(sum)
    }
}

/// `P1W2DT3H4M5.5S` behind its `P`.
fn iso(text: &str) -> Result<Decimal, NotDuration> {
    let mut sum = Decimal::default();
    let mut rest = text;
    let (mut is_time, mut last, mut is_any) = (false, 0, false);
    while !rest.is_empty() {
        if let (Some(behind), false) = (rest.strip_prefix('T'), is_time) {
            (is_time, rest) = (true, behind);
            if rest.is_empty() {
                return Err(NotDuration::Malformed);
            }
            continue;
        }
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').ok_or(NotDuration::Malformed)?;
        let (number, behind) = rest.split_at(end);
        let (order, factor, unit) = match (is_time, behind.as_bytes()[0]) {
            (false, b'W') => (1, 7, Unit::Days),
            (false, b'D') => (2, 1, Unit::Days),
            (true, b'H') => (3, 1, Unit::Hours),
            (true, b'M') => (4, 1, Unit::Minutes),
            (true, b'S') => (5, 1, Unit::Seconds),
            _ => return Err(NotDuration::Malformed),
        };
        // Each once, in this order; weeks and days are whole.
        if order <= last || (order <= 2 && number.contains('.')) {
            return Err(NotDuration::Malformed);
        }
        (last, is_any, rest) = (order, true, &behind[1..]);
        let number = Decimal::parse(number.as_bytes()).map_err(|_| NotDuration::Malformed)?;
        let mantissa = number.mantissa.checked_mul(factor).ok_or(NotDuration::TooLong)?;
        sum = sum.checked_add(seconds(Decimal { mantissa, ..number }, unit)?).ok_or(NotDuration::TooLong)?;
    }
    if is_any { Ok(sum) } else { Err(NotDuration::Malformed) }
}

/// A number of a unit in seconds.
fn seconds(number: Decimal, unit: Unit) -> Result<Decimal, NotDuration> {
    let Decimal { mantissa, scale } = number.trimmed();
    let factor = unit.seconds().map_or(1, i128::from);
    let mantissa = mantissa.checked_mul(factor).ok_or(NotDuration::TooLong)?;
    let scale = if mantissa == 0 { 0 } else { scale + unit.decimals() };
    let found = Decimal { mantissa, scale }.trimmed();
    let is_short = found.scale <= MAX_DIGITS && found.rescaled(found.scale).is_some();
    if is_short { Ok(found) } else { Err(NotDuration::TooLong) }
}

/// A number of digits only, `most` of them.
fn digits(text: &str, most: usize) -> Result<i128, NotDuration> {
    if text.is_empty() || text.len() > most || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotDuration::Malformed);
    }
    text.parse().map_err(|_| NotDuration::TooLong)
}

/// Minutes or seconds, one digit or two, below 60.
fn sixtieth(text: &str) -> Result<i128, NotDuration> {
    Some(digits(text, 2)?).filter(|number| *number < 60).ok_or(NotDuration::Malformed)
}

fn total(number: i128, factor: i128) -> Result<i128, NotDuration> {
    number.checked_mul(factor).ok_or(NotDuration::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice::spec::{ColumnType, Place};

    fn form(unit: Unit, format: Option<&str>) -> DurationForm {
        let mut column = Column::new(Place::From("x".to_owned()), ColumnType::Duration);
        (column.unit, column.format) = (Some(unit), format.map(ToOwned::to_owned));
        DurationForm::new(&column)
    }

    fn shown(form: &DurationForm, text: &str) -> Result<String, NotDuration> {
        form.parse(text.as_bytes()).map(|found| {
            let Decimal { mantissa, scale } = found.trimmed();
            format!("{mantissa}e-{scale}")
        })
    }

    #[test]
    fn forms_that_mean_one_thing_are_told() {
        let told = form(Unit::Minutes, None);
        for (text, expected) in [
            ("1:25:30", "5130e-0"),
            ("100:5:7", "360307e-0"),
            ("0:00:01.5", "15e-1"),
            ("0:00:01,25", "125e-2"),
            ("-1:00:00", "-3600e-0"),
            ("PT1H25M", "5100e-0"),
            ("P1W2DT0.5S", "7776005e-1"),
            ("P1D", "86400e-0"),
            ("1h 25m", "5100e-0"),
            ("1h25m3s", "5103e-0"),
            ("25 min", "1500e-0"),
            ("1.5 h", "5400e-0"),
            ("250 ms", "25e-2"),
            ("18:25 min", "1105e-0"),
            ("18:25 h", "66300e-0"),
            ("18:25h", "66300e-0"),
        ] {
            assert_eq!(shown(&told, text).as_deref(), Ok(expected), "{text}");
        }
        for (text, why) in [
            ("18:25", NotDuration::Ambiguous),
            ("90", NotDuration::NoUnit),
            ("", NotDuration::Malformed),
            ("1:60:00", NotDuration::Malformed),
            ("1:2:3:4", NotDuration::Malformed),
            ("1:00:00.", NotDuration::Malformed),
            ("P", NotDuration::Malformed),
            ("PT", NotDuration::Malformed),
            ("P1DT", NotDuration::Malformed),
            ("P1M", NotDuration::Malformed),
            ("PT1M1H", NotDuration::Malformed),
            ("1 year", NotDuration::Malformed),
            ("h", NotDuration::Malformed),
            ("1h 25", NotDuration::Malformed),
            ("+1:00:00", NotDuration::Malformed),
            (&format!("{}:00:00", "9".repeat(40)), NotDuration::TooLong),
        ] {
            assert_eq!(shown(&told, text), Err(why), "{text}");
        }
    }

    #[test]
    fn what_is_said_is_taken() {
        assert_eq!(shown(&form(Unit::Seconds, Some("h:m")), "18:25").as_deref(), Ok("66300e-0"));
        assert_eq!(shown(&form(Unit::Seconds, Some("m:s")), "18:25").as_deref(), Ok("1105e-0"));
        assert_eq!(shown(&form(Unit::Seconds, Some("hours")), "1.5").as_deref(), Ok("5400e-0"));
        assert_eq!(shown(&form(Unit::Milliseconds, Some("nanoseconds")), "1500000").as_deref(), Ok("15e-1"));
        assert_eq!(shown(&form(Unit::Milliseconds, None), "2 s").as_deref(), Ok("2000e-0"));
        assert_eq!(
            form(Unit::Hours, None).of_unit(Decimal { mantissa: 15, scale: 1 }).unwrap().trimmed().mantissa,
            5_400
        );
    }
}
