//! `FileLog::check`: the check of a log that is used meanwhile.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use duramen::{Corruption, Error, FileLog, Log, NewMessage, Options};

use crate::common::{fast_dir, segment_paths};

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// A log with 32 segments or more.
fn filled(dir: &std::path::Path) -> FileLog {
    let options = Options::new().rollover(16 << 10).key_index(true);
    let log = options.open(dir).expect("a log");
    while log.stat().expect("open").segments < 32 {
        publish(&log);
    }
    log
}

fn publish(log: &FileLog) -> u64 {
    let message = NewMessage::new(b"key", &[7; 1000]);
    log.publish(&[message; 4]).expect("published")
}

/// Runs `during` while another thread publishes; returns what it returns, and how many batches were published.
fn while_publishing<T>(log: &FileLog, during: impl FnOnce() -> T) -> (T, u64) {
    /// Has the publisher end, also when the test fails.
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let (done, batches) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                publish(log);
                batches.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_micros(200));
            }
        });
        let _done = Done(&done);
        while batches.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        let before = batches.load(Ordering::Relaxed);
        let result = during();
        (result, batches.load(Ordering::Relaxed) - before)
    })
}

#[test]
fn damage_is_found_while_publishing_goes_on_and_nothing_else_is_reported() {
    let dir = fast_dir();
    let log = filled(dir.path());
    let (clean, _) = while_publishing(&log, || log.check(None).expect("checked"));
    assert!(clean.is_clean(), "{:?}", clean.problems);
    assert!(clean.segments >= 32 && clean.messages >= 31 * 12, "{clean:?}");
    // Damage to what is not durable could be the trace of a power cut, and is not reported.
    log.sync().expect("synced");
    let damaged = segment_paths(dir.path())[3].clone();
    let mut bytes = fs::read(&damaged).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&damaged, &bytes).expect("written");
    let (found, _) = while_publishing(&log, || log.check(None).expect("checked"));
    let places: Vec<_> = found.problems.iter().map(|one| (&one.path, one.kind)).collect();
    assert_eq!(places, [(&damaged, Corruption::Record)]);
    publish(&log);
}

#[test]
fn a_pace_is_kept_and_publishers_are_not_held_up() {
    let dir = fast_dir();
    let log = filled(dir.path());
    let begun = Instant::now();
    let (found, batches) = while_publishing(&log, || log.check(Some(1 << 20)).expect("checked"));
    let took = begun.elapsed();
    assert!(found.is_clean(), "{:?}", found.problems);
    // After the last segment there is no rest.
    #[expect(clippy::cast_precision_loss, reason = "a few MiB")]
    let least = found.bytes.saturating_sub(32 << 10) as f64 / f64::from(1 << 20);
    assert!(took >= Duration::from_secs_f64(least), "{took:?} for {least} s");
    assert!(took < LONG && batches > 20, "{took:?}, {batches} batches");
}

#[test]
fn segments_that_are_trimmed_while_a_slow_check_rests_are_no_problem() {
    let dir = fast_dir();
    let log = filled(dir.path());
    let segments = log.stat().expect("open").segments;
    thread::scope(|scope| {
        let checking = scope.spawn(|| log.check(Some(1 << 20)).expect("checked"));
        for _ in 0..20 {
            thread::sleep(Duration::from_millis(10));
            let start = log.start_offset().expect("open");
            log.trim(start + 16).expect("trimmed");
            publish(&log);
        }
        let found = checking.join().expect("no panic");
        assert!(found.is_clean(), "{:?}", found.problems);
        assert!(
            found.segments < segments,
            "nothing was left out of {segments}: {found:?}"
        );
    });
}

#[test]
fn closing_ends_a_check_and_a_pace_of_nothing_is_refused() {
    let dir = fast_dir();
    let log = filled(dir.path());
    assert!(matches!(log.check(Some(0)), Err(Error::Invalid(_))));
    thread::scope(|scope| {
        let checking = scope.spawn(|| log.check(Some(1)));
        thread::sleep(Duration::from_millis(100));
        let begun = Instant::now();
        log.close().expect("closed");
        let ended = checking.join().expect("no panic");
        assert!(matches!(ended, Err(Error::Closed)), "{ended:?}");
        assert!(begun.elapsed() < LONG);
    });
    assert!(matches!(log.check(None), Err(Error::Closed)));
    let read_only = Options::new().read_only(true).open(dir.path()).expect("a log");
    assert!(read_only.check(None).expect("checked").is_clean());
}
