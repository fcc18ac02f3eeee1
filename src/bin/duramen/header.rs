//! Headers on the command line.

use std::ffi::OsString;
use std::sync::Arc;

use duramen::{Filter, MessageRef};

/// A header that messages must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    name: Vec<u8>,
    value: Vec<u8>,
}

/// `NAME=VALUE`. The value may have any bytes, `=` too.
pub(crate) fn parse(text: OsString) -> Result<Header, &'static str> {
    let mut name = text.into_encoded_bytes();
    let at = name.iter().position(|byte| *byte == b'=');
    let at = at.ok_or("not of the form NAME=VALUE")?;
    let value = name.split_off(at + 1);
    name.truncate(at);
    Ok(Header { name, value })
}

/// Messages with all of these headers, and with this key if there is one.
pub(crate) fn filter(headers: &[Header], key: Option<&[u8]>) -> Filter {
    let headers = headers
        .iter()
        .map(|header| Filter::header(&header.name, &header.value));
    let mut filters: Vec<Filter> = headers.chain(key.map(Filter::key)).collect();
    match filters.len() {
        0 => Filter::any(),
        1 => filters.remove(0),
        _ => Filter::matching(Arc::new(move |message: &MessageRef<'_>| {
            filters.iter().all(|filter| filter.passes(message))
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_equals_sign_parts_a_header() {
        let cases = [
            ("n=v", "n", "v"),
            ("n=a=b", "n", "a=b"),
            ("=", "", ""),
            ("n=", "n", ""),
        ];
        for (text, name, value) in cases {
            let (name, value) = (name.into(), value.into());
            assert_eq!(parse(text.into()), Ok(Header { name, value }), "{text}");
        }
        parse("n".into()).expect_err("no equals sign");
    }
}
