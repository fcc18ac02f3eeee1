//! Backups beside random calls. `DURAMEN_BACKUPS` is how many are taken.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use duramen::{FileLog, Log, NewMessage, Options, Start, check};
use fastrand::Rng;

use crate::common::{fast_dir, number, read_all, seed, segment_paths};

/// A log at one moment, as its calls have left it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    start: u64,
    next: u64,
    offsets: BTreeSet<u64>,
}

/// A backup: what it shows, and between which states of the log it was taken.
struct Taken {
    from: usize,
    to: usize,
    shows: State,
}

/// Calls at random, and the states that they lead to.
struct Calls<'a> {
    log: &'a FileLog,
    random: Rng,
    now: State,
    states: &'a Mutex<Vec<State>>,
}

impl Calls<'_> {
    fn note(&self) {
        self.states.lock().expect("no panic").push(self.now.clone());
    }

    fn publish(&mut self) {
        let count = self.random.u64(1..30);
        let offsets = self.now.next..self.now.next + count;
        let values: Vec<_> = offsets.clone().map(value_of).collect();
        let messages: Vec<_> = values
            .iter()
            .map(|value| NewMessage::new(b"key", value))
            .collect();
        self.log.publish(&messages).expect("published");
        self.now.next += count;
        self.now.offsets.extend(offsets);
        self.note();
    }

    fn trim(&mut self, before: u64) {
        self.log.trim(before).expect("trimmed");
        self.now.start = before.max(self.now.start);
        self.now.offsets = self.now.offsets.split_off(&self.now.start);
        self.note();
    }

    fn delete(&mut self) {
        let one_in = self.random.u8(2..12);
        let there: Vec<u64> = self.now.offsets.iter().copied().collect();
        let mut named: BTreeSet<u64> = there
            .into_iter()
            .filter(|_| self.random.u8(..one_in) == 0)
            .collect();
        while !named.is_empty() {
            let before = named.clone();
            self.log.delete_some(&mut named).expect("deleted");
            for gone in before.difference(&named) {
                self.now.offsets.remove(gone);
            }
            self.note();
        }
    }

    fn one(&mut self) {
        let (start, next) = (self.now.start, self.now.next);
        match self.random.u8(..20) {
            _ if self.now.offsets.len() > 1500 => self.trim(next - (next - start) / 3),
            0..=10 => self.publish(),
            11..=15 => self.delete(),
            16..=17 => self.trim(start + (next - start) / 4),
            18 if self.random.bool() => self.trim(next),
            _ => self.log.gc(Duration::ZERO).expect("open"),
        }
    }
}

fn value_of(offset: u64) -> Vec<u8> {
    let len = usize::try_from(offset % 90).expect("small");
    [offset.to_le_bytes().as_slice(), &vec![7; len]].concat()
}

/// A backup onto `target`, again and again; returns what they show.
fn take_backups(log: &FileLog, target: &Path, states: &Mutex<Vec<State>>, left: &AtomicU64) -> Vec<Taken> {
    let mut taken = Vec::new();
    let count = || states.lock().expect("no panic").len();
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
        .is_ok()
    {
        if taken.len() % 4 == 3 {
            std::fs::remove_dir_all(target).expect("removed");
        }
        let from = count() - 1;
        let report = log.backup(target).expect("a backup");
        // A call that goes on now is noted later.
        let to = count();
        let found = check(target, &Options::of(target).expect("a copy")).expect("checked");
        assert!(found.is_clean(), "{:?}", found.problems);
        let copy = Options::new().read_only(true).open(target).expect("a copy");
        let messages = read_all(&copy).expect("consumed");
        for message in &messages {
            let value = value_of(message.offset);
            assert_eq!(message.value.as_deref(), Some(value.as_slice()));
        }
        let shows = State {
            start: report.start_offset,
            next: report.next_offset,
            offsets: messages.iter().map(|message| message.offset).collect(),
        };
        taken.push(Taken { from, to, shows });
    }
    taken
}

/// Goal: whatever goes on meanwhile, each backup is the log at one moment between its begin and its end. Method: two
/// threads take backups, beside random publishes, trims and deletes, each of which is noted.
#[test]
fn each_backup_is_the_log_at_one_moment_whatever_goes_on() {
    let dir = fast_dir();
    let home = dir.path().join("log");
    let options = Options::new()
        .create_dirs(true)
        .key_index(true)
        .rollover(4 << 10)
        .segments_mapped_max(4);
    let log = options.open(&home).expect("a log");
    let states = Mutex::new(Vec::new());
    let left = AtomicU64::new(number("DURAMEN_BACKUPS", 200));
    let mut calls = Calls {
        log: &log,
        random: Rng::with_seed(seed("beside backups")),
        now: State {
            start: 0,
            next: 0,
            offsets: BTreeSet::new(),
        },
        states: &states,
    };
    calls.note();
    let taken: Vec<Taken> = thread::scope(|scope| {
        let threads = ["a", "b"].map(|name| {
            let (log, states, left, target) = (&log, &states, &left, dir.path().join(name));
            scope.spawn(move || take_backups(log, &target, states, left))
        });
        while threads.iter().any(|thread| !thread.is_finished()) {
            calls.one();
        }
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    calls.note();
    let states = states.lock().expect("no panic");
    let mut beside = 0;
    for (number, taken) in taken.iter().enumerate() {
        let between = &states[taken.from..=taken.to];
        assert!(
            between.contains(&taken.shows),
            "{number}: {} to {}: {:?}",
            taken.from,
            taken.to,
            taken.shows
        );
        beside += usize::from(taken.to > taken.from + 2);
    }
    println!(
        "  {} states, {} backups, {beside} of them beside several calls",
        states.len(),
        taken.len()
    );
    assert_eq!(
        segment_paths(&home).len() as u64,
        log.stat().expect("open").segments
    );
    assert_eq!(log.get(Start::Newest).is_ok(), !calls.now.offsets.is_empty());
    log.close().expect("closed");
}
