use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::state::State;
use crate::{Error, Log, Position, Result};

/// Says up to where a queue has dealt with its partitions. It does not keep the queue open.
#[derive(Clone, Debug)]
pub(crate) struct Floors(Weak<Mutex<State>>);

impl Floors {
    pub(super) fn of(state: &Arc<Mutex<State>>) -> Floors {
        Floors(Arc::downgrade(state))
    }

    /// For each partition the position of the first message that the queue may still need, even if
    /// all goes that is not on stable storage.
    pub(crate) fn synced(&self) -> Result<Vec<Position>> {
        let state = self.0.upgrade().ok_or(Error::Closed)?;
        let (floors, log) = {
            let state = state.lock();
            (state.floors(), Arc::clone(&state.journal.log))
        };
        if log.synced_offset()? < log.next_offset()? {
            log.sync()?;
        }
        Ok(floors)
    }
}
