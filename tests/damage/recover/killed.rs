//! Logs that were not closed, and what is left of their metadata.

use std::fs;
use std::path::Path;

use duramen::{
    Corruption, Durability, Log, NewMessage, Options, RecoverOptions, check, recover, recover_with,
};

use super::{as_planned, options, read_all};
use crate::common::{fast_dir, files_of, segment_paths, write_files};

/// A log that was killed says nothing of its end in its metadata: recovering it gives no offset out again, also where
/// no message was lost.
#[test]
fn a_killed_log_goes_on_behind_all_it_had() {
    let scratch = fast_dir();
    let (dir, killed) = (scratch.path().join("log"), scratch.path().join("killed"));
    let log = options()
        .create_dirs(true)
        .durability(Durability::EachPublish)
        .open(&dir)
        .expect("a new log");
    for _ in 0..6 {
        log.publish(&[NewMessage::value(b"one"), NewMessage::value(b"two")])
            .expect("published");
    }
    fs::create_dir(&killed).expect("a directory");
    write_files(&killed, &files_of(&dir));
    let path = segment_paths(&killed)[0].clone();
    let mut bytes = fs::read(&path).expect("a segment");
    // In the header of the second batch: its records stay whole.
    let header = 192 + 20 + 2 * (20 + 3);
    bytes[header + 2] ^= 1;
    fs::write(&path, bytes).expect("a segment");
    assert!(options().open(&killed).is_err());
    let report = as_planned(&killed, &options(), RecoverOptions::new(), "recovered");
    assert!(
        report
            .dropped
            .iter()
            .all(|dropped| dropped.first_offset == dropped.end_offset),
        "{report:?}"
    );
    assert_eq!((report.messages, report.next_offset), (12, 12));
    let log = options().open(&killed).expect("the recovered log");
    assert_eq!(read_all(&log).expect("read").len(), 12);
    assert_eq!(log.publish(&[NewMessage::value(b"more")]).expect("published"), 13);
}

/// The files of an open log in `dir`, with so many messages of one byte in batches of ten, as a kill leaves them.
fn killed_log(options: &Options, dir: &Path, messages: u64) -> Vec<(String, Vec<u8>)> {
    let log = options
        .clone()
        .create_dirs(true)
        .durability(Durability::EachPublish)
        .background(false)
        .open(dir)
        .expect("a log");
    for _ in 0..messages / 10 {
        log.publish(&[NewMessage::value(b"x"); 10]).expect("published");
    }
    files_of(dir)
}

/// A copy of a log in a directory of its own.
fn copy_of(files: &[(String, Vec<u8>)]) -> tempfile::TempDir {
    let dir = fast_dir();
    write_files(dir.path(), files);
    dir
}

/// Goal: no offset of a lost segment is given out again, whatever the rollover size was. Method: a log of large
/// segments, closed, taken up again and killed, loses its only segment, and is opened with a small rollover size.
#[test]
fn offsets_of_a_lost_segment_are_not_given_out_again() {
    let home = fast_dir();
    let options = Options::new();
    killed_log(&options, home.path(), 100);
    let files = killed_log(&options, home.path(), 3000);
    let copy = copy_of(&files);
    fs::remove_file(&segment_paths(copy.path())[0]).expect("removed");
    let options = options.rollover(1 << 10);
    assert!(options.open(copy.path()).is_err());
    let other = copy_of(&files_of(copy.path()));
    let report = as_planned(other.path(), &options, RecoverOptions::new(), "recovered");
    let is_told = report
        .dropped
        .iter()
        .map(|dropped| (dropped.first_offset, dropped.kind));
    assert!(
        report.changed && is_told.eq([(Some(0), Corruption::Missing)]),
        "{report:?}"
    );
    assert!(report.next_offset >= 3100 && report.epoch == 1, "{report:?}");
    let log = options.clone().recover(true).open(copy.path()).expect("cut");
    let next = log.next_offset().expect("open");
    assert!(next >= 3100, "{next} was given out before");
    assert_eq!(log.stat().expect("open").epoch, 1);
    log.publish(&[NewMessage::value(b"more")]).expect("published");
    log.close().expect("closed");
    assert_eq!(
        options
            .open(copy.path())
            .expect("a log")
            .next_offset()
            .expect("open"),
        next + 1
    );
}

/// A segment file that became shorter does not say how many messages were in it.
#[test]
fn offsets_of_a_shortened_segment_are_not_given_out_again() {
    let home = fast_dir();
    let files = killed_log(&Options::new(), home.path(), 3000);
    for shorten in [false, true] {
        let copy = copy_of(&files);
        for name in ["meta.0", "meta.1"] {
            fs::write(copy.path().join(name), b"nonsense").expect("written");
        }
        if shorten {
            let path = &segment_paths(copy.path())[0];
            let bytes = fs::read(path).expect("a segment");
            fs::write(path, &bytes[..500]).expect("a segment");
        }
        let report = as_planned(copy.path(), &Options::new(), RecoverOptions::new(), "recovered");
        assert!(report.next_offset >= 3000 && report.epoch == 1, "{report:?}");
    }
}

/// However many segments cannot be read, it is one more life of the log.
#[test]
fn a_cut_at_open_is_one_epoch() {
    let home = fast_dir();
    let files = killed_log(&Options::new().rollover(1 << 10), home.path(), 1000);
    for epoch in [0, 7, u64::MAX] {
        let copy = copy_of(&files);
        for name in ["meta.0", "meta.1"] {
            set_epoch(&copy.path().join(name), epoch);
        }
        let paths = segment_paths(copy.path());
        for path in &paths[paths.len() - 3..] {
            let mut bytes = fs::read(path).expect("a segment");
            bytes[20] ^= 1;
            fs::write(path, bytes).expect("a segment");
        }
        let planned = RecoverOptions::new().dry_run(true);
        let planned = recover_with(copy.path(), &Options::new(), &planned).expect("a plan");
        assert_eq!(planned.epoch, epoch.saturating_add(1));
        let log = Options::new().recover(true).open(copy.path()).expect("cut");
        assert_eq!(log.stat().expect("open").epoch, epoch.saturating_add(1));
        log.close().expect("closed");
        let again = recover(copy.path(), &Options::new()).expect("in order");
        assert!(
            !again.changed && again.epoch == epoch.saturating_add(1),
            "{again:?}"
        );
    }
}

/// Sets the epoch in a copy of the metadata, with the checksum put right; see docs/format.md.
fn set_epoch(path: &Path, epoch: u64) {
    let mut bytes = fs::read(path).expect("a copy");
    bytes[40..48].copy_from_slice(&epoch.to_le_bytes());
    let sum_at = bytes.len() - 4;
    let sum = crc32c::crc32c(&bytes[..sum_at]);
    bytes[sum_at..].copy_from_slice(&sum.to_le_bytes());
    fs::write(path, bytes).expect("a copy");
}

/// What a crash may leave of the metadata is no damage; the same of a log that was closed is.
#[test]
fn a_copy_of_the_metadata_that_a_crash_may_leave_is_no_problem() {
    let home = fast_dir();
    let created = home.path().join("created");
    let log = options().create_dirs(true).open(&created).expect("a new log");
    let mut files = files_of(&created);
    log.close().expect("closed");
    files.retain(|(name, _)| name != "meta.1");
    let half_created = copy_of(&files);

    let killed = home.path().join("killed");
    let half_written = copy_of(&killed_log(&options(), &killed, 20));
    let newest = newest_copy(half_written.path());
    let other = if newest == "meta.0" { "meta.1" } else { "meta.0" };
    tear(&half_written.path().join(other));

    for dir in [half_created.path(), half_written.path()] {
        let report = check(dir, &options()).expect("checked");
        assert!(report.is_clean(), "{:?}", report.problems);
        let report = as_planned(dir, &options(), RecoverOptions::new(), "recovered");
        assert!(!report.changed && report.dropped.is_empty(), "{report:?}");
        for name in ["meta.0", "meta.1"] {
            let copy = copy_of(&files_of(dir));
            tear(&copy.path().join(name));
            let problems = check(copy.path(), &options()).expect("checked").problems;
            assert!(
                problems.len() == 1 && problems[0].kind == Corruption::Meta,
                "{name}: {problems:?}"
            );
        }
    }
}

/// The copy of the metadata with the larger sequence number.
fn newest_copy(dir: &Path) -> &'static str {
    let sequence = |name: &&str| fs::read(dir.join(name)).expect("a copy")[32..40].to_vec();
    ["meta.0", "meta.1"]
        .into_iter()
        .max_by_key(sequence)
        .expect("two")
}

/// Leaves a copy of the metadata half overwritten.
fn tear(path: &Path) {
    let mut bytes = fs::read(path).expect("a copy");
    bytes[40..64].fill(0x55);
    fs::write(path, bytes).expect("a copy");
}
