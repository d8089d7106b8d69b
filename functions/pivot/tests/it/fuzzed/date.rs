//! Texts to dates: every day of the calendar, and nothing else.

use pivot::value::date::{self, Date, NotDate};
use pivot::value::field::{FieldPrefix, PREFIX_BYTES};
use pivot::value::zone::Zone;

/// Fails if a text is read as another day than it shows, by either path.
pub(super) fn check(text: &[u8]) {
    let parsed = Date::parse(text, None).ok();
    assert_eq!(parsed.map(Date::days), by_the_book(trimmed(text)));
    assert_eq!(Date::parse(&[&b" "[..], text, b"\t"].concat(), None).ok(), parsed, "blanks around it");
    on_clocks(text, parsed);
    // The fast path leaves it to its caller whether the day is one of the calendar.
    let ahead = [text, &[b','; PREFIX_BYTES]].concat();
    let fast = FieldPrefix::new(&ahead, text.len()).and_then(Date::parse_fast);
    assert!(fast.is_none() || fast == Date::parse(&text[..date::LENGTH], None).ok() || parsed.is_none());
    if Date::parse(text.get(..date::LENGTH).unwrap_or_default(), None).is_ok() {
        assert!(fast.is_none() || fast == parsed, "the fast path takes what is not a date");
        let head = &text[..date::LENGTH];
        assert_eq!(Date::parse(&[head, b"T25:61 and more"].concat(), None), Err(NotDate::NoTimeBehind));
        assert_eq!(Date::parse(&[head, b" - ", head].concat(), None), Err(NotDate::NoTimeBehind));
        assert_eq!(Date::parse(&[head, b"0"].concat(), None), Err(NotDate::Malformed), "another digit");
    }
}

/// A zone changes nothing but that points in time have a day: their own, the one before or the one after it.
fn on_clocks(text: &[u8], parsed: Option<Date>) {
    for name in ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"] {
        let on_clock = Date::parse(text, Zone::named(name).as_ref());
        match (parsed, on_clock, Date::parse(text, None)) {
            (Some(_), on_clock, _) => assert_eq!(on_clock.ok(), parsed),
            (None, Ok(date), Err(why)) => {
                assert_eq!(why, NotDate::NoZone);
                let own = by_the_book(&trimmed(text)[..date::LENGTH]).unwrap();
                assert!((date.days() - own).abs() <= 2, "{date}");
            }
            (None, Err(NotDate::OutOfYears), Err(why)) => assert_eq!(why, NotDate::NoZone),
            (None, Err(on_clock), Err(why)) => assert_eq!(on_clock, why),
            (None, _, Ok(_)) => unreachable!("it was parsed before"),
        }
    }
}

/// Whether it is the time of a wall clock with what may stand before it: one of the shapes that there are, and numbers
/// in it that a clock shows.
fn is_time(text: &[u8]) -> bool {
    let Some((b' ' | b'T' | b't', time)) = text.split_first() else { return false };
    let shape: String = time.iter().map(|&byte| if byte.is_ascii_digit() { '9' } else { char::from(byte) }).collect();
    let fractions = (1..=9).flat_map(|len| [".", ","].map(|mark| format!("99:99:99{mark}{}", "9".repeat(len))));
    let is_shape =
        ["99", "99:99", "99:99:99"].map(str::to_owned).into_iter().chain(fractions).any(|time| time == shape);
    let digits: Vec<u8> = time.iter().copied().filter(u8::is_ascii_digit).collect();
    let number = |at: usize| digits.get(at..at + 2).map_or(0, |two| (two[0] - b'0') * 10 + (two[1] - b'0'));
    // Hour, minute and second; a fraction changes no day.
    is_shape && number(0) < 24 && number(2) < 60 && number(4) < 60
}

/// Adds up the years and months before it.
fn by_the_book(text: &[u8]) -> Option<i32> {
    let behind = text.get(date::LENGTH..)?;
    if !behind.is_empty() && !is_time(behind) {
        return None;
    }
    let parts: Vec<&[u8]> = text.get(..date::LENGTH)?.split(|byte| *byte == b'-').collect();
    let [year, month, day] = parts[..] else { return None };
    if (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    let february = if is_leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months_before = usize::try_from(month - 1).ok()?;
    if year == 0 || day == 0 || day > *lengths.get(months_before)? {
        return None;
    }
    let years: i32 = (1..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: i32 = lengths[..months_before].iter().sum();
    // From the first day of the year 1 to that of 1970.
    Some(years + months + day - 1 - 719_162)
}

fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i32::from(digit - b'0')))
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// A text without the blanks around it.
fn trimmed(text: &[u8]) -> &[u8] {
    std::str::from_utf8(text).map_or_else(|_| text.trim_ascii(), |text| text.trim().as_bytes())
}
