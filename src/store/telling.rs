//! Telling a listener what happened to the logs of a store.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;

use crate::Event;
use crate::log::Listener;
use crate::scheduler::{Lane, Member, Scheduler, Turn, Worker};

/// How many events may wait for the listener.
const WAITING_MAX: usize = 4096;

/// Tells the listener of a store's logs what they have to tell, once the locks of the store are
/// released. A log that is closed tells at once what waits, and the store closes logs under its
/// locks; a listener may use the store.
pub(super) struct Telling {
    listener: Listener,
    waiting: Mutex<Waiting>,
    /// Whether events wait that no thread has been asked to tell.
    is_left: AtomicBool,
    member: OnceLock<Member>,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<(PathBuf, Event)>,
    /// Whether a thread is telling events; it tells those that are added, too.
    is_told: bool,
}

impl Telling {
    /// `None` if there is nobody to tell.
    pub(super) fn new(listener: &Listener) -> Option<Arc<Telling>> {
        listener.is_there().then(|| {
            Arc::new(Telling {
                listener: listener.clone(),
                waiting: Mutex::default(),
                is_left: AtomicBool::new(false),
                member: OnceLock::new(),
            })
        })
    }

    /// Tells in turns that `scheduler` gives, from now on.
    pub(super) fn start(self: &Arc<Telling>, scheduler: &Scheduler) {
        let weak = Arc::downgrade(self);
        let worker: Weak<dyn Worker> = weak;
        self.member.get_or_init(|| scheduler.join(Lane::Telling, worker));
    }

    /// The listener of the logs: it leaves what it is told to this.
    pub(super) fn listener(self: &Arc<Telling>) -> Listener {
        let telling = Arc::clone(self);
        Listener::new(move |dir, event| telling.note(dir, event))
    }

    fn note(&self, dir: &Path, event: &Event) {
        let mut waiting = self.waiting.lock();
        if waiting.events.len() < WAITING_MAX {
            waiting.events.push_back((dir.to_path_buf(), event.clone()));
        }
        drop(waiting);
        let is_asked = self.member.get().is_some_and(|member| member.ask(Turn::Ordinary));
        if !is_asked {
            self.is_left.store(true, Ordering::Release);
        }
    }

    /// Tells what no thread has been asked to tell. For the end of calls, where no lock is held.
    pub(super) fn tell_left(&self) {
        if self.is_left.load(Ordering::Acquire) {
            self.tell();
        }
    }

    /// Tells all that waits, unless another thread is at it.
    pub(super) fn tell(&self) {
        self.is_left.store(false, Ordering::Release);
        let mut waiting = self.waiting.lock();
        if waiting.is_told {
            return;
        }
        waiting.is_told = true;
        while let Some((dir, event)) = waiting.events.pop_front() {
            drop(waiting);
            self.listener.tell_untraced(&dir, &event);
            waiting = self.waiting.lock();
        }
        waiting.is_told = false;
    }
}

impl Worker for Telling {
    fn turn(&self, _: Turn) {
        self.tell();
    }
}

impl fmt::Debug for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telling").finish_non_exhaustive()
    }
}
