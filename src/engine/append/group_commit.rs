//! Group commit: one thread syncs on behalf of all that wait.

use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::shared::Shared;
use crate::segment::{Active, Visible};
use crate::{Error, Result};

/// Who syncs, and how far all is durable.
#[derive(Debug)]
pub(crate) struct Committer {
    state: Mutex<State>,
    changed: Condvar,
    /// Every message below this offset is on stable storage.
    synced: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    syncing: bool,
    failed: bool,
}

/// What one sync is to cover: taken before the sync begins, because a store made meanwhile may or may not be covered.
struct Snapshot {
    /// Segments that were left behind unsynced, oldest first.
    unsynced: Vec<Arc<Active>>,
    active: Option<Arc<Active>>,
    visible: Visible,
    next_offset: u64,
}

impl Committer {
    pub(crate) fn new(synced: u64) -> Committer {
        Committer {
            state: Mutex::default(),
            changed: Condvar::new(),
            synced: AtomicU64::new(synced),
        }
    }

    /// Every message below this offset is on stable storage.
    pub(crate) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// Notes that everything below `offset` is durable, and wakes who waits for it.
    pub(crate) fn advance(&self, offset: u64) {
        let _state = self.state.lock();
        self.synced.fetch_max(offset, Ordering::AcqRel);
        self.changed.notify_all();
    }

    /// Fails everybody who waits, or will.
    pub(crate) fn fail_all(&self) {
        self.state.lock().failed = true;
        self.changed.notify_all();
    }

    /// Returns when everything below `offset` is durable.
    pub(crate) fn wait_for(&self, shared: &Arc<Shared>, offset: u64) -> Result<()> {
        let mut state = self.state.lock();
        loop {
            if self.synced() >= offset {
                return Ok(());
            }
            if state.failed {
                return Err(shared.failure());
            }
            if state.syncing {
                self.changed.wait(&mut state);
                continue;
            }
            state.syncing = true;
            drop(state);
            // If syncing panics, nobody may be left waiting: the guard fails them all.
            let guard = Leading { shared };
            let synced = lead(shared);
            std::mem::forget(guard);
            // No space for the copy of a segment that is not proven: nothing was lost, and it can be tried again.
            if let Err(error) = &synced
                && !matches!(error, Error::Io { .. })
            {
                shared.poison(error);
            }
            state = self.state.lock();
            state.syncing = false;
            self.changed.notify_all();
            synced?;
        }
    }
}

struct Leading<'a> {
    shared: &'a Shared,
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.shared.poison(&Error::Poisoned);
    }
}

/// One sync of everything that has been written.
fn lead(shared: &Arc<Shared>) -> Result<()> {
    let snapshot = shared.writer.lock().snapshot();
    if shared.is_poisoned() {
        // Closing may have taken the segments away and failed to sync them.
        return Err(shared.failure());
    }
    for segment in &snapshot.unsynced {
        segment.sync(&shared.directory)?;
    }
    if let Some(active) = &snapshot.active {
        active.sync(&shared.directory)?;
        active.raise_frontier(snapshot.visible.end);
        if shared.visible_is_durable() {
            active.show_at_least(snapshot.visible);
            shared.changes.notify();
        }
    }
    shared
        .writer
        .lock()
        .synced(&snapshot.unsynced, snapshot.active.as_ref(), snapshot.visible.end);
    shared.commit.advance(snapshot.next_offset);
    Ok(())
}

impl crate::engine::append::Appender {
    fn snapshot(&self) -> Snapshot {
        Snapshot {
            unsynced: self.unsynced.clone(),
            active: self.active.clone(),
            visible: Visible {
                count: self.count,
                end: self.end,
            },
            next_offset: self.next_offset,
        }
    }

    /// Forgets segments that are durable now, and marks the end if nothing was added since it was taken.
    fn synced(&mut self, segments: &[Arc<Active>], active: Option<&Arc<Active>>, end: u32) {
        self.unsynced_len = 0;
        self.unsynced
            .retain(|held| !segments.iter().any(|synced| Arc::ptr_eq(held, synced)));
        if let (Some(ours), Some(active)) = (&self.active, active)
            && Arc::ptr_eq(ours, active)
            && self.end == end
        {
            self.mark_end();
        }
    }
}
