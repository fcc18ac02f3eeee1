//! What the state log of a group says.

use std::collections::BTreeMap;

use super::ranges::Ranges;
use crate::{LifeId, Position};

/// The life of a log without positions.
pub(super) const NO_LIFE: LifeId = LifeId::from_bytes([0; 16]);

/// The state of a group, as far as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// The sequence of the last burying.
    pub(super) sequence: u64,
    /// How many messages were buried.
    pub(super) buried: u64,
    pub(super) partitions: Vec<Partition>,
    /// What is being buried, by sequence.
    pub(super) burying: BTreeMap<u64, Burying>,
    /// For each partition of the dead letters, where to go on kicking.
    pub(super) kicked: Vec<Position>,
}

/// What is known of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// One past the highest offset that is spoken of, in the life of the log.
    pub(super) position: Position,
    /// Everything below is settled.
    pub(super) floor: u64,
    pub(super) settled: Ranges,
    pub(super) open: BTreeMap<u64, Open>,
}

/// What is known of a message that was given out and is not settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) attempts: u32,
    /// When its delay began, by the wall clock, in microseconds.
    pub(super) at: i64,
    /// How long that is, in microseconds.
    pub(super) delay: u64,
}

/// A message that is being buried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Burying {
    pub(super) partition: u32,
    pub(super) offset: u64,
    pub(super) attempts: u32,
    /// By which the letter is published.
    pub(super) producer: u64,
    pub(super) sequence: u64,
    pub(super) reason: String,
}

/// A change of a group's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delta {
    Attempt {
        partition: u32,
        offset: u64,
        number: u32,
    },
    Settled {
        partition: u32,
        offset: u64,
    },
    Retry {
        partition: u32,
        offset: u64,
        /// By the wall clock, in microseconds.
        at: i64,
        /// In microseconds.
        delay: u64,
    },
    Burying(Burying),
    Buried {
        partition: u32,
        offset: u64,
    },
    Kicked {
        partition: u32,
        next: Position,
    },
}

impl Default for Partition {
    fn default() -> Partition {
        Partition {
            position: Position {
                life: NO_LIFE,
                offset: 0,
            },
            floor: 0,
            settled: Ranges::default(),
            open: BTreeMap::new(),
        }
    }
}

impl Partition {
    fn touch(&mut self, offset: u64) {
        self.position.offset = self.position.offset.max(offset.saturating_add(1));
    }

    fn settle(&mut self, offset: u64) {
        self.open.remove(&offset);
        if offset >= self.floor {
            self.settled.insert(offset);
        }
    }

    /// Forgets all that is said of this offset and those above.
    pub(super) fn forget_from(&mut self, offset: u64) {
        self.floor = self.floor.min(offset);
        self.position.offset = self.position.offset.min(offset);
        self.settled.forget_from(offset);
        self.open.split_off(&offset);
    }
}

impl Open {
    /// What is left of the delay, between nothing and all of it, however the clock was set.
    pub(super) fn left(&self, now: i64) -> u64 {
        let passed = u64::try_from(now.saturating_sub(self.at)).unwrap_or(0);
        self.delay.saturating_sub(passed)
    }
}

impl Group {
    /// Takes note of a change. `None` if it speaks of a partition that there is not.
    pub(super) fn apply(&mut self, delta: &Delta) -> Option<()> {
        match delta {
            Delta::Attempt {
                partition,
                offset,
                number,
            } => {
                let partition = self.partition(*partition)?;
                partition.touch(*offset);
                let open = Open {
                    attempts: *number,
                    ..Open::default()
                };
                partition.open.insert(*offset, open);
            }
            Delta::Settled { partition, offset } => {
                let partition = self.partition(*partition)?;
                partition.touch(*offset);
                partition.settle(*offset);
            }
            Delta::Retry {
                partition,
                offset,
                at,
                delay,
            } => {
                let open = self.partition(*partition)?.open.entry(*offset).or_default();
                (open.at, open.delay) = (*at, *delay);
            }
            Delta::Burying(burying) => {
                self.partition(burying.partition)?.touch(burying.offset);
                self.sequence = self.sequence.max(burying.sequence);
                self.burying.insert(burying.sequence, burying.clone());
            }
            Delta::Buried { partition, offset } => {
                let state = self.partition(*partition)?;
                state.touch(*offset);
                state.settle(*offset);
                self.buried += 1;
                self.burying
                    .retain(|_, burying| (burying.partition, burying.offset) != (*partition, *offset));
            }
            Delta::Kicked { partition, next } => {
                let index = usize::try_from(*partition).ok()?;
                *self.kicked.get_mut(index)? = *next;
            }
        }
        Some(())
    }

    fn partition(&mut self, number: u32) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::try_from(number).ok()?)
    }
}
