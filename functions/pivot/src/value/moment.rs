//! Dates, wall clocks and points in time, to the microsecond, in any form that a spec can name. The calendar is the
//! proleptic Gregorian one, years 1 to 9999.

mod fixed;
mod written;

use super::field::FieldPrefix;
use super::number::NumberForm;
use super::zone::{Times, Zone};
use fixed::FixedDate;
use sluice::spec::{Ambiguous, Column, ColumnType, PatternPart, Truncate, pattern_parts};
use written::{by_pattern, epoch, iso};

/// How the dates and times of a column are written, and what they become.
#[derive(Debug)]
pub(crate) struct MomentForm {
    kind: ColumnType,
    written: Written,
    zone: Option<Zone>,
    ambiguous: Ambiguous,
    truncate: Option<Truncate>,
    /// Where the digits of nearly all of them are, if it takes nothing but these.
    fixed: Option<FixedDate>,
}

#[derive(Debug)]
enum Written {
    Iso,
    /// A number, of which a second has so many decimals.
    Epoch {
        decimals: u32,
        numbers: NumberForm,
    },
    Pattern(Vec<PatternPart>),
}

/// Why a text is no moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotMoment {
    /// It is written otherwise than said.
    Malformed,
    /// There is no such day or time.
    NotInCalendar,
    /// It says more than microseconds.
    TooFine,
    /// A point in time without a clock to show it, or a wall clock of which nobody says where it is.
    NoZone,
    /// A wall clock that comes twice.
    Twice,
    /// A wall clock that never comes.
    Never,
    /// Before the year 1, or after 9999.
    OutOfYears,
}

impl NotMoment {
    /// The same in words.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "not a date or time in the form that the spec says",
            Self::NotInCalendar => "not a day and time of the calendar",
            Self::TooFine => "a time finer than a microsecond",
            Self::NoZone => "on whose clock? say zone",
            Self::Twice => "a wall clock that comes twice when clocks are put back; say ambiguous",
            Self::Never => "a wall clock that never comes, when clocks are put forward",
            Self::OutOfYears => "outside the years 1 to 9999",
        }
    }
}

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400 * MICROS;

/// The first day of the year 1, and the one after the last of 9999, since 1970-01-01.
const FIRST_DAY: i64 = -719_162;
const END_DAY: i64 = 2_932_897;

/// What a text says.
#[derive(Clone, Copy, Debug)]
struct Said {
    /// What the clock shows, in microseconds since 1970-01-01.
    wall: i64,
    /// How far it is ahead of UTC, in seconds, if that is said.
    offset: Option<i64>,
    /// It is later than that by less than a microsecond.
    is_finer: bool,
}

impl MomentForm {
    /// Those of a column whose zone is known; `None` if it is not.
    pub(crate) fn new(column: &Column) -> Option<Self> {
        let zone = match &column.zone {
            Some(name) => Some(Zone::named(name)?),
            None => None,
        };
        let epoch = |decimals| Written::Epoch { decimals, numbers: NumberForm::with_mark(b'.') };
        let written = match column.format.as_deref() {
            None => Written::Iso,
            Some("epoch_s") => epoch(0),
            Some("epoch_ms") => epoch(3),
            Some("epoch_us") => epoch(6),
            Some("epoch_ns") => epoch(9),
            Some(pattern) => Written::Pattern(pattern_parts(pattern)?),
        };
        let needs_more = column.kind == ColumnType::Timestamptz || column.truncate.is_some();
        let fixed = match &written {
            _ if needs_more => None,
            Written::Iso => FixedDate::iso(),
            Written::Epoch { .. } => None,
            Written::Pattern(parts) => FixedDate::of(parts),
        };
        Some(Self { kind: column.kind, written, zone, ambiguous: column.ambiguous, truncate: column.truncate, fixed })
    }

    /// The same for constants, which are in ISO form and as exact as they are written.
    pub(crate) fn of_constants(column: &Column) -> Option<Self> {
        Some(Self { written: Written::Iso, truncate: None, fixed: None, ..Self::new(column)? })
    }

    /// Microseconds since 1970-01-01: of a date its beginning, of a timestamp on its own clock, of a timestamptz in
    /// UTC.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn parse(&self, text: &[u8]) -> Result<i64, NotMoment> {
        let said = match &self.written {
            Written::Iso => iso(text)?,
            Written::Epoch { decimals, numbers } => epoch(numbers, *decimals, text)?,
            Written::Pattern(parts) => by_pattern(parts, text)?,
        };
        self.shown(said)
    }

    /// The same of a date, or of a wall clock without fractions, as nearly all are written; `None` if it is anything
    /// else.
    #[inline(always)]
    pub(crate) fn parse_quickly(&self, prefix: FieldPrefix<'_>) -> Option<i64> {
        let (day, second) = self.fixed.as_ref()?.parse(prefix)?;
        Some(if self.kind == ColumnType::Date { day * DAY } else { day * DAY + second * MICROS })
    }

    /// The same of a text in ISO form, whatever the spec says of the column: a file may know that it is a date.
    pub(crate) fn parse_iso(&self, text: &[u8]) -> Result<i64, NotMoment> {
        self.shown(iso(text)?)
    }

    fn shown(&self, said: Said) -> Result<i64, NotMoment> {
        // The day is not in doubt.
        if said.is_finer && self.kind != ColumnType::Date {
            return Err(NotMoment::TooFine);
        }
        let zone = || self.zone.as_ref().ok_or(NotMoment::NoZone);
        let moment = match (self.kind, said.offset) {
            (ColumnType::Timestamptz, Some(offset)) => {
                let utc = said.wall - offset * MICROS;
                match self.truncate {
                    None => utc,
                    Some(to) => self.truncated_point(utc, to),
                }
            }
            (ColumnType::Timestamptz, None) => {
                let utc = self.point(said.wall, zone()?)?;
                match self.truncate {
                    None => utc,
                    Some(to) => self.truncated_point(utc, to),
                }
            }
            (_, offset) => {
                let wall = match offset {
                    None => said.wall,
                    Some(offset) => {
                        let utc = said.wall - offset * MICROS;
                        utc + zone()?.offset(utc.div_euclid(MICROS)) * MICROS
                    }
                };
                let wall = self.truncate.map_or(wall, |to| truncated(wall, to));
                if self.kind == ColumnType::Date { wall.div_euclid(DAY) * DAY } else { wall }
            }
        };
        if (FIRST_DAY..END_DAY).contains(&moment.div_euclid(DAY)) { Ok(moment) } else { Err(NotMoment::OutOfYears) }
    }

    /// The point in time when clocks of a zone show this.
    fn point(&self, wall: i64, zone: &Zone) -> Result<i64, NotMoment> {
        let seconds = wall.div_euclid(MICROS);
        let offset = match (zone.of_wall(seconds), self.ambiguous) {
            (Times::Once(offset), _) => offset,
            (Times::Never { .. }, _) => return Err(NotMoment::Never),
            (Times::Twice { .. }, Ambiguous::BadRow) => return Err(NotMoment::Twice),
            (Times::Twice { earlier, .. }, Ambiguous::Earlier) => earlier,
            (Times::Twice { later, .. }, Ambiguous::Later) => later,
        };
        Ok(wall - offset * MICROS)
    }

    /// The beginning of what a point in time is in, on the clocks of the zone, or of UTC. In the hour that comes twice
    /// it stays in the one of the two that it is in; a day that begins with a time that never comes begins when clocks
    /// are put forward.
    fn truncated_point(&self, utc: i64, to: Truncate) -> i64 {
        let offset = |utc: i64| self.zone.as_ref().map_or(0, |zone| zone.offset(utc.div_euclid(MICROS)) * MICROS);
        let here = offset(utc);
        let wall = truncated(utc + here, to);
        if matches!(to, Truncate::Second | Truncate::Minute | Truncate::Hour) {
            return wall - here;
        }
        let found = self.zone.as_ref().map_or(Times::Once(0), |zone| zone.of_wall(wall.div_euclid(MICROS)));
        let (Times::Once(offset) | Times::Twice { earlier: offset, .. } | Times::Never { before: offset }) = found;
        wall - offset * MICROS
    }
}

/// The beginning of what a wall clock is in.
fn truncated(wall: i64, to: Truncate) -> i64 {
    let of = |unit: i64| wall.div_euclid(unit) * unit;
    let day = wall.div_euclid(DAY);
    let (year, month, _) = civil(day);
    let days = match to {
        Truncate::Second => return of(MICROS),
        Truncate::Minute => return of(60 * MICROS),
        Truncate::Hour => return of(3_600 * MICROS),
        Truncate::Day => day,
        // 1970-01-01 was a Thursday.
        Truncate::Week => day - (day + 3).rem_euclid(7),
        Truncate::Month => days(year, month, 1),
        Truncate::Quarter => days(year, month - (month - 1) % 3, 1),
        Truncate::Year => days(year, 1, 1),
    };
    days * DAY
}

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar (H. Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `days_from_civil`).
#[inline]
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The same the other way (`civil_from_days`): year, month and day.
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice::spec::Place;

    fn form(kind: ColumnType, change: impl FnOnce(&mut Column)) -> MomentForm {
        let mut column = Column::new(Place::From("x".to_owned()), kind);
        change(&mut column);
        MomentForm::new(&column).unwrap()
    }

    fn shown(form: &MomentForm, text: &str) -> Result<String, NotMoment> {
        form.parse(text.as_bytes()).map(|micros| {
            let (year, month, day) = civil(micros.div_euclid(DAY));
            let seconds = micros.rem_euclid(DAY) / MICROS;
            let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
            let micros = micros.rem_euclid(MICROS);
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}")
                .trim_end_matches(".000000")
                .trim_end_matches(" 00:00:00")
                .to_owned()
        })
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!((days(1970, 1, 1), days(1, 1, 1), days(9_999, 12, 31)), (0, FIRST_DAY, END_DAY - 1));
        for day in (FIRST_DAY..END_DAY).step_by(17) {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day);
            let julian = i32::try_from(day + 2_440_588).unwrap();
            let known = time::Date::from_julian_day(julian).unwrap();
            assert_eq!(
                (year, month, of_month),
                (known.year().into(), u8::from(known.month()).into(), known.day().into())
            );
        }
    }

    #[test]
    fn patterns_are_fitted_to_their_ends() {
        let cases = [
            ("%d/%m/%Y", "1/3/2024", Ok("2024-03-01")),
            ("%d/%m/%Y", " 31/12/2024 ", Ok("2024-12-31")),
            ("%d/%m/%Y", "31/12/24", Err(NotMoment::Malformed)),
            ("%d/%m/%Y", "30/02/2024", Err(NotMoment::NotInCalendar)),
            ("%d/%m/%Y", "1/3/2024 10:00", Err(NotMoment::Malformed)),
            ("%d%m%Y", "1112024", Ok("2024-01-11")),
            ("%Y%m%d", "20240301", Ok("2024-03-01")),
            ("%d-%b-%y", "15-JAN-69", Ok("1969-01-15")),
            ("%d-%b-%y", "15-jan-68", Ok("2068-01-15")),
            ("%B %e, %Y", "March  1, 2024", Ok("2024-03-01")),
            ("%B %e, %Y", "Marchx 1, 2024", Err(NotMoment::Malformed)),
            ("%A, %d %B %Y", "Friday, 01 March 2024", Ok("2024-03-01")),
            ("%a %d.%m.%Y", "Fri 01.03.2024", Ok("2024-03-01")),
            ("%Y-%j", "2024-366", Ok("2024-12-31")),
            ("%Y-%j", "2023-366", Err(NotMoment::NotInCalendar)),
            ("%d.%m.%Y um %H Uhr", "01.03.2024 um 9 Uhr", Ok("2024-03-01")),
            ("100%% %Y%m%d", "100% 20240301", Ok("2024-03-01")),
            ("%Y%m%d", "00000101", Err(NotMoment::NotInCalendar)),
        ];
        for (pattern, text, expected) in cases {
            let form = form(ColumnType::Date, |column| column.format = Some(pattern.to_owned()));
            assert_eq!(shown(&form, text).as_deref(), expected.as_ref().map(|text| *text), "{pattern} {text:?}");
        }
        let cases = [
            ("%m/%d/%Y %I:%M %p", "3/1/2024 12:05 am", Ok("2024-03-01 00:05:00")),
            ("%m/%d/%Y %I:%M %p", "3/1/2024 1:05 P.M.", Ok("2024-03-01 13:05:00")),
            ("%m/%d/%Y %I:%M %p", "3/1/2024 13:05 PM", Err(NotMoment::NotInCalendar)),
            ("%Y%m%dT%H%M%S.%f", "20240301T101112.5", Ok("2024-03-01 10:11:12.500000")),
            ("%Y%m%dT%H%M%S.%f", "20240301T101112.1234567", Err(NotMoment::TooFine)),
            ("%Y%m%dT%H%M%S.%f", "20240301T101112.123456000", Ok("2024-03-01 10:11:12.123456")),
            ("%Y-%m-%d %H:%M:%S", "2024-03-01 24:00:00", Err(NotMoment::NotInCalendar)),
            ("%Y-%m-%d %H:%M:%S", "2024-03-01 23:59:60", Err(NotMoment::NotInCalendar)),
            ("%Y-%m-%d %H:%M %z", "2024-03-01 10:00 +0100", Err(NotMoment::NoZone)),
            ("%Y-%m-%d %H:%M%z", "2024-03-01 10:00-2130", Err(NotMoment::Malformed)),
        ];
        for (pattern, text, expected) in cases {
            let form = form(ColumnType::Timestamp, |column| column.format = Some(pattern.to_owned()));
            assert_eq!(shown(&form, text).as_deref(), expected.as_ref().map(|text| *text), "{pattern} {text:?}");
        }
    }

    #[test]
    fn clocks_of_zones_come_twice_and_never() {
        let berlin = |ambiguous| {
            form(ColumnType::Timestamptz, |column| {
                (column.zone, column.ambiguous) = (Some("Europe/Berlin".to_owned()), ambiguous);
            })
        };
        for (text, ambiguous, expected) in [
            ("2024-03-01 10:00", Ambiguous::BadRow, Ok("2024-03-01 09:00:00")),
            ("2024-10-27 02:30", Ambiguous::BadRow, Err(NotMoment::Twice)),
            ("2024-10-27 02:30", Ambiguous::Earlier, Ok("2024-10-27 00:30:00")),
            ("2024-10-27 02:30", Ambiguous::Later, Ok("2024-10-27 01:30:00")),
            ("2024-03-31 02:30", Ambiguous::Later, Err(NotMoment::Never)),
            ("2024-10-27 02:30+01:00", Ambiguous::BadRow, Ok("2024-10-27 01:30:00")),
            ("2024-03-01 20:00-21:30", Ambiguous::BadRow, Err(NotMoment::Malformed)),
            ("2024-03-01 08:00-09:20", Ambiguous::BadRow, Err(NotMoment::Malformed)),
            ("2024-03-01 08:00-09:30", Ambiguous::BadRow, Ok("2024-03-01 17:30:00")),
            ("2024-03-01 08:00+14", Ambiguous::BadRow, Ok("2024-02-29 18:00:00")),
            ("9999-12-31T23:00-02", Ambiguous::BadRow, Err(NotMoment::OutOfYears)),
        ] {
            assert_eq!(shown(&berlin(ambiguous), text).as_deref(), expected.as_ref().map(|text| *text), "{text}");
        }
        let none = form(ColumnType::Timestamptz, |_| ());
        assert_eq!(shown(&none, "2024-03-01 10:00"), Err(NotMoment::NoZone));
        assert_eq!(shown(&none, "2024-03-01 10:00Z").as_deref(), Ok("2024-03-01 10:00:00"));
        let day = form(ColumnType::Date, |column| column.zone = Some("Europe/Berlin".to_owned()));
        assert_eq!(shown(&day, "2024-03-01T23:30Z").as_deref(), Ok("2024-03-02"));
    }

    #[test]
    fn epochs_are_exact() {
        let epoch = |format: &str| form(ColumnType::Timestamptz, |column| column.format = Some(format.to_owned()));
        for (format, text, expected) in [
            ("epoch_s", "1709283600.25", Ok("2024-03-01 09:00:00.250000")),
            ("epoch_ms", "1709283600123", Ok("2024-03-01 09:00:00.123000")),
            ("epoch_us", "-1", Ok("1969-12-31 23:59:59.999999")),
            ("epoch_ns", "1709283600000001000", Ok("2024-03-01 09:00:00.000001")),
            ("epoch_ns", "1709283600000001001", Err(NotMoment::TooFine)),
            ("epoch_s", "1e12", Err(NotMoment::OutOfYears)),
            ("epoch_s", "2024-03-01", Err(NotMoment::Malformed)),
        ] {
            assert_eq!(shown(&epoch(format), text).as_deref(), expected.as_ref().map(|text| *text), "{format} {text}");
        }
    }

    #[test]
    fn moments_go_to_their_beginnings() {
        for (to, expected) in [
            (Truncate::Second, "2024-05-15 10:11:12"),
            (Truncate::Minute, "2024-05-15 10:11:00"),
            (Truncate::Hour, "2024-05-15 10:00:00"),
            (Truncate::Day, "2024-05-15"),
            (Truncate::Week, "2024-05-13"),
            (Truncate::Month, "2024-05-01"),
            (Truncate::Quarter, "2024-04-01"),
            (Truncate::Year, "2024-01-01"),
        ] {
            let form = form(ColumnType::Timestamp, |column| column.truncate = Some(to));
            assert_eq!(shown(&form, "2024-05-15 10:11:12.5").as_deref(), Ok(expected), "{to:?}");
        }
        let zoned = |to, zone: &str| {
            form(ColumnType::Timestamptz, |column| {
                (column.truncate, column.zone) = (Some(to), Some(zone.to_owned()));
            })
        };
        for (to, zone, text, expected) in [
            (Truncate::Day, "Europe/Berlin", "2024-05-15T22:30Z", "2024-05-15 22:00:00"),
            // The second of two hours stays the second.
            (Truncate::Hour, "Europe/Berlin", "2024-10-27T01:30Z", "2024-10-27 01:00:00"),
            (Truncate::Hour, "Asia/Kolkata", "2024-05-15T10:10Z", "2024-05-15 09:30:00"),
            // Midnight never came in Beirut on 2024-03-31.
            (Truncate::Day, "Asia/Beirut", "2024-03-31T10:00Z", "2024-03-30 22:00:00"),
        ] {
            assert_eq!(shown(&zoned(to, zone), text).as_deref(), Ok(expected), "{text} {zone}");
        }
    }
}
