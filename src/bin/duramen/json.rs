//! Messages as JSON lines, for output and input.
//!
//! `{"offset":7,"time_us":1237714200000000,"key":"a","value":"b","headers":{"h":"v"}}`
//!
//! - An absent key or value is `null`. One that is not UTF-8 is in Base64 instead, as `key_base64`
//!   or `value_base64`.
//! - A message without headers has no field `headers`. If a name repeats, the headers are an array
//!   of pairs, `"headers":[["h","1"],["h","2"]]`, because an object cannot express that. If any
//!   name or value is not UTF-8, all are in Base64, as `"headers_base64":[["aA==","/w=="]]`. Every
//!   form keeps the order.
//! - A message of a stream has the field `partition` in front.
//! - The input may use any of these forms. `offset` and `partition` are ignored, every other field
//!   is optional, and
//!   names in an object of headers may repeat. An unknown field is an error, so that a misspelt
//!   name does not lose data silently.
//!
//! Control records have a form of their own, which is no input:
//! `{"offset":7,"time_us":1237714200000000,"control":"fence","token":"a"}`

mod read;
mod write;

pub(crate) use read::{ParsedMessage, key_in};
pub(crate) use write::{write, write_control};

#[cfg(test)]
mod tests {
    use super::*;
    use duramen::{Headers, Message, Timestamp};

    type Pairs = &'static [(&'static [u8], &'static [u8])];

    fn round_trip(message: &Message) -> String {
        let mut line = Vec::new();
        write(&mut line, None, message).expect("memory");
        let parsed = ParsedMessage::parse(&line).expect("what is written can be read");
        let headers = parsed.header_slices();
        assert_eq!(
            parsed.as_new(&headers),
            message.as_new(),
            "{}",
            line.escape_ascii()
        );
        String::from_utf8(line).expect("JSON is UTF-8")
    }

    /// Every combination of key, value and headers of different kinds survives being written and
    /// read.
    #[test]
    fn written_and_read_is_the_same() {
        let fields: [Option<&'static [u8]>; 6] = [
            None,
            Some(b""),
            Some(b"plain"),
            Some("\u{e4}\u{1f980}\"\\\n\0\u{7f}\u{2028}".as_bytes()),
            Some(b"\xff\xfe"),
            Some(b"\xed\xa0\x80"),
        ];
        let headers: [Pairs; 6] = [
            &[],
            &[(b"h", b"v")],
            &[(b"b", b"1"), (b"a", b"2"), (b"", b"")],
            &[(b"h", b"1"), (b"x", b""), (b"h", b"2")],
            &[(b"h", b"\xff"), (b"h", b"v")],
            &[(b"\xff", b"v")],
        ];
        for key in fields {
            for value in fields {
                for headers in headers {
                    round_trip(&Message {
                        offset: u64::MAX,
                        time: Timestamp::MIN,
                        key: key.map(Into::into),
                        value: value.map(Into::into),
                        headers: Headers::new(headers),
                    });
                }
            }
        }
    }

    /// The output has the forms that the module describes.
    #[test]
    fn the_forms_are_as_documented() {
        let message = |headers: &[(&[u8], &[u8])]| Message {
            offset: 7,
            time: Timestamp::from_micros(5),
            key: Some("a".into()),
            value: None,
            headers: Headers::new(headers),
        };
        let cases: [(Pairs, &str); 4] = [
            (&[], ""),
            (&[(b"h", b"v")], r#","headers":{"h":"v"}"#),
            (
                &[(b"h", b"1"), (b"h", b"2")],
                r#","headers":[["h","1"],["h","2"]]"#,
            ),
            (&[(b"h", b"\xff")], r#","headers_base64":[["aA==","/w=="]]"#),
        ];
        for (headers, text) in cases {
            let line = format!("{{\"offset\":7,\"time_us\":5,\"key\":\"a\",\"value\":null{text}}}\n");
            assert_eq!(round_trip(&message(headers)), line);
        }
    }

    /// A line that is not a message is refused with a reason that names the problem.
    #[test]
    fn bad_lines_are_refused_with_a_reason() {
        let cases = [
            ("", "expected a JSON object"),
            ("[1,2]", "expected a JSON object"),
            ("\"text\"", "expected a JSON object"),
            ("{", "column 1: EOF"),
            (r#"{"vlaue":"x"}"#, "unknown field `vlaue`"),
            (r#"{"key":"a","key":"b"}"#, "duplicate field `key`"),
            (r#"{"key":5}"#, "column 8: invalid type: integer `5`"),
            (
                r#"{"key":"a","key_base64":"YQ=="}"#,
                "both `key` and `key_base64`",
            ),
            (r#"{"value_base64":"*"}"#, "value_base64"),
            (r#"{"time_us":1.5}"#, "expected i64"),
            (r#"{"headers":{"h":1}}"#, "expected a string"),
            (r#"{"headers":[["h"]]}"#, "length 1"),
            (r#"{"headers":{},"headers_base64":[]}"#, "both `headers`"),
            (r#"{"key":"a"} {}"#, "trailing characters"),
            (r#"{"key":"\ud800"}"#, "hex escape"),
        ];
        for (line, reason) in cases {
            let found = ParsedMessage::parse(line.as_bytes()).expect_err(line);
            assert!(found.contains(reason), "{line}: {found}");
            assert!(!found.contains("line 1"), "{line}: {found}");
        }
        ParsedMessage::parse(b"{\"key\":\"\xff\"}").expect_err("not UTF-8");
    }

    /// The input may differ from the tool's own output.
    #[test]
    fn input_may_be_sparse_or_loose() {
        let line =
            br#" {"partition":7,"offset":"x","headers":{"h":"1","h":"2"},"key":null,"value_base64":"YQ"} "#;
        let parsed = ParsedMessage::parse(line).expect("a message");
        let headers = parsed.header_slices();
        let message = parsed.as_new(&headers);
        assert_eq!(message.time, None);
        assert_eq!(message.key, None);
        assert_eq!(message.value, Some(&b"a"[..]));
        assert_eq!(message.headers, [(&b"h"[..], &b"1"[..]), (&b"h"[..], &b"2"[..])]);
        let empty = ParsedMessage::parse(br#"{"headers":null}"#).expect("a message");
        assert_eq!(empty.as_new(&[]), duramen::NewMessage::default());
    }
}
