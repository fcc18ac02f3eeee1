//! Ranges of offsets, on the command line or in the input.

use std::ops::Range;

/// Offsets, from the first on up to the end (exclusive). Never empty.
pub(crate) type Offsets = Range<u64>;

/// `5`, `5..9` (not with 9), `5..=9` (with 9), `5..` or `..9`.
pub(crate) fn parse(text: &str) -> Result<Offsets, String> {
    let number = |digits: &str| -> Result<u64, String> {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!(
                "{text:?} is neither an offset nor a range such as 5..9 or 5..=9"
            ));
        }
        digits.parse().map_err(|_| format!("{digits} is too large"))
    };
    let Some((start, end)) = text.split_once("..") else {
        let offset = number(text)?;
        return Ok(offset..offset.saturating_add(1));
    };
    if start.is_empty() && end.is_empty() {
        return Err("a range has a first offset or an end".to_owned());
    }
    let start = if start.is_empty() { 0 } else { number(start)? };
    let end = match end.strip_prefix('=') {
        Some(last) => number(last)?.saturating_add(1),
        None if end.is_empty() => u64::MAX,
        None => number(end)?,
    };
    if start < end {
        Ok(start..end)
    } else {
        Err(format!("there is no offset in {text}"))
    }
}

/// The offsets inside `within`, in order, each range without a part that an earlier one has.
pub(crate) fn merged(mut ranges: Vec<Offsets>, within: &Offsets) -> Vec<Offsets> {
    ranges.sort_by_key(|range| range.start);
    let mut reached = within.start;
    let mut merged = Vec::new();
    for range in ranges {
        let part = range.start.max(reached)..range.end.min(within.end);
        if part.start < part.end {
            reached = part.end;
            merged.push(part);
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_ranges_are_understood_and_nothing_else() {
        let cases = [
            ("5", 5..6),
            ("5..9", 5..9),
            ("5..=9", 5..10),
            ("5..", 5..u64::MAX),
            ("..9", 0..9),
            ("..=9", 0..10),
        ];
        for (text, range) in cases {
            assert_eq!(parse(text), Ok(range), "{text}");
        }
        for text in [
            "",
            "-",
            "..",
            "9..5",
            "5..5",
            "5-9",
            "a",
            "5...9",
            "+5",
            "5..x",
            "18446744073709551616",
        ] {
            parse(text).expect_err(text);
        }
    }

    #[test]
    fn ranges_are_merged_inside_bounds() {
        let merged = merged(vec![8..20, 1..3, 2..5, 0..1, 9..10], &(1..12));
        assert_eq!(merged, [1..3, 3..5, 8..12]);
    }
}
