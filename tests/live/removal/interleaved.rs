//! Readers in the middle of every operation that gives a file another name, or takes a name away.
//!
//! On a simulated disk, the one call happens at each point at which the other is about to call the file system, or has
//! just done so. So every window between two steps of an operation is entered, each time.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use duramen::fault::SimDisk;
use duramen::{Durability, FileLog, Log, NewMessage, Options, Start, Timestamp};

const DIR: &str = "/log";
const KEYS: u64 = 3;
/// How long a call is waited for that may have to wait for the one that it interrupts.
const BLOCKED_AFTER: Duration = Duration::from_millis(3);

type Call = fn(&FileLog, &SimDisk) -> String;

fn options(disk: &SimDisk) -> Options {
    Options::new()
        .create_dirs(true)
        .key_index(true)
        .time_index(true)
        .durability(Durability::EachPublish)
        .background(false)
        .rollover(1 << 10)
        .segments_mapped_max(2)
        .storage(disk)
}

fn publish(log: &FileLog, len: usize) {
    let next = log.next_offset().expect("open");
    let key = [b'a' + u8::try_from(next % KEYS).expect("small")];
    let time = Timestamp::from_micros(i64::try_from(next).expect("small"));
    let value = vec![7; len];
    log.publish(&[NewMessage::new(&key, &value).time(time)])
        .expect("published");
}

/// A log of `count` messages of 200 bytes, which is closed and opened again with `last`.
fn reopened(disk: &SimDisk, count: u64, last: impl FnOnce(&FileLog)) -> FileLog {
    let log = options(disk).open(DIR).expect("a new log");
    (0..count).for_each(|_| publish(&log, 200));
    last(&log);
    log.close().expect("closed");
    options(disk).open(DIR).expect("a log")
}

fn delete(log: &FileLog, offsets: impl IntoIterator<Item = u64>) {
    log.delete(&BTreeSet::from_iter(offsets)).expect("deleted");
}

/// An operation that readers meet in the middle, and the log that it is done to.
struct Operation {
    name: &'static str,
    log: fn(&SimDisk) -> FileLog,
    run: fn(&FileLog),
}

const OPERATIONS: [Operation; 8] = [
    Operation {
        name: "an empty last segment of a log that was closed is replaced",
        log: |disk| reopened(disk, 10, |log| delete(log, [9])),
        run: |log| publish(log, 2000),
    },
    Operation {
        name: "an empty segment that is written to is replaced",
        log: |disk| {
            let log = reopened(disk, 10, |_| {});
            delete(&log, [9]);
            log
        },
        run: |log| publish(log, 1 << 20),
    },
    Operation {
        name: "the last segment of a log that was closed is gone on in",
        log: |disk| reopened(disk, 9, |_| {}),
        run: |log| publish(log, 20),
    },
    Operation {
        name: "a segment is left behind and sealed",
        log: |disk| reopened(disk, 10, |log| publish(log, 20)),
        run: |log| publish(log, 900),
    },
    Operation {
        name: "a segment is rewritten",
        log: |disk| reopened(disk, 20, |_| {}),
        run: |log| delete(log, [9]),
    },
    Operation {
        name: "the last segment is rewritten",
        log: |disk| reopened(disk, 20, |_| {}),
        run: |log| delete(log, [19]),
    },
    Operation {
        name: "small segments become one",
        log: |disk| {
            let log = reopened(disk, 20, |_| {});
            delete(&log, [0, 1, 2, 3, 4, 6]);
            log
        },
        run: |log| delete(log, [7]),
    },
    Operation {
        name: "segments are trimmed",
        log: |disk| reopened(disk, 20, |_| {}),
        run: |log| {
            log.trim(11).expect("trimmed");
        },
    },
];

/// What readers ask, each in one call that may have to open files.
const READERS: [(&str, Call); 11] = [
    ("get", |log, _| shown(&log.get(Start::At(9)))),
    ("get the oldest", |log, _| shown(&log.get(Start::Oldest))),
    ("get the newest", |log, _| shown(&log.get(Start::Newest))),
    ("get the n-th last", |log, _| shown(&log.get(Start::Last(8)))),
    ("get by key", |log, _| shown(&log.get_by_key(b"a"))),
    ("get by a key that is not there", |log, _| {
        shown(&log.get_by_key(b"z"))
    }),
    ("get by time", |log, _| {
        shown(&log.get_by_time(Timestamp::from_micros(9)))
    }),
    ("consume", |log, _| shown(&log.consume(Start::At(9), 100))),
    ("consume by key", |log, _| {
        shown(&log.consume_by_key(b"b", Start::At(8), 100))
    }),
    ("stat", |log, _| {
        shown(
            &log.stat()
                .map(|stats| (stats.start_offset, stats.next_offset, stats.messages)),
        )
    }),
    ("scan", |log, _| {
        let first = || {
            log.scan(Start::At(9))?
                .next()
                .map(|found| found.map(|message| message.offset))
        };
        shown(&first())
    }),
];

/// Readers that copy the log or take from it; they wait for removals.
const COPYING: [(&str, Call); 2] = [
    ("backup", |log, disk| {
        let dir = "/backup";
        let copied = log.backup(Path::new(dir));
        let Ok(report) = copied else { return shown(&copied) };
        let found = duramen::check(dir, &options(disk)).expect("a check");
        assert!(found.is_clean(), "{:?}", found.problems);
        let copy = options(disk).read_only(true).open(dir).expect("a copy");
        format!("{} {:?}", report.next_offset, copy.consume(Start::Last(3), 100))
    }),
    ("what retention would take", |log, _| {
        shown(&log.apply_retention(true))
    }),
];

fn shown<T: std::fmt::Debug>(result: &duramen::Result<T>) -> String {
    format!("{result:?}")
}

/// Does `inner` in the middle of `outer`, at the point with this number; returns what `inner` said, or `None` if
/// `outer` has fewer points.
fn interrupted<T>(
    log: &Arc<FileLog>,
    disk: &SimDisk,
    point: usize,
    inner: impl Fn(&FileLog, &SimDisk) -> T + Send + Sync + 'static,
    outer: impl FnOnce(),
) -> Option<T>
where
    T: Send + 'static,
{
    let (told, answer) = mpsc::channel();
    let (own, reached) = (thread::current().id(), AtomicUsize::new(0));
    let inner = Arc::new(inner);
    let (log, on) = (Arc::clone(log), disk.clone());
    let visit = move || {
        if thread::current().id() != own || reached.fetch_add(1, Ordering::Relaxed) != point {
            return;
        }
        let (inner, log, on, told) = (Arc::clone(&inner), Arc::clone(&log), on.clone(), told.clone());
        let (over, is_over) = mpsc::channel();
        thread::spawn(move || {
            let said = inner(&log, &on);
            let _ = over.send(());
            let _ = told.send(said);
        });
        // After that time the call waits for the one that it interrupts.
        let _ = is_over.recv_timeout(BLOCKED_AFTER);
    };
    disk.visit(Some(Arc::new(visit)));
    outer();
    disk.visit(None);
    // This ends as soon as no thread is left that could tell.
    answer.recv_timeout(Duration::from_secs(60)).ok()
}

/// What `read` says before and after the operation.
fn allowed(operation: &Operation, read: Call) -> [String; 2] {
    let mut said = [false, true].map(|is_after| {
        let disk = SimDisk::new(7);
        let log = (operation.log)(&disk);
        if is_after {
            (operation.run)(&log);
        }
        read(&log, &disk)
    });
    said.sort();
    said
}

/// Goal: a reader in the middle of an operation sees the log as it was before or as it is after it, and never takes a
/// file that has changed its name for damage.
#[test]
fn readers_in_the_middle_of_an_operation_see_the_log_before_or_after_it() {
    for operation in &OPERATIONS {
        let mut points = 0;
        let allowed: Vec<_> = READERS
            .iter()
            .map(|(_, read)| allowed(operation, *read))
            .collect();
        for point in 0.. {
            let disk = SimDisk::new(7);
            let log = Arc::new((operation.log)(&disk));
            let read_all = |log: &FileLog, disk: &SimDisk| {
                READERS.map(|(name, read)| {
                    // So that the files have to be opened.
                    log.gc(Duration::ZERO).expect("open");
                    (name, read(log, disk))
                })
            };
            log.gc(Duration::ZERO).expect("open");
            let Some(said) = interrupted(&log, &disk, point, read_all, || (operation.run)(&log)) else {
                break;
            };
            for ((name, said), allowed) in said.into_iter().zip(&allowed) {
                assert!(
                    allowed.contains(&said),
                    "{}, point {point}: {name}: {said}",
                    operation.name
                );
            }
            points += 1;
        }
        println!("  {}: {points} points", operation.name);
        assert!(points > 10, "{}: only {points} points", operation.name);
    }
}

/// The same of an operation in the middle of a reader, whose list of segments is then out of date.
#[test]
fn readers_that_an_operation_interrupts_see_the_log_before_or_after_it() {
    for operation in &OPERATIONS {
        let mut points = 0;
        for (name, read) in READERS {
            let allowed = allowed(operation, read);
            for point in 0.. {
                let disk = SimDisk::new(7);
                let log = Arc::new((operation.log)(&disk));
                log.gc(Duration::ZERO).expect("open");
                let (mut said, run) = (String::new(), operation.run);
                let done = interrupted(
                    &log,
                    &disk,
                    point,
                    move |log, _| run(log),
                    || said = read(&log, &disk),
                );
                if done.is_none() {
                    break;
                }
                assert!(
                    allowed.contains(&said),
                    "{}, point {point} of {name}: {said}",
                    operation.name
                );
                points += 1;
            }
        }
        println!("  {}: {points} points", operation.name);
        assert!(points > 10, "{}: only {points} points", operation.name);
    }
}

/// The same of backups, and of others that wait for removals.
#[test]
fn copies_in_the_middle_of_an_operation_show_the_log_before_or_after_it() {
    for operation in &OPERATIONS {
        for (name, read) in COPYING {
            let allowed = allowed(operation, read);
            for is_inside in [true, false] {
                for point in 0.. {
                    let disk = SimDisk::new(7);
                    let log = Arc::new((operation.log)(&disk));
                    log.gc(Duration::ZERO).expect("open");
                    let run = operation.run;
                    let said = if is_inside {
                        interrupted(&log, &disk, point, read, || run(&log))
                    } else {
                        let mut said = String::new();
                        interrupted(
                            &log,
                            &disk,
                            point,
                            move |log, _| run(log),
                            || said = read(&log, &disk),
                        )
                        .map(|()| said)
                    };
                    let Some(said) = said else { break };
                    assert!(
                        allowed.contains(&said),
                        "{}, point {point}, inside {is_inside}: {name}: {said}",
                        operation.name
                    );
                }
            }
        }
    }
}
