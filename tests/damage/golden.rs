//! Logs written by every version of the format are read by this one.
//!
//! `DURAMEN_WRITE_GOLDEN=1 cargo test --test damage golden::` writes those of the present version
//! anew; that is only right as long as the version has not been released.

use std::fs;
use std::path::{Path, PathBuf};

use duramen::{Control, Log, NewMessage, Options, PublishOptions, Start, Timestamp, check};

use crate::common::{files_of, write_files};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn value(i: u64) -> Vec<u8> {
    format!("value of message {i}").into_bytes()
}

/// 60 messages in several segments: alone and in batches, with and without keys, values and headers.
fn write(dir: &Path) {
    let _ = fs::remove_dir_all(dir);
    let options = Options::new()
        .create_dirs(true)
        .key_index(true)
        .time_index(true)
        .rollover(2048);
    let log = options.open(dir).expect("a new log");
    for i in 0..20 {
        let time = |n: u64| Timestamp::from_micros(1_000_000 * i64::try_from(n).expect("small"));
        let (key, bytes) = (format!("key {}", i % 7).into_bytes(), value(3 * i));
        log.publish(&[NewMessage::new(&key, &bytes).time(time(3 * i))])
            .expect("alone");
        let (second, third) = (value(3 * i + 1), []);
        let batch = [
            NewMessage::value(&second)
                .time(time(3 * i + 1))
                .headers(&[(b"name", b"first"), (b"name", b"")]),
            NewMessage {
                key: Some(&third),
                value: None,
                time: Some(time(3 * i)),
                headers: &[],
            },
        ];
        log.publish_with(&batch, &PublishOptions::new().sync(i % 5 == 0))
            .expect("a batch");
    }
    log.close().expect("closed");
}

fn verify(dir: &Path) {
    let options = Options::of(dir).expect("its metadata").read_only(true);
    let report = check(dir, &options).expect("a log");
    assert!(report.is_clean(), "{:?}", report.problems);
    assert_eq!(report.messages, 60);
    let log = options.open(dir).expect("a log");
    assert!(log.stat().expect("its stats").segments > 1);
    for i in 0..20 {
        let alone = log.get(Start::At(3 * i)).expect("there");
        assert_eq!(alone.value.as_deref(), Some(&value(3 * i)[..]));
        assert_eq!(alone.key.as_deref(), Some(format!("key {}", i % 7).as_bytes()));
        assert!(alone.headers.is_empty());
        let second = log.get(Start::At(3 * i + 1)).expect("there");
        assert_eq!(
            (second.key, second.value.as_deref()),
            (None, Some(&value(3 * i + 1)[..]))
        );
        assert_eq!(
            second.headers.as_slice(),
            &[(&b"name"[..], &b"first"[..]), (b"name", b"")]
        );
        let third = log.get(Start::At(3 * i + 2)).expect("there");
        assert_eq!((third.key.as_deref(), third.value), (Some(&b""[..]), None));
        assert_eq!(
            third.time,
            Timestamp::from_micros(i64::try_from(3_000_000 * i).expect("small"))
        );
    }
    for key in 0..7_u64 {
        let newest = (0..20).rev().find(|i| i % 7 == key).expect("one");
        assert_eq!(
            log.offset_by_key(format!("key {key}").as_bytes()).expect("there"),
            3 * newest
        );
    }
    assert_eq!(
        log.offset_by_time(Timestamp::from_micros(30_500_000))
            .expect("there")
            .0,
        31
    );
}

/// A log that was closed, and one that was left open by a process that died, are read, without and with write access.
#[test]
fn golden_logs_of_version_1_are_read() {
    if std::env::var_os("DURAMEN_WRITE_GOLDEN").is_some() {
        let scratch = tempfile::tempdir().expect("a folder");
        write(&scratch.path().join("closed"));
        let _ = fs::remove_dir_all(golden("v1/closed"));
        let _ = fs::remove_dir_all(golden("v1/open"));
        copy(&scratch.path().join("closed"), &golden("v1/closed"));
        let open = scratch.path().join("open");
        write(&open);
        let log = Options::of(&open)
            .expect("a log")
            .rollover(2048)
            .open(&open)
            .expect("a log");
        log.publish(&[NewMessage::value(b"unmarks the clean close")])
            .expect("published");
        copy(&open, &golden("v1/open"));
    }
    verify(&golden("v1/closed"));
    for name in ["v1/closed", "v1/open"] {
        let scratch = tempfile::tempdir().expect("a folder");
        copy(&golden(name), scratch.path());
        let log = Options::of(scratch.path())
            .expect("a log")
            .open(scratch.path())
            .expect("a log");
        let next = log.next_offset().expect("open");
        assert_eq!(next, if name == "v1/open" { 61 } else { 60 });
        assert_eq!(
            log.publish(&[NewMessage::value(b"goes on")]).expect("published"),
            next + 1
        );
        log.close().expect("closed");
        assert!(check(scratch.path(), &Options::new()).expect("a log").is_clean());
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    write_files(to, &files_of(from));
}

/// Rewritten segments, some merged: offsets of one in three messages from 7 on, and a trimmed front.
#[test]
fn golden_logs_with_gaps_of_version_1_are_read() {
    let removed = |offset: &u64| offset % 3 == 1 || (30..45).contains(offset);
    if std::env::var_os("DURAMEN_WRITE_GOLDEN_REMOVED").is_some() {
        let scratch = tempfile::tempdir().expect("a folder");
        let dir = scratch.path().join("removed");
        write(&dir);
        let log = Options::of(&dir)
            .expect("a log")
            .rollover(2048)
            .open(&dir)
            .expect("a log");
        log.delete(&(0..60).filter(removed).collect()).expect("deleted");
        log.trim(7).expect("trimmed");
        log.close().expect("closed");
        let _ = fs::remove_dir_all(golden("v1/removed"));
        copy(&dir, &golden("v1/removed"));
    }
    let dir = golden("v1/removed");
    let options = Options::of(&dir).expect("its metadata").read_only(true);
    let report = check(&dir, &options).expect("a log");
    assert!(report.is_clean(), "{:?}", report.problems);
    let log = options.open(&dir).expect("a log");
    assert_eq!(log.start_offset().expect("open"), 7);
    assert_eq!(log.next_offset().expect("open"), 60);
    let (mut found, mut from) = (Vec::new(), Start::Oldest);
    loop {
        let batch = log.consume(from, 100).expect("consumed");
        if batch.messages.is_empty() {
            break;
        }
        from = Start::At(batch.next_offset);
        found.extend(batch.messages.iter().map(|message| message.offset));
    }
    let expected: Vec<u64> = (7..60).filter(|offset| !removed(offset)).collect();
    assert_eq!(found, expected);
    assert_eq!(log.offset_by_key(b"key 6").expect("there"), 18);
}

/// Control records, a token, a seal and producers: of a log that was closed, and of one that was left open.
#[test]
fn golden_logs_with_control_of_version_1_are_read() {
    let how = |sequence| PublishOptions::new().producer(7, sequence);
    let token = |text: &str| text.parse().expect("short");
    if std::env::var_os("DURAMEN_WRITE_GOLDEN_CONTROL").is_some() {
        for name in ["v1/control", "v1/control_open"] {
            let scratch = tempfile::tempdir().expect("a folder");
            let dir = scratch.path().join("log");
            let log = Options::new()
                .create_dirs(true)
                .rollover(1024)
                .open(&dir)
                .expect("new");
            for sequence in 0..40 {
                let fence = token(&format!("writer {sequence}"));
                let messages = [NewMessage::value(b"value").time(Timestamp::from_micros(5))];
                log.append(&messages, &how(sequence).and(Control::Fence(fence)))
                    .expect("appended");
            }
            log.append(&[], &PublishOptions::new().and(Control::Trim(30)))
                .expect("trimmed");
            log.append(&[], &PublishOptions::new().and(Control::Seal))
                .expect("sealed");
            if name == "v1/control" {
                log.close().expect("closed");
            }
            let _ = fs::remove_dir_all(golden(name));
            copy(&dir, &golden(name));
        }
    }
    for name in ["v1/control", "v1/control_open"] {
        let scratch = tempfile::tempdir().expect("a folder");
        copy(&golden(name), scratch.path());
        let log = Options::new().open(scratch.path()).expect("a log");
        assert_eq!(log.token().expect("a token"), token("writer 39"));
        assert!(log.is_sealed().expect("open"));
        assert_eq!(
            (
                log.start_offset().expect("open"),
                log.next_offset().expect("open")
            ),
            (30, 82)
        );
        log.unseal().expect("unsealed");
        let again = log
            .append(&[NewMessage::value(b"value")], &how(39))
            .expect("a duplicate");
        assert!(again.is_duplicate);
        assert_eq!((again.start.offset, again.end.offset), (78, 80));
        assert_eq!(again.start.time, Timestamp::from_micros(5));
        assert!(
            !log.append(&[NewMessage::value(b"value")], &how(40))
                .expect("new")
                .is_duplicate
        );
        log.close().expect("closed");
        let report = check(scratch.path(), &Options::new()).expect("a log");
        assert!(report.is_clean(), "{:?}", report.problems);
    }
}
