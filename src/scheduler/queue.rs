use std::collections::{BTreeSet, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::sys::{Condvar, Mutex, MutexGuard};

/// How many urgent turns come in a row, at most, while turns of other kinds are due.
const URGENT_IN_A_ROW_MAX: u32 = 4;

/// How long to do without a thread after the system had none to spare.
const START_AGAIN_AFTER: Duration = Duration::from_secs(1);

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

/// The turns of one lane.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) state: Mutex<State>,
    changed: Condvar,
}

/// What was asked for, and who gives the turns.
#[derive(Default)]
pub(super) struct State {
    pub(super) members: HashMap<u64, Asker>,
    next_id: u64,
    pub(super) urgent: VecDeque<u64>,
    pub(super) timed: BTreeSet<(Instant, u64)>,
    pub(super) ordinary: VecDeque<u64>,
    pub(super) thread: Option<JoinHandle<()>>,
    /// When the system last had no thread to spare.
    pub(super) refused: Option<Instant>,
    /// Whether the last turn that was not urgent was a timed one.
    was_timed: bool,
    urgent_in_a_row: u32,
}

/// A member, and what it has asked for.
pub(super) struct Asker {
    worker: Weak<dyn Worker>,
    /// How often it stands in `urgent` and in `ordinary`.
    queued: usize,
    /// Its times in `timed`.
    times: Vec<Instant>,
}

impl Queue {
    /// Adds a member; returns its number.
    pub(super) fn join(&self, worker: Weak<dyn Worker>) -> u64 {
        let mut state = self.state.lock();
        let id = state.next_id;
        state.next_id += 1;
        let asker = Asker {
            worker,
            queued: 0,
            times: Vec::new(),
        };
        state.members.insert(id, asker);
        id
    }

    /// Removes a member, and all that it has asked for.
    pub(super) fn leave(&self, id: u64) {
        let mut state = self.state.lock();
        state.leave(id);
        if !state.members.is_empty() {
            return;
        }
        let thread = state.thread.take();
        drop(state);
        self.changed.notify_all();
        // The last member may leave in its own turn, on that very thread. Otherwise the thread is
        // in no turn: during a turn it holds the worker, and with it the membership.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }

    /// Adds what a member asks for; false if there is no thread to give turns.
    pub(super) fn add(self: &Arc<Queue>, add: impl FnOnce(&mut State)) -> bool {
        let mut state = self.state.lock();
        let now = Instant::now();
        if state.lacks_thread(now) {
            let queue = Arc::clone(self);
            let builder = thread::Builder::new().name("duramen".to_owned());
            state.thread = builder.spawn(move || queue.run()).ok();
            state.refused = state.thread.is_none().then_some(now);
        }
        let is_there = state.thread.is_some();
        if is_there {
            add(&mut state);
            self.changed.notify_all();
        }
        is_there
    }

    /// Gives turns, as long as this thread is the lane's.
    fn run(&self) {
        let mut state = self.state.lock();
        // Another thread has taken over if all members left and others joined meanwhile.
        while state.is_run_here() {
            let Some((id, kind)) = state.next(Instant::now()) else {
                match state.timed.first().copied() {
                    Some((time, _)) => self.changed.wait_until(&mut state, time),
                    None => self.changed.wait(&mut state),
                }
                continue;
            };
            let worker = state.members.get(&id).and_then(|asker| asker.worker.upgrade());
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
    /// The member whose turn it is at the time `now`, and what the turn is for.
    ///
    /// After four urgent turns in a row comes another one that is due, if there is any; of these,
    /// a timed and an ordinary one take turns. Timed ones come by their time. So whatever is asked
    /// for comes, however much else is.
    pub(super) fn next(&mut self, now: Instant) -> Option<(u64, Turn)> {
        let is_timed_due = self.timed.first().is_some_and(|(time, _)| *time <= now);
        let is_other_due = is_timed_due || !self.ordinary.is_empty();
        if (self.urgent_in_a_row < URGENT_IN_A_ROW_MAX || !is_other_due)
            && let Some(id) = self.urgent.pop_front()
        {
            self.urgent_in_a_row += 1;
            self.asker(id, |asker| asker.queued -= 1);
            return Some((id, Turn::Urgent));
        }
        self.urgent_in_a_row = 0;
        let is_ordinary_next = std::mem::take(&mut self.was_timed) && !self.ordinary.is_empty();
        if is_timed_due
            && !is_ordinary_next
            && let Some((time, id)) = self.timed.pop_first()
        {
            self.was_timed = true;
            self.asker(id, |asker| asker.times.retain(|asked| *asked != time));
            return Some((id, Turn::Timed));
        }
        let id = self.ordinary.pop_front()?;
        self.asker(id, |asker| asker.queued -= 1);
        Some((id, Turn::Ordinary))
    }

    /// Notes that a member asks for a turn: the next ordinary one if `is_first`.
    pub(super) fn ask(&mut self, id: u64, kind: Turn, is_first: bool) {
        match kind {
            Turn::Timed => return self.ask_at(id, Instant::now()),
            Turn::Urgent => self.urgent.push_back(id),
            Turn::Ordinary if is_first => self.ordinary.push_front(id),
            Turn::Ordinary => self.ordinary.push_back(id),
        }
        self.asker(id, |asker| asker.queued += 1);
    }

    /// Notes that a member asks for a timed turn.
    pub(super) fn ask_at(&mut self, id: u64, time: Instant) {
        if self.timed.insert((time, id)) {
            self.asker(id, |asker| asker.times.push(time));
        }
    }

    fn asker(&mut self, id: u64, note: impl FnOnce(&mut Asker)) {
        if let Some(asker) = self.members.get_mut(&id) {
            note(asker);
        }
    }

    /// Removes a member, and all that it has asked for.
    fn leave(&mut self, id: u64) {
        let Some(asker) = self.members.remove(&id) else {
            return;
        };
        for time in asker.times {
            self.timed.remove(&(time, id));
        }
        if asker.queued > 0 {
            self.urgent.retain(|asked| *asked != id);
            self.ordinary.retain(|asked| *asked != id);
        }
    }

    /// Whether to start the thread, or to try again.
    fn lacks_thread(&self, now: Instant) -> bool {
        let may_try = |refused: Instant| now.saturating_duration_since(refused) >= START_AGAIN_AFTER;
        self.thread.is_none() && self.refused.is_none_or(may_try)
    }

    fn is_run_here(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| thread.thread().id() == thread::current().id())
    }
}
