use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::multi::delete_round;
use super::{Progress, Settings};
use crate::{Deleted, Log, Message, Result, Start};

/// Messages read at a time.
const BATCH_LEN: usize = 1024;

/// A walk through a log that collects offsets and, each time there are enough of them, removes their messages.
///
/// Nothing is locked in between: a message that is collected may be removed by others before its round is, and is then
/// ignored like any offset that is not in the log.
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

    /// Removes what `is_superfluous` says, of what was in the log when this was called.
    pub(super) fn run(
        &mut self,
        is_superfluous: impl Fn(&Message) -> Result<bool>,
    ) -> Result<ControlFlow<()>> {
        // What is published from now on is left to the next compaction: this one has an end.
        let end = self.log.next_offset()?;
        let mut next = Start::Oldest;
        loop {
            let batch = match self.log.consume(next, BATCH_LEN) {
                // Trimmed meanwhile by others.
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
            // Not to be kept while others are removed.
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
        // What supersedes a message has to be durable before that message goes: else a power cut could take both.
        self.log.sync()?;
        let pace = &mut self.pace;
        delete_round(self.log, &mut self.offsets, &mut self.progress, |progress, _| {
            pace(progress)
        })
    }
}
