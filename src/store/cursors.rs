//! The stored cursors of a store. They are in a stream of the store's own, so that backups, checks
//! and compaction have them as they have other streams.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::config::{CompactionConfig, RetentionConfig, StreamConfig};
use super::entry::Entry;
use super::layout::Layout;
use super::name::CURSORS;
use super::opening::Owner;
use super::partition_log::PartitionLog;
use crate::cursor::{KeptIn, Logs};
use crate::types::StreamId;
use crate::{Cursors, Log, Position, Result, TimestampPolicy};

#[derive(Debug)]
struct OfStore {
    inner: Arc<Owner>,
    scope: Arc<str>,
    /// The stream of the cursors, once it is needed and there. It is never deleted.
    kept: OnceLock<KeptIn>,
}

impl OfStore {
    fn kept_in(&self, entry: &Arc<Entry>) -> Result<&KeptIn> {
        let kept = KeptIn {
            log: Arc::new(PartitionLog::new(&self.inner, entry, 0)?),
            path: Layout::path_of(self.inner.layout.root(), entry.id, 0),
            is_read_only: self.inner.options.read_only,
        };
        Ok(self.kept.get_or_init(|| kept))
    }
}

/// The cursors of a store's streams whose names begin with `scope`.
pub(super) fn of_store(inner: &Arc<Owner>, scope: Arc<str>) -> Cursors {
    let logs = OfStore {
        inner: Arc::clone(inner),
        scope,
        kept: OnceLock::new(),
    };
    Cursors::new(Arc::new(logs), &inner.cursors)
}

impl Logs for OfStore {
    fn kept(&self) -> Result<Option<&KeptIn>> {
        if let Some(kept) = self.kept.get() {
            return Ok(Some(kept));
        }
        let entry = self.inner.find(CURSORS)?;
        entry.map(|entry| self.kept_in(&entry)).transpose()
    }

    fn make_kept(&self) -> Result<&KeptIn> {
        let entry = match self.inner.find(CURSORS)? {
            Some(entry) => entry,
            None => self.inner.make_own(CURSORS, &config())?,
        };
        self.kept_in(&entry)
    }

    fn scope(&self) -> &str {
        &self.scope
    }

    fn partition(&self, stream: &str, partition: u32) -> Result<(StreamId, Arc<dyn Log>)> {
        let entry = self.inner.entry(&format!("{}{stream}", self.scope))?;
        let log = PartitionLog::new(&self.inner, &entry, partition)?;
        Ok((entry.id, Arc::new(log)))
    }

    fn needs(&self, stream: &str, partition: u32, position: Position) {
        let name = format!("{}{stream}", self.scope);
        if let Ok(entry) = self.inner.entry(&name)
            && let Ok(partition) = entry.partition(partition)
        {
            partition.remembered.readers.add(position);
        }
    }
}

/// How the stream is kept, whatever the store's defaults are; but for the durability.
fn config() -> StreamConfig {
    let unlimited = RetentionConfig::new()
        .max_age(Duration::MAX)
        .max_bytes(u64::MAX)
        .max_messages(u64::MAX);
    StreamConfig::new()
        .partitions(1)
        .key_index(true)
        .time_index(false)
        .require_token(false)
        .timestamps(TimestampPolicy::AsGiven)
        .delete_on_empty(Duration::ZERO)
        .retention(unlimited)
        .compaction(CompactionConfig::new().enabled(true))
}
