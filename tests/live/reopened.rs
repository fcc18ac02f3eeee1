//! `FileLog::reopen`.

use std::fs::{self, File, TryLockError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use duramen::fault::{Call, Errno, Fault, SimDisk};
use duramen::{BlockingLog, Durability, Error, FileLog, Log, NewMessage, Options, Start};

use crate::common::{fast_dir, read_all};

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

fn publish(log: &FileLog, value: &str) -> duramen::Result<u64> {
    log.publish(&[NewMessage::new(b"k", value.as_bytes())])
}

fn values(log: &FileLog) -> Vec<String> {
    let text =
        |message: &duramen::Message| String::from_utf8_lossy(message.value.as_deref().unwrap_or(b"")).into();
    read_all(log).expect("readable").iter().map(text).collect()
}

/// Goal: a service goes on after a failed sync without starting anew, and nobody who uses the old handle hangs. Method:
/// a disk whose sync fails once; readers and a waiter on the old handle; another failed sync on the new one.
#[test]
fn a_poisoned_handle_is_replaced_by_one_that_publishes() {
    let disk = SimDisk::new(7);
    let options = Options::new().create_dirs(true).key_index(true);
    let options = options.durability(Durability::EachPublish).storage(&disk);
    let mut log = BlockingLog::new(Arc::new(options.open("/data/log").expect("a new log")));
    let mut durable = Vec::new();
    for round in 0..3 {
        let value = format!("kept {round}");
        publish(log.raw(), &value).expect("published");
        durable.push(value);
        let kept = log.get(Start::Newest).expect("there");
        let (reader, end) = (log.clone(), log.next_offset().expect("open"));
        let waiter = thread::spawn(move || reader.consume_blocking(Start::At(end), 1, None));
        disk.inject(Fault {
            errno: Errno::Eio,
            call: Some(Call::Sync),
            index: 0,
            from_then_on: false,
        });
        let failed = publish(log.raw(), "unknown").expect_err("the sync fails");
        assert!(matches!(failed, Error::SyncFailed { .. }), "{failed:?}");
        assert!(matches!(
            publish(log.raw(), "refused"),
            Err(Error::Poisoned { .. })
        ));

        let again = log.raw().reopen().expect("a log");
        let ended = waiter.join().expect("no panic");
        assert!(
            matches!(ended, Err(Error::Poisoned { .. } | Error::Closed)),
            "{ended:?}"
        );
        assert!(matches!(log.next_offset(), Err(Error::Closed)));
        assert!(matches!(publish(log.raw(), "late"), Err(Error::Closed)));
        log.close().expect("closed already");
        assert_eq!(kept.value.as_deref(), durable.last().map(String::as_bytes));
        // What nobody confirmed may be there or not; a newer life says so.
        let found = values(&again).into_iter().filter(|value| value != "unknown");
        assert_eq!(found.collect::<Vec<_>>(), durable);
        assert!(again.stat().expect("open").key_index, "the options are the same");
        log = BlockingLog::new(Arc::new(again));
    }
    log.close().expect("closed");
}

/// Goal: nobody gets in between, in this process or another one. Method: while the log is reopened again and again,
/// another thread tries all the time to open it, and to lock its files as another process would.
#[test]
fn nobody_gets_the_lock_while_a_log_is_reopened() {
    let dir = fast_dir();
    let mut log = Options::new().open(dir.path()).expect("a new log");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut tried = 0;
            let begun = Instant::now();
            while !is_over.load(Ordering::Relaxed) && begun.elapsed() < LONG {
                let opened = Options::new().open(dir.path());
                assert!(matches!(opened, Err(Error::Locked { .. })), "{opened:?}");
                for path in [dir.path().to_owned(), dir.path().join("LOCK")] {
                    let locked = File::open(path).expect("a file").try_lock();
                    assert!(matches!(locked, Err(TryLockError::WouldBlock)), "{locked:?}");
                }
                tried += 1;
            }
            tried
        });
        for number in 0..200 {
            publish(&log, "value").expect("published");
            log = log.reopen().expect("reopened");
            assert_eq!(log.next_offset().expect("open"), number + 1);
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(others.join().expect("no panic") > 0);
    });
    drop(log);
    Options::new()
        .open(dir.path())
        .expect("the last one has given it up");
}

/// Goal: a handle that was closed opens its log again, like everybody else: by its turn. Method: while another has the
/// log, and after that.
#[test]
fn a_closed_handle_opens_its_log_again_if_nobody_else_has_it() {
    let dir = fast_dir();
    let options = Options::new().lock_timeout(Duration::from_millis(20));
    let log = options.open(dir.path()).expect("a new log");
    publish(&log, "0").expect("published");
    log.close().expect("closed");
    let other = Options::new().open(dir.path()).expect("the lock is free");
    publish(&other, "1").expect("published");
    assert!(matches!(log.reopen(), Err(Error::Locked { .. })));
    other.close().expect("closed");
    let again = log.reopen().expect("the lock is free");
    assert_eq!(values(&again), ["0", "1"]);
    // A second one is not a second owner.
    assert!(matches!(log.reopen(), Err(Error::Locked { .. })));
    publish(&again, "2").expect("published");
}

/// Goal: what is reopened is the directory, not its path. Method: it is renamed, and another log is put in its place;
/// then its files are removed.
#[test]
fn the_directory_of_the_handle_is_reopened_wherever_it_is() {
    let home = fast_dir();
    let [here, there] = ["here", "there"].map(|name| home.path().join(name));
    let options = Options::new().create_dirs(true);
    let log = options.open(&here).expect("a new log");
    publish(&log, "mine").expect("published");
    fs::rename(&here, &there).expect("renamed");
    let other = options.open(&here).expect("another log");
    publish(&other, "other").expect("published");
    let log = log.reopen().expect("reopened");
    assert_eq!(values(&log), ["mine"]);
    publish(&log, "too").expect("published");
    log.close().expect("closed");
    assert_eq!(values(&options.open(&there).expect("a log")), ["mine", "too"]);

    for file in fs::read_dir(&there).expect("a directory") {
        fs::remove_file(file.expect("a file").path()).expect("removed");
    }
    assert!(matches!(log.reopen(), Err(Error::NoLog { .. })));
}
