use std::time::Duration;

/// What a log keeps: everything, unless limits are set. A message goes when any limit says so.
///
/// Applied soon after a segment was begun, on the background thread where there is one, so that a log may exceed the
/// limits for a moment; and by [`Log::apply_retention`](crate::Log::apply_retention). Each limit is exact for readers
/// (the start offset moves to the first message that is kept), while storage is freed by whole segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Retention {
    pub(crate) age: Option<Duration>,
    pub(crate) bytes: Option<u64>,
    pub(crate) messages: Option<u64>,
}

impl Retention {
    /// Keeps everything.
    pub fn new() -> Retention {
        Retention::default()
    }

    /// Keep messages for this long, by the log's own time: the running maximum of the messages' times, which does not
    /// run ahead of the clock: a message that claims to be younger than the segment behind its own is as old as that.
    /// So one message from the future keeps its own segment for that long, and no other. A time index makes it cheap.
    ///
    /// [`trim::by_age`](crate::trim::by_age), which knows of no segments, takes a message from the future to be as old
    /// as the next that is not.
    pub fn max_age(mut self, age: Duration) -> Retention {
        self.age = Some(age);
        self
    }

    /// Keep the newest messages that take at most so many bytes in their segments.
    pub fn max_bytes(mut self, bytes: u64) -> Retention {
        self.bytes = Some(bytes);
        self
    }

    /// Keep so many of the newest messages.
    pub fn max_messages(mut self, messages: u64) -> Retention {
        self.messages = Some(messages);
        self
    }

    pub(crate) fn is_limited(&self) -> bool {
        *self != Retention::default()
    }
}

/// What is known of the age of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    Old,
    Young,
    Unknown,
}

/// Finds the first message to be kept among those it is shown in order. One of unknown age is as old as the next whose
/// age is known: so it is not removed too early, and does not keep what is in front of it.
#[derive(Debug, Default)]
pub(crate) struct AgeCut {
    /// The first message of unknown age behind the last old one.
    unknown: Option<u64>,
}

impl AgeCut {
    /// Looks at the next message; the cut, when it is found.
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

    /// The cut, if there is no more to be seen and what would come next is young.
    pub(crate) fn end(self) -> Option<u64> {
        self.unknown
    }
}
