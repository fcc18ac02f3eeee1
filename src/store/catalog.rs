//! The catalog: the log that says which streams there are, and what has happened to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::id::StreamId;
use super::record::{Numbers, Record};
use crate::directory::corrupt;
use crate::sys::Dir;
use crate::{
    BatchBuf, Corruption, Durability, Error, FileLog, Log, NewMessage, Options, Result, Retention, Start,
    TimestampPolicy,
};

/// The header of a message that says what has happened.
pub(super) const EVENT: &[u8] = b"event";

/// The header of a message that says which partitions that concerns.
pub(super) const PARTITIONS: &[u8] = b"partitions";

/// The header that keeps a stream's name beside a tombstone.
pub(super) const NAME: &[u8] = b"name";

/// What has happened to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happened {
    Created,
    Reconfigured,
    Deleted,
    Purged,
    Sealed,
    Unsealed,
    Paused,
    Resumed,
    /// The directory of a partition was made. Nobody is told.
    Made,
}

impl Happened {
    const ALL: [Happened; 9] = [
        Happened::Created,
        Happened::Reconfigured,
        Happened::Deleted,
        Happened::Purged,
        Happened::Sealed,
        Happened::Unsealed,
        Happened::Paused,
        Happened::Resumed,
        Happened::Made,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Happened::Created => "created",
            Happened::Reconfigured => "reconfigured",
            Happened::Deleted => "deleted",
            Happened::Purged => "purged",
            Happened::Sealed => "sealed",
            Happened::Unsealed => "unsealed",
            Happened::Paused => "paused",
            Happened::Resumed => "resumed",
            Happened::Made => "made",
        }
    }

    pub(super) fn of_name(name: &[u8]) -> Option<Happened> {
        Happened::ALL
            .into_iter()
            .find(|happened| happened.name().as_bytes() == name)
    }
}

/// The log of the catalog. Its lock is that of the store.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) log: Arc<FileLog>,
}

/// What the newest messages of the streams say; `None` of one that was purged.
pub(super) type News = BTreeMap<StreamId, Option<Record>>;

impl Catalog {
    /// Opens the catalog in `dir` by the store's options for logs.
    pub(super) fn open(dir: &Dir, options: &Options) -> Result<Catalog> {
        let options = options
            .clone()
            .key_index(true)
            .time_index(false)
            .durability(Durability::EachPublish)
            .rollover(1 << 20)
            .retention(Retention::new())
            .require_token(false)
            .timestamps(TimestampPolicy::AsGiven);
        let log = Arc::new(options.open_in(dir)?);
        Ok(Catalog { log })
    }

    /// Notes what has happened to a stream, and what is so from now on. It is on stable storage
    /// when this returns.
    pub(super) fn note(
        &self,
        id: StreamId,
        happened: Happened,
        partitions: &Numbers,
        record: &Record,
    ) -> Result<()> {
        let (key, value) = (id.to_bytes(), record.to_bytes());
        let event = (EVENT, happened.name().as_bytes());
        let concerned = (PARTITIONS, partitions.as_bytes());
        let name = (NAME, record.name.as_bytes());
        let message = if happened == Happened::Purged {
            NewMessage::tombstone(&key)
        } else {
            NewMessage::new(&key, &value)
        };
        let headers = [event, name, concerned];
        let headers = match happened {
            Happened::Purged => &headers[..2],
            _ if partitions.is_empty() => &headers[..1],
            _ => &headers,
        };
        self.log.publish(&[message.headers(headers)]).map(|_| ())
    }

    /// Reads what is new from the offset `from` on; returns the offset to go on at.
    pub(super) fn news(&self, from: u64) -> Result<(News, u64)> {
        const AT_A_TIME: usize = 4096;
        let mut newest: BTreeMap<StreamId, Option<Vec<u8>>> = BTreeMap::new();
        let (mut buf, mut at) = (BatchBuf::new(), from);
        loop {
            let start = match self.log.start_offset()? {
                // Nothing is trimmed from a catalog; but recovery may have dropped its front.
                start if start > at => start,
                _ => at,
            };
            self.log.consume_into(Start::At(start), AT_A_TIME, &mut buf)?;
            for message in buf.messages() {
                let id = message.key.and_then(|key| <[u8; 16]>::try_from(key).ok());
                let id = id.ok_or_else(|| self.damaged(message.offset))?;
                newest.insert(StreamId::from_bytes(id), message.value.map(<[u8]>::to_vec));
            }
            let is_end = buf.is_empty() && buf.next_offset() == at;
            at = buf.next_offset();
            if is_end {
                break;
            }
        }
        let read = |(id, bytes): (StreamId, Option<Vec<u8>>)| {
            let record = bytes.map(|bytes| Record::from_bytes(&bytes).ok_or_else(|| self.damaged(at)));
            Ok((id, record.transpose()?))
        };
        let news = newest.into_iter().map(read).collect::<Result<News>>()?;
        Ok((news, at))
    }

    /// The error for a message that is whole and says nothing that this version understands.
    fn damaged(&self, offset: u64) -> Error {
        let path = self.log.dir().path();
        corrupt(path, 0, Some(offset), Corruption::Catalog)
    }
}
