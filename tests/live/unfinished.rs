//! Backups and restores that were interrupted, and the directories that they go to.

use std::path::{Path, PathBuf};
use std::thread;

use duramen::{
    Error, Log, NewMessage, Options, RecoverOptions, Start, backup, check, recover, recover_with, restore,
    stat,
};

use crate::common::{fast_dir, files_of, read_all, segment_paths};

const COUNT: u64 = 1000;

fn options() -> Options {
    Options::new()
        .create_dirs(true)
        .rollover(16 << 10)
        .key_index(true)
}

/// A log in which every value begins with `word`.
fn filled(dir: &Path, word: &str) {
    let log = options().open(dir).expect("a log");
    for offset in 0..COUNT {
        let value = format!("{word} {offset}");
        log.publish(&[NewMessage::new(b"key", value.as_bytes())])
            .expect("published");
    }
    log.close().expect("closed");
}

/// Damages the last segment of the log; returns what makes it whole.
fn damage(dir: &Path) -> (PathBuf, Vec<u8>) {
    let path = segment_paths(dir).pop().expect("a segment");
    let whole = std::fs::read(&path).expect("read");
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&path, bytes).expect("written");
    (path, whole)
}

/// Every call on the directory says that it is unfinished, and changes nothing.
fn is_known_as_unfinished(dir: &Path, beside: &Path) {
    let before = files_of(dir);
    let dry_run = RecoverOptions::new().dry_run(true);
    let calls = [
        options().open(dir).map(drop),
        options().recover(true).open(dir).map(drop),
        options().read_only(true).create_dirs(false).open(dir).map(drop),
        Options::of(dir).map(drop),
        check(dir, &options()).map(drop),
        stat(dir, &options()).map(drop),
        recover(dir, &options()).map(drop),
        recover_with(dir, &options(), &dry_run).map(drop),
        backup(dir, beside).map(drop),
        restore(dir, beside, Start::Newest).map(drop),
    ];
    for (number, call) in calls.iter().enumerate() {
        assert!(
            matches!(call, Err(Error::Unfinished { .. })),
            "{number}: {call:?}"
        );
    }
    assert!(!beside.exists());
    assert!(files_of(dir) == before, "something was changed");
}

fn holds(dir: &Path, word: &str, next: u64) {
    assert!(check(dir, &options()).expect("checked").is_clean());
    let log = options().read_only(true).open(dir).expect("a log");
    assert_eq!(log.next_offset().expect("open"), next);
    let messages = read_all(&log).expect("consumed");
    assert_eq!(messages.len() as u64, next);
    for message in messages {
        let value = format!("{word} {}", message.offset);
        assert_eq!(message.value.as_deref(), Some(value.as_bytes()));
    }
}

#[test]
fn an_interrupted_restore_is_no_log_and_is_finished_by_restoring_again() {
    let scratch = fast_dir();
    let [home, copy, target, beside] =
        ["log", "copy", "target", "beside"].map(|name| scratch.path().join(name));
    filled(&home, "value");
    backup(&home, &copy).expect("a backup");
    for until in [Start::Newest, Start::At(900)] {
        let (path, whole) = damage(&copy);
        assert!(matches!(
            restore(&copy, &target, Start::Newest),
            Err(Error::Corrupt { .. })
        ));
        assert!(segment_paths(&target).len() >= 2);
        is_known_as_unfinished(&target, &beside);
        assert!(matches!(backup(&home, &target), Err(Error::Unfinished { .. })));
        std::fs::write(path, whole).expect("written");
        let next = restore(&copy, &target, until).expect("restored");
        holds(&target, "value", next);
        assert!(matches!(restore(&copy, &target, until), Err(Error::Invalid(_))));
        std::fs::remove_dir_all(&target).expect("removed");
    }
}

#[test]
fn another_restore_takes_the_place_of_an_interrupted_one() {
    let scratch = fast_dir();
    let [home, other, target] = ["log", "other", "target"].map(|name| scratch.path().join(name));
    filled(&home, "value");
    filled(&other, "other");
    damage(&home);
    assert!(matches!(
        restore(&home, &target, Start::Newest),
        Err(Error::Corrupt { .. })
    ));
    assert_eq!(restore(&other, &target, Start::At(500)).expect("restored"), 500);
    holds(&target, "other", 500);
}

#[test]
fn an_interrupted_first_backup_is_finished_by_the_next() {
    let scratch = fast_dir();
    let [home, copy, beside] = ["log", "copy", "beside"].map(|name| scratch.path().join(name));
    filled(&home, "value");
    let (path, whole) = damage(&home);
    assert!(matches!(backup(&home, &copy), Err(Error::Corrupt { .. })));
    is_known_as_unfinished(&copy, &beside);
    assert!(matches!(
        restore(&home, &copy, Start::Newest),
        Err(Error::Unfinished { .. })
    ));
    std::fs::write(path, whole).expect("written");
    let report = backup(&home, &copy).expect("a backup");
    assert!(report.segments_copied < report.segments, "{report:?}");
    holds(&copy, "value", COUNT);
}

/// A damaged log does not spoil the earlier backup.
#[test]
fn the_earlier_backup_stays_until_the_new_one_is_whole() {
    let scratch = fast_dir();
    let [home, copy] = ["log", "copy"].map(|name| scratch.path().join(name));
    filled(&home, "value");
    backup(&home, &copy).expect("a backup");
    let log = options().open(&home).expect("a log");
    log.delete(&(0..COUNT).step_by(2).collect()).expect("deleted");
    log.close().expect("closed");
    let (path, whole) = damage(&home);
    assert!(matches!(backup(&home, &copy), Err(Error::Corrupt { .. })));
    holds(&copy, "value", COUNT);
    std::fs::write(path, whole).expect("written");
    backup(&home, &copy).expect("a backup");
    let log = options().read_only(true).open(&copy).expect("a log");
    assert_eq!(read_all(&log).expect("consumed").len() as u64, COUNT / 2);
}

#[test]
fn foreign_names_in_a_target_are_left_alone() {
    let scratch = fast_dir();
    let [home, copy, target] = ["log", "copy", "target"].map(|name| scratch.path().join(name));
    filled(&home, "value");
    for dir in [&copy, &target] {
        for name in ["lost+found", ".snapshot"] {
            std::fs::create_dir_all(dir.join(name)).expect("created");
        }
        std::fs::write(dir.join("README"), "mine").expect("written");
    }
    backup(&home, &copy).expect("a backup");
    restore(&copy, &target, Start::Newest).expect("restored");
    for dir in [&copy, &target] {
        holds(dir, "value", COUNT);
        assert!(dir.join("lost+found").is_dir() && dir.join(".snapshot").is_dir());
        assert_eq!(std::fs::read(dir.join("README")).expect("read"), b"mine");
    }
}

#[test]
fn a_refused_target_is_left_without_a_trace() {
    let scratch = fast_dir();
    let [home, target] = ["log", "target"].map(|name| scratch.path().join(name));
    filled(&home, "value");
    for name in [
        "00000000000000000000.log",
        "00000000000000000007.idx",
        "segment.tmp",
        "spare",
    ] {
        std::fs::create_dir(&target).expect("created");
        std::fs::write(target.join(name), "").expect("written");
        let before = files_of(&target);
        assert!(matches!(backup(&home, &target), Err(Error::Invalid(_))), "{name}");
        assert!(
            matches!(restore(&home, &target, Start::Newest), Err(Error::Invalid(_))),
            "{name}"
        );
        assert!(files_of(&target) == before, "{name}");
        std::fs::remove_dir_all(&target).expect("removed");
    }
    // A log whose lock file is gone.
    filled(&target, "other");
    std::fs::remove_file(target.join("LOCK")).expect("removed");
    let before = files_of(&target);
    assert!(matches!(backup(&home, &target), Err(Error::Invalid(_))));
    assert!(matches!(
        restore(&home, &target, Start::Newest),
        Err(Error::Invalid(_))
    ));
    assert!(files_of(&target) == before);
}

#[test]
fn closing_the_log_ends_a_backup() {
    let scratch = fast_dir();
    let [home, copy, beside] = ["log", "copy", "beside"].map(|name| scratch.path().join(name));
    let log = options().rollover(256 << 10).open(&home).expect("a log");
    let value = vec![7; 1 << 20];
    for _ in 0..64 {
        log.publish(&[NewMessage::value(&value)]).expect("published");
    }
    thread::scope(|scope| {
        let backup = scope.spawn(|| log.backup(&copy));
        while !copy.exists() || segment_paths(&copy).len() < 2 {
            assert!(!backup.is_finished(), "over too soon");
            thread::yield_now();
        }
        log.close().expect("closed");
        let ended = backup.join().expect("no panic");
        assert!(matches!(ended, Err(Error::Closed)), "{ended:?}");
    });
    is_known_as_unfinished(&copy, &beside);
}
