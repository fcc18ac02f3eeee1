//! What there is to compact in the background, one after the other.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, MutexGuard};

use super::entry::{Entry, Partition};
use crate::scheduler::{Lane, Member, Scheduler, Turn, Worker};

/// What there is to compact, and the membership through which turns are asked for.
#[derive(Default)]
pub(super) struct Compactor {
    jobs: Mutex<VecDeque<Job>>,
    member: OnceLock<Member>,
    worker: OnceLock<Arc<dyn Worker>>,
    /// Held while something is compacted, so that closing can wait for it.
    working: Mutex<()>,
}

/// Something to compact.
#[derive(Clone, Debug)]
pub(super) enum Job {
    Partition(Arc<Entry>, Arc<Partition>),
    Catalog,
}

impl Job {
    fn is(&self, other: &Job) -> bool {
        match (self, other) {
            (Job::Catalog, Job::Catalog) => true,
            (Job::Partition(_, one), Job::Partition(_, two)) => Arc::ptr_eq(one, two),
            _ => false,
        }
    }
}

impl Compactor {
    /// Has `worker` take turns from now on.
    pub(super) fn start(&self, worker: Arc<dyn Worker>, scheduler: &Scheduler, file_system: u64) {
        let worker = self.worker.get_or_init(|| worker);
        let weak = Arc::downgrade(worker);
        self.member
            .get_or_init(|| scheduler.join(Lane::Long(file_system), weak));
    }

    /// Has something compacted, unless it waits for that already.
    pub(super) fn ask(&self, job: Job) {
        let Some(member) = self.member.get() else { return };
        let mut jobs = self.jobs.lock();
        if !jobs.iter().any(|waiting| waiting.is(&job)) {
            jobs.push_back(job);
        }
        drop(jobs);
        // Also if it waits already: there may have been no thread then.
        member.ask(Turn::Ordinary);
    }

    /// Asks for another turn if there is more to do.
    pub(super) fn go_on(&self) {
        if !self.jobs.lock().is_empty()
            && let Some(member) = self.member.get()
        {
            member.ask(Turn::Ordinary);
        }
    }

    pub(super) fn next(&self) -> Option<Job> {
        self.jobs.lock().pop_front()
    }

    /// Does nothing any more. When this returns, nothing is compacted.
    pub(super) fn stop(&self) {
        self.jobs.lock().clear();
        drop(self.begin());
    }

    /// Held while something is compacted.
    pub(super) fn begin(&self) -> MutexGuard<'_, ()> {
        self.working.lock()
    }
}

impl fmt::Debug for Compactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compactor")
            .field("jobs", &self.jobs)
            .finish_non_exhaustive()
    }
}
