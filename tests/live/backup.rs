//! Backups of a log that is being written to, and logs restored from them.
//!
//! `DURAMEN_BACKUPS` is how many backups are taken.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use duramen::{
    BackupReport, Durability, Error, Log, Message, NewMessage, Options, Start, Timestamp, backup, check,
    restore,
};
use fastrand::Rng;

use crate::common::{fast_dir, files_of, number, read_all, seed, segment_paths};

fn options() -> Options {
    Options::new()
        .create_dirs(true)
        .rollover(16 << 10)
        .key_index(true)
        .time_index(true)
}

/// Key and value of a message depend on its offset, so that a copy can be judged by itself.
fn publish(log: &dyn Log, from: u64, count: u64) {
    let messages: Vec<_> = (from..from + count)
        .map(|offset| (format!("key-{}", offset % 13), format!("value {offset}")))
        .collect();
    let messages: Vec<_> = messages
        .iter()
        .map(|(key, value)| NewMessage::new(key.as_bytes(), value.as_bytes()))
        .collect();
    log.publish(&messages).expect("published");
}

fn assert_sound(dir: &Path, report: &BackupReport, what: &str) -> Vec<Message> {
    let checked = check(dir, &options()).expect(what);
    assert!(checked.is_clean(), "{what}: {:?}", checked.problems);
    let log = options().read_only(true).open(dir).expect(what);
    assert_eq!(log.start_offset().expect(what), report.start_offset, "{what}");
    assert_eq!(log.next_offset().expect(what), report.next_offset, "{what}");
    let messages = read_all(&log).expect("consumed");
    for message in &messages {
        let value = format!("value {}", message.offset);
        assert_eq!(message.value.as_deref(), Some(value.as_bytes()), "{what}");
    }
    messages
}

/// Has the publisher end, also when the test fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Goal: each backup is the log at one moment. Method: while a publisher goes on and segments roll over, and messages
/// are deleted and trimmed in between, backups are taken onto two targets, one of them new each time.
#[test]
fn a_backup_is_the_log_at_one_moment() {
    let mut random = Rng::with_seed(seed("backup"));
    for durability in [Durability::Os, Durability::EachPublish] {
        let dir = fast_dir();
        let log = options()
            .durability(durability)
            .open(dir.path().join("log"))
            .expect("a log");
        let is_done = AtomicBool::new(false);
        let mut deleted = BTreeSet::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut next = 0;
                while !is_done.load(Ordering::Relaxed) {
                    // As fast as it can, but not so far that a backup takes seconds.
                    if next > 10_000 + log.start_offset().expect("open") {
                        thread::sleep(std::time::Duration::from_millis(1));
                        continue;
                    }
                    let count = 1 + next % 7;
                    publish(&log, next, count);
                    next += count;
                }
            });
            let _done = Done(&is_done);
            for round in 0..number("DURAMEN_BACKUPS", 200) / 4 {
                let what = format!("{durability:?}, round {round}");
                let low = log.start_offset().expect("open");
                let before = log.next_offset().expect("open");
                if round % 5 == 1 {
                    let gone: BTreeSet<u64> = (low..before).filter(|_| random.u8(..9) == 0).collect();
                    log.delete(&gone).expect("deleted");
                    deleted.extend(gone);
                }
                if round % 2 == 1 {
                    log.trim(before - (before - low) / 8).expect("trimmed");
                }
                let before = log.next_offset().expect("open");
                let fresh = dir.path().join(format!("fresh-{round}"));
                for target in [&dir.path().join("again"), &fresh] {
                    let report = log.backup(target).expect(&what);
                    assert!(report.next_offset >= before, "{what}");
                    let found: Vec<u64> = assert_sound(target, &report, &what)
                        .iter()
                        .map(|message| message.offset)
                        .collect();
                    let expected: Vec<u64> = (report.start_offset..report.next_offset)
                        .filter(|offset| !deleted.contains(offset))
                        .collect();
                    assert!(found == expected, "{what}");
                }
                std::fs::remove_dir_all(fresh).expect("removed");
            }
        });
        log.close().expect("closed");
    }
}

/// A second backup copies what was added, and one of a log that did not change nothing.
#[test]
fn only_what_changed_is_copied() {
    let dir = fast_dir();
    let (home, copy) = (dir.path().join("log"), dir.path().join("copy"));
    let log = options().open(&home).expect("a log");
    publish(&log, 0, 1000);
    let first = log.backup(&copy).expect("a backup");
    assert!(first.bytes_copied > 20_000);
    let second = log.backup(&copy).expect("a backup");
    assert_eq!((second.bytes_copied, second.segments_copied), (0, 0));
    publish(&log, 1000, 1);
    let third = log.backup(&copy).expect("a backup");
    assert!(third.bytes_copied < 300, "{third:?}");
    println!(
        "  first {}, unchanged {}, one message more {} bytes",
        first.bytes_copied, 0, third.bytes_copied
    );

    // What is deleted or trimmed is gone from the copy as well.
    log.delete(&(0..1001).filter(|offset| offset % 2 == 0).collect())
        .expect("deleted");
    log.trim(101).expect("trimmed");
    let fourth = log.backup(&copy).expect("a backup");
    let offsets: Vec<u64> = assert_sound(&copy, &fourth, "the fourth")
        .iter()
        .map(|m| m.offset)
        .collect();
    assert_eq!(
        offsets,
        (101..1001).filter(|offset| offset % 2 == 1).collect::<Vec<_>>()
    );
    let names = |dir: &Path| {
        segment_paths(dir)
            .iter()
            .map(|path| path.file_name().map(ToOwned::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&copy), names(&home));

    // Rot in the copy is found and made good.
    let path = segment_paths(&copy)[0].clone();
    let mut bytes = std::fs::read(&path).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&path, bytes).expect("a segment");
    let fifth = log.backup(&copy).expect("a backup");
    assert!(fifth.bytes_copied > 0);
    assert_eq!(assert_sound(&copy, &fifth, "the fifth").len(), 450);
}

/// A copy that somebody writes to is a log of its own, and is not overwritten; neither is another log, nor the log
/// itself.
#[test]
fn a_target_that_is_no_copy_is_refused() {
    let dir = fast_dir();
    let (home, copy, other) = (
        dir.path().join("log"),
        dir.path().join("copy"),
        dir.path().join("other"),
    );
    let log = options().open(&home).expect("a log");
    publish(&log, 0, 10);
    log.backup(&copy).expect("a backup");
    let copied = options().open(&copy).expect("the copy");
    assert!(matches!(log.backup(&copy), Err(Error::Locked { .. })));
    publish(&copied, 10, 1);
    copied.close().expect("closed");
    options()
        .open(&other)
        .expect("another log")
        .close()
        .expect("closed");
    for target in [&home, &copy, &other, &home.join("inside")] {
        let refused = log.backup(target);
        assert!(
            matches!(refused, Err(Error::Invalid(_))),
            "{}: {refused:?}",
            target.display()
        );
    }
    assert!(check(&home, &options()).is_err() || read_all(&log).expect("consumed").len() == 10);
    assert_eq!(
        read_all(&options().open(&copy).expect("the copy"))
            .expect("consumed")
            .len(),
        11
    );
    // Also when the log has got further than its copy.
    publish(&log, 10, 50);
    assert!(matches!(log.backup(&copy), Err(Error::Invalid(_))));
    assert_eq!(
        read_all(&options().open(&copy).expect("the copy"))
            .expect("consumed")
            .len(),
        11
    );
}

/// A damaged log is not copied as if it were sound.
#[test]
fn what_is_refused_leaves_nothing_behind() {
    let home = fast_dir();
    let (dir, copy) = (home.path().join("log"), home.path().join("copy"));
    let log = options().open(&dir).expect("a new log");
    publish(&log, 0, 10);
    for inside in [dir.join("copy"), dir.join("deep/copy"), dir.join("../log/copy")] {
        assert!(
            matches!(log.backup(&inside), Err(Error::Invalid(_))),
            "{inside:?}"
        );
    }
    assert!(!dir.join("copy").exists() && !dir.join("deep").exists());
    // Where this leads is known only when it was made.
    let around = home.path().join("none/../log/copy");
    assert!(matches!(log.backup(&around), Err(Error::Invalid(_))));
    assert!(!dir.join("copy/meta.0").exists());
    log.backup(&copy).expect("a backup");
    log.close().expect("closed");

    let taken = home.path().join("taken");
    std::fs::create_dir(&taken).expect("created");
    std::fs::write(taken.join("notes"), "mine").expect("written");
    std::fs::write(taken.join("spare"), "").expect("written");
    assert!(matches!(
        restore(&copy, &taken, Start::Newest),
        Err(Error::Invalid(_))
    ));
    assert!(!taken.join("LOCK").exists());
    std::fs::remove_file(taken.join("spare")).expect("removed");
    assert_eq!(restore(&copy, &taken, Start::Newest).expect("restored"), 10);
}

/// Without its metadata a log is damaged, not absent: who would go on with an empty one must be told.
#[test]
fn a_log_without_metadata_is_no_missing_log() {
    let home = fast_dir();
    let dir = home.path().join("log");
    let log = options().open(&dir).expect("a new log");
    publish(&log, 0, 10);
    log.close().expect("closed");
    for name in ["meta.0", "meta.1"] {
        std::fs::remove_file(dir.join(name)).expect("removed");
    }
    let is_corrupt = |error: Error| matches!(error, Error::Corrupt { .. });
    assert!(is_corrupt(Options::of(&dir).expect_err("no metadata")));
    assert!(is_corrupt(
        duramen::stat(&dir, &options()).expect_err("no metadata")
    ));
    assert!(is_corrupt(
        backup(&dir, home.path().join("copy")).expect_err("no metadata")
    ));
}

#[test]
fn damage_is_found_while_copying() {
    let dir = fast_dir();
    let (home, copy) = (dir.path().join("log"), dir.path().join("copy"));
    let log = options().open(&home).expect("a log");
    publish(&log, 0, 1000);
    log.close().expect("closed");
    let path = segment_paths(&home)[0].clone();
    let mut bytes = std::fs::read(&path).expect("a segment");
    bytes[5000] ^= 4;
    std::fs::write(&path, bytes).expect("a segment");
    assert!(matches!(backup(&home, &copy), Err(Error::Corrupt { .. })));
    assert!(options().create_dirs(false).read_only(true).open(&copy).is_err());
}

/// A log restored to an offset or a time has everything before, and goes on there in an epoch of its own.
#[test]
fn a_log_is_restored_to_an_offset_or_a_time() {
    let dir = fast_dir();
    let (home, copy) = (dir.path().join("log"), dir.path().join("copy"));
    let log = options().open(&home).expect("a log");
    for offset in 0..600_u64 {
        let (key, value) = (format!("key-{}", offset % 13), format!("value {offset}"));
        let time = Timestamp::from_micros(i64::try_from(offset * 10).expect("small"));
        let message = NewMessage::new(key.as_bytes(), value.as_bytes()).time(time);
        log.publish(&[message, message]).expect("published");
    }
    log.delete(&(3..1200).step_by(7).collect()).expect("deleted");
    log.close().expect("closed");
    backup(&home, &copy).expect("a backup");
    let before = files_of(&copy);
    let cases = [
        (Start::Newest, 1200),
        (Start::Oldest, 0),
        (Start::At(0), 0),
        (Start::At(1), 1),
        (Start::At(777), 777),
        (Start::At(1200), 1200),
        (Start::AtOrOldest(777), 777),
        (Start::Time(Timestamp::from_micros(2000)), 400),
        (Start::Last(5), 1195),
    ];
    for (case, (until, end)) in cases.into_iter().enumerate() {
        let target = dir.path().join(format!("restored-{case}"));
        let next = restore(&copy, &target, until).expect("restored");
        assert!(next.abs_diff(end) <= 1, "{until:?}: {next}");
        let log = options().open(&target).expect("the restored log");
        assert_eq!(log.next_offset().expect("open"), next);
        let offsets: Vec<u64> = read_all(&log)
            .expect("consumed")
            .iter()
            .map(|message| message.offset)
            .collect();
        let expected: Vec<u64> = (0..next).filter(|offset| offset % 7 != 3).collect();
        assert_eq!(offsets, expected, "{until:?}");
        assert_eq!(log.stat().expect("open").epoch, 1);
        assert_eq!(
            log.publish(&[NewMessage::value(b"more")]).expect("published"),
            next + 1
        );
        log.close().expect("closed");
        assert!(check(&target, &options()).expect("checked").is_clean());
        assert!(matches!(restore(&copy, &target, until), Err(Error::Invalid(_))));
    }
    for beyond in [Start::At(1201), Start::AtOrOldest(1201)] {
        assert!(matches!(
            restore(&copy, dir.path().join("beyond"), beyond),
            Err(Error::OffsetOutOfRange { .. })
        ));
    }
    assert!(files_of(&copy) == before);

    let log = options().open(&home).expect("a log");
    log.trim(500).expect("trimmed");
    log.close().expect("closed");
    backup(&home, &copy).expect("a backup");
    let target = dir.path().join("oldest");
    let next = restore(&copy, &target, Start::AtOrOldest(100)).expect("restored");
    assert_eq!(next, 500, "nothing is left in front of that");
}
