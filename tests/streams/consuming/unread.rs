//! Retention that keeps what somebody has yet to read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use duramen::queue::QueueOptions;
use duramen::store::{
    self, RetentionConfig, RetentionPatch, Store, StoreOptions, Stream, StreamEventKind, StreamPatch,
};
use duramen::{
    Clock, Cursors, Event, Expect, Log, ManualClock, MemoryLog, NewMessage, Options, Retention,
    RetentionFloor, Start, Timestamp, restore,
};

use crate::support::{Home, descriptors_below, plain, publish, until};

const SECOND: Duration = Duration::from_secs(1);

/// Keeps one message, and what is above the floor.
fn one(lag_max: u64, floor: &RetentionFloor) -> Options {
    let policy = Retention::new().max_messages(1).keep_unread(lag_max);
    Options::new()
        .create_dirs(true)
        .retention(policy)
        .retention_floor(floor)
}

fn publish_ten(log: &dyn Log) {
    for _ in 0..10 {
        log.publish(&[NewMessage::value(b"value")]).expect("published");
    }
}

fn publish_to(stream: &Stream, count: u64) {
    for _ in 0..count {
        publish(stream, 0, "value").expect("published");
    }
}

fn start_after_retention(log: &dyn Log) -> u64 {
    log.apply_retention(false).expect("applied");
    log.start_offset().expect("open")
}

fn what_was_not_read_goes_when_the_lag_is_too_large(log: &dyn Log, floor: &RetentionFloor) {
    publish_ten(log);
    assert_eq!(log.apply_retention(true).expect("counted").count, 4);
    assert_eq!((start_after_retention(log), floor.overrun_to()), (4, Some(4)));
    floor.set(7);
    assert_eq!((start_after_retention(log), floor.overrun_to()), (7, Some(4)));
    floor.set(5);
    publish_ten(log);
    assert_eq!((start_after_retention(log), floor.overrun_to()), (14, Some(14)));
    floor.set(u64::MAX);
    assert_eq!(start_after_retention(log), 19);
}

#[test]
fn in_memory_what_was_not_read_goes_when_the_lag_is_too_large() {
    let floor = RetentionFloor::new();
    let log = MemoryLog::with_options(&one(6, &floor));
    what_was_not_read_goes_when_the_lag_is_too_large(&log, &floor);
}

#[test]
fn in_files_what_was_not_read_goes_when_the_lag_is_too_large_and_that_is_told() {
    let (dir, floor) = (tempfile::tempdir().expect("a directory"), RetentionFloor::new());
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let options = one(6, &floor).on_event(move |_, event| {
        if let Event::RetentionOverrun {
            floor, start_offset, ..
        } = event
        {
            teller.lock().expect("whole").push((*floor, *start_offset));
        }
    });
    let log = options.open(dir.path()).expect("opened");
    what_was_not_read_goes_when_the_lag_is_too_large(&log, &floor);
    log.close().expect("closed");
    assert_eq!(*told.lock().expect("whole"), [(0, 4), (5, 14)]);
}

/// Also a log that is opened again applies its limits at once, and must not forget who reads.
#[test]
fn nothing_goes_that_exceeds_the_age_until_it_is_read() {
    let clock = Arc::new(ManualClock::new(Timestamp::now()));
    let (dir, floor) = (tempfile::tempdir().expect("a directory"), RetentionFloor::new());
    let policy = Retention::new()
        .max_age(Duration::from_secs(60))
        .keep_unread(u64::MAX);
    let options = Options::new()
        .retention(policy)
        .retention_floor(&floor)
        .clock(Arc::clone(&clock) as _);
    let log = options.open(dir.path()).expect("opened");
    publish_ten(&log);
    for _ in 0..2 {
        clock.advance(Duration::from_secs(300));
        assert_eq!(start_after_retention(&log), 0);
    }
    log.close().expect("closed");
    let log = options.open(dir.path()).expect("opened");
    clock.advance(Duration::from_secs(300));
    assert_eq!(start_after_retention(&log), 0);
    floor.set(3);
    let waker = || {
        clock.advance(Duration::from_secs(5));
        log.start_offset().expect("open") == 3
    };
    until("what was read is gone", waker);
}

/// A store whose streams keep one message and what was not read, and a clock that the test moves.
struct Kept {
    home: Home,
    clock: Arc<ManualClock>,
    store: Store,
}

impl Kept {
    fn new(change: impl FnOnce(StoreOptions) -> StoreOptions) -> Kept {
        let clock = Arc::new(ManualClock::new(Timestamp::now()));
        let log = Options::new().clock(Arc::clone(&clock) as _);
        let home = Home::with(|options| change(options.log(log)));
        let store = home.open();
        Kept { home, clock, store }
    }

    /// A stream of one partition with ten messages.
    fn stream(&self, lag_max: u64) -> Stream {
        let retention = RetentionConfig::new().max_messages(1).keep_unread(lag_max);
        self.store
            .create("s", &plain().partitions(1).retention(retention))
            .expect("created");
        let stream = self.store.stream("s").expect("there");
        publish_to(&stream, 10);
        stream
    }

    fn set(&self, id: &str, offset: u64) {
        self.store
            .cursors()
            .set(id, "s", 0, offset, Expect::Any)
            .expect("stored");
    }

    fn start(stream: &Stream) -> u64 {
        start_after_retention(&stream.partition(0).expect("there"))
    }

    fn until_start(&self, stream: &Stream, start: u64) {
        until("what was read is gone", || {
            self.clock.advance(SECOND);
            stream.partition(0).expect("there").start_offset().expect("open") == start
        });
    }
}

#[test]
fn a_stream_keeps_what_its_slowest_cursor_has_yet_to_read() {
    let kept = Kept::new(|options| options);
    let stream = kept.stream(u64::MAX);
    kept.set("slow", 2);
    kept.set("fast", 8);
    assert_eq!(Kept::start(&stream), 2);
    kept.set("slow", 5);
    assert_eq!(Kept::start(&stream), 5);
    // One that is new or goes back holds at once.
    kept.store.cursors().reset("fast", "s", 0, 6).expect("reset");
    kept.set("slow", 9);
    assert_eq!(Kept::start(&stream), 6);
    kept.store.cursors().delete("fast", "s", 0).expect("removed");
    kept.set("new", 7);
    assert_eq!(Kept::start(&stream), 7);
    for id in ["new", "slow"] {
        kept.store.cursors().delete(id, "s", 0).expect("removed");
    }
    assert_eq!(Kept::start(&stream), 9, "nobody reads it");
}

#[test]
fn what_was_read_goes_unasked_from_a_partition_that_is_open() {
    let kept = Kept::new(|options| options);
    let stream = kept.stream(u64::MAX);
    kept.set("reader", 2);
    kept.until_start(&stream, 2);
    kept.set("reader", 7);
    kept.until_start(&stream, 7);
}

#[test]
fn what_was_read_goes_unasked_from_a_partition_that_is_closed() {
    let kept = Kept::new(|options| options.idle_after(Duration::from_millis(20)));
    let stream = kept.stream(u64::MAX);
    kept.set("reader", 2);
    let dir = kept.home.partition(&stream, 0);
    for read in [2, 7] {
        kept.set("reader", read);
        until("it is closed", || descriptors_below(&dir) == 0);
        until("what was read is gone", || {
            kept.clock.advance(SECOND);
            let log = Options::new().read_only(true).open(&dir).expect("opened");
            log.start_offset().expect("open") == read
        });
    }
}

#[test]
fn what_is_too_far_behind_goes_and_the_stream_tells_once() {
    let kept = Kept::new(|options| options);
    let stream = kept.stream(4);
    kept.set("stopped", 2);
    let overruns = || {
        let events = kept
            .store
            .events(Start::Oldest)
            .next(1000, Some(Duration::ZERO))
            .expect("read");
        let overruns = events
            .into_iter()
            .filter(|event| event.kind == StreamEventKind::Overrun);
        overruns.map(|event| event.partitions).collect::<Vec<_>>()
    };
    for start in [6, 8] {
        assert_eq!(Kept::start(&stream), start);
        until("it is told", || {
            kept.clock.advance(SECOND);
            overruns() == [[0]]
        });
        publish_to(&stream, 2);
    }
    // It has come after, and stops again.
    kept.set("stopped", 12);
    until("all is known to be read", || {
        kept.clock.advance(SECOND);
        stream.partition(0).expect("there").start_offset().expect("open") > 10
    });
    publish_to(&stream, 10);
    assert_eq!(Kept::start(&stream), 20);
    until("it is told again", || {
        kept.clock.advance(SECOND);
        overruns() == [[0], [0]]
    });
}

/// Says how often somebody asked for the wall clock, as whoever opens a log does.
#[derive(Debug)]
struct Asked {
    clock: ManualClock,
    times: AtomicU64,
}

impl Clock for Asked {
    fn now(&self) -> Timestamp {
        self.times.fetch_add(1, Ordering::Relaxed);
        self.clock.now()
    }

    fn monotonic(&self) -> Instant {
        self.clock.monotonic()
    }
}

/// Opening a partition that is closed sets its floor anew. That must not have it opened once more.
#[test]
fn a_partition_that_waits_for_its_reader_stays_closed() {
    let clock = Arc::new(Asked {
        clock: ManualClock::new(Timestamp::now()),
        times: AtomicU64::new(0),
    });
    let log = Options::new().clock(Arc::clone(&clock) as _);
    let home = Home::with(|options| options.log(log).idle_after(Duration::from_millis(20)));
    let store = home.open();
    let retention = RetentionConfig::new()
        .max_age(Duration::from_secs(60))
        .keep_unread(u64::MAX);
    store.create("s", &plain().retention(retention)).expect("created");
    let stream = store.stream("s").expect("there");
    publish_to(&stream, 10);
    store
        .cursors()
        .set("reader", "s", 0, 2, Expect::Any)
        .expect("stored");
    let dir = home.partition(&stream, 0);
    let pass = |seconds: u64, times: u64| {
        let before = clock.times.load(Ordering::Relaxed);
        for _ in 0..times {
            clock.clock.advance(Duration::from_secs(seconds));
            thread::sleep(Duration::from_secs(1));
        }
        clock.times.load(Ordering::Relaxed) - before
    };
    pass(61, 2);
    until("it is closed", || descriptors_below(&dir) == 0);
    // All is old now. What is held back is looked at once, and then when the reader has come further.
    pass(61, 3);
    let asked = pass(61, 8);
    assert!(asked < 10, "it was opened again: {asked}");
}

/// In front of the first look at the cursors, it is not known who reads.
#[test]
fn a_store_that_is_opened_removes_nothing_before_it_knows_its_readers() {
    let mut kept = Kept::new(|options| options);
    let stream = kept.stream(u64::MAX);
    kept.set("reader", 4);
    kept.store.sync().expect("synced");
    kept.store.close().expect("closed");
    kept.store = kept.home.open();
    drop(stream);
    let stream = kept.store.stream("s").expect("there");
    for _ in 0..3 {
        publish(&stream, 0, "value").expect("published");
        assert!(stream.partition(0).expect("there").start_offset().expect("open") <= 4);
    }
    kept.until_start(&stream, 4);
}

#[test]
fn the_cursors_of_an_earlier_stream_of_the_name_hold_nothing() {
    let kept = Kept::new(|options| options);
    kept.stream(u64::MAX);
    kept.set("reader", 4);
    kept.store.delete("s").expect("deleted");
    crate::support::until_purged(&kept.store, "s");
    assert_eq!(Kept::start(&kept.stream(u64::MAX)), 9);
}

#[test]
fn a_stream_that_is_told_to_keep_what_was_not_read_does_so_from_then_on() {
    let kept = Kept::new(|options| options);
    let stream = kept.stream(u64::MAX);
    kept.set("reader", 4);
    let patch = |patch: RetentionPatch| StreamPatch::new().retention(patch);
    kept.store
        .reconfigure("s", &patch(RetentionPatch::new().max_messages(8)))
        .expect("set");
    assert_eq!(Kept::start(&stream), 2);
    kept.store
        .reconfigure("s", &patch(RetentionPatch::new().max_messages(1)))
        .expect("set");
    assert_eq!(Kept::start(&stream), 4);
}

#[test]
fn a_stream_keeps_what_a_work_queue_has_yet_to_do() {
    let mut kept = Kept::new(|options| options);
    let mut stream = kept.stream(u64::MAX);
    kept.set("reader", 8);
    let opened = |kept: &Kept| {
        kept.store
            .queue("s", "workers", QueueOptions::new())
            .expect("opened")
    };
    let queue = opened(&kept);
    let next = || queue.next(Some(Duration::ZERO)).expect("looked").expect("a job");
    let first = next();
    (1..4).for_each(|_| next().done().expect("done"));
    assert_eq!(Kept::start(&stream), 0, "the first job is under way");
    first.done().expect("done");
    assert_eq!(Kept::start(&stream), 4);
    next().done().expect("done");
    queue.close().expect("closed");
    drop(queue);
    assert_eq!(Kept::start(&stream), 5);
    drop(stream);
    kept.store.close().expect("closed");
    kept.store = kept.home.open();
    stream = kept.store.stream("s").expect("there");
    publish_to(&stream, 1);
    assert_eq!(Kept::start(&stream), 5);
    let queue = opened(&kept);
    while let Some(job) = queue.next(Some(Duration::ZERO)).expect("looked") {
        job.done().expect("done");
    }
    assert_eq!(Kept::start(&stream), 8, "the cursor is there");
}

/// The lives of the partition part at 5, and the reader had been at 8. What was published since at 5 to 7 is new to it,
/// also when nobody has the partition open while its floor is set.
#[test]
fn a_partition_that_is_opened_in_another_life_keeps_what_is_new_there() {
    let mut kept = Kept::new(|options| options.log(Options::new().background(false)));
    let stream = kept.stream(u64::MAX);
    kept.set("reader", 8);
    let dir = kept.home.partition(&stream, 0);
    drop(stream);
    kept.store.close().expect("closed");
    let taken = dir.with_extension("taken");
    std::fs::rename(&dir, &taken).expect("moved");
    restore(&taken, &dir, Start::At(5)).expect("restored");
    for _ in 0..2 {
        kept.store = kept.home.open();
        let stream = kept.store.stream("s").expect("there");
        if stream.partition(0).expect("there").next_offset().expect("open") == 5 {
            publish_to(&stream, 10);
        } else {
            assert_eq!(Kept::start(&stream), 5);
        }
        kept.store.close().expect("closed");
    }
}

/// A copy has the cursors from before the partitions: retention must not go on with newer ones meanwhile.
#[test]
fn a_copy_has_what_its_cursors_have_yet_to_read() {
    let kept = Kept::new(|options| options);
    let stream = kept.stream(u64::MAX);
    let copies = kept.home.path().with_extension("copies");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                publish_to(&stream, 5);
                let next = stream.partition(0).expect("there").next_offset().expect("open");
                kept.set("reader", next - 1);
                Kept::start(&stream);
            }
        });
        for round in 0..30 {
            kept.store
                .backup(&copies.join(round.to_string()))
                .expect("a backup");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    for round in 0..30 {
        let restored = copies.join(format!("restored {round}"));
        store::restore(copies.join(round.to_string()), &restored, &StoreOptions::new()).expect("restored");
        let copy = StoreOptions::new()
            .read_only(true)
            .open(&restored)
            .expect("opened");
        let stored = copy.cursors().get("reader", "s", 0).expect("read");
        let place = stored.map_or(0, |stored| stored.position.offset);
        let log = copy.stream("s").expect("there").partition(0).expect("there");
        let start = log.start_offset().expect("open");
        assert!(
            start <= place,
            "copy {round} begins at {start}, and {place} is next"
        );
    }
}

#[test]
fn a_floor_of_a_single_log_is_where_its_cursors_and_its_queue_are() {
    let (home, floor) = (tempfile::tempdir().expect("a directory"), RetentionFloor::new());
    let log = Arc::new(
        one(u64::MAX, &floor)
            .open(home.path().join("log"))
            .expect("opened"),
    );
    publish_ten(&*log);
    let cursors =
        Cursors::open(home.path().join("cursors"), &Options::new().create_dirs(true)).expect("opened");
    let cursors = cursors.with_log("log", &log);
    assert_eq!(cursors.lowest("log", 0).expect("looked"), None);
    cursors.set("a", "log", 0, 6, Expect::Any).expect("stored");
    cursors.set("b", "log", 0, 3, Expect::Any).expect("stored");
    assert_eq!(cursors.lowest("log", 0).expect("looked"), Some(3));
    let queue =
        duramen::queue::Queue::open(&*log, home.path().join("queue"), QueueOptions::new()).expect("opened");
    queue
        .next(None)
        .expect("looked")
        .expect("a job")
        .done()
        .expect("done");
    assert_eq!(queue.synced_floors().expect("synced"), [1]);
    floor.set(1);
    assert_eq!(start_after_retention(&*log), 1);
}

/// The lives part at 5: what was published there since then was read by nobody, wherever the cursor had been.
#[test]
fn a_cursor_of_another_life_counts_up_to_where_the_lives_part() {
    let home = tempfile::tempdir().expect("a directory");
    let [first, other] = ["log", "other"].map(|name| home.path().join(name));
    let log = Arc::new(Options::new().create_dirs(true).open(&first).expect("opened"));
    publish_ten(&*log);
    let cursors =
        Cursors::open(home.path().join("cursors"), &Options::new().create_dirs(true)).expect("opened");
    cursors
        .clone()
        .with_log("log", &log)
        .set("a", "log", 0, 8, Expect::Any)
        .expect("stored");
    log.close().expect("closed");
    restore(&first, &other, Start::At(5)).expect("restored");
    let log = Arc::new(Options::new().open(&other).expect("opened"));
    publish_ten(&*log);
    assert_eq!(
        cursors.with_log("log", &log).lowest("log", 0).expect("looked"),
        Some(5)
    );
}
