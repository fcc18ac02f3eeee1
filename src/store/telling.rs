//! Telling a listener what happened to the logs of a store.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use crate::Event;
use crate::log::Listener;
use crate::scheduler::{Scheduler, Turn, Untold, Worker};

/// Tells the listener of a store's logs what they have to tell, once the locks of the store are
/// released. A log that is closed tells at once what waits, and the store closes logs under its
/// locks; a listener may use the store.
#[derive(Debug)]
pub(super) struct Telling {
    listener: Listener,
    untold: Untold<(PathBuf, Event)>,
}

impl Telling {
    /// `None` if there is nobody to tell.
    pub(super) fn new(listener: &Listener) -> Option<Arc<Telling>> {
        listener.is_there().then(|| {
            Arc::new(Telling {
                listener: listener.clone(),
                untold: Untold::default(),
            })
        })
    }

    /// Tells in turns that `scheduler` gives, from now on.
    pub(super) fn start(self: &Arc<Telling>, scheduler: &Scheduler) {
        let weak = Arc::downgrade(self);
        let worker: Weak<dyn Worker> = weak;
        self.untold.start(scheduler, worker);
    }

    /// The listener of the logs: it leaves what it is told to this.
    pub(super) fn listener(self: &Arc<Telling>) -> Listener {
        let telling = Arc::clone(self);
        Listener::new(move |dir, event| telling.untold.add((dir.to_path_buf(), event.clone())))
    }

    /// Tells what no thread has been asked to tell. For the end of calls, where no lock is held.
    pub(super) fn tell_left(&self) {
        self.untold.tell_left(|news| self.pass(&news));
    }

    /// Tells all that waits, unless another thread is at it.
    pub(super) fn tell(&self) {
        self.untold.tell(|news| self.pass(&news));
    }

    fn pass(&self, (dir, event): &(PathBuf, Event)) {
        self.listener.tell_untraced(dir, event);
    }
}

impl Worker for Telling {
    fn turn(&self, _: Turn) {
        self.tell();
    }
}
