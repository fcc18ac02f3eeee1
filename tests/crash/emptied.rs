//! A log that was closed, and that loses all its messages in a life that publishes nothing: the metadata goes on
//! saying that it was closed, while its last segment is removed.

use std::collections::BTreeSet;
use std::path::Path;

use duramen::fault::{Errno, Fault, SimDisk};
use duramen::{FileLog, Log, NewMessage, Result, Start};

use super::half_done::{DIR, fill, options, with_damaged_copy};
use super::settings::Settings;

/// The last segment has so few that the log can go on in it.
const MESSAGES: u64 = 8;

/// A log that was closed.
fn closed() -> SimDisk {
    let disk = SimDisk::new(Settings::get().seed);
    let log = options(&disk).open(DIR).expect("a new log");
    fill(&log, MESSAGES);
    log.close().expect("closed");
    disk
}

/// Whether a log is empty now; all its messages are there if not. It goes on behind them in either case.
fn is_empty(log: &FileLog, when: &str) -> bool {
    let start = log.start_offset().expect("open");
    assert!(start == 0 || start == MESSAGES, "{when}: begins at {start}");
    for offset in start..MESSAGES {
        assert_eq!(log.get(Start::At(offset)).expect(when).offset, offset, "{when}");
    }
    let next = log.publish(&[NewMessage::value(b"next")]).expect(when);
    assert_eq!(next, MESSAGES + 1, "{when}: an offset was given out twice");
    start == MESSAGES
}

fn opened(disk: &SimDisk, when: &str) -> FileLog {
    options(disk).open(DIR).expect(when)
}

#[test]
fn a_crash_while_a_closed_log_is_emptied_leaves_all_of_it_or_nothing() {
    let disk = closed();
    let before = disk.point();
    let log = opened(&disk, "again");
    let trimmed = log.trim(MESSAGES).expect("trimmed");
    assert_eq!(trimmed.count, MESSAGES);
    let acknowledged = disk.point();
    let segment = Path::new(DIR).join(format!("{:020}.log", 0));
    assert!(disk.read_file(&segment).is_none(), "its segments go at once");
    log.close().expect("closed");
    let plan = Settings::get().plan();
    let (mut full, mut empty) = (0, 0);
    for point in before..=disk.point() {
        let cuts = disk.crash_images(point, &plan);
        for image in cuts.chain([disk.kill_at(point)]) {
            let when = format!("at {point} of {acknowledged}");
            // What a crash leaves is no damage, a torn copy of the metadata among it.
            let report = duramen::check(Path::new(DIR), &options(&image)).expect(&when);
            assert!(report.problems.is_empty(), "{when}: {report:?}");
            if is_empty(&opened(&image, &when), &when) {
                empty += 1;
            } else {
                full += 1;
                assert!(point < acknowledged, "{when}: what was trimmed is back");
            }
        }
    }
    println!("{full} disks with all messages, {empty} without any");
    assert!(full > 5 && empty > 5, "{full} and {empty}");
}

/// A last segment that is empty stays, and the metadata goes on speaking of it. Deleting the newest message leaves
/// such a segment.
#[test]
fn a_closed_log_whose_last_segment_is_empty_opens_after_it_was_emptied() {
    for count in [1, 3] {
        let disk = SimDisk::new(Settings::get().seed);
        let log = options(&disk).open(DIR).expect("a new log");
        fill(&log, count);
        log.delete(&BTreeSet::from([count - 1])).expect("deleted");
        log.close().expect("closed");
        let log = opened(&disk, "again");
        log.trim(count).expect("trimmed");
        for (image, when) in [(disk.kill(), "killed"), (disk.power_cut(), "cut")] {
            let log = opened(&image, when);
            assert_eq!(log.publish(&[NewMessage::value(b"next")]).expect(when), count + 1);
        }
        log.close().expect("closed");
        for name in ["meta.0", "meta.1"] {
            let log = opened(&with_damaged_copy(&disk, name), name);
            assert_eq!(log.start_offset().expect(name), count);
        }
        let report = duramen::check(Path::new(DIR), &options(&disk)).expect("checked");
        assert!(report.problems.is_empty() && report.was_closed, "{report:?}");
    }
}

/// Nothing is written when the log is closed, so both copies have to know it before.
#[test]
fn damage_to_either_copy_does_not_bring_back_what_was_emptied() {
    let disk = closed();
    let log = opened(&disk, "again");
    log.trim(MESSAGES).expect("trimmed");
    log.close().expect("closed");
    for name in ["meta.0", "meta.1"] {
        let log = opened(&with_damaged_copy(&disk, name), name);
        assert!(is_empty(&log, name), "{name}");
    }
}

#[test]
fn a_closed_log_of_which_emptying_fails_opens_again() {
    let (mut failed, mut went_on) = (0, 0);
    let errors = [Errno::Eio, Errno::Enospc];
    for (errno, goes_on) in errors
        .into_iter()
        .flat_map(|errno| [(errno, false), (errno, true)])
    {
        for index in 0.. {
            let disk = closed();
            let log = opened(&disk, "again");
            disk.inject(Fault {
                errno,
                call: None,
                index,
                from_then_on: false,
            });
            let trimmed = log.trim(MESSAGES);
            let is_hit = disk.faults_hit() > 0;
            let when = format!("{errno:?} {index} in {:?}: {trimmed:?}", disk.last_fault());
            disk.heal();
            failed += u32::from(trimmed.is_err());
            if goes_on && log.publish(&[NewMessage::value(b"more")]).is_ok() {
                went_on += 1;
                // Wherever that is, no copy of the metadata takes it for trimmed.
                for name in ["meta.0", "meta.1"] {
                    let log = opened(&with_damaged_copy(&disk, name), &when);
                    let more = log.get(Start::At(MESSAGES)).expect(&when);
                    assert_eq!(more.value.as_deref(), Some(&b"more"[..]), "{when}: {name}");
                }
            } else {
                let _ = log.close();
                for image in [disk.kill(), disk.power_cut()] {
                    let empty = is_empty(&opened(&image, &when), &when);
                    assert!(empty || trimmed.is_err(), "{when}");
                }
            }
            if !is_hit {
                break;
            }
        }
    }
    assert!(
        failed > 5 && went_on > 5,
        "only {failed} failed, {went_on} went on"
    );
}

#[test]
fn a_log_that_was_emptied_takes_messages_in_the_same_life() {
    let disk = closed();
    let log = opened(&disk, "again");
    log.trim(MESSAGES).expect("trimmed");
    fill(&log, 3);
    let count = |log: &FileLog| -> Result<usize> { Ok(log.consume(Start::Oldest, 100)?.messages.len()) };
    for image in [disk.kill(), disk.power_cut()] {
        assert_eq!(count(&opened(&image, "killed")).expect("messages"), 3);
    }
    log.close().expect("closed");
    for name in ["meta.0", "meta.1"] {
        let log = opened(&with_damaged_copy(&disk, name), name);
        assert_eq!(count(&log).expect(name), 3, "{name}");
    }
}
