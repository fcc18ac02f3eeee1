//! The messages of a queue's state log: see `docs/format.md`.

use super::group::{Burying, Delta, Group, Open, Partition};
use crate::{LifeId, Position};

const VERSION: u8 = 1;

const SNAPSHOT: u8 = 0;
const ATTEMPT: u8 = 1;
const SETTLED: u8 = 2;
const RETRY: u8 = 3;
const BURYING: u8 = 4;
const BURIED: u8 = 5;
const KICKED: u8 = 6;

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Snapshot(Group),
    Delta(Delta),
}

/// Why a message cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Version(u8),
    Damaged,
}

/// A short message, in memory that is not allocated.
pub(super) struct Short {
    bytes: [u8; 32],
    len: usize,
}

impl Short {
    fn new(kind: u8) -> Short {
        let mut short = Short {
            bytes: [0; 32],
            len: 0,
        };
        short.put(&[VERSION, kind]);
        short
    }

    fn put(&mut self, bytes: &[u8]) -> &mut Short {
        let end = self.len + bytes.len();
        self.bytes[self.len..end].copy_from_slice(bytes);
        self.len = end;
        self
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Delta {
    /// Calls `publish` with the bytes.
    pub(super) fn with_bytes<T>(&self, publish: impl FnOnce(&[u8]) -> T) -> T {
        let mut short;
        match self {
            Delta::Attempt {
                partition,
                offset,
                number,
            } => {
                short = Short::new(ATTEMPT);
                short.put(&partition.to_le_bytes()).put(&offset.to_le_bytes());
                short.put(&number.to_le_bytes());
            }
            Delta::Settled { partition, offset } => {
                short = Short::new(SETTLED);
                short.put(&partition.to_le_bytes()).put(&offset.to_le_bytes());
            }
            Delta::Retry {
                partition,
                offset,
                at,
                delay,
            } => {
                short = Short::new(RETRY);
                short.put(&partition.to_le_bytes()).put(&offset.to_le_bytes());
                short.put(&at.to_le_bytes()).put(&delay.to_le_bytes());
            }
            Delta::Buried { partition, offset } => {
                short = Short::new(BURIED);
                short.put(&partition.to_le_bytes()).put(&offset.to_le_bytes());
            }
            Delta::Kicked { partition, next } => {
                short = Short::new(KICKED);
                short.put(&partition.to_le_bytes()).put(&next.life.to_bytes());
                short.put(&next.offset.to_le_bytes());
            }
            Delta::Burying(burying) => {
                let mut bytes = vec![VERSION, BURYING];
                put_burying(&mut bytes, burying);
                bytes.extend(burying.reason.as_bytes());
                return publish(&bytes);
            }
        }
        publish(short.as_bytes())
    }
}

/// The fields in front of the reason.
fn put_burying(out: &mut Vec<u8>, burying: &Burying) {
    out.extend(burying.partition.to_le_bytes());
    out.extend(burying.offset.to_le_bytes());
    out.extend(burying.attempts.to_le_bytes());
    out.extend(burying.producer.to_le_bytes());
    out.extend(burying.sequence.to_le_bytes());
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend(u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_position(out: &mut Vec<u8>, position: Position) {
    out.extend(position.life.to_bytes());
    out.extend(position.offset.to_le_bytes());
}

/// The bytes of a snapshot.
pub(super) fn snapshot(group: &Group) -> Vec<u8> {
    let mut out = vec![VERSION, SNAPSHOT];
    out.extend(group.sequence.to_le_bytes());
    out.extend(group.buried.to_le_bytes());
    put_len(&mut out, group.partitions.len());
    for partition in &group.partitions {
        put_position(&mut out, partition.position);
        out.extend(partition.floor.to_le_bytes());
        let settled = partition.settled.iter();
        put_len(&mut out, settled.len());
        for (start, end) in settled {
            out.extend(start.to_le_bytes());
            out.extend(end.to_le_bytes());
        }
        put_len(&mut out, partition.open.len());
        for (offset, open) in &partition.open {
            out.extend(offset.to_le_bytes());
            out.extend(open.attempts.to_le_bytes());
            out.extend(open.at.to_le_bytes());
            out.extend(open.delay.to_le_bytes());
        }
    }
    put_len(&mut out, group.burying.len());
    for burying in group.burying.values() {
        put_burying(&mut out, burying);
        put_len(&mut out, burying.reason.len());
        out.extend(burying.reason.as_bytes());
    }
    put_len(&mut out, group.kicked.len());
    for position in &group.kicked {
        put_position(&mut out, *position);
    }
    out
}

/// Reads a message.
pub(super) fn read(bytes: &[u8]) -> Result<Said, Unreadable> {
    match bytes {
        [VERSION, kind, rest @ ..] => {
            let mut fields = Fields(rest);
            let said = match *kind {
                SNAPSHOT => fields.group().map(Said::Snapshot),
                kind => fields.delta(kind).map(Said::Delta),
            };
            said.filter(|_| fields.0.is_empty()).ok_or(Unreadable::Damaged)
        }
        [version, ..] if *version != VERSION => Err(Unreadable::Version(*version)),
        _ => Err(Unreadable::Damaged),
    }
}

/// What is left to be read. Each call is `None` if there is too little.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn position(&mut self) -> Option<Position> {
        Some(Position {
            life: LifeId::from_bytes(self.array()?),
            offset: self.u64()?,
        })
    }

    /// Calls `take` as often as the length in front says.
    fn each(&mut self, mut take: impl FnMut(&mut Fields<'a>) -> Option<()>) -> Option<()> {
        for _ in 0..self.u32()? {
            take(self)?;
        }
        Some(())
    }

    fn text(&mut self, len: usize) -> Option<String> {
        let text = std::str::from_utf8(self.take(len)?).ok()?;
        Some(text.to_owned())
    }

    /// All but the reason.
    fn burying(&mut self) -> Option<Burying> {
        Some(Burying {
            partition: self.u32()?,
            offset: self.u64()?,
            attempts: self.u32()?,
            producer: self.u64()?,
            sequence: self.u64()?,
            reason: String::new(),
        })
    }

    fn delta(&mut self, kind: u8) -> Option<Delta> {
        let partition = |fields: &mut Fields<'_>| fields.u32();
        Some(match kind {
            ATTEMPT => Delta::Attempt {
                partition: partition(self)?,
                offset: self.u64()?,
                number: self.u32()?,
            },
            SETTLED => Delta::Settled {
                partition: partition(self)?,
                offset: self.u64()?,
            },
            RETRY => Delta::Retry {
                partition: partition(self)?,
                offset: self.u64()?,
                at: self.i64()?,
                delay: self.u64()?,
            },
            BURYING => {
                let burying = self.burying()?;
                let reason = self.text(self.0.len())?;
                Delta::Burying(Burying { reason, ..burying })
            }
            BURIED => Delta::Buried {
                partition: partition(self)?,
                offset: self.u64()?,
            },
            KICKED => Delta::Kicked {
                partition: partition(self)?,
                next: self.position()?,
            },
            _ => return None,
        })
    }

    fn partition(&mut self) -> Option<Partition> {
        let mut partition = Partition {
            position: self.position()?,
            floor: self.u64()?,
            ..Partition::default()
        };
        self.each(|fields| {
            partition.settled.add(fields.u64()?, fields.u64()?);
            Some(())
        })?;
        self.each(|fields| {
            let offset = fields.u64()?;
            let open = Open {
                attempts: fields.u32()?,
                at: fields.i64()?,
                delay: fields.u64()?,
            };
            partition.open.insert(offset, open);
            Some(())
        })?;
        Some(partition)
    }

    fn group(&mut self) -> Option<Group> {
        let mut group = Group {
            sequence: self.u64()?,
            buried: self.u64()?,
            ..Group::default()
        };
        self.each(|fields| {
            group.partitions.push(fields.partition()?);
            Some(())
        })?;
        self.each(|fields| {
            let burying = fields.burying()?;
            let len = fields.u32()?;
            let reason = fields.text(usize::try_from(len).ok()?)?;
            group
                .burying
                .insert(burying.sequence, Burying { reason, ..burying });
            Some(())
        })?;
        self.each(|fields| {
            group.kicked.push(fields.position()?);
            Some(())
        })?;
        Some(group)
    }
}
