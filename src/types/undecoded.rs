use std::error::Error;
use std::fmt;

use super::Message;

/// The key or the value of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessagePart {
    /// The key.
    Key,
    /// The value.
    Value,
}

impl fmt::Display for MessagePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MessagePart::Key => "key",
            MessagePart::Value => "value",
        })
    }
}

/// A message whose key or value cannot be decoded by its [`Codec`](crate::Codec). Holds the raw
/// message.
#[derive(Debug, thiserror::Error)]
#[error("the {part} of the message at offset {} cannot be decoded: {source}", message.offset)]
#[non_exhaustive]
pub struct DecodeError {
    /// The message with its offset and its raw bytes.
    pub message: Message,
    /// The part that cannot be decoded.
    pub part: MessagePart,
    /// The codec's error.
    pub source: Box<dyn Error + Send + Sync>,
}

impl DecodeError {
    pub(crate) fn new(
        message: Message,
        part: MessagePart,
        source: Box<dyn Error + Send + Sync>,
    ) -> DecodeError {
        DecodeError {
            message,
            part,
            source,
        }
    }

    /// The message's offset. A reader skips the message by continuing at the next offset.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.message.offset
    }
}
