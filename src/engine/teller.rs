//! Counts what happened to a log, and tells it once the log's locks are released.

use std::error::Error as _;
use std::sync::{Arc, Weak};

use crate::directory::Directory;
use crate::log::{Listener, Meter};
use crate::scheduler::{Scheduler, Turn, Untold, Worker};
use crate::{Error, Event, Job, Options};

/// Tells a listener what happened to a log.
#[derive(Debug)]
pub(crate) struct Teller {
    directory: Arc<Directory>,
    listener: Listener,
    untold: Untold<Event>,
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
            untold: Untold::default(),
        });
        if let Some(scheduler) = scheduler.filter(|_| teller.listener.is_somebody()) {
            let weak = Arc::downgrade(&teller);
            let worker: Weak<dyn Worker> = weak;
            teller.untold.start(scheduler, worker);
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
        if self.listener.is_somebody() {
            self.untold.add(event);
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
        self.untold.tell_left(|event| self.pass(&event));
    }

    /// Tells all that waits, unless another thread is at it.
    #[cold]
    pub(crate) fn tell(&self) {
        self.untold.tell(|event| self.pass(&event));
    }

    fn pass(&self, event: &Event) {
        self.listener.tell(self.directory.dir.path(), event);
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
