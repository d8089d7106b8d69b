//! A field of a part, in PostgreSQL's binary format, as a text, and in its order among others.

use sluice::contract::ColumnKind;
use std::cmp::Ordering;

/// Seconds from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
const EPOCH_SECONDS: i64 = 946_684_800;

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// A field as `psql` shows it, in UTC.
pub(crate) fn text(kind: ColumnKind, field: &[u8]) -> String {
    match kind {
        ColumnKind::Text => String::from_utf8_lossy(field).into_owned(),
        // Behind the number of the format.
        ColumnKind::Jsonb => String::from_utf8_lossy(field.get(1..).unwrap_or_default()).into_owned(),
        ColumnKind::Boolean => if field == [1] { "t" } else { "f" }.to_owned(),
        ColumnKind::Smallint | ColumnKind::Bigint => whole(field).to_string(),
        ColumnKind::Numeric => Number::read(field).to_string(),
        ColumnKind::Date => day(whole(field) + EPOCH_SECONDS / DAY_SECONDS),
        ColumnKind::Timestamp => moment(whole(field)),
        ColumnKind::Timestamptz => moment(whole(field)) + "+00",
    }
}

/// The order of two fields of one kind.
pub(crate) fn order(kind: ColumnKind, one: &[u8], other: &[u8]) -> Ordering {
    match kind {
        ColumnKind::Text | ColumnKind::Jsonb | ColumnKind::Boolean => one.cmp(other),
        ColumnKind::Numeric => Number::read(one).order(&Number::read(other)),
        ColumnKind::Smallint
        | ColumnKind::Bigint
        | ColumnKind::Date
        | ColumnKind::Timestamp
        | ColumnKind::Timestamptz => whole(one).cmp(&whole(other)),
    }
}

/// A signed number of two, four or eight bytes, the highest first.
pub(crate) fn whole(field: &[u8]) -> i64 {
    let sign = if field.first().is_some_and(|byte| *byte >= 0x80) { -1 } else { 0 };
    field.iter().fold(sign, |number, byte| (number << 8) | i64::from(*byte))
}

fn moment(micros: i64) -> String {
    let (seconds, micros) = (micros.div_euclid(1_000_000) + EPOCH_SECONDS, micros.rem_euclid(1_000_000));
    let (days, second) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    let clock = format!("{} {:02}:{:02}:{:02}", day(days), second / 3_600, second / 60 % 60, second % 60);
    if micros == 0 { clock } else { format!("{clock}.{micros:06}").trim_end_matches('0').to_owned() }
}

/// A day, counted from 1970-01-01, in the Gregorian calendar: years are counted from March, so that a leap day is the
/// last one of its year.
fn day(days: i64) -> String {
    const ERA: i64 = 146_097;
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", year_of_era + era * 400 + later)
}

/// A number of PostgreSQL: four digits a word.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Number {
    is_negative: bool,
    /// Of the first word, as a power of 10,000.
    weight: i64,
    words: Vec<i64>,
    /// Digits behind the point that are shown.
    scale: usize,
}

impl Number {
    /// Reads one.
    pub(crate) fn read(field: &[u8]) -> Self {
        let words: Vec<i64> = field.chunks(2).map(whole).collect();
        let at = |place: usize| words.get(place).copied().unwrap_or_default();
        Self {
            is_negative: at(2) == 0x4000,
            weight: at(1),
            words: words.get(4..).unwrap_or_default().to_vec(),
            scale: usize::try_from(at(3)).unwrap_or_default(),
        }
    }

    fn word(&self, power: i64) -> i64 {
        usize::try_from(self.weight - power).ok().and_then(|place| self.words.get(place)).copied().unwrap_or_default()
    }

    fn order(&self, other: &Self) -> Ordering {
        let most = self.weight.max(other.weight).max(0);
        let least = [self, other].map(|number| number.weight - i64::try_from(number.words.len()).unwrap_or(i64::MAX));
        let sign = |number: &Self, word: i64| if number.is_negative { -word } else { word };
        let mut powers = (least[0].min(least[1])..=most).rev();
        let differs = powers.find(|power| sign(self, self.word(*power)) != sign(other, other.word(*power)));
        differs.map_or(Ordering::Equal, |power| sign(self, self.word(power)).cmp(&sign(other, other.word(power))))
    }

    /// All its digits as one whole number, and how many of them stand behind the point; `None` if they are too many.
    pub(crate) fn mantissa(&self) -> Option<(i128, u32)> {
        let text = self.to_string();
        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        Some((text.replace('.', "").parse().ok()?, u32::try_from(decimals).ok()?))
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut whole: String =
            (0..=self.weight.max(0)).rev().map(|power| format!("{:04}", self.word(power))).collect();
        whole = whole.trim_start_matches('0').to_owned();
        let words = i64::try_from(self.scale.div_ceil(4)).unwrap_or_default();
        let decimals: String = (1..=words).map(|power| format!("{:04}", self.word(-power))).collect();
        let sign = if self.is_negative { "-" } else { "" };
        let whole = if whole.is_empty() { "0" } else { &whole };
        match decimals.get(..self.scale).unwrap_or_default() {
            "" => write!(f, "{sign}{whole}"),
            decimals => write!(f, "{sign}{whole}.{decimals}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of the only field of a row.
    fn field(write: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out.split_off(4)
    }

    #[test]
    fn fields_are_shown_as_they_were_meant() {
        for (mantissa, scale, expected) in [
            (0, 0, "0"),
            (5, 0, "5"),
            (-12_345, 2, "-123.45"),
            (1, 6, "0.000001"),
            (120_000_000, 0, "120000000"),
            (359_436_666_667, 8, "3594.36666667"),
            (10_i128.pow(37), 0, "10000000000000000000000000000000000000"),
        ] {
            let written = field(|out| pivot_numeric(mantissa, scale, out));
            assert_eq!(text(ColumnKind::Numeric, &written), expected);
            assert_eq!(Number::read(&written).mantissa().map(|(mantissa, _)| mantissa), Some(mantissa));
        }
        for (days, expected) in [(0, "2000-01-01"), (-10_957, "1970-01-01"), (59, "2000-02-29"), (8_826, "2024-03-01")]
        {
            assert_eq!(text(ColumnKind::Date, &i32::to_be_bytes(days)), expected);
        }
        let micros = |micros: i64| micros.to_be_bytes();
        assert_eq!(text(ColumnKind::Timestamp, &micros(0)), "2000-01-01 00:00:00");
        assert_eq!(text(ColumnKind::Timestamptz, &micros(-500_000)), "1999-12-31 23:59:59.5+00");
        assert_eq!(text(ColumnKind::Bigint, &(-7_i64).to_be_bytes()), "-7");
        assert_eq!(text(ColumnKind::Jsonb, b"\x01{}"), "{}");
    }

    /// As the documentation of PostgreSQL has it: words, weight, sign, scale, and the words.
    fn pivot_numeric(mantissa: i128, scale: u32, out: &mut Vec<u8>) {
        let digits = mantissa.unsigned_abs().to_string();
        let scale_len = usize::try_from(scale).unwrap();
        let digits = format!("{digits:0>width$}", width = scale_len + 1);
        let (whole, decimals) = digits.split_at(digits.len() - scale_len);
        let whole = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
        let decimals = format!("{decimals}{}", "0".repeat((4 - decimals.len() % 4) % 4));
        let weight = i16::try_from(whole.len() / 4).unwrap() - 1;
        let words: Vec<i16> = [whole, decimals]
            .concat()
            .as_bytes()
            .chunks(4)
            .map(|word| std::str::from_utf8(word).unwrap().parse().unwrap())
            .collect();
        let sign = if mantissa < 0 { 0x4000 } else { 0 };
        let header = [i16::try_from(words.len()).unwrap(), weight, sign, i16::try_from(scale).unwrap()];
        out.extend_from_slice(&[0; 4]);
        header.iter().chain(&words).for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
    }

    #[test]
    fn fields_have_the_order_of_their_values() {
        let number = |mantissa, scale| field(|out| pivot_numeric(mantissa, scale, out));
        let ascending =
            [number(-20_000, 0), number(-15, 1), number(0, 0), number(1, 6), number(2, 0), number(10_001, 0)];
        for pair in ascending.windows(2) {
            assert_eq!(order(ColumnKind::Numeric, &pair[0], &pair[1]), Ordering::Less);
            assert_eq!(order(ColumnKind::Numeric, &pair[1], &pair[0]), Ordering::Greater);
        }
        assert_eq!(order(ColumnKind::Numeric, &number(50, 1), &number(5, 0)), Ordering::Equal);
        assert_eq!(order(ColumnKind::Bigint, &(-1_i64).to_be_bytes(), &1_i64.to_be_bytes()), Ordering::Less);
    }
}
