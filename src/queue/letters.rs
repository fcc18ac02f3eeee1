//! The dead letters of a queue: what a letter is, and publishing one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::group::Burying;
use super::options::DebugLog;
use crate::{Error, Message, NewMessage, PublishOptions, Result};

/// The headers of a letter, besides those of the message.
pub(super) const STREAM: &[u8] = b"duramen-stream";
pub(super) const GROUP: &[u8] = b"duramen-group";
pub(super) const PARTITION: &[u8] = b"duramen-partition";
pub(super) const OFFSET: &[u8] = b"duramen-offset";
const ATTEMPTS: &[u8] = b"duramen-attempts";
const REASON: &[u8] = b"duramen-reason";
/// Says that the message was too large for a letter, which has only a part of it.
pub(super) const CUT: &[u8] = b"duramen-cut";
const ABOUT: [&[u8]; 6] = [STREAM, GROUP, PARTITION, OFFSET, ATTEMPTS, REASON];

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
            &self.stream,
            &self.group,
            &partition,
            &offset,
            &attempts,
            &burying.reason,
        ];
        let mut about: Vec<_> = ABOUT.into_iter().zip(about.map(String::as_bytes)).collect();
        let once = PublishOptions::new()
            .producer(burying.producer, burying.sequence)
            .sync(true);
        let publish = |letter: NewMessage<'_>| match log.append(&[letter], &once) {
            // It was published, and many after it, before the state was put back.
            Err(Error::OutOfSequence { .. }) => Ok(()),
            published => published.map(|_| ()),
        };
        let mut headers = without_about(message);
        headers.extend(&about);
        let letter = NewMessage {
            headers: &headers,
            ..message.as_new()
        };
        match publish(letter) {
            Err(Error::TooLarge { .. }) => {}
            published => return published,
        }
        // Of a message that is as large as can be, the letter has what is about it, and its key.
        about.push((CUT, b"value"));
        headers.push((CUT, b"value"));
        let letter = NewMessage {
            value: None,
            ..message.as_new()
        };
        match publish(NewMessage {
            headers: &headers,
            ..letter
        }) {
            Err(Error::TooLarge { .. }) => publish(NewMessage {
                key: None,
                headers: &about,
                ..letter
            }),
            published => published,
        }
    }
}

/// The error of a queue that has no dead letters.
pub(super) const NO_LETTERS: Error = Error::Invalid("the queue has no dead letters");

/// The headers of a message but those that are about a burying.
pub(super) fn without_about(message: &Message) -> Vec<(&[u8], &[u8])> {
    let headers = message.headers.iter();
    headers
        .filter(|(name, _)| !ABOUT.contains(name) && *name != CUT)
        .collect()
}
