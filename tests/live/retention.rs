//! What a retention policy removes, and what it does not.

use std::fs;
use std::path::Path;
use std::time::Duration;

use duramen::{Error, FileLog, Log, MemoryLog, NewMessage, Options, Retention, Start, Timestamp, Trimmed};

use crate::common::{fast_dir, segment_paths};

const HOUR: Duration = Duration::from_secs(3600);

fn open(dir: &Path, retention: Retention, time_index: bool) -> FileLog {
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

fn publish(log: &dyn Log, time: Timestamp, count: u64) {
    for _ in 0..count {
        log.publish(&[NewMessage::value(&[7; 100]).time(time)])
            .expect("published");
    }
}

fn ago(hours: u32) -> Timestamp {
    Timestamp::now().saturating_sub(HOUR * hours)
}

fn tomorrow() -> Timestamp {
    Timestamp::from_micros(Timestamp::now().as_micros() + 86_400_000_000)
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

/// If asked for, the times of the messages count; a publisher whose clock is ahead loses nothing.
#[test]
fn limits_by_age_can_go_by_event_time() {
    for time_index in [true, false] {
        let dir = fast_dir();
        let policy = Retention::new().max_age(HOUR).by_event_time(true);
        let log = open(&dir.path().join("old"), policy, time_index);
        publish(&log, ago(3), 100);
        publish(&log, Timestamp::now(), 10);
        log.apply_retention(false).expect("applied");
        assert_eq!(log.start_offset().expect("open"), 100);

        // All from publishers whose clocks are far ahead: young, as far as can be known.
        let log = open(&dir.path().join("ahead"), policy, time_index);
        publish(&log, tomorrow(), 300);
        assert_eq!(log.apply_retention(true).expect("planned").count, 0);
        assert_eq!(log.start_offset().expect("open"), 0);
        assert_eq!(log.consume(Start::Oldest, 1).expect("open").messages.len(), 1);
    }
}

/// Messages of three hours ago, then messages of now, in segments of 33; closed.
fn old_and_new(dir: &Path, time_index: bool) {
    let log = open(dir, Retention::new(), time_index);
    publish(&log, ago(3), 100);
    publish(&log, Timestamp::now(), 100);
    log.close().expect("closed");
}

/// Changes a byte of the value at `offset`; returns the base offset of the segment it is in.
fn damage(dir: &Path, offset: u64) -> u64 {
    let base = |path: &Path| {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        name.parse::<u64>().expect("an offset")
    };
    let mut paths = segment_paths(dir).into_iter();
    let path = paths.rfind(|path| base(path) <= offset).expect("a segment");
    let mut bytes = fs::read(&path).expect("a segment");
    let (mut at, mut left) = (0, offset - base(&path));
    while left > 0 || bytes[at..at + 100] != [7; 100] {
        let is_value = bytes[at..at + 100] == [7; 100];
        left -= u64::from(is_value);
        at += if is_value { 100 } else { 1 };
    }
    bytes[at + 50] ^= 1;
    fs::write(&path, bytes).expect("written");
    base(&path)
}

/// The limits that each remove the first hundred messages of [`old_and_new`].
fn policies() -> [Retention; 3] {
    [
        Retention::new().max_age(HOUR).by_event_time(true),
        Retention::new().max_messages(100),
        Retention::new().max_bytes(100 * 124),
    ]
}

/// Goal: damage keeps nothing from being trimmed, and nothing goes too early for it. Method: one record each time, far
/// within what goes, next to the cut on both sides, and in what stays. The last one to go, where nothing else knows how
/// old it is, is as old as the next one, and stays.
#[test]
fn a_damaged_record_goes_when_its_time_has_come() {
    for time_index in [true, false] {
        for damaged in [0, 5, 40, 98, 99, 100, 101, 150, 199] {
            for policy in policies() {
                let dir = fast_dir();
                old_and_new(dir.path(), time_index);
                damage(dir.path(), damaged);
                let options = Options::new().read_only(true).time_index(time_index);
                let reader = options.retention(policy).open(dir.path()).expect("opens");
                let planned = reader.apply_retention(true).expect("planned").count;
                reader.close().expect("closed");
                let log = open(dir.path(), policy, time_index);
                // An index of times still knows how old the last one is.
                let is_known = time_index || policy != policies()[0];
                let expected = if damaged == 99 && !is_known { 99 } else { 100 };
                log.apply_retention(false).expect("applied");
                let start = log.start_offset().expect("open");
                assert_eq!(
                    (start, planned),
                    (expected, expected),
                    "{damaged} with {policy:?}, time index {time_index}"
                );
                if damaged > 100 {
                    assert!(matches!(log.get(Start::At(damaged)), Err(Error::Corrupt { .. })));
                }
            }
        }
    }
}

/// Goal: as there, where nothing can be read of a segment, because its index is gone and cannot be built. Method: it
/// goes as a whole, by what is known of it; by age that is the time of what is behind it.
#[test]
fn a_segment_that_cannot_be_read_goes_when_its_time_has_come() {
    for time_index in [true, false] {
        for damaged in [5, 110, 160] {
            for policy in policies() {
                let dir = fast_dir();
                old_and_new(dir.path(), time_index);
                let base = damage(dir.path(), damaged);
                let expected = match policy {
                    // It is as old as the next one.
                    _ if policy == policies()[0] && damaged == 110 => base,
                    // How many messages there are is known, but not where they are.
                    _ if policy == policies()[2] && damaged == 110 => base,
                    _ => 100,
                };
                for path in segment_paths(dir.path()) {
                    let _ = fs::remove_file(path.with_extension("idx"));
                }
                let log = open(dir.path(), policy, time_index);
                log.apply_retention(false).expect("applied");
                assert_eq!(
                    log.start_offset().expect("open"),
                    expected,
                    "{damaged} with {policy:?}, time index {time_index}"
                );
            }
        }
    }
}

/// Bytes that a message of [`publish`] takes in a log in memory.
const IN_MEMORY: u64 = 100 + MemoryLog::MESSAGE_OVERHEAD;

/// The same limits mean the same for a log in memory, where a message takes what its `size` says.
#[test]
fn a_log_in_memory_has_the_same_limits() {
    for (policy, kept) in [
        (Retention::new(), 200),
        (Retention::new().max_age(HOUR), 200),
        (Retention::new().max_age(HOUR).by_event_time(true), 100),
        (Retention::new().max_messages(70), 70),
        (Retention::new().max_messages(0), 0),
        (Retention::new().max_bytes(70 * IN_MEMORY), 70),
        (Retention::new().max_bytes(71 * IN_MEMORY - 1), 70),
        (Retention::new().max_age(4 * HOUR).max_messages(130), 130),
        (
            Retention::new()
                .max_age(HOUR)
                .by_event_time(true)
                .max_messages(130),
            100,
        ),
    ] {
        let log = MemoryLog::with_options(&Options::new().retention(policy));
        publish(&log, ago(3), 100);
        publish(&log, Timestamp::now(), 100);
        let expected = Trimmed::new(200 - kept, (200 - kept) * IN_MEMORY);
        assert_eq!(
            log.apply_retention(true).expect("planned"),
            expected,
            "{policy:?}"
        );
        assert_eq!(log.start_offset().expect("open"), 0);
        assert_eq!(
            log.apply_retention(false).expect("applied"),
            expected,
            "{policy:?}"
        );
        assert_eq!(log.start_offset().expect("open"), 200 - kept);
        assert_eq!(log.stat().expect("open").messages, kept);
    }
}

/// Where a log of files looks at its limits whenever it begins a segment, one in memory does after as many bytes.
#[test]
fn a_log_in_memory_keeps_its_limits_as_it_grows() {
    let policy = Retention::new().max_messages(5);
    let options = Options::new().rollover(10 * IN_MEMORY).retention(policy);
    let log = MemoryLog::with_options(&options);
    for count in 1..=100 {
        publish(&log, Timestamp::now(), 1);
        let start = (count / 10 * 10_u64).saturating_sub(5);
        assert_eq!(log.start_offset().expect("open"), start);
    }
}

/// As `trim::by_age`: from the future is as old as what follows.
#[test]
fn a_message_from_the_future_is_as_old_as_the_next_in_a_log_in_memory() {
    let ahead = tomorrow();
    for (times, cut) in [
        (vec![ahead, ago(3), ahead, ago(2), ahead, Timestamp::now()], 4),
        (vec![ago(3), ahead], 1),
        (vec![ahead, ago(3)], 2),
    ] {
        let policy = Retention::new().max_age(HOUR).by_event_time(true);
        let log = MemoryLog::with_options(&Options::new().retention(policy));
        for time in &times {
            publish(&log, *time, 1);
        }
        assert_eq!(
            log.apply_retention(false).expect("applied").count,
            cut,
            "{times:?}"
        );
    }
}
