//! A log that is published to under conditions.

use duramen::{Log, NewMessage};

use crate::conditions::Conditions;
use crate::failure::Failure;
use crate::publisher::{InputArgs, Sink};

/// A log, and what was published to it.
pub(crate) struct Target<'a, L> {
    log: L,
    conditions: &'a Conditions,
    /// Whether every batch is synced.
    is_synced: bool,
    batches: u64,
    pub(crate) published: u64,
    /// Messages that had been published before.
    pub(crate) duplicates: u64,
    /// Where the first batch begins, once there is one.
    start_offset: Option<u64>,
}

/// Where what was published begins and ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) start_offset: u64,
    pub(crate) next_offset: u64,
}

impl<'a, L: Log> Target<'a, L> {
    pub(crate) fn new(log: L, args: &'a InputArgs) -> Target<'a, L> {
        Target {
            log,
            conditions: &args.conditions,
            is_synced: args.sync,
            batches: 0,
            published: 0,
            duplicates: 0,
            start_offset: None,
        }
    }

    /// Syncs everything to stable storage.
    pub(crate) fn sync(&self) -> Result<Extent, Failure> {
        self.log.sync()?;
        let next_offset = self.log.next_offset()?;
        Ok(Extent {
            start_offset: self.start_offset.unwrap_or(next_offset),
            next_offset,
        })
    }
}

impl<L: Log> Sink for Target<'_, L> {
    fn publish(&mut self, batch: &[NewMessage<'_>]) -> Result<(), Failure> {
        let how = self.conditions.of_batch(self.batches)?.sync(self.is_synced);
        let ack = self.log.append(batch, &how)?;
        let messages = batch.len() as u64;
        if ack.is_duplicate {
            self.conditions.check_duplicate(&ack, self.batches, messages)?;
            self.duplicates += messages;
        } else {
            self.published += messages;
        }
        self.start_offset.get_or_insert(ack.start.offset);
        self.batches += 1;
        Ok(())
    }
}
