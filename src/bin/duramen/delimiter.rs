//! What stands between values or fields, on the command line.

/// Bytes that part others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delimiter(pub(crate) Vec<u8>);

/// Any text that is not empty, with `\n`, `\r`, `\t`, `\0`, `\\` and `\xHH` for bytes that are hard
/// to type.
pub(crate) fn parse(text: &str) -> Result<Delimiter, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first != '\\' {
            let (head, tail) = rest.split_at(first.len_utf8());
            bytes.extend_from_slice(head.as_bytes());
            rest = tail;
            continue;
        }
        let escapes = [
            ("\\n", b'\n'),
            ("\\r", b'\r'),
            ("\\t", b'\t'),
            ("\\0", 0),
            ("\\\\", b'\\'),
        ];
        let known = escapes
            .iter()
            .find_map(|(escape, byte)| Some((*byte, rest.strip_prefix(escape)?)));
        let (byte, tail) = known
            .or_else(|| hexadecimal(rest))
            .ok_or_else(|| format!("{rest:?} does not begin with \\n, \\r, \\t, \\0, \\\\ or \\xHH"))?;
        bytes.push(byte);
        rest = tail;
    }
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(Delimiter(bytes))
}

fn hexadecimal(text: &str) -> Option<(u8, &str)> {
    let digits = text.strip_prefix("\\x")?;
    let (digits, tail) = digits.split_at_checked(2)?;
    Some((u8::from_str_radix(digits, 16).ok()?, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_may_be_escaped() {
        let cases: [(&str, &[u8]); 6] = [
            (",", b","),
            ("\\t", b"\t"),
            ("\\0", b"\0"),
            ("\\r\\n", b"\r\n"),
            ("\\x1f\\\\n", b"\x1f\\n"),
            ("\u{e4}--", "\u{e4}--".as_bytes()),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse(text), Ok(Delimiter(bytes.to_vec())), "{text}");
        }
        for text in ["", "\\", "\\q", "\\x1", "\\xg0", "\\x\u{e4}"] {
            parse(text).expect_err(text);
        }
    }
}
