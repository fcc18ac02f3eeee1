use std::fmt;
use std::str::FromStr;

use super::Message;

/// The random id of one life of a log.
///
/// A log begins a life when it is created, and another one whenever it may go on with other
/// messages than those that somebody has read or copied: see
/// [`Log::position`](crate::Log::position). As text it is 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LifeId([u8; 16]);

impl LifeId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> LifeId {
        LifeId(bytes)
    }

    /// The bytes of the id.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

/// A place in one life of a log, to be stored elsewhere: the offset to go on at, and the life in
/// which that offset was read.
///
/// An offset alone is not enough. A log that was restored to an earlier point, or that lost its end
/// in a power cut, gives the same offsets to other messages.
/// [`Log::resume`](crate::Log::resume) tells whether a log still has everything in front of a
/// position. As text, and for serde (with the feature `serde`), a position is one line such as
/// `0123456789abcdef0123456789abcdef@900`.
///
/// ```
/// use duramen::{Log, MemoryLog, NewMessage, Position};
///
/// let log = MemoryLog::new();
/// log.publish(&[NewMessage::value(b"a"), NewMessage::value(b"b")])?;
///
/// let mut read = log.position()?.at(0);
/// for message in log.consume(log.resume(read)?, 1)? {
///     read = read.at(message.offset + 1);
/// }
/// let stored = read.to_string();
///
/// let read: Position = stored.parse().unwrap();
/// assert_eq!(log.consume(log.resume(read)?, 9)?.messages[0].offset, 1);
/// # Ok::<(), duramen::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The life of the log.
    pub life: LifeId,
    /// The offset of the message at this place. It is that of the next message to read: one past
    /// the last one that was read.
    pub offset: u64,
}

impl Position {
    /// The position at another offset of the same life.
    #[must_use]
    pub const fn at(self, offset: u64) -> Position {
        Position {
            life: self.life,
            offset,
        }
    }
}

impl From<(LifeId, &Message)> for Position {
    /// The position of a message that was read in this life of its log.
    fn from((life, message): (LifeId, &Message)) -> Position {
        Position {
            life,
            offset: message.offset,
        }
    }
}

impl fmt::Display for LifeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for LifeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LifeId({self})")
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.life, self.offset)
    }
}

/// A text that is not that of a [`Position`] or [`LifeId`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("not a position, which is 32 lower-case hexadecimal digits, @ and an offset")]
#[non_exhaustive]
pub struct ParsePositionError;

impl FromStr for LifeId {
    type Err = ParsePositionError;

    /// Parses exactly the text that [`to_string`](ToString::to_string) writes.
    fn from_str(text: &str) -> Result<LifeId, ParsePositionError> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 32 || !text.bytes().all(is_digit) {
            return Err(ParsePositionError);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| ParsePositionError)?;
        Ok(LifeId(number.to_be_bytes()))
    }
}

impl FromStr for Position {
    type Err = ParsePositionError;

    /// Parses exactly the text that [`to_string`](ToString::to_string) writes.
    fn from_str(text: &str) -> Result<Position, ParsePositionError> {
        let (life, digits) = text.split_once('@').ok_or(ParsePositionError)?;
        let offset: u64 = digits.parse().map_err(|_| ParsePositionError)?;
        if offset.to_string() != digits {
            return Err(ParsePositionError);
        }
        Ok(Position {
            life: life.parse()?,
            offset,
        })
    }
}

/// Each is a string, in whatever form.
#[cfg(feature = "serde")]
mod with_serde {
    use std::borrow::Cow;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{LifeId, Position};

    macro_rules! as_text {
        ($($type:ty),*) => {$(
            impl Serialize for $type {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> Deserialize<'de> for $type {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                    Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
                }
            }
        )*};
    }

    as_text!(LifeId, Position);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0f00000000000000000000000000000a@900";

    fn position() -> Position {
        let mut bytes = [0; 16];
        (bytes[0], bytes[15]) = (15, 10);
        Position {
            life: LifeId::from_bytes(bytes),
            offset: 900,
        }
    }

    #[test]
    fn a_position_is_one_line_of_text() {
        assert_eq!(position().to_string(), TEXT);
        assert_eq!(TEXT.parse(), Ok(position()));
        let last = position().at(u64::MAX);
        assert_eq!(last.to_string().parse(), Ok(last));
    }

    #[test]
    fn other_texts_are_no_positions() {
        for text in [
            "",
            "@",
            "900",
            "@900",
            "0f00000000000000000000000000000a",
            "0f00000000000000000000000000000a@",
            "0f00000000000000000000000000000a@-1",
            "0f00000000000000000000000000000a@+1",
            "0f00000000000000000000000000000a@01",
            "0f00000000000000000000000000000a@18446744073709551616",
            "0F00000000000000000000000000000A@900",
            "+f00000000000000000000000000000a@900",
            "0f00000000000000000000000000000a@900\n",
            " 0f00000000000000000000000000000a@900",
            "0f00000000000000000000000000000@900",
            "äf0000000000000000000000000000a@900",
        ] {
            assert_eq!(text.parse::<Position>(), Err(ParsePositionError), "{text:?}");
        }
    }

    #[cfg(all(feature = "serde", feature = "json"))]
    #[test]
    fn serde_writes_the_same_text() {
        let json = serde_json::to_string(&position()).unwrap();
        assert_eq!(json, format!("{TEXT:?}"));
        assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position());
        assert!(serde_json::from_str::<Position>("\"900\"").is_err());
    }
}
