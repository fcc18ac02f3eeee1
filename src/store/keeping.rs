//! What is due without anybody using a stream: messages that are too old or superseded, streams
//! that have been empty for long, a catalog that has got long.
//!
//! A partition that is open applies its limits itself. Of one that is closed, the store keeps what
//! was known of the age of its messages, which says when to look again. So it is opened only when
//! something may be due, and closed at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::access::Access;
use super::compactor::Job;
use super::config::StreamConfig;
use super::entry::{Entry, Known, Partition, Written};
use super::event::StreamEventKind;
use super::inner::Inner;
use super::record::{Numbers, Record, Unwritten};
use super::upcoming::Look;
use crate::log::Aging;
use crate::{Error, ErrorKind, Log, Result};

/// How often a stream is looked at that is deleted when it is empty, at most and at least.
const EMPTY_PERIODS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How often a partition is looked at that is compacted.
const COMPACTION_PERIOD: Duration = Duration::from_secs(60);
/// How often the catalog is looked at.
const CATALOG_PERIOD: Duration = Duration::from_secs(3600);
/// When to look again after a partition could not be looked at.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// When a store is opened, partitions are first looked at one by one, so long after each other.
const PACE: Duration = Duration::from_millis(15);

impl Inner {
    /// Has everything looked at that an earlier life has left.
    pub(super) fn begin_keeping(&self) {
        let entries: Vec<_> = self.streams.read().all().cloned().collect();
        let mut due = self.now();
        for entry in &entries {
            due = self.keep_stream(entry, due);
        }
        self.keeper.upcoming.add(due, Look::Catalog);
        self.look_when_due();
    }

    /// Has a stream that may have been changed or made looked at, not before `due`. Returns the
    /// time for the next.
    fn keep_stream(&self, entry: &Arc<Entry>, mut due: Instant) -> Instant {
        let record = entry.record.lock();
        let is_deleted_when_empty = record.config.delete_on_empty.is_some();
        let made = record.made.clone();
        let needs_looks = period_of(&record.config).is_some();
        drop(record);
        if !self.options.log.background || self.options.read_only {
            return due;
        }
        self.keep_floors(entry);
        for number in made.iter().filter(|_| needs_looks) {
            if let Ok(partition) = entry.partition(number) {
                due += PACE;
                self.look_at(due, entry, partition);
            }
        }
        if is_deleted_when_empty {
            due += PACE;
            self.keeper.upcoming.add(due, Look::Emptiness(Arc::clone(entry)));
        }
        due
    }

    /// Has a stream looked at that was made or changed.
    pub(super) fn keep_stream_from_now_on(&self, entry: &Arc<Entry>) {
        self.keep_stream(entry, self.now());
        self.look_when_due();
    }

    pub(super) fn now(&self) -> Instant {
        self.options.log.environment.clock.monotonic()
    }

    /// Has a partition looked at from now on, if its stream needs that.
    pub(super) fn keep(&self, entry: &Arc<Entry>, partition: &Arc<Partition>) {
        let period = period_of(&entry.record.lock().config);
        if let Some(period) = period
            && self.options.log.background
            && !self.options.read_only
        {
            self.look_at(self.now() + period, entry, partition);
            self.look_when_due();
        }
    }

    pub(super) fn look_at(&self, due: Instant, entry: &Arc<Entry>, partition: &Arc<Partition>) {
        let look = Look::Partition(Arc::clone(entry), Arc::clone(partition));
        self.keeper.upcoming.add(due, look);
    }

    /// Asks for a turn when the next look is due.
    pub(super) fn look_when_due(&self) {
        if let Some(due) = self.keeper.upcoming.next_due() {
            self.keeper.keep_in(due.saturating_duration_since(self.now()));
        }
    }

    /// Takes one look that is due; has others asked for.
    pub(super) fn take_look(&self) {
        match self.keeper.upcoming.take_due(self.now()) {
            Some(Look::Partition(entry, partition)) => {
                if let Some(due) = self.look_at_partition(&entry, &partition) {
                    self.look_at(due, &entry, &partition);
                }
            }
            Some(Look::Emptiness(entry)) => {
                if let Some(due) = self.look_whether_empty(&entry) {
                    self.keeper.upcoming.add(due, Look::Emptiness(entry));
                }
            }
            Some(Look::Catalog) => {
                self.keeper.compactor.ask(Job::Catalog);
                self.keeper
                    .upcoming
                    .add(self.now() + CATALOG_PERIOD, Look::Catalog);
            }
            Some(Look::Floors(_)) => self.look_at_floors(),
            None => {}
        }
        self.look_when_due();
    }

    /// Does what is due in a partition; returns when to look again, if ever.
    fn look_at_partition(&self, entry: &Arc<Entry>, partition: &Arc<Partition>) -> Option<Instant> {
        entry.check_live().ok()?;
        let config = entry.record.lock().config.clone();
        let retention = self.look_for_old(entry, partition, &config);
        let compaction = config.compaction.settings().map(|_| {
            self.compact_if_due(entry, partition);
            self.now() + COMPACTION_PERIOD
        });
        retention.into_iter().chain(compaction).min()
    }

    /// Removes what a partition has too much of; returns when there may be more, if ever.
    fn look_for_old(
        &self,
        entry: &Arc<Entry>,
        partition: &Arc<Partition>,
        config: &StreamConfig,
    ) -> Option<Instant> {
        let policy = config.policy();
        if !policy.is_limited() {
            return None;
        }
        let now = self.now();
        if partition.log.load().is_some() {
            // It does this itself; but not when it is closed, which it may be by then.
            return Some(now + Aging::period(&policy));
        }
        let due = partition
            .remembered
            .aging
            .lock()
            .due_if_left_alone(&policy, now)?;
        if due > now {
            return Some(due);
        }
        let looked = Access::new(self, entry, partition).apart(|log| {
            // Opening it has raised the floor, from nothing to where the readers are.
            partition.remembered.readers.floor().take_raised();
            partition.remembered.aging.lock().look_again();
            log.retain();
            log.stat()
        });
        match looked {
            // Whoever publishes to it opens it, which has it looked at again.
            Ok(Some(stats)) if stats.messages == 0 => None,
            // As long as nobody publishes, more goes only when the floor is raised, and then it is
            // looked at again.
            Ok(Some(_)) if partition.remembered.readers.floor().is_held() => None,
            Ok(Some(_)) => {
                let due = partition
                    .remembered
                    .aging
                    .lock()
                    .due_if_left_alone(&policy, now)?;
                Some(due.max(now + EMPTY_PERIODS.0))
            }
            Ok(None) => Some(now + Aging::period(&policy)),
            Err(_) => Some(now + AGAIN_AFTER),
        }
    }

    /// Deletes a stream if it has been empty for so long; returns when to look again, if ever.
    fn look_whether_empty(&self, entry: &Arc<Entry>) -> Option<Instant> {
        entry.check_live().ok()?;
        let age = entry.record.lock().config.delete_on_empty?;
        let now = self.now();
        let period = (age / 4).clamp(EMPTY_PERIODS.0, EMPTY_PERIODS.1);
        let Ok(Some(holds)) = Self::holdings(entry, |partition| self.holdings_of(entry, partition)) else {
            return Some(now + period);
        };
        let idle = self.idle_for(entry, holds.next_offset, now);
        if !holds.is_empty() {
            return Some(now + period);
        }
        if idle >= age {
            return match self.delete_if_empty(entry, holds.next_offset) {
                Ok(true) => None,
                Ok(false) | Err(_) => Some(now + period),
            };
        }
        // Noted, so that a process that does not live for so long does not count anew. What fails
        // is tried again at the next look.
        let _ = self.note_unwritten(entry, holds.next_offset, idle);
        Some(now + period.min(age.saturating_sub(idle)))
    }

    /// For how long the sum of a stream's next offsets has been `total`.
    fn idle_for(&self, entry: &Entry, total: u64, now: Instant) -> Duration {
        let mut written = entry.written.lock();
        let same = written.filter(|written| written.total == total);
        let same = same.unwrap_or_else(|| {
            let before = if written.is_some() {
                Duration::ZERO
            } else {
                self.idle_before(&entry.record.lock(), total)
            };
            Written {
                total,
                since: now,
                before,
            }
        });
        *written = Some(same);
        same.before + now.saturating_duration_since(same.since)
    }

    /// For how long it had been so when this life began, by the wall clock.
    fn idle_before(&self, record: &Record, total: u64) -> Duration {
        let noted = record.unwritten.filter(|noted| noted.total == total);
        let since = match noted {
            Some(noted) => noted.since,
            None if total == 0 => record.created,
            None => return Duration::ZERO,
        };
        let now = self.options.log.environment.clock.now();
        let micros = now.as_micros().saturating_sub(since.as_micros());
        Duration::from_micros(u64::try_from(micros).unwrap_or_default())
    }

    fn note_unwritten(&self, entry: &Entry, total: u64, idle: Duration) -> Result<()> {
        let since = self.options.log.environment.clock.now().saturating_sub(idle);
        let noted = self.change(entry, None, &Numbers::default(), |record| {
            let is_news = record.unwritten.is_none_or(|noted| noted.total != total);
            if is_news {
                record.unwritten = Some(Unwritten { total, since });
            }
            Ok(is_news && total > 0)
        });
        noted.map(|_| ())
    }

    /// What all partitions of a stream have; `None` if that cannot be told now of one that owes a
    /// part, or for which `of` cannot tell.
    fn holdings(
        entry: &Entry,
        of: impl Fn(&Arc<Partition>) -> Result<Option<Known>>,
    ) -> Result<Option<Known>> {
        let made = entry.record.lock().made.clone();
        let mut all = Known::default();
        for number in made.iter() {
            let partition = entry.partition(number)?;
            if partition.owes.load(Ordering::Acquire) {
                return Ok(None);
            }
            let Some(known) = of(partition)? else {
                return Ok(None);
            };
            all += known;
        }
        Ok(Some(all))
    }

    /// What a partition has, whether it is open or not; `None` if somebody is at it.
    pub(super) fn holdings_of(
        &self,
        entry: &Arc<Entry>,
        partition: &Arc<Partition>,
    ) -> Result<Option<Known>> {
        if let Some(log) = partition.log.load_full() {
            return Known::of(&log).map(Some);
        }
        let last = partition.seen.lock().known;
        match last {
            Some(known) => Ok(Some(known)),
            None => Access::new(self, entry, partition).apart(Known::of),
        }
    }

    /// Deletes a stream that is empty, and whose next offsets add up to `total`. Returns whether it
    /// was.
    fn delete_if_empty(&self, entry: &Arc<Entry>, total: u64) -> Result<bool> {
        self.check_writable()?;
        let _changing = self.changing.lock();
        let numbers = 0..entry.partition_count();
        let partitions: Result<Vec<_>> = numbers.map(|number| entry.partition(number)).collect();
        let partitions = partitions?;
        // Nobody publishes from here on until it is deleted.
        let mut gates = Vec::with_capacity(partitions.len());
        for partition in &partitions {
            let Some(gate) = partition.gate.try_write() else {
                return Ok(false);
            };
            gates.push(gate);
        }
        let look = |partition: &Arc<Partition>| Access::new(self, entry, partition).look(Known::of).map(Some);
        let is_empty = |all: &Known| all.is_empty() && all.next_offset == total;
        if !Self::holdings(entry, look)?.as_ref().is_some_and(is_empty) {
            return Ok(false);
        }
        let deleted = self.note_deleted(entry);
        if entry.is_deleting() {
            // Also if it is not known whether the catalog says so.
            entry.used().for_each(|partition| self.end_use(entry, partition));
        }
        drop(gates);
        deleted?;
        self.keeper.purge_later(entry);
        Ok(true)
    }

    /// The catalog says that a stream is deleted, and nobody uses it from now on.
    pub(super) fn note_deleted(&self, entry: &Arc<Entry>) -> Result<()> {
        let now = self.options.log.environment.clock.now();
        let kind = Some(StreamEventKind::Deleted);
        let deleted = self.change(entry, kind, &Numbers::default(), |record| {
            record.deleted = Some(now);
            Ok(true)
        });
        let is_certain = |error: &Error| error.kind() != ErrorKind::Unknown;
        if !deleted.as_ref().is_err_and(is_certain) {
            // Also if it is not known: what is published from now on might go with the stream.
            entry.begin_deleting();
        }
        deleted.map(|_| ())
    }
}

/// How often the partitions of a stream are looked at while they are open; `None` if they are not.
fn period_of(config: &StreamConfig) -> Option<Duration> {
    let policy = config.policy();
    let retention = policy.is_limited().then(|| Aging::period(&policy));
    let compaction = config.compaction.settings().map(|_| COMPACTION_PERIOD);
    retention.into_iter().chain(compaction).min()
}
