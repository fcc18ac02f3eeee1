//! A log that has what every log must have, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use duramen::{
    BackupReport, Batch, Deleted, Log, MemoryLog, Message, NewMessage, PublishOptions, Result, Start, Stats,
    Timestamp, Trimmed,
};

/// A log in memory without all that a log need not have: it does not tell of its changes, for instance.
#[derive(Debug, Default)]
pub(crate) struct Minimal(pub(crate) MemoryLog);

impl Log for Minimal {
    fn publish_with(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<u64> {
        // It knows nothing of tokens and the like.
        how.check_plain()?;
        self.0.publish_with(messages, how)
    }
    fn start_offset(&self) -> Result<u64> {
        self.0.start_offset()
    }
    fn next_offset(&self) -> Result<u64> {
        self.0.next_offset()
    }
    fn consume(&self, from: Start, max_count: usize) -> Result<Batch> {
        self.0.consume(from, max_count)
    }
    fn consume_by_key(&self, key: &[u8], from: Start, max_count: usize) -> Result<Batch> {
        self.0.consume_by_key(key, from, max_count)
    }
    fn get(&self, at: Start) -> Result<Message> {
        self.0.get(at)
    }
    fn get_by_key(&self, key: &[u8]) -> Result<Message> {
        self.0.get_by_key(key)
    }
    fn get_by_time(&self, start: Timestamp) -> Result<Message> {
        self.0.get_by_time(start)
    }
    fn delete(&self, offsets: &BTreeSet<u64>) -> Result<Deleted> {
        self.0.delete(offsets)
    }
    fn trim(&self, before: u64) -> Result<Trimmed> {
        self.0.trim(before)
    }
    fn size(&self, message: &NewMessage<'_>) -> u64 {
        self.0.size(message)
    }
    fn stat(&self) -> Result<Stats> {
        self.0.stat()
    }
    fn backup(&self, dir: &Path) -> Result<BackupReport> {
        self.0.backup(dir)
    }
    fn sync(&self) -> Result<u64> {
        self.0.sync()
    }
    fn gc(&self, unused_for: Duration) -> Result<()> {
        self.0.gc(unused_for)
    }
    fn close(&self) -> Result<()> {
        self.0.close()
    }
}
