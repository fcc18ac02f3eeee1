//! What a store has to do in the background, and when.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use super::compactor::Compactor;
use super::entry::Entry;
use super::slot::Slot;
use super::telling::Telling;
use super::upcoming::Upcoming;
use crate::scheduler::{Lane, Member, Scheduler, Turn, Worker};

/// How often it is looked which partitions are idle, at most and at least, while any is open.
const PERIODS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

/// How long intents wait to be settled together.
const SETTLE_AFTER: Duration = Duration::from_secs(1);

/// How often it is looked at least whether anything is due, while there is something to come.
const KEEP_AT_LEAST: Duration = Duration::from_secs(5);

/// How long to wait after a stream could not be removed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What there is to do, and the membership through which turns are asked for.
#[derive(Default)]
pub(super) struct Keeper {
    pub(super) upcoming: Upcoming,
    /// The next look at how far readers have come.
    pub(super) floors: Arc<Slot>,
    /// How many copy the store.
    pub(super) copies: AtomicU32,
    pub(super) compactor: Compactor,
    /// Tells a listener, if there is one.
    pub(super) telling: Option<Arc<Telling>>,
    deleted: Mutex<VecDeque<Arc<Entry>>>,
    member: OnceLock<Member>,
    /// Takes the turns for as long as the store is there.
    worker: OnceLock<Arc<dyn Worker>>,
    /// Whether a look at what is idle was asked for that has not come yet.
    is_look_asked: AtomicBool,
    is_settling_asked: AtomicBool,
    /// When a turn was asked for to look at what may be due.
    keep_at: Mutex<Option<Instant>>,
    /// Held during a turn, so that closing can wait for it.
    working: Mutex<()>,
}

impl Keeper {
    pub(super) fn new(telling: Option<Arc<Telling>>) -> Keeper {
        Keeper {
            telling,
            ..Keeper::default()
        }
    }

    /// Has a listener told what no thread was asked to tell. For the end of calls.
    pub(super) fn tell_left(&self) {
        if let Some(telling) = &self.telling {
            telling.tell_left();
        }
    }

    /// Has `worker` take turns from now on. It is asked for one if there is something to do.
    pub(super) fn start(&self, worker: Arc<dyn Worker>, scheduler: &Scheduler, file_system: u64) {
        let worker = self.worker.get_or_init(|| worker);
        let weak = Arc::downgrade(worker);
        self.member
            .get_or_init(|| scheduler.join(Lane::FileSystem(file_system), weak));
        self.go_on();
    }

    /// A partition was opened, which may be idle some time.
    pub(super) fn look_later(&self, idle_after: Duration) {
        if !self.is_look_asked.swap(true, Ordering::AcqRel) {
            let is_asked = self.ask_in((idle_after / 4).clamp(PERIODS.0, PERIODS.1));
            if !is_asked {
                self.is_look_asked.store(false, Ordering::Release);
            }
        }
    }

    /// There are intents to be settled.
    pub(super) fn settle_later(&self) {
        if !self.is_settling_asked.swap(true, Ordering::AcqRel) {
            let is_asked = self.ask_in(SETTLE_AFTER);
            if !is_asked {
                self.is_settling_asked.store(false, Ordering::Release);
            }
        }
    }

    /// Something is to be looked at after so long, by the clock of the store. That may stand still,
    /// so this comes in between, too.
    pub(super) fn keep_in(&self, wait: Duration) {
        if wait.is_zero() {
            if let Some(member) = self.member.get() {
                member.ask(Turn::Ordinary);
            }
            return;
        }
        let wait = wait.min(KEEP_AT_LEAST);
        let time = Instant::now().checked_add(wait);
        let mut asked = self.keep_at.lock();
        let now = Instant::now();
        // One that is to come is good if it comes early enough.
        let is_asked = asked.is_some_and(|at| at > now && time.is_none_or(|time| at <= time));
        if !is_asked && self.ask_in(wait) {
            *asked = time;
        }
    }

    /// A look at what is idle has come.
    pub(super) fn looks(&self) {
        self.is_look_asked.store(false, Ordering::Release);
        self.is_settling_asked.store(false, Ordering::Release);
    }

    /// Asks for a turn; false if there is nobody to give it.
    fn ask_in(&self, wait: Duration) -> bool {
        let time = Instant::now().checked_add(wait);
        let member = self.member.get();
        member.zip(time).is_some_and(|(member, time)| member.ask_at(time))
    }

    /// Removes a stream that was deleted, in a turn to come.
    pub(super) fn purge_later(&self, entry: &Arc<Entry>) {
        self.deleted.lock().push_back(Arc::clone(entry));
        if let Some(member) = self.member.get() {
            member.ask(Turn::Ordinary);
        }
    }

    /// Asks for another turn if there is more to do.
    pub(super) fn go_on(&self) {
        if !self.deleted.lock().is_empty()
            && let Some(member) = self.member.get()
        {
            member.ask(Turn::Ordinary);
        }
    }

    /// A stream could not be removed. It is tried again after a while.
    pub(super) fn purge_again(&self, entry: Arc<Entry>) {
        self.deleted.lock().push_back(entry);
        self.ask_in(AGAIN_AFTER);
    }

    /// The stream that is to be removed next.
    pub(super) fn next_deleted(&self) -> Option<Arc<Entry>> {
        self.deleted.lock().pop_front()
    }

    /// Held during a turn.
    pub(super) fn begin_turn(&self) -> MutexGuard<'_, ()> {
        self.working.lock()
    }

    /// Does nothing any more. When this returns, no turn is under way, and nothing is compacted.
    pub(super) fn stop(&self) {
        let no_turn = self.working.lock();
        self.deleted.lock().clear();
        self.upcoming.clear();
        drop(no_turn);
        self.compactor.stop();
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("deleted", &self.deleted)
            .finish_non_exhaustive()
    }
}
