//! The state log of a group.

use std::path::PathBuf;
use std::sync::Arc;

use super::group::{Delta, Group};
use super::record::{self, Said, Unreadable};
use crate::{Corruption, Error, FileLog, Log, NewMessage, Result, Start};

/// After so many bytes of deltas there is another snapshot.
const DELTAS_MAX: u64 = 8 << 20;

/// How large a segment of the log is.
pub(crate) const ROLLOVER: u64 = 4 << 20;

#[derive(Debug)]
pub(super) struct Journal {
    pub(super) log: Arc<FileLog>,
    /// Bytes since the last snapshot.
    len: u64,
    /// Those of the last snapshot.
    snapshot_len: u64,
}

impl Journal {
    /// Reads a state log; no group if it is new.
    pub(super) fn open(log: FileLog) -> Result<(Journal, Option<Group>)> {
        let group = loop {
            match read(&log) {
                // Whoever writes to it has trimmed it meanwhile: there is a newer snapshot.
                Err(error) if error.is_trimmed() => {}
                group => break group?,
            }
        };
        let journal = Journal {
            log: Arc::new(log),
            len: 0,
            snapshot_len: 0,
        };
        Ok((journal, group))
    }

    /// Notes a change. When this returns, it outlasts the process.
    pub(super) fn note(&mut self, delta: &Delta) -> Result<()> {
        let len = delta.with_bytes(|bytes| {
            self.log.publish(&[NewMessage::value(bytes)])?;
            Ok::<_, Error>(bytes.len() as u64)
        })?;
        // As many bytes as the log takes besides.
        self.len += len + 32;
        Ok(())
    }

    /// Whether it is time for a snapshot.
    pub(super) fn is_long(&self) -> bool {
        self.len > DELTAS_MAX.max(4 * self.snapshot_len)
    }

    /// Notes the whole state, and forgets what is in front. It is on stable storage when this
    /// returns.
    pub(super) fn snapshot(&mut self, group: &Group) -> Result<()> {
        let bytes = record::snapshot(group);
        let next = self.log.publish(&[NewMessage::value(&bytes)])?;
        // The start offset that trimming leaves is durable at once. What it is to begin with has to
        // be, too.
        self.log.sync()?;
        (self.len, self.snapshot_len) = (0, bytes.len() as u64);
        // What fails here is tried again with the next snapshot, and a log that cannot be written
        // to says so then.
        let _ = self.log.trim(next - 1);
        Ok(())
    }
}

/// What a state log says.
fn read(log: &FileLog) -> Result<Option<Group>> {
    if log.next_offset()? == 0 {
        return Ok(None);
    }
    let mut group: Option<Group> = None;
    let mut at = log.start_offset()?;
    loop {
        let batch = log.consume(Start::At(at), 4096)?;
        let is_end = batch.messages.is_empty() && batch.next_offset == at;
        at = batch.next_offset;
        for message in batch {
            let said = record::read(message.value.as_deref().unwrap_or_default());
            let taken = match (said, &mut group) {
                (Ok(Said::Snapshot(snapshot)), group) => {
                    *group = Some(snapshot);
                    Some(())
                }
                (Ok(Said::Delta(delta)), Some(group)) => group.apply(&delta),
                (Ok(Said::Delta(_)), None) | (Err(Unreadable::Damaged), _) => None,
                (Err(Unreadable::Version(version)), _) => {
                    let (path, version) = (path_of(log), version.into());
                    return Err(Error::Version { path, version });
                }
            };
            taken.ok_or_else(|| damaged(log, message.offset))?;
        }
        if is_end {
            return group.map(Some).ok_or_else(|| damaged(log, at));
        }
    }
}

fn path_of(log: &FileLog) -> PathBuf {
    log.dir().path().to_path_buf()
}

/// The error for a message that is whole and says nothing that is understood, or for one that is
/// missing.
pub(super) fn damaged(log: &FileLog, offset: u64) -> Error {
    Error::Corrupt {
        path: path_of(log),
        position: 0,
        offset: Some(offset),
        kind: Corruption::Queue,
    }
}
