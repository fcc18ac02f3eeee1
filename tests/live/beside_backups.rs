//! Backups that are held up, as by a target that hangs: the log is published to, trimmed, rewritten and closed all the
//! same, and the backup shows the log at its moment.
//!
//! On a simulated disk, the thread of a backup stands still at each point at which it is about to call the file system,
//! or has just done so.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use duramen::fault::{Errno, Fault, SimDisk};
use duramen::{BackupReport, Error, FileLog, Log, NewMessage, Options, Result, Retention, check};

use crate::common::read_all;

const DIR: &str = "/log";
const COPY: &str = "/copy";
/// A call that takes so long waits for the backup.
const WAITS_AFTER: Duration = Duration::from_secs(20);
/// The same where it may wait, while the backup fixes its moment.
const MAY_WAIT_FOR: Duration = Duration::from_millis(100);

type Step = fn(&FileLog);
type Content = Vec<(u64, Vec<u8>)>;

fn options(disk: &SimDisk) -> Options {
    Options::new()
        .create_dirs(true)
        .key_index(true)
        .background(false)
        .rollover(1 << 10)
        .storage(disk)
}

fn publish(log: &FileLog, len: usize) {
    let next = log.next_offset().expect("open");
    let value = vec![u8::try_from(next % 251).expect("small"); len];
    log.publish(&[NewMessage::new(b"key", &value)])
        .expect("published");
}

fn delete(log: &FileLog, offsets: impl IntoIterator<Item = u64>) {
    log.delete(&offsets.into_iter().collect()).expect("deleted");
}

fn trim(log: &FileLog, before: u64) {
    log.trim(before).expect("trimmed");
}

fn content(log: &FileLog) -> Content {
    let messages = read_all(log).expect("consumed");
    let value = |message: &duramen::Message| message.value.as_deref().unwrap_or_default().to_vec();
    messages
        .iter()
        .map(|message| (message.offset, value(message)))
        .collect()
}

/// A log of small and of full segments, of which an earlier backup has a part if `has_earlier`.
fn filled(options: &Options, has_earlier: bool) -> FileLog {
    let log = options.open(DIR).expect("a new log");
    (0..12).for_each(|_| publish(&log, 200));
    if has_earlier {
        log.backup(Path::new(COPY)).expect("a backup");
    }
    (0..12).for_each(|_| publish(&log, 200));
    delete(&log, [0, 1, 2, 4, 5, 8, 9, 10]);
    log
}

/// What happens to a log while a backup is held up.
struct Beside {
    name: &'static str,
    steps: &'static [Step],
    /// Whether the log was closed and opened again, so that its last segment is not written to.
    is_reopened: bool,
    retention: Option<u64>,
}

const CASE: Beside = Beside {
    name: "",
    steps: &[],
    is_reopened: false,
    retention: None,
};

const CASES: [Beside; 9] = [
    Beside {
        name: "a trim",
        steps: &[|log| trim(log, 17)],
        ..CASE
    },
    Beside {
        name: "two trims, and messages behind them",
        steps: &[
            |log| trim(log, 13),
            |log| publish(log, 900),
            |log| trim(log, 22),
            |log| publish(log, 900),
        ],
        ..CASE
    },
    Beside {
        name: "a trim of everything, and a new beginning",
        steps: &[|log| trim(log, 24), |log| publish(log, 300), |log| trim(log, 25)],
        ..CASE
    },
    Beside {
        name: "a segment is rewritten, and trimmed",
        steps: &[|log| delete(log, [13]), |log| trim(log, 17)],
        ..CASE
    },
    Beside {
        name: "the last segment is rewritten",
        steps: &[|log| delete(log, [23]), |log| publish(log, 900)],
        ..CASE
    },
    Beside {
        name: "small segments become one",
        steps: &[
            |log| delete(log, [3]),
            |log| delete(log, [6]),
            |log| delete(log, [7, 13]),
        ],
        ..CASE
    },
    Beside {
        name: "retention",
        steps: &[|log| publish(log, 900), |log| publish(log, 900)],
        retention: Some(9),
        ..CASE
    },
    Beside {
        name: "the last segment is gone on in, and rewritten",
        steps: &[
            |log| publish(log, 20),
            |log| log.gc(Duration::ZERO).expect("open"),
            |log| delete(log, [25, 22]),
            |log| trim(log, 23),
        ],
        is_reopened: true,
        ..CASE
    },
    Beside {
        name: "a log that was closed is trimmed",
        steps: &[|log| trim(log, 17), |log| trim(log, 24)],
        is_reopened: true,
        ..CASE
    },
];

impl Beside {
    fn options(&self, disk: &SimDisk) -> Options {
        let retention = self
            .retention
            .map_or_else(Retention::new, |kept| Retention::new().max_messages(kept));
        options(disk).retention(retention)
    }

    /// The log, of which a reader has just mapped all segments: so a backup stands still in its target only, until
    /// something is removed.
    fn log(&self, disk: &SimDisk, has_earlier: bool) -> FileLog {
        let mut log = filled(&self.options(disk), has_earlier);
        if self.is_reopened {
            // The last segment is so small that the log goes on in it.
            publish(&log, 900);
            publish(&log, 20);
            log.close().expect("closed");
            log = self.options(disk).open(DIR).expect("a log");
        }
        content(&log);
        log
    }
}

/// What a thread tells of itself.
enum Told {
    Stands,
    Ended,
}

/// Holds a backup up at its point with this number, and calls `beside` meanwhile; returns what the backup said, and
/// whether `beside` has waited for it. `None` if the backup has fewer points.
fn held_up(
    log: &Arc<FileLog>,
    disk: &SimDisk,
    point: usize,
    may_wait: bool,
    beside: impl FnOnce(&FileLog) + Send + 'static,
) -> Option<(Result<BackupReport>, bool)> {
    let (tell, told) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let (begin, begins) = mpsc::channel::<()>();
    let backup = thread::spawn({
        let (log, tell) = (Arc::clone(log), tell.clone());
        move || {
            let _ = begins.recv();
            let copied = log.backup(Path::new(COPY));
            let _ = tell.send(Told::Ended);
            copied
        }
    });
    let (id, reached) = (backup.thread().id(), AtomicUsize::new(0));
    let may_go_on = Mutex::new(may_go_on);
    disk.visit(Some(Arc::new(move || {
        if thread::current().id() == id && reached.fetch_add(1, Ordering::Relaxed) == point {
            let _ = tell.send(Told::Stands);
            let _ = may_go_on.lock().expect("no panic").recv();
        }
    })));
    begin.send(()).expect("sent");
    let stands = matches!(told.recv().expect("told"), Told::Stands);
    let mut has_waited = false;
    if stands {
        let (log, (over, is_over)) = (Arc::clone(log), mpsc::channel());
        let calling = thread::spawn(move || {
            beside(&log);
            let _ = over.send(());
        });
        let limit = if may_wait { MAY_WAIT_FOR } else { WAITS_AFTER };
        has_waited = matches!(is_over.recv_timeout(limit), Err(mpsc::RecvTimeoutError::Timeout));
        drop(go_on);
        assert!(
            may_wait || !has_waited,
            "point {point}: the call waits for the backup"
        );
        calling.join().expect("no panic");
    }
    let copied = backup.join().expect("no panic");
    disk.visit(None);
    stands.then_some((copied, has_waited))
}

/// The content of the copy, which has to be in order.
fn copied(disk: &SimDisk, when: &str) -> Content {
    let found = check(COPY, &options(disk)).expect(when);
    assert!(found.is_clean(), "{when}: {:?}", found.problems);
    content(&options(disk).read_only(true).open(COPY).expect(when))
}

fn segments_of(disk: &SimDisk) -> u64 {
    let files = disk.files();
    let paths = files.iter().map(|(path, _)| Path::new(path));
    let segments =
        paths.filter(|path| path.starts_with(DIR) && path.extension().is_some_and(|end| end == "log"));
    segments.count() as u64
}

/// What is open when nobody uses the log.
fn handles(log: &FileLog, disk: &SimDisk) -> usize {
    log.gc(Duration::ZERO).expect("open");
    disk.open_handles()
}

/// Goal: neither a removal nor a publish waits for a backup that stands still, the backup shows the log at one moment,
/// and when it has ended it holds nothing.
#[test]
fn removals_go_on_beside_a_backup_that_stands_still() {
    for (case, has_earlier) in CASES.iter().flat_map(|case| [(case, false), (case, true)]) {
        let disk = SimDisk::new(7);
        let log = case.log(&disk, has_earlier);
        let mut states = vec![content(&log)];
        for step in case.steps {
            step(&log);
            states.push(content(&log));
        }
        log.backup(Path::new(COPY)).expect("a backup");
        let open = handles(&log, &disk);
        let (mut first, mut last) = (0, 0);
        for point in 0.. {
            let disk = SimDisk::new(7);
            let log = Arc::new(case.log(&disk, has_earlier));
            let when = format!("{}, earlier {has_earlier}, point {point}", case.name);
            let steps = case.steps;
            let run = move |log: &FileLog| steps.iter().for_each(|step| step(log));
            let Some((done, _)) = held_up(&log, &disk, point, false, run) else {
                break;
            };
            let report = done.expect(&when);
            let found = copied(&disk, &when);
            let next = found.last().map_or(0, |(offset, _)| offset + 1);
            assert!(report.next_offset >= next, "{when}");
            let is_first = found == states[0];
            assert!(is_first || found == states[case.steps.len()], "{when}: {found:?}");
            first += usize::from(is_first);
            last += usize::from(!is_first);
            let segments = log.stat().expect("open").segments;
            assert_eq!(segments_of(&disk), segments, "{when}: files stay");
            assert_eq!(handles(&log, &disk), open, "{when}: files stay open");
            assert_eq!(content(&log), states[case.steps.len()], "{when}");
        }
        println!(
            "  {}, earlier {has_earlier}: {first} before, {last} after",
            case.name
        );
        assert!(first > 20 && last > 10, "{}", case.name);
    }
}

/// What a target holds after a backup that ended with an error; `None` if it is known to hold nothing.
fn left_in_target(disk: &SimDisk, when: &str) -> Option<Content> {
    match options(disk).read_only(true).open(COPY) {
        Ok(copy) => Some(content(&copy)),
        Err(Error::Unfinished { .. } | Error::NoLog { .. }) => None,
        Err(error) => panic!("{when}: {error:?}"),
    }
}

/// Goal: closing does not wait for a backup that stands still. The backup then ends with `Closed`, and does nothing in
/// the log's directory, which another handle may have by then.
#[test]
fn closing_does_not_wait_for_a_backup_that_stands_still() {
    for variant in 0..8 {
        let [is_reopened, has_earlier, is_mapped] = [1, 2, 4].map(|bit| variant & bit != 0);
        let case = Beside { is_reopened, ..CASE };
        let expected = content(&case.log(&SimDisk::new(7), false));
        let (mut ended, mut whole) = (0, 0);
        for point in 0.. {
            let disk = SimDisk::new(7);
            let log = Arc::new(case.log(&disk, has_earlier));
            let when =
                format!("reopened {is_reopened}, earlier {has_earlier}, mapped {is_mapped}, point {point}");
            if !is_mapped {
                log.gc(Duration::ZERO).expect("open");
            }
            let old = has_earlier.then(|| left_in_target(&disk, &when)).flatten();
            let (tell, told) = mpsc::channel();
            let on = disk.clone();
            let is_trimmed = is_mapped && point % 2 == 0;
            let close = move |log: &FileLog| {
                if is_trimmed {
                    trim(log, 17);
                }
                // Whoever opens a segment waits while another does.
                let segments = is_mapped.then(|| log.stat().expect("open").segments);
                log.close().expect("closed");
                assert!(segments.is_none_or(|segments| segments == segments_of(&on)));
                let again = options(&on).open(DIR).expect("a log");
                delete(&again, [13, 18, 23]);
                trim(&again, 17);
                (0..5).for_each(|_| publish(&again, 300));
                let _ = tell.send((on.hash_in(Path::new(DIR)), again));
            };
            let Some((done, has_waited)) = held_up(&log, &disk, point, is_reopened && !is_mapped, close)
            else {
                break;
            };
            let (hash, again) = told.recv().expect("told");
            if !has_waited {
                assert_eq!(disk.hash_in(Path::new(DIR)), hash, "{when}: the log was changed");
            }
            match done {
                Ok(_) => {
                    assert_eq!(copied(&disk, &when), expected, "{when}");
                    whole += 1;
                }
                Err(Error::Closed) => {
                    let left = left_in_target(&disk, &when);
                    assert!(left.is_none() || left == old, "{when}: {left:?}");
                    ended += 1;
                }
                Err(error) => panic!("{when}: {error:?}"),
            }
            again.backup(Path::new(COPY)).expect(&when);
            assert_eq!(copied(&disk, &when), content(&again), "{when}");
        }
        println!(
            "  reopened {is_reopened}, earlier {has_earlier}, mapped {is_mapped}: {ended} ended, {whole} were whole"
        );
        assert!(ended > 50 && whole > 5);
    }
}

/// A backup of a large segment ends with the chunk that it is at, and not with the segment.
#[test]
fn a_backup_of_a_closed_log_ends_with_its_chunk() {
    const CHUNK: u64 = 1 << 20;
    let mut copied = 0;
    for point in (0..).step_by(7) {
        let disk = SimDisk::new(7);
        let log = Arc::new(options(&disk).rollover(64 << 20).open(DIR).expect("a log"));
        (0..6).for_each(|_| publish(&log, 1 << 20));
        let (tell, told) = mpsc::channel();
        let on = disk.clone();
        let close = move |log: &FileLog| {
            log.close().expect("closed");
            let _ = tell.send(on.written());
        };
        let Some((done, _)) = held_up(&log, &disk, point, false, close) else {
            break;
        };
        let more = disk.written() - told.recv().expect("told");
        assert!(more < CHUNK + (64 << 10), "point {point}: {more} bytes");
        assert!(matches!(done, Ok(_) | Err(Error::Closed)), "{done:?}");
        copied += usize::from(more >= CHUNK);
    }
    assert!(copied > 0);
}

/// A backup that fails holds nothing any more either.
#[test]
fn a_backup_that_fails_gives_back_what_it_held() {
    let disk = SimDisk::new(7);
    let log = Arc::new(CASE.log(&disk, false));
    let on = disk.clone();
    let trimmed = move |log: &FileLog| {
        trim(log, 17);
        assert!(segments_of(&on) > log.stat().expect("open").segments);
        on.inject(Fault {
            errno: Errno::Eio,
            call: None,
            index: 0,
            from_then_on: false,
        });
    };
    let (done, _) = held_up(&log, &disk, 200, false, trimmed).expect("a point");
    assert!(
        matches!(done, Err(Error::Io { .. } | Error::SyncFailed { .. })),
        "{done:?}"
    );
    assert_eq!(segments_of(&disk), log.stat().expect("open").segments);
    log.backup(Path::new(COPY)).expect("a backup");
    assert_eq!(copied(&disk, "after it"), content(&log));
}

/// Two backups of one log run side by side, unless they go to the same directory.
#[test]
fn another_backup_goes_on_beside_one_that_stands_still() {
    let mut refused = 0;
    for point in 0.. {
        let disk = SimDisk::new(7);
        let log = Arc::new(CASE.log(&disk, false));
        let (tell, told) = mpsc::channel();
        let beside = move |log: &FileLog| {
            let _ = tell.send(log.backup(Path::new(COPY)));
            log.backup(Path::new("/other")).expect("a backup");
            trim(log, 17);
        };
        let Some((done, _)) = held_up(&log, &disk, point, false, beside) else {
            break;
        };
        match (told.recv().expect("told"), done) {
            (Err(Error::Locked { .. }), Ok(_)) => refused += 1,
            // The other one had not begun yet, or has just found it there.
            (Ok(_), Ok(_) | Err(Error::Locked { .. })) => {}
            other => panic!("point {point}: {other:?}"),
        }
        copied(&disk, "beside another");
        let other = options(&disk).read_only(true).open("/other").expect("a copy");
        assert_eq!(content(&other).len(), 16);
        assert_eq!(segments_of(&disk), log.stat().expect("open").segments);
    }
    assert!(refused > 50, "{refused}");
}
