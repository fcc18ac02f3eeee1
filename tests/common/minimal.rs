//! A log that has what every log must have, and nothing else.

use duramen::{Log, MemoryLog, NewMessage, PublishOptions, Result};

/// The methods that every log must have, but for publishing and syncing, as those of the log in a field.
macro_rules! forward_required {
    ($field:tt) => {
        fn start_offset(&self) -> duramen::Result<u64> {
            self.$field.start_offset()
        }
        fn next_offset(&self) -> duramen::Result<u64> {
            self.$field.next_offset()
        }
        fn consume(&self, from: duramen::Start, max_count: usize) -> duramen::Result<duramen::Batch> {
            self.$field.consume(from, max_count)
        }
        fn consume_by_key(
            &self,
            key: &[u8],
            from: duramen::Start,
            max_count: usize,
        ) -> duramen::Result<duramen::Batch> {
            self.$field.consume_by_key(key, from, max_count)
        }
        fn get(&self, at: duramen::Start) -> duramen::Result<duramen::Message> {
            self.$field.get(at)
        }
        fn get_by_key(&self, key: &[u8]) -> duramen::Result<duramen::Message> {
            self.$field.get_by_key(key)
        }
        fn get_by_time(&self, start: duramen::Timestamp) -> duramen::Result<duramen::Message> {
            self.$field.get_by_time(start)
        }
        fn delete(&self, offsets: &std::collections::BTreeSet<u64>) -> duramen::Result<duramen::Deleted> {
            self.$field.delete(offsets)
        }
        fn trim(&self, before: u64) -> duramen::Result<duramen::Trimmed> {
            self.$field.trim(before)
        }
        fn size(&self, message: &duramen::NewMessage<'_>) -> u64 {
            self.$field.size(message)
        }
        fn stat(&self) -> duramen::Result<duramen::Stats> {
            self.$field.stat()
        }
        fn backup(&self, dir: &std::path::Path) -> duramen::Result<duramen::BackupReport> {
            self.$field.backup(dir)
        }
        fn gc(&self, unused_for: std::time::Duration) -> duramen::Result<()> {
            self.$field.gc(unused_for)
        }
        fn close(&self) -> duramen::Result<()> {
            self.$field.close()
        }
    };
}

/// A log in memory without all that a log need not have: it does not tell of its changes, for instance.
#[derive(Debug, Default)]
pub(crate) struct Minimal(pub(crate) MemoryLog);

impl Log for Minimal {
    fn publish_with(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<u64> {
        // It knows nothing of tokens and the like.
        how.check_plain()?;
        self.0.publish_with(messages, how)
    }
    fn sync(&self) -> Result<u64> {
        self.0.sync()
    }
    forward_required!(0);
}
