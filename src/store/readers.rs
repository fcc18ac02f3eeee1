//! Who has yet to read a partition, as far as retention is to care.

use std::collections::BTreeMap;

use arc_swap::ArcSwapOption;
use parking_lot::{Mutex, MutexGuard};

use crate::cursor::lowest;
use crate::queue::Floors;
use crate::{FileLog, Position, Result, RetentionFloor};

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
    /// How many are opening the log. Until it is known which life it goes on in, nothing goes.
    opening: u32,
    /// Below this, messages went that were not read, and somebody was told of it.
    told_to: u64,
    /// Whether somebody was told since all had read what there is.
    is_told: bool,
}

/// Somebody opens the log of a partition.
pub(super) struct OpeningLog<'a>(&'a Readers);

impl Readers {
    pub(super) fn floor(&self) -> &RetentionFloor {
        &self.floor
    }

    /// These are all readers there are. `log` is that of the partition, if it is open.
    pub(super) fn set(&self, places: Vec<Position>, log: &ArcSwapOption<FileLog>) {
        let mut known = self.known.lock();
        if known.opening == 0 {
            self.set_floor(&places, log.load().as_deref());
        }
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

    /// The log is about to be opened, perhaps in another life than the readers know.
    pub(super) fn begin_opening(&self) -> OpeningLog<'_> {
        self.known.lock().opening += 1;
        self.floor.lower(0);
        OpeningLog(self)
    }

    fn set_floor(&self, places: &[Position], log: Option<&FileLog>) {
        self.floor.set(lowest(places, log).unwrap_or(u64::MAX));
    }

    /// Whether messages went that were not read; once until all readers have come after.
    pub(super) fn take_overrun(&self) -> bool {
        let mut known = self.known.lock();
        if self.floor.offset() >= known.told_to && known.opening == 0 {
            known.is_told = false;
        }
        let overrun_to = self.floor.overrun_to().unwrap_or(0);
        if overrun_to <= known.told_to {
            return false;
        }
        known.told_to = overrun_to;
        !std::mem::replace(&mut known.is_told, true)
    }

    /// It could not be told. It is to be told at the next look.
    pub(super) fn put_overrun_back(&self) {
        let mut known = self.known.lock();
        (known.told_to, known.is_told) = (0, false);
    }
}

impl OpeningLog<'_> {
    /// It is open. Nobody uses it yet.
    pub(super) fn opened(&self, log: &FileLog) {
        let known = self.0.known.lock();
        if let Some(places) = &known.places {
            self.0.set_floor(places, Some(log));
        }
    }
}

impl Drop for OpeningLog<'_> {
    fn drop(&mut self) {
        self.0.known.lock().opening -= 1;
    }
}

/// The work queues of a stream, by the names of their directories.
#[derive(Debug, Default)]
pub(super) struct Queues(Mutex<Groups>);

#[derive(Debug, Default)]
pub(super) struct Groups {
    /// `None` for one that nobody has opened in this life of the store: it needs everything.
    queues: BTreeMap<String, Option<Opened>>,
    /// Whether those are here that an earlier life has left.
    are_listed: bool,
    /// How many times one was opened.
    count: u64,
}

#[derive(Debug)]
struct Opened {
    queue: Floors,
    /// Up to where it had dealt with each partition when that was last looked at.
    floors: Vec<Position>,
}

/// Up to where the queues have dealt with a stream.
#[derive(Debug)]
pub(super) struct Dealt {
    /// For each queue, by partition.
    queues: Vec<Option<Vec<Position>>>,
    /// How many times queues had been opened.
    count: u64,
}

impl Queues {
    /// There is a queue, which somebody is about to open.
    pub(super) fn opens(&self, group: &str) {
        let mut groups = self.0.lock();
        groups.count += 1;
        groups.queues.entry(group.to_owned()).or_default();
    }

    /// A queue was opened that had dealt with everything below its floors.
    pub(super) fn opened(&self, group: &str, queue: Floors, floors: Vec<Position>) {
        let mut groups = self.0.lock();
        groups.count += 1;
        groups
            .queues
            .insert(group.to_owned(), Some(Opened { queue, floors }));
    }

    /// Brings to stable storage up to where the queues have come. `list` is asked once which there
    /// are.
    pub(super) fn sync(&self, list: impl FnOnce() -> Result<Vec<String>>) -> Result<Dealt> {
        let (names, count) = {
            let mut groups = self.0.lock();
            if !groups.are_listed {
                for name in list()? {
                    groups.queues.entry(name).or_default();
                }
                groups.are_listed = true;
            }
            (groups.queues.keys().cloned().collect::<Vec<_>>(), groups.count)
        };
        let queues = names.iter().map(|name| self.sync_one(name)).collect();
        Ok(Dealt { queues, count })
    }

    fn sync_one(&self, name: &str) -> Option<Vec<Position>> {
        let queue = self.0.lock().queues.get(name)?.as_ref()?.queue.clone();
        // Of one that is closed, or fails, it is known where it was.
        let floors = queue.synced();
        let mut groups = self.0.lock();
        let opened = groups.queues.get_mut(name)?.as_mut()?;
        if let Ok(floors) = floors {
            opened.floors = floors;
        }
        Some(opened.floors.clone())
    }

    /// Holds off who opens a queue; `None` if somebody has since `dealt`.
    pub(super) fn hold(&self, dealt: &Dealt) -> Option<MutexGuard<'_, Groups>> {
        let groups = self.0.lock();
        (groups.count == dealt.count).then_some(groups)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LifeId, Log, NewMessage, Options};

    /// A log of ten messages, and its directory.
    fn log() -> (tempfile::TempDir, FileLog) {
        let dir = tempfile::tempdir().expect("a directory");
        let log = Options::new().background(false).open(dir.path()).expect("opened");
        for _ in 0..10 {
            log.publish(&[NewMessage::value(b"value")]).expect("published");
        }
        (dir, log)
    }

    #[test]
    fn nothing_goes_while_a_log_is_opened_whose_life_is_not_known() -> Result<()> {
        let (_dir, log) = log();
        let (readers, closed) = (Readers::default(), ArcSwapOption::empty());
        let here = log.position()?.at(8);
        readers.set(vec![here], &closed);
        assert_eq!(readers.floor().offset(), 8);
        let opening = readers.begin_opening();
        assert_eq!(readers.floor().offset(), 0);
        readers.set(vec![here.at(9)], &closed);
        assert_eq!(
            readers.floor().offset(),
            0,
            "whoever looks does not know it either"
        );
        opening.opened(&log);
        assert_eq!(readers.floor().offset(), 9);
        drop(opening);
        let elsewhere = Position {
            life: LifeId::from_bytes([7; 16]),
            offset: 9,
        };
        readers.set(vec![elsewhere], &closed);
        readers.begin_opening().opened(&log);
        assert_eq!(readers.floor().offset(), 0, "it is of a life that never was");
        Ok(())
    }

    #[test]
    fn who_comes_or_goes_back_lowers_the_floor_until_somebody_has_looked() {
        let (readers, closed) = (Readers::default(), ArcSwapOption::empty());
        let at = |offset| NOWHERE.at(offset);
        readers.add(at(3));
        readers.set(Vec::new(), &closed);
        assert_eq!(readers.floor().offset(), u64::MAX, "nobody reads it");
        for offset in [6, 4, 5] {
            readers.add(at(offset));
        }
        assert_eq!(readers.floor().offset(), 4);
        readers.set(vec![at(6), at(5)], &closed);
        assert_eq!(readers.floor().offset(), 5);
    }

    #[test]
    fn an_overrun_is_told_once_until_all_have_come_after() {
        let (readers, closed) = (Readers::default(), ArcSwapOption::empty());
        let overrun = |to| {
            readers.floor().note_overrun(to);
            readers.take_overrun()
        };
        assert!(!readers.take_overrun());
        assert!(overrun(5) && !overrun(7), "the reader is as far behind as before");
        readers.put_overrun_back();
        assert!(readers.take_overrun() && !overrun(8));
        readers.set(vec![NOWHERE.at(8)], &closed);
        assert!(!readers.take_overrun() && overrun(9));
    }
}
