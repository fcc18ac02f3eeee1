//! What a store does in its turns: closing idle partitions, removing deleted streams, and what is
//! due without anybody using a stream.

use std::sync::{Arc, Weak};

use super::compacting;
use super::inner::Inner;
use crate::Result;
use crate::scheduler::{Turn, Worker};
use crate::sys::Dir;

/// Takes the turns of a store, which it does not keep open.
struct Turns(Weak<Inner>);

/// Has the store take turns from now on, if it has a background.
pub(super) fn start(inner: &Arc<Inner>, root: &Dir) {
    if inner.options.log.background {
        let turns = Arc::new(Turns(Arc::downgrade(inner)));
        let file_system = root.file_system().unwrap_or(0);
        inner.keeper.start(turns, &inner.scheduler, file_system);
        compacting::start(inner, &inner.scheduler, file_system);
        inner.begin_keeping();
        // Opening may have left partitions open, and intents.
        inner.keeper.look_later(inner.options.idle_after);
        if inner.intents.is_any() {
            inner.keeper.settle_later();
        }
    }
}

impl Worker for Turns {
    fn turn(&self, kind: Turn) {
        if let Some(inner) = self.0.upgrade() {
            inner.turn(kind);
        }
    }
}

impl Inner {
    /// Removes all streams that were deleted.
    pub(super) fn purge_all(&self) -> Result<()> {
        while let Some(entry) = self.keeper.next_deleted() {
            if let Err(error) = self.purge(&entry) {
                self.keeper.purge_later(&entry);
                return Err(error);
            }
        }
        Ok(())
    }

    fn turn(&self, kind: Turn) {
        let _closing_waits = self.keeper.begin_turn();
        if self.check_writable().is_err() {
            return;
        }
        if kind == Turn::Timed {
            self.keeper.looks();
            if self.intents.is_any() {
                // What fails is tried again.
                let _ = self.settle();
                if self.intents.is_any() {
                    self.keeper.settle_later();
                }
            }
            if self.open.close_idle(self.options.idle_after) {
                self.keeper.look_later(self.options.idle_after);
            }
        }
        if let Some(entry) = self.keeper.next_deleted() {
            if self.purge(&entry).is_err() {
                return self.keeper.purge_again(entry);
            }
            self.keeper.go_on();
        }
        self.take_look();
    }
}
