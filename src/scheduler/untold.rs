use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, Weak};

use parking_lot::Mutex;

use super::lanes::{Lane, Member, Scheduler};
use super::queue::{Turn, Worker};

/// How much may wait to be told.
const WAITING_MAX: usize = 4096;

/// What somebody is to be told once no lock is held.
///
/// Whoever has something to tell may hold any lock. So it is only noted there, and told on a thread
/// that touches no file. Where there is none, a call tells it at its end.
pub(crate) struct Untold<T> {
    waiting: Mutex<Waiting<T>>,
    /// Whether something waits that no thread has been asked to tell.
    is_left: AtomicBool,
    member: OnceLock<Member>,
}

struct Waiting<T> {
    all: VecDeque<T>,
    /// Whether a thread is telling; it tells what is added, too.
    is_told: bool,
}

impl<T> Untold<T> {
    /// Has `worker` tell in turns that `scheduler` gives, from now on.
    pub(crate) fn start(&self, scheduler: &Scheduler, worker: Weak<dyn Worker>) {
        self.member.get_or_init(|| scheduler.join(Lane::Telling, worker));
    }

    /// Has something told. Of what waits for too long, the newest is left out.
    pub(crate) fn add(&self, news: T) {
        let mut waiting = self.waiting.lock();
        if waiting.all.len() < WAITING_MAX {
            waiting.all.push_back(news);
        }
        drop(waiting);
        let is_asked = self.member.get().is_some_and(|member| member.ask(Turn::Ordinary));
        if !is_asked {
            self.is_left.store(true, Ordering::Release);
        }
    }

    /// Tells what no thread has been asked to tell. For the end of calls, where no lock is held.
    #[inline]
    pub(crate) fn tell_left(&self, tell: impl Fn(T)) {
        if self.is_left.load(Ordering::Acquire) {
            self.tell(tell);
        }
    }

    /// Tells all that waits, unless another thread is at it.
    #[cold]
    pub(crate) fn tell(&self, tell: impl Fn(T)) {
        self.is_left.store(false, Ordering::Release);
        let mut waiting = self.waiting.lock();
        if waiting.is_told {
            return;
        }
        waiting.is_told = true;
        while let Some(news) = waiting.all.pop_front() {
            drop(waiting);
            tell(news);
            waiting = self.waiting.lock();
        }
        waiting.is_told = false;
    }
}

impl<T> Default for Untold<T> {
    fn default() -> Untold<T> {
        Untold {
            waiting: Mutex::new(Waiting {
                all: VecDeque::new(),
                is_told: false,
            }),
            is_left: AtomicBool::new(false),
            member: OnceLock::new(),
        }
    }
}

impl<T> fmt::Debug for Untold<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Untold")
            .field("is_left", &self.is_left)
            .finish_non_exhaustive()
    }
}
