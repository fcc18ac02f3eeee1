use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::changes::Changes;
use super::default;
use super::reading::{Ends, Reading};
use crate::{
    Ack, BackupReport, Batch, Deleted, Error, Message, NewMessage, Place, Position, PublishOptions,
    ReadBatch, ReadOptions, Result, Start, Stats, Timestamp, Token, Trimmed,
};

declare_log! {
    /// An append-only log of messages, like one partition of Kafka.
    ///
    /// The trait is object safe, and a log can be shared between threads. Readers never wait for a
    /// publisher, and a publisher never waits for readers. [`FileLog`](crate::FileLog) keeps a log
    /// in a directory, [`MemoryLog`](crate::MemoryLog) in memory.
    ///
    /// # Errors
    ///
    /// Any call may fail with [`Closed`](crate::Error::Closed) after [`close`](Log::close), with
    /// [`Corrupt`](crate::Error::Corrupt) if it meets damaged bytes, and with
    /// [`Io`](crate::Error::Io) if the operating system refuses an operation. In a fork of the
    /// process that made the handle, every call fails with [`Forked`](crate::Error::Forked). The
    /// methods list only further errors.
    pub trait Log: Send + Sync {
        /// Publishes `messages` as one atomic batch and returns the next offset, one past the last
        /// message.
        ///
        /// After a crash, readers see either the whole batch or none of it. The offsets in a batch
        /// are consecutive. An empty batch writes nothing and returns the next offset.
        ///
        /// # Durability
        ///
        /// The log's [`Durability`](crate::Durability) says when the batch is on stable storage.
        /// When the call returns, every reader of the same log sees the batch.
        ///
        /// # Errors
        ///
        /// - [`TooLarge`](crate::Error::TooLarge), [`Io`](crate::Error::Io): nothing was written.
        /// - [`SyncFailed`](crate::Error::SyncFailed): the batch may or may not survive a crash,
        ///   and the handle is poisoned. Later calls fail with
        ///   [`Poisoned`](crate::Error::Poisoned).
        /// - [`ReadOnly`](crate::Error::ReadOnly): the handle is open for reading only.
        publish fn publish(&self, messages: &[NewMessage<'_>]) -> Result<u64> {
            self.publish_with(messages, &PublishOptions::new())
        }

        /// As [`publish`](Log::publish), under conditions, with control records, or with a
        /// durability of its own: see [`PublishOptions`](crate::PublishOptions). Returns the next
        /// offset: one past the last record of the batch, or, if a producer has published the batch
        /// before, the end of the log.
        ///
        /// An implementation that knows no more than `expect_next_offset` and `sync` has to call
        /// [`PublishOptions::check_plain`](crate::PublishOptions::check_plain) first.
        ///
        /// # Errors
        ///
        /// As `publish`, and the following, after which nothing was written. Conditions are checked
        /// for an empty batch too.
        ///
        /// - [`Sealed`](crate::Error::Sealed), also from `publish`.
        /// - [`Fenced`](crate::Error::Fenced) if the log has another token; from `publish` if it
        ///   [requires one](crate::Options::require_token).
        /// - [`OffsetMismatch`](crate::Error::OffsetMismatch) if the log's next offset is not the
        ///   expected one.
        /// - [`KeyMismatch`](crate::Error::KeyMismatch) if the key's last message is not the
        ///   expected one; [`NoIndex`](crate::Error::NoIndex) without a key index.
        /// - [`OutOfSequence`](crate::Error::OutOfSequence) for an old sequence of a producer.
        /// - [`TimeRequired`](crate::Error::TimeRequired), also from `publish`, if the log's
        ///   [policy](crate::TimestampPolicy) requires times.
        /// - [`Invalid`](crate::Error::Invalid) for more than four control records, for
        ///   `Control::Unseal`, and when the log has given out all its offsets.
        /// - [`NotSupported`](crate::Error::NotSupported) from a log that does not know an option.
        publish fn publish_with(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<u64>;

        /// As [`publish_with`](Log::publish_with), and says where the batch is, when it was
        /// published, and whether it had been before.
        ///
        /// By default this calls `publish_with`, and refuses all other options than
        /// `expect_next_offset` and `sync`.
        ///
        /// # Errors
        ///
        /// As `publish_with`, and [`NotSupported`](crate::Error::NotSupported) from a log that
        /// knows no tokens, control records, producers or expected keys.
        publish fn append(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<Ack> {
            how.check_plain()?;
            let next_offset = self.publish_with(messages, how)?;
            default::ack(messages, next_offset, |at| self.get(at), || self.tail())
        }

        /// The log's end: its next offset, and the time of its last record. A record keeps being
        /// the last when it is trimmed or deleted. In a log in which nothing was ever published the
        /// time is 0.
        ///
        /// By default, the time is that of the last existing message.
        ///
        /// # Errors
        ///
        /// See [`Log`].
        read fn tail(&self) -> Result<Place> {
            default::tail(self.next_offset()?, self.get(Start::Newest))
        }

        /// The log's token: see [`Token`](crate::Token). It outlives the record that set it, trims
        /// and reopens. With [`EachPublish`](crate::Durability::EachPublish) it is on stable
        /// storage when this returns.
        ///
        /// # Errors
        ///
        /// [`NotSupported`](crate::Error::NotSupported), by default, for a log without tokens.
        read fn token(&self) -> Result<Token> {
            Err(Error::NotSupported("tokens"))
        }

        /// Whether the log is sealed: nothing more is published to it. By default no log is.
        ///
        /// # Errors
        ///
        /// See [`Log`].
        read fn is_sealed(&self) -> Result<bool> {
            // A closed log fails here.
            self.start_offset().map(|_| false)
        }

        /// The start offset: the lowest offset that a reader may ask for. All messages below it
        /// were trimmed.
        ///
        /// # Errors
        ///
        /// See [`Log`].
        read fn start_offset(&self) -> Result<u64>;

        /// The next offset: one past the last visible message or control record. With
        /// [`EachPublish`](crate::Durability::EachPublish) only what is durable is visible.
        ///
        /// # Errors
        ///
        /// See [`Log`].
        read fn next_offset(&self) -> Result<u64>;

        /// The end of the log as a position: its current life, and its next offset.
        ///
        /// Store positions rather than offsets, and pass them to [`resume`](Log::resume) after the
        /// log was opened again. This is cheap. [`Position::at`] makes the position at another
        /// offset.
        ///
        /// A log keeps its life when its process is killed. Another life begins
        ///
        /// - after a power cut, unless the log was opened with
        ///   [`EachPublish`](crate::Durability::EachPublish), and after a failed sync, because
        ///   messages that readers saw may be gone;
        /// - when [`recover`](crate::recover) or [`Options::recover`](crate::Options::recover)
        ///   drops messages;
        /// - in a log that was [restored](crate::restore), at its end;
        /// - when a copy is opened for writing: a backup, or a directory that was copied or put
        ///   back by other means. It is recognised by the device, the inode and the creation time
        ///   of its file `LOCK`.
        ///
        /// [`Stats::epoch`] counts the lives. The newest 64 are known to the log.
        ///
        /// # Errors
        ///
        /// [`Invalid`](crate::Error::Invalid) if the log has no positions, as by default.
        read fn position(&self) -> Result<Position> {
            Err(Error::Invalid("this log has no positions"))
        }

        /// The position of the message with this offset, which need not exist, in the life in which
        /// it was published. By default it is in the current life.
        ///
        /// # Errors
        ///
        /// As [`position`](Log::position).
        read fn position_at(&self, offset: u64) -> Result<Position> {
            Ok(self.position()?.at(offset))
        }

        /// Where to go on reading from a position that was stored: [`Start::At`] its offset.
        ///
        /// All messages below the offset are those that were there when the position was taken,
        /// less those that were trimmed or deleted. The call does not look whether the offset is
        /// trimmed or not yet published; reading from it does.
        ///
        /// # Errors
        ///
        /// - [`EpochChanged`](crate::Error::EpochChanged) if the log went on without some of the
        ///   messages below the position, or if it does not know the life.
        /// - As [`position`](Log::position).
        read fn resume(&self, position: Position) -> Result<Start> {
            let _ = position;
            Err(Error::Invalid("this log has no positions"))
        }

        /// Reads up to `max_count` messages in offset order. The batch says at which offset to
        /// continue.
        ///
        /// | `from` | result |
        /// |---|---|
        /// | `Oldest` | from the first existing message on; the next offset if there is none |
        /// | `Newest` | no messages, and the log's next offset |
        /// | `At(o)` | from `o` on, or, if `o` has no message (any more), from the next one on |
        /// | `At(next offset)` | no messages, and the same offset |
        /// | `AtOrOldest(o)` | as `At(o)`, or, if `o` is below the start offset, as `Oldest` |
        /// | `Time(t)` | from the first message at or after `t` on, by the time index |
        /// | `Time(t)`, all earlier | no messages, and the log's next offset |
        /// | `Last(n)` | the last `n` messages, or all if there are fewer |
        ///
        /// A batch may hold fewer than `max_count` messages although more follow, for instance at
        /// the end of a segment or after 8 MiB. To read everything, call this until `next_offset`
        /// no longer changes.
        ///
        /// The messages of a batch share memory: one that is kept keeps all of it. See
        /// [`Message::detach`].
        ///
        /// With `max_count` 0 the batch is empty, and its `next_offset` is where reading would
        /// begin:
        ///
        /// - for `At(o)` it is `o`, even if that message was deleted;
        /// - for `Oldest`, and for `Last(n)` of a log with fewer than `n` messages, it is the start
        ///   offset;
        /// - for any other `from` it is as the table says.
        ///
        /// # Errors
        ///
        /// - [`OffsetOutOfRange`](crate::Error::OffsetOutOfRange) for `At(o)` beyond the next
        ///   offset or below the start offset, and for `AtOrOldest(o)` beyond the next offset;
        ///   [`is_trimmed`](crate::Error::is_trimmed) distinguishes the two.
        /// - [`NoIndex`](crate::Error::NoIndex) for `Time` without a time index.
        /// - [`Corrupt`](crate::Error::Corrupt) if the first message of the batch is damaged; a
        ///   batch ends before a later damaged message. Also if the segment's header or length is
        ///   damaged, or any message of a segment whose index is not built yet.
        fetch fn consume(&self, from: Start, max_count: usize) -> Result<Batch>;

        /// Reads messages in offset order within limits, through a filter, and says why it
        /// stopped. `from` is resolved as by [`consume`](Log::consume); see
        /// [`ReadOptions`](crate::ReadOptions) and [`Stop`](crate::Stop).
        ///
        /// One call reads about 8 MiB at most, and then stops with
        /// [`More`](crate::Stop::More).
        ///
        /// By default this calls `consume` as often as it takes, and shows no control records.
        ///
        /// # Errors
        ///
        /// As `consume`, but for a start beyond the end with
        /// [`clamp`](crate::ReadOptions::clamp); [`Invalid`](crate::Error::Invalid) for a start
        /// time that is not before `until_time`; [`NotSupported`](crate::Error::NotSupported) for
        /// control records where they cannot be shown.
        fetch fn read(&self, from: Start, how: &ReadOptions) -> Result<ReadBatch> {
            if how.control {
                return Err(Error::NotSupported("control records"));
            }
            Reading::run(self, from, how, |offset, count| {
                self.consume(Start::At(offset), count).map(default::records)
            })
        }

        /// As [`consume`](Log::consume), of the messages with exactly this key. If no message up to
        /// the end has the key, `next_offset` is the log's next offset. Here too, a batch of fewer
        /// than `max_count` messages may be followed by more.
        ///
        /// # Errors
        ///
        /// As `consume`, and [`NoIndex`](crate::Error::NoIndex) without a key index. Damage to a
        /// message with another key may be reported or passed over.
        fetch fn consume_by_key(&self, key: &[u8], from: Start, max_count: usize) -> Result<Batch>;

        /// Reads one message.
        ///
        /// | `at` | result |
        /// |---|---|
        /// | `Oldest` | the first existing message |
        /// | `Newest`, `Last(0)` | the last existing message |
        /// | `At(o)` | the message with exactly this offset |
        /// | `AtOrOldest(o)` | as `At(o)`, or, if `o` is below the start offset, as `Oldest` |
        /// | `Time(t)` | as [`get_by_time`](Log::get_by_time) |
        /// | `Last(n)` | the `n`-th message from the end, or the first if there are fewer |
        ///
        /// # Errors
        ///
        /// - [`NotFound`](crate::Error::NotFound) on an empty log, for a deleted message, and for
        ///   the offset of a control record.
        /// - [`OffsetOutOfRange`](crate::Error::OffsetOutOfRange) for `At(o)` below the start
        ///   offset, or at or beyond the next offset; `AtOrOldest(o)` only there.
        fetch fn get(&self, at: Start) -> Result<Message>;

        /// The last message with exactly this key. It may be a tombstone.
        ///
        /// # Errors
        ///
        /// [`NotFound`](crate::Error::NotFound); [`NoIndex`](crate::Error::NoIndex) without a key
        /// index.
        fetch fn get_by_key(&self, key: &[u8]) -> Result<Message>;

        /// The offset of the message that [`get_by_key`](Log::get_by_key) returns.
        ///
        /// # Errors
        ///
        /// As `get_by_key`.
        read fn offset_by_key(&self, key: &[u8]) -> Result<u64> {
            Ok(self.get_by_key(key)?.offset)
        }

        /// The first message at or after `start`, by the running maximum of the times of the
        /// existing messages.
        ///
        /// Messages may have any times, in any order, but their running maximum never goes back. It
        /// reaches `start` at the first message whose own time is at or after `start`. Later
        /// messages may have earlier times.
        ///
        /// # Errors
        ///
        /// [`NotFound`](crate::Error::NotFound) if all messages are before `start`;
        /// [`NoIndex`](crate::Error::NoIndex) without a time index.
        fetch fn get_by_time(&self, start: Timestamp) -> Result<Message>;

        /// The offset and the own time of the message that [`get_by_time`](Log::get_by_time)
        /// returns.
        ///
        /// # Errors
        ///
        /// As `get_by_time`.
        read fn offset_by_time(&self, start: Timestamp) -> Result<(u64, Timestamp)> {
            let message = self.get_by_time(start)?;
            Ok((message.offset, message.time))
        }

        /// The offset below which every message was published at least `age` ago, by the log's own
        /// clock and not by the times that messages claim. `None`, the default, is for a log that
        /// cannot tell.
        ///
        /// For [`FileLog`](crate::FileLog), messages published with a time count as
        /// [`Retention::max_age`](crate::Retention::max_age) says, so the offset may be lower than
        /// it could be. It goes by the clock as it is now, even if that has just been set.
        ///
        /// # Errors
        ///
        /// See [`Log`].
        read fn offset_by_age(&self, age: Duration) -> Result<Option<u64>> {
            let _ = age;
            // A closed log fails here.
            self.start_offset().map(|_| None)
        }

        /// The bytes of storage, indexes included, that `message` takes if it is published alone.
        plain fn size(&self, message: &NewMessage<'_>) -> u64;

        /// Counts, sizes and offsets of the log.
        ///
        /// # Errors
        ///
        /// See [`Log`].
        read fn stat(&self) -> Result<Stats>;

        /// Removes the messages at `offsets`, anywhere in the log, while others publish and read.
        /// Offsets of messages that do not exist are ignored. Messages that readers hold stay
        /// valid.
        ///
        /// Deleting leaves gaps. It does not move the start offset, and the log never assigns a
        /// deleted offset again: not even that of the newest message, and not after a reopen.
        ///
        /// # Cost
        ///
        /// A log of segments copies what is kept of each segment that has one of the messages, so
        /// the cost is that of the segments, not of the messages: one message out of a full
        /// segment of 64 MiB costs 64 MiB of reading and writing, and a few syncs. Afterwards,
        /// small segments side by side become one, so the number of files stays bounded whatever
        /// is deleted; that copies each message once more at most each time its segment doubles.
        ///
        /// To take many messages out, name all of them in one call, or in one of
        /// [`compact::delete_multi`](crate::compact::delete_multi): each segment is then copied
        /// once. To take messages off the front, use [`trim`](Log::trim), which copies nothing. A
        /// queue whose jobs end in about the order in which they came keeps the offset of its
        /// oldest open job, and trims up to there from time to time.
        ///
        /// While a [`backup`](Log::backup) is under way, the old file of a segment that the backup
        /// has yet to copy takes its space until the backup has copied it, or ends.
        ///
        /// # Durability
        ///
        /// When the call returns, the messages are gone from storage for good. A crash during the
        /// call leaves each segment either unchanged or without its deleted messages.
        ///
        /// # Errors
        ///
        /// Messages removed before the error stay removed.
        ///
        /// - [`Io`](crate::Error::Io), for instance if there is no space for the remaining messages
        ///   of a segment.
        /// - [`Corrupt`](crate::Error::Corrupt) for a damaged segment, which stays as it is.
        /// - [`SyncFailed`](crate::Error::SyncFailed), [`Poisoned`](crate::Error::Poisoned) and
        ///   [`ReadOnly`](crate::Error::ReadOnly) as for [`publish`](Log::publish).
        change fn delete(&self, offsets: &BTreeSet<u64>) -> Result<Deleted>;

        /// Removes some of the messages at `offsets`, as [`delete`](Log::delete) does, and takes
        /// their offsets out of the set. A log of segments removes those in the first segment
        /// concerned. Each call takes out at least one offset, unless the set is empty.
        ///
        /// [`compact::delete_multi`](crate::compact::delete_multi) uses this to remove many
        /// messages at a chosen pace. By default, this calls `delete` once with all offsets.
        ///
        /// # Errors
        ///
        /// As `delete`. After an error, `offsets` still holds every offset whose message was not
        /// removed.
        change fn delete_some(&self, offsets: &mut BTreeSet<u64>) -> Result<Deleted> {
            let deleted = self.delete(offsets)?;
            offsets.clear();
            Ok(deleted)
        }

        /// Removes all messages below the offset `before` and moves the start offset there. The
        /// start offset never moves back, and never past the next offset. The cost depends on the
        /// number of segments, not of messages.
        ///
        /// Storage is freed by whole segments. The module [`trim`](crate::trim) trims by age, count
        /// and size.
        ///
        /// This does not wait for a [`backup`](Log::backup) that is under way. A segment that the
        /// backup has yet to copy is not of the log any more, but its files stay, and take their
        /// space, until the backup has copied it, or ends.
        ///
        /// # Durability
        ///
        /// The new start offset is durable before any file is removed. When the call returns, the
        /// files are removed, but for those that a backup has yet to copy.
        ///
        /// # Errors
        ///
        /// [`SyncFailed`](crate::Error::SyncFailed), [`Poisoned`](crate::Error::Poisoned) and
        /// [`ReadOnly`](crate::Error::ReadOnly) as for [`publish`](Log::publish).
        change fn trim(&self, before: u64) -> Result<Trimmed>;

        /// Trims the messages that exceed the log's [`Retention`](crate::Retention). With
        /// `dry_run`, removes nothing and returns what would be removed. By default a log has no
        /// retention policy and keeps everything.
        ///
        /// # Errors
        ///
        /// As [`trim`](Log::trim).
        limit fn apply_retention(&self, dry_run: bool) -> Result<Trimmed> {
            let _ = dry_run;
            // A closed log fails here.
            self.start_offset().map(|_| Trimmed::default())
        }

        /// Copies a snapshot of the log to the directory `dir` while publishing goes on. The copy
        /// can be opened as a log.
        ///
        /// If `dir` holds an earlier backup of the log, only segments that have changed since are
        /// copied. Messages trimmed or deleted since are removed from the backup too.
        ///
        /// No other call waits for a backup, even if its target hangs: messages are trimmed,
        /// deleted and published beside it, other backups go to other directories, and closing the
        /// log ends it. What is removed meanwhile and not copied yet takes its space until it is
        /// copied, or the backup ends. On a full disk, closing the log gives all of it back.
        ///
        /// # Durability
        ///
        /// When the call returns, the backup is on stable storage.
        ///
        /// # Errors
        ///
        /// After an error or a crash, the target is the earlier backup or the new one, or is known
        /// as unfinished: then every call on it fails with [`Unfinished`](crate::Error::Unfinished)
        /// until the backup is taken again. A first backup is unfinished from its beginning to its
        /// end. A later one is only while it replaces segments from which messages were deleted.
        ///
        /// Files in `dir` whose names are not the library's are left alone.
        ///
        /// - [`Closed`](crate::Error::Closed) if the log is closed meanwhile. The call returns
        ///   with the segment that it is at, and mostly after the next megabyte.
        /// - [`Io`](crate::Error::Io) also if so many segments were replaced meanwhile that the
        ///   backup would have to keep too many of them open. Take it again.
        /// - [`Unfinished`](crate::Error::Unfinished) if `dir` holds a restore that was
        ///   interrupted.
        /// - [`Invalid`](crate::Error::Invalid) if `dir` is the log's own directory or holds
        ///   another log, or files of a log without metadata. Also if it holds a backup with
        ///   messages that this log does not have, because something else wrote to the backup, or
        ///   because this log lost unsynced messages in a power cut.
        /// - [`Locked`](crate::Error::Locked) if the backup is open, or another one goes to the
        ///   same directory.
        /// - [`Corrupt`](crate::Error::Corrupt) if the log is damaged: every byte is verified.
        read fn backup(&self, dir: &Path) -> Result<BackupReport>;

        /// Brings everything published so far to stable storage. Returns an offset below which all
        /// messages are durable.
        ///
        /// Concurrent callers share the work.
        ///
        /// # Errors
        ///
        /// - [`SyncFailed`](crate::Error::SyncFailed): the handle is poisoned. No later call
        ///   reports the messages as durable that this call was to sync; later calls fail with
        ///   [`Poisoned`](crate::Error::Poisoned).
        /// - [`ReadOnly`](crate::Error::ReadOnly): the handle is open for reading only.
        change fn sync(&self) -> Result<u64>;

        /// Waits until every message below `offset` is on stable storage, or the timeout has
        /// passed. Returns an offset below which every message is: at least `offset`, unless the
        /// timeout has passed. The offset may not be published yet.
        ///
        /// This waits for syncs and begins none: those of the log's
        /// [`Durability`](crate::Durability), of other publishers, and of [`sync`](Log::sync). With
        /// `Durability::Os` and no timeout it may wait for ever unless somebody syncs. By default,
        /// though, it calls `sync` and does not wait.
        ///
        /// # Errors
        ///
        /// As [`sync`](Log::sync), but that one who waits for a sync that fails gets
        /// [`Poisoned`](crate::Error::Poisoned).
        wait fn wait_synced(&self, offset: u64, timeout: Option<Duration>) -> Result<u64> {
            let _ = (offset, timeout);
            self.sync()
        }

        /// Releases the mappings and file descriptors of segments that have not been used for
        /// `unused_for`. The log opens them again when it needs them. Messages that readers hold
        /// stay valid.
        ///
        /// Only this method checks for use: it releases a segment that was not used since an
        /// earlier call at least `unused_for` ago. So call it regularly. [`Duration::ZERO`]
        /// releases every segment at once, [`Duration::MAX`] releases none.
        ///
        /// # Errors
        ///
        /// See [`Log`].
        read fn gc(&self, unused_for: Duration) -> Result<()>;

        /// Brings everything to stable storage and closes the handle. Later calls of `close` do
        /// nothing; every other call fails with [`Closed`](crate::Error::Closed). Messages already
        /// read stay valid.
        ///
        /// # Errors
        ///
        /// As [`sync`](Log::sync). A poisoned handle returns
        /// [`SyncFailed`](crate::Error::SyncFailed) with the original failure, which may have
        /// happened on the background thread. The handle is closed in any case.
        end fn close(&self) -> Result<()>;

        /// Wakes readers that wait for the log to change, whichever handle changes it. `None`, the
        /// default, is for a log that does not announce its changes;
        /// [`BlockingLog`](crate::BlockingLog) then polls the log.
        ///
        /// A log that returns `Some` must call [`notify`](Changes::notify) after every change that
        /// readers can see: messages that became visible, a seal, a trim, a delete, the close, and
        /// poisoning. A wrapper returns the `Changes` of the log it wraps, because one of its own
        /// would miss changes made without the wrapper.
        plain fn changes(&self) -> Option<&Changes> {
            None
        }
    }
}

impl<L: Log + ?Sized> Ends for L {
    fn is_sealed(&self) -> Result<bool> {
        Log::is_sealed(self)
    }

    fn tail(&self) -> Result<Place> {
        Log::tail(self)
    }

    fn begin(&self, from: Start) -> Result<u64> {
        Ok(self.consume(from, 0)?.next_offset)
    }
}

forward_log!([impl<L: Log + ?Sized> Log for Box<L>] |log| **log);
forward_log!([impl<L: Log + ?Sized> Log for Arc<L>] |log| **log);
forward_log!([impl<L: Log + ?Sized> Log for &L] |log| **log);
