use std::time::Duration;

/// When messages become durable, and when they become visible to readers.
///
/// | mode | `publish` returns | survives the process | survives a power cut |
/// |---|---|---|---|
/// | `Os` | after the copy | yes | messages that [`sync`](crate::Log::sync), a rollover or the system synced |
/// | `EachPublish` | after the sync | yes | all visible messages |
/// | `Interval(t)` | after the copy | yes | all but about the last `t` |
/// | `Bytes(n)` | after the copy | yes | all but about the last `n` bytes |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// A message is visible once it has been copied to the operating system's page cache.
    #[default]
    Os,
    /// A message is visible, and its publish returns, once it is on stable storage. Concurrent
    /// publishers share a sync.
    EachPublish,
    /// As `Os`, and the log syncs in the background when this much time has passed since the first
    /// unsynced message.
    ///
    /// The logs of a file system are synced one after the other, that whose time has come first
    /// before the others. When a message has waited twice as long as it should (but at least 10 ms
    /// longer), publishers wait until no message has, and
    /// [`Event::SyncLate`](crate::Event::SyncLate) is told. So publishing goes on at the disk's
    /// pace, however slow the disk.
    Interval(Duration),
    /// As `Os`, and the log syncs in the background when this many bytes are unsynced. When twice
    /// as many are, a publisher waits as with `Interval`.
    Bytes(u64),
}
