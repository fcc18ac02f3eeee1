//! Optimistic concurrency by key: writers of different keys are not in each other's way.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_SECONDS` | how long each measurement takes; default 1; from 10 on, the ratio is asserted |

#![expect(clippy::cast_precision_loss, reason = "rates of messages")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use duramen::{Durability, Error, FileLog, Log, LogExt as _, NewMessage, Options, PublishOptions, Start};

use crate::common::number;

const WRITERS: u64 = 8;
/// The least rate with a condition on the key, of the rate without.
const RATE_MIN: f64 = 0.9;

fn log(home: &tempfile::TempDir) -> FileLog {
    let options = Options::new().key_index(true).durability(Durability::EachPublish);
    options.open(home.path()).expect("a new log")
}

/// Has each writer publish to its own key for a while; returns how many messages there were a second.
fn publish(log: &FileLog, lasts: &[AtomicU64], is_conditional: bool) -> f64 {
    let begun = Instant::now();
    let time = Duration::from_secs_f64(number("DURAMEN_SECONDS", 1) as f64 / 6.0);
    let count = AtomicU64::new(0);
    thread::scope(|scope| {
        for (writer, last) in lasts.iter().enumerate() {
            let count = &count;
            scope.spawn(move || {
                let key = writer.to_le_bytes();
                while begun.elapsed() < time {
                    let known = last.load(Ordering::Relaxed).checked_sub(1);
                    let message = NewMessage::new(&key, b"an event of an aggregate");
                    let offset = if is_conditional {
                        let how = PublishOptions::new().expect_key(&key, known);
                        log.publish_one_with(message, &how)
                            .expect("nobody else writes this key")
                    } else {
                        log.publish_one(message).expect("publishes")
                    };
                    last.store(offset + 1, Ordering::Relaxed);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    count.into_inner() as f64 / begun.elapsed().as_secs_f64()
}

/// Goal: writers of different keys never conflict, and a condition costs next to nothing. Method: eight writers of a
/// key each, on a disk, in turns with and without the condition; medians.
#[test]
fn writers_of_different_keys_do_not_conflict() {
    let home = tempfile::tempdir().expect("a directory");
    let log = log(&home);
    let lasts: Vec<AtomicU64> = (0..WRITERS).map(|_| AtomicU64::new(0)).collect();
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..3 {
        for is_conditional in [false, true] {
            rates[usize::from(is_conditional)].push(publish(&log, &lasts, is_conditional));
        }
    }
    let [plain, conditional] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    let ratio = conditional / plain;
    println!(
        "{WRITERS} writers: plain {plain:.0} messages/s, each with its key {conditional:.0} ({ratio:.2})"
    );
    assert!(number("DURAMEN_SECONDS", 1) < 10 || ratio >= RATE_MIN);
}

/// Goal: of writers of one key, exactly one wins each time, and a loser that waits until the winner's message is
/// visible makes progress. Method: eight writers of one key; each message names the one before it.
#[test]
fn of_writers_of_one_key_one_wins_each_time() {
    const COUNT: u64 = 400;
    let home = tempfile::tempdir().expect("a directory");
    let log = log(&home);
    let conflicts = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                let mut last = log.offset_by_key(b"one").ok();
                while log.next_offset().expect("open") < COUNT {
                    let value = last.map_or(u64::MAX, |last| last).to_le_bytes();
                    let how = PublishOptions::new().expect_key(b"one", last);
                    match log.publish_one_with(NewMessage::new(b"one", &value), &how) {
                        Ok(offset) => last = Some(offset),
                        Err(Error::KeyMismatch { actual, .. }) => {
                            conflicts.fetch_add(1, Ordering::Relaxed);
                            let end = actual.map_or(0, |actual| actual + 1);
                            log.wait_synced(end, None).expect("open");
                            last = log.offset_by_key(b"one").ok();
                            assert!(last >= actual, "the winner is visible");
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    let mut before = u64::MAX;
    for message in log.iter(Start::Oldest) {
        let message = message.expect("a message");
        assert_eq!(message.value.as_deref(), Some(&before.to_le_bytes()[..]));
        before = message.offset;
    }
    println!("{} messages, {} lost races", before + 1, conflicts.into_inner());
}
