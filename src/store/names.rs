//! Making, changing and deleting streams.

use std::sync::Arc;
use std::time::Duration;

use super::config::{StreamConfig, StreamPatch};
use super::entry::{Entry, Origin, Partition, Written, no_stream};
use super::event::StreamEventKind;
use super::info::Ensured;
use super::inner::{Inner, info};
use super::name;
use super::record::{Numbers, Record};
use crate::types::StreamId;
use crate::{Error, Result, Retention};

impl Inner {
    /// See [`Store::create`](super::Store::create).
    pub(super) fn create(&self, name: &str, config: &StreamConfig) -> Result<Arc<Entry>> {
        self.check_writable()?;
        name::check(name)?;
        let _changing = self.changing.lock();
        if let Some(entry) = self.find(name)? {
            entry.check_live()?;
            let is_again = entry.record.lock().request.as_ref() == Some(config);
            return if is_again {
                Ok(entry)
            } else {
                Err(Error::StreamExists { name: name.into() })
            };
        }
        self.make(name, config)
    }

    /// Makes a stream of a name that has none. The caller holds the lock of changing names.
    fn make(&self, name: &str, config: &StreamConfig) -> Result<Arc<Entry>> {
        let effective = self.accepted(config.effective(&self.options.defaults)?)?;
        let request = config.request_token.map(|_| config.clone());
        let now = self.options.log.environment.clock.now();
        let record = Record {
            request,
            ..Record::new(name, effective, now)
        };
        let id = StreamId::from_bytes(self.layout.random()?);
        self.catalog
            .note(id, Some(StreamEventKind::Created), &Numbers::default(), &record)?;
        let entry = Arc::new(Entry::new(id, record, Origin::New));
        // From here on the monotonic clock tells.
        *entry.written.lock() = Some(Written {
            total: 0,
            since: self.options.log.environment.clock.monotonic(),
            before: Duration::ZERO,
        });
        self.streams.write().insert(&entry);
        self.keep_stream_from_now_on(&entry);
        Ok(entry)
    }

    /// Fails unless partitions can be opened with this configuration.
    fn accepted(&self, config: StreamConfig) -> Result<StreamConfig> {
        config.apply_to(self.options.log.clone()).check_values()?;
        Ok(config)
    }

    /// See [`Store::ensure`](super::Store::ensure).
    pub(super) fn ensure(&self, name: &str, config: &StreamConfig) -> Result<Ensured> {
        self.check_writable()?;
        name::check(name)?;
        let changing = self.changing.lock();
        let Some(entry) = self.find(name)? else {
            let made = self.make(name, config)?;
            return Ok(Ensured::Created(info(&made)));
        };
        drop(changing);
        entry.check_live()?;
        let effective = self.accepted(config.effective(&self.options.defaults)?)?;
        if config.partitions.is_some() && effective.partition_count() != entry.partition_count() {
            return Err(Error::Invalid(
                "the number of partitions is fixed when a stream is made",
            ));
        }
        let effective = StreamConfig {
            partitions: Some(entry.partition_count()),
            ..effective
        };
        let mut before = Retention::new();
        let is_changed = self.change(
            &entry,
            Some(StreamEventKind::Reconfigured),
            &Numbers::default(),
            |record| {
                let is_changed = record.config != effective;
                before = record.config.policy();
                record.config = effective;
                Ok(is_changed)
            },
        )?;
        if !is_changed {
            return Ok(Ensured::Unchanged(info(&entry)));
        }
        self.reopen(&entry, before);
        Ok(Ensured::Updated(info(&entry)))
    }

    /// See [`Store::reconfigure`](super::Store::reconfigure).
    pub(super) fn reconfigure(&self, name: &str, patch: &StreamPatch) -> Result<StreamConfig> {
        self.check_writable()?;
        name::check_not_reserved(name)?;
        let entry = self.entry(name)?;
        let mut before = Retention::new();
        let is_changed = self.change(
            &entry,
            Some(StreamEventKind::Reconfigured),
            &Numbers::default(),
            |record| {
                let after = self.accepted(record.config.after(patch, &self.options.defaults)?)?;
                let is_changed = record.config != after;
                before = record.config.policy();
                record.config = after;
                Ok(is_changed)
            },
        )?;
        if is_changed {
            self.reopen(&entry, before);
        }
        Ok(entry.record.lock().config.clone())
    }

    /// Closes the partitions that are open, so that they are opened as the record says now.
    /// `before` is what was kept so far.
    fn reopen(&self, entry: &Arc<Entry>, before: Retention) {
        let has_other_limits = entry.record.lock().config.policy() != before;
        for partition in entry.used() {
            let _alone = partition.gate.write();
            // What else closing fails with is what recovery is for.
            let _ = partition.shut();
            if has_other_limits {
                partition.change_limits();
            }
            self.open.forget(entry.id, partition.number);
        }
        self.keep_stream_from_now_on(entry);
    }

    /// See [`Store::delete`](super::Store::delete).
    pub(super) fn delete(&self, name: &str) -> Result<()> {
        self.check_writable()?;
        name::check_not_reserved(name)?;
        let changing = self.changing.lock();
        let entry = self.find(name)?.ok_or_else(|| no_stream(name))?;
        if entry.is_deleting() {
            return self.check_deleted();
        }
        let deleted = self.note_deleted(&entry);
        drop(changing);
        if entry.is_deleting() {
            for partition in entry.used() {
                let _alone = partition.gate.write();
                self.end_use(&entry, partition);
            }
        }
        deleted?;
        self.keeper.purge_later(&entry);
        if self.options.log.background {
            return Ok(());
        }
        self.purge_all()
    }

    /// Closes a partition of a stream that was deleted. The caller holds the gate alone.
    pub(super) fn end_use(&self, entry: &Entry, partition: &Partition) {
        // What its last messages would have been does not matter any more.
        let _ = partition.shut();
        partition.changes.notify();
        self.open.forget(entry.id, partition.number);
        self.keeper.upcoming.remove(&partition.keeping.next_look);
        self.keeper.upcoming.remove(&entry.next_look);
    }

    /// Removes a stream that was deleted: its files, and then what the catalog says of it.
    pub(super) fn purge(&self, entry: &Entry) -> Result<()> {
        self.check_writable()?;
        self.layout.discard(entry.id)?;
        self.layout.empty_trash(entry.id)?;
        let _changing = self.changing.lock();
        let record = entry.record.lock();
        self.catalog.note(
            entry.id,
            Some(StreamEventKind::Purged),
            &Numbers::default(),
            &record,
        )?;
        entry.has_gone();
        self.streams.write().remove(entry);
        Ok(())
    }

    /// A stream of the store's own, which is made if there is none.
    pub(super) fn make_own(&self, name: &str, config: &StreamConfig) -> Result<Arc<Entry>> {
        self.check_writable()?;
        let _changing = self.changing.lock();
        match self.find(name)? {
            Some(entry) => Ok(entry),
            None => self.make(name, config),
        }
    }

    /// The stream of this name, which is made as the defaults say if there is none.
    pub(super) fn find_or_make(&self, name: &str) -> Result<Arc<Entry>> {
        match self.entry(name) {
            Err(Error::NoStream { .. }) => {}
            found => return found,
        }
        match self.create(name, &StreamConfig::new()) {
            Err(Error::StreamExists { .. }) => self.entry(name),
            made => made,
        }
    }
}
