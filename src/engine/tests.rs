use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::format::SPARE_NAME;
use crate::scheduler::Scheduler;
use crate::segment::FAN;
use crate::{Durability, Error, FileLog, Log as _, NewMessage, Options};

const MESSAGES: u32 = 1_000;
const KEYS: u32 = 300;

fn options() -> Options {
    // Without a background thread, the call that finds segments for a key run also makes it.
    Options::new().create_dirs(true).rollover(1024).background(false)
}

fn key(number: u32) -> [u8; 4] {
    (number % KEYS).to_le_bytes()
}

fn publish(log: &FileLog) {
    for number in 0..MESSAGES {
        log.publish(&[NewMessage::new(&key(number), &number.to_le_bytes())])
            .expect("published");
    }
}

/// The files of a kind, sorted.
fn files(dir: &Path, kind: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .expect("listed")
        .map(|entry| entry.expect("listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == kind))
        .collect();
    paths.sort();
    paths
}

/// More messages than one pass gathers make the key run take several passes.
#[test]
fn a_run_of_many_messages_has_the_newest_of_each_key() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = options().key_index(true).open(dir.path()).expect("a log");
    publish(&log);
    assert!(!files(dir.path(), "keys").is_empty());
    for number in MESSAGES - KEYS..MESSAGES {
        assert_eq!(log.offset_by_key(&key(number)).expect("there"), u64::from(number));
    }
    assert!(matches!(log.get_by_key(b"none"), Err(Error::NotFound)));
}

/// A segment that cannot be read is in no key run, but the segments around it are.
#[test]
fn a_damaged_segment_is_passed_over() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = options().open(dir.path()).expect("a log");
    publish(&log);
    log.close().expect("closed");
    let paths = files(dir.path(), "log");
    let mut bytes = std::fs::read(&paths[5]).expect("read");
    bytes[500] ^= 1;
    std::fs::write(&paths[5], bytes).expect("written");

    let log = options().key_index(true).open(dir.path()).expect("a log");
    let others = paths.len() - 1 - 6;
    assert_eq!(files(dir.path(), "keys").len(), others / FAN);
    for number in MESSAGES - KEYS..MESSAGES {
        assert_eq!(log.offset_by_key(&key(number)).expect("there"), u64::from(number));
    }
}

fn count(dir: &Path, kind: &str) -> usize {
    let names = std::fs::read_dir(dir).expect("listed");
    let paths = names.map(|entry| entry.expect("listed").path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == kind))
        .count()
}

/// Goal: files that can wait do not use up the space that is given back on a full disk. Method:
/// segments begun during a removal get neither indexes nor key runs; they get both when there is a
/// spare again.
#[test]
fn indexes_wait_while_space_is_short() {
    let dir = tempfile::tempdir().expect("a folder");
    let options = Options::new().key_index(true).rollover(1024).background(false);
    let log = options.open(dir.path()).expect("a log");
    let publish = |times: u32| {
        for number in 0..times {
            let key = number.to_le_bytes();
            log.publish(&[NewMessage::new(&key, b"value")])
                .expect("published");
        }
    };
    publish(100);
    let before = count(dir.path(), "idx");
    assert!(before > 0 && dir.path().join(SPARE_NAME).exists());
    {
        let _removing = log.log.remove.hold();
        log.log.space.give_back();
        publish(1000);
        assert_eq!((count(dir.path(), "idx"), count(dir.path(), "keys")), (before, 0));
        assert!(!dir.path().join(SPARE_NAME).exists());
    }
    publish(50);
    assert!(dir.path().join(SPARE_NAME).exists());
    assert_eq!(count(dir.path(), "idx") + 1, count(dir.path(), "log"));
    assert!(count(dir.path(), "keys") > 0);
    log.close().expect("closed");
}

/// Goal: a deletion on a full disk waits for space that is about to be given back. Method: another
/// thread holds all the space, and gives it back a while later.
#[cfg(feature = "fault")]
#[test]
fn a_deletion_waits_for_whoever_has_the_space() {
    let disk = crate::fault::SimDisk::new(1);
    let options = Options::new().create_dirs(true).storage(&disk).background(false);
    let log = options.open(Path::new("/log")).expect("a log");
    for _ in 0..100 {
        log.publish(&[NewMessage::value(&[7; 500])]).expect("published");
    }
    let (tell, told) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _lease = log.log.space.lease_anyway();
            disk.set_space(Some(disk.used_space()));
            tell.send(()).expect("sent");
            thread::sleep(Duration::from_millis(50));
            disk.set_space(None);
        });
        told.recv().expect("told");
        let deleted = log.delete(&[3, 50].into()).expect("deleted");
        assert_eq!(deleted.messages, 2);
    });
}

/// Goal: logs that are given the same scheduler share it, and leave no thread behind. Method: two
/// logs with paced syncs of their own, which both become durable without anybody asking.
#[test]
fn logs_share_the_scheduler_that_they_are_given() {
    let scheduler = Scheduler::new();
    let mut options = Options::new()
        .create_dirs(true)
        .durability(Durability::Interval(Duration::from_millis(1)));
    options.environment.scheduler = Some(scheduler.clone());
    let dir = tempfile::tempdir().expect("a folder");
    let logs = ["first", "second"].map(|name| options.open(dir.path().join(name)).expect("a log"));
    for log in &logs {
        log.publish(&[NewMessage::value(b"event")]).expect("published");
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    for log in &logs {
        while log.synced_offset().expect("open") < 1 {
            assert!(Instant::now() < deadline, "never synced");
            thread::yield_now();
        }
    }
    // Metrics tell, too, whether a sync is late.
    let tasks_of_one = if cfg!(feature = "metrics") { 2 } else { 1 };
    assert_eq!(scheduler.waiting().1, 2 * tasks_of_one);
    drop(logs);
    assert_eq!(scheduler.waiting(), (0, 0));
}

/// Goal: a segment that a publisher has just left behind is synced before it counts as durable.
/// Method: one publisher stops between leaving a segment and sealing it. At the rollover of another
/// the shortage of space ends, and all segments that wait are sealed. Then the power is cut.
#[cfg(feature = "fault")]
#[test]
fn a_segment_left_behind_is_synced_before_it_is_sealed_by_another() {
    let disk = crate::fault::SimDisk::new(1);
    let options = Options::new().create_dirs(true).rollover(1024).background(false);
    let open = |disk| options.clone().storage(disk).open(Path::new("/log"));
    let log = open(&disk).expect("a log");
    let message = [NewMessage::value(&[7; 200])];
    for _ in 0..10 {
        log.publish(&message).expect("published");
    }
    log.log.space.give_back();
    let due = loop {
        let mut published = crate::engine::append::Published::default();
        log.log
            .append
            .publish(&message, &crate::PublishOptions::new(), &mut published)
            .expect("published");
        let due = published.due;
        if let Some(due) = due.filter(|due| due.left_behind.is_some()) {
            break due;
        }
    };
    while log.log.space.is_short() {
        log.publish(&message).expect("published");
    }
    log.log.upkeep.act(*due).expect("sealed");
    let durable = log.sync().expect("synced");

    let log = open(&disk.power_cut()).expect("recovered");
    assert_eq!(log.next_offset().expect("open"), durable);
    assert_eq!(log.stat().expect("read").messages, durable);
}

/// Goal: of a batch of which a piece could not be written, nothing is there, whatever follows and
/// however the log ends. Method: one write after the other fails, while all before the batch is
/// durable (a marker is behind it) and while it is not (zeros are).
#[cfg(feature = "fault")]
#[test]
fn a_batch_of_which_a_piece_cannot_be_written_is_not_there() {
    use crate::fault::{Call, Errno, Fault, SimDisk};
    use crate::{PublishOptions, Start};

    let pieces = [vec![1; 50 << 10], vec![2; 90 << 10], vec![3; 100]];
    let large: Vec<_> = pieces.iter().map(|piece| NewMessage::value(piece)).collect();
    let options = Options::new().create_dirs(true).background(false);
    let durably = PublishOptions::new().sync(true);
    let mut failed = 0;
    for (is_pending, index, errno) in (0..2)
        .flat_map(|pending| (0..12).map(move |index| (pending == 1, index)))
        .flat_map(|(pending, index)| [Errno::Eio, Errno::Short].map(|errno| (pending, index, errno)))
    {
        let disk = SimDisk::new(1);
        let open = |disk: &SimDisk| options.clone().storage(disk).open(Path::new("/log"));
        let log = open(&disk).expect("a log");
        log.publish_with(&[NewMessage::value(b"first")], &durably)
            .expect("published");
        let mut values = vec![b"first".to_vec()];
        if is_pending {
            log.publish(&[NewMessage::value(b"pending")]).expect("published");
            values.push(b"pending".to_vec());
        }
        disk.inject(Fault {
            errno,
            call: Some(Call::Write),
            index,
            from_then_on: false,
        });
        let published = log.publish_with(&large, &durably);
        disk.heal();
        let is_lost = published.is_err();
        failed += u32::from(is_lost);
        if is_lost {
            assert!(matches!(published, Err(Error::Io { .. })), "{published:?}");
            assert_eq!(log.next_offset().expect("open"), values.len() as u64);
        } else {
            values.extend(pieces.iter().cloned());
        }
        let read = |log: &FileLog| -> Vec<Vec<u8>> {
            let batch = log.consume(Start::Oldest, 100).expect("read");
            let values = batch.messages.into_iter();
            values
                .map(|message| message.value.expect("a value").to_vec())
                .collect()
        };
        // The end, right after the failure.
        let found = read(&open(&disk.kill()).expect("recovered"));
        assert_eq!(found, values, "killed, {index} {errno:?}");
        // The log goes on with a shorter batch at the same place.
        log.publish_with(&[NewMessage::value(b"after")], &durably)
            .expect("published");
        values.push(b"after".to_vec());
        assert_eq!(read(&log), values, "{index} {errno:?}");
        assert_eq!(read(&open(&disk.kill()).expect("recovered")), values);
        assert_eq!(read(&open(&disk.power_cut()).expect("recovered")), values);
        log.close().expect("closed");
        assert_eq!(read(&open(&disk).expect("opened")), values);
    }
    assert!(failed >= 8, "{failed} failed");
}

/// Goal: what a process remembers of its own metadata does not make it trust what another one has
/// written since. Method: another handle is killed at each point of its life. Then one that
/// remembers goes on, and the power is cut at each point.
#[cfg(feature = "fault")]
#[test]
fn metadata_that_another_process_has_written_is_not_taken_for_durable() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use crate::fault::{CrashPlan, SimDisk};

    let disk = SimDisk::new(1);
    let options = Options::new()
        .create_dirs(true)
        .background(false)
        .durability(Durability::EachPublish);
    let remembered = Arc::new(AtomicU64::new(0));
    let mut ours = options.clone();
    ours.environment.durable_metadata = Some(Arc::clone(&remembered));
    ours.environment.is_brief = true;
    let live = |options: &Options, disk: &SimDisk| {
        let log = options
            .clone()
            .storage(disk)
            .open(Path::new("/log"))
            .expect("opened");
        log.publish(&[NewMessage::value(b"one")]).expect("published");
        log
    };
    live(&ours, &disk).close().expect("closed");
    let last = remembered.load(Ordering::Relaxed);
    assert!(last > 0);
    let before = disk.point();
    live(&options, &disk).close().expect("closed");

    let mut cuts = 0;
    for killed in before..=disk.point() {
        let disk = disk.kill_at(killed);
        let before = disk.point();
        remembered.store(last, Ordering::Relaxed);
        live(&ours, &disk).close().expect("closed");
        for cut in before..=disk.point() {
            for image in disk.crash_images(cut, &CrashPlan::default()) {
                let log = options.clone().storage(&image).open(Path::new("/log"));
                let next_offset = log.and_then(|log| log.next_offset());
                let found = next_offset.unwrap_or_else(|error| panic!("at {killed} and {cut}: {error}"));
                assert!((1..=3).contains(&found), "at {killed} and {cut}: {found}");
                cuts += 1;
            }
        }
    }
    assert!(cuts > 1000, "{cuts}");
}
