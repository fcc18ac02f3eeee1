//! Sealing, pausing and syncing partitions.

use std::sync::Arc;

use super::access::{Access, seal};
use super::entry::Entry;
use super::event::StreamEventKind;
use super::inner::Inner;
use super::partitioner::Partitions;
use super::record::Numbers;
use crate::{Error, FileLog, Log, Result};

impl Inner {
    /// See [`Stream::seal`](super::Stream::seal). The catalog says it first: a partition that is
    /// not sealed when this is interrupted is sealed when it is opened.
    pub(super) fn seal(&self, entry: &Arc<Entry>, partitions: &Partitions) -> Result<()> {
        let numbers = entry.numbers(partitions)?;
        self.change(entry, Some(StreamEventKind::Sealed), &numbers, |record| {
            let before = record.sealed.clone();
            numbers.iter().for_each(|number| record.sealed.insert(number));
            Ok(record.sealed != before)
        })?;
        for number in numbers.iter() {
            let partition = entry.partition(number)?;
            let _alone = partition.gate.write();
            let access = Access::new(self, entry, partition);
            self.pay(access)?;
            // One that nobody has used is sealed when it is made.
            if entry.record.lock().made.contains(number) {
                // Also if it is closed: others may read the log without the store.
                let sealed = access.look(seal);
                access.shut_if_poisoned();
                sealed?;
            }
        }
        Ok(())
    }

    /// See [`Stream::unseal`](super::Stream::unseal). The catalog says it last: until then, a
    /// partition is sealed again when it is opened.
    pub(super) fn unseal(&self, entry: &Arc<Entry>, partitions: &Partitions) -> Result<()> {
        let numbers = entry.numbers(partitions)?;
        let partitions: Result<Vec<_>> = numbers.iter().map(|number| entry.partition(number)).collect();
        let partitions = partitions?;
        let gates: Vec<_> = partitions
            .iter()
            .map(|partition| partition.gate.write())
            .collect();
        for partition in partitions {
            Access::new(self, entry, partition).alone(FileLog::unseal)?;
        }
        // A copy that was made while they were sealed does not fit to what the catalog says next.
        let places = numbers.iter().map(|number| (entry.id, number));
        self.intents.touched.note(&places.collect::<Vec<_>>());
        self.change(entry, Some(StreamEventKind::Unsealed), &numbers, |record| {
            let before = record.sealed.clone();
            numbers.iter().for_each(|number| record.sealed.remove(number));
            Ok(record.sealed != before)
        })?;
        drop(gates);
        Ok(())
    }

    /// See [`Stream::pause`](super::Stream::pause).
    pub(super) fn pause(&self, entry: &Entry, partitions: &Partitions, resume_all: bool) -> Result<()> {
        let numbers = entry.numbers(partitions)?;
        self.change(entry, Some(StreamEventKind::Paused), &numbers, |record| {
            let before = (record.paused.clone(), record.resume_all);
            numbers.iter().for_each(|number| record.paused.insert(number));
            record.resume_all = resume_all;
            Ok((&record.paused, record.resume_all) != (&before.0, before.1))
        })?;
        let mut closed = Ok(());
        for number in numbers.iter() {
            let partition = entry.partition(number)?;
            let _alone = partition.gate.write();
            closed = closed.and(partition.shut());
            partition.changes.notify();
            self.open.forget(entry.id, number);
        }
        closed
    }

    /// See [`Stream::resume`](super::Stream::resume).
    pub(super) fn resume(&self, entry: &Entry, numbers: &Numbers) -> Result<()> {
        self.change(entry, Some(StreamEventKind::Resumed), numbers, |record| {
            let before = record.paused.clone();
            numbers.iter().for_each(|number| record.paused.remove(number));
            Ok(record.paused != before)
        })?;
        Ok(())
    }

    /// See [`Store::sync`](super::Store::sync).
    pub(super) fn sync(&self) -> Result<()> {
        self.check_writable()?;
        let entries: Vec<_> = self.streams.read().all().cloned().collect();
        entries
            .iter()
            .try_for_each(|entry| match self.sync_stream(entry) {
                Err(Error::StreamDeleting { .. } | Error::NoStream { .. }) => self.check_deleted(),
                synced => synced,
            })
    }

    /// Fails if it is not known of some stream whether the catalog says that it is deleted.
    pub(super) fn check_deleted(&self) -> Result<()> {
        // What is not known has poisoned the catalog.
        self.catalog.log.sync().map(|_| ())
    }

    /// See [`Stream::sync`](super::Stream::sync).
    pub(super) fn sync_stream(&self, entry: &Arc<Entry>) -> Result<()> {
        entry.check_live()?;
        let made = entry.record.lock().made.clone();
        made.iter()
            .try_for_each(|number| Access::new(self, entry, entry.partition(number)?).sync())
    }
}
