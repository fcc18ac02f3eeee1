//! What `gc` lets go of, and when.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use duramen::{FileLog, Log, NewMessage, Options, Start};

use crate::common::{fast_dir, segment_paths};

const A_WHILE: Duration = Duration::from_millis(2);

fn read(log: &FileLog, segment: usize) {
    log.get(Start::At(10 * segment as u64)).expect("a message");
}

/// A log of so many sealed segments of ten messages each, and one that is written to.
fn log_of(dir: &Path, sealed: usize, mapped_max: usize) -> FileLog {
    let options = Options::new()
        .create_dirs(true)
        .rollover(4096)
        .background(false)
        .segments_mapped_max(mapped_max);
    let log = options.open(dir).expect("a new log");
    for _ in 0..10 * sealed + 5 {
        log.publish(&[NewMessage::value(&[7; 380])]).expect("a publish");
    }
    log.close().expect("a close");
    options.open(dir).expect("a reopen")
}

/// Which of the sealed segments are mapped.
fn mapped(dir: &Path) -> Vec<usize> {
    let maps = fs::read_to_string("/proc/self/maps").expect("this process's mappings");
    let paths = segment_paths(dir);
    (0..paths.len() - 1)
        .filter(|segment| maps.contains(paths[*segment].to_str().expect("a path")))
        .collect()
}

#[test]
fn zero_lets_go_of_everything_and_max_of_nothing() {
    let dir = fast_dir();
    let log = log_of(dir.path(), 3, 4096);
    (0..3).for_each(|segment| read(&log, segment));
    for _ in 0..3 {
        log.gc(Duration::MAX).expect("a gc");
        assert_eq!(mapped(dir.path()), [0, 1, 2]);
    }
    log.gc(Duration::ZERO).expect("a gc");
    assert!(mapped(dir.path()).is_empty());
    read(&log, 1);
    assert_eq!(mapped(dir.path()), [1]);
}

/// A segment goes at the second of two calls between which it was not used, and only if they are far enough apart.
#[test]
fn a_segment_goes_when_it_was_not_used_for_so_long() {
    let dir = fast_dir();
    let log = log_of(dir.path(), 3, 4096);
    (0..3).for_each(|segment| read(&log, segment));
    // What was used before the first call is used now, for all that it can know.
    log.gc(A_WHILE).expect("a gc");
    assert_eq!(mapped(dir.path()), [0, 1, 2]);
    thread::sleep(A_WHILE);
    log.gc(Duration::from_secs(3600)).expect("a gc");
    assert_eq!(mapped(dir.path()), [0, 1, 2], "it is not an hour yet");
    read(&log, 1);
    log.gc(A_WHILE).expect("a gc");
    assert_eq!(mapped(dir.path()), [1]);
    // The time counts from the call that saw the last use.
    thread::sleep(A_WHILE);
    read(&log, 1);
    log.gc(A_WHILE).expect("a gc");
    assert_eq!(mapped(dir.path()), [1]);
    thread::sleep(A_WHILE);
    log.gc(A_WHILE).expect("a gc");
    assert!(mapped(dir.path()).is_empty());
}

/// Whoever makes room for another segment looks for use too, and what it has seen is not forgotten.
#[test]
fn a_segment_that_was_used_stays_also_when_others_had_to_go() {
    let dir = fast_dir();
    let log = log_of(dir.path(), 5, 4);
    (0..4).for_each(|segment| read(&log, segment));
    log.gc(A_WHILE).expect("a gc");
    thread::sleep(A_WHILE);
    for segment in [0, 2, 3] {
        read(&log, segment);
    }
    // The first was used and is passed over, the second is let go of.
    read(&log, 4);
    assert_eq!(mapped(dir.path()), [0, 2, 3, 4]);
    log.gc(A_WHILE).expect("a gc");
    assert_eq!(mapped(dir.path()), [0, 2, 3, 4]);
}
