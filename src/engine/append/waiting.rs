use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::segment::Way;
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
    /// Up to which written byte batches go to the file by calls.
    called_to: u64,
    /// Whether the log is synced at a pace.
    is_paced: bool,
    /// Bytes of the segment before the active one, if it was appended to in this life: as many are
    /// to be expected in this one.
    pub(super) segment_before: u64,
    /// Bytes between the last two snapshots.
    last_len: u64,
    last_snapshot: u64,
}

/// How far ahead of the end space is prepared, at most.
pub(super) const AHEAD_MAX: u64 = 32 << 20;
/// Bytes in a sync from which on it takes less time to write them than to note in the file system's
/// journal that the space for them was written.
const LARGE_SYNC: u64 = 256 << 10;
/// The smallest piece of space that is prepared.
const AHEAD_MIN: u64 = 4096;

/// Bytes behind a sync that go to the file by calls.
///
/// The system keeps what was written at once, or read ahead, in one piece of up to 2 MiB, and a
/// store through a mapping makes all of it be written back. A call makes only its own blocks be
/// written. So as long as a sync would find few bytes, they come by calls; with as many as this,
/// the rest of one piece no longer matters.
const CALLED_LEN: u64 = 1 << 20;

impl Backlog {
    pub(super) fn len(&self) -> u64 {
        self.written - self.synced
    }

    /// Notes that a batch was written.
    #[inline]
    pub(super) fn wrote(&mut self, len: u64) {
        self.written += len;
    }

    /// How the next batch goes to the file; `waits` if somebody waits for its sync.
    #[inline]
    pub(super) fn way(&self, waits: bool) -> Way {
        if waits || self.written < self.called_to {
            Way::Call
        } else {
            Way::Mapping
        }
    }

    /// Notes that the log is synced at a pace.
    pub(super) fn set_paced(&mut self) {
        self.is_paced = true;
        self.expect_sync();
    }

    /// Notes that nothing can be stored through a mapping.
    pub(super) fn set_called(&mut self) {
        self.called_to = u64::MAX;
    }

    fn expect_sync(&mut self) {
        let to = self.written.saturating_add(CALLED_LEN);
        self.called_to = self.called_to.max(to);
    }

    /// The backlog of the same log, all of which was removed. What was written before stays
    /// counted, because a sync of it may be under way.
    pub(super) fn emptied(&self) -> Backlog {
        let mut emptied = Backlog {
            written: self.written,
            synced: self.written,
            last_snapshot: self.last_snapshot,
            called_to: self.called_to,
            is_paced: self.is_paced,
            ..Backlog::default()
        };
        if self.is_paced {
            emptied.expect_sync();
        }
        emptied
    }

    /// How far ahead of the end space may be prepared.
    ///
    /// A sync also writes the space that lies ready, and each byte there is written a second time
    /// when it is filled. For small syncs that somebody waits for this is worth it, because they
    /// need not note in the file system's journal that the space was written. Where a sync brings
    /// many bytes, or nobody waits for it, a quarter of them is prepared.
    pub(super) fn ahead_max(&self) -> u64 {
        let next_len = self.last_len.max(self.len());
        if self.is_paced {
            (next_len / 4).clamp(AHEAD_MIN, AHEAD_MAX)
        } else if self.last_len >= LARGE_SYNC {
            (next_len / 4).min(AHEAD_MAX)
        } else {
            AHEAD_MAX
        }
    }

    /// What was written so far, for [`synced`](Backlog::synced). A sync may end here.
    pub(super) fn snapshot(&mut self) -> u64 {
        self.is_marked = false;
        self.last_len = self.written - self.last_snapshot;
        self.last_snapshot = self.written;
        // One sync is seldom the last.
        self.expect_sync();
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

    #[test]
    fn a_sync_may_end_after_everything_was_removed() {
        let mut backlog = Backlog::default();
        backlog.wrote(100);
        let snapshot = backlog.snapshot();
        backlog.wrote(30);
        let mut emptied = backlog.emptied();
        assert_eq!(emptied.len(), 0);
        emptied.synced(snapshot);
        emptied.wrote(50);
        assert_eq!(emptied.len(), 50);
    }

    #[test]
    fn space_ahead_follows_what_syncs_bring() {
        let mut log = Backlog::default();
        assert_eq!(log.ahead_max(), AHEAD_MAX, "no sync so far");
        log.wrote(1000);
        log.snapshot();
        assert_eq!(log.ahead_max(), AHEAD_MAX, "small syncs");
        log.wrote(4 << 20);
        let snapshot = log.snapshot();
        log.synced(snapshot);
        assert_eq!(log.ahead_max(), 1 << 20);
        log.wrote(1 << 30);
        assert_eq!(log.ahead_max(), AHEAD_MAX, "no sync for long");

        let mut paced = Backlog::default();
        paced.set_paced();
        assert_eq!(paced.ahead_max(), AHEAD_MIN);
        assert_eq!((paced.way(true), paced.way(false)), (Way::Call, Way::Call));
        paced.wrote(2 << 20);
        assert_eq!((paced.way(true), paced.way(false)), (Way::Call, Way::Mapping));
        paced.snapshot();
        assert_eq!((paced.way(false), paced.ahead_max()), (Way::Call, 512 << 10));
    }

    #[test]
    fn where_nothing_is_stored_through_mappings_every_batch_goes_by_call() {
        let mut log = Backlog::default();
        assert_eq!(log.way(false), Way::Mapping);
        log.set_called();
        log.snapshot();
        log.wrote(1 << 40);
        assert_eq!((log.way(false), log.emptied().way(false)), (Way::Call, Way::Call));
    }
}
