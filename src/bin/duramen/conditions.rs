//! The conditions under which `duramen publish` publishes, and what goes along with the messages.

use std::ffi::OsString;
use std::str::FromStr;

use clap::builder::{OsStringValueParser, TypedValueParser as _};

use duramen::{Ack, Control, PublishOptions, Token};

use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Conditions {
    /// Publish only if this is the log's fencing token; a log that was never fenced has the empty
    /// one
    // Any text can be a token, even one that begins with a hyphen.
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    token: Option<Token>,

    /// Publish only if the first message gets this offset
    #[arg(long, value_name = "OFFSET")]
    expect_next: Option<u64>,

    /// Publish only if the last message with this key has this offset, or, with none, if no message
    /// has the key (needs a key index)
    #[arg(long, value_name = "KEY=OFFSET|none", allow_hyphen_values = true)]
    #[arg(value_parser = OsStringValueParser::new().try_map(parse_key))]
    expect_key: Option<ExpectedKey>,

    /// Give the log this fencing token, in one atomic batch with the first messages, or alone if
    /// there is no input; later batches are published with it
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    fence: Option<Token>,

    /// Publish each batch once: the first has this sequence of the producer with this id, the next
    /// ones count up; batches that the log has are left out
    #[arg(long, value_name = "ID:SEQ")]
    producer: Option<Producer>,
}

/// The last offset that a key has to have.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ExpectedKey {
    key: Vec<u8>,
    last: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Producer {
    id: u64,
    first: u64,
}

impl Conditions {
    /// Whether a batch without messages has something to check or to change.
    pub(crate) fn concern_no_message(&self) -> bool {
        self.token.is_some()
            || self.expect_next.is_some()
            || self.expect_key.is_some()
            || self.fence.is_some()
    }

    /// Whether there are none.
    pub(crate) fn are_none(&self) -> bool {
        !self.concern_no_message() && !self.are_numbered()
    }

    /// Whether the batches have sequences. The same input must then make the same batches.
    pub(crate) fn are_numbered(&self) -> bool {
        self.producer.is_some()
    }

    /// The options of the batch that has this number, counted from 0.
    pub(crate) fn of_batch(&self, number: u64) -> Result<PublishOptions<'_>, Failure> {
        let mut how = PublishOptions::new();
        if let Some(token) = self.token_of(number) {
            how = how.token(token);
        }
        if let Some(producer) = self.producer {
            how = how.producer(producer.id, producer.sequence(number)?);
        }
        if number > 0 {
            return Ok(how);
        }
        if let Some(offset) = self.expect_next {
            how = how.expect_next_offset(offset);
        }
        if let Some(expected) = &self.expect_key {
            how = how.expect_key(&expected.key, expected.last);
        }
        if let Some(token) = self.fence {
            how = how.and(Control::Fence(token));
        }
        Ok(how)
    }

    /// The token that the log has to have when this batch is published.
    fn token_of(&self, number: u64) -> Option<Token> {
        match self.fence {
            Some(token) if number > 0 => Some(token),
            _ => self.token,
        }
    }

    /// Fails if a batch of so many messages was answered with the ack of one with more or fewer
    /// records: it is another one under the same sequence, and was not published.
    pub(crate) fn check_duplicate(&self, ack: &Ack, number: u64, messages: u64) -> Result<(), Failure> {
        let fences = u64::from(self.fence.is_some() && number == 0);
        let (before, now) = (ack.end.offset - ack.start.offset, messages + fences);
        let Some(producer) = self.producer.filter(|_| before != now) else {
            return Ok(());
        };
        Err(Failure::Mismatch(format!(
            "producer {} has published sequence {} before, with {before} records and not with {now}; \
             publish the same input with the same --batch, or go on with a new sequence",
            producer.id,
            producer.sequence(number)?
        )))
    }
}

impl Producer {
    /// The sequence of the batch that has this number.
    fn sequence(self, number: u64) -> Result<u64, Failure> {
        let sequence = self.first.checked_add(number);
        sequence.ok_or_else(|| Failure::Usage(format!("producer {} has run out of sequences", self.id)))
    }
}

impl FromStr for Producer {
    type Err = String;

    fn from_str(text: &str) -> Result<Producer, String> {
        let (id, first) = text.split_once(':').ok_or("not of the form ID:SEQ")?;
        let number = |text: &str| {
            text.parse()
                .map_err(|_| format!("{text:?} is not a number from 0 to {}", u64::MAX))
        };
        Ok(Producer {
            id: number(id)?,
            first: number(first)?,
        })
    }
}

/// `KEY=OFFSET` or `KEY=none`. A key may have any bytes, `=` too.
fn parse_key(text: OsString) -> Result<ExpectedKey, String> {
    let mut key = text.into_encoded_bytes();
    let at = key.iter().rposition(|byte| *byte == b'=');
    let at = at.ok_or("not of the form KEY=OFFSET or KEY=none")?;
    let last = match key.get(at + 1..).unwrap_or_default() {
        b"none" => None,
        digits => {
            let number = std::str::from_utf8(digits)
                .ok()
                .and_then(|text| text.parse().ok());
            Some(number.ok_or_else(|| {
                let found = digits.escape_ascii();
                format!("behind the last =, \"{found}\" is neither an offset nor none")
            })?)
        }
    };
    key.truncate(at);
    Ok(ExpectedKey { key, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_their_offsets_are_understood() {
        let cases: [(&str, &[u8], Option<u64>); 5] = [
            ("a=7", b"a", Some(7)),
            ("a=none", b"a", None),
            ("=0", b"", Some(0)),
            ("a=b=none=18446744073709551615", b"a=b=none", Some(u64::MAX)),
            ("-k=1", b"-k", Some(1)),
        ];
        for (text, key, last) in cases {
            let key = key.to_vec();
            assert_eq!(parse_key(text.into()), Ok(ExpectedKey { key, last }), "{text}");
        }
        for text in ["", "a", "a=", "a=-1", "a=None", "a=18446744073709551616"] {
            parse_key(text.into()).expect_err(text);
        }
    }

    #[test]
    fn producers_are_understood_and_count_up() {
        let producer: Producer = "7:18446744073709551614".parse().expect("a producer");
        assert_eq!((producer.id, producer.first), (7, u64::MAX - 1));
        assert_eq!(producer.sequence(1).expect("the last"), u64::MAX);
        producer.sequence(2).expect_err("no more");
        for text in [
            "",
            "7",
            "7:",
            ":7",
            "7:1:2",
            "a:1",
            "7:-1",
            "7:18446744073709551616",
        ] {
            text.parse::<Producer>().expect_err(text);
        }
    }
}
