//! Scans of a log from the front of which segments go.

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use duramen::{Error, FileLog, Log, NewMessage, Options, Result, Scan, Start, Timestamp};

use crate::common;

const ROUNDS: u64 = 100;
const PER_ROUND: u64 = 60;

fn fill(log: &FileLog) {
    for _ in 0..PER_ROUND {
        let next = i64::try_from(log.next_offset().expect("open")).expect("small");
        let message = NewMessage::value(&[7; 400]).time(Timestamp::from_micros(next));
        log.publish(&[message]).expect("a publish");
    }
}

/// The first message of a scan from `from`; all files were let go of before, so that they have to be opened.
fn first(log: &FileLog, from: Start) -> Result<Option<u64>> {
    log.gc(Duration::ZERO)?;
    let mut scan = log.scan(from)?;
    Ok(scan.next()?.map(|message| message.offset))
}

/// Goal: a trim that takes away a segment in which a scan is looking for its beginning is no damage. Method: rounds in
/// which one thread trims two messages at a time, in segments of two, while another begins scans that have to open
/// every segment; the only thing that may happen to them is that the trim has overtaken them.
#[test]
fn a_scan_begins_while_segments_go() {
    let dir = common::fast_dir();
    let options = Options::new()
        .create_dirs(true)
        .rollover(1 << 10)
        .time_index(true);
    let log = options.open(dir.path()).expect("a new log");
    for _ in 0..ROUNDS {
        fill(&log);
        let (begin, is_over) = (Barrier::new(2), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                begin.wait();
                let (start, next) = (
                    log.start_offset().expect("open"),
                    log.next_offset().expect("open"),
                );
                for before in (start..next).step_by(2) {
                    log.trim(before).expect("a trim");
                }
                is_over.store(true, Ordering::Release);
            });
            begin.wait();
            while !is_over.load(Ordering::Acquire) {
                for from in [Start::Last(u64::MAX), Start::Time(Timestamp::from_micros(0))] {
                    match first(&log, from) {
                        Ok(Some(_)) => {}
                        Err(error) if error.is_trimmed() => {}
                        other => panic!("from {from:?}: {other:?}"),
                    }
                }
            }
        });
    }
}

/// How many mappings this process has of files in `dir` that were removed.
fn mapped_removed(dir: &Path) -> usize {
    let maps = fs::read_to_string("/proc/self/maps").expect("a list");
    let dir = dir.to_str().expect("text");
    maps.lines()
        .filter(|line| line.contains(dir) && line.ends_with("(deleted)"))
        .count()
}

const PARKED: u64 = 5;

/// A log of many segments, and scans that have returned one message each.
fn parked(log: &FileLog) -> Vec<Scan<'_>> {
    for _ in 0..20 {
        log.publish(&[NewMessage::new(b"key", &[7; 1000]); 256])
            .expect("a publish");
    }
    log.sync().expect("a sync");
    let next = log.next_offset().expect("open");
    let begin = |i| {
        let mut scan = log.scan(Start::At(i * next / (PARKED + 1))).expect("a scan");
        assert!(scan.next().expect("a message").is_some());
        scan
    };
    (0..PARKED).map(begin).collect()
}

/// Calls `next` until it fails or returns nothing; returns the number of messages and the failure.
fn rest(scan: &mut Scan<'_>) -> (u64, Option<Error>) {
    let mut count = 0;
    loop {
        match scan.next() {
            Ok(Some(_)) => count += 1,
            Ok(None) => return (count, None),
            Err(error) => return (count, Some(error)),
        }
    }
}

fn many_segments() -> Options {
    Options::new()
        .create_dirs(true)
        .rollover(200 << 10)
        .background(false)
}

/// Goal: a scan that nobody goes on with keeps no removed file on the disk, and learns of the trim when it goes on,
/// after what it has in its buffer at most.
#[test]
fn a_parked_scan_pins_nothing_that_was_trimmed() {
    let dir = common::fast_dir();
    let log = many_segments().open(dir.path()).expect("a new log");
    let mut scans = parked(&log);
    let next = log.next_offset().expect("open");
    log.trim(next - 10).expect("a trim");
    assert_eq!(mapped_removed(dir.path()), 0);
    for scan in &mut scans {
        let (count, error) = rest(scan);
        assert!(error.is_some_and(|error| error.is_trimmed()));
        assert!(count <= 33, "{count} messages of 1 KB from a buffer of 32 KiB");
    }
    drop(scans);
    let mut scan = log.scan(Start::Oldest).expect("a scan");
    assert!(scan.next().expect("a message").is_some());
    log.trim(next).expect("a trim");
    let (count, error) = rest(&mut scan);
    assert!(count < 10 && error.is_none_or(|error| error.is_trimmed()));
}

/// Goal: the same of files that a deletion replaced; the scan goes on in the new ones, and returns every message that
/// is left.
#[test]
fn a_parked_scan_goes_on_in_what_a_deletion_left() {
    let dir = common::fast_dir();
    let log = many_segments().open(dir.path()).expect("a new log");
    let mut scans = parked(&log);
    let next = log.next_offset().expect("open");
    let gone = (0..next).filter(|offset| offset % 3 == 0).collect();
    log.delete(&gone).expect("a delete");
    assert_eq!(mapped_removed(dir.path()), 0);
    for (scan, i) in scans.iter_mut().zip(0..) {
        let at = i * next / (PARKED + 1) + 1;
        let left = (at..next).filter(|offset| offset % 3 != 0).count() as u64;
        let (count, error) = rest(scan);
        assert!(error.is_none());
        // Those in its buffer come although they were deleted.
        assert!(count >= left && count <= left + 33, "{count} of {left}");
    }
}

/// Goal: after the close a scan returns nothing any more, and keeps no file.
#[test]
fn a_parked_scan_ends_with_the_log() {
    let dir = common::fast_dir();
    let log = many_segments().open(dir.path()).expect("a new log");
    let mut scans = parked(&log);
    log.close().expect("a close");
    let maps = fs::read_to_string("/proc/self/maps").expect("a list");
    assert!(!maps.contains(dir.path().to_str().expect("text")), "{maps}");
    for scan in &mut scans {
        assert!(matches!(scan.next(), Err(Error::Closed)));
    }
}
