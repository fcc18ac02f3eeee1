//! Disks of every size: whatever fills one up, trimming makes room, and publishing goes on.

use std::collections::BTreeSet;
use std::env;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use duramen::{Durability, FileLog, Log, NewMessage, Options, RecoverOptions, Start};
use rustix::process::{Pid, Signal, getpid, kill_process};

use super::full_disk::{in_a_namespace, mount_of};
use super::{CHILD, is_refusal};
use crate::common::{child, number};

/// Goal: a disk of any size that a log has filled up is usable again after trimming: what was full frees something,
/// what was refused is published, no offset is given out twice, and nothing dies of SIGBUS. Method: disks of many
/// sizes, each filled up, trimmed and filled again, through the same handle, after a reopen and after a kill.
#[test]
fn a_full_disk_of_any_size_is_usable_after_trimming() {
    // In parts, because a child has to end in time.
    for part in 0..sizes().len().div_ceil(PART_LEN) {
        in_a_namespace(&format!("{SWEEP}{part}"));
    }
}

/// What children do that sweep a part of the sizes, followed by its number.
pub(super) const SWEEP: &str = "sweep ";
/// How many sizes a child takes.
const PART_LEN: usize = 3;

/// The sizes of the disks, in KiB.
fn sizes() -> Vec<u64> {
    let is_all = number("DURAMEN_DISK_SIZES", 0) > 0;
    let small = (256..=8 << 10).step_by(if is_all { 64 } else { 64 * 19 });
    let large = (1..=64).map(|mib| mib << 10);
    if is_all {
        small.chain(large).collect()
    } else {
        small.chain([1 << 10, 2 << 10, 16 << 10]).collect()
    }
}

/// The logs that fill the disks: one that has a single segment, and one that has many.
fn logs() -> [Options; 3] {
    let options = Options::new().create_dirs(true).key_index(true).time_index(true);
    [
        options.clone(),
        options.clone().rollover(128 << 10),
        options
            .durability(Durability::EachPublish)
            .rollover(1 << 20)
            .background(false),
    ]
}

pub(super) fn sweep_sizes(part: &str) {
    let part: usize = part.parse().expect("a number");
    let sizes = sizes().into_iter().skip(part * PART_LEN).take(PART_LEN);
    for kib in sizes {
        for options in logs() {
            let when = format!("{kib} KiB, {options:?}");
            let disk = mount_of(kib);
            let dir = disk.join("log");
            same_handle(&disk, &dir, &options, &when);
            reopened(&dir, &options, &when);
            killed(&disk, &dir, &options, &when);
            // A thread that ends may hold a file for a moment longer.
            let deadline = Instant::now() + Duration::from_secs(10);
            while !Command::new("umount")
                .arg(&disk)
                .status()
                .expect("umount")
                .success()
            {
                assert!(Instant::now() < deadline, "{when}");
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

fn free(disk: &Path) -> u64 {
    let free = rustix::fs::statvfs(disk).expect("a disk");
    free.f_bavail * free.f_frsize
}

/// Publishes until not even an empty message fits. Returns the next offset.
fn fill(log: &FileLog, when: &str) -> u64 {
    for len in [50_000, 5_000, 500, 0] {
        let value = vec![0xa5; len];
        let messages: Vec<_> = (0..3).map(|_| NewMessage::new(b"key", &value)).collect();
        let refused = loop {
            if let Err(error) = log.publish(&messages) {
                break error;
            }
        };
        assert!(is_refusal(&refused), "{when}: {refused:?}");
    }
    log.next_offset().expect("an offset")
}

/// Trims everything of a full disk, which frees something, and publishes again.
fn make_room(log: &FileLog, disk: &Path, end: u64, when: &str) {
    let before = free(disk);
    let trimmed = log.trim(end).unwrap_or_else(|error| panic!("{when}: {error:?}"));
    assert!(trimmed.size > 0, "{when}: {trimmed:?}");
    // The log's own thread may have been reading what is gone now, for a few milliseconds.
    let deadline = Instant::now() + Duration::from_secs(10);
    while free(disk) <= before {
        assert!(Instant::now() < deadline, "{when}: nothing was freed");
        thread::sleep(Duration::from_millis(1));
    }
    publishes_from(log, end, when);
}

fn publishes_from(log: &FileLog, end: u64, when: &str) {
    let value = vec![1; 20_000];
    for offset in end..end + 3 {
        let next = log.publish(&[NewMessage::new(b"key", &value)]);
        let next = next.unwrap_or_else(|error| panic!("{when}: {error:?}"));
        assert_eq!(next, offset + 1, "{when}");
    }
    assert_eq!(log.get(Start::Oldest).expect("a message").offset, end, "{when}");
}

/// Filled up, trimmed, filled up again behind a deletion and a rollover, and trimmed again.
fn same_handle(disk: &Path, dir: &Path, options: &Options, when: &str) {
    let log = options
        .open(dir)
        .unwrap_or_else(|error| panic!("{when}: {error:?}"));
    let end = fill(&log, when);
    make_room(&log, disk, end, when);
    // Deleting leaves the last segment behind; there may be no space for what is kept.
    let deleted = log.delete(&BTreeSet::from([end + 1]));
    assert!(
        deleted.as_ref().err().is_none_or(is_refusal),
        "{when}: {deleted:?}"
    );
    let end = fill(&log, when);
    make_room(&log, disk, end, when);
    let end = log.next_offset().expect("an offset");
    assert_eq!(log.trim(end).expect("trimmed").count, 3, "{when}");
    assert_eq!(log.stat().expect("stats").segments, 0, "{when}");
    log.close().unwrap_or_else(|error| panic!("{when}: {error:?}"));
}

/// Filled up and closed: reading, checking and trimming work, and publishing after that.
fn reopened(dir: &Path, options: &Options, when: &str) {
    let when = format!("reopened: {when}");
    let log = options
        .open(dir)
        .unwrap_or_else(|error| panic!("{when}: {error:?}"));
    assert_eq!(
        log.start_offset().expect("an offset"),
        log.next_offset().expect("an offset"),
        "{when}"
    );
    let end = fill(&log, &when);
    log.close().unwrap_or_else(|error| panic!("{when}: {error:?}"));
    read_only(dir, options, end, &when);
    let log = options
        .open(dir)
        .unwrap_or_else(|error| panic!("{when}: {error:?}"));
    make_room(&log, dir, end, &when);
    log.close().unwrap_or_else(|error| panic!("{when}: {error:?}"));
}

/// Everything that only reads works on a full disk.
fn read_only(dir: &Path, options: &Options, end: u64, when: &str) {
    let reader = options.clone().read_only(true).open(dir);
    let reader = reader.unwrap_or_else(|error| panic!("{when}: {error:?}"));
    let newest = reader.get(Start::Newest);
    assert_eq!(newest.expect("a message").offset + 1, end, "{when}");
    reader
        .get_by_key(b"key")
        .unwrap_or_else(|error| panic!("{when}: {error:?}"));
    reader.close().expect("closed");
    let checked = duramen::check(dir, options).unwrap_or_else(|error| panic!("{when}: {error:?}"));
    assert!(checked.is_clean(), "{when}: {checked:?}");
    let how = RecoverOptions::new().dry_run(true);
    let report = duramen::recover_with(dir, options, &how);
    report.unwrap_or_else(|error| panic!("{when}: {error:?}"));
}

/// Filled up by a process that is killed then: another one opens the log and makes room.
fn killed(disk: &Path, dir: &Path, options: &Options, when: &str) {
    let when = format!("killed: {when}");
    let mut command = child(CHILD, "fill and die");
    command
        .env("DURAMEN_DIR", dir)
        .env("DURAMEN_OPTIONS", index_of(options));
    let child = command.output().expect("a child");
    assert_eq!(child.status.signal(), Some(9), "{when}: {child:?}");
    let reader = options.clone().read_only(true).open(dir);
    let reader = reader.unwrap_or_else(|error| panic!("{when}: {error:?}"));
    let end = reader.next_offset().expect("an offset");
    reader.close().expect("closed");
    read_only(dir, options, end, &when);
    let log = options
        .open(dir)
        .unwrap_or_else(|error| panic!("{when}: {error:?}"));
    assert_eq!(log.next_offset().expect("an offset"), end, "{when}");
    make_room(&log, disk, end, &when);
    log.close().unwrap_or_else(|error| panic!("{when}: {error:?}"));
}

fn index_of(options: &Options) -> String {
    let text = format!("{options:?}");
    let index = logs().iter().position(|other| format!("{other:?}") == text);
    index.expect("one of them").to_string()
}

pub(super) fn fill_and_die() {
    let dir = PathBuf::from(env::var_os("DURAMEN_DIR").expect("a directory"));
    let options = &logs()[usize::try_from(number("DURAMEN_OPTIONS", 0)).expect("small")];
    let log = options.open(dir).expect("a log");
    fill(&log, "in a child");
    thread::sleep(Duration::from_millis(2));
    let this: Pid = getpid();
    kill_process(this, Signal::KILL).expect("killed");
}
