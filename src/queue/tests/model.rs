//! A window beside a naive model: a map of all messages, looked through at each question.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use crate::queue::group::{Burying, Delta, Group, Partition};
use crate::queue::window::Window;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Is {
    Waiting,
    Resting(u64),
    Leased(u64, u64),
    Burying(u64),
    Settled,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    key: Option<u64>,
    attempts: u32,
    is: Is,
}

struct Pair {
    random: Rng,
    messages: BTreeMap<u64, Message>,
    window: Window,
    /// The window's state as it would be on disk, by deltas alone.
    group: Group,
    read_to: u64,
    start: u64,
    now: u64,
    leases: u64,
}

impl Pair {
    fn new(seed: u64) -> Pair {
        Pair {
            random: Rng::with_seed(seed),
            messages: BTreeMap::new(),
            window: Window::default(),
            group: Group {
                partitions: vec![Partition::default()],
                ..Group::default()
            },
            read_to: 0,
            start: 0,
            now: 1000,
            leases: 0,
        }
    }

    fn note(&mut self, delta: &Delta) {
        self.group.apply(delta).expect("a partition");
    }

    /// The message that the model gives out next.
    fn due(&self) -> Option<(u64, u32)> {
        let mut seen = BTreeSet::new();
        for (offset, message) in self.messages.range(..self.read_to) {
            if message.is == Is::Settled {
                continue;
            }
            let is_first = message.key.is_none_or(|key| seen.insert(key));
            let is_due = match message.is {
                Is::Waiting => true,
                Is::Resting(until) | Is::Leased(_, until) => until <= self.now,
                _ => false,
            };
            if is_first && is_due {
                return Some((*offset, message.attempts));
            }
        }
        None
    }

    fn floor(&self) -> u64 {
        let mut open = self.messages.range(..self.read_to);
        let first = open.find(|(_, message)| message.is != Is::Settled);
        first.map_or(self.read_to, |(offset, _)| *offset)
    }

    fn set(&mut self, offset: u64, is: Is) {
        self.messages.get_mut(&offset).expect("a message").is = is;
    }

    fn read_on(&mut self) {
        let next = self.messages.range(self.read_to..).next();
        let (offset, key) = if let Some((offset, message)) = next {
            (*offset, message.key)
        } else {
            let offset = self.read_to.max(self.start) + self.random.u64(..3);
            let key = (self.random.u8(..4) > 0).then(|| self.random.u64(..3));
            let message = Message {
                key,
                attempts: 0,
                is: Is::Waiting,
            };
            self.messages.insert(offset, message);
            (offset, key)
        };
        self.window.admit(offset, key, self.now);
        self.read_to = offset + 1;
    }

    fn give_out(&mut self) {
        let Some((offset, attempts)) = self.window.pick() else {
            return;
        };
        if attempts >= 3 {
            let sequence = self.group.sequence + 1;
            self.note(&Delta::Burying(Burying {
                partition: 0,
                offset,
                attempts,
                producer: 0,
                sequence,
                reason: String::new(),
            }));
            self.window.bury(offset);
            self.set(offset, Is::Burying(sequence));
            return;
        }
        self.note(&Delta::Attempt {
            partition: 0,
            offset,
            number: attempts + 1,
        });
        self.leases += 1;
        let until = self.now + self.random.u64(1..50);
        self.window.lease(offset, self.leases, until);
        self.messages.get_mut(&offset).expect("a message").attempts += 1;
        self.set(offset, Is::Leased(self.leases, until));
    }

    /// A worker says something about what it has, or had.
    fn answer(&mut self) {
        let leased = self
            .messages
            .iter()
            .filter_map(|(offset, message)| match message.is {
                Is::Leased(lease, _) => Some((*offset, lease)),
                _ => None,
            });
        let leased: Vec<_> = leased.collect();
        let Some((offset, lease)) = self.random.choice(leased) else {
            return;
        };
        assert!(self.window.is_held_by(offset, lease));
        assert!(!self.window.is_held_by(offset, lease + 1));
        let until = self.now + self.random.u64(..60);
        match self.random.u8(..6) {
            0 => {
                self.window.extend(offset, until);
                self.set(offset, Is::Leased(lease, until));
            }
            1 | 2 => {
                self.note(&Delta::Retry {
                    partition: 0,
                    offset,
                    at: i64::try_from(self.now).expect("small"),
                    delay: until - self.now,
                });
                self.window.delay(offset, until);
                self.set(offset, Is::Resting(until));
            }
            _ => {
                self.note(&Delta::Settled { partition: 0, offset });
                self.window.settle(offset, self.now);
                self.set(offset, Is::Settled);
            }
        }
    }

    /// The oldest message that is being buried is buried, whether it was read again or not.
    fn bury(&mut self) {
        let burying = self
            .messages
            .iter()
            .filter_map(|(offset, message)| match message.is {
                Is::Burying(sequence) => Some((sequence, *offset)),
                _ => None,
            });
        if let Some((_, offset)) = burying.min() {
            self.note(&Delta::Buried { partition: 0, offset });
            self.window.settle(offset, self.now);
            self.set(offset, Is::Settled);
        }
    }

    fn trim(&mut self) {
        self.start = self.start.max(self.floor() + self.random.u64(..4));
        self.trimmed();
    }

    /// What is below the start offset settles itself, as soon as somebody looks.
    fn trimmed(&mut self) {
        self.window.settle_below(self.start, self.now);
        for (offset, message) in self.messages.range_mut(..self.start) {
            let stays = match message.is {
                Is::Leased(_, until) => until > self.now,
                Is::Burying(_) => true,
                _ => false,
            };
            if *offset >= self.read_to || !stays {
                message.is = Is::Settled;
            }
        }
        self.read_to = self.read_to.max(self.start);
    }

    /// The process dies; another one goes on, by a snapshot or by deltas.
    fn restart(&mut self) {
        let wall = i64::try_from(self.now).expect("small");
        let kept = self.window.kept(self.now, wall);
        if self.random.bool() {
            self.group.partitions[0] = kept;
        }
        let burying = self.group.burying.values().map(|burying| burying.offset);
        self.window = Window::new(&self.group.partitions[0], burying.collect(), self.now, wall);
        self.read_to = self.window.read_to();
        for message in self.messages.values_mut() {
            if matches!(message.is, Is::Leased(..)) {
                message.is = Is::Waiting;
            }
        }
        self.trimmed();
    }

    fn step(&mut self) {
        match self.random.u8(..40) {
            0..=11 => self.read_on(),
            12..=23 => self.give_out(),
            24..=31 => self.answer(),
            32..=35 => {
                self.now += self.random.u64(..30);
                self.window.tick(self.now);
            }
            36 | 37 => self.bury(),
            38 => self.trim(),
            _ => self.restart(),
        }
        self.window.tick(self.now);
    }

    fn check(&mut self) {
        assert_eq!(self.window.pick(), self.due());
        assert_eq!(self.window.floor(), self.floor());
        let is = |of: fn(Is) -> bool| {
            let read = self.messages.range(..self.read_to);
            read.filter(|(_, message)| of(message.is)).count()
        };
        let waiting = is(|is| matches!(is, Is::Waiting | Is::Resting(_)));
        let over = self
            .messages
            .range(..self.read_to)
            .filter(|(_, message)| matches!(message.is, Is::Leased(_, until) if until <= self.now));
        let over = over.count();
        assert_eq!(self.window.waiting().count(), waiting + over);
        assert_eq!(self.window.leased(), is(|is| matches!(is, Is::Leased(..))) - over);
        let timers = self.messages.range(..self.read_to);
        let next = timers.filter_map(|(_, message)| match message.is {
            Is::Leased(_, until) if until > self.now => Some(until),
            _ => None,
        });
        // Delays of messages behind others of their key do not count.
        let (next, found) = (next.min(), self.window.next_timer());
        assert!(
            found.unwrap_or(u64::MAX) <= next.unwrap_or(u64::MAX),
            "{found:?} {next:?}"
        );
    }
}

/// Goal: whatever happens to a window, also restarts by snapshots and deltas, it gives out what the
/// model gives out, and its floor is that of the model.
#[test]
fn a_window_is_as_a_naive_model_has_it() {
    let runs = if cfg!(miri) { 3 } else { 1500 };
    for seed in 0..runs {
        let mut pair = Pair::new(seed);
        for step in 0..200 {
            pair.step();
            let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pair.check()));
            assert!(checked.is_ok(), "seed {seed}, step {step}");
        }
    }
}
