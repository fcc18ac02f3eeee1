//! `kill -9` at random moments of a process whose workers do jobs, badly: they fail, panic, are late, give up, and some
//! messages kill the process.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_QUEUE_KILLS` | how many; default 10, for a release 200 |
//! | `DURAMEN_SEED` | what is drawn at random depends on it alone; moments do not repeat |

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use duramen::queue::{Job, Queue, QueueOptions};
use duramen::store::{PartitionLog, Partitioner, Store, StoreOptions, StreamConfig};
use duramen::{Backoff, Error, NewMessage, PublishOptions};
use fastrand::Rng;

use super::support::{drain, text};
use crate::common::{self, child, number, read_all, role};

const LEASE: Duration = Duration::from_millis(400);
const ATTEMPTS_MAX: u32 = 3;
const WORKERS: u64 = 8;
const PARTITIONS: u32 = 2;

fn open(dir: &Path) -> (Store, Queue<PartitionLog>) {
    let store = StoreOptions::new().create_dirs(true).open(dir).expect("an open");
    let config = StreamConfig::new().partitions(PARTITIONS);
    store.ensure("jobs", &config).expect("there");
    let how = QueueOptions::new()
        .lease(LEASE)
        .attempts_max(ATTEMPTS_MAX)
        .backoff(
            Backoff::new()
                .first(Duration::from_millis(1))
                .max(Duration::from_millis(4)),
        )
        .in_flight_max(32)
        .by_key(true)
        .dead_letter("dead");
    let queue = store.queue("jobs", "workers", how).expect("a queue");
    (store, queue)
}

fn say(line: &str) {
    let line = format!("\n{line}\n");
    io::stdout().lock().write_all(line.as_bytes()).expect("a parent");
}

/// What the children of this battery do: publish some jobs, and do them until they are killed.
#[test]
fn in_a_child() {
    let Some(role) = role() else { return };
    let seed: u64 = role.parse().expect("a seed");
    let dir = PathBuf::from(std::env::var_os("DURAMEN_DIR").expect("a directory"));
    let (store, queue) = open(&dir);
    say("open");
    let jobs = store.stream("jobs").expect("there");
    let mut random = Rng::with_seed(seed);
    for _ in 0..300 {
        let key = format!("key-{}", random.u8(..40));
        let value: &[u8] = match random.u16(..3000) {
            0 => b"kill",
            1..=60 => b"fail",
            _ => b"work",
        };
        let message = NewMessage::new(key.as_bytes(), value);
        jobs.publish(message, &Partitioner::Key, &PublishOptions::new())
            .expect("published");
    }
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let queue = queue.clone();
            let mut random = Rng::with_seed(seed ^ worker);
            scope.spawn(move || {
                loop {
                    if let Some(job) = queue.next(Some(Duration::from_millis(50))).expect("a look") {
                        let worked = catch_unwind(AssertUnwindSafe(|| work(job, &mut random)));
                        drop(worked);
                    }
                }
            });
        }
    });
}

fn work(mut job: Job<PartitionLog>, random: &mut Rng) {
    let place = format!("{} {}", job.partition(), job.offset);
    let key = text(job.key.as_deref());
    say(&format!("given {place} {} {key}", job.attempt()));
    if job.extend(LEASE).is_err() {
        // Nobody heard of it in time.
        say(&format!("stale {place} {}", job.attempt()));
        return;
    }
    if random.u8(..10) == 0 {
        thread::sleep(Duration::from_micros(random.u64(..3000)));
    }
    let lost = |result: duramen::Result<()>| match result {
        Err(Error::LeaseLost { .. }) => {}
        other => other.expect("settled"),
    };
    match text(job.value.as_deref()).as_str() {
        "kill" => std::process::abort(),
        "fail" => resume_unwind(Box::new("always")),
        _ => {}
    }
    match random.u16(..400) {
        0 => {
            thread::sleep(LEASE + Duration::from_millis(50));
            lost(job.done());
        }
        1..=8 => drop(job),
        9..=12 => resume_unwind(Box::new("now and then")),
        13..=24 => lost(job.retry(Duration::from_micros(random.u64(..5000)))),
        25..=27 => lost(job.bury("enough")),
        _ => {
            job.done().expect("done");
            say(&format!("done {place}"));
        }
    }
}

type Place = (u32, u64);

/// What the children have told.
#[derive(Debug, Default)]
struct Told {
    /// In order: the place, the attempt, the key.
    given: Vec<(Place, u32, String)>,
    stale: BTreeSet<(Place, u32)>,
    /// Each with how many were given out before.
    done: BTreeMap<Place, usize>,
}

impl Told {
    fn line(&mut self, line: &str) {
        let fields: Vec<&str> = line.split(' ').collect();
        let place = |partition: &str, offset: &str| {
            let partition = partition.parse().expect("a number");
            (partition, offset.parse().expect("a number"))
        };
        match fields[..] {
            ["given", partition, offset, attempt, key] => {
                let attempt = attempt.parse().expect("a number");
                self.given
                    .push((place(partition, offset), attempt, key.to_owned()));
            }
            ["stale", partition, offset, attempt] => {
                self.stale
                    .insert((place(partition, offset), attempt.parse().expect("a number")));
            }
            ["done", partition, offset] => {
                self.done.insert(place(partition, offset), self.given.len());
            }
            _ => {}
        }
    }

    /// That nothing was given out too often, after it was done, or in front of an earlier one of its key.
    fn check(&self, letters: &BTreeMap<Place, u32>) {
        let mut attempts = BTreeSet::new();
        let mut furthest: BTreeMap<(u32, &str), u64> = BTreeMap::new();
        for (at, (place, attempt, key)) in self.given.iter().enumerate() {
            assert!(
                attempts.insert((place, attempt)),
                "{place:?}: attempt {attempt} twice"
            );
            assert!(*attempt <= ATTEMPTS_MAX, "{place:?}: attempt {attempt}");
            if self.stale.contains(&(*place, *attempt)) {
                continue;
            }
            let done = self.done.get(place);
            assert!(
                done.is_none_or(|done| at < *done),
                "{place:?} was given out although it was done"
            );
            let furthest = furthest.entry((place.0, key)).or_default();
            assert!(
                *furthest <= place.1,
                "{key}: {place:?} was given out behind {furthest}"
            );
            *furthest = place.1;
        }
        for place in self.done.keys() {
            assert!(!letters.contains_key(place), "{place:?} was done and is a letter");
        }
    }
}

fn one_life(dir: &Path, seed: u64, delay: Duration, mut told: Told) -> Told {
    let mut command = child(module_path!(), &seed.to_string());
    command.env("DURAMEN_DIR", dir).stdin(Stdio::null());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    let said = BufReader::new(child.stdout.take().expect("a pipe"));
    let (begun, wait) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in said.lines().map_while(Result::ok) {
            if line == "open" {
                let _ = begun.send(());
            }
            told.line(&line);
        }
        told
    });
    let has_begun = wait.recv_timeout(Duration::from_secs(60)).is_ok();
    thread::sleep(delay);
    // Some messages have done so already.
    let _ = child.kill();
    child.wait().expect("a child");
    assert!(has_begun, "the child did not open the queue");
    reader.join().expect("a reader")
}

/// The letters: where each message was, and how often there is one.
fn letters(store: &Store) -> BTreeMap<Place, u32> {
    let mut letters = BTreeMap::new();
    let dead = store.stream("dead").expect("there").partition(0).expect("there");
    for letter in read_all(&dead).expect("letters") {
        let header = |name: &str| text(letter.headers.get(name.as_bytes()));
        let partition = header("dead.partition").parse().expect("a number");
        let offset = header("dead.offset").parse().expect("a number");
        *letters.entry((partition, offset)).or_default() += 1;
    }
    letters
}

/// Goal: whatever moment the process of the workers is killed at, no job is lost, none is given out after it was done
/// or too often, and each one that was given up is one letter. Method: many lives of one directory.
#[test]
fn a_queue_outlives_kills_at_any_moment() {
    let seed = common::seed("kills of a queue");
    let mut random = Rng::with_seed(seed);
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("store");
    let kills = number("DURAMEN_QUEUE_KILLS", 10);
    let mut told = Told::default();
    for life in 0..kills {
        let delay = Duration::from_micros(random.u64(..700_000));
        told = one_life(&dir, seed ^ life, delay, told);
    }
    let (store, queue) = open(&dir);
    let mut rest = 0;
    loop {
        rest += drain(&queue).len();
        let stat = queue.stat().expect("figures");
        if stat
            .partitions
            .iter()
            .all(|partition| partition.floor == partition.next_offset)
        {
            break;
        }
        thread::sleep(Duration::from_millis(2));
    }
    let letters = letters(&store);
    told.check(&letters);
    assert!(letters.values().all(|count| *count == 1), "{letters:?}");
    assert_eq!(letters.len() as u64, queue.stat().expect("figures").buried);
    let mut messages = 0;
    for partition in 0..PARTITIONS {
        let log = store
            .stream("jobs")
            .expect("there")
            .partition(partition)
            .expect("there");
        messages += read_all(&log).expect("messages").len();
    }
    println!(
        "{kills} kills, {messages} jobs given out {} times, {} told as done, {} letters, {rest} done in the end",
        told.given.len(),
        told.done.len(),
        letters.len()
    );
}
