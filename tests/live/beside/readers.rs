//! What users do with a log that is written to.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use duramen::{
    BlockingLog, Durability, Error, FileLog, Log, LogExt as _, NewMessage, Options, Start, backup, check,
    recover,
};

use crate::common::{self, read_all, segment_paths};

fn options() -> Options {
    Options::new()
        .create_dirs(true)
        .key_index(true)
        .rollover(16 << 10)
}

fn reader(dir: &Path) -> FileLog {
    options()
        .read_only(true)
        .open(dir)
        .expect("a reader beside whoever writes")
}

/// The value of the message with this offset, if all are published one by one.
fn value(offset: u64) -> Vec<u8> {
    let len = usize::try_from(offset % 300).expect("small");
    offset.to_string().into_bytes().repeat(1 + len / 8)
}

fn publish(log: &FileLog, offset: u64) {
    let value = value(offset);
    let published = log.publish_one(NewMessage::new(&offset.to_le_bytes(), &value));
    assert_eq!(published.expect("publishes"), offset);
}

/// Goal: followers beside a writer get every message once, in order, whatever else happens to the log. Method: four
/// followers, and a writer that rolls over, deletes and trims what all have passed, closes and opens the log again; in
/// each kind of durability.
#[test]
fn followers_get_every_message_once_in_order() {
    const COUNT: u64 = 20_000;
    for durability in [Durability::Os, Durability::EachPublish] {
        let home = common::fast_dir();
        let options = options().durability(durability);
        options
            .open(home.path())
            .expect("a new log")
            .close()
            .expect("a close");
        let passed: [AtomicU64; 4] = Default::default();
        thread::scope(|scope| {
            for passed in &passed {
                scope.spawn(|| {
                    let log = BlockingLog::new(reader(home.path()));
                    let follow = log.follow(Start::Oldest);
                    for (offset, message) in (0..COUNT).zip(follow) {
                        let message = message.expect("a message");
                        assert_eq!(message.offset, offset);
                        assert_eq!(message.value.as_deref(), Some(&value(offset)[..]));
                        passed.store(offset + 1, Ordering::Relaxed);
                    }
                });
            }
            let mut log = options.open(home.path()).expect("no follower is in its way");
            for offset in 0..COUNT {
                publish(&log, offset);
                let all_passed = passed.iter().map(|passed| passed.load(Ordering::Relaxed)).min();
                let all_passed = all_passed.unwrap_or(0);
                match offset % 1000 {
                    300 => {
                        let some: BTreeSet<u64> = (all_passed.saturating_sub(50)..all_passed).collect();
                        log.delete(&some).expect("deletes");
                    }
                    600 => drop(log.trim(all_passed / 2).expect("trims")),
                    900 => {
                        log.close().expect("a close");
                        log = options.open(home.path()).expect("no follower is in its way");
                    }
                    _ => {}
                }
            }
        });
        assert!(
            passed
                .iter()
                .all(|passed| passed.load(Ordering::Relaxed) == COUNT)
        );
    }
}

/// Goal: no reader is ever in a writer's way. Method: a log is opened, published to and closed 500 times beside four
/// followers.
#[test]
fn a_writer_is_never_turned_away_by_readers() {
    let home = common::fast_dir();
    options()
        .open(home.path())
        .expect("a new log")
        .close()
        .expect("a close");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let followers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let log = BlockingLog::new(reader(home.path()));
                    let mut at = Start::Oldest;
                    let mut count = 0;
                    while count < 500 && !stop.load(Ordering::Relaxed) {
                        let batch = log
                            .consume_blocking(at, 100, Some(Duration::from_secs(1)))
                            .expect("reads");
                        count += batch.messages.len();
                        at = Start::At(batch.next_offset);
                    }
                    count
                })
            })
            .collect();
        for offset in 0..500 {
            let log = options().open(home.path()).expect("no reader is in its way");
            publish(&log, offset);
            log.close().expect("a close");
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while !followers.iter().all(ScopedJoinHandle::is_finished) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Ordering::Relaxed);
        for follower in followers {
            assert_eq!(follower.join().expect("no panic"), 500);
        }
    });
}

/// Goal: a log that is written to can be checked and copied from its directory. Method: checks and backups, again and
/// again, beside a writer that publishes, deletes and trims; each copy holds a stretch of the log without a gap but for
/// what was deleted.
#[test]
fn a_log_that_is_written_to_is_checked_and_copied() {
    let home = common::fast_dir();
    let dir = home.path().join("log");
    options().open(&dir).expect("a new log").close().expect("a close");
    let stop = AtomicBool::new(false);
    let copies = thread::scope(|scope| {
        scope.spawn(|| {
            let log = options().open(&dir).expect("opens");
            for offset in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                publish(&log, offset);
                if offset % 500 == 400 {
                    let some: BTreeSet<u64> = (offset - 300..offset).step_by(3).collect();
                    log.delete(&some).expect("deletes");
                    log.trim(offset.saturating_sub(5000)).expect("trims");
                }
            }
        });
        let begun = Instant::now();
        let mut copies = 0;
        while begun.elapsed() < Duration::from_secs(5) || copies < 5 {
            let report = check(&dir, &options()).expect("a check");
            assert!(report.is_clean(), "{report:?}");
            let copy = home.path().join(format!("copy {}", copies % 2));
            let before = reader(&dir).next_offset().expect("open");
            let report = backup(&dir, &copy).expect("a backup");
            assert!(report.next_offset >= before);
            assert!(check(&copy, &options()).expect("a check").is_clean());
            let log = reader(&copy);
            assert_eq!(log.next_offset().expect("open"), report.next_offset);
            for message in read_all(&log).expect("reads") {
                assert_eq!(message.value.as_deref(), Some(&value(message.offset)[..]));
            }
            copies += 1;
        }
        stop.store(true, Ordering::Relaxed);
        copies
    });
    println!("{copies} copies");
}

/// Goal: a reader never shows other messages than those that its user has seen. Method: a log is damaged and recovered
/// beside two readers: one that has seen what is lost, and one whose log had grown no further.
#[test]
fn a_reader_notices_another_life() {
    let home = common::fast_dir();
    let small = options().background(false).rollover(2 << 10);
    let log = small.open(home.path()).expect("a new log");
    (0..200).for_each(|offset| publish(&log, offset));
    let seen = reader(home.path());
    let position = seen.position().expect("open");
    assert_eq!(position.offset, 200);
    log.close().expect("a close");
    let segments = segment_paths(home.path());
    let mut bytes = std::fs::read(&segments[1]).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    std::fs::write(&segments[1], bytes).expect("damaged");
    recover(home.path(), &options()).expect("recovers");
    let log = options().open(home.path()).expect("opens");
    for _ in 0..2 {
        let parted = seen.consume(Start::Oldest, 10);
        assert!(
            matches!(parted, Err(Error::EpochChanged { position: known, parted_at: Some(at) })
                if known == position && at < 200),
            "{parted:?}"
        );
    }
    let fresh = reader(home.path());
    assert!(fresh.resume(position).is_err());
    let next = log.next_offset().expect("open");
    assert_eq!(fresh.next_offset().expect("open"), next);
    assert_eq!(read_all(&fresh).expect("reads"), read_all(&log).expect("reads"));
}

/// Goal: a reader whose directory is gone says so. Method: the directory of a log is removed.
#[test]
fn a_reader_of_a_removed_directory_fails() {
    let home = common::fast_dir();
    let dir = home.path().join("log");
    let log = options().open(&dir).expect("a new log");
    publish(&log, 0);
    let reader = reader(&dir);
    assert_eq!(reader.next_offset().expect("open"), 1);
    log.close().expect("a close");
    std::fs::remove_dir_all(&dir).expect("removed");
    let answer = reader.next_offset();
    assert!(matches!(answer, Err(Error::Io { .. })), "{answer:?}");
}

/// Goal: closing a reader wakes whoever waits with it. Method: a follower that waits for a message that never comes.
#[test]
fn closing_a_reader_wakes_its_followers() {
    let home = common::fast_dir();
    let log = options().open(home.path()).expect("a new log");
    let tail = BlockingLog::new(reader(home.path()));
    let mut follow = tail.follow(Start::Newest);
    let follower = thread::spawn(move || follow.next().is_none());
    thread::sleep(Duration::from_millis(50));
    tail.close().expect("a close");
    assert!(follower.join().expect("no panic"), "the follower got something");
    publish(&log, 0);
}

/// Goal: a task waits for a log that another handle writes to. Method: a stream over a read-only handle.
#[cfg(feature = "stream")]
#[test]
fn a_stream_over_a_reader_wakes_up() {
    use std::future::poll_fn;
    use std::pin::pin;

    use futures_core::Stream as _;

    let home = common::fast_dir();
    let log = options().open(home.path()).expect("a new log");
    let tail = BlockingLog::new(reader(home.path()));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .build()
        .expect("a runtime");
    let mut stream = Box::pin(tail.stream(Start::Oldest));
    let all = runtime.spawn(async move {
        let mut all = Vec::new();
        for _ in 0..100 {
            let next = poll_fn(|context| pin!(&mut stream).as_mut().poll_next(context)).await;
            all.push(next.expect("more").expect("a message").offset);
        }
        all
    });
    for offset in 0..100 {
        publish(&log, offset);
        if offset % 10 == 0 {
            thread::sleep(Duration::from_millis(7));
        }
    }
    let all = runtime.block_on(all).expect("no panic");
    assert!(all.into_iter().eq(0..100));
}

/// Goal: a reader that waits is woken when its writer publishes, and when another writer does that has opened the log
/// since. Method: a quarter of the messages come sooner than by looking again now and then, which would take 5 ms.
#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn a_reader_that_waits_is_woken() {
    const ROUNDS: u64 = 60;
    let home = common::fast_dir();
    let mut log = options().open(home.path()).expect("a new log");
    let reader = &BlockingLog::new(reader(home.path()));
    let (published, told) = std::sync::mpsc::channel();
    let took = thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            let mut took = Vec::new();
            for offset in 0..ROUNDS {
                let batch = reader
                    .consume_blocking(Start::At(offset), 1, None)
                    .expect("reads");
                let now = Instant::now();
                assert_eq!(batch.messages.len(), 1);
                took.push(now - told.recv().expect("a time"));
            }
            took
        });
        for offset in 0..ROUNDS {
            // At any place between two looks.
            thread::sleep(Duration::from_millis(25 + offset * 7 % 20));
            if offset == ROUNDS / 2 {
                log.close().expect("a close");
                log = options().open(home.path()).expect("opens again");
                thread::sleep(Duration::from_millis(60));
            }
            published.send(Instant::now()).expect("a reader");
            publish(&log, offset);
        }
        waiting.join().expect("no panic")
    });
    for mut half in took.chunks(took.len() / 2).map(<[Duration]>::to_vec) {
        half.sort_unstable();
        let soon = half[half.len() / 4];
        let median = half[half.len() / 2];
        println!(
            "a quarter within {soon:?}, half within {median:?}, all within {:?}",
            half.last()
        );
        assert!(
            soon < Duration::from_micros(2500),
            "nobody has woken it: {half:?}"
        );
    }
}

/// Goal: a writer that publishes all the time rings no bell for a reader that keeps up with it. Method: the first word
/// of the file counts how often it was rung; half of five runs are to be quiet, because on a busy machine the writer
/// itself may pause.
#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn a_fast_writer_rings_no_bell() {
    let mut all: Vec<_> = (0..5).map(|_| rung_by_a_fast_writer()).collect();
    println!("{all:?}");
    all.sort_unstable_by_key(|(rung, _)| *rung);
    let (rung, took) = all[2];
    // A reader that was woken each time would have been every 5 ms.
    assert!(u128::from(rung) < took.as_millis() / 5 / 4, "{all:?}");
}

/// How often a bell was rung for a reader that keeps up, and how long that took.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn rung_by_a_fast_writer() -> (u32, Duration) {
    const COUNT: u64 = 1500;
    let home = common::fast_dir();
    let log = options().open(home.path()).expect("a new log");
    let reader = BlockingLog::new(reader(home.path()));
    let begun = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = 0;
            while next < COUNT {
                let batch = reader.consume_blocking(Start::At(next), 1000, None);
                next = batch.expect("reads").next_offset;
            }
        });
        for offset in 0..COUNT {
            thread::sleep(Duration::from_micros(200));
            publish(&log, offset);
        }
    });
    let took = begun.elapsed();
    let bell = std::fs::read(home.path().join("bell")).expect("a bell");
    let rung = bell[..4].try_into().expect("a word");
    (u32::from_ne_bytes(rung), took)
}
