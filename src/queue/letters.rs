//! The dead letters of a queue: what a letter is, and publishing one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::group::Burying;
use super::options::DebugLog;
use crate::{Error, Message, PublishOptions, Result, letter};

/// The headers of a letter, besides those of the message.
pub(super) const STREAM: &[u8] = b"dead.stream";
pub(super) const GROUP: &[u8] = b"dead.group";
pub(super) const PARTITION: &[u8] = b"dead.partition";
pub(super) const OFFSET: &[u8] = b"dead.offset";
const ATTEMPTS: &[u8] = b"dead.attempts";
const REASON: &[u8] = b"dead.reason";

/// Where a queue buries messages.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// The partitions of the dead letters; none if messages are only counted.
    pub(super) logs: Vec<Arc<dyn DebugLog>>,
    /// The names that letters have of the source and of the group.
    pub(super) stream: String,
    pub(super) group: String,
    /// Held while something is buried, or kicked.
    pub(super) alone: Mutex<()>,
    /// Whether something was left that could not be published.
    pub(super) is_owed: AtomicBool,
}

impl Letters {
    pub(super) fn new(logs: Vec<Arc<dyn DebugLog>>, stream: String, group: String, is_owed: bool) -> Letters {
        Letters {
            logs,
            stream,
            group,
            alone: Mutex::default(),
            is_owed: AtomicBool::new(is_owed),
        }
    }

    pub(super) fn is_none(&self) -> bool {
        self.logs.is_empty()
    }

    pub(super) fn are_owed(&self) -> bool {
        self.is_owed.load(Ordering::Acquire)
    }

    /// Publishes a letter, unless it was published before. It is on stable storage then.
    pub(super) fn publish(&self, message: &Message, burying: &Burying) -> Result<()> {
        let log = self.logs.get(burying.partition as usize % self.logs.len().max(1));
        let log = log.ok_or(NO_LETTERS)?;
        let [partition, offset, attempts] = [
            u64::from(burying.partition),
            burying.offset,
            u64::from(burying.attempts),
        ]
        .map(|number| number.to_string());
        let about = [
            (STREAM, self.stream.as_bytes()),
            (GROUP, self.group.as_bytes()),
            (PARTITION, partition.as_bytes()),
            (OFFSET, offset.as_bytes()),
            (ATTEMPTS, attempts.as_bytes()),
            (REASON, burying.reason.as_bytes()),
        ];
        let once = PublishOptions::new()
            .producer(burying.producer, burying.sequence)
            .sync(true);
        match letter::publish(&**log, message, &about, &once) {
            // It was published, and many after it, before the state was put back.
            Err(Error::OutOfSequence { .. }) => Ok(()),
            published => published.map(|_| ()),
        }
    }
}

/// The error of a queue that has no dead letters.
pub(super) const NO_LETTERS: Error = Error::Invalid("the queue has no dead letters");
