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

/// Goal: all that was cut off and is whole can be read in the quarantine, with its offset. Method:
/// a damaged byte in the middle; what is in the log and in the quarantine is all but one message.
#[test]
fn messages_can_be_read_in_the_quarantine() {
    for salvage in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        log(dir.path()).close().unwrap();
        let base = bases(dir.path())[5];
        let path = segment(dir.path(), base);
        let whole = messages_in(&path).unwrap();
        let lost = base + 3;
        assert_eq!((whole[0].offset, whole[3].offset), (base, lost));
        let mut bytes = std::fs::read(&path).unwrap();
        let value = lost.to_le_bytes();
        let position = bytes.windows(8).rposition(|window| window == value).unwrap();
        bytes[position] ^= 0x80;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(messages_in(&path).unwrap().len(), whole.len() - 1);

        let how = RecoverOptions::new().salvage(salvage);
        let report = recover_with(dir.path(), &options(), &how).unwrap();
        let mut found: Vec<_> = Vec::new();
        for file in &report.quarantined {
            dump(file, &mut Vec::new()).unwrap();
            found.extend(messages_in(file).unwrap());
        }
        let offsets: Vec<u64> = found.iter().map(|message| message.offset).collect();
        let expected: Vec<u64> = if salvage {
            Vec::new()
        } else {
            (lost + 1..COUNT).collect()
        };
        assert_eq!(offsets, expected);
        for message in found {
            assert_eq!(message.value.as_deref(), Some(&message.offset.to_le_bytes()[..]));
        }
    }
}

/// What was cut out of a segment can be told by nobody once the segment is gone.
#[test]
fn a_cut_needs_its_segment() {
    let dir = tempfile::tempdir().unwrap();
    log(dir.path()).close().unwrap();
    let base = bases(dir.path())[5];
    let folder = dir.path().join("quarantine");
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join(format!("{base:020}.4096.cut"));
    std::fs::write(&path, b"no frame").unwrap();
    assert_eq!(messages_in(&path).unwrap(), []);
    std::fs::remove_file(segment(dir.path(), base)).unwrap();
    let error = messages_in(&path).unwrap_err();
    let kind = Corruption::Missing;
    assert!(
        matches!(error, crate::Error::Corrupt { kind: found, .. } if found == kind),
        "{error}"
    );
}
