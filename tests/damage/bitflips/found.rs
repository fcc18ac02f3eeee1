//! What the battery has found, each by itself.

use std::fs;
use std::path::{Path, PathBuf};

use duramen::{
    Corruption, Durability, Error, FileLog, Log, NewMessage, Options, Result, Start, Timestamp, check,
};

use crate::common::{fast_dir, segment_paths};

fn options() -> Options {
    let options = Options::new().create_dirs(true).key_index(true).time_index(true);
    options
        .durability(Durability::EachPublish)
        .rollover(1 << 10)
        .background(false)
}

/// A closed log with two segments: of two keys in turn, a second apart.
fn make(dir: &Path) {
    let log = options().open(dir).expect("a new log");
    for second in 0..30 {
        let key = if second % 2 == 0 {
            &b"even key"[..]
        } else {
            b"odd key"
        };
        let message = NewMessage::new(key, b"value").time(Timestamp::from_micros(second * 1_000_000));
        log.publish(&[message]).expect("a publish");
    }
    log.close().expect("a close");
}

/// Changes one byte of the record at `offset` in the first segment, which holds lone records of two lengths.
fn damage(dir: &Path, offset: usize, at: usize) {
    const EVEN: usize = 24 + 8 + 5;
    let position = 192 + offset / 2 * (2 * EVEN - 1) + offset % 2 * EVEN + at;
    let path = &segment_paths(dir)[0];
    let mut bytes = fs::read(path).expect("a segment");
    bytes[position] ^= 1;
    fs::write(path, bytes).expect("a segment");
}

fn offset_of(error: &Error) -> Option<u64> {
    match error {
        Error::Corrupt {
            offset,
            kind: Corruption::Record,
            ..
        } => *offset,
        _ => None,
    }
}

fn is_reported<T>(answer: &Result<T>, offset: u64) -> bool {
    answer.as_ref().err().and_then(offset_of) == Some(offset)
}

/// Once a damaged key was taken for another key with the same hash, and an older message returned.
#[test]
fn a_damaged_key_is_not_taken_for_another_key() {
    for at in [24, 16] {
        let home = fast_dir();
        make(home.path());
        let log = options().open(home.path()).expect("a log");
        assert_eq!(segment_paths(home.path()).len(), 2);
        let last = log.get(Start::Oldest).map(|_| 20).expect("a first message");
        drop(log);
        damage(home.path(), last, at);
        let log: FileLog = options().read_only(true).open(home.path()).expect("a log");
        let keyed = log.consume_by_key(b"even key", Start::Oldest, 1000);
        let in_front = keyed.expect("those in front of it");
        assert!(
            in_front
                .iter()
                .map(|message| message.offset)
                .eq((0..20).step_by(2)),
            "{in_front:?}"
        );
        let keyed = log.consume_by_key(b"even key", Start::At(in_front.next_offset), 1000);
        assert!(is_reported(&keyed, 20), "{keyed:?}");
    }
}

/// Once a damaged time was taken for an early one, and a later message returned.
#[test]
fn a_damaged_time_is_not_passed_over() {
    let home = fast_dir();
    make(home.path());
    // The index is there; the record says that it is half a second early.
    damage(home.path(), 5, 8 + 2);
    let log = options().read_only(true).open(home.path()).expect("a log");
    for micros in [4_900_000, 4_960_000, 5_000_000] {
        let found = log.get_by_time(Timestamp::from_micros(micros));
        assert!(
            found.as_ref().is_ok_and(|found| found.offset == 5) || is_reported(&found, 5),
            "{found:?}"
        );
    }
}

/// Once a segment cut exactly behind a batch passed for whole, although a copy of the metadata knew that the log had
/// been closed further on.
#[test]
fn a_log_cut_behind_a_batch_before_its_clean_end_is_damaged() {
    let home = fast_dir();
    make(home.path());
    let log = options().open(home.path()).expect("a log");
    log.publish(&[NewMessage::value(b"more")]).expect("a publish");
    let copy = fast_dir();
    crate::common::write_files(copy.path(), &crate::common::files_of(home.path()));
    let last: PathBuf = segment_paths(copy.path())[1].clone();
    let whole = fs::read(&last).expect("a segment");
    let first_frame = u32::from_le_bytes(*whole[132..].first_chunk().expect("a frame")) & 0x3fff_ffff;
    let len = 192 + first_frame as usize;
    fs::write(&last, &whole[..len]).expect("a segment");
    for options in [options().read_only(true), options()] {
        let opened = options.open(copy.path());
        let position = len as u64;
        assert!(
            matches!(&opened, Err(Error::Corrupt { position: at, kind: Corruption::Short, .. }) if *at == position),
            "{opened:?}"
        );
    }
    assert!(!check(copy.path(), &options()).expect("a check").is_clean());
}

/// Once nothing was wrong with a log of which both copies of the metadata said that it was closed without a segment.
#[test]
fn segments_that_the_metadata_does_not_know_are_reported() {
    let home = fast_dir();
    let log = options().open(home.path()).expect("a new log");
    let first = fs::read(home.path().join("meta.0")).expect("a copy");
    log.publish(&[NewMessage::value(b"a")]).expect("a publish");
    let copy = fast_dir();
    crate::common::write_files(copy.path(), &crate::common::files_of(home.path()));
    for name in ["meta.0", "meta.1"] {
        fs::write(copy.path().join(name), &first).expect("a copy");
    }
    assert!(options().open(copy.path()).is_err());
    assert!(!check(copy.path(), &options()).expect("a check").is_clean());
    let report = duramen::recover(copy.path(), &options()).expect("recovered");
    assert!(report.changed && report.dropped.is_empty(), "{report:?}");
    let log = options().open(copy.path()).expect("a log");
    assert_eq!(log.consume(Start::Oldest, 9).expect("read").messages.len(), 1);
}
