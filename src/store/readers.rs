//! Who has yet to read a partition, as far as retention is to care.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Weak;

use parking_lot::{Mutex, MutexGuard};

use crate::cursor::lowest;
use crate::queue::Floors;
use crate::{Error, FileLog, Position, Result, RetentionFloor};

/// Where the readers of one partition are: its stored cursors, and its work queues.
#[derive(Debug, Default)]
pub(super) struct Readers {
    floor: RetentionFloor,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// On stable storage. `None` until somebody has looked: then nothing goes.
    places: Option<Vec<Position>>,
    /// Below this, messages went that were not read, and somebody was told of it.
    told_to: u64,
    /// Whether somebody was told since all had read what there is.
    is_told: bool,
}

impl Readers {
    pub(super) fn floor(&self) -> &RetentionFloor {
        &self.floor
    }

    /// These are all readers there are. `log` is that of the partition, if it is open.
    pub(super) fn set(&self, places: Vec<Position>, log: Option<&FileLog>) {
        let mut known = self.known.lock();
        self.floor.set(lowest(&places, log).unwrap_or(u64::MAX));
        known.places = Some(places);
    }

    /// One more is there, or one went back.
    pub(super) fn add(&self, place: Position) {
        let mut known = self.known.lock();
        self.floor.lower(place.offset);
        if let Some(places) = &mut known.places {
            places.push(place);
        }
    }

    /// The log was opened. It may have another life than the readers know.
    pub(super) fn opened(&self, log: &FileLog) {
        let known = self.known.lock();
        if let Some(places) = &known.places {
            self.floor.set(lowest(places, Some(log)).unwrap_or(u64::MAX));
        }
    }

    /// Whether messages went that were not read; once until all readers have come after.
    pub(super) fn take_overrun(&self) -> bool {
        let mut known = self.known.lock();
        if self.floor.offset() >= known.told_to {
            known.is_told = false;
        }
        let overrun_to = self.floor.overrun_to().unwrap_or(0);
        if overrun_to <= known.told_to {
            return false;
        }
        known.told_to = overrun_to;
        !std::mem::replace(&mut known.is_told, true)
    }
}

/// The work queues of a stream that were opened in this life of the store, by the names of their
/// directories.
#[derive(Debug, Default)]
pub(super) struct Queues(Mutex<Opened>);

#[derive(Debug, Default)]
pub(super) struct Opened {
    queues: BTreeMap<String, Opening>,
    /// How many times one was opened.
    count: u64,
}

struct Opening {
    queue: Weak<dyn Floors>,
    /// Up to where it had dealt with each partition when that was last looked at.
    floors: Vec<Position>,
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Opening").field(&self.floors).finish()
    }
}

/// Up to where the queues have dealt with a stream.
#[derive(Debug, Default)]
pub(super) struct Dealt {
    /// For each queue, by partition. `None` for one that nobody has opened: it needs everything.
    queues: Vec<Option<Vec<Position>>>,
    /// How many times queues had been opened.
    count: u64,
}

impl Queues {
    /// A queue was opened that is there, as its floors say.
    pub(super) fn opened(&self, group: String, queue: Weak<dyn Floors>, floors: Vec<Position>) {
        let mut opened = self.0.lock();
        opened.count += 1;
        opened.queues.insert(group, Opening { queue, floors });
    }

    /// Brings to stable storage up to where the queues of these groups have come.
    pub(super) fn sync(&self, groups: &[String]) -> Result<Dealt> {
        let count = self.0.lock().count;
        let queues = groups.iter().map(|group| self.sync_one(group));
        Ok(Dealt {
            queues: queues.collect::<Result<_>>()?,
            count,
        })
    }

    fn sync_one(&self, group: &str) -> Result<Option<Vec<Position>>> {
        let queue = {
            let opened = self.0.lock();
            let Some(opening) = opened.queues.get(group) else {
                return Ok(None);
            };
            match opening.queue.upgrade() {
                None => return Ok(Some(opening.floors.clone())),
                Some(queue) => queue,
            }
        };
        let floors = match queue.synced_floors() {
            Err(Error::Closed) => None,
            floors => Some(floors?),
        };
        // Outside of the lock: if this is the last one who has the queue, it is closed here.
        drop(queue);
        let mut opened = self.0.lock();
        let opening = opened.queues.get_mut(group);
        Ok(opening.map(|opening| {
            opening.floors = floors.unwrap_or_else(|| std::mem::take(&mut opening.floors));
            opening.floors.clone()
        }))
    }

    /// Holds off who opens a queue; `None` if somebody has since `dealt`.
    pub(super) fn hold(&self, dealt: &Dealt) -> Option<MutexGuard<'_, Opened>> {
        let opened = self.0.lock();
        (opened.count == dealt.count).then_some(opened)
    }
}

impl Dealt {
    /// Where the queues are in a partition.
    pub(super) fn places(&self, partition: u32) -> impl Iterator<Item = Position> {
        self.queues.iter().map(move |floors| {
            let floor = floors.as_ref().and_then(|floors| floors.get(partition as usize));
            floor.copied().unwrap_or(NOWHERE)
        })
    }
}

/// The place of somebody who needs everything.
const NOWHERE: Position = Position {
    life: crate::LifeId::from_bytes([0; 16]),
    offset: 0,
};
