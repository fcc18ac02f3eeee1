//! Bringing the table of producers to a file.
//!
//! Every batch of a producer names it in its header, so the segments tell the table. A file is
//! written so that opening a log need not read all of them, and, with the log synced, before
//! messages are removed: the batches of segments that are trimmed or rewritten are known only from
//! the file.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::Result;
use crate::control::Guard;
use crate::directory::Directory;
use crate::format::ProducersAt;

/// After so many bytes in segments, a table that is shorter is written again.
const LEN_UNSAVED_MAX: u64 = 64 << 20;

/// After so many segments as well.
const SEGMENTS_UNSAVED_MAX: u64 = 64;

/// How much of the table of producers is in a file.
#[derive(Debug)]
pub(super) struct SavedProducers {
    /// The offset up to which a file knows the batches.
    offset: AtomicU64,
    /// A table that is to be written once everything in front of its offset is durable.
    pending: Mutex<Option<ProducersAt>>,
    /// Segments begun since a table was written, or was to be.
    segments: AtomicU64,
    /// Held while a file is written.
    writing: Mutex<()>,
}

impl SavedProducers {
    /// The table is in a file up to this offset.
    pub(super) fn new(offset: u64) -> SavedProducers {
        SavedProducers {
            offset: AtomicU64::new(offset),
            pending: Mutex::new(None),
            segments: AtomicU64::new(0),
            writing: Mutex::new(()),
        }
    }

    /// Notes that a segment begins at `base`, in a log with this guard and rollover size.
    pub(super) fn begun(&self, guard: &Guard, base: u64, rollover: u64) {
        if guard.producers.is_empty() {
            return;
        }
        let segments = self.segments.fetch_add(1, Ordering::Relaxed) + 1;
        let due = LEN_UNSAVED_MAX.min(rollover.saturating_mul(SEGMENTS_UNSAVED_MAX));
        if segments.saturating_mul(rollover) >= due.max(4 * guard.producers.encoded_len()) {
            self.segments.store(0, Ordering::Relaxed);
            *self.pending.lock() = Some(ProducersAt {
                offset: base,
                producers: guard.producers.clone(),
            });
        }
    }

    /// The offset up to which a file knows the batches.
    pub(super) fn offset(&self) -> u64 {
        self.offset.load(Ordering::Acquire)
    }

    /// The table that is to be written, if everything in front of its offset is durable.
    pub(super) fn take_pending(&self, durable: u64) -> Option<ProducersAt> {
        self.pending.lock().take_if(|table| table.offset <= durable)
    }

    /// Writes a table, unless a newer one is there.
    pub(super) fn save(&self, directory: &Directory, table: &ProducersAt) -> Result<()> {
        let _one_at_a_time = self.writing.lock();
        if self.offset() >= table.offset {
            return Ok(());
        }
        let stored = directory.store_producers(table);
        directory.health.poison_on_failed_sync(stored)?;
        directory.remove_older_producers(table.offset)?;
        self.offset.store(table.offset, Ordering::Release);
        Ok(())
    }
}
