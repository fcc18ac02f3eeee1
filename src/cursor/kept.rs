use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::name::Name;
use super::places::Places;
use crate::directory::corrupt;
use crate::types::StreamId;
use crate::{Corruption, LifeId, Log, Message, NewMessage, Position, Result, Start, Stored};

/// What is kept of a cursor: its value in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) stream_id: StreamId,
    pub(super) position: Position,
}

/// The log that keeps the cursors.
#[derive(Clone)]
pub(crate) struct KeptIn {
    pub(crate) log: Arc<dyn Log>,
    /// For messages.
    pub(crate) path: PathBuf,
    /// Whether others write to it.
    pub(crate) is_read_only: bool,
}

impl fmt::Debug for KeptIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeptIn").field(&self.path).finish()
    }
}

/// The stored cursors, as the log that keeps them has them.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// The life of the log that was read; none was read yet without it.
    life: Option<LifeId>,
    cursors: BTreeMap<Name, Stored>,
    /// How many records the log has that are of no use any more.
    superseded: u64,
}

impl Kept {
    /// What a cursor is now.
    pub(super) fn get(&self, at: &KeptIn, name: &Name) -> Result<Option<Stored>> {
        self.with(at, |table| Ok(table.cursors.get(name).copied()))
    }

    /// All cursors, in the order of their names.
    pub(super) fn all(&self, at: &KeptIn) -> Result<Vec<(Name, Stored)>> {
        let clone = |(name, stored): (&Name, &Stored)| (name.clone(), *stored);
        self.with(at, |table| Ok(table.cursors.iter().map(clone).collect()))
    }

    /// Stores a cursor that has still this version; else returns `None`. If it is new, or goes
    /// back, `needs` is told first that somebody needs what is there.
    pub(super) fn put(
        &self,
        at: &KeptIn,
        name: &Name,
        version: Option<u64>,
        record: Record,
        needs: impl FnOnce(),
    ) -> Result<Option<Stored>> {
        self.with(at, |table| {
            if table.version(name) != version {
                return Ok(None);
            }
            let before = table.cursors.get(name);
            if !before.is_some_and(|before| record.is_ahead_of(before)) {
                needs();
            }
            let (key, value) = (name.to_key(), record.to_bytes());
            let ack = at
                .log
                .append(&[NewMessage::new(&key, &value)], &crate::PublishOptions::new())?;
            let stored = Stored {
                stream_id: record.stream_id,
                position: record.position,
                version: ack.start.offset + 1,
                updated: ack.start.time,
            };
            table.superseded += u64::from(table.cursors.insert(name.clone(), stored).is_some());
            Ok(Some(stored))
        })
    }

    /// Forgets a cursor; returns whether there was one.
    pub(super) fn remove(&self, at: &KeptIn, name: &Name) -> Result<bool> {
        self.with(at, |table| {
            if !table.cursors.contains_key(name) {
                return Ok(false);
            }
            at.log.publish(&[NewMessage::tombstone(&name.to_key())])?;
            table.cursors.remove(name);
            table.superseded += 2;
            Ok(true)
        })
    }

    /// Brings all cursors to stable storage, and has `look` see where they are. Meanwhile nobody
    /// stores another.
    pub(crate) fn sync(&self, at: &KeptIn, mut look: impl FnMut(&Places<'_>)) -> Result<()> {
        let before = self.with(at, |table| {
            let next_offset = at.log.next_offset()?;
            if at.log.wait_synced(next_offset, Some(Duration::ZERO))? < next_offset {
                return Ok(Some(table.cursors.clone()));
            }
            look(&Places::synced(&table.cursors));
            Ok(None)
        })?;
        let Some(before) = before else {
            return Ok(());
        };
        at.log.sync()?;
        self.with(at, |table| {
            look(&Places {
                synced: &before,
                now: &table.cursors,
            });
            Ok(())
        })
    }

    /// As [`sync`](Kept::sync), where there is no log that keeps cursors, unless somebody has made
    /// it meanwhile.
    pub(crate) fn look_at_none(&self, look: impl FnOnce(&Places<'_>)) {
        let table = self.0.lock();
        if table.life.is_none() {
            look(&Places::synced(&table.cursors));
        }
    }

    /// Calls `clear_up` if most of the log is of no use any more.
    pub(super) fn clear_up_if_due(&self, clear_up: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut table = self.0.lock();
        if table.superseded < 1024 + 4 * table.cursors.len() as u64 {
            return Ok(());
        }
        table.superseded = 0;
        clear_up()
    }

    /// Does something with what the log has. It is read once, unless somebody else writes to it, or
    /// it goes on in another life.
    fn with<T>(&self, at: &KeptIn, work: impl FnOnce(&mut Table) -> Result<T>) -> Result<T> {
        // Before the lock, which a thread of the parent may have held when it forked.
        let life = at.log.position()?.life;
        let mut table = self.0.lock();
        if table.life != Some(life) || at.is_read_only {
            *table = Table::default();
            table.read(at)?;
            table.life = Some(life);
        }
        work(&mut table)
    }
}

impl Table {
    fn version(&self, name: &Name) -> Option<u64> {
        self.cursors.get(name).map(|stored| stored.version)
    }

    fn read(&mut self, at: &KeptIn) -> Result<()> {
        const AT_A_TIME: usize = 1024;
        let mut from = Start::Oldest;
        loop {
            let batch = at.log.consume(from, AT_A_TIME)?;
            if batch.messages.is_empty() {
                return Ok(());
            }
            from = Start::At(batch.next_offset);
            for message in &batch.messages {
                let unknown = || corrupt(&at.path, 0, Some(message.offset), Corruption::Cursor);
                self.take(message).ok_or_else(unknown)?;
            }
        }
    }

    /// Takes the next message of the log; `None` if it says nothing known.
    fn take(&mut self, message: &Message) -> Option<()> {
        let name = Name::from_key(message.key.as_deref()?)?;
        let before = if let Some(value) = message.value.as_deref() {
            let Record { stream_id, position } = Record::from_bytes(value)?;
            let stored = Stored {
                stream_id,
                position,
                version: message.offset + 1,
                updated: message.time,
            };
            self.cursors.insert(name, stored)
        } else {
            self.superseded += 1;
            self.cursors.remove(&name)
        };
        self.superseded += u64::from(before.is_some());
        Some(())
    }
}

impl Record {
    /// Whether a cursor that was there only moves ahead to here.
    fn is_ahead_of(&self, before: &Stored) -> bool {
        let (position, was) = (self.position, before.position);
        self.stream_id == before.stream_id && position.life == was.life && position.offset >= was.offset
    }

    const VERSION: u8 = 1;

    fn to_bytes(self) -> [u8; 41] {
        let mut bytes = [0; 41];
        bytes[0] = Record::VERSION;
        bytes[1..17].copy_from_slice(&self.stream_id.to_bytes());
        bytes[17..33].copy_from_slice(&self.position.life.to_bytes());
        bytes[33..].copy_from_slice(&self.position.offset.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Record> {
        let bytes: &[u8; 41] = bytes.try_into().ok()?;
        let (version, rest) = bytes.split_first()?;
        let (stream_id, rest) = rest.split_first_chunk()?;
        let (life, offset) = rest.split_first_chunk()?;
        (*version == Record::VERSION).then_some(Record {
            stream_id: StreamId::from_bytes(*stream_id),
            position: Position {
                life: LifeId::from_bytes(*life),
                offset: u64::from_le_bytes(offset.try_into().ok()?),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, MemoryLog};

    fn record(offset: u64) -> Record {
        Record {
            stream_id: StreamId::from_bytes([7; 16]),
            position: Position {
                life: LifeId::from_bytes([9; 16]),
                offset,
            },
        }
    }

    fn in_memory() -> KeptIn {
        KeptIn {
            log: Arc::new(MemoryLog::new()),
            path: "cursors".into(),
            is_read_only: false,
        }
    }

    #[test]
    fn values_are_of_one_length_and_version() {
        let bytes = record(5).to_bytes();
        assert_eq!(
            Record::from_bytes(&bytes).map(|record| record.position.offset),
            Some(5)
        );
        assert!(Record::from_bytes(&bytes[..40]).is_none());
        assert!(Record::from_bytes(&[&bytes[..], b"x"].concat()).is_none());
        assert!(Record::from_bytes(&[2; 41]).is_none());
    }

    #[test]
    fn what_says_nothing_known_is_damage() -> Result<()> {
        let name = Name::new("a", "s", 0)?;
        for (key, value) in [(&b"a"[..], &record(1).to_bytes()[..]), (&name.to_key(), b"?")] {
            let at = in_memory();
            at.log.publish(&[NewMessage::new(key, value)])?;
            let found = Kept::default().all(&at);
            let Err(Error::Corrupt { offset, kind, .. }) = found else {
                panic!("{found:?}");
            };
            assert_eq!((offset, kind), (Some(0), Corruption::Cursor));
        }
        Ok(())
    }

    #[test]
    fn what_was_changed_meanwhile_is_not_overwritten() -> Result<()> {
        let (at, kept) = (in_memory(), Kept::default());
        let name = Name::new("a", "s", 0)?;
        let first = kept.put(&at, &name, None, record(1), || {})?.expect("stored");
        assert_eq!(kept.put(&at, &name, None, record(2), || {})?, None);
        let second = kept
            .put(&at, &name, Some(first.version), record(2), || {})?
            .expect("stored");
        assert!(second.version > first.version);
        let read = Kept::default().get(&at, &name)?;
        assert_eq!(read, Some(second));
        Ok(())
    }
}
