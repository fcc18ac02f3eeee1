use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::BlockingLog;
use crate::{
    BackupReport, Batch, Changes, Deleted, Log, Message, NewMessage, PublishOptions, Result, Start, Stats,
    Timestamp, Trimmed,
};

/// The log in the wrapper; its changes are told to those who wait here.
impl<L: Log> Log for BlockingLog<L> {
    fn publish(&self, messages: &[NewMessage<'_>]) -> Result<u64> {
        self.told(self.raw().publish(messages))
    }

    fn publish_with(&self, messages: &[NewMessage<'_>], how: &PublishOptions) -> Result<u64> {
        self.told(self.raw().publish_with(messages, how))
    }

    fn start_offset(&self) -> Result<u64> {
        self.raw().start_offset()
    }

    fn next_offset(&self) -> Result<u64> {
        self.raw().next_offset()
    }

    fn consume(&self, from: Start, max_count: usize) -> Result<Batch> {
        self.raw().consume(from, max_count)
    }

    fn consume_by_key(&self, key: &[u8], from: Start, max_count: usize) -> Result<Batch> {
        self.raw().consume_by_key(key, from, max_count)
    }

    fn get(&self, at: Start) -> Result<Message> {
        self.raw().get(at)
    }

    fn get_by_key(&self, key: &[u8]) -> Result<Message> {
        self.raw().get_by_key(key)
    }

    fn offset_by_key(&self, key: &[u8]) -> Result<u64> {
        self.raw().offset_by_key(key)
    }

    fn get_by_time(&self, start: Timestamp) -> Result<Message> {
        self.raw().get_by_time(start)
    }

    fn offset_by_time(&self, start: Timestamp) -> Result<(u64, Timestamp)> {
        self.raw().offset_by_time(start)
    }

    fn size(&self, message: &NewMessage<'_>) -> u64 {
        self.raw().size(message)
    }

    fn stat(&self) -> Result<Stats> {
        self.raw().stat()
    }

    fn delete(&self, offsets: &BTreeSet<u64>) -> Result<Deleted> {
        self.told(self.raw().delete(offsets))
    }

    fn delete_some(&self, offsets: &mut BTreeSet<u64>) -> Result<Deleted> {
        self.told(self.raw().delete_some(offsets))
    }

    fn trim(&self, before: u64) -> Result<Trimmed> {
        self.told(self.raw().trim(before))
    }

    fn apply_retention(&self, dry_run: bool) -> Result<Trimmed> {
        self.told(self.raw().apply_retention(dry_run))
    }

    fn backup(&self, dir: &Path) -> Result<BackupReport> {
        self.raw().backup(dir)
    }

    fn sync(&self) -> Result<u64> {
        self.told(self.raw().sync())
    }

    fn gc(&self, unused_for: Duration) -> Result<()> {
        self.raw().gc(unused_for)
    }

    fn close(&self) -> Result<()> {
        self.told(self.raw().close())
    }

    /// Those of the log in the wrapper.
    fn changes(&self) -> Option<&Changes> {
        self.raw().changes()
    }
}
