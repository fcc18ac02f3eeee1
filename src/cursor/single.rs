use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::cursors::{Cursors, Logs};
use super::kept::KeptIn;
use crate::types::StreamId;
use crate::{Error, FileLog, Log, Options, Result, Retention, TimestampPolicy, compact};

/// The size at which a segment of stored cursors is left behind, in bytes.
const ROLLOVER: u64 = 1 << 20;

/// Cursors in a directory of their own, and logs that are in no store.
#[derive(Clone)]
struct Single {
    log: Arc<FileLog>,
    kept: KeptIn,
    logs: BTreeMap<Box<str>, Arc<dyn Log>>,
}

impl Cursors {
    /// Opens stored cursors in a directory of their own, for logs that are in no store: name them
    /// [`with_log`](Cursors::with_log). Those of a store are
    /// [`Store::cursors`](crate::store::Store::cursors).
    ///
    /// They are kept in a log. Of the options, its directory, durability, clock and the like are
    /// taken; its indexes, retention and the size of its segments are settled here. What was
    /// superseded is removed as it goes.
    ///
    /// # Errors
    ///
    /// Those of [`Options::open`]; [`Error::Corrupt`] if the log in the directory keeps other
    /// things than cursors.
    pub fn open(dir: impl AsRef<Path>, options: &Options) -> Result<Cursors> {
        let options = options
            .clone()
            .key_index(true)
            .time_index(false)
            .rollover(ROLLOVER);
        let options = options.retention(Retention::new()).require_token(false);
        let options = options.timestamps(TimestampPolicy::AsGiven);
        let log = Arc::new(options.open(&dir)?);
        let single = Single {
            kept: KeptIn {
                log: Arc::clone(&log) as Arc<dyn Log>,
                path: dir.as_ref().to_owned(),
                is_read_only: options.read_only,
            },
            log,
            logs: BTreeMap::new(),
        };
        let cursors = Cursors::new(Arc::new(single), &Arc::default());
        cursors.list("")?;
        Ok(cursors)
    }

    /// The same cursors, which know this log by this name. Its only partition is 0. What is named
    /// twice is the later one. A store's cursors know its streams, and no other logs.
    #[must_use]
    pub fn with_log<L: Log + 'static>(self, name: &str, log: &Arc<L>) -> Cursors {
        match self.logs.with_log(name, Arc::clone(log) as Arc<dyn Log>) {
            Some(logs) => Cursors { logs, ..self },
            None => self,
        }
    }
}

impl Logs for Single {
    fn kept(&self) -> Result<Option<&KeptIn>> {
        Ok(Some(&self.kept))
    }

    fn make_kept(&self) -> Result<&KeptIn> {
        Ok(&self.kept)
    }

    fn scope(&self) -> &'static str {
        ""
    }

    fn partition(&self, stream: &str, partition: u32) -> Result<(StreamId, Arc<dyn Log>)> {
        if partition > 0 {
            return Err(Error::Invalid(
                "a log that is in no store has only the partition 0",
            ));
        }
        let log = self
            .logs
            .get(stream)
            .ok_or_else(|| Error::NoStream { name: stream.into() })?;
        Ok((StreamId::from_bytes([0; 16]), Arc::clone(log)))
    }

    fn with_log(&self, name: &str, log: Arc<dyn Log>) -> Option<Arc<dyn Logs>> {
        let mut more = self.clone();
        more.logs.insert(name.into(), log);
        Some(Arc::new(more))
    }

    fn clear_up(&self) -> Result<()> {
        let settings = compact::Settings::new().older_than(Duration::ZERO);
        compact::compact(&self.log, &settings).map(|_| ())
    }
}

impl fmt::Debug for Single {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Single")
            .field("kept", &self.kept)
            .field("logs", &self.logs.keys())
            .finish_non_exhaustive()
    }
}
