use std::time::Duration;

/// When messages become durable, and with that visible.
///
/// | mode | `publish` returns | survives the process | survives a power cut |
/// |---|---|---|---|
/// | `Os` | after the copy | yes | what [`sync`](crate::Log::sync), rollover or the system has synced |
/// | `EachPublish` | after the sync | yes | everything acknowledged, which is everything visible |
/// | `Interval(t)` | after the copy | yes | all but about the last `t` |
/// | `Bytes(n)` | after the copy | yes | all but about the last `n` bytes |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// A message is visible when it has been copied to the operating system's page cache.
    #[default]
    Os,
    /// A message is visible, and its publish returns, when it is on stable storage. Concurrent publishers share a
    /// sync.
    EachPublish,
    /// As `Os`, and synced in the background when so much time has passed since the first unsynced message.
    Interval(Duration),
    /// As `Os`, and synced in the background when so many bytes are unsynced.
    Bytes(u64),
}
