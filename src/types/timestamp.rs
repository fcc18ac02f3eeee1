use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: microseconds since the Unix epoch, negative before it.
///
/// Displays and parses as RFC 3339, in UTC, with as many of six fractional digits as are needed:
///
/// ```
/// use duramen::Timestamp;
///
/// let t = Timestamp::from_micros(1_237_714_200_000_001);
/// assert_eq!(t.to_string(), "2009-03-22T09:30:00.000001Z");
/// assert_eq!("2009-03-22T11:30:00.000001+02:00".parse(), Ok(t));
/// ```
///
/// A time before year 0 or after year 9999 has no RFC 3339 form. It displays as `us:` and the
/// number of microseconds; this form can be parsed too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

impl Timestamp {
    /// The earliest representable time.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// The latest representable time.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// The time `micros` microseconds after the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The time of the system's wall clock, saturating at the ends of the representable range.
    ///
    /// The wall clock may step back; nothing in a log relies on it going forward.
    #[must_use]
    pub fn now() -> Timestamp {
        let now = SystemTime::now();
        Timestamp::try_from(now).unwrap_or(if now < UNIX_EPOCH {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
    }

    /// This time minus `age`, saturating.
    #[must_use]
    pub fn saturating_sub(self, age: Duration) -> Timestamp {
        Timestamp(
            self.0
                .saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = std::num::TryFromIntError;

    /// Rounds down to whole microseconds. Fails for times more than about 292,000 years from the
    /// epoch.
    fn try_from(time: SystemTime) -> Result<Timestamp, Self::Error> {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).map(Timestamp),
            Err(before) => {
                let nanos = before.duration().as_nanos();
                i64::try_from(nanos.div_ceil(1000)).map(|micros| Timestamp(-micros))
            }
        }
    }
}

impl From<Timestamp> for SystemTime {
    /// Returns the epoch if the platform's `SystemTime` cannot hold the time.
    fn from(time: Timestamp) -> SystemTime {
        let distance = Duration::from_micros(time.0.unsigned_abs());
        let moved = if time.0 >= 0 {
            UNIX_EPOCH.checked_add(distance)
        } else {
            UNIX_EPOCH.checked_sub(distance)
        };
        moved.unwrap_or(UNIX_EPOCH)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({} us)", self.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(MICROS_PER_SECOND);
        let micros = self.0.rem_euclid(MICROS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        if !(0..=9999).contains(&year) {
            return write!(f, "us:{}", self.0);
        }
        let second = seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if micros != 0 {
            let digits = format!("{micros:06}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// Why a text cannot be parsed as a [`Timestamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTimestampError {
    /// The text has none of the forms `2009-03-22T09:30:00.000001Z`, the same with an offset such
    /// as `+02:00`, and `us:1237714200000001`.
    #[error("neither an RFC 3339 time such as 2009-03-22T09:30:00Z nor us: and a number of microseconds")]
    Form,
    /// A field is out of range, such as in month 13 or on February 30.
    #[error("a field of the time is out of range")]
    Range,
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    /// Digits beyond microseconds are cut off. Second 60 is read as second 0 of the next minute.
    fn from_str(text: &str) -> Result<Timestamp, ParseTimestampError> {
        if let Some(micros) = text.strip_prefix("us:") {
            return micros
                .parse()
                .map(Timestamp)
                .map_err(|_| ParseTimestampError::Form);
        }
        parse_rfc3339(text)
    }
}

fn parse_rfc3339(text: &str) -> Result<Timestamp, ParseTimestampError> {
    let form = ParseTimestampError::Form;
    let bytes = text.as_bytes();
    let (head, mut rest) = bytes.split_at_checked(19).ok_or(form)?;
    let separators = [(4, b"-"), (7, b"-"), (10, b"Tt "), (13, b":"), (16, b":")] as [(usize, &[u8]); 5];
    if separators.iter().any(|(at, any)| !any.contains(&head[*at])) {
        return Err(form);
    }
    let year = digits(&head[0..4]).ok_or(form)?;
    let month = digits(&head[5..7]).ok_or(form)?;
    let day = digits(&head[8..10]).ok_or(form)?;
    let hour = digits(&head[11..13]).ok_or(form)?;
    let minute = digits(&head[14..16]).ok_or(form)?;
    let second = digits(&head[17..19]).ok_or(form)?;

    let mut micros = 0;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        let kept = len.min(6);
        let scale = 10_i64.pow(u32::try_from(6 - kept).map_err(|_| form)?);
        micros = digits(&fraction[..kept]).ok_or(form)? * scale;
        rest = &fraction[len..];
    }
    let offset_seconds = match rest {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let hours = digits(&[*h1, *h2]).ok_or(form)?;
            let minutes = digits(&[*m1, *m2]).ok_or(form)?;
            if hours > 23 || minutes > 59 {
                return Err(ParseTimestampError::Range);
            }
            (hours * 3600 + minutes * 60) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return Err(form),
    };
    let in_range = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 60;
    if !in_range {
        return Err(ParseTimestampError::Range);
    }
    let seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    Ok(Timestamp((seconds - offset_seconds) * MICROS_PER_SECOND + micros))
}

fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    text.iter()
        .try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar. Counts in eras of 400 years
/// that begin in March, so that the leap day is the last day of a year (Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`]: year, month and day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Displaying and parsing are inverse over the whole range, sampled with an irregular stride.
    #[test]
    fn display_and_parse_are_inverse() {
        // Miri is a thousand times slower.
        const STEPS: i64 = if cfg!(miri) { 100 } else { 200_000 };
        for step in -STEPS..STEPS {
            let time = Timestamp::from_micros(step.wrapping_mul(i64::MAX / STEPS + 1));
            assert_eq!(time.to_string().parse(), Ok(time), "{time:?}");
        }
        for extreme in [
            Timestamp::MIN,
            Timestamp::MAX,
            Timestamp::from_micros(-1),
            Timestamp::from_micros(0),
        ] {
            assert_eq!(extreme.to_string().parse(), Ok(extreme));
        }
    }

    #[test]
    fn known_dates_display_in_rfc_3339() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
            (253_402_300_800_000_000, "us:253402300800000000"),
            (1_500_000, "1970-01-01T00:00:01.5Z"),
        ];
        for (micros, text) in cases {
            assert_eq!(Timestamp::from_micros(micros).to_string(), text);
        }
    }

    #[test]
    fn bad_texts_are_refused_with_the_right_reason() {
        for text in [
            "",
            "now",
            "2009-03-22",
            "2009-03-22T09:30:00",
            "2009-03-22T09:30:00.Z",
            "us:",
            "us:1.5",
        ] {
            assert_eq!(
                text.parse::<Timestamp>(),
                Err(ParseTimestampError::Form),
                "{text}"
            );
        }
        for text in [
            "2009-13-22T09:30:00Z",
            "2009-02-29T09:30:00Z",
            "2009-03-22T24:30:00Z",
        ] {
            assert_eq!(
                text.parse::<Timestamp>(),
                Err(ParseTimestampError::Range),
                "{text}"
            );
        }
    }

    #[test]
    fn system_time_converts_both_ways() {
        for micros in [0, 1, -1, 1_237_714_200_000_001, -62_135_596_800_000_000] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(Timestamp::try_from(SystemTime::from(time)), Ok(time));
        }
    }
}
