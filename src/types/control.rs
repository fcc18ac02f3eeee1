use super::{Timestamp, Token};

/// What a control record does. Published with
/// [`PublishOptions::and`](crate::PublishOptions::and), as the last records of a batch.
///
/// A control record takes an offset and is no message: readers pass over it, counts leave it out,
/// and deletes do not touch it. It is as durable as its batch: unless the log's
/// [`Durability`](crate::Durability) is `EachPublish`, or the publish has
/// [`sync`](crate::PublishOptions::sync), a power cut may bring back the token from before a fence,
/// or the log from before a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Control {
    /// Gives the log another token. From the next batch on, a publish with the old token fails with
    /// [`Error::Fenced`](crate::Error::Fenced).
    Fence(Token),
    /// Trims the log to this offset, or to behind this record, whichever is lower, once the batch
    /// is on stable storage: the publish waits for that. At or below the start offset it has no
    /// effect. Where the disk does not take the trim itself, the messages are hidden all the same,
    /// and their space is freed by the next trim or open.
    Trim(u64),
    /// Seals the log: from the next batch on, every publish fails with
    /// [`Error::Sealed`](crate::Error::Sealed).
    Seal,
    /// Opens a sealed log again: what [`FileLog::unseal`](crate::FileLog::unseal) appends. It
    /// cannot be published.
    Unseal,
}

/// A control record that was read; see [`ReadOptions::control`](crate::ReadOptions::control).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ControlRecord {
    /// Its place in the log.
    pub offset: u64,
    /// When it was published, by the log's clock; under a policy that orders times, the log's
    /// latest time if that is later.
    pub time: Timestamp,
    /// What it does; `None` if this version of the crate does not know it.
    pub control: Option<Control>,
}

impl ControlRecord {
    /// A control record that was read; `None` for one that is not known. For implementations of
    /// [`Log`](crate::Log).
    #[must_use]
    pub const fn new(offset: u64, time: Timestamp, control: Option<Control>) -> ControlRecord {
        ControlRecord {
            offset,
            time,
            control,
        }
    }
}

/// The most control records in one batch.
pub(crate) const CONTROLS_MAX: usize = 4;

/// The longest content of a control record in bytes.
const CONTENT_LEN_MAX: usize = 1 + Token::LEN_MAX;

const FENCE: u8 = 1;
const TRIM: u8 = 2;
const SEAL: u8 = 3;
const UNSEAL: u8 = 4;

/// The content of a control record as it is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ControlContent {
    bytes: [u8; CONTENT_LEN_MAX],
    len: usize,
}

impl ControlContent {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Control {
    /// The content of the control record: a byte that says which, and what it needs.
    pub(crate) fn content(self) -> ControlContent {
        let trim = match self {
            Control::Trim(before) => before.to_le_bytes(),
            _ => [0; 8],
        };
        let (kind, rest): (u8, &[u8]) = match &self {
            Control::Fence(token) => (FENCE, token.as_bytes()),
            Control::Trim(_) => (TRIM, &trim),
            Control::Seal => (SEAL, &[]),
            Control::Unseal => (UNSEAL, &[]),
        };
        let mut bytes = [0; CONTENT_LEN_MAX];
        for (to, from) in bytes.iter_mut().zip([&[kind][..], rest].concat()) {
            *to = from;
        }
        ControlContent {
            bytes,
            len: 1 + rest.len(),
        }
    }

    /// The control record with this content; `None` for one of a later version.
    pub(crate) fn of_content(content: &[u8]) -> Option<Control> {
        let (kind, rest) = content.split_first()?;
        match (*kind, rest) {
            (FENCE, token) => Token::from_bytes(token).map(Control::Fence),
            (TRIM, before) => Some(Control::Trim(u64::from_le_bytes(before.try_into().ok()?))),
            (SEAL, []) => Some(Control::Seal),
            (UNSEAL, []) => Some(Control::Unseal),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_records_are_read_back() {
        let longest = Token::new(&"x".repeat(36)).expect("36 bytes");
        for control in [
            Control::Fence(Token::EMPTY),
            Control::Fence(longest),
            Control::Trim(0),
            Control::Trim(u64::MAX),
            Control::Seal,
            Control::Unseal,
        ] {
            assert_eq!(Control::of_content(control.content().as_bytes()), Some(control));
        }
    }

    #[test]
    fn what_a_later_version_may_write_is_passed_over() {
        let too_long = [&[FENCE][..], &[b'x'; 37]].concat();
        for unknown in [
            &[][..],
            &[0],
            &[9, 1],
            &[SEAL, 0],
            &[TRIM, 1],
            &[FENCE, 0xff],
            &too_long,
        ] {
            assert_eq!(Control::of_content(unknown), None);
        }
    }
}
