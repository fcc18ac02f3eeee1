//! A position in the log, or a time, on the command line.

use duramen::{Start, Timestamp};

/// Where to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    Offset(u64),
    Time(Timestamp),
}

/// `oldest`, `newest`, an offset, `-N` for the last N messages, or a time.
pub(crate) fn parse(text: &str) -> Result<Start, String> {
    match text {
        "oldest" => return Ok(Start::Oldest),
        "newest" => return Ok(Start::Newest),
        _ => {}
    }
    let (digits, is_from_end) = match text.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = digits.parse().map_err(|_| format!("{digits} is too large"))?;
        return Ok(if is_from_end {
            Start::Last(number)
        } else {
            Start::At(number)
        });
    }
    time(text)
        .map(Start::Time)
        .map_err(|error| format!("neither oldest, newest, an offset nor -N, and {error}"))
}

/// An offset or a time.
pub(crate) fn until(text: &str) -> Result<Until, String> {
    match parse(text) {
        Ok(Start::At(offset)) => Ok(Until::Offset(offset)),
        Ok(Start::Time(time)) => Ok(Until::Time(time)),
        Ok(_) => Err("neither an offset nor a time".to_owned()),
        Err(_) => time(text)
            .map(Until::Time)
            .map_err(|error| format!("not an offset, and {error}")),
    }
}

/// A time: `2026-11-28T09:30:00Z`, the same without seconds, without a time of day or without a
/// zone (then it is in UTC), `us:` and microseconds, `now`, or `-1h` for an hour ago.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    if text == "now" {
        return Ok(Timestamp::now());
    }
    if let Some(age) = text.strip_prefix('-') {
        let age =
            humantime::parse_duration(age).map_err(|error| format!("not an age such as -1h: {error}"))?;
        return Ok(Timestamp::now().saturating_sub(age));
    }
    let complete = ["", "Z", ":00Z", "T00:00:00Z"].map(|rest| format!("{text}{rest}").parse());
    let found = complete.iter().find_map(|parsed| parsed.as_ref().ok());
    let is_out_of_range = complete.contains(&Err(duramen::ParseTimestampError::Range));
    match found {
        Some(time) => Ok(*time),
        None if is_out_of_range => Err(duramen::ParseTimestampError::Range.to_string()),
        None => Err(
            "not a time: neither RFC 3339 (2026-11-28T09:30:00Z), nor shorter (2026-11-28, 2026-11-28T09:30), \
             nor an age (-1h), nor us: and a number of microseconds"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_form_is_understood_and_nothing_else() {
        let micros = |micros| Start::Time(Timestamp::from_micros(micros));
        let cases = [
            ("oldest", Start::Oldest),
            ("newest", Start::Newest),
            ("0", Start::At(0)),
            ("18446744073709551615", Start::At(u64::MAX)),
            ("-5", Start::Last(5)),
            ("us:-1", micros(-1)),
            ("1970-01-01T00:00:01Z", micros(1_000_000)),
            ("1970-01-01T00:00:01", micros(1_000_000)),
            ("1970-01-01 01:00:01+01:00", micros(1_000_000)),
            ("1970-01-01T00:01", micros(60_000_000)),
            ("1970-01-02", micros(86_400_000_000)),
        ];
        for (text, start) in cases {
            assert_eq!(parse(text), Ok(start), "{text}");
        }
        for text in [
            "",
            "-",
            "+5",
            "--5",
            "-5x",
            "18446744073709551616",
            "Oldest",
            "2009-03",
            "2009-02-30",
            "2009-03-22T09",
        ] {
            parse(text).expect_err(text);
        }
    }

    #[test]
    fn a_time_may_be_an_age() {
        for (text, seconds) in [("now", 0), ("-1h", 3600), ("-1h 30m", 5400), ("-7d", 604_800)] {
            let at_most = Timestamp::now().saturating_sub(Duration::from_secs(seconds));
            let Ok(Start::Time(found)) = parse(text) else {
                panic!("{text}");
            };
            let passed = found.as_micros() - at_most.as_micros();
            assert!((0..60_000_000).contains(&passed), "{text}: {passed}");
        }
    }

    #[test]
    fn an_end_is_an_offset_or_a_time() {
        assert_eq!(until("7"), Ok(Until::Offset(7)));
        assert_eq!(until("us:7"), Ok(Until::Time(Timestamp::from_micros(7))));
        for text in ["oldest", "newest", "-5", "x"] {
            until(text).expect_err(text);
        }
    }
}
