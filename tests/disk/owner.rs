//! Whose the files of a log are, and what a log needs of the system around it.

use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use duramen::{FileLog, Log, NewMessage, Options, Start, backup, recover, restore};

use crate::common::{self, role, run_child, segment_paths};

/// An owner that this process is not.
const OWNER: u32 = 65_533;

fn options() -> Options {
    Options::new()
        .create_dirs(true)
        .key_index(true)
        .time_index(true)
        .rollover(1 << 10)
        .background(false)
}

fn publish(log: &FileLog, count: u64) {
    for number in 0..count {
        let key = [u8::try_from(number % 7).expect("small")];
        log.publish(&[NewMessage::new(&key, &[7; 100])])
            .expect("publishes");
    }
}

/// Fails if anything below `dir` is not the owner's.
fn expect_owned(dir: &Path, after: &str) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let metadata = fs::symlink_metadata(&path).expect("metadata");
        let owners = (metadata.uid(), metadata.gid());
        assert_eq!(owners, (OWNER, OWNER), "after {after}: {}", path.display());
        if metadata.is_dir() {
            expect_owned(&path, after);
        }
    }
}

/// Goal: what root creates in a log of somebody else is that one's. Method: everything that creates files, done by
/// root in a directory of another owner.
#[test]
fn files_that_root_creates_are_the_owners() {
    if !rustix::process::geteuid().is_root() {
        println!("NOT RUN: only root creates files for others");
        return;
    }
    let home = common::fast_dir();
    chown(home.path(), Some(OWNER), Some(OWNER)).expect("a new owner");
    let dir = home.path().join("log");
    let log = options().open(&dir).expect("a new log");
    publish(&log, 80);
    expect_owned(home.path(), "publishing");
    log.delete(&[3, 50].into()).expect("a delete");
    log.trim(20).expect("a trim");
    duramen::compact::compact(&log, &duramen::compact::Settings::new()).expect("a compaction");
    log.close().expect("a close");
    expect_owned(home.path(), "removing");
    backup(&dir, home.path().join("copy")).expect("a backup");
    restore(
        home.path().join("copy"),
        home.path().join("restored"),
        Start::Newest,
    )
    .expect("a restore");
    expect_owned(home.path(), "copying");
    let segment = segment_paths(&dir).pop().expect("a segment");
    let mut bytes = fs::read(&segment).expect("a segment");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&segment, bytes).expect("a segment");
    let report = recover(&dir, &options()).expect("a recovery");
    assert!(report.changed && dir.join("quarantine").is_dir(), "{report:?}");
    expect_owned(home.path(), "recovering");
}

/// Goal: a log needs no `/dev/urandom`, neither at its start nor when a segment is begun. Method: a child that sees an
/// empty `/dev`.
#[test]
fn a_log_needs_no_device() {
    let can_hide = Command::new("unshare").args(["-m", "true"]).status();
    if !can_hide.is_ok_and(|status| status.success()) {
        println!("NOT RUN: `unshare -m` is not allowed here");
        return;
    }
    let home = tempfile::tempdir().expect("a directory");
    let child = common::child(module_path!(), "publish without devices");
    let mut command = Command::new("unshare");
    let hidden = "mount -t tmpfs none /dev && exec \"$0\" \"$@\"";
    command
        .args(["-m", "sh", "-c", hidden])
        .arg(child.get_program())
        .args(child.get_args());
    command
        .env("DURAMEN_CHILD", "publish without devices")
        .env("DURAMEN_DIR", home.path());
    run_child(command);
}

/// What the child of these tests does.
#[test]
fn in_a_child() {
    if role().as_deref() != Some("publish without devices") {
        return;
    }
    let dir = PathBuf::from(env::var_os("DURAMEN_DIR").expect("a directory"));
    assert!(!Path::new("/dev/urandom").exists());
    let log = options().open(dir.join("log")).expect("a new log");
    publish(&log, 100);
    assert!(log.stat().expect("figures").segments > 5);
    log.close().expect("a close");
}
