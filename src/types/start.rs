use super::Timestamp;

/// Where to begin reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Start {
    /// The first existing message.
    Oldest,
    /// The end of the log. [`consume`](crate::Log::consume) begins with the next message published;
    /// [`get`](crate::Log::get) returns the last existing message.
    Newest,
    /// This offset. If its message was deleted, or it is that of a control record,
    /// [`consume`](crate::Log::consume) begins with the next existing message.
    At(u64),
    /// As [`Start::At`], or, if this offset was trimmed, as [`Start::Oldest`]: for a reader that
    /// goes on where it was, or as near to it as the log still reaches.
    AtOrOldest(u64),
    /// The first message at or after this time, by the time index.
    Time(Timestamp),
    /// This many messages before the end. `Last(0)` is the same as [`Start::Newest`].
    Last(u64),
}

impl Start {
    /// What [`Start::AtOrOldest`] is in a log that begins at `start_offset`.
    pub(crate) const fn settled(self, start_offset: u64) -> Start {
        match self {
            Start::AtOrOldest(offset) if offset < start_offset => Start::Oldest,
            Start::AtOrOldest(offset) => Start::At(offset),
            other => other,
        }
    }
}

impl From<u64> for Start {
    fn from(offset: u64) -> Start {
        Start::At(offset)
    }
}

impl From<Timestamp> for Start {
    fn from(time: Timestamp) -> Start {
        Start::Time(time)
    }
}
