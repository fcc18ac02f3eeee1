//! What a queue knows of one partition: which offsets are settled, given out, or to be given out.
//! No I/O, and no clock: times are passed in, in microseconds since some moment.
//!
//! 1. `slots` begin at `floor`, and the first of them is not settled.
//! 2. What is at `read_to` and above was not read yet; between the last slot and `read_to` there is
//!    nothing.
//! 3. With keys, the slots of a key that are not settled are linked in the order of their offsets.
//!    Only the first of them is given out.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use rustc_hash::FxHashMap;

use super::group::{Open, Partition};
use super::ranges::Ranges;
use super::slot::{NONE, SETTLED, Slot, State};

/// How many offsets a window has at most.
pub(super) const WINDOW: u64 = 65_536;

/// The window of one partition.
#[derive(Debug, Default)]
pub(super) struct Window {
    floor: u64,
    slots: VecDeque<Slot>,
    read_to: u64,
    /// Never given out, and nothing is in the way. In order; some may have changed since.
    fresh: VecDeque<u64>,
    /// To be given out again, or after others of its key.
    ready: BTreeSet<u64>,
    /// When a delay or a lease ends. Some may not matter any more.
    timers: BinaryHeap<Reverse<(u64, u64)>>,
    /// For each key, its last offset.
    last_of_key: FxHashMap<u64, u64>,
    /// What was known before, of offsets that were not read yet.
    known: Known,
    leased: usize,
    delayed: usize,
}

/// What an earlier process has left.
#[derive(Debug, Default)]
struct Known {
    settled: Ranges,
    /// Each with the attempts and the end of its delay.
    open: BTreeMap<u64, (u32, u64)>,
    burying: BTreeSet<u64>,
}

/// How many messages a window has in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) leased: u64,
    pub(super) delayed: u64,
    /// Given out before, and neither settled nor resting, of those that were not read yet.
    pub(super) left: u64,
    /// Settled above the floor.
    pub(super) settled: u64,
}

impl Window {
    /// The window of a partition of which this is known. `now` by both clocks.
    pub(super) fn new(partition: &Partition, burying: BTreeSet<u64>, now: u64, wall: i64) -> Window {
        let until = |open: &Open| match open.left(wall) {
            0 => 0,
            left => now.saturating_add(left),
        };
        let open = partition.open.iter();
        let open = open.map(|(offset, open)| (*offset, (open.attempts, until(open))));
        let floor = partition.settled.end_from(partition.floor);
        Window {
            floor,
            read_to: floor,
            known: Known {
                settled: partition.settled.clone(),
                open: open.collect(),
                burying,
            },
            ..Window::default()
        }
    }

    /// Below this, everything is settled.
    pub(super) fn floor(&self) -> u64 {
        if self.slots.is_empty() {
            self.read_to
        } else {
            self.floor
        }
    }

    /// The offset at which reading goes on.
    pub(super) fn read_to(&self) -> u64 {
        self.read_to
    }

    /// How many are given out.
    pub(super) fn leased(&self) -> usize {
        self.leased
    }

    /// Whether everything that was read is settled.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether a message at this offset fits.
    pub(super) fn has_room(&self, offset: u64) -> bool {
        self.slots.is_empty() || offset.saturating_sub(self.floor) < WINDOW
    }

    /// Takes a message in that was read. The caller has made sure that it fits. What is between it
    /// and the one before does not exist, so it is settled.
    pub(super) fn admit(&mut self, offset: u64, key: Option<u64>, now: u64) {
        if self.slots.is_empty() {
            self.floor = offset;
        }
        while self.end() < offset {
            self.slots.push_back(SETTLED);
        }
        self.read_to = offset.saturating_add(1);
        if self.known.settled.contains(offset) {
            self.slots.push_back(SETTLED);
            self.known.settled.forget_below(self.read_to);
            self.pop_settled();
            return;
        }
        let (attempts, until) = self.known.open.remove(&offset).unwrap_or_default();
        let is_burying = self.known.burying.remove(&offset);
        let mut slot = Slot {
            state: State::Held,
            is_first: true,
            attempts,
            until,
            key,
            ..SETTLED
        };
        if let Some(key) = key
            && let Some(last) = self.last_of_key.insert(key, offset)
        {
            slot.is_first = false;
            if let Some(last) = self.slot_mut(last) {
                last.next_of_key = offset;
            }
        }
        if is_burying {
            slot.state = State::Burying;
        }
        let is_free = slot.is_first && !is_burying;
        self.slots.push_back(slot);
        if is_free {
            self.free(offset, now);
        }
    }

    /// Notes that there is nothing up to `offset` that was not taken in.
    pub(super) fn passed(&mut self, offset: u64) {
        self.read_to = self.read_to.max(offset);
    }

    /// Moves on to `now`: what has rested for long enough, or was given out for too long, can be
    /// given out.
    pub(super) fn tick(&mut self, now: u64) {
        while let Some(Reverse((until, offset))) = self.timers.peek().copied()
            && until <= now
        {
            self.timers.pop();
            if !self.is_timed(until, offset) {
                continue;
            }
            self.leave(offset);
            self.set(offset, State::Ready);
            self.ready.insert(offset);
        }
    }

    /// When something changes by itself next, if nobody calls.
    pub(super) fn next_timer(&mut self) -> Option<u64> {
        while let Some(Reverse((until, offset))) = self.timers.peek().copied() {
            if self.is_timed(until, offset) {
                return Some(until);
            }
            self.timers.pop();
        }
        None
    }

    /// The message to be given out next, and how often it was. The caller gives it out, buries or
    /// settles it.
    pub(super) fn pick(&mut self) -> Option<(u64, u32)> {
        while let Some(offset) = self.fresh.front().copied()
            && self.state(offset) != State::Fresh
        {
            self.fresh.pop_front();
        }
        let fresh = self.fresh.front().copied();
        let offset = fresh.into_iter().chain(self.ready.first().copied()).min()?;
        Some((offset, self.slot(offset)?.attempts))
    }

    /// Gives a message out.
    pub(super) fn lease(&mut self, offset: u64, lease: u64, until: u64) {
        self.leave(offset);
        let Some(slot) = self.slot_mut(offset) else { return };
        slot.attempts = slot.attempts.saturating_add(1);
        slot.lease = lease;
        self.time(offset, State::Leased, until);
    }

    /// Whether a worker still has a message: nobody else has got it, though its time may be over.
    pub(super) fn is_held_by(&self, offset: u64, lease: u64) -> bool {
        let slot = self.slot(offset);
        slot.is_some_and(|slot| slot.lease == lease && matches!(slot.state, State::Leased | State::Ready))
    }

    /// Makes a lease end at another time.
    pub(super) fn extend(&mut self, offset: u64, until: u64) {
        self.leave(offset);
        self.time(offset, State::Leased, until);
    }

    /// Has a message rest.
    pub(super) fn delay(&mut self, offset: u64, until: u64) {
        self.leave(offset);
        self.time(offset, State::Delayed, until);
    }

    /// Has nobody get the message any more. It is settled once it is buried.
    pub(super) fn bury(&mut self, offset: u64) {
        self.leave(offset);
        self.set(offset, State::Burying);
    }

    /// Settles a message: it is not given out again, and the next one of its key may be.
    pub(super) fn settle(&mut self, offset: u64, now: u64) {
        if offset >= self.read_to {
            // It was being buried when the process before this one died.
            self.known.settled.insert(offset);
            return;
        }
        if self.state(offset) == State::Settled {
            return;
        }
        self.leave(offset);
        self.set(offset, State::Settled);
        let slot = self.slot(offset).copied().unwrap_or(SETTLED);
        if let Some(key) = slot.key.filter(|_| slot.is_first) {
            self.free_next(key, slot.next_of_key, now);
        }
        self.pop_settled();
    }

    /// Settles what is below `start`, which does not exist any more, unless a worker has it.
    pub(super) fn settle_below(&mut self, start: u64, now: u64) {
        let end = start.min(self.end());
        for offset in self.floor..end {
            if !matches!(self.state(offset), State::Leased | State::Burying) {
                self.settle(offset, now);
            }
        }
        self.known.settled.forget_below(start);
        self.known.open = self.known.open.split_off(&start);
        self.known.burying = self.known.burying.split_off(&start);
        self.passed(start);
    }

    /// The offsets that are to be given out, now or later, in order.
    pub(super) fn waiting(&self) -> impl Iterator<Item = u64> {
        let waits = |slot: &Slot| {
            let states = [State::Fresh, State::Held, State::Ready, State::Delayed];
            states.contains(&slot.state)
        };
        let slots = (self.floor..).zip(&self.slots);
        slots
            .filter(move |(_, slot)| waits(slot))
            .map(|(offset, _)| offset)
    }

    /// Whether a message that was not read yet is settled or being buried.
    pub(super) fn is_known_gone(&self, offset: u64) -> bool {
        self.known.settled.contains(offset) || self.known.burying.contains(&offset)
    }

    /// Those that were read, and those of which an earlier process has told.
    pub(super) fn counts(&self) -> Counts {
        let settled = self.slots.iter().filter(|slot| slot.state == State::Settled);
        let known = self
            .known
            .settled
            .iter()
            .map(|(start, end)| end - start.max(self.read_to).min(end));
        let open = self.known.open.range(self.read_to..);
        let (left, rests): (Vec<_>, Vec<_>) = open
            .filter(|(offset, _)| !self.known.burying.contains(offset))
            .partition(|(_, (_, until))| *until == 0);
        Counts {
            leased: self.leased as u64,
            delayed: (self.delayed + rests.len()) as u64,
            left: left.len() as u64,
            settled: settled.count() as u64 + known.sum::<u64>(),
        }
    }

    #[cfg(test)]
    pub(super) fn timers(&self) -> usize {
        self.timers.len()
    }

    /// What there is to be kept. `now` by both clocks.
    pub(super) fn kept(&self, now: u64, wall: i64) -> Partition {
        let mut kept = Partition {
            floor: self.floor(),
            settled: self.known.settled.clone(),
            ..Partition::default()
        };
        let open = |attempts: u32, until: u64| Open {
            attempts,
            at: wall,
            delay: until.saturating_sub(now),
        };
        kept.settled.forget_below(kept.floor);
        // What is further in front was deleted meanwhile.
        for (offset, (attempts, until)) in self.known.open.range(self.read_to..) {
            kept.open.insert(*offset, open(*attempts, *until));
        }
        for (offset, slot) in (self.floor..).zip(&self.slots) {
            if slot.state == State::Settled {
                kept.settled.insert(offset);
            } else if slot.attempts > 0 {
                let rests = matches!(slot.state, State::Delayed | State::Held);
                let until = if rests { slot.until } else { 0 };
                kept.open.insert(offset, open(slot.attempts, until));
            }
        }
        let last = kept.open.last_key_value().map_or(0, |(offset, _)| *offset + 1);
        kept.position.offset = kept.floor.max(kept.settled.end()).max(last);
        kept
    }

    fn end(&self) -> u64 {
        self.floor + self.slots.len() as u64
    }

    fn index(&self, offset: u64) -> Option<usize> {
        usize::try_from(offset.checked_sub(self.floor)?).ok()
    }

    fn slot(&self, offset: u64) -> Option<&Slot> {
        self.slots.get(self.index(offset)?)
    }

    fn slot_mut(&mut self, offset: u64) -> Option<&mut Slot> {
        let index = self.index(offset)?;
        self.slots.get_mut(index)
    }

    fn state(&self, offset: u64) -> State {
        self.slot(offset).map_or(State::Settled, |slot| slot.state)
    }

    fn set(&mut self, offset: u64, state: State) {
        if let Some(slot) = self.slot_mut(offset) {
            slot.state = state;
        }
    }

    /// Takes a message out of what counts it in its state.
    fn leave(&mut self, offset: u64) {
        match self.state(offset) {
            State::Leased => self.leased -= 1,
            State::Delayed => self.delayed -= 1,
            State::Ready => drop(self.ready.remove(&offset)),
            State::Fresh if self.fresh.front() == Some(&offset) => drop(self.fresh.pop_front()),
            _ => {}
        }
    }

    /// Enters a state that ends at a time.
    fn time(&mut self, offset: u64, state: State, until: u64) {
        let Some(slot) = self.slot_mut(offset) else { return };
        (slot.state, slot.until) = (state, until);
        match state {
            State::Leased => self.leased += 1,
            _ => self.delayed += 1,
        }
        self.timers.push(Reverse((until, offset)));
        // In a steady state most of them do not matter any more.
        if self.timers.len() > 2 * (self.leased + self.delayed) + 64 {
            let mut timers = std::mem::take(&mut self.timers);
            timers.retain(|Reverse((until, offset))| self.is_timed(*until, *offset));
            self.timers = timers;
        }
    }

    fn is_timed(&self, until: u64, offset: u64) -> bool {
        let slot = self.slot(offset);
        slot.is_some_and(|slot| slot.until == until && matches!(slot.state, State::Leased | State::Delayed))
    }

    /// Lets a message be given out for which nothing is in the way any more, but its delay.
    fn free(&mut self, offset: u64, now: u64) {
        let Some(slot) = self.slot(offset).copied() else {
            return;
        };
        if slot.until > now {
            self.time(offset, State::Delayed, slot.until);
        } else if self.fresh.back().is_none_or(|last| *last < offset) {
            self.set(offset, State::Fresh);
            self.fresh.push_back(offset);
        } else {
            self.set(offset, State::Ready);
            self.ready.insert(offset);
        }
    }

    /// Lets the next one of a key be given out.
    fn free_next(&mut self, key: u64, mut next: u64, now: u64) {
        while let Some(slot) = self.slot_mut(next).filter(|_| next != NONE) {
            match slot.state {
                State::Settled => next = slot.next_of_key,
                State::Burying => {
                    slot.is_first = true;
                    return;
                }
                _ => {
                    slot.is_first = true;
                    self.free(next, now);
                    return;
                }
            }
        }
        self.last_of_key.remove(&key);
    }

    fn pop_settled(&mut self) {
        while self
            .slots
            .front()
            .is_some_and(|slot| slot.state == State::Settled)
        {
            self.slots.pop_front();
            self.floor += 1;
        }
    }
}
