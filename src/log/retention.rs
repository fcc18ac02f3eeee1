use std::time::Duration;

/// What a log keeps: everything, unless limits are set. A message goes when any limit says so.
///
/// Applied whenever a segment is begun, and by [`Log::apply_retention`](crate::Log::apply_retention). Each limit is
/// exact for readers (the start offset moves to the first message that is kept), while storage is freed by whole
/// segments.
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
