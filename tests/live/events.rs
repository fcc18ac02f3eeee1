//! What a log tells its listener.

use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use duramen::{Event, FileLog, Log, NewMessage, Options, Retention};

use crate::common::fast_dir;

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// What a log has told so far.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Event>>>);

impl Told {
    /// Small segments, and a listener.
    fn options(&self) -> Options {
        let told = self.clone();
        Options::new()
            .create_dirs(true)
            .rollover(1024)
            .on_event(move |_, event| told.0.lock().expect("told").push(event.clone()))
    }

    fn all(&self) -> Vec<Event> {
        self.0.lock().expect("told").clone()
    }

    fn has(&self, is_it: impl Fn(&Event) -> bool) -> bool {
        self.all().iter().any(is_it)
    }

    fn wait(&self, what: &str, is_it: impl Fn(&Event) -> bool) {
        let begun = Instant::now();
        while !self.has(&is_it) {
            assert!(begun.elapsed() < LONG, "not told: {what}; {:?}", self.all());
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn publish(log: &FileLog) -> u64 {
    log.publish(&[NewMessage::value(&[7; 100])]).expect("published")
}

fn roll_over(log: &FileLog) {
    publish(log);
    let segments = log.stat().expect("open").segments;
    while log.stat().expect("open").segments == segments {
        publish(log);
    }
}

/// The base offset of the last segment.
fn last_base(dir: &std::path::Path) -> u64 {
    let names = crate::common::files_of(dir).into_iter().map(|(name, _)| name);
    let bases = names.filter_map(|name| name.strip_suffix(".log")?.parse().ok());
    bases.max().expect("a segment")
}

#[test]
fn a_rollover_and_the_seal_of_the_old_segment_are_told_once() {
    for background in [false, true] {
        let (told, dir) = (Told::default(), fast_dir());
        let log = told
            .options()
            .background(background)
            .open(dir.path())
            .expect("a log");
        publish(&log);
        assert_eq!(told.all(), [], "the first segment is no rollover");
        roll_over(&log);
        roll_over(&log);
        let newest = last_base(dir.path());
        log.close().expect("closed");
        let (mut begun, mut sealed) = (Vec::new(), Vec::new());
        for event in told.all() {
            match event {
                Event::RolledOver { base, .. } => begun.push(base),
                Event::Sealed { base, bytes, .. } => {
                    assert!((200..=1024).contains(&bytes), "{bytes}");
                    sealed.push(base);
                }
                other => panic!("{other:?}"),
            }
        }
        sealed.sort_unstable();
        assert_eq!((begun.len(), begun[1]), (2, newest));
        assert!(sealed.starts_with(&[0, begun[0]]), "{sealed:?}");
    }
}

#[test]
fn what_retention_removes_is_told_and_a_trim_is_not() {
    for background in [false, true] {
        let (told, dir) = (Told::default(), fast_dir());
        let options = told.options().background(background);
        let options = options.retention(Retention::new().max_messages(3));
        let log = options.open(dir.path()).expect("a log");
        let removed = |event: &Event| matches!(event, Event::RetentionRemoved { .. });
        for _ in 0..10 {
            publish(&log);
        }
        let trimmed = log.apply_retention(false).expect("applied");
        told.wait("removed", removed);
        let sum = |told: &Told| {
            let mut sum = (0, 0, 0);
            for event in told.all() {
                if let Event::RetentionRemoved {
                    messages,
                    bytes,
                    start_offset,
                    ..
                } = event
                {
                    sum = (sum.0 + messages, sum.1 + bytes, start_offset);
                }
            }
            sum
        };
        let begun = Instant::now();
        while sum(&told).2 < 7 {
            assert!(begun.elapsed() < LONG, "{:?}", told.all());
            thread::sleep(Duration::from_millis(1));
        }
        let (messages, bytes, start) = sum(&told);
        assert_eq!((messages, start), (7, log.start_offset().expect("open")));
        assert!(bytes >= trimmed.size && bytes > 0, "{bytes}");
        // What the caller asked for, the caller knows.
        log.trim(9).expect("trimmed");
        log.apply_retention(false).expect("applied");
        log.close().expect("closed");
        assert_eq!(sum(&told), (messages, bytes, start));
    }
}

/// Goal: a listener may use the log, also to change it. Method: at each rollover and seal it publishes, trims, syncs
/// and reads, in both ways of telling; at last it closes the log.
#[test]
fn a_listener_may_publish_trim_and_close() {
    for background in [false, true] {
        let (dir, log) = (fast_dir(), Arc::new(OnceLock::<Weak<FileLog>>::new()));
        let told = Told::default();
        let (held, all) = (Arc::clone(&log), Arc::clone(&told.0));
        let options = Options::new().rollover(1024).background(background);
        let options = options.retention(Retention::new().max_messages(20));
        let options = options.on_event(move |path, event| {
            assert!(path.is_dir());
            let count = {
                let mut all = all.lock().expect("told");
                all.push(event.clone());
                all.len()
            };
            let Some(log) = held.get().and_then(Weak::upgrade) else {
                return;
            };
            if count > 20 {
                log.close().expect("closed");
            } else {
                let next = log
                    .publish(&[NewMessage::value(b"from the listener")])
                    .expect("published");
                log.sync().expect("synced");
                log.trim(next.saturating_sub(12)).expect("trimmed");
                log.apply_retention(false).expect("applied");
                assert!(log.stat().expect("open").messages >= 12);
            }
        });
        let opened = Arc::new(options.open(dir.path()).expect("a log"));
        log.set(Arc::downgrade(&opened)).expect("once");
        let begun = Instant::now();
        while opened.publish(&[NewMessage::value(&[7; 100])]).is_ok() {
            assert!(begun.elapsed() < LONG, "{:?}", told.all());
        }
        assert!(matches!(opened.next_offset(), Err(duramen::Error::Closed)));
        assert!(told.all().len() > 20);
    }
}

/// A log that closes has told everything soon after, also where the listener panics each time.
#[test]
fn a_panicking_listener_harms_nobody() {
    let (told, dir) = (Told::default(), fast_dir());
    let all = Arc::clone(&told.0);
    let options = Options::new().rollover(1024).on_event(move |_, event| {
        all.lock().expect("told").push(event.clone());
        panic!("a planted panic");
    });
    let log = options.open(dir.path()).expect("a log");
    roll_over(&log);
    roll_over(&log);
    log.close().expect("closed");
    told.wait("a second seal", |event| {
        matches!(event, Event::Sealed { base: 1.., .. })
    });
    let begun = |event: &&Event| matches!(event, Event::RolledOver { .. });
    assert_eq!(told.all().iter().filter(begun).count(), 2);
}

/// Goal: what recovery cuts is told. Method: the files of an open log are copied, as a kill would leave them, with a
/// damaged message that was synced, or one that was not.
#[test]
fn a_recovery_tells_how_many_bytes_of_a_torn_or_damaged_tail_it_cuts() {
    let dir = fast_dir();
    let log = Told::default()
        .options()
        .rollover(1 << 20)
        .open(dir.path())
        .expect("a log");
    publish(&log);
    log.sync().expect("synced");
    publish(&log);
    for (which, is_durable) in [(1, false), (0, true)] {
        let copy = fast_dir();
        for (name, mut bytes) in crate::common::files_of(dir.path()) {
            let values =
                (0..bytes.len().saturating_sub(100)).filter(|at| bytes[*at..].starts_with(&[7; 100]));
            if let Some(damaged) = values.collect::<Vec<_>>().get(which) {
                bytes[damaged + 50] ^= 1;
            }
            std::fs::write(copy.path().join(name), bytes).expect("written");
        }
        let told = Told::default();
        let options = told.options().rollover(1 << 20).recover(true);
        let log = options.open(copy.path()).expect("recovered");
        log.close().expect("closed");
        let is_told = |event: &Event| match event {
            Event::Recovered {
                cut_bytes,
                lost_durable,
                new_life,
                ..
            } => *cut_bytes > 100 && *lost_durable == is_durable && *new_life,
            _ => false,
        };
        assert!(told.has(is_told), "{which}: {:?}", told.all());
    }
}

#[cfg(feature = "fault")]
pub(crate) mod on_a_simulated_disk {
    use duramen::fault::{Call, Errno, Fault, SimDisk};
    use duramen::{Durability, Error, Job, Start};

    use super::*;

    const DIR: &str = "/data/log";

    /// Each such call fails.
    pub(crate) fn failing(call: Call, errno: Errno) -> Fault {
        Fault {
            errno,
            call: Some(call),
            index: 0,
            from_then_on: true,
        }
    }

    fn failed(job: Job) -> impl Fn(&Event) -> bool {
        move |event| matches!(event, Event::JobFailed { job: told, error, .. } if *told == job && !error.is_empty())
    }

    #[test]
    fn a_recovery_tells_what_was_cut_and_whether_a_life_begins() {
        let disk = SimDisk::new(3);
        let quiet = Told::default();
        let log = quiet.options().storage(&disk).open(DIR).expect("a log");
        publish(&log);
        log.sync().expect("synced");
        publish(&log);
        for (after, new_life) in [(disk.kill(), false), (disk.power_cut(), true)] {
            let told = Told::default();
            let log = told.options().storage(&after).open(DIR).expect("recovered");
            let next = log.next_offset().expect("open");
            told.wait("recovered", |event| matches!(event, Event::Recovered { .. }));
            let all = told.all();
            let [
                Event::Recovered {
                    cut_bytes,
                    lost_durable: false,
                    new_life: begun,
                    next_offset,
                    ..
                },
            ] = all[..]
            else {
                panic!("{all:?}");
            };
            assert_eq!((begun, next_offset, cut_bytes), (new_life, next, 0));
            log.close().expect("closed");
            // After a clean close there is nothing to recover.
            let log = told.options().storage(&after).open(DIR).expect("a log");
            log.close().expect("closed");
            assert_eq!(told.all().len(), 1);
        }
        log.close().expect("closed");
        assert_eq!(quiet.all(), [], "a new log was not recovered");
    }

    #[test]
    fn a_paced_sync_that_fails_is_told() {
        let (disk, told) = (SimDisk::new(5), Told::default());
        let options = told
            .options()
            .durability(Durability::Interval(Duration::from_millis(1)));
        let log = options.storage(&disk).open(DIR).expect("a log");
        publish(&log);
        log.sync().expect("synced");
        disk.inject(failing(Call::Sync, Errno::Eio));
        publish(&log);
        told.wait("a failed sync", failed(Job::Sync));
        assert!(matches!(
            log.publish(&[NewMessage::value(b"no")]),
            Err(Error::Poisoned { .. } | Error::SyncFailed { .. })
        ));
    }

    /// Goal: a seal that fails is told as that. Method: no file can be cut, while segments are left behind.
    #[test]
    fn work_behind_publishers_that_fails_is_told() {
        for background in [false, true] {
            let (disk, told) = (SimDisk::new(6), Told::default());
            let options = told.options().background(background).key_index(true);
            let log = options.retention(Retention::new().max_messages(5)).storage(&disk);
            let log = log.open(DIR).expect("a log");
            roll_over(&log);
            disk.inject(failing(Call::SetLen, Errno::Eio));
            let begun = Instant::now();
            while !told.has(failed(Job::Seal)) {
                // The publisher's own call may fail as well, and then the log is poisoned.
                let published = log.publish(&[NewMessage::value(&[7; 100])]);
                assert!(begun.elapsed() < LONG, "{:?}, {published:?}", told.all());
                thread::sleep(Duration::from_millis(1));
                if published.is_err() {
                    break;
                }
            }
            disk.heal();
            let _ = log.close();
            assert!(told.has(failed(Job::Seal)), "{:?}", told.all());
        }
    }

    #[test]
    fn a_failed_retention_is_told() {
        for background in [false, true] {
            let (disk, told) = (SimDisk::new(8), Told::default());
            let options = told.options().background(background);
            let options = options.retention(Retention::new().max_messages(2));
            let log = options.storage(&disk).open(DIR).expect("a log");
            publish(&log);
            disk.inject(failing(Call::Remove, Errno::Eacces));
            let begun = Instant::now();
            while !told.has(failed(Job::Retention)) {
                assert!(begun.elapsed() < LONG, "{:?}", told.all());
                publish(&log);
                thread::sleep(Duration::from_millis(1));
            }
            disk.heal();
            log.close().expect("closed");
        }
    }

    #[test]
    fn what_fails_while_a_log_is_dropped_is_told() {
        let (disk, told) = (SimDisk::new(9), Told::default());
        let log = told.options().storage(&disk).open(DIR).expect("a log");
        publish(&log);
        assert!(log.get(Start::Newest).is_ok());
        disk.inject(failing(Call::Sync, Errno::Eio));
        drop(log);
        assert!(told.has(failed(Job::Close)), "{:?}", told.all());
    }
}
