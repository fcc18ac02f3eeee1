//! What a log's handle, its readers and the background thread share.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, ReentrantMutex};

use super::append::Committer;
use crate::Changes;
use crate::Durability;
use crate::Options;
use crate::directory::Directory;
use crate::directory::Failure;
use crate::directory::MetaStore;
use crate::engine::append::Appender;
use crate::engine::segments::SegmentList;
use crate::engine::upkeep::Background;
use crate::segment::{Active, Prepared, Sealed, SegmentRef};
use crate::sys::{DirLock, is_forked};
use crate::{Error, Result};

/// A log that is open.
///
/// Locks, in the order in which they may be taken: `job`, `removal`, `writer`, `sealing`, `meta`, `prepared`, any of a
/// segment's own, the directory's `replacing`. Under `commit`'s, `unlink_pending`, `without_run`, `mapped` and `lock`
/// no other is taken.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) directory: Arc<Directory>,
    pub(crate) options: Options,
    pub(crate) list: ArcSwap<SegmentList>,
    pub(crate) writer: Mutex<Appender>,
    pub(crate) meta: Mutex<MetaStore>,
    pub(crate) commit: Committer,
    /// Who waits for the log to change.
    pub(crate) changes: Changes,
    /// A file for the next segment, if the background thread has one ready.
    pub(crate) prepared: Mutex<Option<Prepared>>,
    pub(crate) prepare_requested: AtomicBool,
    /// Set while a paced sync is due.
    pub(crate) pace_requested: AtomicBool,
    /// Held while a background job works on this log, so that closing can wait for it. A long job may be paused for
    /// an urgent one of the same log, on the same thread.
    pub(crate) job: ReentrantMutex<()>,
    pub(crate) background: Option<Background>,
    /// Held while messages are removed, and while a backup is taken: one at a time.
    pub(crate) removal: Mutex<()>,
    /// Held while a segment is sealed, or put in the place of another.
    pub(crate) sealing: Mutex<()>,
    /// Base offsets of segments that were merged into others and could not be removed.
    pub(crate) unlink_pending: Mutex<Vec<u64>>,
    /// Base offsets of segments that cannot be in a key run.
    pub(crate) without_run: Mutex<Vec<u64>>,
    /// Whether there is spare space for removing messages, as far as this handle knows.
    pub(crate) has_spare: AtomicBool,
    /// Set when removing has met a full disk, until there is spare space again: meanwhile nothing takes space that
    /// nobody waits for.
    pub(crate) is_space_short: AtomicBool,
    /// Set when a segment was begun since what is due then was done.
    pub(crate) upkeep_due: AtomicBool,
    /// Segments left behind that the background thread has been asked to seal and has not yet begun with.
    pub(crate) seals_pending: AtomicUsize,
    /// Sealed segments whose files are mapped, for letting go of some when there are too many.
    mapped: Mutex<Vec<Arc<Sealed>>>,
    state: AtomicU8,
    /// What poisoned the handle, if it was not a panic.
    failure: OnceLock<Failure>,
    lock: Mutex<Option<DirLock>>,
}

const OPEN: u8 = 0;
const POISONED: u8 = 1;
const CLOSED: u8 = 2;

impl Shared {
    pub(crate) fn new(
        directory: Arc<Directory>,
        options: Options,
        lock: DirLock,
        list: SegmentList,
        writer: Appender,
        meta: MetaStore,
        synced: u64,
    ) -> Shared {
        // From now on a fork of this process can be told.
        let _ = is_forked();
        let background = (options.background && !options.read_only).then(Background::join_in);
        Shared {
            directory,
            options,
            list: ArcSwap::from_pointee(list),
            writer: Mutex::new(writer),
            meta: Mutex::new(meta),
            commit: Committer::new(synced),
            changes: Changes::new(),
            prepared: Mutex::new(None),
            prepare_requested: AtomicBool::new(false),
            pace_requested: AtomicBool::new(false),
            job: ReentrantMutex::new(()),
            background,
            removal: Mutex::new(()),
            sealing: Mutex::new(()),
            unlink_pending: Mutex::new(Vec::new()),
            without_run: Mutex::new(Vec::new()),
            has_spare: AtomicBool::new(false),
            is_space_short: AtomicBool::new(false),
            upkeep_due: AtomicBool::new(false),
            seals_pending: AtomicUsize::new(0),
            mapped: Mutex::new(Vec::new()),
            state: AtomicU8::new(OPEN),
            failure: OnceLock::new(),
            lock: Mutex::new(Some(lock)),
        }
    }

    /// Fails if the handle was closed.
    #[inline]
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.state.load(Ordering::Acquire) & CLOSED == 0 {
            Ok(())
        } else {
            Err(Error::Closed)
        }
    }

    /// Fails if the handle was closed or may not write.
    #[inline]
    pub(crate) fn check_writable(&self) -> Result<()> {
        let state = self.state.load(Ordering::Acquire);
        if state != OPEN {
            return Err(if state & CLOSED == 0 {
                Error::Poisoned
            } else {
                Error::Closed
            });
        }
        if self.options.read_only {
            return Err(Error::ReadOnly);
        }
        if is_forked() { Err(Error::Poisoned) } else { Ok(()) }
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.state.load(Ordering::Acquire) & POISONED != 0
    }

    /// Refuses every write from now on, on this handle, because of `cause`.
    pub(crate) fn poison(&self, cause: &Error) {
        if let Some(failure) = Failure::of(cause) {
            let _ = self.failure.set(failure);
        }
        self.state.fetch_or(POISONED, Ordering::AcqRel);
        self.directory.writable.store(false, Ordering::Release);
        self.commit.fail_all();
        self.changes.poison();
    }

    /// Poisons the log if `result` is a failed sync, or any failure behind which the state on disk is unknown.
    pub(crate) fn poison_on_error<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.poison(error);
        }
        result
    }

    /// What poisoned the handle first, for all who have not been told.
    pub(crate) fn failure(&self) -> Error {
        let unknown = || Error::SyncFailed {
            path: self.directory.path.clone(),
            source: std::io::Error::other("a write or sync did not come to its end"),
        };
        self.failure.get().map_or_else(unknown, Failure::error)
    }

    /// Marks the handle as closed; false if it was already.
    pub(crate) fn mark_closed(&self) -> bool {
        let was_open = self.state.fetch_or(CLOSED, Ordering::AcqRel) & CLOSED == 0;
        self.changes.notify();
        was_open
    }

    /// Lets go of all files and of the lock.
    pub(crate) fn let_go(&self) {
        {
            let _no_replacing = self.directory.replacing.lock();
            self.directory.writable.store(false, Ordering::Release);
        }
        self.list.store(Arc::new(SegmentList::default()));
        self.mapped.lock().clear();
        self.lock.lock().take();
    }

    pub(crate) fn visible_is_durable(&self) -> bool {
        self.options.durability == Durability::EachPublish
    }

    /// Replaces the list of segments.
    pub(crate) fn change_list(&self, change: impl Fn(&mut SegmentList)) {
        self.list.rcu(|list| {
            let mut list = SegmentList::clone(list);
            change(&mut list);
            list
        });
    }

    /// Notes that a segment's files were mapped, and lets go of others when there are too many.
    pub(crate) fn note_mapped(&self, segment: &Arc<Sealed>) {
        let mut mapped = self.mapped.lock();
        let max = self.options.segments_mapped_max;
        if mapped.len() >= max {
            // Down to seven eighths, so that not every segment mapped costs a look at all.
            let keep = max - max.div_ceil(8);
            mapped.retain(|held| held.is_mapped() && !Arc::ptr_eq(held, segment));
            // Second chance: the first round passes over what was used since the last, the second takes anything.
            for anyway in [false, true] {
                let mut excess = mapped.len().saturating_sub(keep);
                mapped.retain(|held| {
                    let released = excess > 0 && held.release(anyway);
                    excess -= usize::from(released);
                    !released
                });
            }
        }
        mapped.push(Arc::clone(segment));
    }

    /// Forgets the segments whose files were let go of.
    pub(crate) fn drop_unmapped(&self) {
        self.mapped.lock().retain(|held| held.is_mapped());
    }

    /// Lets go of what was not used for so long, as far as calls of this have seen.
    pub(crate) fn release_unused(&self, unused_for: Duration) {
        let mut mapped = self.mapped.lock();
        let now = Instant::now();
        mapped.retain(|held| !held.release_unused(unused_for, now));
    }

    /// Whether `segment` is still a part of the log, and not sealed yet.
    pub(crate) fn has_segment(&self, segment: &Arc<Active>) -> bool {
        let list = self.list.load();
        list.segments
            .iter()
            .any(|held| matches!(held, SegmentRef::Active(active) if Arc::ptr_eq(active, segment)))
    }

    /// Puts another part in the place of the one with this base.
    pub(crate) fn replace_segment(&self, base: u64, with: &SegmentRef) {
        self.change_list(|list| {
            if let Some(segment) = list.segments.iter_mut().find(|segment| segment.base() == base) {
                *segment = with.clone();
            }
        });
    }
}
