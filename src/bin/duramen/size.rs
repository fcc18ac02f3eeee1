//! Numbers of bytes on the command line.

/// The bytes of a unit in lower case.
fn bytes_of(unit: &str) -> Option<u64> {
    let (prefix, base) = match unit {
        "" | "b" => return Some(1),
        _ if unit.ends_with("ib") => (unit.strip_suffix("ib")?, 1024_u64),
        _ if unit.ends_with('b') => (unit.strip_suffix('b')?, 1000),
        _ => (unit, 1024),
    };
    let power = ["k", "m", "g", "t"].iter().position(|known| *known == prefix)?;
    Some(base.pow(u32::try_from(power).ok()? + 1))
}

/// A number, perhaps with a unit: `65536`, `64K`, `64KiB`, `64 kB`.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    if digits.is_empty() {
        return Err("not a number of bytes, such as 65536, 64K, 64KiB or 64kB".to_owned());
    }
    let too_large = || format!("{text} is too large");
    let number: u64 = digits.parse().map_err(|_| too_large())?;
    let unit = unit.trim().to_ascii_lowercase();
    let bytes = bytes_of(&unit);
    let bytes = bytes.ok_or_else(|| format!("{unit} is no unit: K, M, G, T, KiB, KB and so on"))?;
    number.checked_mul(bytes).ok_or_else(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_may_have_a_unit() {
        let cases = [
            ("0", 0),
            ("65536", 65536),
            ("5b", 5),
            ("64K", 64 << 10),
            ("64KiB", 64 << 10),
            ("64 kB", 64_000),
            ("64M", 64 << 20),
            ("1GiB", 1 << 30),
            ("1gb", 1_000_000_000),
            ("2T", 2 << 40),
            ("18446744073709551615", u64::MAX),
        ];
        for (text, size) in cases {
            assert_eq!(parse(text), Ok(size), "{text}");
        }
        for text in [
            "",
            "M",
            "-1",
            "1.5G",
            "1X",
            "1KK",
            "16777216T",
            "18446744073709551616",
        ] {
            parse(text).expect_err(text);
        }
    }
}
