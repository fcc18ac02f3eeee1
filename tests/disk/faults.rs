//! What is told of faults that happen behind a caller's back, or beside the call.

use std::path::Path;
use std::time::{Duration, Instant};

use duramen::fault::{Call, Errno, Fault, SimDisk};
use duramen::{Durability, Error, ErrorKind, FileLog, Log, NewMessage, Options, PublishOptions, Start};

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

fn open(disk: &SimDisk, options: Options) -> FileLog {
    let options = options.create_dirs(true).storage(disk);
    options.open(Path::new("/log")).expect("a log")
}

/// Goal: a sync that fails on the background thread is not lost: who closes the log is told what failed. Method: a
/// paced sync that fails, and no publish behind it.
#[test]
fn close_tells_of_a_sync_that_failed_in_the_background() {
    let disk = SimDisk::new(1);
    let log = open(
        &disk,
        Options::new().durability(Durability::Interval(Duration::from_millis(1))),
    );
    disk.inject(Fault {
        errno: Errno::Eio,
        call: Some(Call::Sync),
        index: 0,
        from_then_on: true,
    });
    // It may be this one that meets the fault, by making the first segment; then it is told here.
    if log.publish(&[NewMessage::value(b"value")]).is_ok() {
        let changes = log.changes().expect("a log of files tells");
        let deadline = Some(Instant::now() + LONG);
        let poisoned = changes.wait_until(deadline, || changes.is_poisoned().then_some(()));
        assert!(poisoned.is_some(), "the sync was not made, or nobody was told");
    }
    disk.heal();
    let error = log.close().expect_err("not all of it is durable");
    let is_the_cause = matches!(&error, Error::SyncFailed { source, .. }
        if source.raw_os_error() == Errno::Eio.error().raw_os_error());
    assert!(is_the_cause, "{error:?}");
    log.close().expect("closed already");
    assert!(matches!(log.next_offset(), Err(Error::Closed)));
}

/// Goal: a publish that is to be durable and cannot be, for want of space, has published nothing. Method: a killed
/// log so large that it is not copied at once, opened on a full disk. The background thread tries to copy it too, and
/// has the space meanwhile.
#[test]
fn a_synced_publish_without_space_leaves_nothing_behind() {
    let disk = SimDisk::new(1);
    let log = open(&disk, Options::new());
    let value = vec![7; 64 << 10];
    for _ in 0..64 {
        log.publish(&[NewMessage::value(&value)]).expect("there is space");
    }
    let disk = disk.kill();
    std::mem::forget(log);

    // Enough for another segment, not for a copy of this one.
    disk.set_space(Some(disk.used_space() + (1 << 20)));
    let log = open(&disk, Options::new());
    let deadline = Instant::now() + LONG;
    while let Err(error) = log.publish(&[NewMessage::value(b"value")]) {
        assert_eq!(error.kind(), ErrorKind::NotWritten, "{error:?}");
        assert!(Instant::now() < deadline, "there is space again: {error:?}");
    }
    let synced = PublishOptions::new().sync(true);
    for _ in 0..3 {
        let error = log.publish_with(&[NewMessage::value(b"synced")], &synced);
        let error = error.expect_err("no space for a copy");
        assert_eq!(error.kind(), ErrorKind::NotWritten, "{error:?}");
        assert_eq!(log.next_offset().expect("open"), 65);
    }
    disk.set_space(None);
    let next = log.publish_with(&[NewMessage::value(b"synced")], &synced);
    assert_eq!(next.expect("there is space"), 66);
    let last = log.get(Start::Newest).expect("there");
    assert_eq!(last.value.as_deref(), Some(&b"synced"[..]));
    log.close().expect("closed");
}
