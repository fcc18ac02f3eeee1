//! A partition as a log.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::access::{Access, Asked};
use super::counters::Fetched;
use super::entry::{Entry, Partition};
use super::opening::Owner;
use crate::{
    Ack, BackupReport, Batch, Changes, Deleted, Error, FileLog, Log, Message, NewMessage, Place, Position,
    PublishOptions, ReadBatch, ReadOptions, Result, Start, Stats, Timestamp, Token, Trimmed, metered_size,
};

/// A partition of a stream: a [`Log`] like any other.
///
/// Its files are opened when it is used, and closed when it was idle for a while: see
/// [`StoreOptions::idle_after`](super::StoreOptions::idle_after). [`close`](Log::close) closes this
/// handle alone.
///
/// # Errors
///
/// Those of [`Log`]; [`StreamDeleting`](crate::Error::StreamDeleting) and
/// [`NoStream`](crate::Error::NoStream) once the stream is deleted;
/// [`Paused`](crate::Error::Paused) from reading one that is [paused](super::Stream::pause).
#[derive(Debug)]
pub struct PartitionLog {
    inner: Arc<Owner>,
    entry: Arc<Entry>,
    partition: Arc<Partition>,
    asked: Asked,
    is_closed: AtomicBool,
}

impl PartitionLog {
    pub(super) fn new(inner: &Arc<Owner>, entry: &Arc<Entry>, number: u32) -> Result<PartitionLog> {
        Ok(PartitionLog {
            inner: Arc::clone(inner),
            partition: Arc::clone(entry.partition(number)?),
            entry: Arc::clone(entry),
            asked: Asked::Reading,
            is_closed: AtomicBool::new(false),
        })
    }

    /// Have reading resume the partition if it is paused, too. Default: false; it fails with
    /// [`Error::Paused`](crate::Error::Paused).
    #[must_use]
    pub fn resume_on_read(mut self, resume: bool) -> PartitionLog {
        self.asked = if resume { Asked::Changing } else { Asked::Reading };
        self
    }

    /// The number of the partition.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.partition.number
    }

    /// The name of the stream, as the store has it.
    #[must_use]
    pub fn stream_name(&self) -> &str {
        &self.entry.name
    }

    fn access(&self) -> Access<'_> {
        Access::new(&self.inner, &self.entry, &self.partition)
    }

    fn check_open(&self) -> Result<()> {
        self.inner.check_process()?;
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        Ok(())
    }

    fn changing<T>(&self, change: impl FnMut(&FileLog) -> Result<T>) -> Result<T> {
        self.check_open()?;
        self.access().changing(change)
    }

    fn reading<T>(&self, read: impl FnMut(&FileLog) -> Result<T>) -> Result<T> {
        self.check_open()?;
        self.access().reading(self.asked, read)
    }

    /// Reads messages, and counts them.
    fn fetching<T: Fetched>(&self, read: impl FnMut(&FileLog) -> Result<T>) -> Result<T> {
        let fetched = self.reading(read)?;
        self.access().counters().fetched(&fetched);
        Ok(fetched)
    }

    fn append(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<Ack> {
        self.check_open()?;
        self.access().publish(messages, how)
    }

    fn publish(&self, messages: &[NewMessage<'_>]) -> Result<u64> {
        const PLAIN: &PublishOptions<'_> = &PublishOptions::new();
        self.publish_with(messages, PLAIN)
    }

    fn publish_with(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<u64> {
        Ok(self.append(messages, how)?.next_offset())
    }

    fn apply_retention(&self, dry_run: bool) -> Result<Trimmed> {
        self.check_open()?;
        self.inner.set_floors_of(&self.entry)?;
        let applied = self.changing(|log| log.apply_retention(dry_run));
        self.inner.tell_overruns(&self.entry);
        applied
    }

    fn size(&self, message: &NewMessage<'_>) -> u64 {
        let size = self.access().reading(self.asked, |log| Ok(log.size(message)));
        size.unwrap_or_else(|_| metered_size(message))
    }

    #[expect(clippy::unnecessary_wraps, reason = "the trait's signature")]
    fn changes(&self) -> Option<&Changes> {
        Some(&self.partition.changes)
    }

    /// Waits at the log, and looks now and then whether this handle was closed.
    fn wait_synced(&self, offset: u64, timeout: Option<Duration>) -> Result<u64> {
        const SLICE: Duration = Duration::from_millis(20);
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let left = || deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        loop {
            let is_last = left().is_some_and(|left| left.is_zero());
            // Called again where the partition is closed meanwhile.
            let synced = self.reading(|log| {
                let slice = left().map_or(SLICE, |left| left.min(SLICE));
                let is_open = !self.is_closed.load(Ordering::Acquire);
                is_open.then(|| log.wait_synced(offset, Some(slice))).transpose()
            })?;
            let synced = synced.ok_or(Error::Closed)?;
            if synced >= offset || is_last {
                return Ok(synced);
            }
        }
    }

    fn close(&self) -> Result<()> {
        self.inner.check_process()?;
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.partition.changes.notify();
        if self.inner.options.read_only {
            return Ok(());
        }
        match self.access().sync() {
            Err(Error::Poisoned { path, source }) => Err(Error::SyncFailed {
                path: path.unwrap_or_default(),
                source,
            }),
            // The store has closed it, or it is gone.
            Err(Error::Closed | Error::StreamDeleting { .. } | Error::NoStream { .. }) => Ok(()),
            synced => synced,
        }
    }
}

forward_log!([impl Log for PartitionLog] through changing, reading, fetching);
