use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use duramen::{
    Ack, BackupReport, Batch, Changes, Control, ControlRecord, Deleted, Error, LifeId, Log, Message,
    NewMessage, Place, Position, PublishOptions, ReadBatch, ReadOptions, Result, Start, Stats, Timestamp,
    Token, Trimmed,
};
use s2_sdk::types::StreamPosition;

use crate::append::Append;
use crate::bridge::Bridge;
use crate::reading;
use crate::record;
use crate::remote::Remote;
use crate::waiting::{self, Listener};

/// A log that is a stream of S2. Opened by [`S2Store`](crate::S2Store).
///
/// Any number of handles, in any number of processes, read and publish at once.
///
/// | call | here |
/// |---|---|
/// | `publish`, `publish_with`, `append` | one request; at most 1,000 records and 1 MiB |
/// | conditions | `expect_next_offset`, `token`; no others |
/// | control records | `Control::Fence` and `Control::Trim` |
/// | `next_offset`, `sync` | one request; what was acknowledged is durable |
/// | `start_offset` | the first record there is; a trim of somebody else arrives late |
/// | `consume`, `read`, `get` | a few requests, and one for each 1,000 control records on the way |
/// | `At` an offset that was trimmed | fails, although S2 itself passes over what was trimmed |
/// | `Last` | reads what it counts |
/// | by time | from S2's place for that time on, to the first message of it or later |
/// | `trim` | appends a control record, which takes an offset; other handles see it late |
/// | `position` | names the stream and when it was made, so one that is made again is another |
/// | `stat` | `messages` counts offsets, those of control records too; `size` is 0 |
/// | waiting | one read session, from the first wait until the handle is gone; no polling |
/// | by key, `delete`, `backup`, `token` | `NotSupported` |
/// | seals, producers, expected keys | `NotSupported` |
///
/// What is too large for one request fails with [`TooLarge`](Error::TooLarge), which counts records
/// if there are more than 1,000.
///
/// A message whose publisher gave no time has that of S2, in milliseconds, and never an earlier one
/// than the record in front of it. One with a time keeps it to the microsecond.
///
/// # Errors
///
/// What the network or the server does is [`Remote`](Error::Remote), after as many attempts as
/// [`S2Options::attempts`](crate::S2Options::attempts) says. Its kind is `NotWritten` if nothing
/// was written. If the answer to an append was lost, it is [`Unconfirmed`](Error::Unconfirmed)
/// whether it was written. With
/// [`expect_next_offset`](duramen::PublishOptions::expect_next_offset) the place is read back, and
/// the append sent again as long as nothing is there; so then it is nearly always known, and never
/// written twice.
#[derive(Debug)]
pub struct S2Log {
    pub(crate) shared: Arc<Shared>,
}

/// What the handle shares with what runs for it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) bridge: Arc<Bridge>,
    pub(crate) remote: Remote,
    life: LifeId,
    /// The offset up to which this handle has trimmed.
    floor: AtomicU64,
    pub(crate) listener: Listener,
    pub(crate) changes: Changes,
}

impl Shared {
    fn floor(&self) -> u64 {
        self.floor.load(Ordering::Acquire)
    }
}

impl S2Log {
    /// A handle of a stream with this life.
    pub(crate) fn new(bridge: Arc<Bridge>, remote: Remote, life: LifeId) -> S2Log {
        let shared = Arc::new_cyclic(|shared| {
            let shared = Weak::clone(shared);
            Shared {
                bridge,
                remote,
                life,
                floor: AtomicU64::new(0),
                listener: Listener::default(),
                changes: Changes::begun_by(move || waiting::begin(&shared)),
            }
        });
        S2Log { shared }
    }

    /// The name of the stream.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.remote.name
    }

    /// Runs this on the bridge, for a handle that is open.
    pub(crate) fn ask<T, F>(&self, ask: impl FnOnce(Remote, u64) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.check_open()?;
        self.shared
            .bridge
            .run(ask(self.shared.remote.clone(), self.shared.floor()))
    }

    fn check_open(&self) -> Result<()> {
        self.shared.bridge.check_process()?;
        if self.shared.listener.is_closed() {
            return Err(Error::Closed);
        }
        Ok(())
    }

    fn end(&self) -> Result<StreamPosition> {
        self.ask(|remote, _| async move { remote.tail().await })
    }

    /// Raises the floor to what the control records have trimmed.
    fn note_trims(&self, how: &PublishOptions<'_>, end: u64) -> Result<()> {
        for control in how.control_records()? {
            if let Control::Trim(before) = control {
                self.shared.floor.fetch_max(before.min(end), Ordering::AcqRel);
            }
        }
        Ok(())
    }

    /// A place in the log; its time is that of the message, if it has one of its own.
    fn place(offset: u64, message: Option<&NewMessage<'_>>, timestamp: u64) -> Place {
        let own = message.and_then(|message| message.time);
        Place {
            offset,
            time: own.unwrap_or_else(|| record::time(timestamp)),
        }
    }
}

impl Log for S2Log {
    fn publish_with(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<u64> {
        Ok(self.append(messages, how)?.end.offset)
    }

    fn append(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<Ack> {
        self.check_open()?;
        let append = Append::new(messages, how)?;
        if append.is_empty() {
            if how.expected_token().is_some() {
                return Err(Error::NotSupported("a token with a batch that is empty"));
            }
            let tail = self.tail()?;
            return match how.expected_next_offset() {
                Some(expected) if expected != tail.offset => Err(Error::OffsetMismatch {
                    expected,
                    actual: tail.offset,
                }),
                _ => Ok(Ack::of_nothing(tail)),
            };
        }
        let ack = self.ask(|remote, _| async move { append.send(&remote).await })?;
        self.note_trims(how, ack.end.seq_num)?;
        self.shared.changes.notify();
        let has_controls = how.control_records()?.next().is_some();
        let last = messages.last().filter(|_| !has_controls);
        let start = S2Log::place(ack.start.seq_num, messages.first(), ack.start.timestamp);
        let end = S2Log::place(ack.end.seq_num, last, ack.end.timestamp);
        let tail = if ack.tail.seq_num == ack.end.seq_num {
            end
        } else {
            S2Log::place(ack.tail.seq_num, None, ack.tail.timestamp)
        };
        Ok(Ack::new(start, end, tail))
    }

    fn tail(&self) -> Result<Place> {
        self.ask(|remote, _| async move { reading::tail(&remote).await })
    }

    fn token(&self) -> Result<Token> {
        self.check_open()?;
        Err(Error::NotSupported("looking up a token"))
    }

    fn is_sealed(&self) -> Result<bool> {
        self.check_open().map(|()| false)
    }

    fn start_offset(&self) -> Result<u64> {
        self.ask(|remote, floor| async move { reading::start(&remote, floor).await })
    }

    fn next_offset(&self) -> Result<u64> {
        Ok(self.end()?.seq_num)
    }

    fn position(&self) -> Result<Position> {
        Ok(Position {
            life: self.shared.life,
            offset: self.next_offset()?,
        })
    }

    fn position_at(&self, offset: u64) -> Result<Position> {
        self.check_open()?;
        Ok(Position {
            life: self.shared.life,
            offset,
        })
    }

    fn resume(&self, position: Position) -> Result<Start> {
        if position.life == self.shared.life && position.offset <= self.next_offset()? {
            return Ok(Start::At(position.offset));
        }
        Err(Error::EpochChanged {
            position,
            parted_at: None,
        })
    }

    fn consume(&self, from: Start, max_count: usize) -> Result<Batch> {
        self.ask(|remote, floor| async move { reading::consume(&remote, floor, from, max_count).await })
    }

    fn read(&self, from: Start, how: &ReadOptions) -> Result<ReadBatch> {
        ReadBatch::gather(self, from, how, |offset, count| {
            self.ask(|remote, floor| async move { reading::records(&remote, floor, offset, count).await })
        })
    }

    fn consume_by_key(&self, _key: &[u8], _from: Start, _max_count: usize) -> Result<Batch> {
        self.check_open()?;
        Err(Error::NotSupported("finding messages by key"))
    }

    fn get(&self, at: Start) -> Result<Message> {
        self.ask(|remote, floor| async move { reading::get(&remote, floor, at).await })
    }

    fn get_by_key(&self, _key: &[u8]) -> Result<Message> {
        self.check_open()?;
        Err(Error::NotSupported("finding messages by key"))
    }

    fn get_by_time(&self, start: Timestamp) -> Result<Message> {
        self.get(Start::Time(start))
    }

    fn size(&self, message: &NewMessage<'_>) -> u64 {
        record::size(message)
    }

    fn stat(&self) -> Result<Stats> {
        let start_offset = self.start_offset()?;
        let next_offset = self.next_offset()?;
        let mut stats = Stats::default();
        stats.start_offset = start_offset.min(next_offset);
        stats.next_offset = next_offset;
        stats.synced_offset = next_offset;
        stats.messages = next_offset - stats.start_offset;
        stats.life = Some(self.shared.life);
        stats.time_index = true;
        Ok(stats)
    }

    fn delete(&self, _offsets: &BTreeSet<u64>) -> Result<Deleted> {
        self.check_open()?;
        Err(Error::NotSupported("deleting single messages"))
    }

    fn trim(&self, before: u64) -> Result<Trimmed> {
        let start = self.start_offset()?;
        let end = self.next_offset()?;
        let before = before.min(end);
        if before <= start {
            return Ok(Trimmed::default());
        }
        self.append(&[], &PublishOptions::new().and(Control::Trim(before)))?;
        Ok(Trimmed::new(before - start, 0))
    }

    fn backup(&self, _dir: &Path) -> Result<BackupReport> {
        self.check_open()?;
        Err(Error::NotSupported("backups"))
    }

    fn sync(&self) -> Result<u64> {
        self.next_offset()
    }

    fn wait_synced(&self, offset: u64, timeout: Option<Duration>) -> Result<u64> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let reached = self
            .shared
            .changes
            .wait_until(deadline, || match self.next_offset() {
                Ok(next) if next < offset => None,
                reached => Some(reached),
            });
        reached.unwrap_or_else(|| self.next_offset())
    }

    fn gc(&self, _unused_for: Duration) -> Result<()> {
        self.check_open()
    }

    fn close(&self) -> Result<()> {
        self.shared.bridge.check_process()?;
        self.shared.listener.close();
        self.shared.changes.notify();
        Ok(())
    }

    fn changes(&self) -> Option<&Changes> {
        Some(&self.shared.changes)
    }
}

/// Control records, messages, and the offset behind them.
pub(crate) type Records = (Vec<Message>, Vec<ControlRecord>, u64);
