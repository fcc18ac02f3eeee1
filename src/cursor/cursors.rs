use std::fmt;
use std::sync::Arc;

use super::kept::{Kept, KeptIn, Record};
use super::name::Name;
use super::places::lowest;
use crate::types::StreamId;
use crate::{Error, Expect, Log, Position, Result, Stored, StoredCursor};

/// Where cursors are kept, and the logs that they are in.
pub(crate) trait Logs: Send + Sync + fmt::Debug {
    /// The log that keeps the cursors, if there is one.
    fn kept(&self) -> Result<Option<&KeptIn>>;

    /// The log that keeps the cursors, which is made if there is none.
    fn make_kept(&self) -> Result<&KeptIn>;

    /// What is put in front of the names of streams.
    fn scope(&self) -> &str;

    /// The log of a partition, and the id of its stream.
    fn partition(&self, stream: &str, partition: u32) -> Result<(StreamId, Arc<dyn Log>)>;

    /// Somebody needs what is at a position of a partition and above: a cursor is about to be
    /// stored there that is new, or goes back.
    fn needs(&self, _stream: &str, _partition: u32, _position: Position) {}

    /// These and one more log, where logs are named; else `None`.
    fn with_log(&self, _name: &str, _log: Arc<dyn Log>) -> Option<Arc<dyn Logs>> {
        None
    }

    /// Removes from the log that keeps the cursors what is of no use any more. Where somebody else
    /// does that, this does nothing.
    fn clear_up(&self) -> Result<()> {
        Ok(())
    }
}

/// Stored cursors: durable, named places in the partitions of a [store](crate::store::Store), or in
/// logs. The idea is that of Liftbridge's cursors.
///
/// - A cursor holds the offset of the *next* message: one past the last one that was dealt with.
/// - It belongs to one partition of one stream. Its own name, the id, says whose place it is.
/// - It never goes back, but by [`reset`](Cursors::reset).
/// - It is compared and set by its [version](Stored::version), so that of two who use the same one,
///   the one who is late learns it.
/// - It knows the life of its log. In another one (a restore, a lost end, another stream of the
///   same name) it answers [`EpochChanged`](Error::EpochChanged), and never silently continues
///   among other messages. `reset` brings it there.
///
/// It is durable as the log that keeps it is. Losing the last changes of a cursor in a power cut
/// means that some messages are delivered again, and none is left out.
///
/// Cheap to clone.
///
/// ```
/// use std::sync::Arc;
/// use duramen::{Cursors, Expect, Log, MemoryLog, NewMessage, Options};
///
/// # fn main() -> duramen::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// let log = Arc::new(MemoryLog::new());
/// log.publish(&[NewMessage::value(b"first"), NewMessage::value(b"second")])?;
///
/// let cursors = Cursors::open(dir.path(), &Options::new())?.with_log("mails", &log);
/// assert_eq!(cursors.get("sender", "mails", 0)?, None);
/// let stored = cursors.set("sender", "mails", 0, 1, Expect::Absent)?;
/// cursors.set("sender", "mails", 0, 2, Expect::Version(stored.version))?;
/// assert_eq!(cursors.lag("sender", "mails", 0)?, Some(0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Cursors {
    pub(super) logs: Arc<dyn Logs>,
    pub(super) kept: Arc<Kept>,
}

impl Cursors {
    pub(crate) fn new(logs: Arc<dyn Logs>, kept: &Arc<Kept>) -> Cursors {
        Cursors {
            logs,
            kept: Arc::clone(kept),
        }
    }

    /// The cursor with this id in a partition; `None` if there is none.
    ///
    /// # Errors
    ///
    /// - [`Error::EpochChanged`] if the partition is not the one any more in which the cursor was
    ///   stored, or has gone on without some messages in front of it;
    /// - [`Error::NoStream`] for a stream, or a log, that is not known;
    /// - those of reading a [`Log`].
    pub fn get(&self, id: &str, stream: &str, partition: u32) -> Result<Option<Stored>> {
        let name = self.name(id, stream, partition)?;
        let place = self.logs.partition(stream, partition)?;
        let kept = self.logs.kept()?;
        let stored = kept.map_or(Ok(None), |at| self.kept.get(at, &name))?;
        stored.iter().try_for_each(|stored| check_life(stored, &place))?;
        Ok(stored)
    }

    /// Sets the cursor to a next offset in the current life of the partition, if it is what the
    /// caller expects. Returns what is stored now. Setting it to where it is writes nothing.
    ///
    /// # Errors
    ///
    /// Nothing was written:
    ///
    /// - [`Error::CursorMismatch`] if it is not what was expected;
    /// - [`Error::CursorBehind`] if it would go back;
    /// - [`Error::OffsetOutOfRange`] beyond the partition's end;
    /// - as [`get`](Cursors::get).
    ///
    /// Those of publishing to the log that keeps the cursors.
    pub fn set(
        &self,
        id: &str,
        stream: &str,
        partition: u32,
        next_offset: u64,
        expect: Expect,
    ) -> Result<Stored> {
        let name = self.name(id, stream, partition)?;
        self.change(&name, stream, To::Current(next_offset), expect)
    }

    /// As [`set`](Cursors::set), to a position: for whoever has read in a life that may not be the
    /// current one any more, such as a reader beside a writer.
    ///
    /// # Errors
    ///
    /// Those of `set`, and [`Error::EpochChanged`] for a position of another life.
    pub fn set_position(
        &self,
        id: &str,
        stream: &str,
        partition: u32,
        position: Position,
        expect: Expect,
    ) -> Result<Stored> {
        let name = self.name(id, stream, partition)?;
        self.change(&name, stream, To::Position(position), expect)
    }

    /// Sets the cursor to a next offset, wherever it was and whatever life that was in.
    ///
    /// # Errors
    ///
    /// [`Error::OffsetOutOfRange`] beyond the partition's end; [`Error::NoStream`]; those of
    /// publishing.
    pub fn reset(&self, id: &str, stream: &str, partition: u32, next_offset: u64) -> Result<Stored> {
        let name = self.name(id, stream, partition)?;
        self.change(&name, stream, To::Anew(next_offset), Expect::Any)
    }

    /// How many offsets there are from the cursor to the partition's end. That is how many messages
    /// its reader has yet to read, but for those that were deleted and for control records. `None`
    /// if there is no such cursor.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Cursors::get).
    pub fn lag(&self, id: &str, stream: &str, partition: u32) -> Result<Option<u64>> {
        let Some(stored) = self.get(id, stream, partition)? else {
            return Ok(None);
        };
        let (_, log) = self.logs.partition(stream, partition)?;
        Ok(Some(log.next_offset()?.saturating_sub(stored.position.offset)))
    }

    /// All cursors whose ids begin with `prefix`, in the order of stream, partition and id. Nobody
    /// looks whether they are of the current lives of their partitions.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Log`].
    pub fn list(&self, prefix: &str) -> Result<Vec<StoredCursor>> {
        let Some(at) = self.logs.kept()? else {
            return Ok(Vec::new());
        };
        let all = self.kept.all(at)?;
        let listed = all.into_iter().filter_map(|(name, stored)| {
            Some(StoredCursor {
                stream: name.stream.strip_prefix(self.logs.scope())?.to_owned(),
                partition: name.partition,
                id: name.id.starts_with(prefix).then(|| name.id.into())?,
                stored,
            })
        });
        Ok(listed.collect())
    }

    /// Removes a cursor; returns whether there was one. The stream need not be there any more.
    ///
    /// # Errors
    ///
    /// Those of publishing to a [`Log`].
    pub fn delete(&self, id: &str, stream: &str, partition: u32) -> Result<bool> {
        let name = self.name(id, stream, partition)?;
        match self.logs.kept()? {
            Some(at) => self.kept.remove(at, &name),
            None => Ok(false),
        }
    }

    /// The lowest offset at which a cursor of a partition is; `None` if there is no cursor. All
    /// cursors are brought to stable storage first, so this can be the
    /// [floor](crate::RetentionFloor) of a log that is in no store. A cursor of another life of the
    /// log counts up to where that life parts from the current one.
    ///
    /// A store does this itself: see
    /// [`keep_unread`](crate::store::RetentionConfig::keep_unread).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use duramen::{Cursors, Expect, Log, MemoryLog, NewMessage, Options};
    /// use duramen::{Retention, RetentionFloor};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// let floor = RetentionFloor::new();
    /// let policy = Retention::new().max_messages(1).keep_unread(u64::MAX);
    /// let options = Options::new().retention(policy).retention_floor(&floor);
    /// let log = Arc::new(MemoryLog::with_options(&options));
    /// for value in [b"first", b"other", b"third"] {
    ///     log.publish(&[NewMessage::value(value)])?;
    /// }
    /// let cursors = Cursors::open(dir.path(), &Options::new())?.with_log("mails", &log);
    /// cursors.set("sender", "mails", 0, 1, Expect::Absent)?;
    ///
    /// floor.set(cursors.lowest("mails", 0)?.unwrap_or(0));
    /// log.apply_retention(false)?;
    /// assert_eq!(log.start_offset()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoStream`]; those of [`Log::sync`] and of reading a [`Log`].
    pub fn lowest(&self, stream: &str, partition: u32) -> Result<Option<u64>> {
        let (stream_id, log) = self.logs.partition(stream, partition)?;
        let Some(at) = self.logs.kept()? else {
            return Ok(None);
        };
        let name = format!("{}{stream}", self.logs.scope());
        let mut places = Vec::new();
        self.kept.sync(at, |cursors| {
            places.extend(cursors.of(&name, stream_id, partition));
        })?;
        Ok(lowest(&places, Some(&*log)))
    }

    /// The start offset of a partition.
    pub(crate) fn start_of(&self, stream: &str, partition: u32) -> Result<u64> {
        self.logs.partition(stream, partition)?.1.start_offset()
    }

    /// Brings all cursors to stable storage.
    ///
    /// # Errors
    ///
    /// Those of [`Log::sync`].
    pub fn sync(&self) -> Result<()> {
        match self.logs.kept()? {
            Some(at) => at.log.sync().map(|_| ()),
            None => Ok(()),
        }
    }

    fn name(&self, id: &str, stream: &str, partition: u32) -> Result<Name> {
        Name::new(id, &format!("{}{stream}", self.logs.scope()), partition)
    }

    /// The logs are asked without a lock on the cursors. So if the cursor has changed meanwhile,
    /// this looks again.
    fn change(&self, name: &Name, stream: &str, to: To, expect: Expect) -> Result<Stored> {
        loop {
            let place = self.logs.partition(stream, name.partition)?;
            let kept = self.logs.kept()?;
            let before = kept.map_or(Ok(None), |at| self.kept.get(at, name))?;
            let version = before.map(|before| before.version);
            expect.check(version)?;
            let record = to.record(before.as_ref(), &place)?;
            if let Some(before) = before.filter(|before| record.is_in(before)) {
                return Ok(before);
            }
            let at = kept.map_or_else(|| self.logs.make_kept(), Ok)?;
            let needs = || self.logs.needs(stream, name.partition, record.position);
            if let Some(stored) = self.kept.put(at, name, version, record, needs)? {
                // What is not cleared up now is tried again.
                let _ = self.kept.clear_up_if_due(|| self.logs.clear_up());
                return Ok(stored);
            }
        }
    }
}

/// Where a cursor is to be.
#[derive(Clone, Copy)]
enum To {
    /// At this offset, in the life of the partition.
    Current(u64),
    /// At this position, which must be in that life.
    Position(Position),
    /// At this offset, wherever it was and whatever life that was in.
    Anew(u64),
}

impl To {
    /// What is to be stored instead of what was there `before`.
    fn record(self, before: Option<&Stored>, place: &(StreamId, Arc<dyn Log>)) -> Result<Record> {
        let (stream_id, log) = place;
        let position = match self {
            To::Position(position) => log.resume(position).map(|_| position)?,
            To::Current(offset) | To::Anew(offset) => log.position()?.at(offset),
        };
        let next = log.next_offset()?;
        if position.offset > next {
            return Err(Error::OffsetOutOfRange {
                offset: position.offset,
                start: log.start_offset()?,
                next,
            });
        }
        if let Some(before) = before.filter(|_| !matches!(self, To::Anew(_))) {
            check_life(before, place)?;
            if position.offset < before.position.offset {
                return Err(Error::CursorBehind {
                    next_offset: position.offset,
                    stored: before.position.offset,
                });
            }
        }
        Ok(Record {
            stream_id: *stream_id,
            position,
        })
    }
}

impl Record {
    fn is_in(&self, stored: &Stored) -> bool {
        (self.stream_id, self.position) == (stored.stream_id, stored.position)
    }
}

/// Fails with `EpochChanged` if a cursor is not in this partition.
fn check_life(stored: &Stored, (stream_id, log): &(StreamId, Arc<dyn Log>)) -> Result<()> {
    if stored.stream_id != *stream_id {
        return Err(Error::EpochChanged {
            position: stored.position,
            parted_at: None,
        });
    }
    log.resume(stored.position).map(|_| ())
}
