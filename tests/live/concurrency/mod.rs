//! Many threads on one log: publishers, readers of every kind, and somebody who takes files away all the time.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_SECONDS` | how long each arrangement runs; default 1 |
//! | `DURAMEN_CLOSES` | how many times a log is closed under its users; default 60 |
//! | `DURAMEN_SEED` | what is drawn at random depends on it alone |

mod truth;
mod users;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use duramen::{Durability, Error, FileLog, Log, Message, NewMessage, Options};
use fastrand::Rng;
use truth::Truth;
use users::{follow, run};

use crate::common;

fn options(durability: Durability) -> Options {
    Options::new()
        .create_dirs(true)
        .key_index(true)
        .time_index(true)
        .durability(durability)
}

/// Reads everything back after a reopen.
fn read_back(log: &FileLog, truth: &Truth, published: u64) {
    truth.is_complete.store(true, Ordering::Release);
    assert_eq!(follow(log, truth, false), published);
}

/// Goal: readers of every kind see exactly what publishers put in, in order, while segments come and go under them.
/// Method: four publishers, four readers, tiny segments, hardly any of which may stay mapped, all let go of in a loop.
#[test]
fn everybody_sees_the_same_log() {
    let seed = common::seed("concurrency");
    let time = Duration::from_secs(common::number("DURAMEN_SECONDS", 1));
    for (durability, background, mapped_max, rollover) in [
        (Durability::Os, true, 1, 2 << 10),
        (Durability::Os, false, 3, 4 << 10),
        (Durability::EachPublish, true, 2, 1 << 10),
        (Durability::EachPublish, false, 1, 8 << 10),
        (Durability::Bytes(2000), true, 1, 4 << 10),
        (Durability::Interval(Duration::from_millis(3)), true, 2, 1 << 20),
    ] {
        let dir = common::fast_dir();
        let truth = Truth::new(seed);
        let options = options(durability)
            .background(background)
            .segments_mapped_max(mapped_max)
            .rollover(rollover);
        let log = options.open(dir.path()).expect("a new log");
        let begun = Instant::now();
        let is_durable = durability == Durability::EachPublish;
        let published = run(&log, &truth, is_durable, || thread::sleep(time));
        let stats = log.stat().expect("stat");
        println!(
            "{durability:?}: {published} messages, {} segments, {:?}",
            stats.segments,
            begun.elapsed()
        );
        log.close().expect("a close");
        read_back(&options.open(dir.path()).expect("a reopen"), &truth, published);
    }
}

/// Goal: where messages are visible only when they are durable, all that is visible counts as synced, whoever asks.
/// Method: one thread publishes, in tiny segments, and another asks in both ways.
#[test]
fn what_is_visible_only_when_durable_counts_as_synced() {
    let dir = common::fast_dir();
    let options = options(Durability::EachPublish).rollover(1 << 10);
    let log = options.open(dir.path()).expect("a new log");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2000 {
                log.publish(&[NewMessage::value(&[7; 400])]).expect("a publish");
            }
            is_over.store(true, Ordering::Release);
        });
        while !is_over.load(Ordering::Acquire) {
            let before = log.next_offset().expect("an offset");
            assert!(log.synced_offset().expect("an offset") >= before);
            // With little to do in between.
            log.trim(before).expect("a trim");
            let stats = log.stat().expect("stat");
            assert_eq!(stats.synced_offset, stats.next_offset);
        }
    });
}

/// Goal: a handle that only reads counts as synced what it has seen to be, whatever durability it was opened with.
/// Method: the files of a log that has not synced yet, opened elsewhere.
#[test]
fn a_reader_counts_as_synced_what_it_knows_to_be() {
    let (dir, copy) = (common::fast_dir(), common::fast_dir());
    let log = options(Durability::Os)
        .background(false)
        .open(dir.path())
        .expect("a new log");
    for (offset, synced) in [(0, 0), (1, 2), (2, 2), (3, 4)] {
        assert_eq!(
            log.publish(&[NewMessage::value(b"v")]).expect("a publish"),
            offset + 1
        );
        if offset + 1 == synced {
            assert_eq!(log.sync().expect("a sync"), synced);
        }
        common::write_files(copy.path(), &common::files_of(dir.path()));
        let reader = options(Durability::EachPublish).read_only(true);
        for log in [&log, &reader.open(copy.path()).expect("an open")] {
            let stats = log.stat().expect("stat");
            assert_eq!((stats.next_offset, stats.synced_offset), (offset + 1, synced));
            assert_eq!(log.synced_offset().expect("an offset"), synced);
        }
    }
}

/// Goal: whoever uses a log while it is closed is told so and nothing else, and what was acknowledged stays. Method:
/// closes under publishers and readers at random moments, on one directory.
#[test]
fn closing_under_use_gives_closed_and_nothing_else() {
    let seed = common::seed("closing");
    let mut random = Rng::with_seed(seed);
    for background in [true, false] {
        for durability in [Durability::Os, Durability::EachPublish] {
            let options = options(durability)
                .background(background)
                .segments_mapped_max(1)
                .rollover(4 << 10);
            for round in 0..common::number("DURAMEN_CLOSES", 60) / 4 {
                let dir = common::fast_dir();
                let truth = Truth::new(seed ^ round);
                let log = options.open(dir.path()).expect("a log");
                let wait = Duration::from_micros(random.u64(..15_000));
                let published = run(&log, &truth, false, || {
                    thread::sleep(wait);
                    log.close().expect("a close");
                });
                assert!(matches!(log.stat(), Err(Error::Closed)) && log.close().is_ok());
                drop(log);
                read_back(&options.open(dir.path()).expect("a reopen"), &truth, published);
            }
        }
    }
}

/// Goal: the types can be used as the documentation says. Method: they compile.
#[test]
fn types_cross_threads_and_the_error_is_small() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<Error>();
    crosses::<FileLog>();
    crosses::<Box<dyn Log>>();
    crosses::<Message>();
    crosses::<Options>();
    const { assert!(size_of::<Error>() <= 64) };
    let dir = common::fast_dir();
    let boxed: Box<dyn Log> = Box::new(options(Durability::Os).open(dir.path()).expect("a log"));
    let shared: std::sync::Arc<dyn Log> = std::sync::Arc::from(boxed);
    assert_eq!(shared.publish(&[NewMessage::value(b"v")]).expect("a publish"), 1);
    assert_eq!(
        thread::spawn(move || shared.next_offset().expect("an offset"))
            .join()
            .ok(),
        Some(1)
    );
}
