use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;

use super::frontiers::Frontiers;
use super::group_commit::GroupCommit;
use super::saved_producers::SavedProducers;
use crate::directory::{Directory, Health, LiveMetadata, NoteToReaders};
use crate::engine::segments::Segments;
use crate::log::{Tally, Timed};
use crate::segment::Prepared;
use crate::{Clock, Result};

/// What appending works on.
#[derive(Debug)]
pub(super) struct AppendContext {
    pub(super) directory: Arc<Directory>,
    pub(super) segments: Arc<Segments>,
    pub(super) metadata: Arc<LiveMetadata>,
    pub(super) frontiers: Frontiers,
    pub(super) commit: GroupCommit,
    /// The file of the next segment, if it was prepared.
    pub(super) prepared: Mutex<Option<Prepared>>,
    pub(super) clock: Arc<dyn Clock>,
    /// The size at which a segment is left behind and a new one begun.
    pub(super) rollover: u64,
    /// One past the record that has sealed the log; `u64::MAX` if it is not sealed.
    pub(super) sealed_at: AtomicU64,
    pub(super) producers: SavedProducers,
    pub(super) note: NoteToReaders,
    pub(super) tally: Option<Arc<dyn Tally>>,
}

impl AppendContext {
    #[inline]
    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Notes that everything below `offset` was synced; see [`Frontiers::all_synced`].
    pub(super) fn all_synced(&self, offset: u64) {
        self.frontiers.all_synced(offset);
        self.health().meter().synced_to(|| self.frontiers.durable());
    }

    /// Counts and measures a sync of everything that was written, if it succeeds.
    pub(super) fn syncing<T>(&self, sync: impl FnOnce() -> Result<T>) -> Result<T> {
        let synced = self.health().meter().time(Timed::Sync, sync)?;
        if let Some(tally) = &self.tally {
            tally.synced();
        }
        Ok(synced)
    }

    #[inline]
    pub(super) fn health(&self) -> &Health {
        &self.directory.health
    }

    /// Has readers beside this handle know that everything below `offset` is on stable storage,
    /// unless a marker says so. Called before anybody is shown or acknowledged anything of it.
    pub(super) fn tell_durable(&self, is_marked: bool, offset: u64) {
        if !is_marked && self.frontiers.visible_is_durable() {
            // Where no note can be written, readers wait for the next marker.
            let _ = self.note.write(&self.directory, offset);
        }
    }
}
