use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::changes::Changes;
use crate::{
    BackupReport, Batch, Deleted, Message, NewMessage, PublishOptions, Result, Start, Stats, Timestamp,
    Trimmed,
};

declare_log! {
    /// An append-only log of messages, one Kafka-like partition.
    ///
    /// Object safe, and safe to share between threads: readers never wait for a publisher, nor a publisher for readers.
    /// [`FileLog`](crate::FileLog) keeps it in a directory.
    ///
    /// # Errors
    ///
    /// Any call may fail with [`Closed`](crate::Error::Closed) after [`close`](Log::close), with
    /// [`Corrupt`](crate::Error::Corrupt) when stored bytes turn out to be wrong, and with [`Io`](crate::Error::Io) when
    /// the system refuses. Only further errors are listed at the methods.
    pub trait Log: Send + Sync {
        /// Publishes `messages` as one atomic batch and returns the next offset, one past the last of them.
        ///
        /// After a crash a reader sees all of the batch or none of it. Offsets in it are consecutive. An empty batch
        /// writes nothing and returns the next offset.
        ///
        /// # Durability
        ///
        /// As the log's durability mode says. When this returns, every reader of the same log sees the batch.
        ///
        /// # Errors
        ///
        /// [`TooLarge`](crate::Error::TooLarge) and [`Io`](crate::Error::Io): nothing was written.
        /// [`SyncFailed`](crate::Error::SyncFailed): the batch may or may not survive, and the handle is poisoned;
        /// afterwards [`Poisoned`](crate::Error::Poisoned). [`ReadOnly`](crate::Error::ReadOnly) on a handle that only
        /// reads.
        change fn publish(&self, messages: &[NewMessage<'_>]) -> Result<u64> {
            self.publish_with(messages, &PublishOptions::new())
        }

        /// As [`publish`](Log::publish), under a condition or with a durability of its own.
        ///
        /// # Errors
        ///
        /// As `publish`, and [`OffsetMismatch`](crate::Error::OffsetMismatch), also for an empty batch, when the log's
        /// next offset is not the expected one: nothing was written.
        change fn publish_with(&self, messages: &[NewMessage<'_>], how: &PublishOptions) -> Result<u64>;

        /// The oldest offset that a reader may name. Everything below it was trimmed.
        ///
        /// # Errors
        ///
        /// See [`Log`].
        read fn start_offset(&self) -> Result<u64>;

        /// The offset after the last visible message. With
        /// [`EachPublish`](crate::Durability::EachPublish) that is the last durable one.
        ///
        /// # Errors
        ///
        /// See [`Log`].
        read fn next_offset(&self) -> Result<u64>;

        /// Up to `max_count` messages in offset order, and the offset to go on at.
        ///
        /// | `from` | result |
        /// |---|---|
        /// | `Oldest` | from the first message still there; on an empty log none, and the log's next offset |
        /// | `Newest` | none, and the log's next offset |
        /// | `At(o)` | from `o`, or, where it was deleted, from the next message that exists |
        /// | `At(next offset)` | none, and the same offset |
        /// | `Time(t)` | from the first message at or after `t` by the time index; none after the last |
        /// | `Last(n)` | the last `n` messages at most |
        ///
        /// The batch may hold fewer than `max_count` messages before the end, for instance at a segment's end or after
        /// 8 MiB: a caller loops until `next_offset` stops moving. With `max_count` 0 there are no messages, and
        /// `next_offset` is where reading would begin: `o` for `At(o)`, also where it was deleted, the start offset for
        /// `Oldest` and for `Last(n)` of fewer than `n` messages, and else as the table says.
        ///
        /// # Errors
        ///
        /// [`OffsetOutOfRange`](crate::Error::OffsetOutOfRange) for `At(o)` beyond the next offset or below the start
        /// offset; [`is_trimmed`](crate::Error::is_trimmed) tells the two apart. [`NoIndex`](crate::Error::NoIndex) for
        /// `Time` without a time index. [`Corrupt`](crate::Error::Corrupt) where the first message of the batch is damaged
        /// (a batch ends in front of one that is), or what the whole segment depends on: its header, its length, or, where
        /// its index has yet to be built, any message in it.
        read fn consume(&self, from: Start, max_count: usize) -> Result<Batch>;

        /// [`consume`](Log::consume), of the messages with exactly this key. Without a match up to the end,
        /// `next_offset` is the log's next offset. A batch with fewer than `max_count` messages may be followed by more
        /// here too, for instance after 8 MiB.
        ///
        /// # Errors
        ///
        /// As `consume`, and [`NoIndex`](crate::Error::NoIndex) without a key index. Damage to a message of another key may
        /// be passed over, or be met.
        read fn consume_by_key(&self, key: &[u8], from: Start, max_count: usize) -> Result<Batch>;

        /// One message: `Oldest` the first and `Newest` the last that exists, `At(o)` that very one, `Time(t)` as
        /// [`get_by_time`](Log::get_by_time), `Last(n)` the n-th from the end (the first if there are fewer; `Last(0)` as
        /// `Newest`).
        ///
        /// # Errors
        ///
        /// [`NotFound`](crate::Error::NotFound) on an empty log and for a deleted message;
        /// [`OffsetOutOfRange`](crate::Error::OffsetOutOfRange) for `At(o)` trimmed or at or after the next offset.
        read fn get(&self, at: Start) -> Result<Message>;

        /// The last message with exactly this key, tombstones included.
        ///
        /// # Errors
        ///
        /// [`NotFound`](crate::Error::NotFound); [`NoIndex`](crate::Error::NoIndex) without a key index.
        read fn get_by_key(&self, key: &[u8]) -> Result<Message>;

        /// The offset of the message that [`get_by_key`](Log::get_by_key) returns.
        ///
        /// # Errors
        ///
        /// As `get_by_key`.
        read fn offset_by_key(&self, key: &[u8]) -> Result<u64> {
            Ok(self.get_by_key(key)?.offset)
        }

        /// The first message at or after `start`, by the running maximum of the times of the messages that exist.
        ///
        /// The running maximum never goes back, whatever times the messages were given. The first message at which it
        /// reaches `start` is the first whose own time does; messages behind it may have earlier times.
        ///
        /// # Errors
        ///
        /// [`NotFound`](crate::Error::NotFound) when `start` is after all; [`NoIndex`](crate::Error::NoIndex) without a
        /// time index.
        read fn get_by_time(&self, start: Timestamp) -> Result<Message>;

        /// Offset and own time of the message that [`get_by_time`](Log::get_by_time) returns.
        ///
        /// # Errors
        ///
        /// As `get_by_time`.
        read fn offset_by_time(&self, start: Timestamp) -> Result<(u64, Timestamp)> {
            let message = self.get_by_time(start)?;
            Ok((message.offset, message.time))
        }

        /// Bytes of storage that `message` takes when it is published alone, indexes included.
        read fn size(&self, message: &NewMessage<'_>) -> u64;

        /// What the log holds.
        ///
        /// # Errors
        ///
        /// See [`Log`].
        read fn stat(&self) -> Result<Stats>;

        /// Removes every named message that exists, wherever it is and while others publish and read. Offsets that are
        /// not in the log are ignored. Readers keep what they hold.
        ///
        /// Deleting leaves gaps and does not move the start offset; the offsets are not given out again, not even those of
        /// the newest messages after a reopen.
        ///
        /// # Durability
        ///
        /// When this returns the messages are gone from storage, and do not come back. A crash meanwhile leaves each
        /// segment as it was or as it is to be.
        ///
        /// # Errors
        ///
        /// [`Io`](crate::Error::Io), for instance when there is no space for the rest of a segment, and
        /// [`Corrupt`](crate::Error::Corrupt) for a damaged segment, which stays as it is: what was removed before stays
        /// removed. [`SyncFailed`](crate::Error::SyncFailed) and afterwards [`Poisoned`](crate::Error::Poisoned) as for
        /// publishing; [`ReadOnly`](crate::Error::ReadOnly).
        change fn delete(&self, offsets: &BTreeSet<u64>) -> Result<Deleted>;

        /// As [`delete`](Log::delete), of some of the messages: in a log of segments, those in the first that has any. The
        /// offsets that are done with are taken out of `offsets`, at least one if there are any.
        ///
        /// For removing many messages at a pace: see [`compact::delete_multi`](crate::compact::delete_multi). Unless a log
        /// has its own, this is one call of `delete` with all of them.
        ///
        /// # Errors
        ///
        /// As `delete`; `offsets` then holds at least those that are not removed.
        change fn delete_some(&self, offsets: &mut BTreeSet<u64>) -> Result<Deleted> {
            let deleted = self.delete(offsets)?;
            offsets.clear();
            Ok(deleted)
        }

        /// Removes everything below `before` and moves the start offset there; never back, and never past the next
        /// offset. It costs by segment, not by message.
        ///
        /// Storage is freed by whole segments. See [`trim`](crate::trim) for cuts by age, count and size.
        ///
        /// # Durability
        ///
        /// The new start offset is durable before any file goes, and the files are gone when this returns.
        ///
        /// # Errors
        ///
        /// [`SyncFailed`](crate::Error::SyncFailed), [`Poisoned`](crate::Error::Poisoned) and
        /// [`ReadOnly`](crate::Error::ReadOnly) as for publishing.
        change fn trim(&self, before: u64) -> Result<Trimmed>;

        /// Trims what the log's retention policy no longer keeps; with `dry_run` only says what that would be. A log
        /// without a policy, which is the default, keeps everything.
        ///
        /// # Errors
        ///
        /// As [`trim`](Log::trim).
        change fn apply_retention(&self, dry_run: bool) -> Result<Trimmed> {
            let _ = dry_run;
            // A log that was closed says so.
            self.start_offset().map(|_| Trimmed::default())
        }

        /// Copies the log, as it is at one moment, to the directory `dir`, while publishing goes on. The copy opens as a
        /// log. On the target of an earlier backup only what changed is copied, and what was trimmed or deleted goes
        /// there too.
        ///
        /// # Durability
        ///
        /// The backup is on stable storage when this returns.
        ///
        /// # Errors
        ///
        /// [`Invalid`](crate::Error::Invalid) if `dir` is the log's own, holds another log, or a backup that has what this
        /// log has not: somebody wrote to it, or this log lost messages that were not synced, in a power cut;
        /// [`Locked`](crate::Error::Locked) if the backup is open; [`Corrupt`](crate::Error::Corrupt) if the log is
        /// damaged: every byte is verified. The target then holds what it held before, or less, and nothing wrong.
        read fn backup(&self, dir: &Path) -> Result<BackupReport>;

        /// Brings everything published so far to stable storage and returns the offset below which all is durable.
        ///
        /// # Durability
        ///
        /// Concurrent callers share the work.
        ///
        /// # Errors
        ///
        /// [`SyncFailed`](crate::Error::SyncFailed): the log is poisoned, and no later call reports as durable what this
        /// one was to cover; afterwards [`Poisoned`](crate::Error::Poisoned). [`ReadOnly`](crate::Error::ReadOnly) on a
        /// handle that only reads.
        change fn sync(&self) -> Result<u64>;

        /// Lets go of mappings and file descriptors of segments that were not used for so long. They are opened again when
        /// they are needed, and readers keep what they hold.
        ///
        /// Use is only looked for here: a segment goes when it was not used between this call and an earlier one that is
        /// at least `unused_for` ago. So a log that is to let go of what is not needed calls this now and then;
        /// [`Duration::ZERO`] lets go of every segment at once, [`Duration::MAX`] of none.
        ///
        /// # Errors
        ///
        /// See [`Log`].
        read fn gc(&self, unused_for: Duration) -> Result<()>;

        /// Brings everything to stable storage and lets go of the log. Idempotent; every other call on the handle then
        /// fails with [`Closed`](crate::Error::Closed). Messages already read stay valid.
        ///
        /// # Errors
        ///
        /// As [`sync`](Log::sync); of a poisoned handle [`SyncFailed`](crate::Error::SyncFailed) with what failed, which
        /// may have been on the background thread. The handle is closed all the same.
        change fn close(&self) -> Result<()>;

        /// What wakes those who wait for the log to change, whoever changes it. `None`, the default, if the log does not
        /// tell: whoever waits for such a log looks at it again and again, as [`BlockingLog`](crate::BlockingLog) does.
        ///
        /// A log that has it notifies after every change that readers can see: messages that became visible, a trim, a
        /// delete, the close, and poisoning. A wrapper passes on what the log in it has: one of its own would miss what
        /// goes past it.
        read fn changes(&self) -> Option<&Changes> {
            None
        }
    }
}

forward_log!([impl<L: Log + ?Sized> Log for Box<L>] |log| **log);
forward_log!([impl<L: Log + ?Sized> Log for Arc<L>] |log| **log);
forward_log!([impl<L: Log + ?Sized> Log for &L] |log| **log);
