//! Closing and poisoning.

use std::sync::Arc;

use duramen::fault::{Call, Errno, Fault, SimDisk};
use duramen::{BlockingLog, Durability, Error, FileLog, Log, NewMessage, Options, Start};

use super::support::{Waiter, on_each, publish};

#[test]
fn close_wakes_every_waiter() {
    on_each(|subject| {
        let waiters: Vec<_> = (0..4)
            .map(|number| {
                let log = subject.log.clone();
                Waiter::new(move || match number {
                    0 => log
                        .consume_by_key_blocking(b"a", Start::Newest, 1, None)
                        .map(drop),
                    _ => log.consume_blocking(Start::Newest, 1, None).map(drop),
                })
            })
            .collect();
        // Through a handle beside the wrapper; a log that does not tell of it is looked at again.
        subject.beside.close().unwrap();
        for waiter in waiters {
            assert!(matches!(waiter.join(), Err(Error::Closed)));
        }
    });
}

const SYNC_FAILS: Fault = Fault {
    errno: Errno::Eio,
    call: Some(Call::Sync),
    index: 0,
    from_then_on: true,
};

fn on_sim_disk(durability: Durability) -> (SimDisk, BlockingLog<Arc<FileLog>>) {
    let disk = SimDisk::new(7);
    let options = Options::new().create_dirs(true).durability(durability);
    let log = options.storage(&disk).open("/data/log").expect("a new log");
    (disk, BlockingLog::new(Arc::new(log)))
}

#[test]
fn a_failed_sync_wakes_waiters_with_poisoned() {
    for durability in [Durability::Os, Durability::EachPublish] {
        let (disk, log) = on_sim_disk(durability);
        publish(&log, "0");
        let reader = log.clone();
        let waiter = Waiter::new(move || reader.consume_blocking(Start::At(1), 10, None));
        disk.inject(SYNC_FAILS);
        if durability == Durability::EachPublish {
            let error = log.raw().publish(&[NewMessage::value(b"1")]).unwrap_err();
            assert!(matches!(error, Error::SyncFailed { .. }), "{error:?}");
        } else {
            publish(log.raw(), "1");
            // That woke it with a message; the next one waits.
            assert_eq!(waiter.join().unwrap().next_offset, 2);
            let reader = log.clone();
            let waiter = Waiter::new(move || reader.consume_blocking(Start::At(2), 10, None));
            assert!(matches!(log.raw().sync(), Err(Error::SyncFailed { .. })));
            assert!(matches!(waiter.join(), Err(Error::Poisoned { .. })));
            continue;
        }
        // Never durable, so it never saw it.
        assert!(matches!(waiter.join(), Err(Error::Poisoned { .. })));
        assert!(log.changes().expect("told").is_poisoned());
        // What was visible can still be read, and the end is an end.
        assert_eq!(
            log.consume_blocking(Start::Oldest, 10, None).unwrap().next_offset,
            1
        );
        let error = log.consume_blocking(Start::At(1), 10, None).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Poisoned { .. }));
        // Waiting names the file, too.
        assert!(
            text.starts_with("/data/log/") && text.contains("open the log again"),
            "{text}"
        );
        let mut tail = log.follow(Start::Oldest);
        assert_eq!(tail.next().unwrap().unwrap().offset, 0);
        assert!(matches!(tail.next(), Some(Err(Error::Poisoned { .. }))));
        assert!(tail.next().is_none());
        let _ = log.close();
    }
}

/// With `EachPublish` a message that a waiter gets is on the disk, whatever happens next.
#[test]
fn a_waiter_wakes_for_what_is_durable() {
    let (disk, log) = on_sim_disk(Durability::EachPublish);
    let reader = log.clone();
    let seen_by = disk.clone();
    let waiter = Waiter::new(move || {
        let batch = reader.consume_blocking(Start::Oldest, 10, None);
        (batch, seen_by.power_cut())
    });
    publish(&log, "0");
    let (batch, after_cut) = waiter.join();
    assert_eq!(batch.unwrap().next_offset, 1);
    let log = Options::new()
        .storage(&after_cut)
        .open("/data/log")
        .expect("recovered");
    assert_eq!(log.next_offset().unwrap(), 1);
}
