use std::path::Path;

use super::*;
use crate::{Corruption, FileLog, Log as _, NewMessage, Options};

/// Messages in the log, which has eleven segments.
const COUNT: u64 = 300;

fn options() -> Options {
    Options::new().create_dirs(true).rollover(1024).background(false)
}

/// A closed log of many segments.
fn log(dir: &Path) -> FileLog {
    let log = options().open(dir).unwrap();
    for number in 0..COUNT {
        log.publish(&[NewMessage::value(&number.to_le_bytes())]).unwrap();
    }
    log
}

/// The base offsets of the segments, ascending.
fn bases(dir: &Path) -> Vec<u64> {
    let names = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let base = |name: std::ffi::OsString| name.to_str()?.strip_suffix(".log")?.parse().ok();
    let mut bases: Vec<u64> = names.filter_map(base).collect();
    bases.sort_unstable();
    bases
}

fn segment(dir: &Path, base: u64) -> std::path::PathBuf {
    dir.join(format!("{base:020}.log"))
}

#[test]
fn a_plan_for_a_log_in_order_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    log(dir.path()).close().unwrap();
    let report = recover_with(dir.path(), &options(), &RecoverOptions::new().dry_run(true)).unwrap();
    assert!(!report.changed && report.dropped.is_empty());
    assert_eq!((report.messages, report.next_offset), (COUNT, COUNT));
    assert!(check(dir.path(), &options()).unwrap().is_clean());
}

/// Goal: a missing segment cuts the log in front of it, and with salvage costs its own messages
/// only. Method: one in the middle is removed; the plan is compared with its outcome.
#[test]
fn a_missing_segment_costs_what_the_plan_says() {
    for salvage in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        log(dir.path()).close().unwrap();
        let bases = bases(dir.path());
        let (missing, next) = (bases[5], bases[6]);
        std::fs::remove_file(segment(dir.path(), missing)).unwrap();
        let problems = check(dir.path(), &options()).unwrap().problems;
        assert!(!problems.is_empty());

        let how = RecoverOptions::new().salvage(salvage);
        let plan = recover_with(dir.path(), &options(), &how.dry_run(true)).unwrap();
        let first = plan.dropped.first().unwrap();
        assert_eq!(
            (first.kind, first.first_offset),
            (Corruption::Missing, Some(missing))
        );
        let kept = if salvage {
            COUNT - (next - missing)
        } else {
            missing
        };
        let report = recover_with(dir.path(), &options(), &how).unwrap();
        assert_eq!((plan.messages, report.messages), (kept, kept));
        assert_eq!((plan.next_offset, report.next_offset), (COUNT, COUNT));
        assert_eq!(report.epoch, 1);
        assert!(check(dir.path(), &options()).unwrap().is_clean());
    }
}

/// Goal: a damaged byte costs one message at most. Method: the first byte of a value is changed.
#[test]
fn a_damaged_record_is_dropped_alone_when_salvaging() {
    let dir = tempfile::tempdir().unwrap();
    log(dir.path()).close().unwrap();
    let base = bases(dir.path())[5];
    let path = segment(dir.path(), base);
    let mut bytes = std::fs::read(&path).unwrap();
    let position = bytes.len() - 1;
    bytes[position] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let report = recover_with(dir.path(), &options(), &RecoverOptions::new().salvage(true)).unwrap();
    assert_eq!((report.messages, report.dropped.len()), (COUNT - 1, 1));
    assert_eq!(report.dropped[0].kind, Corruption::Record);
    assert_eq!(report.quarantined.len(), 1);
    assert!(check(dir.path(), &options()).unwrap().is_clean());
}
