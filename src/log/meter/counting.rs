use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::handles::Handles;
use super::{Cause, Listed, Timed};
use crate::{Event, Result};

/// Counts what happens to a log that is open for writing. A read-only handle has one that counts
/// nothing: what it sees happens to the log of somebody else.
///
/// Its methods may be called under any lock of the log.
#[derive(Debug, Default)]
pub(crate) struct Meter(Option<Arc<Handles>>);

/// While a segment grows, the size of the log is shown each time it has grown by this.
const SIZE_STEP: u64 = 1 << 20;

impl Meter {
    /// Makes the handles for the log in `dir`, with the recorder that is installed now.
    pub(crate) fn of(dir: &Path) -> Meter {
        Meter(Some(Arc::new(Handles::of(dir))))
    }

    /// Whether anything is counted.
    pub(crate) fn is_counting(&self) -> bool {
        self.0.is_some()
    }

    /// Notes that the log is open.
    pub(crate) fn opened(&self, next_offset: u64, synced_offset: u64) {
        if let Some(handles) = &self.0 {
            set(&handles.state.next_offset, next_offset);
            set(&handles.state.synced_offset, synced_offset);
            handles.state.writable.set(1);
        }
    }

    /// Notes that a batch was appended, of so many messages and framed bytes: the next offset after
    /// it, and the position at which its segment ends. The appender calls this under its lock.
    #[inline]
    pub(crate) fn published(&self, messages: usize, len: u64, (next_offset, end): (u64, u32)) {
        if let Some(handles) = &self.0 {
            handles.published.batches.increment(1);
            handles.published.messages.increment(messages as u64);
            handles.published.bytes.increment(len);
            set(&handles.state.next_offset, next_offset);
            let end = u64::from(end);
            if end / SIZE_STEP != end.saturating_sub(len) / SIZE_STEP {
                show_size(handles, end);
            }
        }
    }

    /// Measures how long `work` takes, if it succeeds.
    #[inline]
    pub(crate) fn time<T>(&self, what: Timed, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.0.is_none() {
            return work();
        }
        let begun = Instant::now();
        let done = work();
        match (&self.0, what, &done) {
            (_, _, Ok(_)) => self.took(what, begun.elapsed()),
            (Some(handles), Timed::Sync, Err(_)) => handles.durability.sync_failures.increment(1),
            _ => {}
        }
        done
    }

    /// Notes how long something took.
    pub(crate) fn took(&self, what: Timed, time: Duration) {
        if let Some(handles) = &self.0 {
            let histogram = match what {
                Timed::Open => &handles.open_duration,
                Timed::Sync => &handles.durability.sync_duration,
                Timed::Wait => &handles.durability.publish_wait,
            };
            histogram.record(time);
        }
    }

    /// Shows the offset below which everything is on stable storage, which `read` tells.
    pub(crate) fn synced_to(&self, read: impl Fn() -> u64) {
        if let Some(handles) = &self.0 {
            settle(read, PartialEq::eq, |offset| {
                set(&handles.state.synced_offset, *offset);
            });
        }
    }

    /// Shows the segments, and where the one ends that is appended to, which `read` tells.
    pub(crate) fn listed(&self, read: impl Fn() -> (Listed, u64)) {
        if let Some(handles) = &self.0 {
            // That the one segment grows meanwhile is no reason to look once more.
            let is_same = |one: &(Listed, u64), other: &(Listed, u64)| one.0 == other.0;
            settle(read, is_same, |(listed, end)| {
                set(&handles.state.start_offset, listed.start_offset);
                set(&handles.state.segments, listed.segments as u64);
                handles
                    .state
                    .left_behind
                    .store(listed.left_behind, Ordering::Relaxed);
                show_size(handles, *end);
            });
        }
    }

    /// Notes that so many messages were removed, and so many bytes of files.
    pub(crate) fn removed(&self, cause: Cause, messages: u64, bytes: u64) {
        if let Some(handles) = &self.0 {
            let removed = match cause {
                Cause::Retention => &handles.removed.by_retention,
                Cause::Trim => &handles.removed.by_trim,
                Cause::Delete => &handles.removed.by_delete,
            };
            removed.messages.increment(messages);
            removed.bytes.increment(bytes);
        }
    }

    /// Counts what a listener may be told.
    pub(crate) fn happened(&self, event: &Event) {
        let Some(handles) = &self.0 else { return };
        match event {
            Event::SyncLate { .. } => handles.durability.late_syncs.increment(1),
            Event::RetentionWaits { .. } => handles.removed.retention_waits.increment(1),
            Event::RolledOver { .. } => handles.rollovers.increment(1),
            Event::Sealed { .. } => handles.seals.increment(1),
            // Counted by `removed`, as what others remove.
            Event::RetentionRemoved { .. } | Event::RetentionOverrun { .. } => {}
            Event::JobFailed { job, .. } => {
                for (_, failures) in handles.failed.jobs.iter().filter(|(of, _)| of == job) {
                    failures.increment(1);
                }
            }
            Event::Recovered {
                cut_bytes,
                lost_durable,
                ..
            } => {
                handles.recovered.all.increment(1);
                handles.recovered.lossy.increment(u64::from(*lost_durable));
                handles.recovered.cut_bytes.increment(*cut_bytes);
            }
        }
    }

    /// Notes that the log was poisoned.
    pub(crate) fn poisoned(&self) {
        if let Some(handles) = &self.0 {
            handles.failed.poisonings.increment(1);
            handles.state.writable.set(0);
        }
    }

    /// Notes that the log was closed.
    pub(crate) fn closed(&self) {
        if let Some(handles) = &self.0 {
            handles.state.writable.set(0);
        }
    }
}

/// Gauges hold numbers as `f64`, exactly up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "gauges hold no other numbers")]
fn set(gauge: &metrics::Gauge, value: u64) {
    gauge.set(value as f64);
}

/// Shows the size of a log whose last segment ends at `end`.
fn show_size(handles: &Handles, end: u64) {
    set(
        &handles.state.size,
        handles.state.left_behind.load(Ordering::Relaxed) + end,
    );
}

/// Shows what `read` tells, and once more if that has changed meanwhile: another thread may have
/// shown the change already, and the last to show must show the newest.
fn settle<T>(read: impl Fn() -> T, is_same: impl Fn(&T, &T) -> bool, show: impl Fn(&T)) {
    let mut shown = read();
    loop {
        show(&shown);
        let now = read();
        if is_same(&shown, &now) {
            return;
        }
        shown = now;
    }
}
