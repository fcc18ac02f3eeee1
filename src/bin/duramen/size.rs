//! Numbers of bytes on the command line.

/// The units, each with its power of 1024 or 1000.
const UNITS: [(&str, u64, u32); 13] = [
    ("k", 1024, 1),
    ("kib", 1024, 1),
    ("kb", 1000, 1),
    ("m", 1024, 2),
    ("mib", 1024, 2),
    ("mb", 1000, 2),
    ("g", 1024, 3),
    ("gib", 1024, 3),
    ("gb", 1000, 3),
    ("t", 1024, 4),
    ("tib", 1024, 4),
    ("tb", 1000, 4),
    ("b", 1, 1),
];

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
    if unit.is_empty() {
        return Ok(number);
    }
    let known = UNITS.iter().find(|(name, ..)| *name == unit);
    let (_, base, power) =
        known.ok_or_else(|| format!("{unit} is no unit: K, M, G, T, KiB, KB and so on"))?;
    number.checked_mul(base.pow(*power)).ok_or_else(too_large)
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
