//! A stream as an open store has it.

use std::ops::AddAssign;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use parking_lot::{Mutex, RwLock};

use super::counters::Counters;
use super::metrics::Metrics;
use super::partitioner::Partitions;
use super::readers::{Queues, Readers};
use super::record::{Numbers, Record};
use super::slot::Slot;
use crate::log::Aging;
use crate::types::StreamId;
use crate::{Changes, Error, FileLog, Log, Result};

/// A stream: what the catalog says of it, and its partitions.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: StreamId,
    pub(super) name: Arc<str>,
    /// What the catalog says. Held while that is changed, so that a stream's changes are in order.
    pub(super) record: Mutex<Record>,
    /// Made when they are first used.
    partitions: Box<[OnceLock<Arc<Partition>>]>,
    origin: Origin,
    /// The next partition of [`RoundRobin`](super::Partitioner::RoundRobin).
    turn: AtomicU32,
    state: AtomicU8,
    /// For how long nobody has written to it, as far as that is known.
    pub(super) written: Mutex<Option<Written>>,
    pub(super) next_look: Slot,
    /// Its work queues that were opened in this life of the store.
    pub(super) queues: Queues,
    counters: Arc<Counters>,
}

/// For how long nobody has written to a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// The sum of the next offsets.
    pub(super) total: u64,
    /// Since when it is known to be so.
    pub(super) since: Instant,
    /// For how long it had been so before that.
    pub(super) before: Duration,
}

/// Where a stream that is known comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was made since the store was opened.
    New,
    /// An earlier life has made it, and may have left messages that are not on stable storage.
    Found,
    /// The store is read only: others change it, and may tell nobody.
    Read,
}

const LIVE: u8 = 0;
const DELETING: u8 = 1;
const GONE: u8 = 2;

/// A partition. It is open while it is used.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) number: u32,
    /// The log, while the partition is open.
    pub(super) log: ArcSwapOption<FileLog>,
    /// Held while the log is opened or closed.
    pub(super) opening: Mutex<()>,
    /// Held by whoever changes the log; held alone by who must not meet others.
    pub(super) gate: RwLock<()>,
    /// Wakes who waits for the partition to change, whether it is open or not.
    pub(super) changes: Arc<Changes>,
    /// Whether messages of an earlier life may not be on stable storage, or closing has failed.
    pub(super) needs_sync: AtomicBool,
    /// Whether it lacks a part of an atomic publish.
    pub(super) owes: AtomicBool,
    /// Whether it was used since the last look of the keeper.
    pub(super) is_used: AtomicBool,
    /// How many need it to stay open.
    pins: AtomicU32,
    pub(super) remembered: Remembered,
    pub(super) seen: Mutex<Seen>,
    pub(super) keeping: Keeping,
}

/// What is known of a partition's log, whether it is open or not.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// The age of its messages.
    pub(super) aging: Arc<Mutex<Aging>>,
    /// The number of its metadata that this process has last brought to stable storage; 0 if that
    /// is none or not known.
    pub(super) durable_metadata: Arc<AtomicU64>,
    /// Who has yet to read it.
    pub(super) readers: Readers,
}

/// What is due in a partition that nobody need use.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    pub(super) next_look: Slot,
    /// The offset up to which it was compacted in this life.
    pub(super) compacted_to: AtomicU64,
}

/// What was seen of the log of a partition.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// What it has, if that was looked at since it was closed.
    pub(super) known: Option<Known>,
    /// What it had when it was closed or looked at last. It may have got more since, and less.
    pub(super) last: Known,
}

impl Seen {
    /// Notes what a log has that nobody can have changed until it is opened.
    pub(super) fn note(&mut self, known: Option<Known>) {
        self.known = known;
        self.last = known.unwrap_or(self.last);
    }
}

/// What a log has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    pub(super) next_offset: u64,
    pub(super) messages: u64,
    /// The bytes of its files.
    pub(super) size: u64,
}

impl Known {
    pub(super) fn of(log: &FileLog) -> Result<Known> {
        let stats = log.stat()?;
        Ok(Known {
            next_offset: stats.next_offset,
            messages: stats.messages,
            size: stats.size,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages == 0
    }
}

impl AddAssign for Known {
    fn add_assign(&mut self, other: Known) {
        self.next_offset = self.next_offset.saturating_add(other.next_offset);
        self.messages = self.messages.saturating_add(other.messages);
        self.size = self.size.saturating_add(other.size);
    }
}

/// Keeps a partition from being closed because nobody uses it.
#[derive(Debug)]
pub(super) struct Pinned<'a>(&'a Partition);

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        self.0.pins.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Entry {
    pub(super) fn new(id: StreamId, record: Record, origin: Origin) -> Entry {
        let state = if record.deleted.is_some() { DELETING } else { LIVE };
        let count = record.config.partition_count();
        Entry {
            id,
            name: record.name.as_str().into(),
            partitions: (0..count).map(|_| OnceLock::new()).collect(),
            record: Mutex::new(record),
            origin,
            turn: AtomicU32::new(0),
            state: AtomicU8::new(state),
            written: Mutex::default(),
            next_look: Slot::default(),
            queues: Queues::default(),
            counters: Arc::default(),
        }
    }

    /// What happens to the stream is counted here, and reported as that of the store in `dir`.
    pub(super) fn counters(&self, dir: &Path) -> &Arc<Counters> {
        self.counters.report_as(dir, &self.name);
        &self.counters
    }

    /// What was counted so far, and what there is now.
    pub(super) fn metrics(&self) -> Metrics {
        let mut metrics = self.counted();
        metrics += self.held();
        metrics
    }

    /// What was counted so far.
    pub(super) fn counted(&self) -> Metrics {
        self.counters.counted()
    }

    /// What the partitions have now. None is opened for that.
    pub(super) fn held(&self) -> Metrics {
        let mut held = Metrics::default();
        if self.check_live().is_ok() {
            held.streams = 1;
            for partition in self.used() {
                let log = partition.log.load_full();
                held.open_partitions += u64::from(log.is_some());
                // If it is closed meanwhile, that has noted what it had.
                let now = log.and_then(|log| Known::of(&log).ok());
                let Known { messages, size, .. } = now.unwrap_or_else(|| partition.seen.lock().last);
                held.messages += messages;
                held.bytes += size;
            }
        }
        self.counters.show(&held);
        held
    }

    pub(super) fn partition_count(&self) -> u32 {
        u32::try_from(self.partitions.len()).unwrap_or(u32::MAX)
    }

    /// The partition with this number.
    pub(super) fn partition(&self, number: u32) -> Result<&Arc<Partition>> {
        let slot = self.partitions.get(number as usize);
        let slot = slot.ok_or_else(no_partition)?;
        Ok(slot.get_or_init(|| Arc::new(Partition::new(number, self.origin))))
    }

    /// The numbers of some partitions.
    pub(super) fn numbers(&self, partitions: &Partitions) -> Result<Numbers> {
        let count = self.partition_count();
        match partitions {
            Partitions::All => Ok((0..count).collect()),
            Partitions::These(numbers) if numbers.iter().all(|number| *number < count) => {
                Ok(numbers.iter().copied().collect())
            }
            Partitions::These(_) => Err(no_partition()),
        }
    }

    /// The partitions that were used since the store was opened.
    pub(super) fn used(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.partitions.iter().filter_map(OnceLock::get)
    }

    /// The partition whose turn it is.
    pub(super) fn next_in_turn(&self) -> u32 {
        let count = self.partition_count();
        let next = |turn: u32| Some((turn + 1) % count);
        let turn = self.turn.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        turn.unwrap_or_else(|turn| turn) % count
    }

    /// Fails if the stream was deleted.
    pub(super) fn check_live(&self) -> Result<()> {
        match self.state.load(Ordering::Acquire) {
            LIVE => Ok(()),
            DELETING => Err(Error::StreamDeleting {
                name: self.name.as_ref().into(),
            }),
            _ => Err(no_stream(&self.name)),
        }
    }

    pub(super) fn is_deleting(&self) -> bool {
        self.state.load(Ordering::Acquire) == DELETING
    }

    /// Refuses everything from now on: the stream was deleted.
    pub(super) fn begin_deleting(&self) {
        self.state.fetch_max(DELETING, Ordering::AcqRel);
    }

    /// The stream was removed, and another may have its name.
    pub(super) fn has_gone(&self) {
        self.state.fetch_max(GONE, Ordering::AcqRel);
    }
}

pub(super) fn no_stream(name: &str) -> Error {
    Error::NoStream { name: name.into() }
}

fn no_partition() -> Error {
    Error::Invalid("the stream has no such partition")
}

impl Partition {
    fn new(number: u32, of: Origin) -> Partition {
        let changes = match of {
            Origin::New | Origin::Found => Changes::new(),
            Origin::Read => Changes::polled(),
        };
        Partition {
            number,
            log: ArcSwapOption::empty(),
            opening: Mutex::new(()),
            gate: RwLock::new(()),
            changes: Arc::new(changes),
            needs_sync: AtomicBool::new(of == Origin::Found),
            owes: AtomicBool::new(false),
            is_used: AtomicBool::new(false),
            pins: AtomicU32::new(0),
            remembered: Remembered::default(),
            seen: Mutex::default(),
            keeping: Keeping::default(),
        }
    }

    pub(super) fn pin(&self) -> Pinned<'_> {
        self.pins.fetch_add(1, Ordering::AcqRel);
        Pinned(self)
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.pins.load(Ordering::Acquire) > 0
    }

    /// Closes the log, if it is open. Calls that are under way end first, or fail with `Closed` and
    /// have changed nothing. Who waits for the partition looks at it again.
    ///
    /// If it fails, what was published may not be there when the log is opened again: then it needs
    /// a sync, and the parts of atomic publishes are looked for.
    pub(super) fn shut(&self) -> Result<()> {
        let _opening = self.opening.lock();
        if self.log.load().is_none() {
            return Ok(());
        }
        if let Some(log) = self.log.load_full()
            && let Ok(last) = Known::of(&log)
        {
            self.seen.lock().last = last;
        }
        // In front of the swap: who syncs and finds no log waits for the lock, and then knows.
        self.needs_sync.store(true, Ordering::Release);
        let closed = self.log.swap(None).map_or(Ok(()), |log| log.close());
        self.note_closed(closed)
    }

    /// Notes how closing has ended.
    pub(super) fn note_closed(&self, closed: Result<()>) -> Result<()> {
        if closed.is_ok() {
            self.needs_sync.store(false, Ordering::Release);
        } else {
            self.owes.store(true, Ordering::Release);
            // Its offsets may be given to other messages.
            self.forget_age();
        }
        closed
    }

    /// Other limits hold for the age of its messages.
    pub(super) fn change_limits(&self) {
        self.remembered.aging.lock().change_limits();
    }

    /// What was known of the age of its messages does not hold any more.
    pub(super) fn forget_age(&self) {
        *self.remembered.aging.lock() = Aging::default();
    }
}
