//! When the table of producers is brought to its file.

use super::publish::Append;
use crate::control::Guard;
use crate::format::ProducersAt;
use crate::{Error, Job, Result};

impl Append {
    /// Writes the table that is pending, if everything in front of its offset is durable. If that
    /// fails, the segments still tell the table.
    pub(super) fn save_pending_producers(&self) {
        let context = &self.context;
        if let Some(table) = context.producers.take_pending(context.frontiers.durable()) {
            let saved = context.producers.save(context.directory(), &table);
            context.segments.teller.note_failure(Job::Producers, saved);
        }
    }

    /// Makes sure that the batches in front of the offset `below` are known without their segments,
    /// if producers have published any.
    pub(crate) fn keep_producers(&self, below: u64) -> Result<()> {
        if self.context.producers.offset() >= below {
            return Ok(());
        }
        let table = self.producers_now();
        if table.producers.is_empty() {
            return Ok(());
        }
        self.wait_for(table.offset)?;
        self.context.producers.save(self.context.directory(), &table)
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
        if self.context.producers.offset() >= offset || guard.producers.is_empty() {
            return Ok(());
        }
        let producers = guard.producers.clone();
        let table = ProducersAt { offset, producers };
        match self.context.producers.save(self.context.directory(), &table) {
            failed @ Err(Error::SyncFailed { .. }) => failed,
            saved => {
                self.context.segments.teller.note_failure(Job::Producers, saved);
                Ok(())
            }
        }
    }
}
