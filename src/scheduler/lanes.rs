use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::queue::{Queue, Turn, Worker};
use crate::sys::{Mutex, PerProcess};

/// What shares a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// Work on files, which waits when this file system hangs.
    FileSystem(u64),
    /// Work on files of this file system that is not done in slices.
    Long(u64),
    /// What touches no file.
    Telling,
}

/// Gives turns to the workers that [join](Scheduler::join) it, on one thread for each [`Lane`]. The
/// thread starts when a member of the lane first asks for a turn, and ends when the last leaves.
#[derive(Clone)]
pub(crate) struct Scheduler {
    pub(super) lanes: Arc<Lanes>,
}

/// The lanes that have members, and perhaps some that had.
pub(super) type Lanes = Mutex<HashMap<Lane, Weak<Queue>>>;

/// A worker's membership in a lane, through which turns are asked for.
pub(crate) struct Member {
    pub(super) queue: Arc<Queue>,
    id: u64,
    #[expect(dead_code, reason = "held so that other logs find it")]
    scheduler: Scheduler,
}

/// The scheduler that logs share unless they are given another; a forked child has none of its
/// parent's threads. The logs that use the scheduler own it; here it is only looked up.
static OF_PROCESS: PerProcess<Mutex<Weak<Lanes>>> = PerProcess::new();

impl Scheduler {
    pub(crate) fn new() -> Scheduler {
        Scheduler {
            lanes: Arc::default(),
        }
    }

    /// The scheduler that all logs of this process share unless they are given another.
    pub(crate) fn of_process() -> Scheduler {
        let mut known = OF_PROCESS.get().lock();
        if let Some(lanes) = known.upgrade() {
            return Scheduler { lanes };
        }
        let scheduler = Scheduler::new();
        *known = Arc::downgrade(&scheduler.lanes);
        scheduler
    }

    /// Makes `worker` a member, for which turns in this lane may be asked from now on.
    pub(crate) fn join(&self, lane: Lane, worker: Weak<dyn Worker>) -> Member {
        let queue = self.queue(lane);
        Member {
            id: queue.join(worker),
            queue,
            scheduler: self.clone(),
        }
    }

    /// How many turns were asked for that have not come yet, and by how many members.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let queues: Vec<_> = self.lanes.lock().values().filter_map(Weak::upgrade).collect();
        let mut sum = (0, 0);
        for queue in queues {
            let state = queue.state.lock();
            sum.0 += state.urgent.len() + state.timed.len() + state.ordinary.len();
            sum.1 += state.members.len();
        }
        sum
    }

    fn queue(&self, lane: Lane) -> Arc<Queue> {
        let mut lanes = self.lanes.lock();
        if let Some(queue) = lanes.get(&lane).and_then(Weak::upgrade) {
            return queue;
        }
        lanes.retain(|_, queue| queue.strong_count() > 0);
        let queue = Arc::default();
        lanes.insert(lane, Arc::downgrade(&queue));
        queue
    }
}

impl Member {
    /// Asks for a turn; false if there is no thread to give it. If the system has no thread to
    /// spare, the work is left to those who need it done, and starting the thread is tried again
    /// when a turn is asked for a second later.
    pub(crate) fn ask(&self, kind: Turn) -> bool {
        self.queue.add(|state| state.ask(self.id, kind, false))
    }

    /// Asks for the next ordinary turn, to go on with work that was begun: it is finished before
    /// other ordinary work is begun, so that one piece of long work is in memory at a time.
    pub(crate) fn ask_to_resume(&self) -> bool {
        self.queue.add(|state| state.ask(self.id, Turn::Ordinary, true))
    }

    /// Asks for a [`Timed`](Turn::Timed) turn at `time`; false as for [`ask`](Member::ask).
    pub(crate) fn ask_at(&self, time: Instant) -> bool {
        self.queue.add(|state| state.ask_at(self.id, time))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.queue.leave(self.id);
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
