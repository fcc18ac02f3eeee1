//! Which partitions are open, and which are closed first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::entry::{Entry, Partition};
use crate::Changes;
use crate::types::StreamId;

/// The partitions that are open, and perhaps some that were.
#[derive(Debug)]
pub(super) struct OpenPartitions {
    max: usize,
    open: Mutex<VecDeque<Opened>>,
}

#[derive(Debug)]
struct Opened {
    entry: Arc<Entry>,
    partition: Arc<Partition>,
    used_at: Instant,
}

impl OpenPartitions {
    pub(super) fn new(max: usize) -> OpenPartitions {
        OpenPartitions {
            max,
            open: Mutex::default(),
        }
    }

    /// Notes that a partition was opened, and closes others if there are too many.
    pub(super) fn add(&self, entry: &Arc<Entry>, partition: &Arc<Partition>) {
        let opened = Opened {
            entry: Arc::clone(entry),
            partition: Arc::clone(partition),
            used_at: Instant::now(),
        };
        let mut open = self.open.lock();
        open.push_back(opened);
        let excess = open.len().saturating_sub(self.max);
        let (mut victims, mut awaited) = (Vec::new(), Vec::new());
        // Second chance: the first round spares those that were used since the last search.
        let mut looks = 2 * open.len();
        while victims.len() < excess && looks > 0 {
            looks -= 1;
            let Some(mut next) = open.pop_front() else { break };
            let is_spared = Arc::ptr_eq(&next.partition, partition)
                || next.partition.is_used.swap(false, Ordering::Relaxed)
                || is_needed(&next.partition, &mut awaited);
            if is_spared {
                next.used_at = Instant::now();
                open.push_back(next);
            } else {
                victims.push(next);
            }
        }
        drop(open);
        for changes in awaited {
            changes.notify();
        }
        self.close(victims);
    }

    /// Closes those that nobody has used for so long; returns whether any is open still.
    pub(super) fn close_idle(&self, idle: Duration) -> bool {
        let now = Instant::now();
        let mut open = self.open.lock();
        let (mut victims, mut awaited) = (Vec::new(), Vec::new());
        for _ in 0..open.len() {
            let Some(mut next) = open.pop_front() else { break };
            if next.partition.is_used.swap(false, Ordering::Relaxed)
                || is_needed(&next.partition, &mut awaited)
            {
                next.used_at = now;
            }
            if next.partition.log.load().is_none() {
                continue;
            }
            if now.saturating_duration_since(next.used_at) >= idle {
                victims.push(next);
            } else {
                open.push_back(next);
            }
        }
        drop(open);
        for changes in awaited {
            changes.notify();
        }
        self.close(victims);
        !self.open.lock().is_empty()
    }

    /// Closes partitions, but for those that somebody is changing.
    fn close(&self, victims: Vec<Opened>) {
        for victim in victims {
            let alone = victim.partition.gate.try_write();
            let is_busy = alone.is_none();
            if !is_busy {
                // A log that cannot be closed in order is recovered when it is opened again.
                let _ = victim.partition.shut();
            }
            drop(alone);
            if is_busy {
                self.open.lock().push_back(victim);
            }
        }
    }

    /// Notes that a partition was closed.
    pub(super) fn forget(&self, id: StreamId, number: u32) {
        self.open
            .lock()
            .retain(|opened| opened.entry.id != id || opened.partition.number != number);
    }

    pub(super) fn clear(&self) {
        self.open.lock().clear();
    }
}

/// Whether somebody copies or compacts a partition, or may wait for it. Those who wait are to be
/// notified, without a lock: they announce themselves again, and those who have stopped are
/// forgotten.
fn is_needed(partition: &Partition, awaited: &mut Vec<Arc<Changes>>) -> bool {
    let is_awaited = partition.changes.is_awaited();
    if is_awaited {
        awaited.push(Arc::clone(&partition.changes));
    }
    is_awaited || partition.is_pinned()
}
