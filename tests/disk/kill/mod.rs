//! `kill -9` at random moments of a publisher, many times on one directory: while it opens, recovers, publishes, rolls
//! over, seals.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_KILLS` | how many, over all arrangements together; default 250 |
//! | `DURAMEN_SEED` | what is drawn at random depends on it alone; moments do not repeat |

mod known;
mod message;

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, thread};

use duramen::{Durability, Log, Options, check};
use fastrand::Rng;
use known::Known;
use message::publish;

use crate::common::{self, child, number, role};

/// The writer that goes on after a kill, in the parent.
const PARENT: u64 = 99;
const ARRANGEMENTS: [Arrangement; 6] = [
    Arrangement::new(Durability::EachPublish, 1, 4 << 10, true),
    Arrangement::new(Durability::EachPublish, 4, Options::ROLLOVER_DEFAULT, true),
    Arrangement::new(Durability::EachPublish, 4, 2 << 10, false),
    Arrangement::new(Durability::Os, 1, Options::ROLLOVER_DEFAULT, true),
    Arrangement::new(Durability::Os, 4, 4 << 10, true),
    Arrangement::new(Durability::Os, 4, 64 << 10, false),
];

/// How a log is used over all its lives.
#[derive(Clone, Copy, Debug)]
struct Arrangement {
    durability: Durability,
    threads: u64,
    rollover: u64,
    background: bool,
}

impl Arrangement {
    const fn new(durability: Durability, threads: u64, rollover: u64, background: bool) -> Arrangement {
        Arrangement {
            durability,
            threads,
            rollover,
            background,
        }
    }

    fn options(&self) -> Options {
        let options = Options::new().create_dirs(true).key_index(true).time_index(true);
        options
            .durability(self.durability)
            .rollover(self.rollover)
            .background(self.background)
    }
}

/// What the children of these tests do: publish and tell what was acknowledged, until they are killed.
#[test]
fn in_a_child() {
    let Some(role) = role() else { return };
    let [arrangement, life, seed]: [u64; 3] = role
        .split(' ')
        .map(|field| field.parse().expect("a number"))
        .collect::<Vec<_>>()
        .try_into()
        .expect("three numbers");
    let arrangement = ARRANGEMENTS[usize::try_from(arrangement).expect("small")];
    println!("\nopening");
    let dir = PathBuf::from(env::var_os("DURAMEN_DIR").expect("a directory"));
    let log = arrangement.options().open(dir).expect("an open");
    println!("\nopen");
    thread::scope(|scope| {
        for writer in 0..arrangement.threads {
            let log = &log;
            scope.spawn(move || {
                let mut random = Rng::with_seed(seed ^ writer);
                let mut sequence = 0;
                for _ in 0..2000 {
                    let count = if random.u8(..3) == 0 {
                        1 + random.u64(..20)
                    } else {
                        1
                    };
                    let next = publish(log, life, writer, sequence, count).expect("a publish");
                    let report = format!("ack {writer} {sequence} {count} {next}\n");
                    io::stdout()
                        .lock()
                        .write_all(report.as_bytes())
                        .expect("a parent");
                    sequence += count;
                }
            });
        }
    });
    thread::sleep(Duration::from_secs(60));
}

/// A batch that the child was told is published.
#[derive(Clone, Copy, Debug)]
struct Ack {
    writer: u64,
    sequence: u64,
    count: u64,
    next: u64,
}

impl Ack {
    fn parse(line: &str) -> Option<Ack> {
        let fields: Vec<u64> = line
            .strip_prefix("ack ")?
            .split(' ')
            .map_while(|n| n.parse().ok())
            .collect();
        let [writer, sequence, count, next] = fields.try_into().ok()?;
        Some(Ack {
            writer,
            sequence,
            count,
            next,
        })
    }
}

/// Starts a child, kills it `delay` after it has begun, or after it has opened the log, and returns what it was told.
fn one_life(mut child: Child, opened: bool, delay: Duration) -> Vec<Ack> {
    let said = BufReader::new(child.stdout.take().expect("a pipe"));
    let (begun, wait) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut acks = Vec::new();
        for line in said.lines().map_while(Result::ok) {
            if line == if opened { "open" } else { "opening" } {
                let _ = begun.send(());
            }
            acks.extend(Ack::parse(&line));
        }
        acks
    });
    let has_begun = wait.recv_timeout(Duration::from_secs(60)).is_ok();
    thread::sleep(delay);
    let alive = child.try_wait().expect("a child").is_none();
    child.kill().and_then(|()| child.wait()).expect("a child");
    let acks = reader.join().expect("a reader");
    assert!(
        has_begun && alive,
        "the child ended by itself: it could not open the log, or not publish"
    );
    acks
}

/// Goal: after a kill at any moment the log opens by itself, has everything acknowledged, once and unaltered, and goes
/// on. Method: many lives of one directory, each ended by SIGKILL, checked against what was acknowledged and what was
/// there before, read-only and for writing, now and then not checked at all before the next life.
fn live_and_die(which: usize) {
    let arrangement = &ARRANGEMENTS[which];
    let seed = common::seed(&format!("kill, {arrangement:?}"));
    let kills = number("DURAMEN_KILLS", 250).div_ceil(ARRANGEMENTS.len() as u64);
    let home = tempfile::tempdir().expect("a directory");
    let mut known = Known {
        ids: Vec::new(),
        published: HashMap::new(),
        random: Rng::with_seed(seed),
        epoch: 0,
    };
    let (mut acknowledged, mut unchecked) = (0, Vec::new());
    for life in 0..kills {
        let early = known.random.u8(..4) == 0;
        let delay = Duration::from_micros(known.random.u64(..if early { 3000 } else { 40_000 }));
        let role = format!("{which} {life} {}", seed ^ life);
        let mut command = child(module_path!(), &role);
        command
            .env("DURAMEN_DIR", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let acks = one_life(command.spawn().expect("a child"), !early, delay);
        acknowledged += acks.iter().map(|ack| ack.count).sum::<u64>();
        unchecked.push((life, acks));
        if known.random.u8(..3) == 0 && life + 1 < kills {
            continue;
        }
        examine(&mut known, home.path(), arrangement, life);
        for (life, acks) in unchecked.drain(..) {
            known.check_acks(life, &acks);
        }
    }
    let log = arrangement.options().open(home.path()).expect("a last open");
    known.read(&log, true);
    known.look_up(&log);
    log.close().expect("a close");
    let report = check(home.path(), &arrangement.options()).expect("a check");
    assert!(
        report.is_clean() && report.messages == known.ids.len() as u64,
        "{report:?}"
    );
    println!(
        "{kills} kills, {acknowledged} of {} messages acknowledged, epoch {}",
        known.ids.len(),
        known.epoch
    );
}

/// Whether there may be so many messages if a reader has shown `shown`.
fn is_right(there: u64, shown: u64, arrangement: &Arrangement) -> bool {
    there == shown || (arrangement.durability == Durability::EachPublish && there > shown)
}

/// Looks at what a kill has left: first without changing it, then, mostly, as its next writer.
fn examine(known: &mut Known, dir: &Path, arrangement: &Arrangement, life: u64) {
    let everything = life.is_multiple_of(16);
    let reader = match arrangement.options().read_only(true).open(dir) {
        Ok(reader) => reader,
        // Killed before there was a log.
        Err(duramen::Error::NoLog { .. }) if known.ids.is_empty() => return,
        Err(error) => panic!("life {life}: {error:?}"),
    };
    known.read(&reader, everything);
    drop(reader);
    if everything {
        let report = check(dir, &arrangement.options()).expect("a check");
        // What was not durable yet is not shown, but is there.
        let shown = known.ids.len() as u64;
        assert!(
            report.is_clean() && is_right(report.messages, shown, arrangement),
            "life {life}: {shown} shown, {report:?}"
        );
    }
    if known.random.u8(..3) == 0 {
        return;
    }
    let shown = known.ids.len() as u64;
    let log = arrangement
        .options()
        .open(dir)
        .unwrap_or_else(|error| panic!("life {life}: {error:?}"));
    let end = log.next_offset().expect("an offset");
    assert!(
        is_right(end, shown, arrangement),
        "life {life}: a reader saw {shown} messages, and the writer {end}"
    );
    known.read(&log, false);
    assert_eq!(
        publish(&log, life, PARENT, 0, 3).expect("a publish"),
        end + 3,
        "life {life}"
    );
    known.read(&log, everything);
    if known.random.bool() {
        log.close().expect("a close");
    }
}

#[test]
fn each_publish_with_one_thread_and_small_segments() {
    live_and_die(0);
}

#[test]
fn each_publish_with_four_threads() {
    live_and_die(1);
}

#[test]
fn each_publish_with_four_threads_small_segments_and_no_background() {
    live_and_die(2);
}

#[test]
fn os_with_one_thread() {
    live_and_die(3);
}

#[test]
fn os_with_four_threads_and_small_segments() {
    live_and_die(4);
}

#[test]
fn os_with_four_threads_and_no_background() {
    live_and_die(5);
}
