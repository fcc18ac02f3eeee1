//! A position in the log on the command line.

use duramen::Start;

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
    text.parse()
        .map(Start::Time)
        .map_err(|error| format!("neither oldest, newest, an offset nor -N, and {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use duramen::Timestamp;

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
        ];
        for (text, start) in cases {
            assert_eq!(parse(text), Ok(start), "{text}");
        }
        for text in [
            "",
            "-",
            "+5",
            "--5",
            "18446744073709551616",
            "Oldest",
            "2009-03-22",
        ] {
            parse(text).expect_err(text);
        }
    }
}
