use std::fmt;

use base64::Engine as _;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use duramen::{NewMessage, Timestamp};

use crate::key::BASE64;

/// A message parsed from a line of input.
#[derive(Debug, Default)]
pub(crate) struct ParsedMessage {
    time: Option<Timestamp>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl ParsedMessage {
    /// A message of now.
    pub(crate) fn new(key: Option<Vec<u8>>, value: Vec<u8>) -> ParsedMessage {
        ParsedMessage {
            key,
            value: Some(value),
            ..ParsedMessage::default()
        }
    }

    /// Parses the message on `line`, or fails with what is wrong with it.
    pub(crate) fn parse(line: &[u8]) -> Result<ParsedMessage, String> {
        // The parser would accept an array as an object without names.
        if line.trim_ascii_start().first() != Some(&b'{') {
            return Err("expected a JSON object".to_owned());
        }
        let fields: Fields = serde_json::from_slice(line).map_err(|error| reason(&error))?;
        let headers = match (fields.headers, fields.headers_base64) {
            (Some(_), Some(_)) => return Err("both `headers` and `headers_base64` are given".to_owned()),
            (Some(Pairs(pairs)), None) => pairs
                .into_iter()
                .map(|(name, value)| (name.into_bytes(), value.into_bytes()))
                .collect(),
            (None, Some(Pairs(pairs))) => {
                let decode = |text: String| decode("headers_base64", &text);
                pairs
                    .into_iter()
                    .map(|(name, value)| Ok((decode(name)?, decode(value)?)))
                    .collect::<Result<_, String>>()?
            }
            (None, None) => Vec::new(),
        };
        Ok(ParsedMessage {
            time: fields.time_us.map(Timestamp::from_micros),
            key: either("key", fields.key, "key_base64", fields.key_base64.as_deref())?,
            value: either(
                "value",
                fields.value,
                "value_base64",
                fields.value_base64.as_deref(),
            )?,
            headers,
        })
    }

    /// The headers in the form that [`as_new`](ParsedMessage::as_new) needs.
    pub(crate) fn header_slices(&self) -> Vec<(&[u8], &[u8])> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
            .collect()
    }

    pub(crate) fn as_new<'a>(&'a self, headers: &'a [(&'a [u8], &'a [u8])]) -> NewMessage<'a> {
        NewMessage {
            time: self.time,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers,
        }
    }
}

/// The key in a field of any JSON object: a text, or an integer or boolean as it is written. A
/// field that is missing or null is no key.
pub(crate) fn key_in(line: &[u8], field: &str) -> Result<Option<Vec<u8>>, String> {
    let object: Map<String, Value> = serde_json::from_slice(line).map_err(|error| reason(&error))?;
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone().into_bytes())),
        Some(Value::Bool(is_so)) => Ok(Some(is_so.to_string().into_bytes())),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => {
            Ok(Some(number.to_string().into_bytes()))
        }
        Some(_) => Err(format!("the field {field:?} is neither a text nor an integer")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default, rename = "offset")]
    _offset: IgnoredAny,
    #[serde(default, rename = "partition")]
    _partition: IgnoredAny,
    time_us: Option<i64>,
    key: Option<String>,
    key_base64: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
    headers: Option<Pairs>,
    headers_base64: Option<Pairs>,
}

/// Names and values in order, from an object or from an array of pairs.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, or an array of pairs of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = seq.next_element()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_any(PairsVisitor)
    }
}

fn either(
    name: &str,
    text: Option<String>,
    base64_name: &str,
    base64: Option<&str>,
) -> Result<Option<Vec<u8>>, String> {
    match (text, base64) {
        (Some(_), Some(_)) => Err(format!("both `{name}` and `{base64_name}` are given")),
        (Some(text), None) => Ok(Some(text.into_bytes())),
        (None, Some(base64)) => decode(base64_name, base64).map(Some),
        (None, None) => Ok(None),
    }
}

fn decode(name: &str, text: &str) -> Result<Vec<u8>, String> {
    BASE64
        .decode(text)
        .map_err(|error| format!("`{name}` is not Base64: {error}"))
}

/// The parser's message without its "at line 1", which would be mistaken for a line of the input.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(what) => format!("column {}: {what}", error.column()),
        None => text,
    }
}
