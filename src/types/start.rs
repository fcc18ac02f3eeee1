use super::Timestamp;

/// Where to begin reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Start {
    /// The first message that is still there.
    Oldest,
    /// The end: for [`consume`](crate::Log::consume) only what is published later, for [`get`](crate::Log::get)
    /// the last message.
    Newest,
    /// This offset, or, where that message was deleted, the next one that exists.
    At(u64),
    /// The first message at or after this time, by the time index.
    Time(Timestamp),
    /// So many messages before the end. `Last(0)` is [`Start::Newest`].
    Last(u64),
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
