//! The catalog: the log that says which streams there are, and what has happened to them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};

use super::event::StreamEventKind;
use super::record::{Numbers, Record};
use crate::directory::corrupt;
use crate::queue::ROLLOVER as QUEUE_ROLLOVER;
use crate::sys::Dir;
use crate::types::StreamId;
use crate::{
    BatchBuf, Corruption, Durability, Error, FileLog, Log, MessageRef, NewMessage, Options, Result,
    Retention, Start, TimestampPolicy,
};

/// The header of a message that says what has happened.
pub(super) const EVENT: &[u8] = b"event";

/// The header of a message that says which partitions that concerns.
pub(super) const PARTITIONS: &[u8] = b"partitions";

/// The header that keeps a stream's name beside a tombstone.
pub(super) const NAME: &[u8] = b"name";

/// The event of a message that nobody is told of: the directory of a partition was made.
const MADE: &str = "made";

/// For how long the catalog keeps what was superseded: events of streams that have changed since,
/// or are gone.
pub(super) const EVENTS_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// The log of the catalog. Its lock is that of the store.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) log: Arc<FileLog>,
    /// Held by whoever adds to it; held alone by who needs it to stay as it is.
    pub(super) adding: RwLock<()>,
    /// When all of it was last read. Held while it is.
    pub(super) reading: Mutex<Option<Instant>>,
}

/// What the newest messages of the streams say; `None` of one that was purged.
pub(super) type News = BTreeMap<StreamId, Option<Record>>;

impl Catalog {
    /// Opens the catalog in `dir` by the store's options for logs.
    pub(super) fn open(dir: &Dir, options: &Options) -> Result<Catalog> {
        let options = options_of_catalog(options);
        let log = Arc::new(options.open_in(dir)?);
        Ok(Catalog {
            log,
            adding: RwLock::new(()),
            reading: Mutex::new(None),
        })
    }

    /// Notes what has happened to a stream, or that a partition was made, and what is so from now
    /// on. It is on stable storage when this returns.
    pub(super) fn note(
        &self,
        id: StreamId,
        kind: Option<StreamEventKind>,
        partitions: &Numbers,
        record: &Record,
    ) -> Result<()> {
        let (key, value) = (id.to_bytes(), record.to_bytes());
        let event = (EVENT, kind.map_or(MADE, StreamEventKind::name).as_bytes());
        let is_gone = kind == Some(StreamEventKind::Purged);
        let concerned = (PARTITIONS, partitions.as_bytes());
        let name = (NAME, record.name.as_bytes());
        let message = if is_gone {
            NewMessage::tombstone(&key)
        } else {
            NewMessage::new(&key, &value)
        };
        let headers = [event, name, concerned];
        let headers = match partitions.is_empty() {
            _ if is_gone => &headers[..2],
            true => &headers[..1],
            false => &headers,
        };
        let _adding = self.adding.read();
        self.log.publish(&[message.headers(headers)]).map(|_| ())
    }

    /// Reads what is new from the offset `from` on; returns the offset to go on at.
    pub(super) fn news(&self, from: u64) -> Result<(News, u64)> {
        let mut newest: BTreeMap<StreamId, Option<Vec<u8>>> = BTreeMap::new();
        let end = self.each(from, |message| {
            let id = id_of(&message).ok_or_else(|| self.damaged(message.offset))?;
            newest.insert(id, message.value.map(<[u8]>::to_vec));
            Ok(())
        })?;
        let read = |(id, bytes): (StreamId, Option<Vec<u8>>)| {
            let record = bytes.map(|bytes| Record::from_bytes(&bytes).ok_or_else(|| self.damaged(end)));
            Ok((id, record.transpose()?))
        };
        let news = newest.into_iter().map(read).collect::<Result<News>>()?;
        Ok((news, end))
    }

    /// Reads what the catalog says of the streams that there are, and passes over the messages that
    /// say nothing known: their offsets go to `unknown`.
    pub(super) fn states(&self, unknown: &mut Vec<u64>) -> Result<BTreeMap<StreamId, Record>> {
        let mut states = BTreeMap::new();
        self.each(0, |message| {
            let read = message.value.map(|bytes| Record::from_bytes(bytes).ok_or(()));
            match (id_of(&message), read.transpose()) {
                (Some(id), Ok(Some(record))) => drop(states.insert(id, record)),
                (Some(id), Ok(None)) => drop(states.remove(&id)),
                _ => unknown.push(message.offset),
            }
            Ok(())
        })?;
        Ok(states)
    }

    /// Calls `take` with each message from the offset `from` on; returns the offset to go on at.
    fn each(&self, from: u64, mut take: impl FnMut(MessageRef<'_>) -> Result<()>) -> Result<u64> {
        const AT_A_TIME: usize = 4096;
        let (mut buf, mut at) = (BatchBuf::new(), from);
        loop {
            let start = match self.log.start_offset()? {
                // Nothing is trimmed from a catalog; but recovery may have dropped its front.
                start if start > at => start,
                _ => at,
            };
            self.log.consume_into(Start::At(start), AT_A_TIME, &mut buf)?;
            buf.messages().try_for_each(&mut take)?;
            let is_end = buf.is_empty() && buf.next_offset() == at;
            at = buf.next_offset();
            if is_end {
                return Ok(at);
            }
        }
    }

    /// The error for a message that is whole and says nothing that this version understands.
    fn damaged(&self, offset: u64) -> Error {
        let path = self.log.dir().path();
        corrupt(path, 0, Some(offset), Corruption::Catalog)
    }
}

/// The stream that a message is about.
fn id_of(message: &MessageRef<'_>) -> Option<StreamId> {
    let id = message.key.and_then(|key| <[u8; 16]>::try_from(key).ok());
    id.map(StreamId::from_bytes)
}

/// The options by which the catalog is opened.
pub(super) fn options_of_catalog(options: &Options) -> Options {
    own_options(options, 1 << 20).key_index(true)
}

/// The options by which the log of intents is opened.
pub(super) fn options_of_intents(options: &Options) -> Options {
    own_options(options, 8 << 20)
}

/// The options by which the state of a work queue is opened.
pub(super) fn options_of_queue(options: &Options, durability: Durability) -> Options {
    own_options(options, QUEUE_ROLLOVER).durability(durability)
}

/// The options by which the store opens a log of its own, of segments of this size.
fn own_options(options: &Options, rollover: u64) -> Options {
    options
        .clone()
        .key_index(false)
        .time_index(false)
        .durability(Durability::EachPublish)
        .rollover(rollover)
        .retention(Retention::new())
        .require_token(false)
        .timestamps(TimestampPolicy::AsGiven)
}
