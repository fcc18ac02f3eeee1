//! What the rows ask of every library.

use std::path::Path;

use duramen::{NewMessage, Timestamp};

use crate::Outcome;
use crate::workload::KEY_LEN;

/// When a publish is to be on stable storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durable {
    /// When the system gets to it: the process may die, the machine not.
    Later,
    /// When the call returns.
    AtOnce,
}

/// Receives a message's key and value.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Outcome;

/// One library, open on one directory.
///
/// Methods that a library has nothing for are never called: see [`Kind::rows`].
pub(crate) trait Peer: Sync {
    /// Appends `messages`, whose numbers start with `first`, in one call.
    fn publish(&self, first: u64, messages: &[NewMessage<'_>]) -> Outcome;

    /// Visits all messages in order, about 64 at a time where that can be chosen.
    fn scan(&self, visit: Visit<'_>) -> Outcome {
        let _ = visit;
        Err("not supported".into())
    }

    /// Visits the message of that number.
    fn get(&self, number: u64, visit: Visit<'_>) -> Outcome {
        let _ = (number, visit);
        Err("not supported".into())
    }

    /// Visits the last message with that key.
    fn get_by_key(&self, key: &[u8], visit: Visit<'_>) -> Outcome {
        let _ = (key, visit);
        Err("not supported".into())
    }

    /// Closes in good order.
    fn close(self: Box<Self>) -> Outcome;
}

/// How to get one.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// The rows it can do.
    pub(crate) rows: &'static [&'static str],
    pub(crate) open: fn(&Path, Durable) -> Outcome<Box<dyn Peer>>,
}

/// Bytes of an encoded message before its value.
const HEAD_LEN: usize = 8 + KEY_LEN;

/// Writes a message as one piece, for libraries that know only bytes: time, key, value.
pub(crate) fn encode(message: &NewMessage<'_>, buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(&message.time.map_or(0, Timestamp::as_micros).to_le_bytes());
    buffer.extend_from_slice(message.key.unwrap_or_default());
    buffer.extend_from_slice(message.value.unwrap_or_default());
}

pub(crate) fn encoded(message: &NewMessage<'_>) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(HEAD_LEN + message.value.map_or(0, <[u8]>::len));
    encode(message, &mut buffer);
    buffer
}

/// Visits the message that [`encode`] wrote.
pub(crate) fn decode(bytes: &[u8], visit: Visit<'_>) -> Outcome {
    let (head, value) = bytes.split_at_checked(HEAD_LEN).ok_or("a message is too short")?;
    visit(&head[8..], value)
}
