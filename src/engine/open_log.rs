use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::append::Append;
use super::backup::Source;
use super::beside::{Beside, Find, KnownLives};
use super::found_log::FoundLog;
use super::remove::{Remove, Space};
use super::segments::{Look, Reader, Segments};
use super::teller::Teller;
use super::upkeep::Upkeep;
use crate::control::ControlState;
use crate::directory::{Directory, Health, LiveMetadata};
use crate::format::{CleanEnd, Meta, Previous};
use crate::log::Span;
use crate::scheduler::Scheduler;
use crate::segment::{Active, INDEX_LEN_MIN, Seal, SegmentRef};
use crate::sys::DirLock;
use crate::{Error, Options, Position, Result, Start, Stats};

/// A log that is open: what its handle, its readers and upkeep share.
///
/// Locks are taken in this order: a turn of upkeep; the permission to remove; the appender;
/// replacing a segment; the metadata; the table of producers; the prepared file; a segment's own
/// lock; renaming. While a thread holds any other lock (of group commit, mappings, space, what is
/// to be copied, tasks or the scheduler), it takes none of these.
#[derive(Debug)]
pub(crate) struct OpenLog {
    pub(super) options: Options,
    pub(super) directory: Arc<Directory>,
    pub(super) segments: Arc<Segments>,
    pub(super) metadata: Arc<LiveMetadata>,
    pub(super) append: Arc<Append>,
    pub(super) remove: Arc<Remove>,
    pub(super) space: Arc<Space>,
    pub(super) upkeep: Arc<Upkeep>,
    pub(super) lives: Arc<KnownLives>,
    /// What looks at the log beside a writer, if this handle only reads; the segments borrow it.
    beside: Option<Arc<Beside>>,
    lock: Mutex<Option<DirLock>>,
}

impl OpenLog {
    pub(super) fn new(options: &Options, opened: FoundLog, lock: Option<DirLock>, find: Find) -> OpenLog {
        let FoundLog {
            directory,
            list,
            appender,
            metadata,
            durable,
            producers_saved,
            home,
            common_until,
            unsynced,
            seen,
            recovered,
        } = opened;
        if lock.is_some() && !options.environment.is_brief {
            directory.hang_bell();
        }
        let next_offset = appender.next_offset;
        let lives = metadata.current().lives.clone();
        let lives = Arc::new(KnownLives::new(lives, common_until));
        let scheduler = (options.background && !options.read_only).then(|| {
            let shared = options.environment.scheduler.clone();
            shared.unwrap_or_else(Scheduler::of_process)
        });
        let teller = Teller::new(&directory, options, scheduler.as_ref());
        if let Some(recovered) = recovered {
            teller.note(|| recovered);
        }
        let mapped_max = options.segments_mapped_max.min(directory.dir.kept_open_max());
        let segments = Arc::new(Segments::new(&directory, teller, list, mapped_max));
        let metadata = Arc::new(LiveMetadata::new(&directory, metadata, home));
        let append = Arc::new(Append::new(
            &segments,
            &metadata,
            appender,
            (durable, producers_saved),
            options,
        ));
        directory.health.meter().opened(next_offset, durable);
        if let Some(outer) = &options.environment.changes {
            directory.health.changes().tell_too(outer);
        }
        segments.show();
        let space = Arc::new(Space::new(&directory, options.rollover));
        let remove = Arc::new(Remove::new(&append, &segments, &metadata, &space, options));
        let upkeep = Upkeep::new(&segments, &append, &remove, &space, options, scheduler.as_ref());
        let beside = seen.map(|seen| {
            let beside = Beside::new((options, find), seen, &segments, &append, &metadata, &lives);
            let beside = Arc::new(beside);
            let eyes: Arc<dyn Look> = Arc::clone(&beside) as _;
            segments.watch_by(Arc::downgrade(&eyes));
            beside
        });
        for (segment, extent) in unsynced {
            upkeep.ask_to_seal(&segment, extent.seal());
        }
        OpenLog {
            options: options.clone(),
            directory,
            segments,
            metadata,
            append,
            remove,
            space,
            upkeep,
            lives,
            beside,
            lock: Mutex::new(lock),
        }
    }

    /// Takes note of what another handle has done to the log, if this one only reads.
    pub(super) fn look(&self) -> Result<()> {
        self.health().check_open()?;
        self.segments.look(false)
    }

    /// Tells what happens to the log.
    pub(super) fn teller(&self) -> &Teller {
        &self.segments.teller
    }

    pub(super) fn health(&self) -> &Health {
        &self.directory.health
    }

    /// Every message below this offset is on stable storage, as far as `reader` sees the log.
    pub(super) fn synced_for(&self, reader: &Reader<'_>) -> u64 {
        let frontiers = self.append.frontiers();
        // Where only durable messages are visible, a sync shows them a moment before it moves the
        // durable end, so the visible end is durable too. A read-only handle has not synced what it
        // shows.
        let is_durable = frontiers.visible_is_durable() && frontiers.has_proven_found();
        if is_durable && !self.health().is_read_only() {
            return reader.next_offset();
        }
        frontiers.durable().min(reader.next_offset())
    }

    /// Whether the log is sealed, and `reader` sees all of it. If it sees more, somebody has opened
    /// the log again.
    pub(super) fn is_sealed(&self, reader: &Reader<'_>) -> bool {
        reader.next_offset() == self.append.sealed_at()
    }

    /// See [`Log::stat`](crate::Log::stat).
    pub(super) fn stat(&self, reader: &Reader<'_>) -> Result<Stats> {
        let mut stats = Stats {
            segments: reader.list().segments.len() as u64,
            start_offset: reader.list().start_offset,
            next_offset: reader.next_offset(),
            synced_offset: self.synced_for(reader),
            unsynced_since: self
                .append
                .frontiers()
                .waiting()
                .oldest()
                .map(|oldest| oldest.since),
            epoch: self.lives.epoch(),
            life: Some(self.lives.current()),
            token: self.append.token(),
            is_sealed: self.is_sealed(reader),
            producers: match &self.beside {
                Some(beside) => beside.producers()?.count() as u64,
                None => self.append.producer_count() as u64,
            },
            key_index: self.directory.kinds.key,
            time_index: self.directory.kinds.time,
            mapped_files: self.directory.dir.mapped_files(),
            ..Stats::default()
        };
        for segment in &reader.list().segments {
            let (count, end) = reader.read(segment, |opened| {
                let count = opened.messages_in(stats.start_offset..stats.next_offset)?;
                Ok((count, opened.end()))
            })?;
            stats.messages += u64::from(count);
            stats.size += u64::from(end);
            if let SegmentRef::Sealed(sealed) = segment {
                stats.size += sealed.index_len()?;
            }
        }
        Ok(stats)
    }

    /// See [`Log::position_at`](crate::Log::position_at).
    pub(super) fn position_at(&self, offset: u64) -> Result<Position> {
        self.look()?;
        Ok(self.lives.position_at(offset))
    }

    /// See [`Log::resume`](crate::Log::resume).
    pub(super) fn resume(&self, position: Position) -> Result<Start> {
        self.look()?;
        self.lives.resume(position)
    }

    /// See [`Log::gc`](crate::Log::gc).
    pub(super) fn gc(&self, unused_for: Duration) -> Result<()> {
        self.look()?;
        self.segments.release_unused(unused_for);
        Ok(())
    }

    /// Copies `source` by `copy`. Whatever fails once the log is closed, fails because of that.
    fn copied<T>(&self, source: &Source<'_>, copy: impl Fn(&Source<'_>) -> Result<T>) -> Result<T> {
        copy(source).or_else(|error| self.health().check_open().and(Err(error)))
    }

    /// Copies the log by `copy`. Whatever fails once it is closed, fails because of that.
    pub(super) fn copy<T>(&self, copy: impl Fn(&Source<'_>) -> Result<T>) -> Result<T> {
        /// How often a copy is made at most of a log that somebody else changes meanwhile.
        const ATTEMPTS_MAX: u32 = 8;
        self.look()?;
        let _span = Span::backup(self.directory.dir.path());
        let source = Source {
            segments: &self.segments,
            metadata: &self.metadata,
            remove: &self.remove,
            append: &self.append,
            beside: self.beside.as_deref(),
        };
        if !self.segments.is_watched() {
            return self.copied(&source, &copy);
        }
        let mut attempts = 0;
        loop {
            // Holding the list would hold all files that are removed meanwhile.
            let list = Arc::downgrade(&self.segments.list());
            let was_closed = self.metadata.get(|meta| meta.clean.is_some());
            let copied = self.copied(&source, &copy);
            attempts += 1;
            self.segments.look(true)?;
            // What is copied again costs no more than what has changed. A copy of a log that is
            // open was made from files that were opened before, so it is of one moment.
            let is_suspect = match &copied {
                Ok(_) => was_closed,
                Err(error) => matches!(error, Error::Corrupt { .. } | Error::Io { .. }),
            };
            let is_same = list.ptr_eq(&Arc::downgrade(&self.segments.list()));
            if is_same || !is_suspect || attempts == ATTEMPTS_MAX {
                return copied;
            }
        }
    }

    /// Has the metadata say which indexes the log has from now on.
    pub(super) fn note_indexes(&self) -> Result<()> {
        let kinds = self.directory.kinds;
        if self.health().is_read_only() || self.metadata.get(Meta::index_kinds) == kinds {
            return Ok(());
        }
        self.metadata.write_both(|meta| {
            meta.key_index = kinds.key;
            meta.time_index = kinds.time;
        })
    }

    /// See [`Log::close`](crate::Log::close).
    pub(super) fn close(&self) -> Result<()> {
        let (closed, lock) = self.close_under_lock();
        drop(lock);
        if !self.health().is_forked() {
            self.teller().tell();
        }
        closed
    }

    /// Closes the log. Who does so first gets the lock on the directory, too.
    pub(super) fn close_under_lock(&self) -> (Result<()>, Option<DirLock>) {
        if self.health().is_forked() {
            // All that is open belongs to the parent. But its lock must not outlast it in the
            // child's copies of the descriptors.
            drop(self.lock.try_lock().and_then(|mut lock| lock.take()));
            return (Err(Error::Forked), None);
        }
        if !self.health().close() {
            return (Ok(()), None);
        }
        let closed = self.close_files();
        self.segments.show();
        self.health().give_up();
        if let Some(beside) = &self.beside {
            // Before the list is cleared: a look that is under way replaces it.
            beside.close();
        }
        self.segments.clear();
        (closed, self.lock.lock().take())
    }

    fn close_files(&self) -> Result<()> {
        // After the next three lines, neither upkeep nor a removal is at work on this log, and no
        // backup changes anything here.
        self.upkeep.stop();
        let removal = self.remove.hold();
        removal.end_copies();
        if self.health().is_read_only() {
            return Ok(());
        }
        // Only the indexes written now still take space, so no space has to be kept back.
        self.space.end_shortage();
        let seal_all = |last: Option<(&Arc<Active>, Seal)>| {
            let worth_it = last.filter(|(_, seal)| seal.len >= INDEX_LEN_MIN);
            self.upkeep.seal_all(worth_it);
        };
        let closed = self.append.close(seal_all, |control, last, is_marked| {
            self.mark_clean(control, last, is_marked)
        });
        self.directory.take_bell_down();
        closed.inspect(|()| self.remove.note_end())
    }

    fn mark_clean(
        &self,
        control: (u64, ControlState),
        last: Option<Previous>,
        is_marked: bool,
    ) -> Result<()> {
        if is_marked {
            return Ok(());
        }
        self.metadata.write_both(|meta| {
            meta.next_offset = control.0;
            meta.control = control;
            meta.visible_is_durable = self.append.frontiers().visible_is_durable();
            meta.clean = Some(CleanEnd { last });
        })?;
        self.health().meter().synced_to(|| control.0);
        Ok(())
    }
}
