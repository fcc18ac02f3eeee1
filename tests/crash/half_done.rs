//! A removal of which the metadata's first copy was written and the second was not: the handle shows what the next
//! open finds, and whichever copy is damaged then, the log opens with what that copy says.

use std::collections::BTreeSet;
use std::path::Path;

use duramen::fault::{Errno, Fault, SimDisk};
use duramen::{Durability, FileLog, Log, NewMessage, Options, Result, Start};

use super::settings::Settings;

pub(super) const DIR: &str = "/log";
const MESSAGES: u64 = 40;
const CUT: u64 = 25;

pub(super) fn options(disk: &SimDisk) -> Options {
    Options::new()
        .create_dirs(true)
        .rollover(1 << 10)
        .durability(Durability::EachPublish)
        .background(false)
        .storage(disk)
}

/// Publishes so many messages, one after the other.
pub(super) fn fill(log: &FileLog, count: u64) {
    for _ in 0..count {
        log.publish(&[NewMessage::value(&[7; 100])]).expect("published");
    }
}

fn filled(disk: &SimDisk) -> FileLog {
    let log = options(disk).open(DIR).expect("a new log");
    fill(&log, MESSAGES);
    log
}

/// Each call that `action` makes fails once in each way. Unless that has poisoned it, the log is then handed to
/// `judge`, with what `action` said.
fn with_each_fault<T>(
    action: impl Fn(&FileLog) -> Result<T>,
    judge: impl Fn(&FileLog, &SimDisk, Result<T>, &str),
) {
    for errno in Errno::ALL {
        for index in 0.. {
            let disk = SimDisk::new(Settings::get().seed);
            let log = filled(&disk);
            disk.inject(Fault {
                errno: *errno,
                call: None,
                index,
                from_then_on: false,
            });
            let done = action(&log);
            let is_hit = disk.faults_hit() > 0;
            let when = format!("{errno:?} {index} in {:?}", disk.last_fault());
            disk.heal();
            // What a failed sync leaves is not known.
            if log.publish(&[]).is_ok() {
                judge(&log, &disk, done, &when);
            }
            if !is_hit {
                break;
            }
        }
    }
}

/// The log, without the handle that is open, with one copy of the metadata damaged.
pub(super) fn with_damaged_copy(disk: &SimDisk, name: &str) -> SimDisk {
    let cut = disk.power_cut();
    let path = Path::new(DIR).join(name);
    let mut bytes = cut.read_file(&path).expect("a copy");
    bytes[50] ^= 1;
    cut.set_file(&path, &bytes).expect("a disk that was not used yet");
    cut
}

/// Where the log begins; everything from there on is readable.
fn start_of(log: &FileLog, when: &str) -> u64 {
    let start = log.start_offset().expect("open");
    for offset in start..MESSAGES {
        let message = log.get(Start::At(offset));
        assert_eq!(message.expect(when).offset, offset, "{when}");
    }
    start
}

#[test]
fn a_handle_shows_what_a_failed_trim_has_done() {
    let half_done = std::cell::Cell::new(0);
    with_each_fault(
        |log| log.trim(CUT),
        |log, disk, trimmed, when| {
            let shown = start_of(log, when);
            let again = options(&disk.kill()).open(DIR).expect(when);
            assert_eq!(start_of(&again, when), shown, "{when}: {trimmed:?}");
            assert!(trimmed.is_err() || shown == CUT, "{when}");
            half_done.set(half_done.get() + u32::from(trimmed.is_err() && shown == CUT));
            for name in ["meta.0", "meta.1"] {
                let log = options(&with_damaged_copy(disk, name)).open(DIR).expect(when);
                let start = start_of(&log, when);
                assert!(
                    start == shown || (start == 0 && trimmed.is_err()),
                    "{when}: {name}"
                );
            }
            // What was not done can be done.
            assert!(log.trim(CUT + 1).is_ok(), "{when}");
            for name in ["meta.0", "meta.1"] {
                let log = options(&with_damaged_copy(disk, name)).open(DIR).expect(when);
                assert_eq!(start_of(&log, when), CUT + 1, "{when}: {name}");
            }
        },
    );
    assert!(half_done.get() > 10, "only {} were half done", half_done.get());
}

/// That there are gaps is in both copies before there are any, also where the first attempt failed in between.
#[test]
fn damage_to_the_metadata_does_not_hide_gaps() {
    let named = BTreeSet::from([2, 3]);
    with_each_fault(
        |log| log.delete(&named),
        |log, disk, deleted, when| {
            // Some of it may be done.
            let more = log.delete(&named);
            assert!(deleted.is_ok() || more.is_ok(), "{when}: {more:?}");
            for name in ["meta.0", "meta.1"] {
                let log = options(&with_damaged_copy(disk, name)).open(DIR).expect(when);
                let trimmed = log.trim(10).expect(when);
                assert_eq!(trimmed.count, 8, "{when}: {name}");
            }
        },
    );
}
