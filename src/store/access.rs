//! Using a partition: it is opened when it is used, and may be closed between two calls.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::RwLockReadGuard;

use super::counters::Counters;
use super::entry::{Entry, Known, Partition};
use super::event::StreamEventKind;
use super::inner::Inner;
use super::readers::OpeningLog;
use super::record::{Numbers, Record};
use crate::engine::was_closed;
use crate::types::StreamId;
use crate::{Ack, Changes, Control, Error, FileLog, Log, NewMessage, Options, PublishOptions, Result};

/// A partition that somebody uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access<'a> {
    inner: &'a Inner,
    entry: &'a Arc<Entry>,
    partition: &'a Arc<Partition>,
}

/// What a partition that is paused is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It stays paused.
    Reading,
    /// It is resumed.
    Changing,
}

impl<'a> Access<'a> {
    pub(super) fn new(inner: &'a Inner, entry: &'a Arc<Entry>, partition: &'a Arc<Partition>) -> Access<'a> {
        Access {
            inner,
            entry,
            partition,
        }
    }

    /// Does something to the log that changes it. Nobody who has to be alone is at it meanwhile.
    pub(super) fn changing<T>(&self, mut change: impl FnMut(&FileLog) -> Result<T>) -> Result<T> {
        self.inner.check_writable()?;
        let changed = {
            let _not_alone = self.enter()?;
            self.with(Asked::Changing, &mut change, |log| self.note_seal(log))
        };
        if is_of_poisoned(&changed) {
            let _alone = self.partition.gate.write();
            self.shut_if_poisoned();
        }
        self.inner.keeper.tell_left();
        changed
    }

    /// Closes the log if it is poisoned, so that the next one who uses it opens it again. The
    /// caller holds the gate alone.
    pub(super) fn shut_if_poisoned(&self) {
        let log = self.partition.log.load_full();
        if log.is_some_and(|log| is_poisoned(&log)) {
            // It fails with what has poisoned it.
            let _ = self.partition.shut();
        }
    }

    /// Reads from the log, or waits for it.
    pub(super) fn reading<T>(&self, asked: Asked, mut read: impl FnMut(&FileLog) -> Result<T>) -> Result<T> {
        self.inner.look()?;
        self.with(asked, &mut read, |_| Ok(()))
    }

    /// Publishes, and counts what comes of it.
    pub(super) fn publish(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<Ack> {
        let published = self.changing(|log| log.append(messages, how));
        match &published {
            Ok(ack) => self.counters().published(messages, ack),
            Err(error) => self.counters().rejected(error),
        }
        published
    }

    pub(super) fn counters(&self) -> &'a Arc<Counters> {
        self.entry.counters(self.inner.layout.root().path())
    }

    /// Waits until nobody has to be alone, and the partition has all it should have.
    fn enter(&self) -> Result<RwLockReadGuard<'a, ()>> {
        loop {
            let entered = self.partition.gate.read();
            if !self.partition.owes.load(Ordering::Acquire) {
                return Ok(entered);
            }
            drop(entered);
            let _alone = self.partition.gate.write();
            self.inner.pay(*self)?;
        }
    }

    /// Seals the log if the catalog says that it is sealed. The caller holds the gate alone.
    pub(super) fn seal_as_noted(&self) -> Result<()> {
        let is_noted = self.entry.record.lock().sealed.contains(self.partition.number);
        self.alone(|log| self.agree_on_seal(log, is_noted))
    }

    pub(super) fn id(&self) -> StreamId {
        self.entry.id
    }

    pub(super) fn partition(&self) -> &'a Partition {
        self.partition
    }

    /// Does something to the log. The caller holds the gate alone.
    pub(super) fn alone<T>(&self, mut work: impl FnMut(&FileLog) -> Result<T>) -> Result<T> {
        self.inner.check_writable()?;
        let worked = self.with(Asked::Changing, &mut work, |_| Ok(()));
        if is_of_poisoned(&worked) {
            self.shut_if_poisoned();
        }
        worked
    }

    /// Looks at the log of a partition that is closed, and closes it again. `None` if it is open,
    /// or somebody is at it.
    pub(super) fn apart<T>(&self, look: impl FnOnce(&FileLog) -> Result<T>) -> Result<Option<T>> {
        let Some(_alone) = self.partition.gate.try_write() else {
            return Ok(None);
        };
        if self.partition.owes.load(Ordering::Acquire) || self.partition.log.load().is_some() {
            return Ok(None);
        }
        self.look_as(true, look).map(Some)
    }

    /// Looks at the log. If it is closed, it is so afterwards, and stays paused. The caller holds
    /// the gate alone.
    pub(super) fn look<T>(&self, look: impl FnOnce(&FileLog) -> Result<T>) -> Result<T> {
        self.look_as(false, look)
    }

    fn look_as<T>(&self, is_brief: bool, look: impl FnOnce(&FileLog) -> Result<T>) -> Result<T> {
        let partition = self.partition;
        let _opening = partition.opening.lock();
        if let Some(log) = partition.log.load_full() {
            return look(&log);
        }
        self.inner.check_writable()?;
        self.entry.check_live()?;
        let record = self.entry.record.lock().clone();
        let opening = partition.remembered.readers.begin_opening();
        let log = self.open_log(&record, is_brief, &opening)?;
        let looked = look(&log);
        let known = Known::of(&log).ok();
        partition.note_closed(log.close())?;
        drop(opening);
        partition.seen.lock().note(known);
        looked
    }

    /// Brings what was published to stable storage. What was closed in order is there; what was not
    /// is opened for this alone.
    pub(super) fn sync(&self) -> Result<()> {
        let partition = self.partition;
        self.inner.check_open()?;
        loop {
            if let Some(log) = partition.log.load_full() {
                match log.sync() {
                    // Whoever closes it has taken it away first.
                    Err(Error::Closed) => self.inner.check_open()?,
                    synced => return synced.map(|_| ()),
                }
            }
            let _opening = partition.opening.lock();
            if partition.log.load().is_some() {
                continue;
            }
            if partition.needs_sync.load(Ordering::Acquire) {
                self.sync_closed()?;
                partition.needs_sync.store(false, Ordering::Release);
            }
            return Ok(());
        }
    }

    /// Brings a partition to stable storage that nobody has open, and nobody opens meanwhile.
    fn sync_closed(&self) -> Result<()> {
        self.inner.check_open()?;
        self.entry.check_live()?;
        let (id, number) = (self.entry.id, self.partition.number);
        let record = self.entry.record.lock().clone();
        if !record.made.contains(number) {
            return Ok(());
        }
        let dir = self.inner.layout.find_partition(id, number)?;
        if dir.is_some_and(|dir| was_closed(&dir).unwrap_or(false)) {
            return Ok(());
        }
        let opening = self.partition.remembered.readers.begin_opening();
        let log = self.open_log(&record, true, &opening)?;
        self.partition.note_closed(log.close())
    }

    /// Uses the log, which is opened if it is not. If it is closed meanwhile, it is opened again: a
    /// call that fails with `Closed` has changed nothing.
    fn with<T>(
        &self,
        asked: Asked,
        work: &mut impl FnMut(&FileLog) -> Result<T>,
        after: impl Fn(&FileLog) -> Result<()>,
    ) -> Result<T> {
        loop {
            let open = self.partition.log.load();
            let Some(log) = &*open else {
                drop(open);
                self.open(asked)?;
                continue;
            };
            if !self.partition.is_used.load(Ordering::Relaxed) {
                self.partition.is_used.store(true, Ordering::Relaxed);
            }
            match work(log) {
                Err(Error::Closed) => {
                    self.inner.check_open()?;
                    self.entry.check_live()?;
                    // Whoever closes it takes it away first.
                    drop(open);
                }
                done => {
                    after(log)?;
                    return done;
                }
            }
        }
    }

    /// Opens the partition, unless somebody else has.
    pub(super) fn open(&self, asked: Asked) -> Result<()> {
        let Access {
            inner,
            entry,
            partition,
        } = *self;
        let opening = partition.opening.lock();
        if partition.log.load().is_some() {
            return Ok(());
        }
        inner.check_open()?;
        entry.check_live()?;
        self.resume_if_paused(asked)?;
        let record = entry.record.lock().clone();
        partition.seen.lock().known = None;
        // First: the new log may be poisoned, too, as soon as it is open.
        partition.changes.revive();
        let of_readers = partition.remembered.readers.begin_opening();
        let log = match self.open_log(&record, false, &of_readers) {
            Err(error) if inner.options.read_only => {
                // The writer may have deleted the stream meanwhile.
                drop(opening);
                inner.look()?;
                return entry.check_live().and(Err(error));
            }
            log => Arc::new(log?),
        };
        // What is owed comes in front of the seal.
        if !partition.owes.load(Ordering::Acquire) {
            let agreed = self.agree_on_seal(&log, record.sealed.contains(partition.number));
            if agreed.is_err() {
                return agreed.and(partition.note_closed(log.close()));
            }
        }
        partition.is_used.store(true, Ordering::Relaxed);
        partition.log.store(Some(log));
        drop(of_readers);
        drop(opening);
        inner.open.add(entry, partition);
        inner.keeper.look_later(inner.options.idle_after);
        inner.keep(entry, partition);
        Ok(())
    }

    fn open_log(&self, record: &Record, is_brief: bool, opening: &OpeningLog<'_>) -> Result<FileLog> {
        let mut options = self.inner.options_of(record);
        options.environment.is_brief = is_brief;
        // The layout has made them so.
        options.environment.is_path_durable = true;
        options.environment.changes = Some(Arc::clone(&self.partition.changes));
        options.environment.retaining.aging = Some(Arc::clone(&self.partition.remembered.aging));
        options.environment.retaining.floor = Some(self.partition.remembered.readers.floor().clone());
        options.environment.durable_metadata = Some(Arc::clone(&self.partition.remembered.durable_metadata));
        options.environment.tally = Some(Arc::clone(self.counters()) as _);
        let log = self.open_with(&options, record)?;
        opening.opened(&log);
        Ok(log)
    }

    fn open_with(&self, options: &Options, record: &Record) -> Result<FileLog> {
        let (inner, id, number) = (self.inner, self.entry.id, self.partition.number);
        let is_made = record.made.contains(number);
        if inner.options.read_only && !is_made {
            let dir = inner.layout.find_partition(id, number)?;
            let dir = dir.ok_or_else(|| inner.layout.no_log(id, number))?;
            return options.open_in(&dir);
        }
        let dir = inner.layout.partition(id, number, is_made)?;
        if is_made {
            return options.open_existing_in(&dir);
        }
        let log = options.open_in(&dir)?;
        let made: Numbers = [number].into_iter().collect();
        inner.change(self.entry, None, &made, |record| {
            record.made.insert(number);
            Ok(true)
        })?;
        Ok(log)
    }

    fn resume_if_paused(&self, asked: Asked) -> Result<()> {
        let number = self.partition.number;
        let resumed = {
            let record = self.entry.record.lock();
            if !record.paused.contains(number) {
                return Ok(());
            }
            if asked == Asked::Reading || self.inner.options.read_only {
                return Err(Error::Paused {
                    name: self.entry.name.as_ref().into(),
                    partition: number,
                });
            }
            if record.resume_all {
                record.paused.clone()
            } else {
                [number].into_iter().collect()
            }
        };
        self.inner.resume(self.entry, &resumed)
    }

    /// Has the log and the catalog say the same about a seal. The catalog is first to say that a
    /// partition is sealed, and last to say that it is not any more.
    fn agree_on_seal(&self, log: &FileLog, is_noted: bool) -> Result<()> {
        if self.inner.options.read_only {
            return Ok(());
        }
        if is_noted && !log.is_sealed()? {
            return seal(log);
        }
        self.note_seal(log)
    }

    /// Notes in the catalog that somebody has sealed the log.
    fn note_seal(&self, log: &FileLog) -> Result<()> {
        if !log.was_sealed() {
            return Ok(());
        }
        let number = self.partition.number;
        let sealed: Numbers = [number].into_iter().collect();
        let noted = self
            .inner
            .change(self.entry, Some(StreamEventKind::Sealed), &sealed, |record| {
                let is_new = !record.sealed.contains(number);
                record.sealed.insert(number);
                Ok(is_new)
            });
        noted.map(|_| ())
    }
}

/// Whether the handle no longer writes.
pub(super) fn is_poisoned(log: &FileLog) -> bool {
    log.changes().is_some_and(Changes::is_poisoned)
}

/// Whether this may come of a handle that no longer writes.
fn is_of_poisoned<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Poisoned { .. } | Error::SyncFailed { .. }))
}

/// Seals a log.
pub(super) fn seal(log: &FileLog) -> Result<()> {
    let seal = PublishOptions::new().sync(true).and(Control::Seal);
    match log.append(&[], &seal) {
        Err(Error::Sealed) => Ok(()),
        sealed => sealed.map(|_| ()),
    }
}
