//! Counts what happened to a log, and tells it once the log's locks are released.

use std::collections::VecDeque;
use std::error::Error as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;

use crate::directory::Directory;
use crate::log::{Listener, Meter};
use crate::scheduler::{Lane, Member, Scheduler, Turn, Worker};
use crate::{Error, Event, Job, Options};

/// How many events may wait for the listener.
const WAITING_MAX: usize = 4096;

/// Tells a listener what happened to a log.
///
/// Whoever has something to tell may hold any lock of the log. So it is only noted there, and told
/// on a thread that touches no file. Where there is none, a call of the log tells it at its end.
#[derive(Debug)]
pub(crate) struct Teller {
    directory: Arc<Directory>,
    listener: Listener,
    waiting: Mutex<Waiting>,
    /// Whether events wait that no thread has been asked to tell.
    is_left: AtomicBool,
    member: OnceLock<Member>,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    /// Whether a thread is telling events; it tells those that are added, too.
    is_told: bool,
}

impl Teller {
    /// A teller in turns that `scheduler` gives, or at the end of calls if there is no scheduler.
    pub(crate) fn new(
        directory: &Arc<Directory>,
        options: &Options,
        scheduler: Option<&Scheduler>,
    ) -> Arc<Teller> {
        let teller = Arc::new(Teller {
            directory: Arc::clone(directory),
            listener: options.environment.listener.clone(),
            waiting: Mutex::default(),
            is_left: AtomicBool::new(false),
            member: OnceLock::new(),
        });
        if let Some(scheduler) = scheduler.filter(|_| teller.listener.is_somebody()) {
            let weak = Arc::downgrade(&teller);
            let worker: Weak<dyn Worker> = weak;
            teller
                .member
                .get_or_init(|| scheduler.join(Lane::Telling, worker));
        }
        teller
    }

    /// Whether what happens is told to anybody, or counted.
    pub(crate) fn is_heard(&self) -> bool {
        self.listener.is_somebody() || self.meter().is_counting()
    }

    fn meter(&self) -> &Meter {
        self.directory.health.meter()
    }

    /// Counts that something happened, and has it told.
    pub(crate) fn note(&self, event: impl FnOnce() -> Event) {
        if !self.is_heard() {
            return;
        }
        let event = event();
        self.meter().happened(&event);
        if !self.listener.is_somebody() {
            return;
        }
        let mut waiting = self.waiting.lock();
        if waiting.events.len() < WAITING_MAX {
            waiting.events.push_back(event);
        }
        drop(waiting);
        let is_asked = self.member.get().is_some_and(|member| member.ask(Turn::Ordinary));
        if !is_asked {
            self.is_left.store(true, Ordering::Release);
        }
    }

    /// Has it told that work has failed.
    pub(crate) fn failed(&self, job: Job, error: &Error) {
        self.note(|| Event::JobFailed {
            job,
            error: in_full(error),
        });
    }

    /// Has it told if work has failed.
    pub(crate) fn note_failure<T>(&self, job: Job, result: crate::Result<T>) -> Option<T> {
        result.map_err(|error| self.failed(job, &error)).ok()
    }

    /// Tells what no thread has been asked to tell. For the end of calls, where no lock is held.
    #[inline]
    pub(crate) fn tell_left(&self) {
        if self.is_left.load(Ordering::Acquire) {
            self.tell();
        }
    }

    /// Tells all that waits, unless another thread is at it.
    #[cold]
    pub(crate) fn tell(&self) {
        self.is_left.store(false, Ordering::Release);
        let mut waiting = self.waiting.lock();
        if waiting.is_told {
            return;
        }
        waiting.is_told = true;
        while let Some(event) = waiting.events.pop_front() {
            drop(waiting);
            self.listener.tell(self.directory.dir.path(), &event);
            waiting = self.waiting.lock();
        }
        waiting.is_told = false;
    }
}

impl Worker for Teller {
    fn turn(&self, _: Turn) {
        self.tell();
    }
}

/// The error with those of its causes that it does not name itself.
fn in_full(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(because) = cause {
        let because_text = because.to_string();
        if !text.contains(&because_text) {
            text.push_str(": ");
            text.push_str(&because_text);
        }
        cause = because.source();
    }
    text
}
