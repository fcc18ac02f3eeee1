use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::sys::coarse_time;

/// Since when messages have been waiting to be on stable storage.
///
/// A sync brings the log to stable storage up to an offset that was the next one when the sync
/// began, or up to the end of a segment. The time of the message at each such offset is marked, so
/// the oldest mark that is left says exactly since when the oldest message waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// In the order of the offsets.
    marks: Mutex<VecDeque<Mark>>,
    /// The time of the first mark.
    since: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    offset: u64,
    since: Instant,
    /// The same in nanoseconds on the coarse clock.
    coarse: u64,
}

/// The time of the first mark if there is none.
const NOTHING: u64 = u64::MAX;

/// The oldest message that is not on stable storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Oldest {
    pub(crate) offset: u64,
    /// Since when it has been waiting.
    pub(crate) since: Instant,
}

impl Waiting {
    pub(super) fn new() -> Waiting {
        Waiting {
            marks: Mutex::default(),
            since: AtomicU64::new(NOTHING),
        }
    }

    /// Notes that the message at `offset`, and those behind it, have been waiting since now.
    #[cold]
    pub(super) fn mark(&self, offset: u64) {
        let mark = Mark {
            offset,
            since: Instant::now(),
            coarse: now(),
        };
        let mut marks = self.marks.lock();
        marks.push_back(mark);
        self.update(&marks);
    }

    /// Notes that everything below `durable` is on stable storage.
    pub(super) fn synced(&self, durable: u64) {
        let mut marks = self.marks.lock();
        while marks.front().is_some_and(|mark| mark.offset < durable) {
            marks.pop_front();
        }
        self.update(&marks);
    }

    fn update(&self, marks: &VecDeque<Mark>) {
        let since = marks.front().map_or(NOTHING, |mark| mark.coarse);
        self.since.store(since, Ordering::Relaxed);
    }

    /// For how long the oldest message has been waiting; zero if none waits.
    #[inline]
    pub(crate) fn waited(&self) -> Duration {
        match self.since.load(Ordering::Relaxed) {
            NOTHING => Duration::ZERO,
            since => Duration::from_nanos(now().saturating_sub(since)),
        }
    }

    /// The oldest message that waits.
    pub(crate) fn oldest(&self) -> Option<Oldest> {
        let first = self.marks.lock().front().copied()?;
        Some(Oldest {
            offset: first.offset,
            since: first.since,
        })
    }
}

#[inline]
fn now() -> u64 {
    u64::try_from(coarse_time().as_nanos()).unwrap_or(NOTHING - 1)
}

/// The framed bytes that are not on stable storage, and whether the next message is marked in
/// [`Waiting`].
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Bytes written in this life, and how many of them were synced.
    written: u64,
    synced: u64,
    /// Whether a message behind the last offset that a sync may reach was marked.
    pub(super) is_marked: bool,
}

impl Backlog {
    pub(super) fn len(&self) -> u64 {
        self.written - self.synced
    }

    /// Notes that a batch was written.
    #[inline]
    pub(super) fn wrote(&mut self, len: u64) {
        self.written += len;
    }

    /// What was written so far, for [`synced`](Backlog::synced). A sync may end here.
    pub(super) fn snapshot(&mut self) -> u64 {
        self.is_marked = false;
        self.written
    }

    /// Notes that everything was synced that was written when the snapshot was taken.
    pub(super) fn synced(&mut self, snapshot: u64) {
        self.synced = self.synced.max(snapshot);
    }

    /// Notes that at most the last `len` bytes are not synced.
    pub(super) fn synced_but(&mut self, len: u64) {
        self.synced = self.synced.max(self.written.saturating_sub(len));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_message_that_waits_is_the_first_behind_the_durable_end() {
        let waiting = Waiting::new();
        assert_eq!((waiting.oldest(), waiting.waited()), (None, Duration::ZERO));
        for offset in [0, 5, 9] {
            waiting.mark(offset);
        }
        let offset = |waiting: &Waiting| waiting.oldest().map(|oldest| oldest.offset);
        assert_eq!(offset(&waiting), Some(0));
        waiting.synced(5);
        assert_eq!(offset(&waiting), Some(5));
        // A sync of an earlier moment that ends later changes nothing.
        waiting.synced(3);
        assert_eq!(offset(&waiting), Some(5));
        waiting.synced(12);
        assert_eq!((offset(&waiting), waiting.waited()), (None, Duration::ZERO));
    }

    #[test]
    fn bytes_written_during_a_sync_stay_in_the_backlog() {
        let mut backlog = Backlog::default();
        backlog.wrote(100);
        let snapshot = backlog.snapshot();
        backlog.wrote(30);
        backlog.synced(snapshot);
        assert_eq!(backlog.len(), 30);
        backlog.synced_but(10);
        assert_eq!(backlog.len(), 10);
        backlog.synced_but(50);
        assert_eq!(backlog.len(), 10);
    }
}
