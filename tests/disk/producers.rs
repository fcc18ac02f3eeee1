//! A producer that is killed all the time and sends again what it is not sure of: every sequence is in the log once.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_PRODUCED` | how many messages are published over all lives; default 60,000 |
//! | `DURAMEN_SEED` | what is drawn at random depends on it alone; moments of kills do not repeat |

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, thread};

use duramen::{Durability, Error, FileLog, Log, NewMessage, Options, PublishOptions, Start, check};
use fastrand::Rng;

use crate::common::{self, child, number, role};

/// How many producers take turns.
const PRODUCERS: u64 = 3;

fn options(durability: Durability) -> Options {
    Options::new()
        .create_dirs(true)
        .durability(durability)
        .rollover(32 << 10)
}

pub(super) fn durability(arrangement: u64) -> Durability {
    if arrangement == 0 {
        Durability::Os
    } else {
        Durability::EachPublish
    }
}

/// The numbers that a child is told.
pub(super) fn numbers_of(role: &str) -> [u64; 4] {
    let numbers = role.split(' ').map(|field| field.parse().expect("a number"));
    let numbers: Vec<u64> = numbers.collect();
    numbers.try_into().expect("four numbers")
}

/// Publishes the message with this number, and says whether it was there already. Its offset is its number, if every
/// message is in the log once.
fn publish(log: &FileLog, number: u64) -> bool {
    let how = PublishOptions::new().producer(number % PRODUCERS, number / PRODUCERS);
    let value = number.to_le_bytes();
    let ack = log.append(&[NewMessage::value(&value)], &how).expect("published");
    assert_eq!((ack.start.offset, ack.end.offset), (number, number + 1));
    ack.is_duplicate
}

/// What a child does: goes on from a number below the log's end, and sends one in ten twice.
#[test]
fn in_a_child() {
    let Some(role) = role() else { return };
    let [arrangement, from, to, seed] = numbers_of(&role);
    let dir = PathBuf::from(env::var_os("DURAMEN_DIR").expect("a directory"));
    let log = options(durability(arrangement)).open(dir).expect("opened");
    let mut random = Rng::with_seed(seed);
    for number in from..to {
        publish(&log, number);
        if random.u8(..10) == 0 {
            let again = number.saturating_sub(random.u64(..30));
            assert!(publish(&log, again), "{again} was published before {number}");
        }
        if random.u16(..2000) == 0 {
            let end = log.next_offset().expect("an offset");
            log.trim(end - random.u64(..=end.min(400))).expect("trimmed");
        }
    }
    if random.bool() {
        log.close().expect("closed");
    }
}

/// Reads what is new: every number once, in order.
fn verify(log: &FileLog, verified: &mut u64) {
    let mut at = log.start_offset().expect("an offset").max(*verified);
    loop {
        let batch = log.consume(Start::At(at), 4096).expect("messages");
        for message in &batch {
            let value = message.value.as_deref().expect("a value");
            assert_eq!((message.offset, value), (at, &at.to_le_bytes()[..]));
            at += 1;
        }
        if batch.messages.is_empty() {
            *verified = at;
            return;
        }
    }
}

/// Runs a child and kills it after some time; false if it had ended by then, which has to be a success.
pub(super) fn is_killed_after(mut command: Command, patience: Duration) -> bool {
    let mut process = command.spawn().expect("a child");
    let begun = Instant::now();
    while begun.elapsed() < patience && process.try_wait().expect("a child").is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    if let Some(status) = process.try_wait().expect("a child") {
        assert!(status.success(), "a child failed: {status}");
        return false;
    }
    process.kill().and_then(|()| process.wait()).expect("killed");
    true
}

/// Goal: with a producer's sequences, sending again is harmless, whenever the process dies.
/// Method: a child publishes, sends one in ten twice, and trims; it is killed after a moment, and the next one goes on
/// some messages below the end.
#[test]
fn every_sequence_of_a_killed_producer_is_there_once() {
    let seed = common::seed("producers");
    let total = number("DURAMEN_PRODUCED", 30_000);
    for (arrangement, total) in [(0, total), (1, total / 8)] {
        let dir = common::fast_dir();
        let path = dir.path().join("log");
        let options = options(durability(arrangement));
        let mut random = Rng::with_seed(seed ^ arrangement);
        let (mut kills, mut next, mut verified) = (0, 0, 0);
        while next < total {
            let from = next - random.u64(..=next.min(60));
            let role = format!("{arrangement} {from} {total} {}", random.u64(..));
            let mut process = child(module_path!(), &role);
            process.env("DURAMEN_DIR", &path);
            kills += u64::from(is_killed_after(process, Duration::from_millis(random.u64(3..50))));
            if !path.join("meta.1").exists() {
                continue;
            }
            let report = check(&path, &options).expect("checked");
            assert!(report.is_clean(), "{report:?}");
            let log = options.open(&path).expect("opened again");
            verify(&log, &mut verified);
            next = log.next_offset().expect("an offset");
            if let Some(old) = next.checked_sub(1000) {
                let how = PublishOptions::new().producer(old % PRODUCERS, old / PRODUCERS);
                let late = log.append(&[NewMessage::value(b"late")], &how);
                assert!(matches!(late, Err(Error::OutOfSequence { .. })), "{late:?}");
            }
            log.close().expect("closed");
        }
        assert_eq!(next, total);
        println!(
            "{:?}: {total} messages, each once, {kills} kills",
            durability(arrangement)
        );
    }
}
