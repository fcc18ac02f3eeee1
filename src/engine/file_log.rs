use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::append::Published;
use super::backup::To;
use super::open_log::OpenLog;
use super::segments::{BatchBuf, Reader, Scan};
use crate::format::lone_len;
use crate::log::{Cause, Reading, Record};
use crate::segment::{Gather as _, IndexState, SegmentRef};
use crate::sys::{Dir, is_out_of_space};
use crate::{
    Ack, BackupReport, Batch, Changes, Deleted, Error, Job, Log, Message, NewMessage, Place, Position,
    PublishOptions, ReadBatch, ReadOptions, Result, Start, Stats, Timestamp, Token, Trimmed,
};

/// A log in a directory of files.
///
/// Opened by [`Options::open`](crate::Options::open). Share it between threads by reference or in
/// an [`Arc`]. Dropping it closes it; errors are then lost, so call [`close`](Log::close) where
/// they matter.
///
/// ```
/// use duramen::{Log, NewMessage, Options, Start};
///
/// # fn main() -> duramen::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let dir = dir.path().join("log");
/// let log = Options::new().create_dirs(true).key_index(true).open(&dir)?;
/// log.publish(&[NewMessage::new(b"user-7", b"created"), NewMessage::new(b"user-8", b"created")])?;
/// log.publish(&[NewMessage::new(b"user-7", b"renamed")])?;
///
/// assert_eq!(log.get_by_key(b"user-7")?.value.as_deref(), Some(&b"renamed"[..]));
/// for message in log.consume(Start::Oldest, 100)? {
///     println!("{} {:?}", message.offset, message.value);
/// }
/// log.close()
/// # }
/// ```
#[derive(Debug)]
pub struct FileLog {
    pub(super) log: Arc<OpenLog>,
}

impl FileLog {
    pub(super) fn new(log: OpenLog) -> FileLog {
        FileLog { log: Arc::new(log) }
    }

    /// Every message below this offset is on stable storage.
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::Error::Closed).
    pub fn synced_offset(&self) -> Result<u64> {
        Ok(self.log.synced_for(&Reader::new(&self.log.segments)?))
    }

    /// How many lives the log has begun after its first: see
    /// [`Stats::epoch`](crate::Stats::epoch), which says the same. Takes no lock and reads no file.
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::Error::Closed).
    pub fn epoch(&self) -> Result<u64> {
        self.log.health().check_open()?;
        Ok(self.log.lives.epoch())
    }

    /// For how long the oldest message that is not on stable storage has been waiting; zero if none
    /// waits. It is as exact as the clock that the system reads fastest: to about 10 milliseconds.
    ///
    /// Takes no lock and does not wait for the disk. [`Stats::unsynced_since`] says the same.
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::Error::Closed).
    pub fn sync_lag(&self) -> Result<Duration> {
        self.log.health().check_open()?;
        Ok(self.log.append.frontiers().waiting().waited())
    }

    /// Goes through the messages from `from` on without allocating memory for each. Every message
    /// is verified. Use this to replay a log at memory speed.
    ///
    /// The scan ends at the end of the log as it last saw it. A later call of [`next`](Scan::next)
    /// goes on from there.
    ///
    /// # Errors
    ///
    /// As [`consume`](Log::consume).
    pub fn scan(&self, from: Start) -> Result<Scan<'_>> {
        Scan::new(&self.log.segments, from)
    }

    /// As [`consume`](Log::consume), into `buf`, which lends its messages: nothing is allocated and
    /// no share is counted for them, and the memory is used again. Use this where a thread looks at
    /// many messages and keeps few.
    ///
    /// After an error `buf` has no messages, and the same offset to go on at as before.
    ///
    /// ```
    /// use duramen::{BatchBuf, Log, NewMessage, Options, Start};
    ///
    /// # fn main() -> duramen::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// let log = Options::new().open(dir.path())?;
    /// log.publish(&[NewMessage::value(b"one"), NewMessage::value(b"two")])?;
    /// let (mut buf, mut len) = (BatchBuf::new(), 0);
    /// log.consume_into(Start::Oldest, 100, &mut buf)?;
    /// while !buf.is_empty() {
    ///     len += buf.messages().filter_map(|one| one.value).map(<[u8]>::len).sum::<usize>();
    ///     log.consume_into(Start::At(buf.next_offset()), 100, &mut buf)?;
    /// }
    /// assert_eq!(len, 6);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`consume`](Log::consume).
    pub fn consume_into(&self, from: Start, max_count: usize, buf: &mut BatchBuf) -> Result<()> {
        let read = Reader::with(&self.log.segments, |reader| {
            reader.consume_lent(reader.resolve(from)?, max_count, buf)
        });
        if read.is_err() {
            buf.clear();
        }
        read
    }

    /// Builds the index files that are missing, and returns when they are there.
    ///
    /// After an index was turned on, a log that is open for writing does this by itself, in the
    /// background. Call this before closing a log that is not open for long: otherwise, each
    /// read-only handle goes through all messages to look one up. It costs about as much as reading
    /// the whole log once, and next to nothing if nothing is missing. Meanwhile everything else
    /// goes on. If the process dies, the next writer builds the rest.
    ///
    /// Damaged segments are left out, and so is what a full disk has no space for. Segments that
    /// are still written to, or not sealed yet, get their indexes when the log is closed.
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::Error::Closed), also if the log is closed meanwhile;
    /// [`ReadOnly`](crate::Error::ReadOnly); [`Poisoned`](crate::Error::Poisoned).
    pub fn build_indexes(&self) -> Result<()> {
        self.log.health().check_writable()?;
        self.log.upkeep.make_indexes_here()
    }

    /// The directory of the log.
    pub(crate) fn dir(&self) -> &Dir {
        &self.log.directory.dir
    }

    /// Fails if the log is closed.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.log.health().check_open()
    }

    /// Whether the log has a segment with this base offset now.
    pub(crate) fn has_segment(&self, base: u64) -> Result<bool> {
        self.log.look()?;
        Ok(self.log.segments.list().with_base(base).is_some())
    }

    /// Rebuilds the damaged indexes of sealed segments and, if `absent`, builds the missing ones;
    /// returns how many it built.
    pub(crate) fn rebuild_indexes(&self, absent: bool) -> Result<u64> {
        let reader = Reader::new(&self.log.segments)?;
        let mut rebuilt = 0;
        for segment in &reader.list().segments {
            let SegmentRef::Sealed(sealed) = segment else {
                continue;
            };
            let is_wrong = match sealed.check_index()? {
                IndexState::Damaged(_) => true,
                IndexState::Absent => absent,
                IndexState::Good(_) => false,
            };
            if is_wrong {
                sealed.rebuild_index()?;
                rebuilt += 1;
            }
        }
        Ok(rebuilt)
    }

    /// Returns an error that another attempt cannot mend. If there was no space, the background may
    /// have taken some in advance, and gives it back when it is done with what it is at.
    pub(super) fn wait_for_space(&self, error: Error) -> Result<()> {
        if !is_out_of_space(&error) || self.log.health().is_poisoned() {
            return Err(error);
        }
        self.log.upkeep.wait_for_space();
        Ok(())
    }

    /// Deletes from one segment, and lets go of its old file.
    fn delete_once(&self, offsets: &mut BTreeSet<u64>) -> Result<Deleted> {
        let mut removal = self.log.remove.begin()?;
        let meter = self.log.health().meter();
        let deleted = removal
            .delete_some(offsets)
            .inspect(|deleted| meter.removed(Cause::Delete, deleted.messages, deleted.size));
        let acted = removal.end().map_or(Ok(()), |due| self.log.upkeep.act(*due));
        self.log.upkeep.forget_removed();
        self.log.teller().tell_left();
        deleted.and_then(|deleted| acted.map(|()| deleted))
    }

    fn with_reader<'a, T>(&'a self, read: impl Fn(&Reader<'a>) -> Result<T>) -> Result<T> {
        Reader::with(&self.log.segments, read)
    }
}

/// Appends a batch of control records with the content of `records`, which have no effect: for all
/// that this version knows, a later version has written them. Returns the next offset.
///
/// # Errors
///
/// As publishing.
#[cfg(feature = "fault")]
pub fn append_controls(log: &FileLog, records: &[NewMessage<'_>]) -> Result<u64> {
    let mut published = Published::default();
    log.carry_out(&mut published, |published| {
        log.log.append.append_controls(records, &[], published)
    })?;
    Ok(published.ack.end.offset)
}

impl Log for FileLog {
    #[inline]
    fn publish(&self, messages: &[NewMessage<'_>]) -> Result<u64> {
        const PLAIN: &PublishOptions<'_> = &PublishOptions::new();
        let mut published = Published::default();
        self.append_batch(messages, PLAIN, &mut published)?;
        Ok(published.ack.end.offset)
    }

    fn publish_with(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<u64> {
        Ok(self.append(messages, how)?.next_offset())
    }

    #[inline]
    fn append(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<Ack> {
        let mut published = Published::default();
        self.append_batch(messages, how, &mut published)?;
        Ok(published.ack)
    }

    fn tail(&self) -> Result<Place> {
        Ok(Reader::new(&self.log.segments)?.tail())
    }

    fn token(&self) -> Result<Token> {
        self.log.look()?;
        Ok(self.log.append.token())
    }

    fn is_sealed(&self) -> Result<bool> {
        Ok(self.log.is_sealed(&Reader::new(&self.log.segments)?))
    }

    fn read(&self, from: Start, how: &ReadOptions) -> Result<ReadBatch> {
        Reading::run(self, from, how, |offset, count| {
            self.with_reader(|reader| {
                let from = reader.resolve(Start::At(offset))?;
                if how.control {
                    return reader.records(from, count);
                }
                let batch = reader.consume(from, count)?;
                let records = batch.messages.into_iter().map(Record::Message).collect();
                Ok((records, batch.next_offset))
            })
        })
    }

    fn wait_synced(&self, offset: u64, timeout: Option<Duration>) -> Result<u64> {
        self.log.append.wait_synced(offset, timeout)
    }

    fn start_offset(&self) -> Result<u64> {
        Ok(Reader::new(&self.log.segments)?.list().start_offset)
    }

    fn position(&self) -> Result<Position> {
        let offset = self.next_offset()?;
        let life = self.log.lives.current();
        Ok(Position { life, offset })
    }

    fn position_at(&self, offset: u64) -> Result<Position> {
        self.log.position_at(offset)
    }

    fn resume(&self, position: Position) -> Result<Start> {
        self.log.resume(position)
    }

    #[inline]
    fn next_offset(&self) -> Result<u64> {
        Ok(Reader::new(&self.log.segments)?.next_offset())
    }

    fn consume(&self, from: Start, max_count: usize) -> Result<Batch> {
        self.with_reader(|reader| reader.consume(reader.resolve(from)?, max_count))
    }

    fn consume_by_key(&self, key: &[u8], from: Start, max_count: usize) -> Result<Batch> {
        self.with_reader(|reader| reader.consume_by_key(key, from, max_count))
    }

    fn get(&self, at: Start) -> Result<Message> {
        self.with_reader(|reader| reader.get(at))
    }

    fn get_by_key(&self, key: &[u8]) -> Result<Message> {
        self.with_reader(|reader| reader.newest_by_key(key))
    }

    fn get_by_time(&self, start: Timestamp) -> Result<Message> {
        self.with_reader(|reader| reader.first_at_or_after(start))
    }

    fn offset_by_age(&self, age: Duration) -> Result<Option<u64>> {
        self.with_reader(|reader| self.log.remove.offset_by_age(reader, age).map(Some))
    }

    fn size(&self, message: &NewMessage<'_>) -> u64 {
        /// What a record adds to an index: its position; for a key, a link and a share of the table
        /// of keys; for a time, that time and a share of its block.
        const KEY: u64 = 9;
        const TIME: u64 = 3;
        const POSITION: u64 = 4;
        let kinds = self.log.directory.kinds;
        let key = if kinds.key && message.key.is_some() {
            KEY
        } else {
            0
        };
        lone_len(message) + POSITION + key + if kinds.time { TIME } else { 0 }
    }

    fn stat(&self) -> Result<Stats> {
        self.with_reader(|reader| self.log.stat(reader))
    }

    fn delete(&self, offsets: &BTreeSet<u64>) -> Result<Deleted> {
        let mut offsets = offsets.clone();
        let mut deleted = self.delete_some(&mut offsets)?;
        while !offsets.is_empty() {
            deleted += self.delete_some(&mut offsets)?;
        }
        Ok(deleted)
    }

    fn delete_some(&self, offsets: &mut BTreeSet<u64>) -> Result<Deleted> {
        // What was rewritten takes space for as long as the background works on its old file.
        match self.delete_once(offsets) {
            Err(error) => {
                self.wait_for_space(error)?;
                self.delete_once(offsets)
            }
            deleted => deleted,
        }
    }

    fn trim(&self, before: u64) -> Result<Trimmed> {
        let meter = self.log.health().meter();
        let trimmed = self.log.remove.begin()?.trim(before);
        let trimmed = trimmed.inspect(|gone| meter.removed(Cause::Trim, gone.count, gone.size));
        self.log.upkeep.forget_removed();
        self.log.teller().tell_left();
        trimmed
    }

    fn apply_retention(&self, dry_run: bool) -> Result<Trimmed> {
        let health = self.log.health();
        health.check_open()?;
        if dry_run {
            return self.log.remove.hold().apply_retention(true);
        }
        let mut removal = self.log.remove.begin()?;
        let trimmed = removal.apply_retention(false);
        let acted = removal.end().map_or(Ok(()), |due| self.log.upkeep.act(*due));
        self.log.upkeep.forget_removed();
        self.log.teller().tell_left();
        trimmed.and_then(|trimmed| acted.map(|()| trimmed))
    }

    fn backup(&self, dir: &Path) -> Result<BackupReport> {
        self.backup_to(To::Path(dir))
    }

    fn sync(&self) -> Result<u64> {
        self.log.health().check_writable()?;
        self.log.append.sync()?;
        Ok(self.log.append.frontiers().durable())
    }

    fn gc(&self, unused_for: Duration) -> Result<()> {
        self.log.gc(unused_for)
    }

    fn close(&self) -> Result<()> {
        self.log.close()
    }

    fn changes(&self) -> Option<&Changes> {
        Some(self.log.health().changes())
    }
}

impl Drop for FileLog {
    fn drop(&mut self) {
        let closed = self.close();
        if self.log.health().is_forked() {
            // What the parent's threads were changing when it forked is half changed here, and
            // cannot even be dropped.
            std::mem::forget(Arc::clone(&self.log));
        } else if let Err(error) = closed {
            // The result is lost here: a caller who needs it calls `close`.
            self.log.teller().failed(Job::Close, &error);
            self.log.teller().tell();
        }
    }
}
