use super::{Message, Timestamp};

/// A message that is lent: by a [`Scan`](crate::Scan) or a [`BatchBuf`](crate::BatchBuf), until
/// that reads more, or to a [`Filter`](crate::Filter).
#[derive(Clone, Copy, Debug)]
pub struct MessageRef<'a> {
    /// Its logical place in the log.
    pub offset: u64,
    /// Its time, as [`Message::time`](crate::Message::time).
    pub time: Timestamp,
    /// The key, if it has one.
    pub key: Option<&'a [u8]>,
    /// The value; `None` with a key is a tombstone.
    pub value: Option<&'a [u8]>,
    headers: Pairs<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Pairs<'a> {
    /// As they are stored.
    Block(&'a [u8]),
    Split(&'a [(&'a [u8], &'a [u8])]),
}

impl<'a> MessageRef<'a> {
    /// A message without headers.
    #[inline]
    pub(crate) fn new(
        offset: u64,
        time: Timestamp,
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
    ) -> MessageRef<'a> {
        MessageRef {
            offset,
            time,
            key,
            value,
            headers: Pairs::Block(&[]),
        }
    }

    /// The same message with headers as they are stored.
    #[inline]
    pub(crate) fn with_block(self, headers: &'a [u8]) -> MessageRef<'a> {
        MessageRef {
            headers: Pairs::Block(headers),
            ..self
        }
    }

    /// Names and values of the headers, in the order they were published in.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut rest = self.headers;
        std::iter::from_fn(move || match &mut rest {
            Pairs::Block(block) => {
                let (pair, behind) = first_header(block)?;
                *block = behind;
                Some(pair)
            }
            Pairs::Split(pairs) => {
                let (pair, behind) = pairs.split_first()?;
                *pairs = behind;
                Some(*pair)
            }
        })
    }
}

impl<'a> From<&'a Message> for MessageRef<'a> {
    fn from(message: &'a Message) -> MessageRef<'a> {
        MessageRef {
            headers: Pairs::Split(message.headers.as_slice()),
            ..MessageRef::new(
                message.offset,
                message.time,
                message.key.as_deref(),
                message.value.as_deref(),
            )
        }
    }
}

/// The first pair in a block of headers as it is stored, and the rest of the block.
#[expect(clippy::type_complexity, reason = "a pair and a slice")]
pub(crate) fn first_header(block: &[u8]) -> Option<((&[u8], &[u8]), &[u8])> {
    let (name_len, rest) = block.split_first_chunk::<4>()?;
    let (value_len, rest) = rest.split_first_chunk::<4>()?;
    let (name, rest) = rest.split_at_checked(u32::from_le_bytes(*name_len) as usize)?;
    let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*value_len) as usize)?;
    Some(((name, value), rest))
}
