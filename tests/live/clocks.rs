//! Retention by age, while clocks step.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use duramen::compact::{self, Settings};
use duramen::{Event, FileLog, Log, ManualClock, MemoryLog, NewMessage, Options, Retention, Timestamp};
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::common::fast_dir;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// The right time when a test begins: in 2025.
const RIGHT: i64 = 1_750_000_000_000_000;

fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).expect("a short time")
}

/// A log whose clock the test sets, and whose passes are made where it is opened and where segments are begun.
struct Place {
    dir: Option<TempDir>,
    clock: Arc<ManualClock>,
    options: Options,
    told: Arc<Mutex<Vec<Event>>>,
    log: Box<dyn Log>,
    /// Whether messages claim to be two hours old.
    is_claimed: bool,
    what: String,
}

#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches that do not depend on each other"
)]
struct Kind {
    is_file: bool,
    time_index: bool,
    is_claimed: bool,
    /// Whether a segment has room for only a few messages.
    is_small: bool,
}

/// Every kind of log, with messages of either kind.
fn kinds() -> Vec<Kind> {
    let both = [false, true];
    let mut kinds = Vec::new();
    for is_claimed in both {
        for is_small in both {
            for time_index in both {
                for is_file in both {
                    kinds.push(Kind {
                        is_file,
                        time_index,
                        is_claimed,
                        is_small,
                    });
                }
            }
        }
    }
    kinds
}

impl Place {
    fn new(kind: Kind, policy: Retention) -> Place {
        let clock = Arc::new(ManualClock::new(time(RIGHT)));
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        let options = Options::new()
            .create_dirs(true)
            .background(false)
            .time_index(kind.time_index)
            .rollover(if kind.is_small { 1024 } else { 64 << 20 })
            .clock(Arc::<ManualClock>::clone(&clock))
            .on_event(move |_, event| {
                if matches!(event, Event::RetentionWaits { .. }) {
                    tell.lock().push(event.clone());
                }
            })
            .retention(policy);
        let dir = kind.is_file.then(fast_dir);
        let log = open(&options, dir.as_ref().map(TempDir::path));
        Place {
            dir,
            clock,
            options,
            told,
            log,
            is_claimed: kind.is_claimed,
            what: format!("{kind:?}"),
        }
    }

    /// Publishes ten messages.
    fn publish(&self) {
        for _ in 0..10 {
            let message = NewMessage::value(&[7; 100]);
            let claimed = time(RIGHT).saturating_sub(2 * HOUR);
            let message = if self.is_claimed {
                message.time(claimed)
            } else {
                message
            };
            self.log.publish(&[message]).expect("published");
        }
    }

    /// Closes the log and opens it again. A log in memory cannot be.
    fn restart(&mut self) {
        if let Some(dir) = &self.dir {
            self.log.close().expect("closed");
            self.log = open(&self.options, Some(dir.path()));
        }
    }

    /// Lets time pass, and looks every minute for what is old, as a log with a background does.
    fn wait(&self, minutes: u32) {
        for _ in 0..minutes {
            self.clock.advance(MINUTE);
            self.log.apply_retention(false).expect("applied");
        }
    }

    fn start(&self) -> u64 {
        self.log.start_offset().expect("open")
    }

    /// Applies the policy; the log is to begin at `start` then.
    fn keeps_from(&self, start: u64, when: &str) {
        self.log.apply_retention(false).expect("applied");
        assert_eq!(self.start(), start, "{when}: {}", self.what);
    }
}

fn open(options: &Options, dir: Option<&Path>) -> Box<dyn Log> {
    match dir {
        Some(dir) => Box::new(options.open(dir).expect("opens")),
        None => Box::new(MemoryLog::with_options(options)),
    }
}

fn hour() -> Retention {
    Retention::new().max_age(HOUR)
}

/// What messages claim to be does not count, unless asked for.
#[test]
fn age_counts_from_publishing_unless_asked_otherwise() {
    for kind in kinds() {
        let place = Place::new(kind, hour());
        place.publish();
        place.keeps_from(0, "at once");
        place.wait(59);
        place.keeps_from(0, "before its time");
        place.wait(3);
        place.publish();
        // With a claimed time, it is known that they were published before something else was.
        let late = if kind.is_file && kind.is_claimed {
            8 * MINUTE
        } else {
            Duration::ZERO
        };
        place.clock.advance(late);
        place.keeps_from(10, "in its time");
        place.clock.advance(2 * HOUR);
        place.keeps_from(20, "all are old");

        let place = Place::new(kind, hour().by_event_time(true));
        place.publish();
        place.keeps_from(if kind.is_claimed { 10 } else { 0 }, "by event time");
    }
}

/// Goal: a clock that was ahead, once or for ever, keeps nothing for good, and nothing goes early for it. Method: it is
/// ahead for some messages, by days and beyond what a segment's header can say, and right for others, or for none.
#[test]
fn a_clock_that_was_ahead_once_blocks_nothing() {
    for kind in kinds() {
        for ahead in [1, 30, 365, 90 * 365, 300 * 365] {
            for (restarts, publishes) in [(false, true), (true, true), (true, false)] {
                let mut place = Place::new(kind, hour());
                let ahead_by = micros(DAY) * ahead;
                place.what = format!("{ahead} days, restarts {restarts}, publishes {publishes}, {kind:?}");
                place.clock.set(time(RIGHT + ahead_by));
                place.publish();
                place.clock.set(time(RIGHT));
                if restarts {
                    place.restart();
                }
                if publishes {
                    place.publish();
                }
                place.keeps_from(0, "right again");
                place.wait(30);
                // No life is as long as the age, so the monotonic clock alone tells of nothing that it is old.
                if restarts {
                    place.restart();
                }
                place.wait(29);
                place.keeps_from(0, "before its time");
                place.wait(3);
                if restarts {
                    place.restart();
                }
                // What messages claim tells nothing of the time at which they were published. A life before this one,
                // after whose last look it is not known either, is to end with the segment.
                place.wait(10);
                place.keeps_from(if publishes { 20 } else { 10 }, "in its time");
            }
        }
    }
}

/// A clock that goes back removes nothing early, and keeps nothing for good, also when it is right again.
#[test]
fn a_clock_that_goes_back_removes_nothing_early_and_blocks_nothing() {
    for kind in kinds() {
        for (restarts, is_right_again) in [(false, false), (true, false), (false, true)] {
            let mut place = Place::new(kind, hour());
            place.what = format!("restarts {restarts}, right again {is_right_again}, {kind:?}");
            place.publish();
            place.clock.set(time(RIGHT - micros(YEAR)));
            if restarts {
                place.restart();
            }
            place.publish();
            place.keeps_from(0, "back");
            place.wait(59);
            place.keeps_from(0, "before its time");
            if is_right_again {
                place.clock.set(time(RIGHT + micros(59 * MINUTE)));
            }
            place.wait(3);
            if restarts {
                place.restart();
            }
            place.keeps_from(20, "in its time");
        }
    }
}

/// Goal: a step of the wall clock while a log is open removes nothing, back, ahead, or from 1970; what time has passed
/// for goes nevertheless. Method: passes are made as segments are begun; a log in memory makes them when it is read.
#[test]
fn a_step_while_a_log_is_open_removes_nothing_by_itself() {
    for kind in kinds().into_iter().filter(|kind| kind.is_small) {
        for (before, after) in [
            (RIGHT, RIGHT + micros(YEAR)),
            (RIGHT, RIGHT + 100 * micros(YEAR)),
            (RIGHT, RIGHT - micros(YEAR)),
            (RIGHT, 0),
            (0, RIGHT),
        ] {
            let mut place = Place::new(kind, hour());
            place.clock.set(time(before));
            // A new life, which has never seen another time.
            place.restart();
            place.publish();
            place.clock.set(time(after));
            for _ in 0..5 {
                place.clock.advance(11 * MINUTE);
                place.publish();
                assert_eq!(place.start(), 0, "after {before} came {after}: {}", place.what);
            }
            // 55 minutes have passed since the step. A pass is made before each last message of a segment.
            place.clock.advance(17 * MINUTE);
            place.publish();
            place.publish();
            let start = place.start();
            assert!(
                (10..=20).contains(&start),
                "{start} after {before} and {after}: {}",
                place.what
            );
            place.clock.advance(2 * HOUR);
            place.publish();
            place.publish();
            let start = place.start();
            assert!(
                (50..=80).contains(&start),
                "{start} after {before} and {after}: {}",
                place.what
            );
        }
    }
}

/// Goal: a step makes nothing due that an earlier life has left. Method: the log begins with two generations, of which
/// the older one comes due a little later by the monotonic clock, and the other one much later.
#[test]
fn a_step_makes_nothing_of_an_earlier_life_due() {
    for kind in kinds().into_iter().filter(|kind| kind.is_small) {
        let mut place = Place::new(kind, hour());
        place.publish();
        place.clock.advance(40 * MINUTE);
        place.publish();
        place.clock.advance(10 * MINUTE);
        place.restart();
        place.clock.set(time(RIGHT + micros(YEAR)));
        place.clock.advance(12 * MINUTE);
        place.publish();
        place.publish();
        // What claims its time may be younger than it is, as far as is known.
        let is_exact = !(kind.is_file && kind.is_claimed);
        let start = place.start();
        assert!(
            start <= 10 && (start == 10 || !is_exact),
            "{start}: {}",
            place.what
        );
        place.clock.advance(40 * MINUTE);
        place.publish();
        place.publish();
        let start = place.start();
        assert!(
            start <= 20 && (start == 20 || !is_exact),
            "{start}: {}",
            place.what
        );
    }
}

/// A clock that is back for a while, between two looks of the log, makes nothing old.
#[test]
fn a_clock_that_is_back_for_a_while_removes_nothing_early() {
    for kind in kinds().into_iter().filter(|kind| kind.is_small) {
        let mut place = Place::new(kind, hour());
        place.restart();
        place.clock.advance(30 * MINUTE);
        place.clock.set(time(micros(5 * DAY)));
        place.publish();
        place.clock.set(time(RIGHT + micros(30 * MINUTE)));
        place.clock.advance(31 * MINUTE);
        place.publish();
        place.publish();
        // The first message was published between two looks: when in between, only the wall clock tells.
        assert!(place.start() <= 1, "{}: {}", place.start(), place.what);
    }
}

/// After a restart, a step looks like time that has passed. So a log waits before it removes most of what it has.
#[test]
fn at_open_more_than_half_of_the_log_waits_a_minute() {
    for kind in kinds().into_iter().filter(|kind| kind.is_file && kind.is_small) {
        for is_corrected in [false, true] {
            let mut place = Place::new(kind, hour());
            place.publish();
            place.publish();
            place.clock.advance(30 * MINUTE);
            place.publish();
            place.clock.set(time(RIGHT + micros(YEAR)));
            place.restart();
            assert_eq!(place.start(), 0, "{}", place.what);
            let told = place.told.lock().clone();
            let [
                Event::RetentionWaits {
                    before,
                    messages,
                    wait,
                },
            ] = told[..]
            else {
                panic!("{told:?}");
            };
            assert_eq!((messages, wait), (before, MINUTE));
            assert!((20..=30).contains(&before), "{before}");
            place.clock.advance(59 * Duration::from_secs(1));
            place.publish();
            assert_eq!(place.start(), 0, "{}", place.what);
            if is_corrected {
                place.clock.set(time(RIGHT + micros(31 * MINUTE)));
            }
            place.clock.advance(2 * Duration::from_secs(1));
            place.publish();
            place.publish();
            assert_eq!(
                place.start(),
                if is_corrected { 0 } else { before },
                "{}",
                place.what
            );
            assert_eq!(place.told.lock().len(), 1, "it is told once");
        }
    }
}

/// While a log waits, its clock may be set to yet another time: that is a step while the log is open.
#[test]
fn a_step_while_it_waits_removes_nothing_more() {
    for kind in kinds()
        .into_iter()
        .filter(|kind| kind.is_file && kind.is_small && !kind.is_claimed)
    {
        let mut place = Place::new(kind, hour());
        place.publish();
        place.publish();
        place.clock.advance(2 * HOUR);
        place.publish();
        // It has been removed unasked already, but for the last segment.
        place.restart();
        place.clock.advance(30 * MINUTE);
        place.restart();
        let begin = place.start();
        place.clock.set(time(RIGHT + micros(YEAR)));
        place.clock.advance(2 * MINUTE);
        place.publish();
        place.publish();
        assert_eq!(place.start(), begin, "{}", place.what);
    }
}

/// At most half of the log goes at once, and so does everything where somebody asks for it.
#[test]
fn half_of_the_log_or_what_is_asked_for_goes_at_once() {
    for kind in kinds().into_iter().filter(|kind| kind.is_file) {
        let mut place = Place::new(kind, hour());
        place.publish();
        place.restart();
        place.clock.advance(9 * MINUTE);
        place.keeps_from(0, "young");
        place.clock.advance(41 * MINUTE);
        place.publish();
        place.log.close().expect("closed");
        place.clock.advance(22 * MINUTE);
        let dir = place.dir.as_ref().map(TempDir::path);
        place.log = open(&place.options, dir);
        assert_eq!(place.start(), 10, "{}", place.what);
        assert_eq!(*place.told.lock(), [], "{}", place.what);

        place.is_claimed = false;
        place.publish();
        place.log.close().expect("closed");
        place.clock.advance(2 * HOUR);
        place.log = open(&place.options, place.dir.as_ref().map(TempDir::path));
        assert_eq!(place.start(), 10, "it waits: {}", place.what);
        place.keeps_from(30, "asked for");
    }
}

fn real(dir: &Path, policy: Retention, rollover: u64) -> FileLog {
    let options = Options::new()
        .create_dirs(true)
        .rollover(rollover)
        .retention(policy);
    options.open(dir).expect("opens")
}

/// Waits until the log begins at `start`; nobody uses it meanwhile.
fn begins_at(log: &FileLog, start: u64) {
    let begun = Instant::now();
    while log.start_offset().expect("open") != start {
        assert!(
            begun.elapsed() < 30 * Duration::from_secs(1),
            "it begins at {:?}",
            log.start_offset()
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Nothing is published and nobody asks: the log's own timer removes what is old, by either kind of time.
#[test]
fn an_idle_log_expires() {
    for claimed in [None, Some(time(0))] {
        let dir = fast_dir();
        let log = real(
            dir.path(),
            Retention::new().max_age(Duration::from_secs(1)),
            64 << 20,
        );
        for _ in 0..10 {
            let message = NewMessage {
                time: claimed,
                ..NewMessage::value(b"tick")
            };
            log.publish(&[message]).expect("published");
        }
        assert_eq!(log.start_offset().expect("open"), 0);
        begins_at(&log, 10);
        log.publish(&[NewMessage::value(b"fresh")]).expect("published");
        assert_eq!(log.get(duramen::Start::Oldest).expect("there").offset, 10);
        begins_at(&log, 11);
    }
}

/// A policy that a log is opened with is applied at once.
#[test]
fn limits_are_applied_at_open() {
    for (policy, kept) in [
        (Retention::new().max_messages(100), 100),
        (Retention::new().max_bytes(124 * 100), 100),
    ] {
        let dir = fast_dir();
        let log = real(dir.path(), Retention::new(), 4096);
        for _ in 0..1000 {
            log.publish(&[NewMessage::value(&[7; 100])]).expect("published");
        }
        log.close().expect("closed");
        let log = real(dir.path(), policy, 4096);
        begins_at(&log, 1000 - kept);
        assert!(log.stat().expect("open").segments < 6);
    }
}

/// A log that is written to slowly, or not at all any more, gives its storage back.
#[test]
fn the_last_segment_is_left_behind_when_it_is_old() {
    for kind in kinds().into_iter().filter(|kind| kind.is_file && !kind.is_small) {
        let place = Place::new(kind, hour());
        place.publish();
        place.clock.advance(9 * MINUTE);
        place.keeps_from(0, "young");
        assert_eq!(place.log.stat().expect("open").segments, 2, "{}", place.what);
        let full = place.log.stat().expect("open").size;
        place.clock.advance(HOUR + MINUTE);
        place.keeps_from(10, "old");
        let stat = place.log.stat().expect("open");
        assert!(stat.segments == 1 && stat.size < full / 4, "{stat:?}");
        // Nothing is left that could be left behind.
        place.clock.advance(HOUR);
        place.keeps_from(10, "empty");
        assert_eq!(place.log.stat().expect("open").segments, 1);
    }
}

/// Goal: a reader that pauses for less than a day sees every tombstone, whatever time it claims. Method: the tombstone
/// claims to be old, and the log is compacted as it is by default.
#[test]
fn compaction_leaves_a_tombstone_for_a_day_after_it_was_published() {
    for is_file in [false, true] {
        let (dir, clock) = (fast_dir(), Arc::new(ManualClock::new(time(RIGHT))));
        let options = Options::new().create_dirs(true).background(false).key_index(true);
        let options = options.clock(Arc::<ManualClock>::clone(&clock));
        let log = open(&options, is_file.then(|| dir.path()));
        log.publish(&[NewMessage::new(b"key", b"value")])
            .expect("published");
        let week_old = time(RIGHT).saturating_sub(7 * DAY);
        log.publish(&[NewMessage::tombstone(b"key").time(week_old)])
            .expect("published");
        log.publish(&[NewMessage::value(b"behind it")])
            .expect("published");
        let compacted = || {
            let deleted = compact::compact(&*log, &Settings::new());
            deleted.expect("compacted").messages
        };
        assert_eq!(compacted(), 1, "the value goes at once");
        clock.advance(23 * HOUR);
        assert_eq!(compacted(), 0, "the tombstone stays");
        clock.set(time(RIGHT - micros(DAY)));
        assert_eq!(compacted(), 0, "it stays when the clock goes back");
        clock.set(time(RIGHT + micros(25 * HOUR)));
        assert_eq!(compacted(), 1, "it goes");
    }
}
