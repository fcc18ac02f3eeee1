//! Lives: a log, its copies and what is made of them never take each other's positions or backups for their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use duramen::{
    Durability, Error, FileLog, Log, NewMessage, Options, Position, RecoverOptions, Result, Start, backup,
    recover_with, restore,
};

use crate::common::{child, fast_dir, files_of, role, segment_paths, write_files};

fn options() -> Options {
    Options::new()
        .create_dirs(true)
        .rollover(16 << 10)
        .durability(Durability::EachPublish)
}

fn publish(log: &dyn Log, tag: &str, count: usize) {
    let values: Vec<String> = (0..count).map(|number| format!("{tag}-{number}")).collect();
    let messages: Vec<_> = values
        .iter()
        .map(|value| NewMessage::value(value.as_bytes()))
        .collect();
    for batch in messages.chunks(50) {
        log.publish(batch).expect("published");
    }
}

fn open(dir: &Path) -> FileLog {
    options().open(dir).expect("a log")
}

/// The log in `dir`, with `count` more messages; closed again. Returns the position at its end.
fn grow(dir: &Path, tag: &str, count: usize) -> Position {
    let log = open(dir);
    publish(&log, tag, count);
    let end = log.position().expect("open");
    log.close().expect("closed");
    end
}

/// As `cp -r` does.
fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a directory");
    write_files(to, &files_of(from));
}

/// What comes of a stored position: where reading goes on, or where the log went another way.
fn resumed(dir: &Path, position: Position) -> std::result::Result<u64, Option<u64>> {
    let log = options().read_only(true).open(dir).expect("a log");
    match log.resume(position) {
        Ok(Start::At(offset)) => Ok(offset),
        Err(Error::EpochChanged {
            position: refused,
            parted_at,
        }) if refused == position => Err(parted_at),
        other => panic!("{other:?}"),
    }
}

fn is_refused<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Invalid(text)) if text.contains("has what the log has not"))
}

struct Dirs(tempfile::TempDir);

impl Dirs {
    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// A position behind the point to which a log was restored is refused, and one in front of it is not.
#[test]
fn a_position_behind_the_point_of_a_restore_is_refused() {
    let dirs = Dirs(fast_dir());
    let end = grow(&dirs.at("log"), "old", 1000);
    backup(dirs.at("log"), dirs.at("backup")).expect("a backup");
    restore(dirs.at("backup"), dirs.at("restored"), Start::At(500)).expect("restored");
    let new = grow(&dirs.at("restored"), "new", 600);
    assert_ne!(new.life, end.life);
    for (offset, expected) in [
        (0, Ok(0)),
        (500, Ok(500)),
        (501, Err(Some(500))),
        (900, Err(Some(500))),
    ] {
        assert_eq!(
            resumed(&dirs.at("restored"), end.at(offset)),
            expected,
            "{offset}"
        );
    }
    assert_eq!(resumed(&dirs.at("restored"), new.at(900)), Ok(900));
    assert_eq!(resumed(&dirs.at("log"), new.at(900)), Err(None));

    // Restored once more, from the same backup: another life.
    restore(dirs.at("backup"), dirs.at("again"), Start::At(400)).expect("restored");
    let second = grow(&dirs.at("again"), "second", 600);
    for (dir, epoch) in [("log", 0), ("restored", 1), ("again", 1)] {
        let log = open(&dirs.at(dir));
        assert_eq!(log.epoch().expect("open"), epoch, "{dir}");
        assert_eq!(log.stat().expect("open").epoch, epoch, "{dir}");
        log.close().expect("closed");
        assert!(matches!(log.epoch(), Err(Error::Closed)));
    }
    assert_ne!(second.life, new.life);
    assert_eq!(resumed(&dirs.at("again"), new.at(900)), Err(None));
    assert_eq!(resumed(&dirs.at("again"), end.at(401)), Err(Some(400)));
    let log = open(&dirs.at("again"));
    assert_eq!(
        log.position_at(399).expect("open").life,
        end.life,
        "published in the first life"
    );
    assert_eq!(log.position_at(400).expect("open").life, second.life);
}

/// A backup that is opened and goes on, and a directory that was copied and put back, have lives of their own.
#[test]
fn a_copy_that_goes_on_has_a_life_of_its_own() {
    let dirs = Dirs(fast_dir());
    grow(&dirs.at("log"), "old", 500);
    backup(dirs.at("log"), dirs.at("backup")).expect("a backup");
    copy_dir(&dirs.at("log"), &dirs.at("copied"));
    let end = grow(&dirs.at("log"), "old", 500);
    let mut lives = vec![end.life];
    for name in ["backup", "copied"] {
        // Reading begins no life.
        assert_eq!(resumed(&dirs.at(name), end.at(500)), Ok(500), "{name}");
        let log = open(&dirs.at(name));
        assert_eq!(log.stat().expect("open").epoch, 1, "{name}");
        log.close().expect("closed");
        let new = grow(&dirs.at(name), name, 600);
        assert!(!lives.contains(&new.life), "{name}");
        lives.push(new.life);
        assert_eq!(resumed(&dirs.at(name), end.at(500)), Ok(500), "{name}");
        assert_eq!(resumed(&dirs.at(name), end.at(900)), Err(Some(500)), "{name}");
        assert_eq!(resumed(&dirs.at(name), new), Ok(1100), "{name}");
        // Once.
        assert_eq!(grow(&dirs.at(name), name, 1), new.at(1101), "{name}");
        assert_eq!(resumed(&dirs.at("log"), new.at(500)), Err(None), "{name}");
    }
    assert_eq!(
        grow(&dirs.at("log"), "old", 1),
        end.at(1001),
        "the log itself keeps its life"
    );
}

/// The copy has the inode that the log had, because that was removed.
#[test]
fn a_log_that_was_removed_and_put_back_from_a_copy_has_another_life() {
    let dirs = Dirs(fast_dir());
    let end = grow(&dirs.at("log"), "old", 500);
    for round in 0..20 {
        let kept = dirs.at(&format!("kept-{round}"));
        copy_dir(&dirs.at("log"), &kept);
        std::fs::remove_dir_all(dirs.at("log")).expect("removed");
        copy_dir(&kept, &dirs.at("log"));
        assert_ne!(grow(&dirs.at("log"), "new", 10).life, end.life);
        std::fs::remove_dir_all(&kept).expect("removed");
    }
    // By now the oldest of them may be forgotten, but not yet.
    assert_eq!(resumed(&dirs.at("log"), end.at(501)), Err(Some(500)));
}

/// A backup that was used as the log, when the log was lost, does not replace a newer backup.
#[test]
fn a_backup_that_went_on_does_not_replace_a_newer_backup() {
    let dirs = Dirs(fast_dir());
    grow(&dirs.at("log"), "old", 500);
    backup(dirs.at("log"), dirs.at("monday")).expect("a backup");
    grow(&dirs.at("log"), "old", 500);
    backup(dirs.at("log"), dirs.at("tuesday")).expect("a backup");
    grow(&dirs.at("monday"), "failover", 600);
    let before = files_of(&dirs.at("tuesday"));
    assert!(is_refused(&backup(dirs.at("monday"), dirs.at("tuesday"))));
    assert!(files_of(&dirs.at("tuesday")) == before);
    // But it replaces what it has all of.
    backup(dirs.at("log"), dirs.at("another")).expect("a backup");
    restore(dirs.at("tuesday"), dirs.at("half"), Start::At(400)).expect("restored");
    assert!(is_refused(&backup(dirs.at("half"), dirs.at("another"))));
    backup(dirs.at("monday"), dirs.at("wednesday")).expect("a backup");
    grow(&dirs.at("monday"), "failover", 10);
    assert_eq!(
        backup(dirs.at("monday"), dirs.at("wednesday"))
            .expect("a backup")
            .next_offset,
        1110
    );
    // Nor is the log that was lost, and found again, backed up onto what came after.
    assert!(is_refused(&backup(dirs.at("log"), dirs.at("wednesday"))));
}

/// Two logs that were restored from one backup do not replace each other's backups.
#[test]
fn logs_restored_from_one_backup_do_not_replace_each_others_backups() {
    let dirs = Dirs(fast_dir());
    grow(&dirs.at("log"), "old", 1000);
    backup(dirs.at("log"), dirs.at("backup")).expect("a backup");
    for (name, until) in [("first", 500), ("second", 400)] {
        restore(dirs.at("backup"), dirs.at(name), Start::At(until)).expect("restored");
    }
    grow(&dirs.at("first"), "first", 300);
    backup(dirs.at("first"), dirs.at("target")).expect("a backup");
    grow(&dirs.at("second"), "second", 600);
    assert!(is_refused(&backup(dirs.at("second"), dirs.at("target"))));
    assert!(
        is_refused(&backup(dirs.at("first"), dirs.at("backup"))),
        "it lacks the end"
    );
    let log = options().read_only(true).open(dirs.at("target")).expect("a log");
    assert_eq!(
        log.get(Start::At(700)).expect("there").value.as_deref(),
        Some(&b"first-200"[..])
    );
}

/// Opening a backup and closing it again publishes nothing, so it is still a backup.
#[test]
fn a_backup_to_which_nothing_was_published_is_still_one() {
    let dirs = Dirs(fast_dir());
    grow(&dirs.at("log"), "old", 100);
    backup(dirs.at("log"), dirs.at("backup")).expect("a backup");
    open(&dirs.at("backup")).close().expect("closed");
    let end = grow(&dirs.at("log"), "old", 100);
    assert_eq!(
        backup(dirs.at("log"), dirs.at("backup"))
            .expect("a backup")
            .next_offset,
        200
    );
    assert_eq!(resumed(&dirs.at("backup"), end), Ok(200));
}

/// What `in_a_child` does: publishes without syncing, takes a backup, publishes more, and dies.
#[test]
fn in_a_child() {
    if role().as_deref() != Some("dies") {
        return;
    }
    let dir = PathBuf::from(std::env::var_os("DURAMEN_DIR").expect("a directory"));
    let log = options()
        .durability(Durability::Os)
        .open(dir.join("log"))
        .expect("a log");
    publish(&log, "os", 500);
    log.backup(&dir.join("backup")).expect("a backup");
    publish(&log, "os", 500);
    std::fs::write(dir.join("position"), log.position().expect("open").to_string()).expect("written");
    let _ = Command::new("kill")
        .args(["-9", &std::process::id().to_string()])
        .status();
}

/// A process that dies leaves the page cache as it is, so its log keeps its life.
#[test]
fn a_killed_process_begins_no_life() {
    let dirs = Dirs(fast_dir());
    let mut dying = child(module_path!(), "dies");
    let died = dying.env("DURAMEN_DIR", dirs.0.path()).output().expect("a child");
    assert!(!died.status.success());
    let end: Position = std::fs::read_to_string(dirs.at("position"))
        .expect("it got there")
        .parse()
        .expect("a position");
    assert_eq!(end.offset, 1000);
    let log = options()
        .durability(Durability::Os)
        .open(dirs.at("log"))
        .expect("a log");
    assert_eq!(
        (log.position().expect("open"), log.stat().expect("open").epoch),
        (end, 0)
    );
    log.backup(&dirs.at("backup")).expect("a backup");
    log.close().expect("closed");

    // A log that is restored from its backup has another one.
    restore(dirs.at("backup"), dirs.at("restored"), Start::At(500)).expect("restored");
    assert_ne!(
        open(&dirs.at("restored")).position().expect("open").life,
        end.life
    );
}

/// Recovery that drops messages begins a life at the first of them, although the next offset jumps.
#[test]
fn recovery_begins_a_life_at_the_first_message_that_it_drops() {
    for how in ["open", "recover", "salvage"] {
        let dirs = Dirs(fast_dir());
        let end = grow(&dirs.at("log"), "old", 2000);
        let path = segment_paths(&dirs.at("log")).pop().expect("a segment");
        let base: u64 = path
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a name")
            .parse()
            .expect("digits");
        let mut bytes = std::fs::read(&path).expect("a segment");
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).expect("a segment");
        let log = if how == "open" {
            options()
                .recover(true)
                .check(true)
                .open(dirs.at("log"))
                .expect("a log")
        } else {
            let how = RecoverOptions::new().salvage(how == "salvage");
            let planned = recover_with(dirs.at("log"), &options(), &how.dry_run(true)).expect("a plan");
            let done = recover_with(dirs.at("log"), &options(), &how).expect("recovered");
            assert_eq!((planned.epoch, done.epoch), (1, 1), "{how:?}");
            open(&dirs.at("log"))
        };
        assert_eq!(log.stat().expect("open").epoch, 1, "{how}");
        publish(&log, "new", 100);
        let new = log.position().expect("open");
        log.close().expect("closed");
        assert_ne!(new.life, end.life);
        let Err(Some(parted_at)) = resumed(&dirs.at("log"), end) else {
            panic!("{how}: not refused");
        };
        assert!((base..2000).contains(&parted_at), "{how}: {parted_at}");
        assert_eq!(
            resumed(&dirs.at("log"), end.at(parted_at)),
            Ok(parted_at),
            "{how}"
        );
        assert_eq!(
            resumed(&dirs.at("log"), end.at(parted_at + 1)),
            Err(Some(parted_at)),
            "{how}"
        );
        assert_eq!(resumed(&dirs.at("log"), new), Ok(new.offset), "{how}");
    }
}

/// A log that lost its end and grew past the end of its backup is not taken for the one that was backed up.
#[test]
fn a_log_that_lost_its_end_does_not_replace_its_backup() {
    let dirs = Dirs(fast_dir());
    grow(&dirs.at("log"), "old", 2000);
    backup(dirs.at("log"), dirs.at("backup")).expect("a backup");
    let path = segment_paths(&dirs.at("log")).pop().expect("a segment");
    let len = std::fs::metadata(&path).expect("a segment").len();
    let file = std::fs::File::options()
        .write(true)
        .open(&path)
        .expect("a segment");
    file.set_len(len / 2).expect("shortened");
    let log = options().recover(true).open(dirs.at("log")).expect("a log");
    publish(&log, "new", 3000);
    assert!(log.next_offset().expect("open") > 2000);
    assert!(is_refused(&log.backup(&dirs.at("backup"))));
}

/// Positions go through the wrappers.
#[test]
fn positions_are_those_of_the_log_in_a_wrapper() {
    let dirs = Dirs(fast_dir());
    let log = std::sync::Arc::new(open(&dirs.at("log")));
    let typed = duramen::TBlockingLog::new(
        std::sync::Arc::clone(&log),
        duramen::codec::U64,
        duramen::codec::Utf8,
    );
    typed
        .publish(&[duramen::TNewMessage::new(&1, &"a".to_owned())])
        .expect("published");
    let end = typed.position().expect("open");
    assert_eq!(end, log.position().expect("open"));
    assert_eq!(typed.position_at(0).expect("open"), end.at(0));
    assert_eq!(typed.resume(end).expect("the same log"), Start::At(1));
}
