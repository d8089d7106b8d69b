//! Dates and times by patterns, against the same in ISO form.

use super::plain;
use serde_json::{Value, json};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Patterns, with the type that each is read as.
const PATTERNS: [(&str, &str); 11] = [
    ("date", "%d/%m/%Y"),
    ("date", "%b %e, %y"),
    ("timestamp", "%m/%d/%Y %I:%M %p"),
    ("timestamptz", "%Y%m%dT%H%M%S.%f"),
    ("timestamptz", "%A, %d-%B-%Y %H:%M:%S %z"),
    ("date", "%Y-%j"),
    ("timestamp", "%a%d%m%y%H%M"),
    ("date", "%d%% %m %Y %z"),
    ("date", "%Y%m%d"),
    ("date", "%m-%d-%Y"),
    ("date", "%d.%m.%Y "),
];

/// Fails if a text is read as another moment than it shows. The first byte chooses the pattern.
pub(super) fn check(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let Some(raw) = plain::text(bytes) else { return };
    let (kind, pattern) = PATTERNS[usize::from(*choice) % PATTERNS.len()];
    let mut column: Value = json!({"type": kind, "zone": "Europe/Berlin", "format": pattern});
    if choice & 8 != 0 && kind != "date" {
        column["truncate"] = json!("hour");
    }
    let with_pattern = plain::of_column(&column);
    column["format"] = json!("iso");
    let fits = fit(pattern, raw.trim(), Said::default());
    plain::compare(&with_pattern, &raw, &plain::of_column(&column), fits.and_then(Said::iso).as_deref());
}

/// What a text says, as texts.
#[derive(Clone, Debug, Default)]
struct Said {
    year: String,
    month: usize,
    day: usize,
    day_of_year: Option<usize>,
    hour: usize,
    half: Option<char>,
    minute: String,
    second: String,
    fraction: String,
    offset: String,
}

/// The first way, with the longest numbers, in which a text fits a pattern to its end.
fn fit(pattern: &str, text: &str, said: Said) -> Option<Said> {
    let Some(first) = pattern.chars().next() else { return text.is_empty().then_some(said) };
    if first != '%' {
        return fit(&pattern[first.len_utf8()..], text.strip_prefix(first)?, said);
    }
    let (field, behind) = (pattern.as_bytes()[1], &pattern[2..]);
    // Every head of the text that the field may be, the longest first.
    (0..=text.len()).rev().filter(|len| text.is_char_boundary(*len)).find_map(|len| {
        let (head, rest) = text.split_at(len);
        fit(behind, rest, take(field, head, said.clone())?)
    })
}

/// What a field says that is written so.
fn take(field: u8, head: &str, mut said: Said) -> Option<Said> {
    let digits = |least: usize, most: usize, text: &str| {
        let are_digits = (least..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        are_digits.then(|| text.parse::<usize>().unwrap())
    };
    let named = |names: &[&str], len: usize| {
        names.iter().position(|name| name[..len.min(name.len())].eq_ignore_ascii_case(head)).map(|place| place + 1)
    };
    match field {
        b'Y' => said.year = format!("{:04}", digits(4, 4, head)?),
        b'y' => {
            let year = digits(2, 2, head)?;
            said.year = (if year < 69 { 2_000 + year } else { 1_900 + year }).to_string();
        }
        b'm' => said.month = digits(1, 2, head)?,
        b'd' => said.day = digits(1, 2, head)?,
        b'e' => said.day = digits(1, 2, head.strip_prefix(' ').unwrap_or(head))?,
        b'j' => said.day_of_year = Some(digits(3, 3, head)?),
        b'H' => said.hour = digits(1, 2, head)?,
        b'I' => said.hour = Some(digits(1, 2, head)?).filter(|hour| (1..=12).contains(hour)).unwrap_or(99),
        b'M' => said.minute = format!("{:02}", digits(2, 2, head)?),
        b'S' => said.second = format!("{:02}", digits(2, 2, head)?),
        b'f' => {
            digits(1, 9, head)?;
            said.fraction = head.to_owned();
        }
        b'p' => {
            let letters = head.replace('.', "").to_ascii_lowercase();
            let is_dotted = ["a", "p"].iter().any(|half| {
                let forms = [format!("{half}m"), format!("{half}.m."), format!("{half}.m"), format!("{half}m.")];
                forms.contains(&head.to_ascii_lowercase())
            });
            said.half = letters.chars().next().filter(|_| is_dotted)?.into();
        }
        b'b' => said.month = named(&MONTHS, 3)?,
        b'B' => said.month = named(&MONTHS, 9)?,
        b'a' => _ = named(&WEEKDAYS, 3)?,
        b'A' => _ = named(&WEEKDAYS, 9)?,
        b'z' => {
            said.offset = match head.as_bytes() {
                b"Z" | b"UTC" | b"GMT" => "Z".to_owned(),
                [b'+' | b'-', rest @ ..] if matches!(rest.len(), 2 | 4 | 5) => head.to_owned(),
                _ => return None,
            };
            let digits: String = head.chars().filter(char::is_ascii_digit).collect();
            let is_colon = head.len() != 6 || head.as_bytes()[3] == b':';
            let is_offset = said.offset == "Z"
                || is_colon && digits.len() + usize::from(head.len() == 6) + 1 == head.len() && digits.len() != 3;
            is_offset.then_some(())?;
        }
        b'%' => (head == "%").then_some(())?,
        _ => return None,
    }
    Some(said)
}

impl Said {
    /// The same in ISO form, which may be of no calendar.
    fn iso(self) -> Option<String> {
        let (mut month, mut day) = (self.month, self.day);
        if let Some(number) = self.day_of_year {
            let year: usize = self.year.parse().unwrap();
            let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
            let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            (month, day) = (1, number);
            for length in lengths {
                if day <= length {
                    break;
                }
                (month, day) = (month + 1, day - length);
            }
        }
        let hour = match self.half {
            None => self.hour,
            Some(_) if self.hour == 99 => 99,
            Some(half) => self.hour % 12 + if half == 'p' { 12 } else { 0 },
        };
        let or_zeros = |text: String| if text.is_empty() { "00".to_owned() } else { text };
        let (minute, second) = (or_zeros(self.minute), or_zeros(self.second));
        let fraction = if self.fraction.is_empty() { String::new() } else { format!(".{}", self.fraction) };
        Some(format!("{}-{month:02}-{day:02}T{hour:02}:{minute}:{second}{fraction}{}", self.year, self.offset))
    }
}
