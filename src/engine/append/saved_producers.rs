//! Bringing the table of producers to a file.
//!
//! Every batch of a producer names it in its header, so the segments tell the table. A file is
//! written so that opening a log need not read all of them, and, with the log synced, before
//! messages are removed: the batches of segments that are trimmed or rewritten are known only from
//! the file.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::publish::Append;
use crate::control::Guard;
use crate::format::ProducersAt;
use crate::{Error, Result};

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
}

impl Append {
    /// Writes the table that is pending, if everything in front of its offset is durable. If that
    /// fails, the segments still tell the table.
    pub(super) fn save_pending_producers(&self) {
        let durable = self.context.frontiers.durable();
        let pending = self
            .context
            .producers
            .pending
            .lock()
            .take_if(|table| table.offset <= durable);
        if let Some(table) = pending {
            let _ = self.save_producers(&table);
        }
    }

    fn save_producers(&self, table: &ProducersAt) -> Result<()> {
        let saved = &self.context.producers;
        let _one_at_a_time = saved.writing.lock();
        if saved.offset.load(Ordering::Acquire) >= table.offset {
            return Ok(());
        }
        let directory = self.context.directory();
        let stored = directory.store_producers(table);
        self.context.health().poison_on_failed_sync(stored)?;
        directory.remove_older_producers(table.offset)?;
        saved.offset.store(table.offset, Ordering::Release);
        Ok(())
    }

    /// Makes sure that the batches in front of the offset `below` are known without their segments,
    /// if producers have published any.
    pub(crate) fn keep_producers(&self, below: u64) -> Result<()> {
        if self.context.producers.offset.load(Ordering::Acquire) >= below {
            return Ok(());
        }
        let table = self.producers_now();
        if table.producers.is_empty() {
            return Ok(());
        }
        self.wait_for(table.offset)?;
        self.save_producers(&table)
    }

    /// The table of producers as it is now.
    pub(crate) fn producers_now(&self) -> ProducersAt {
        let appender = self.appender.lock();
        ProducersAt {
            offset: appender.next_offset,
            producers: appender.guard.producers.clone(),
        }
    }

    /// Writes the table of a log that is being closed, and is durable. If there is no space for it,
    /// the segments still tell it. After a failed sync nothing may be said to be durable.
    pub(super) fn save_producers_at_close(&self, offset: u64, guard: &Guard) -> Result<()> {
        let is_saved = self.context.producers.offset.load(Ordering::Acquire) >= offset;
        if is_saved || guard.producers.is_empty() {
            return Ok(());
        }
        let producers = guard.producers.clone();
        match self.save_producers(&ProducersAt { offset, producers }) {
            failed @ Err(Error::SyncFailed { .. }) => failed,
            _ => Ok(()),
        }
    }
}
