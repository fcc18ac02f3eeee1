//! What a retention policy removes, and what it does not.

use std::time::Duration;

use duramen::{FileLog, Log, NewMessage, Options, Retention, Start, Timestamp};

mod common;
use common::fast_dir;

const HOUR: Duration = Duration::from_secs(3600);

fn open(dir: &std::path::Path, retention: Retention, time_index: bool) -> FileLog {
    let options = Options::new()
        .create_dirs(true)
        .rollover(4096)
        .retention(retention);
    options
        .time_index(time_index)
        .background(false)
        .open(dir)
        .expect("opens")
}

fn publish(log: &FileLog, time: Timestamp, count: u64) {
    for _ in 0..count {
        log.publish(&[NewMessage::value(&[7; 100]).time(time)])
            .expect("published");
    }
}

fn ago(hours: u32) -> Timestamp {
    Timestamp::now().saturating_sub(HOUR * hours)
}

/// Limits are exact for readers, are applied at rollover and when asked for, and say beforehand what would go.
#[test]
fn limits_by_count_and_size_are_exact() {
    let dir = fast_dir();
    let log = open(
        &dir.path().join("count"),
        Retention::new().max_messages(50),
        false,
    );
    publish(&log, Timestamp::now(), 500);
    assert!(log.start_offset().expect("open") >= 400, "applied at rollover");
    let planned = log.apply_retention(true).expect("planned");
    let start = log.start_offset().expect("open");
    let done = log.apply_retention(false).expect("applied");
    assert_eq!((planned.count, done.count), (450 - start, 450 - start));
    assert_eq!(log.start_offset().expect("open"), 450);
    assert_eq!(log.stat().expect("open").messages, 50);

    let log = open(
        &dir.path().join("size"),
        Retention::new().max_bytes(10_000),
        false,
    );
    publish(&log, Timestamp::now(), 500);
    log.apply_retention(false).expect("applied");
    let kept = log.stat().expect("open").messages;
    // A message alone takes 24 bytes besides its value.
    assert_eq!(kept, 10_000 / 124);
}

/// One message from the future keeps no more than its own segment, and one whose clock is ahead loses nothing.
#[test]
fn limits_by_age_go_by_the_log_s_own_time() {
    for time_index in [true, false] {
        let dir = fast_dir();
        let policy = Retention::new().max_age(HOUR);
        let log = open(&dir.path().join("old"), policy, time_index);
        publish(&log, ago(3), 100);
        publish(&log, Timestamp::now(), 10);
        log.apply_retention(false).expect("applied");
        assert_eq!(log.start_offset().expect("open"), 100);

        // All from publishers whose clocks are far ahead: young, as far as can be known.
        let log = open(&dir.path().join("ahead"), policy, time_index);
        let ahead = Timestamp::from_micros(Timestamp::now().as_micros() + 86_400_000_000);
        publish(&log, ahead, 300);
        assert_eq!(log.apply_retention(true).expect("planned").count, 0);
        assert_eq!(log.start_offset().expect("open"), 0);
        assert_eq!(log.consume(Start::Oldest, 1).expect("open").messages.len(), 1);
    }
}
