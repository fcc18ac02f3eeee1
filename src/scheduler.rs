//! L2: turns in the background, for several logs on one thread.
//!
//! The scheduler knows nothing of what there is to do. A log asks for a turn, and when its turn
//! comes it does a slice of its own work, at most a few milliseconds long. Urgent turns come first,
//! then those whose time has come, the earliest first, then the others in the order in which they
//! were asked for. So long work of one log keeps neither the urgent work of another waiting nor its
//! syncs, and when a log is gone nothing of it stays behind.
//!
//! A publisher can do everything that is done in the background: the thread only saves it the wait.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::sys::{Condvar, Mutex, MutexGuard, PerProcess};

/// Something that has work to do in the background.
pub(crate) trait Worker: Send + Sync {
    /// Does a slice of the work of this kind, if there is any.
    fn turn(&self, kind: Turn);
}

/// What a turn is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Somebody may soon have to wait for it.
    Urgent,
    /// Its time has come.
    Timed,
    Ordinary,
}

/// Gives turns to the workers that [join](Scheduler::join) it, on one thread. The thread starts
/// when a member first asks for a turn, and ends when the last member leaves.
#[derive(Clone)]
pub(crate) struct Scheduler {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    members: HashMap<u64, Weak<dyn Worker>>,
    next_id: u64,
    urgent: VecDeque<u64>,
    timed: BinaryHeap<Reverse<(Instant, u64)>>,
    ordinary: VecDeque<u64>,
    thread: Option<JoinHandle<()>>,
    /// Whether the last turn was a timed one: then an ordinary one comes first, so that a log whose
    /// syncs are always due does not keep all other work waiting.
    was_timed: bool,
    /// Whether nobody has tried to start the thread since the last member joined.
    may_start: bool,
}

/// A worker's membership in a scheduler, through which turns are asked for.
pub(crate) struct Member {
    scheduler: Scheduler,
    id: u64,
}

/// The scheduler that logs share unless they are given another; a forked child has none of its
/// parent's threads. The logs that use the scheduler own it; here it is only looked up.
static OF_PROCESS: PerProcess<Mutex<Weak<Shared>>> = PerProcess::new();

impl Scheduler {
    pub(crate) fn new() -> Scheduler {
        Scheduler {
            shared: Arc::new(Shared {
                state: Mutex::new(State::default()),
                changed: Condvar::new(),
            }),
        }
    }

    /// The scheduler that all logs of this process share unless they are given another.
    pub(crate) fn of_process() -> Scheduler {
        let mut known = OF_PROCESS.get().lock();
        if let Some(shared) = known.upgrade() {
            return Scheduler { shared };
        }
        let scheduler = Scheduler::new();
        *known = Arc::downgrade(&scheduler.shared);
        scheduler
    }

    /// Makes `worker` a member, for which turns may be asked from now on.
    pub(crate) fn join(&self, worker: Weak<dyn Worker>) -> Member {
        let mut state = self.shared.state.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.members.insert(id, worker);
        state.may_start = true;
        drop(state);
        Member {
            scheduler: self.clone(),
            id,
        }
    }

    /// How many share it.
    #[cfg(test)]
    pub(crate) fn members(&self) -> usize {
        self.shared.state.lock().members.len()
    }

    /// Gives turns, as long as this thread is the scheduler's.
    fn run(&self) {
        let mut state = self.shared.state.lock();
        // Another thread has taken over if all members left and others joined meanwhile.
        while state.is_run_here() {
            let Some((id, kind)) = state.next() else {
                match state.timed.peek() {
                    Some(Reverse((time, _))) => {
                        let time = *time;
                        self.shared.changed.wait_until(&mut state, time);
                    }
                    None => self.shared.changed.wait(&mut state),
                }
                continue;
            };
            let worker = state.members.get(&id).and_then(Weak::upgrade);
            MutexGuard::unlocked(&mut state, || {
                if let Some(worker) = worker {
                    // A panic must not end the thread, and with it the turns of all other members.
                    let _ = catch_unwind(AssertUnwindSafe(|| worker.turn(kind)));
                }
            });
        }
    }
}

impl State {
    /// The member whose turn it is now, and what the turn is for.
    fn next(&mut self) -> Option<(u64, Turn)> {
        if let Some(id) = self.urgent.pop_front() {
            return Some((id, Turn::Urgent));
        }
        let is_ordinary_next = std::mem::take(&mut self.was_timed) && !self.ordinary.is_empty();
        if let Some(Reverse((time, id))) = self.timed.peek().copied()
            && time <= Instant::now()
            && !is_ordinary_next
        {
            self.timed.pop();
            self.was_timed = true;
            return Some((id, Turn::Timed));
        }
        self.ordinary.pop_front().map(|id| (id, Turn::Ordinary))
    }

    fn is_run_here(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| thread.thread().id() == thread::current().id())
    }
}

impl Member {
    /// Asks for a turn; false if there is no thread to give it. If the system has no thread to
    /// spare, the work is left to those who need it done. After another member has joined, starting
    /// the thread is tried again.
    pub(crate) fn ask(&self, kind: Turn) -> bool {
        let id = self.id;
        self.add(|state| match kind {
            Turn::Urgent => state.urgent.push_back(id),
            Turn::Timed => state.timed.push(Reverse((Instant::now(), id))),
            Turn::Ordinary => state.ordinary.push_back(id),
        })
    }

    /// Asks for the next ordinary turn, to go on with work that was begun: it is finished before
    /// other ordinary work is begun, so that one piece of long work is in memory at a time.
    pub(crate) fn ask_to_resume(&self) -> bool {
        let id = self.id;
        self.add(|state| state.ordinary.push_front(id))
    }

    /// Asks for a [`Timed`](Turn::Timed) turn at `time`; false as for [`ask`](Member::ask).
    pub(crate) fn ask_at(&self, time: Instant) -> bool {
        let id = self.id;
        self.add(|state| state.timed.push(Reverse((time, id))))
    }

    fn add(&self, add: impl FnOnce(&mut State)) -> bool {
        let shared = &self.scheduler.shared;
        let mut state = shared.state.lock();
        if state.thread.is_none() && std::mem::take(&mut state.may_start) {
            let scheduler = self.scheduler.clone();
            let builder = thread::Builder::new().name("duramen".to_owned());
            state.thread = builder.spawn(move || scheduler.run()).ok();
        }
        let is_there = state.thread.is_some();
        if is_there {
            add(&mut state);
            shared.changed.notify_one();
        }
        is_there
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let shared = &self.scheduler.shared;
        let mut state = shared.state.lock();
        state.members.remove(&self.id);
        if !state.members.is_empty() {
            return;
        }
        let thread = state.thread.take();
        state.may_start = false;
        state.urgent.clear();
        state.timed.clear();
        state.ordinary.clear();
        drop(state);
        shared.changed.notify_one();
        // The last member may leave in its own turn, on that very thread.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// A worker that reports its turns. Number 0 waits in its urgent ones until it is released.
    struct Teller(mpsc::Sender<(u32, Turn)>, u32, Arc<Mutex<()>>);

    impl Worker for Teller {
        fn turn(&self, kind: Turn) {
            let _ = self.0.send((self.1, kind));
            if kind == Turn::Urgent && self.1 == 0 {
                drop(self.2.lock());
            }
            assert!(self.1 != 9, "a planted panic");
        }
    }

    fn worker(tell: &mpsc::Sender<(u32, Turn)>, number: u32) -> (Arc<dyn Worker>, Weak<dyn Worker>) {
        held_worker(tell, number, &Arc::default())
    }

    fn held_worker(
        tell: &mpsc::Sender<(u32, Turn)>,
        number: u32,
        hold: &Arc<Mutex<()>>,
    ) -> (Arc<dyn Worker>, Weak<dyn Worker>) {
        let worker: Arc<dyn Worker> = Arc::new(Teller(tell.clone(), number, Arc::clone(hold)));
        let weak = Arc::downgrade(&worker);
        (worker, weak)
    }

    /// Goal: turns come by urgency, and timed ones by their time, not in the order of asking; an
    /// ordinary one comes after each timed one. Method: all are asked for while the thread is held
    /// in a turn, which ends when the timed ones are due.
    #[test]
    fn turns_come_by_urgency_and_time() {
        let (tell, told) = mpsc::channel();
        let (scheduler, hold) = (Scheduler::new(), Arc::default());
        let (workers, members): (Vec<_>, Vec<_>) = (0..4)
            .map(|number| {
                let (worker, weak) = held_worker(&tell, number, &hold);
                (worker, scheduler.join(weak))
            })
            .unzip();
        let busy = hold.lock();
        assert!(members[0].ask(Turn::Urgent));
        assert_eq!(told.recv(), Ok((0, Turn::Urgent)));
        let now = Instant::now();
        assert!(members[1].ask(Turn::Ordinary));
        assert!(members[2].ask_at(now + Duration::from_millis(2)));
        assert!(members[3].ask_at(now + Duration::from_millis(1)));
        assert!(members[3].ask(Turn::Urgent));
        thread::sleep(Duration::from_millis(3));
        drop(busy);
        let turns: Vec<_> = (0..4).map(|_| told.recv().expect("a turn")).collect();
        let expected = [
            (3, Turn::Urgent),
            (3, Turn::Timed),
            (1, Turn::Ordinary),
            (2, Turn::Timed),
        ];
        assert_eq!(turns, expected);
        drop((members, workers));
    }

    #[test]
    fn a_worker_that_panics_or_is_gone_takes_no_turns_from_others() {
        let (tell, told) = mpsc::channel();
        let scheduler = Scheduler::new();
        let (panicking, weak) = worker(&tell, 9);
        let first = scheduler.join(weak);
        let (gone, weak) = worker(&tell, 1);
        let second = scheduler.join(weak);
        let (_staying, weak) = worker(&tell, 2);
        let third = scheduler.join(weak);
        drop(gone);
        for member in [&first, &second, &third] {
            assert!(member.ask(Turn::Ordinary));
        }
        let turns: Vec<_> = (0..2).map(|_| told.recv().expect("a turn").0).collect();
        assert_eq!(turns, [9, 2]);
        drop((first, second, third, panicking));
        let state = scheduler.shared.state.lock();
        assert!(state.thread.is_none() && state.members.is_empty());
    }

    #[test]
    fn logs_of_a_process_share_one() {
        let (first, second) = (Scheduler::of_process(), Scheduler::of_process());
        assert!(Arc::ptr_eq(&first.shared, &second.shared));
    }
}
