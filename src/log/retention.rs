use std::time::Duration;

/// Which messages a log keeps: all of them, unless limits are set. A message is removed when it
/// exceeds any of the limits.
///
/// The log applies the limits soon after it begins a segment, on the background thread if it has
/// one, so it may exceed them for a moment. [`Log::apply_retention`](crate::Log::apply_retention)
/// applies them at once. For readers each limit is exact: the start offset moves to the first
/// message that is kept. Storage is freed by whole segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Retention {
    pub(crate) age: Option<Duration>,
    pub(crate) bytes: Option<u64>,
    pub(crate) messages: Option<u64>,
}

impl Retention {
    /// A policy without limits.
    pub fn new() -> Retention {
        Retention::default()
    }

    /// Keep messages for this long. A time index makes this cheap.
    ///
    /// The time of a message is here the running maximum of the messages' times, so it never goes
    /// back. It does not run ahead of the clock either: a message later than the creation of the
    /// segment after its own counts as old as that segment. So a message from the future keeps its
    /// own segment for this long, and no other. [`trim::by_age`](crate::trim::by_age) has a
    /// different rule.
    pub fn max_age(mut self, age: Duration) -> Retention {
        self.age = Some(age);
        self
    }

    /// Keep as many of the newest messages as take at most `bytes` bytes in their segments.
    pub fn max_bytes(mut self, bytes: u64) -> Retention {
        self.bytes = Some(bytes);
        self
    }

    /// Keep this many of the newest messages.
    pub fn max_messages(mut self, messages: u64) -> Retention {
        self.messages = Some(messages);
        self
    }

    pub(crate) fn is_limited(&self) -> bool {
        *self != Retention::default()
    }
}

/// The age of a message against a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    Old,
    Young,
    Unknown,
}

/// Finds the first message to keep among messages shown in order. A message of unknown age is as
/// old as the next one whose age is known. So it is not removed too early, and it does not keep
/// older messages in front of it.
#[derive(Debug, Default)]
pub(crate) struct AgeCut {
    /// The first message of unknown age after the last old one.
    unknown: Option<u64>,
}

impl AgeCut {
    /// Takes the next message, and returns the cut once it is found.
    pub(crate) fn see(&mut self, offset: u64, age: Age) -> Option<u64> {
        match age {
            Age::Old => self.unknown = None,
            Age::Unknown => {
                self.unknown.get_or_insert(offset);
            }
            Age::Young => return self.unknown.or(Some(offset)),
        }
        None
    }

    /// The cut when no more messages follow. `None` if no message shown is to be kept.
    pub(crate) fn end(self) -> Option<u64> {
        self.unknown
    }
}
