//! Paced durability on real disks: many logs on one, and one that is frozen.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use duramen::{Durability, FileLog, Log, NewMessage, Options, Retention};

use super::common::{number, wait_until};
use super::mount::Mount;

fn publish(log: &FileLog) -> u64 {
    log.publish(&[NewMessage::value(&[7; 200])]).expect("published")
}

/// How many threads the library has in this process.
fn library_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("listed");
    let names = tasks.map(|task| fs::read_to_string(task.expect("listed").path().join("comm")));
    names
        .filter(|name| name.as_ref().is_ok_and(|name| name.trim() == "duramen"))
        .count()
}

/// How long it takes to sync each log once, one after the other.
fn sync_in_turn(logs: &[FileLog]) -> Duration {
    let start = Instant::now();
    for log in logs {
        publish(log);
        log.sync().expect("synced");
    }
    start.elapsed()
}

fn worst_lag(logs: &[FileLog], done: &AtomicBool) -> Duration {
    let mut worst = Duration::ZERO;
    while !done.load(Ordering::Acquire) {
        let now = logs.iter().map(|log| log.sync_lag().expect("open")).max();
        worst = worst.max(now.unwrap_or_default());
        thread::sleep(Duration::from_millis(5));
    }
    worst
}

/// Goal: of many logs with an interval, none lags behind by more than twice what the disk can do. Method: how long the
/// disk takes for a sync of each log in turn is measured before and after; in between, all are published to all the
/// time. `DURAMEN_PACED_LOGS` sets how many there are.
#[test]
fn many_logs_with_an_interval_are_all_synced_as_often_as_the_disk_can() {
    const INTERVAL: Duration = Duration::from_millis(100);
    let count = number("DURAMEN_PACED_LOGS", 100);
    let dir = tempfile::tempdir().expect("a folder");
    let options = Options::new()
        .create_dirs(true)
        .durability(Durability::Interval(INTERVAL));
    let open = |number: u64| options.open(dir.path().join(number.to_string())).expect("a log");
    let logs: Vec<_> = (0..count).map(open).collect();
    for log in &logs {
        publish(log);
    }
    let before = sync_in_turn(&logs);
    let (done, start) = (AtomicBool::new(false), Instant::now());
    let mut published = 0;
    let worst = thread::scope(|scope| {
        let watch = scope.spawn(|| worst_lag(&logs, &done));
        while start.elapsed() < (3 * before).max(Duration::from_secs(2)) {
            for log in &logs {
                publish(log);
                published += 1;
                if published % 64 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        }
        done.store(true, Ordering::Release);
        watch.join().expect("the watch")
    });
    let after = sync_in_turn(&logs);
    // A message waits for the interval, and then while each of the others is synced.
    let allowed = INTERVAL + before.max(after);
    println!(
        "{count} logs, {published} messages in {:?}: a sync of each in turn took {before:?} before, {after:?} after; \
         worst lag {worst:?}, {:.2} times what the disk allows; {} thread(s)",
        start.elapsed(),
        worst.as_secs_f64() / allowed.as_secs_f64(),
        library_threads(),
    );
    assert!(worst <= 2 * allowed, "{worst:?} of {allowed:?}");
}

/// Has the publisher end, also when the test fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Publishes for a while to a log elsewhere, with paced syncs, sealing and retention, and opens and closes others;
/// returns the longest time that any of this took.
fn use_logs_in(dir: &Path, interval: Duration) -> Duration {
    let options = Options::new()
        .create_dirs(true)
        .rollover(16 << 10)
        .durability(Durability::Interval(interval))
        .retention(Retention::new().max_bytes(64 << 10));
    let log = options.open(dir.join("log")).expect("a log");
    let (mut worst, start, mut round) = (Duration::ZERO, Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(3) {
        let began = Instant::now();
        let mut next = 0;
        for _ in 0..100 {
            next = publish(&log);
        }
        wait_until("synced", || log.synced_offset().expect("open") >= next);
        round += 1;
        let other = options.open(dir.join(round.to_string())).expect("a log");
        publish(&other);
        other.close().expect("closed");
        worst = worst.max(began.elapsed());
    }
    wait_until("trimmed", || log.start_offset().expect("open") > 0);
    log.close().expect("closed");
    worst
}

/// Goal: a frozen file system delays no log elsewhere. Method: the same use of logs beside a log whose file system is
/// well, and beside one whose file system is frozen while it is published to and synced.
#[test]
fn a_frozen_file_system_delays_no_log_elsewhere() {
    const INTERVAL: Duration = Duration::from_millis(50);
    let Some(mut mount) = Mount::ext4() else {
        println!(
            "NOT RUN: a file system cannot be made and mounted here (needs root, mkfs.ext4, loop devices)"
        );
        return;
    };
    let options = Options::new()
        .create_dirs(true)
        // Some of it is not synced when it is frozen, so that the thread has a sync to make.
        .durability(Durability::Interval(10 * INTERVAL));
    let frozen = options.open(mount.path().join("log")).expect("a log");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let well = use_logs_in(&elsewhere.path().join("well"), INTERVAL);
    let done = AtomicBool::new(false);
    let measured = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                publish(&frozen);
                thread::sleep(Duration::from_millis(1));
            }
        });
        let _done = Done(&done);
        wait_until("published", || frozen.next_offset().expect("open") > 10);
        let is_frozen = mount.freeze();
        let measured = is_frozen.then(|| {
            let beside = use_logs_in(&elsewhere.path().join("beside"), INTERVAL);
            (beside, frozen.sync_lag().expect("open"))
        });
        mount.thaw();
        measured
    });
    let Some((beside, lag)) = measured else {
        println!("NOT RUN: file systems cannot be frozen here (needs fsfreeze)");
        return;
    };
    println!(
        "a round took at most {well:?}, beside a frozen file system {beside:?}; the lag there is {lag:?}"
    );
    frozen.close().expect("closed");
    drop(frozen);
    assert!(lag > Duration::from_secs(2), "it was not frozen");
    // Whoever waits for the frozen one waits for many seconds.
    assert!(
        beside <= 3 * well + Duration::from_secs(2),
        "{beside:?} instead of {well:?}"
    );
}
