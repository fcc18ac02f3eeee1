//! What control records and producers leave behind, where one thing goes wrong: each test a fault that once was, or
//! that no workload of the batteries can see.

use std::path::Path;

use duramen::fault::{Call, Errno, Fault, SimDisk, restore_to};
use duramen::{Control, Error, ErrorKind, FileLog, Log, NewMessage, PublishOptions, Result, Token};

use super::half_done::{DIR, fill, options};
use super::settings::Settings;

const COPY: &str = "/copy";

fn new_log() -> (SimDisk, FileLog) {
    let disk = SimDisk::new(Settings::get().seed);
    let log = options(&disk).open(DIR).expect("a new log");
    (disk, log)
}

fn token(text: &str) -> Token {
    text.parse().expect("a token")
}

fn fence(log: &FileLog, text: &str) -> Result<()> {
    let how = PublishOptions::new().and(Control::Fence(token(text)));
    log.append(&[], &how).map(drop)
}

fn produce(log: &FileLog, sequence: u64, count: usize) -> (u64, bool) {
    let batch = vec![NewMessage::value(b"produced"); count];
    let ack = log.append(&batch, &PublishOptions::new().producer(5, sequence));
    let ack = ack.expect("published");
    (ack.start.offset, ack.is_duplicate)
}

/// The log opened from a restore up to an offset.
fn restored(disk: &SimDisk, log: &FileLog, end: u64) -> FileLog {
    restore_to(log, Path::new(COPY), end).expect("restored");
    options(disk).open(COPY).expect("a log")
}

#[test]
fn a_restore_that_ends_in_the_first_segment_knows_the_producers() {
    let (disk, log) = new_log();
    assert_eq!(produce(&log, 1, 2), (0, false));
    fill(&log, 3);
    let restored = restored(&disk, &log, 4);
    assert_eq!(produce(&restored, 1, 2), (0, true));
}

#[test]
fn a_restore_knows_producers_that_have_published_much_since() {
    let (disk, log) = new_log();
    for sequence in 0..200 {
        assert_eq!(produce(&log, sequence, 1), (sequence, false));
    }
    let restored = restored(&disk, &log, 100);
    for sequence in 36..100 {
        assert_eq!(produce(&restored, sequence, 1), (sequence, true));
    }
    assert_eq!(produce(&restored, 100, 1), (100, false));
}

#[test]
fn a_restore_up_to_the_start_has_the_token_of_what_was_trimmed() {
    let (disk, log) = new_log();
    fence(&log, "a").expect("published");
    fill(&log, 30);
    fence(&log, "b").expect("published");
    let bases: Vec<u64> = disk
        .files()
        .iter()
        .filter_map(|(path, _)| path.strip_prefix("/log/")?.strip_suffix(".log")?.parse().ok())
        .collect();
    let base = bases
        .into_iter()
        .filter(|base| *base > 0)
        .min()
        .expect("segments");
    log.trim(base).expect("trimmed");
    assert_eq!(log.start_offset().expect("open"), base);
    let restored = restored(&disk, &log, base);
    assert_eq!(restored.token().expect("open"), token("a"));
}

#[test]
fn a_rewrite_keeps_the_control_records_in_front_of_the_start() {
    let (disk, log) = new_log();
    fill(&log, 1);
    fence(&log, "a").expect("published");
    fill(&log, 3);
    log.trim(2).expect("trimmed");
    log.delete(&[3].into()).expect("deleted");
    let restored = restored(&disk, &log, 3);
    assert_eq!(restored.token().expect("open"), token("a"));
}

/// A backup is interrupted after each of its operations, its target goes on as a log of its own, and is killed: what
/// the backup would have brought is nothing to it.
#[test]
fn what_an_interrupted_backup_left_of_producers_does_not_count_later() {
    for index in 0.. {
        let (disk, log) = new_log();
        produce(&log, 1, 2);
        log.backup(Path::new(COPY)).expect("a backup");
        produce(&log, 2, 2);
        disk.inject(Fault {
            errno: Errno::Eio,
            call: None,
            index,
            from_then_on: true,
        });
        let done = log.backup(Path::new(COPY));
        let is_over = disk.faults_hit() == 0;
        drop(log);
        let disk = disk.kill();
        disk.heal();
        let copy = match options(&disk).open(COPY) {
            // A whole backup stays one.
            Ok(copy) if copy.next_offset().expect("open") == 2 => copy,
            Ok(_) | Err(Error::Unfinished { .. }) => {
                assert!(is_over || done.is_err() || disk.faults_hit() > 0);
                if is_over {
                    break;
                }
                continue;
            }
            Err(error) => panic!("{index}: {error}"),
        };
        fill(&copy, 3);
        let disk = disk.kill();
        let copy = options(&disk).open(COPY).expect("a log");
        assert_eq!(produce(&copy, 1, 2), (0, true), "{index}");
        assert_eq!(produce(&copy, 2, 1), (5, false), "{index}");
    }
}

/// Each call of a publish with a trim fails in each way: the batch is not there, or there and trimmed.
#[test]
fn a_batch_whose_trim_fails_is_published_all_the_same() {
    let mut trims_failed = 0;
    for errno in Errno::ALL {
        for index in 0.. {
            let (disk, log) = new_log();
            fill(&log, 40);
            disk.inject(Fault {
                errno: *errno,
                call: None,
                index,
                from_then_on: false,
            });
            let done = log.append(&[], &PublishOptions::new().and(Control::Trim(25)));
            let is_hit = disk.faults_hit() > 0;
            disk.heal();
            let (start, next) = (
                log.start_offset().expect("open"),
                log.next_offset().expect("open"),
            );
            let when = format!("{errno:?} {index}: {done:?}");
            match &done {
                Ok(_) => assert_eq!((start, next), (25, 41), "{when}"),
                Err(error) if error.kind() == ErrorKind::Unknown => {
                    let again = log.publish(&[]);
                    assert!(matches!(again, Err(Error::Poisoned { .. })), "{when}: {again:?}");
                }
                Err(_) => assert_eq!((start, next), (0, 40), "{when}"),
            }
            let known = |disk: &SimDisk| {
                let log = options(disk).read_only(true).open(DIR).expect(&when);
                log.start_offset().expect("open")
            };
            if done.is_ok() {
                trims_failed += u32::from(
                    disk.files()
                        .iter()
                        .any(|(path, _)| path == "/log/00000000000000000000.log"),
                );
                assert_eq!(known(&disk.power_cut()), 25, "{when}");
                // What is trimmed later takes the rest with it.
                for before in [25, 26] {
                    log.trim(before).expect(&when);
                    assert_eq!(known(&disk.power_cut()), before, "{when}");
                }
            }
            if !is_hit {
                break;
            }
        }
    }
    assert!(trims_failed > 5, "only {trims_failed} trims failed");
}

#[test]
fn a_poisoned_log_still_tells_the_token_that_is_durable() {
    let (disk, log) = new_log();
    fence(&log, "a").expect("published");
    disk.inject(Fault {
        errno: Errno::Eio,
        call: Some(Call::Sync),
        index: 0,
        from_then_on: false,
    });
    let failed = fence(&log, "b");
    assert!(matches!(failed, Err(Error::SyncFailed { .. })), "{failed:?}");
    let stat = log.stat().expect("a poisoned log is read");
    assert_eq!((stat.token, stat.next_offset), (token("a"), 1));
    assert_eq!(log.token().expect("read"), token("a"));
}

#[test]
fn a_poisoned_log_is_sealed_until_it_is_durably_open() {
    let (disk, log) = new_log();
    log.append(&[], &PublishOptions::new().and(Control::Seal))
        .expect("published");
    disk.inject(Fault {
        errno: Errno::Eio,
        call: Some(Call::Sync),
        index: 0,
        from_then_on: false,
    });
    assert!(log.unseal().is_err());
    assert!(log.is_sealed().expect("read"));
}

/// The metadata and the table of producers tell all of a log that was closed: its segments may be damaged.
#[test]
fn a_closed_log_knows_its_state_whatever_its_segments_hold() {
    let (disk, log) = new_log();
    produce(&log, 1, 2);
    fill(&log, 20);
    fence(&log, "a").expect("published");
    produce(&log, 2, 1);
    log.append(&[], &PublishOptions::new().and(Control::Seal))
        .expect("published");
    log.close().expect("closed");
    let disk = disk.power_cut();
    for (path, len) in disk.files() {
        let Some(base) = path.strip_suffix(".log") else {
            continue;
        };
        let path = Path::new(&path);
        let mut bytes = disk.read_file(path).expect("a segment");
        // Behind the header.
        for byte in &mut bytes[192..len as usize] {
            *byte ^= 0x55;
        }
        disk.set_file(path, &bytes).expect("a disk that was not used yet");
        assert!(base.starts_with(DIR));
    }
    let log = options(&disk).open(DIR).expect("no segment is read");
    assert_eq!(log.token().expect("open"), token("a"));
    assert!(log.is_sealed().expect("open"));
    log.unseal().expect("unsealed");
    assert_eq!(produce(&log, 1, 2), (0, true));
    assert!(produce(&log, 2, 1).1);
}
