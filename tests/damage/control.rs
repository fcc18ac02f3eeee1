//! What a damaged log still knows of tokens and producers once it was recovered.

use std::fs;
use std::path::{Path, PathBuf};

use duramen::{Control, Error, FileLog, Log, NewMessage, Options, PublishOptions, Token, check, recover};

use crate::common::{files_of, write_files};

fn options() -> Options {
    Options::new().create_dirs(true).rollover(4 << 10)
}

fn how(sequence: u64) -> PublishOptions<'static> {
    PublishOptions::new().producer(7, sequence)
}

fn token(text: &str) -> Token {
    text.parse().expect("short")
}

/// The files of the log as a process leaves them that is killed.
fn killed(log: &FileLog, from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    write_files(to, &files_of(from));
    log.close().expect("closed");
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    crate::common::segment_paths(dir)
}

/// Flips a bit of the file, at a place counted from its front.
fn damage(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("written");
}

fn publish(log: &FileLog, sequences: std::ops::Range<u64>) {
    for sequence in sequences {
        let ack = log
            .append(&[NewMessage::value(b"value")], &how(sequence))
            .expect("published");
        assert!(!ack.is_duplicate, "{sequence}");
    }
}

/// Goal: a recovered log knows the batches that it kept, although it was rewritten; the others can be sent again.
#[test]
fn producers_are_known_after_a_recovery_and_may_send_again_what_was_lost() {
    for closes in [false, true] {
        let scratch = tempfile::tempdir().expect("a folder");
        let (dir, copy) = (scratch.path().join("log"), scratch.path().join("copy"));
        let log = options().open(&dir).expect("new");
        publish(&log, 0..20);
        log.sync().expect("synced");
        publish(&log, 20..21);
        let copy = if closes {
            log.close().expect("closed");
            dir
        } else {
            killed(&log, &dir, &copy);
            copy
        };
        // Each batch takes 61 bytes.
        damage(&segments(&copy)[0], 192 + 10 * 61 + 50);
        let report = recover(&copy, &options()).expect("recovered");
        assert!(report.changed);
        let log = options().open(&copy).expect("a log");
        let kept = log.stat().expect("open").messages;
        assert_eq!(kept, 10, "closed: {closes}");
        for sequence in 0..kept {
            let again = log
                .append(&[NewMessage::value(b"value")], &how(sequence))
                .expect("a duplicate");
            assert!(again.is_duplicate, "{sequence}, closed: {closes}");
        }
        publish(&log, 10..30);
        log.close().expect("closed");
        let report = check(&copy, &options()).expect("checked");
        assert!(report.is_clean(), "{report:?}");
    }
}

/// Goal: damage to the only file that knows the producers is reported, and mended.
#[test]
fn a_damaged_table_of_producers_is_found_and_recovered() {
    for trims in [false, true] {
        let scratch = tempfile::tempdir().expect("a folder");
        let dir = scratch.path().join("log");
        let log = options().open(&dir).expect("new");
        publish(&log, 0..10);
        if trims {
            log.trim(10).expect("trimmed");
        }
        log.close().expect("closed");
        let table = dir.join(format!("{:020}.producers", 10));
        damage(&table, 70);
        let refused = options().open(&dir);
        assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
        assert_eq!(check(&dir, &options()).expect("checked").problems.len(), 1);
        recover(&dir, &options()).expect("recovered");
        let report = check(&dir, &options()).expect("checked");
        assert!(report.is_clean(), "{report:?}");
        let log = options().open(&dir).expect("a log");
        let again = log
            .append(&[NewMessage::value(b"value")], &how(5))
            .expect("published");
        // The segments tell, if they are there.
        assert_eq!(again.is_duplicate, !trims);
    }
}

/// Goal: a file that is far too long, or says impossible things, is damage and no reason to stop the process.
#[test]
fn a_table_of_producers_that_cannot_be_is_refused() {
    let scratch = tempfile::tempdir().expect("a folder");
    let dir = scratch.path().join("log");
    let log = options().open(&dir).expect("new");
    publish(&log, 0..3);
    log.close().expect("closed");
    let table = dir.join(format!("{:020}.producers", 3));
    let file = fs::OpenOptions::new().write(true).open(&table).expect("a file");
    file.set_len(1 << 40).expect("a hole");
    let refused = options().open(&dir);
    assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
}

/// Goal: a writer that was fenced off stays so, although the fence was lost with the end of the log.
#[test]
fn who_was_fenced_off_stays_so_after_a_recovery() {
    let scratch = tempfile::tempdir().expect("a folder");
    let (dir, copy) = (scratch.path().join("log"), scratch.path().join("copy"));
    let log = options().open(&dir).expect("new");
    log.append(&[], &PublishOptions::new().and(Control::Fence(token("a"))))
        .expect("fenced");
    publish(&log, 0..300);
    log.append(&[], &PublishOptions::new().and(Control::Fence(token("b"))))
        .expect("fenced");
    publish(&log, 300..302);
    log.sync().expect("synced");
    killed(&log, &dir, &copy);
    let all = segments(&copy);
    assert!(all.len() > 3);
    damage(&all[all.len() - 2], 192 + 50);
    recover(&copy, &options()).expect("recovered");
    let log = options().open(&copy).expect("a log");
    assert!(log.next_offset().expect("open") > 302);
    assert_eq!(log.token().expect("open"), token("b"));
    let late = log.append(
        &[NewMessage::value(b"late")],
        &PublishOptions::new().token(token("a")),
    );
    assert!(matches!(late, Err(Error::Fenced { .. })), "{late:?}");
    log.close().expect("closed");
}
