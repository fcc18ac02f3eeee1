//! The state of a queue behind its lock: the windows and the state log.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use xxhash_rust::xxh3::xxh3_64;

use super::group::{Burying, Delta, Group, NO_LIFE};
use super::journal::Journal;
use super::options::{QueueOptions, micros};
use super::window::Window;
use crate::{Clock, Error, LifeId, Log, Message, Position, Result, Start};

/// How many messages are read at a time.
pub(super) const AHEAD: usize = 256;

/// Why a message is buried that nobody has buried.
const USED_UP: &str = "the last attempt was not done";

/// At most so many bytes of a reason are kept.
const REASON_MAX: usize = 1024;

/// The clocks of a queue.
#[derive(Clone, Debug)]
pub(super) struct Time {
    clock: Arc<dyn Clock>,
    opened: Instant,
}

impl Time {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Time {
        let opened = clock.monotonic();
        Time { clock, opened }
    }

    /// Microseconds since the queue was opened, by the clock that never steps.
    pub(super) fn now(&self) -> u64 {
        micros(self.clock.monotonic().saturating_duration_since(self.opened))
    }

    /// Microseconds, by the wall clock.
    pub(super) fn wall(&self) -> i64 {
        self.clock.now().as_micros()
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) parts: Vec<Part>,
    pub(super) journal: Journal,
    pub(super) buried: u64,
    pub(super) burying: BTreeMap<u64, Burying>,
    pub(super) kicked: Vec<Position>,
    /// Of the last burying.
    sequence: u64,
    /// By which letters are published from now on.
    producer: u64,
    last_lease: u64,
    /// The partition to look at first.
    turn: usize,
    time: Time,
    /// When it was last looked what is due.
    looked_at: u64,
}

/// What a queue has of one partition.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) window: Window,
    /// The life of the log, when the queue was opened.
    life: LifeId,
    /// Messages that were read and not given out yet, in order.
    ahead: VecDeque<Message>,
}

/// A message that was given out.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) part: usize,
    pub(super) message: Message,
    pub(super) attempt: u32,
    pub(super) lease: u64,
}

/// What there is for a worker.
#[derive(Debug)]
pub(super) enum Polled {
    Job(Given),
    /// A message is to be buried first.
    Bury,
    /// Nothing, until this time at the most.
    Nothing(Option<u64>),
    /// Nothing, and nothing will come.
    Ended,
}

/// Where a message is, and who has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) part: usize,
    pub(super) offset: u64,
    pub(super) lease: u64,
    pub(super) attempt: u32,
}

/// The number of a partition.
pub(super) fn number(part: usize) -> u32 {
    u32::try_from(part).unwrap_or(u32::MAX)
}

impl State {
    /// Goes on where a group was, in logs of these lives.
    pub(super) fn new(journal: Journal, group: Group, lives: &[LifeId], time: Time) -> Result<State> {
        let (now, wall) = (time.now(), time.wall());
        let parts = group.partitions.iter().zip(lives).enumerate();
        let parts = parts.map(|(part, (kept, life))| {
            let mine = group.burying.values();
            let mine = mine.filter(|burying| burying.partition == number(part));
            let offsets: BTreeSet<u64> = mine.map(|burying| burying.offset).collect();
            Part {
                window: Window::new(kept, offsets, now, wall),
                life: *life,
                ahead: VecDeque::new(),
            }
        });
        let life = journal.log.position()?.life;
        Ok(State {
            parts: parts.collect(),
            producer: xxh3_64(&life.to_bytes()),
            journal,
            buried: group.buried,
            burying: group.burying,
            kicked: group.kicked,
            sequence: group.sequence,
            last_lease: 0,
            turn: 0,
            looked_at: now,
            time,
        })
    }

    /// Gives out a message, if there is one.
    pub(super) fn poll<L: Log>(&mut self, sources: &[L], options: &QueueOptions) -> Result<Polled> {
        let now = self.time.now();
        self.looked_at = now;
        self.parts.iter_mut().for_each(|part| part.window.tick(now));
        let in_flight: usize = self.parts.iter().map(|part| part.window.leased()).sum();
        if in_flight < options.in_flight_max {
            for turn in 0..sources.len() {
                let part = (self.turn + turn) % sources.len();
                match self.poll_part(part, &sources[part], options, now)? {
                    Polled::Nothing(_) => {}
                    found => {
                        self.turn = part + 1;
                        return Ok(found);
                    }
                }
            }
            if self.is_ended(sources)? {
                return Ok(Polled::Ended);
            }
        }
        let timers = self.parts.iter_mut();
        Ok(Polled::Nothing(
            timers.filter_map(|part| part.window.next_timer()).min(),
        ))
    }

    fn poll_part<L: Log>(
        &mut self,
        part: usize,
        log: &L,
        options: &QueueOptions,
        now: u64,
    ) -> Result<Polled> {
        loop {
            let Some((offset, attempts)) = self.parts[part].window.pick() else {
                match self.parts[part].read_on(log, options.by_key, now) {
                    Ok(true) => continue,
                    // Others may have something.
                    Ok(false) | Err(Error::Paused { .. }) => return Ok(Polled::Nothing(None)),
                    Err(error) => return Err(error),
                }
            };
            let found = match self.parts[part].message(log, offset) {
                // It waits until the partition is resumed. Others may have something.
                Err(Error::Paused { .. }) => return Ok(Polled::Nothing(None)),
                found => found?,
            };
            let Some(message) = found else {
                // It was deleted, or trimmed. Nobody has to remember that.
                self.parts[part].window.settle(offset, now);
                continue;
            };
            if attempts >= options.attempts_max {
                self.begin_burying(part, offset, attempts, USED_UP, options.dead_letter.is_some())?;
                return Ok(Polled::Bury);
            }
            self.note(&Delta::Attempt {
                partition: number(part),
                offset,
                number: attempts + 1,
            })?;
            self.last_lease += 1;
            let until = now.saturating_add(micros(options.lease));
            self.parts[part].window.lease(offset, self.last_lease, until);
            return Ok(Polled::Job(Given {
                part,
                message,
                attempt: attempts + 1,
                lease: self.last_lease,
            }));
        }
    }

    /// Whether everything is settled, and nothing more can be published.
    fn is_ended<L: Log>(&self, sources: &[L]) -> Result<bool> {
        for (part, log) in self.parts.iter().zip(sources) {
            if !part.window.is_empty() {
                return Ok(false);
            }
            match log.is_sealed() {
                Ok(true) if part.window.read_to() >= log.next_offset()? => {}
                Ok(_) | Err(Error::Paused { .. }) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Fails unless a worker still has what it was given.
    pub(super) fn check_held(&self, held: Held) -> Result<()> {
        if self.parts[held.part].window.is_held_by(held.offset, held.lease) {
            return Ok(());
        }
        Err(Error::LeaseLost { offset: held.offset })
    }

    /// Settles what a worker has done.
    pub(super) fn done(&mut self, held: Held) -> Result<()> {
        self.check_held(held)?;
        self.note(&Delta::Settled {
            partition: number(held.part),
            offset: held.offset,
        })?;
        // No need to ask the clock: the next one of the key whose delay is over since then is found
        // so at the next look.
        let now = self.looked_at;
        self.parts[held.part].window.settle(held.offset, now);
        Ok(())
    }

    /// Has what a worker has rest, for so many microseconds.
    pub(super) fn retry(&mut self, held: Held, delay: u64) -> Result<()> {
        self.check_held(held)?;
        let noted = self.note(&Delta::Retry {
            partition: number(held.part),
            offset: held.offset,
            at: self.time.wall(),
            delay,
        });
        // Also if that failed: the worker does not have it any more.
        let until = self.time.now().saturating_add(delay);
        self.parts[held.part].window.delay(held.offset, until);
        noted
    }

    /// Makes a lease end so many microseconds from now.
    pub(super) fn extend(&mut self, held: Held, lease: u64) -> Result<()> {
        self.check_held(held)?;
        let until = self.time.now().saturating_add(lease);
        self.parts[held.part].window.extend(held.offset, until);
        Ok(())
    }

    /// Has nobody get a message any more, which is to be buried. Without dead letters it is buried
    /// with that.
    pub(super) fn begin_burying(
        &mut self,
        part: usize,
        offset: u64,
        attempts: u32,
        reason: &str,
        has_letters: bool,
    ) -> Result<()> {
        if !has_letters {
            return self.buried(part, offset);
        }
        let end = (0..=REASON_MAX.min(reason.len())).rev();
        let end = end.into_iter().find(|end| reason.is_char_boundary(*end));
        let burying = Burying {
            partition: number(part),
            offset,
            attempts,
            producer: self.producer,
            sequence: self.sequence + 1,
            reason: reason[..end.unwrap_or(0)].to_owned(),
        };
        self.note(&Delta::Burying(burying.clone()))?;
        self.sequence += 1;
        self.burying.insert(self.sequence, burying);
        self.parts[part].window.bury(offset);
        Ok(())
    }

    /// Settles what was buried.
    pub(super) fn buried(&mut self, part: usize, offset: u64) -> Result<()> {
        let partition = number(part);
        self.note(&Delta::Buried { partition, offset })?;
        self.buried += 1;
        self.burying
            .retain(|_, burying| (burying.partition, burying.offset) != (partition, offset));
        let now = self.time.now();
        self.parts[part].window.settle(offset, now);
        Ok(())
    }

    /// Notes how far the letters of a partition were kicked.
    pub(super) fn kicked(&mut self, letters: usize, next: Position) -> Result<()> {
        let partition = number(letters);
        self.note(&Delta::Kicked { partition, next })?;
        self.kicked[letters] = next;
        Ok(())
    }

    /// By which the letters of a partition are published again, in this life of their log. In
    /// another one, the same offsets are those of other letters.
    pub(super) fn kicker(&self, letters: usize, life: LifeId) -> u64 {
        let mut bytes = self.producer.to_le_bytes().to_vec();
        bytes.extend(letters.to_le_bytes());
        bytes.extend(life.to_bytes());
        xxh3_64(&bytes)
    }

    /// For each partition the first message that is not settled, or is being buried.
    pub(super) fn floors(&self) -> Vec<Position> {
        let floor = |(index, part): (usize, &Part)| {
            let buried = self
                .burying
                .values()
                .filter(|burying| burying.partition == number(index));
            let first = buried.map(|burying| burying.offset).min();
            let floor = part.window.floor();
            Position {
                life: part.life,
                offset: first.map_or(floor, |first| first.min(floor)),
            }
        };
        self.parts.iter().enumerate().map(floor).collect()
    }

    fn note(&mut self, delta: &Delta) -> Result<()> {
        if self.journal.is_long() {
            self.snapshot()?;
        }
        self.journal.note(delta)
    }

    /// Notes everything, so that what was noted before is not needed any more.
    pub(super) fn snapshot(&mut self) -> Result<()> {
        let (now, wall) = (self.time.now(), self.time.wall());
        let partitions = self.parts.iter().enumerate().map(|(number, part)| {
            let mut kept = part.window.kept(now, wall);
            let burying = self.burying.values();
            let offsets = burying.filter(|burying| burying.partition as usize == number);
            let offset = offsets.map(|burying| burying.offset + 1).max().unwrap_or(0);
            kept.position.offset = kept.position.offset.max(offset);
            kept.position.life = part.life;
            kept
        });
        let group = Group {
            sequence: self.sequence,
            buried: self.buried,
            partitions: partitions.collect(),
            burying: self.burying.clone(),
            kicked: self.kicked.clone(),
        };
        self.journal.snapshot(&group)
    }
}

impl Part {
    /// Reads on; returns whether there is something new.
    fn read_on<L: Log>(&mut self, log: &L, by_key: bool, now: u64) -> Result<bool> {
        let start = log.start_offset()?;
        if start > self.window.floor() {
            self.window.settle_below(start, now);
        }
        let from = self.window.read_to();
        if !self.window.has_room(from) {
            return Ok(false);
        }
        let batch = log.consume(Start::AtOrOldest(from), AHEAD)?;
        let mut is_whole = true;
        for message in &batch {
            is_whole = self.window.has_room(message.offset);
            if !is_whole {
                break;
            }
            let key = message.key.as_deref().filter(|_| by_key);
            self.window.admit(message.offset, key.map(xxh3_64), now);
        }
        if is_whole {
            self.window.passed(batch.next_offset);
        }
        self.ahead = batch.messages.into();
        Ok(self.window.read_to() > from)
    }

    /// A message that was taken in; `None` if it does not exist any more.
    fn message<L: Log>(&mut self, log: &L, offset: u64) -> Result<Option<Message>> {
        while self.ahead.front().is_some_and(|ahead| ahead.offset < offset) {
            self.ahead.pop_front();
        }
        if self.ahead.front().is_some_and(|ahead| ahead.offset == offset) {
            return Ok(self.ahead.pop_front());
        }
        message_at(log, offset)
    }
}

/// The message with this offset, if it exists.
pub(super) fn message_at<L: Log>(log: &L, offset: u64) -> Result<Option<Message>> {
    match log.get(Start::At(offset)) {
        Ok(message) => Ok(Some(message)),
        Err(Error::NotFound) => Ok(None),
        Err(error) if error.is_trimmed() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The life of a log, if it has positions.
pub(super) fn life_of<L: Log + ?Sized>(log: &L) -> Result<LifeId> {
    match log.position() {
        Ok(position) => Ok(position.life),
        Err(Error::Invalid(_)) => Ok(NO_LIFE),
        Err(error) => Err(error),
    }
}
