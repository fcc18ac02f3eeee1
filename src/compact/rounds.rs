use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::multi::delete_round;
use super::{Progress, Settings};
use crate::{Deleted, Log, Message, Result, Start};

/// Messages read at a time.
const BATCH_LEN: usize = 1024;

/// A walk through a log that collects the offsets of superfluous messages. Each time it has enough
/// of them, a round removes the messages.
///
/// Nothing is locked between rounds. If another thread removes a collected message first, the round
/// ignores its offset, as a delete ignores any offset that is not in the log.
pub(super) struct Rounds<'a, L: ?Sized, P> {
    log: &'a L,
    settings: &'a Settings,
    pace: P,
    offsets: BTreeSet<u64>,
    progress: Progress,
}

impl<'a, L: Log + ?Sized, P: FnMut(&Progress) -> ControlFlow<()>> Rounds<'a, L, P> {
    pub(super) fn new(log: &'a L, settings: &'a Settings, pace: P) -> Rounds<'a, L, P> {
        Rounds {
            log,
            settings,
            pace,
            offsets: BTreeSet::new(),
            progress: Progress::default(),
        }
    }

    pub(super) fn deleted(&self) -> Deleted {
        self.progress.deleted
    }

    /// Removes the messages for which `is_superfluous` returns true. Messages published after the
    /// call began are left alone.
    pub(super) fn run(
        &mut self,
        is_superfluous: impl Fn(&Message) -> Result<bool>,
    ) -> Result<ControlFlow<()>> {
        // Messages published from now on are left to the next compaction, so this one ends.
        let end = self.log.next_offset()?;
        let mut next = Start::Oldest;
        loop {
            let batch = match self.log.consume(next, BATCH_LEN) {
                // Another thread has trimmed the log meanwhile.
                Err(error) if error.is_trimmed() => self.log.consume(Start::Oldest, BATCH_LEN)?,
                batch => batch?,
            };
            for message in batch.messages.iter().take_while(|message| message.offset < end) {
                self.progress.read += 1;
                if is_superfluous(message)? && self.take(message)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            self.progress.next_offset = batch.next_offset.min(end);
            next = Start::At(batch.next_offset);
            // Its memory is not held while messages are removed.
            drop(batch);
            if (self.pace)(&self.progress).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if self.progress.next_offset >= end {
                return self.finish_round();
            }
        }
    }

    fn take(&mut self, message: &Message) -> Result<ControlFlow<()>> {
        if self.settings.dry_run {
            let size = self.log.size(&message.as_new());
            self.progress.deleted += Deleted::new(1, size);
            return Ok(ControlFlow::Continue(()));
        }
        self.offsets.insert(message.offset);
        self.progress.remaining = self.offsets.len() as u64;
        if self.offsets.len() < self.settings.offsets_max {
            return Ok(ControlFlow::Continue(()));
        }
        self.finish_round()
    }

    fn finish_round(&mut self) -> Result<ControlFlow<()>> {
        if self.offsets.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        // The superseding messages must be durable before the superseded ones go. Otherwise a power
        // cut could take both.
        self.log.sync()?;
        let pace = &mut self.pace;
        delete_round(self.log, &mut self.offsets, &mut self.progress, |progress, _| {
            pace(progress)
        })
    }
}
