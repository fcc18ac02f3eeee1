use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;

use super::state::State;
use crate::{Error, Log, Position, Result};

/// Up to where a queue had dealt with its partitions when it was closed: see [`Floors::synced`].
pub(super) type Last = Arc<OnceLock<Vec<Position>>>;

/// Says up to where a queue has dealt with its partitions. It does not keep the queue open.
#[derive(Clone, Debug)]
pub(crate) struct Floors {
    state: Weak<Mutex<State>>,
    last: Last,
}

impl Floors {
    pub(super) fn of(state: &Arc<Mutex<State>>, last: &Last) -> Floors {
        Floors {
            state: Arc::downgrade(state),
            last: Arc::clone(last),
        }
    }

    /// For each partition the position of the first message that the queue may still need, even if
    /// all goes that is not on stable storage.
    pub(crate) fn synced(&self) -> Result<Vec<Position>> {
        if let Some(floors) = self.last.get() {
            return Ok(floors.clone());
        }
        let state = self.state.upgrade().ok_or(Error::Closed)?;
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
