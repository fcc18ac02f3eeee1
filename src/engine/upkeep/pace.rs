//! The pace at which a log in a paced durability mode is synced.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use crate::directory::Directory;
use crate::engine::append::Append;
use crate::engine::segments::Segments;
use crate::engine::teller::Teller;
use crate::log::Timed;
use crate::scheduler::{Lane, Member, Scheduler, Turn, Worker};
use crate::{Durability, Event, Job, Options};

/// By how much a sync may be late, at least, before anybody is told or waits: the clock that tells
/// lateness is this coarse.
const SLACK_MIN: Duration = Duration::from_millis(10);

/// Has a log synced in the background as its durability mode says. Where the background does not
/// keep up, the publishers are held back.
#[derive(Debug)]
pub(super) struct Pace {
    mode: Durability,
    append: Arc<Append>,
    directory: Arc<Directory>,
    teller: Arc<Teller>,
    /// Whether a sync was asked for and has not begun.
    is_asked: AtomicBool,
    /// Whether the log has fallen behind, which was told.
    is_late: AtomicBool,
    /// Whether publishers were held back since the last sync in the background.
    was_held_back: AtomicBool,
    /// Whether a look at the lag was asked for.
    is_watched: AtomicBool,
    /// Looks at the lag where a sync may hang, on a thread that touches no file.
    watch: OnceLock<Member>,
}

impl Pace {
    pub(super) fn new(
        append: &Arc<Append>,
        segments: &Segments,
        options: &Options,
        scheduler: Option<&Scheduler>,
    ) -> Arc<Pace> {
        let teller = Arc::clone(&segments.teller);
        let is_watched = matches!(options.durability, Durability::Interval(_)) && teller.is_heard();
        let pace = Arc::new(Pace {
            mode: options.durability,
            append: Arc::clone(append),
            directory: Arc::clone(&segments.directory),
            teller,
            is_asked: AtomicBool::new(false),
            is_late: AtomicBool::new(false),
            was_held_back: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
            watch: OnceLock::new(),
        });
        if let Some(scheduler) = scheduler.filter(|_| is_watched) {
            let weak = Arc::downgrade(&pace);
            let worker: Weak<dyn Worker> = weak;
            pace.watch.get_or_init(|| scheduler.join(Lane::Telling, worker));
        }
        pace
    }

    /// Asks for a sync when the mode says so, and holds the publisher back when the log is late.
    /// `backlog` is in bytes.
    #[inline]
    pub(super) fn keep(&self, backlog: u64, member: Option<&Member>) {
        let is_paced = matches!(self.mode, Durability::Interval(_) | Durability::Bytes(_));
        if is_paced && backlog > 0 {
            self.keep_paced(backlog, member);
        }
    }

    fn keep_paced(&self, backlog: u64, member: Option<&Member>) {
        if !self.is_asked.load(Ordering::Relaxed)
            && let Some(time) = self.time_to_sync(backlog)
            && let Some(member) = member
            && !self.is_asked.swap(true, Ordering::Relaxed)
        {
            if member.ask_at(time) {
                self.watch_from(time);
            } else {
                // Without the thread, the publisher syncs here.
                self.sync();
                return;
            }
        }
        if self.is_behind(backlog, self.append.frontiers().waiting().waited()) {
            self.hold_back(backlog);
        }
    }

    /// When to sync what was published just now.
    fn time_to_sync(&self, backlog: u64) -> Option<Instant> {
        match self.mode {
            Durability::Interval(interval) => Instant::now().checked_add(interval),
            Durability::Bytes(bytes) if backlog >= bytes => Some(Instant::now()),
            _ => None,
        }
    }

    /// Whether a sync is late by more than the pace, if the oldest message without one has waited
    /// for this long.
    fn is_behind(&self, backlog: u64, waited: Duration) -> bool {
        match self.mode {
            Durability::Interval(interval) => waited > patience(interval),
            Durability::Bytes(bytes) => backlog >= bytes.saturating_mul(2),
            _ => false,
        }
    }

    /// Makes a publisher wait until no message is late: it shares a sync that is under way, or
    /// syncs itself. All publishers of the log wait here meanwhile, so nothing is late after a few
    /// syncs.
    #[cold]
    fn hold_back(&self, mut backlog: u64) {
        self.was_held_back.store(true, Ordering::Relaxed);
        let waiting = self.append.frontiers().waiting();
        while let Some(oldest) = waiting.oldest()
            && self.is_behind(backlog, waiting.waited())
        {
            self.tell(oldest.since.elapsed());
            // A failed sync poisons the log, and the next publish, or closing, reports it.
            let wait = || self.append.wait_for(oldest.offset.saturating_add(1));
            let synced = self.directory.health.meter().time(Timed::Wait, wait);
            if self.teller.note_failure(Job::Sync, synced).is_none() {
                return;
            }
            backlog = self.append.backlog_len();
        }
    }

    /// Syncs if that was asked for, and nobody has done it since.
    pub(super) fn sync_if_asked(&self) {
        if self.is_asked.load(Ordering::Relaxed) {
            self.sync();
        }
    }

    /// Syncs everything published. A failed sync poisons the log, and the next publish, or closing,
    /// reports it. If there was no space for a copy, the next sync tries again.
    pub(super) fn sync(&self) {
        self.is_asked.store(false, Ordering::Relaxed);
        let backlog = self.append.backlog_len();
        let before = self.append.frontiers().waiting().waited();
        let began = Instant::now();
        self.teller.note_failure(Job::Sync, self.append.sync());
        let waited = before.saturating_add(began.elapsed());
        if self.is_behind(backlog, waited) {
            self.tell(waited);
        } else if !self.was_held_back.swap(false, Ordering::Relaxed) {
            self.is_late.store(false, Ordering::Relaxed);
        }
    }

    /// Tells that the log is late, unless that was told.
    fn tell(&self, lag: Duration) {
        if self.is_late.swap(true, Ordering::Relaxed) {
            return;
        }
        let synced_offset = self.append.frontiers().durable();
        self.teller.note(|| Event::SyncLate { lag, synced_offset });
    }

    /// Has somebody look whether the sync that is due at `time` was late.
    fn watch_from(&self, time: Instant) {
        let Durability::Interval(interval) = self.mode else {
            return;
        };
        if let Some(watch) = self.watch.get()
            && let Some(time) = time.checked_add(interval.max(SLACK_MIN))
            && !self.is_watched.swap(true, Ordering::Relaxed)
            && !watch.ask_at(time + SLACK_MIN)
        {
            self.is_watched.store(false, Ordering::Relaxed);
        }
    }
}

/// How long a message may wait until its log is late.
fn patience(interval: Duration) -> Duration {
    interval.saturating_add(interval.max(SLACK_MIN))
}

impl Worker for Pace {
    /// Looks whether the log is late. Where it is not, but messages wait, it looks again when they
    /// would be.
    fn turn(&self, _: Turn) {
        self.is_watched.store(false, Ordering::Relaxed);
        let waited = self.append.frontiers().waiting().waited();
        if waited.is_zero() || self.directory.health.check_writable().is_err() {
            return;
        }
        if self.is_behind(0, waited) {
            self.tell(waited);
        } else if let Durability::Interval(interval) = self.mode
            && let Some(time) = Instant::now().checked_add(interval.saturating_sub(waited))
        {
            self.watch_from(time);
        }
    }
}
