//! Paced durability where the background does not keep up: its thread hangs, or the disk is slow.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use duramen::{Clock, Durability, Event, FileLog, Log, NewMessage, Options, Retention, Timestamp};

use crate::common::wait_until;

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(20);
const MESSAGE_LEN: usize = 1000;

/// A clock that hangs for all threads but one, while the gate is shut. So the library's thread hangs as it does in a
/// call to a disk that hangs.
#[derive(Debug)]
struct Gate {
    own: ThreadId,
    shut: Mutex<()>,
    waiting: AtomicUsize,
}

impl Clock for Gate {
    fn now(&self) -> Timestamp {
        if thread::current().id() != self.own {
            self.waiting.fetch_add(1, Ordering::AcqRel);
            drop(self.shut.lock());
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
        Timestamp::now()
    }
}

/// A log whose thread in the background hangs from the first rollover on, until the gate is opened.
struct Hanging<'a> {
    /// Dropped first: whoever closes the log waits for the thread.
    hold: Option<MutexGuard<'a, ()>>,
    log: FileLog,
    told: Arc<Mutex<Vec<Event>>>,
}

impl Hanging<'_> {
    fn gate() -> Arc<Gate> {
        Arc::new(Gate {
            own: thread::current().id(),
            shut: Mutex::new(()),
            waiting: AtomicUsize::new(0),
        })
    }

    fn open<'a>(dir: &Path, gate: &'a Arc<Gate>, durability: Durability) -> Hanging<'a> {
        let hold = Some(shut(gate));
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        let log = Options::new()
            .create_dirs(true)
            .rollover(256 << 10)
            .durability(durability)
            .retention(Retention::new().max_age(LONG))
            .on_event(move |_, event| tell.lock().expect("told").push(event.clone()))
            .clock(Arc::clone(gate) as Arc<dyn Clock>)
            .open(dir)
            .expect("a log");
        while gate.waiting.load(Ordering::Acquire) == 0 {
            publish(&log);
        }
        Hanging { hold, log, told }
    }

    fn lags(&self) -> Vec<Duration> {
        let told = self.told.lock().expect("told");
        told.iter()
            .filter_map(|event| match event {
                Event::SyncLate { lag, .. } => Some(*lag),
                Event::RolledOver { .. } | Event::Sealed { .. } => None,
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

fn publish(log: &FileLog) -> u64 {
    log.publish(&[NewMessage::value(&[7; MESSAGE_LEN])])
        .expect("published")
}

/// These tests have the background thread hang, which they share.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shut(gate: &Gate) -> MutexGuard<'_, ()> {
    gate.shut.lock().expect("the gate")
}

/// Goal: while the background does not sync, publishers do, so that no more than about the interval is unsynced; and
/// it is told, once. Method: the thread hangs, and one publisher goes on. When the thread is back and in time, and
/// hangs again, it is told again.
#[test]
fn a_publisher_whose_log_is_late_syncs_itself() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let gate = Hanging::gate();
    let mut hanging = Hanging::open(dir.path(), &gate, Durability::Interval(INTERVAL));
    let start = Instant::now();
    let mut late = 0;
    while start.elapsed() < 20 * INTERVAL {
        let slept = Instant::now();
        thread::sleep(Duration::from_millis(2));
        let slept = slept.elapsed();
        let next = publish(&hanging.log);
        // Whatever the machine does to this thread, at the end of a publish nothing has waited longer than that.
        let lag = hanging.log.sync_lag().expect("open");
        assert!(
            lag <= 2 * INTERVAL + slept + Duration::from_millis(200),
            "{lag:?}"
        );
        late += u64::from(hanging.log.synced_offset().expect("open") < next);
    }
    assert!(hanging.log.synced_offset().expect("open") > 0 && late > 0);
    assert_eq!(hanging.lags().len(), 1, "{:?}", hanging.lags());
    // The clock that says so is this coarse.
    let tick = Duration::from_millis(10);
    assert!(hanging.lags()[0] + tick > 2 * INTERVAL, "{:?}", hanging.lags());

    // On a busy machine the log may be late once more before it hangs again, which is told then, and not later.
    let start = Instant::now();
    let mut is_told_again = false;
    while !is_told_again {
        assert!(start.elapsed() < LONG, "not told again");
        hanging.hold = None;
        // In time again, several times over: the first may still find that publishers were held back.
        for _ in 0..5 {
            let next = publish(&hanging.log);
            wait_until("synced", || hanging.log.synced_offset().expect("open") >= next);
        }
        let before = hanging.lags().len();
        hanging.hold = Some(shut(&gate));
        while gate.waiting.load(Ordering::Acquire) == 0 {
            publish(&hanging.log);
        }
        let hung = Instant::now();
        while !is_told_again && hung.elapsed() < 50 * INTERVAL {
            publish(&hanging.log);
            is_told_again = hanging.lags().len() > before;
        }
    }
    hanging.hold = None;
    hanging.log.close().expect("closed");
}

/// Goal: as above, by bytes.
#[test]
fn a_publisher_whose_log_has_too_many_bytes_unsynced_syncs_itself() {
    const BYTES: u64 = 20_000;
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let gate = Hanging::gate();
    let mut hanging = Hanging::open(dir.path(), &gate, Durability::Bytes(BYTES));
    for _ in 0..500 {
        let next = publish(&hanging.log);
        let unsynced = next - hanging.log.synced_offset().expect("open");
        assert!(unsynced * MESSAGE_LEN as u64 <= 2 * BYTES, "{unsynced} messages");
    }
    assert_eq!(hanging.lags().len(), 1, "{:?}", hanging.lags());
    hanging.hold = None;
    hanging.log.close().expect("closed");
}

/// Goal: that a sync hangs is told even if nobody publishes any more.
#[test]
fn a_sync_that_hangs_is_told_without_a_publisher() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let gate = Hanging::gate();
    // On a busy machine a log may be late, and told so, before the test begins.
    let mut hanging = (0..100)
        .find_map(|number| {
            let dir = dir.path().join(number.to_string());
            let mut hanging = Hanging::open(&dir, &gate, Durability::Interval(INTERVAL));
            hanging.log.sync().expect("synced");
            if hanging.lags().is_empty() {
                return Some(hanging);
            }
            hanging.hold = None;
            hanging.log.close().expect("closed");
            None
        })
        .expect("a log that was in time");
    let next = publish(&hanging.log);
    wait_until("told", || !hanging.lags().is_empty());
    assert!(hanging.log.synced_offset().expect("open") < next);
    assert!(hanging.log.sync_lag().expect("open") > 2 * INTERVAL);
    hanging.hold = None;
    wait_until("synced", || hanging.log.synced_offset().expect("open") == next);
    hanging.log.close().expect("closed");
}

/// Goal: a file system that hangs holds up only its own logs. Method: the thread of the logs on one file system hangs;
/// on another, a log is synced, sealed and trimmed by its retention, and others are opened and closed.
#[test]
fn a_file_system_that_hangs_holds_up_no_log_elsewhere() {
    let _alone = alone();
    let (here, there) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir_in("/dev/shm"),
    );
    let device = |dir: &Path| std::os::unix::fs::MetadataExt::dev(&dir.metadata().expect("a folder"));
    let there = match there {
        Ok(there) if device(there.path()) != device(here.path()) => there,
        _ => return println!("NOT RUN: there is only one file system to write to"),
    };
    let gate = Hanging::gate();
    let mut hanging = Hanging::open(there.path(), &gate, Durability::Interval(INTERVAL));
    let options = Options::new()
        .create_dirs(true)
        .rollover(64 << 10)
        .durability(Durability::Interval(INTERVAL))
        .retention(Retention::new().max_bytes(256 << 10));
    let log = options.open(here.path().join("log")).expect("a log");
    for _ in 0..1000 {
        publish(&log);
    }
    wait_until("synced", || log.synced_offset().expect("open") == 1000);
    wait_until("trimmed", || log.start_offset().expect("open") > 0);
    let is_sealed = || {
        std::fs::read_dir(here.path().join("log"))
            .expect("listed")
            .any(|entry| {
                entry
                    .expect("listed")
                    .path()
                    .extension()
                    .is_some_and(|kind| kind == "idx")
            })
    };
    wait_until("sealed", is_sealed);
    for name in ["other", "another"] {
        let other = options.open(here.path().join(name)).expect("a log");
        let next = publish(&other);
        wait_until("synced", || other.synced_offset().expect("open") == next);
        other.close().expect("closed");
    }
    log.close().expect("closed");
    assert!(
        gate.waiting.load(Ordering::Acquire) > 0,
        "the other thread hangs no more"
    );
    hanging.hold = None;
    hanging.log.close().expect("closed");
}

/// Goal: the durable end moves when a segment left behind was synced, though nobody has asked for a sync.
#[test]
fn sealing_a_segment_moves_the_durable_end() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let log = Options::new()
        .create_dirs(true)
        .rollover(16 << 10)
        .open(dir.path())
        .expect("a log");
    assert_eq!(log.stat().expect("read").unsynced_since, None);
    let start = Instant::now();
    for _ in 0..100 {
        publish(&log);
    }
    wait_until("synced", || log.synced_offset().expect("open") > 80);
    assert!(log.synced_offset().expect("open") < 100);
    let since = log.stat().expect("read").unsynced_since.expect("some wait");
    assert!(start <= since && since <= Instant::now());
    log.sync().expect("synced");
    assert_eq!(log.stat().expect("read").unsynced_since, None);
    assert_eq!(log.sync_lag().expect("open"), Duration::ZERO);
    log.close().expect("closed");
}
