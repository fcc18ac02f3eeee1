//! A sync of everything that has been written.

use std::sync::Arc;

use super::appender::Appender;
use super::context::AppendContext;
use super::publish::Append;
use crate::Result;
use crate::log::Span;
use crate::segment::{Active, Visible};

/// The kernel copies what a call writes page by page.
const PAGE: u64 = 4096;

/// What one sync is to cover. It is taken before the sync begins, because the sync may or may not
/// cover bytes that are stored meanwhile.
struct Snapshot {
    /// Segments that were left behind unsynced, oldest first.
    unsynced: Vec<Arc<Active>>,
    active: Option<Arc<Active>>,
    end: Visible,
    next_offset: u64,
    /// See [`Backlog::snapshot`].
    written: u64,
}

impl Append {
    /// Syncs, once, everything that has been written; `begun` is told up to where that is.
    pub(super) fn sync_all(&self, begun: &dyn Fn(u64)) -> Result<()> {
        let context = &self.context;
        let _span = Span::sync(context.directory().dir.path());
        let snapshot = self.appender.lock().snapshot();
        begun(snapshot.next_offset);
        // Closing may have taken the segments out of the appender and failed to sync them.
        context.health().check_not_poisoned()?;
        // What is synced in a directory that was removed cannot be found again.
        context.directory().dir.check_exists()?;
        for segment in &snapshot.unsynced {
            segment.sync(context.directory())?;
        }
        if let Some(active) = &snapshot.active {
            active.sync(context.directory())?;
        }
        let is_marked = self.appender.lock().forget_synced(&snapshot);
        context.tell_durable(is_marked, snapshot.next_offset);
        if let Some(active) = &snapshot.active {
            context.frontiers.synced(active, snapshot.end);
            if context.frontiers.visible_is_durable() {
                context.health().changes().notify();
            }
        }
        context.all_synced(snapshot.next_offset);
        Ok(())
    }
}

impl Appender {
    fn snapshot(&mut self) -> Snapshot {
        Snapshot {
            unsynced: self.unsynced.clone(),
            active: self.active.clone(),
            end: self.written,
            next_offset: self.next_offset,
            written: self.backlog.snapshot(),
        }
    }

    /// Notes what is durable if a batch of `len` bytes is about to be written over the marker that
    /// says so. The process may be killed at the end of any page of it, and a torn record says
    /// nothing of what was durable before.
    pub(super) fn note_before_tearing(&self, context: &AppendContext, len: u64) {
        let from = u64::from(self.written.end);
        let is_in_one_page = from / PAGE == (from + len - 1) / PAGE;
        if !is_in_one_page && context.frontiers.durable() == self.next_offset {
            context.tell_durable(false, self.next_offset);
        }
    }

    /// Forgets segments that are durable now, and marks the end if nothing was added since the
    /// snapshot. Returns whether the log's files tell readers that all of the snapshot is durable.
    fn forget_synced(&mut self, snapshot: &Snapshot) -> bool {
        if let Some(active) = &snapshot.active {
            // Not before whoever rolls over can tell that nobody has marked the end yet.
            active.raise_frontier(snapshot.end.end);
        }
        self.backlog.synced(snapshot.written);
        self.unsynced
            .retain(|held| !snapshot.unsynced.iter().any(|synced| Arc::ptr_eq(held, synced)));
        if let (Some(ours), Some(active)) = (&self.active, &snapshot.active)
            && Arc::ptr_eq(ours, active)
            && self.written.end == snapshot.end.end
        {
            return self.mark_end();
        }
        false
    }
}
