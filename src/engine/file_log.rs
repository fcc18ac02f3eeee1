use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::Changes;
use crate::Log;
use crate::engine::append::{Appender, Plan};
use crate::engine::segments::Reader;
use crate::engine::segments::Scan;
use crate::engine::shared::Shared;
use crate::format::{CleanEnd, Previous, lone_len};
use crate::segment::{IndexState, Seal, SegmentRef};
use crate::{
    BackupReport, Batch, Deleted, Error, Message, NewMessage, PublishOptions, Result, Start, Stats,
    Timestamp, Trimmed,
};

/// A log in a directory of files.
///
/// Opened by [`Options::open`](crate::Options::open). Share it between threads by reference or in an
/// [`Arc`]. Dropping it closes it; errors are then lost, so call [`close`](Log::close) where they matter.
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
    pub(crate) shared: Arc<Shared>,
}

/// Segments smaller than this get no index file at close: walking through them again costs less.
const INDEX_AT_CLOSE_MIN: u32 = 64 << 10;

impl FileLog {
    pub(crate) fn new(shared: Arc<Shared>) -> FileLog {
        FileLog { shared }
    }

    /// Every message below this offset is on stable storage.
    ///
    /// # Errors
    ///
    /// [`Closed`](Error::Closed).
    pub fn synced_offset(&self) -> Result<u64> {
        Ok(self.synced_for(&Reader::new(&self.shared)?))
    }

    /// As far as `reader` sees the log.
    fn synced_for(&self, reader: &Reader<'_>) -> u64 {
        // What is visible only when it is durable is shown a moment before it is counted. A handle that only reads
        // has not seen to that.
        if self.shared.visible_is_durable() && !self.shared.options.read_only {
            return reader.next_offset();
        }
        self.shared.commit.synced().min(reader.next_offset())
    }

    /// Goes through the messages from `from` on without copying each into memory of its own: for replaying a log at
    /// memory speed. Every message is verified.
    ///
    /// Ends at what was the log's end when it last looked, and goes on from there when called again.
    ///
    /// # Errors
    ///
    /// As [`consume`](Log::consume).
    pub fn scan(&self, from: Start) -> Result<Scan<'_>> {
        Scan::new(&self.shared, from)
    }

    fn stat_of(&self, reader: &Reader<'_>) -> Result<Stats> {
        let mut stats = Stats {
            segments: reader.list().segments.len() as u64,
            start_offset: reader.list().start_offset,
            next_offset: reader.next_offset(),
            synced_offset: self.synced_for(reader),
            epoch: self.shared.meta.lock().current().epoch,
            key_index: self.shared.directory.kinds.key,
            time_index: self.shared.directory.kinds.time,
            ..Stats::default()
        };
        for segment in &reader.list().segments {
            let (count, end) = reader.read(segment, |opened| {
                let (first, _) = opened.find(stats.start_offset)?;
                let (past, _) = opened.find(stats.next_offset)?;
                Ok((past.saturating_sub(first), opened.end()))
            })?;
            stats.messages += u64::from(count);
            stats.size += u64::from(end);
            if let SegmentRef::Sealed(segment) = segment {
                stats.size += segment.index_len()?;
            }
        }
        Ok(stats)
    }

    /// Builds the indexes of sealed segments that are damaged, and if `absent` those that are not there; returns how
    /// many those were.
    pub(crate) fn rebuild_indexes(&self, absent: bool) -> Result<u64> {
        let reader = Reader::new(&self.shared)?;
        let mut rebuilt = 0;
        for segment in &reader.list().segments {
            let SegmentRef::Sealed(segment) = segment else {
                continue;
            };
            let is_wrong = match segment.check_index()? {
                IndexState::Damaged(_) => true,
                IndexState::Absent => absent,
                IndexState::Good(_) => false,
            };
            if is_wrong {
                segment.rebuild_index()?;
                rebuilt += 1;
            }
        }
        Ok(rebuilt)
    }

    /// Copies what is below the offset `end` to the directory `dir`, as a log of its own.
    pub(crate) fn copy_until(&self, dir: &Path, end: u64) -> Result<BackupReport> {
        self.shared.copy_until(dir, end)
    }

    fn close_files(&self) -> Result<()> {
        let shared = &self.shared;
        if crate::sys::is_forked() {
            return Ok(());
        }
        // Whatever the background thread, or somebody who removes messages, is doing to this log is done after this.
        drop(shared.job.lock());
        let _no_removal = shared.removal.lock();
        let mut writer = shared.writer.lock();
        if shared.options.read_only {
            return Ok(());
        }
        if shared.is_poisoned() {
            // It may have failed behind everybody's back.
            return Err(shared.failure());
        }
        if let Some(prepared) = shared.prepared.lock().take() {
            prepared.discard(&shared.directory);
        }
        // Still under the lock: who waits for a sync finds no active segment now, and must find the failure.
        shared.poison_on_error(self.settle(&mut writer))
    }

    /// Makes everything durable and gives back what is not needed, then marks the log as closed.
    fn settle(&self, writer: &mut Appender) -> Result<()> {
        let shared = &self.shared;
        // The indexes written now are the last thing that takes space.
        shared.is_space_short.store(false, Ordering::Relaxed);
        for segment in std::mem::take(&mut writer.unsynced) {
            segment.sync(&shared.directory)?;
        }
        let mut last = writer.previous;
        if let Some(active) = writer.active.take() {
            if !writer.is_all_durable(&active) {
                active.sync(&shared.directory)?;
            }
            active.show_at_least(writer.written());
            let seal = Seal {
                len: writer.end,
                last_checksum: writer.last_checksum,
            };
            active.truncate(u64::from(seal.len))?;
            active.sync(&shared.directory)?;
            if seal.len >= INDEX_AT_CLOSE_MIN {
                // Derived, and built when it is needed if it cannot be written now.
                let _ = shared.seal(&active, seal);
            }
            last = Some(Previous {
                base: active.header.base,
                len: seal.len,
                last_checksum: seal.last_checksum,
            });
        }
        self.seal_leftovers();
        self.mark_clean(writer.next_offset, last, writer.is_marked_clean)
    }

    /// Writes the index files that the background thread did not get to.
    fn seal_leftovers(&self) {
        for (active, seal) in self.shared.unsealed() {
            let _ = self.shared.seal(&active, seal);
        }
    }

    fn mark_clean(&self, next_offset: u64, last: Option<Previous>, is_marked: bool) -> Result<()> {
        let options = &self.shared.options;
        let mut meta = self.shared.meta.lock();
        let current = meta.current();
        let same_indexes = (current.key_index, current.time_index) == (options.key_index, options.time_index);
        if is_marked && same_indexes {
            return Ok(());
        }
        meta.write_both(&*self.shared.directory.storage, |meta| {
            meta.key_index = options.key_index;
            meta.time_index = options.time_index;
            meta.next_offset = next_offset;
            meta.visible_is_durable = self.shared.visible_is_durable();
            meta.clean = Some(CleanEnd { last });
        })
    }
}

impl Log for FileLog {
    fn publish_with(&self, messages: &[NewMessage<'_>], how: &PublishOptions) -> Result<u64> {
        let shared = &self.shared;
        shared.check_writable()?;
        let plan = if messages.is_empty() {
            None
        } else {
            Some(Plan::of(messages)?)
        };
        let waits = shared.visible_is_durable();
        let mut writer = shared.writer.lock();
        shared.check_writable()?;
        if (waits || how.sync) && writer.needs_copies() {
            // That may find no space for a copy, which must not happen when the batch is in the log already.
            let next_offset = writer.next_offset;
            drop(writer);
            shared.commit.wait_for(shared, next_offset)?;
            writer = shared.writer.lock();
            shared.check_writable()?;
        }
        if let Some(expected) = how
            .expect_next_offset
            .filter(|expected| *expected != writer.next_offset)
        {
            return Err(Error::OffsetMismatch {
                expected,
                actual: writer.next_offset,
            });
        }
        let Some(plan) = plan else {
            let next_offset = writer.next_offset;
            drop(writer);
            if how.sync {
                shared.commit.wait_for(shared, next_offset)?;
            }
            return self.next_offset();
        };
        writer.append(shared, messages, &plan)?;
        let (next_offset, unsynced_len) = (writer.next_offset, writer.unsynced_len);
        if let Some(active) = &writer.active {
            if !waits {
                active.show(writer.written());
            }
            shared.look_ahead(active, writer.end);
        }
        drop(writer);
        if !waits {
            shared.changes.notify();
        }
        if shared.upkeep_due.load(Ordering::Relaxed) {
            shared.keep_up();
        }
        if waits || how.sync {
            shared.commit.wait_for(shared, next_offset)?;
        } else {
            shared.pace(unsynced_len);
        }
        Ok(next_offset)
    }

    fn start_offset(&self) -> Result<u64> {
        Ok(Reader::new(&self.shared)?.list().start_offset)
    }

    #[inline]
    fn next_offset(&self) -> Result<u64> {
        Ok(Reader::new(&self.shared)?.next_offset())
    }

    fn consume(&self, from: Start, max_count: usize) -> Result<Batch> {
        Reader::with(&self.shared, |reader| {
            reader.consume(reader.resolve(from)?, max_count)
        })
    }

    fn consume_by_key(&self, key: &[u8], from: Start, max_count: usize) -> Result<Batch> {
        Reader::with(&self.shared, |reader| {
            if !self.shared.directory.kinds.key {
                return Err(Error::NoIndex);
            }
            reader.consume_by_key(key, reader.resolve(from)?, max_count)
        })
    }

    fn get(&self, at: Start) -> Result<Message> {
        Reader::with(&self.shared, |reader| reader.get(at))
    }

    fn get_by_key(&self, key: &[u8]) -> Result<Message> {
        Reader::with(&self.shared, |reader| reader.newest_by_key(key))
    }

    fn get_by_time(&self, start: Timestamp) -> Result<Message> {
        Reader::with(&self.shared, |reader| reader.first_at_or_after(start))
    }

    fn size(&self, message: &NewMessage<'_>) -> u64 {
        /// Position and link of a record and its share of the table of keys; time and its share of the block.
        const KEY: u64 = 9;
        const TIME: u64 = 3;
        const POSITION: u64 = 4;
        let kinds = self.shared.directory.kinds;
        let key = if kinds.key && message.key.is_some() {
            KEY
        } else {
            0
        };
        lone_len(message) + POSITION + key + if kinds.time { TIME } else { 0 }
    }

    fn stat(&self) -> Result<Stats> {
        Reader::with(&self.shared, |reader| self.stat_of(reader))
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
        self.shared.delete_some(offsets)
    }

    fn trim(&self, before: u64) -> Result<Trimmed> {
        self.shared.trim(before)
    }

    fn apply_retention(&self, dry_run: bool) -> Result<Trimmed> {
        self.shared.apply_retention(dry_run)
    }

    fn backup(&self, dir: &Path) -> Result<BackupReport> {
        self.shared.backup(dir)
    }

    fn sync(&self) -> Result<u64> {
        self.shared.check_writable()?;
        let next_offset = self.shared.writer.lock().next_offset;
        self.shared.commit.wait_for(&self.shared, next_offset)?;
        Ok(self.shared.commit.synced())
    }

    fn gc(&self, unused_for: Duration) -> Result<()> {
        self.shared.check_open()?;
        self.shared.release_unused(unused_for);
        Ok(())
    }

    fn close(&self) -> Result<()> {
        if !self.shared.mark_closed() {
            return Ok(());
        }
        let closed = self.close_files();
        self.shared.let_go();
        closed
    }

    fn changes(&self) -> Option<&Changes> {
        Some(&self.shared.changes)
    }
}

impl Drop for FileLog {
    fn drop(&mut self) {
        if crate::sys::is_forked() {
            // A child has none of the parent's threads, and locks may be held that nobody will ever release: it lets
            // go of nothing. What the parent has open stays the parent's.
            std::mem::forget(Arc::clone(&self.shared));
            return;
        }
        // Who wants to know calls `close`.
        let _ = self.close();
    }
}
