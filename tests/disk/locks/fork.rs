//! A process that has logs open forks.

use std::fs;
use std::io;
use std::os::unix::process::{CommandExt, parent_id};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use duramen::store::{ListOptions, StoreOptions, StreamConfig};
use duramen::{
    BlockingLog, Durability, Error, ErrorKind, FileLog, Log, LogExt, MemoryLog, NewMessage, Options,
    Producer, ProducerOptions, Result, Start, TLog, check, codec,
};

use super::{MESSAGES, child_in, is_locked, options, publish, read};
use crate::common::{self, number, run_child};

/// How long the child of a fork may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Forks; the child does `work` and is gone. Work that panics, or does not end, kills the child.
fn in_fork(work: impl Fn() + Send + Sync + 'static) -> io::Result<ExitStatus> {
    let mut command = Command::new("/bin/true");
    let run = move || {
        thread::spawn(|| {
            thread::sleep(PATIENCE);
            eprintln!("the child of the fork hangs");
            std::process::abort();
        });
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(&work)) {
            Ok(()) => Ok(()),
            Err(_) => std::process::abort(),
        }
    };
    // SAFETY: what runs in the child of the fork takes no lock that a thread of this process may hold, which is what
    // these tests are about, but for those of the allocator, which are free in a child. If it did, the child would
    // hang, and be killed.
    #[expect(unsafe_code, reason = "there is no other way into the child of a fork")]
    unsafe {
        command.pre_exec(run);
    }
    command.status()
}

fn work_in_fork(work: impl Fn() + Send + Sync + 'static) {
    let status = in_fork(work).expect("a fork");
    assert!(status.success(), "{status}");
}

fn is_forked<T>(answer: Result<T>) -> bool {
    answer.is_err_and(|error| {
        let is_named = error.to_string().contains("forked");
        matches!(error, Error::Forked) && is_named && error.kind() == ErrorKind::Unusable
    })
}

/// Fails unless every call on a log that was inherited says so.
fn refuse(log: &impl Log) {
    let message = NewMessage::new(b"key", b"from the fork");
    let mut offsets = [1].into();
    for refused in [
        is_forked(log.publish(&[message])),
        is_forked(log.start_offset()),
        is_forked(log.next_offset()),
        is_forked(log.consume(Start::Oldest, 10)),
        is_forked(log.consume_by_key(b"key", Start::Oldest, 10)),
        is_forked(log.get(Start::At(1))),
        is_forked(log.get_by_key(b"key")),
        is_forked(log.get_by_time(duramen::Timestamp::MIN)),
        is_forked(log.stat()),
        is_forked(log.delete(&offsets)),
        is_forked(log.delete_some(&mut offsets)),
        is_forked(log.trim(1)),
        is_forked(log.apply_retention(true)),
        is_forked(log.apply_retention(false)),
        is_forked(log.backup(Path::new("nowhere"))),
        is_forked(log.sync()),
        is_forked(log.gc(Duration::ZERO)),
        log.iter(0).next().is_some_and(is_forked),
        log.reverse_iter().next().is_some_and(is_forked),
        is_forked(log.close()),
        is_forked(log.close()),
        is_forked(log.next_offset()),
    ] {
        assert!(refused);
    }
}

/// Goal: a fork of a process that has a log open can do it no harm, and is told. Method: the child of a fork makes
/// every call; the parent goes on and reads everything back.
#[test]
fn a_fork_does_no_harm() {
    let home = common::fast_dir();
    run_child(child_in(home.path(), "fork"));
    read(&options().open(home.path()).expect("a reopen"), MESSAGES).expect("reads");
}

pub(super) fn fork(dir: &Path) {
    let log = Arc::new(options().open(dir).expect("a new log"));
    publish(&log, 0..MESSAGES / 2).expect("publishes");
    let forked = Arc::clone(&log);
    let place = dir.to_owned();
    work_in_fork(move || {
        assert!(is_locked(&options().open(&place)));
        assert!(is_forked(forked.synced_offset()) && is_forked(forked.scan(Start::Oldest)));
        assert!(is_forked(forked.epoch()) && is_forked(forked.reopen()));
        refuse(&*forked);
        let blocking = BlockingLog::new(Arc::clone(&forked));
        assert!(is_forked(blocking.consume_blocking(Start::Newest, 1, None)));
        assert!(blocking.follow(Start::Newest).next().is_some_and(is_forked));
        let typed = TLog::new(Arc::clone(&forked), codec::Bytes, codec::Bytes);
        assert!(is_forked(typed.consume(Start::Oldest, 1)));
        assert!(
            is_locked(&options().open(&place)),
            "the child let go of the parent's lock"
        );
    });
    publish(&log, MESSAGES / 2..MESSAGES).expect("the parent goes on");
    run_child(child_in(dir, "find locked"));
    log.close().expect("a close");
}

/// Goal: readers that were at work when the process forked refuse, too, and so does a log in memory.
#[test]
fn readers_and_logs_in_memory_refuse_in_a_fork() {
    let home = common::fast_dir();
    run_child(child_in(home.path(), "fork with readers"));
}

pub(super) fn fork_with_readers(dir: &Path) {
    let log: &'static FileLog = Box::leak(Box::new(options().open(dir).expect("a new log")));
    publish(log, 0..MESSAGES).expect("publishes");
    let memory: &'static MemoryLog = Box::leak(Box::new(MemoryLog::new()));
    memory
        .publish(&[NewMessage::new(b"key", b"value")])
        .expect("publishes");
    let mut scan = log.scan(Start::Oldest).expect("a scan");
    assert!(scan.next().expect("a message").is_some());
    let scan = std::sync::Mutex::new(scan);
    work_in_fork(move || {
        assert!(is_forked(scan.lock().expect("nobody panics").next()));
        refuse(memory);
    });
    assert_eq!(memory.next_offset().expect("the parent's"), 1);
}

/// Goal: an import that is inherited and dropped takes nothing from its parent, which finishes it.
#[test]
fn an_import_is_its_process_s() {
    let home = common::fast_dir();
    run_child(child_in(home.path(), "fork with an import"));
}

pub(super) fn fork_with_an_import(dir: &Path) {
    let mut import = options().import(dir).expect("a new log");
    let message = NewMessage::value(b"value");
    import.push(0, &message).expect("pushed");
    let import = Arc::new(std::sync::Mutex::new(Some(import)));
    let (inherited, place) = (Arc::clone(&import), dir.to_owned());
    work_in_fork(move || {
        let mut import = inherited.lock().expect("nobody panics").take().expect("there");
        assert!(is_forked(import.push(1, &NewMessage::value(b"from the fork"))));
        drop(import);
        assert!(
            is_locked(&options().open(&place)),
            "the child let go of the parent's lock"
        );
    });
    let mut import = import.lock().expect("nobody panics").take().expect("there");
    import.push(1, &message).expect("the parent goes on");
    assert_eq!(import.finish(2).expect("finished").messages, 2);
    assert_eq!(
        options().open(dir).expect("a log").next_offset().expect("open"),
        2
    );
}

/// Goal: a producer that is inherited refuses, whatever its threads were at, and its parent goes on. Method: forks
/// while threads send, flush and wait.
#[test]
fn a_producer_is_its_process_s() {
    let home = common::fast_dir();
    run_child(child_in(home.path(), "fork with a producer"));
}

pub(super) fn fork_with_a_producer(dir: &Path) {
    let log = Arc::new(options().open(dir).expect("a new log"));
    let settings = ProducerOptions::new().linger(Duration::ZERO).in_flight_max(1_000);
    let producer = Arc::new(Producer::new(Arc::clone(&log), settings).expect("a producer"));
    let is_over = Arc::new(AtomicBool::new(false));
    let senders = [(); 2].map(|()| {
        let (producer, is_over) = (Arc::clone(&producer), Arc::clone(&is_over));
        thread::spawn(move || {
            let mut sent = 0;
            while !is_over.load(Ordering::Relaxed) {
                let ticket = producer.send(NewMessage::value(b"value")).expect("sent");
                producer.flush().expect("flushed");
                ticket.wait().expect("acked");
                sent += 1;
            }
            sent
        })
    });
    for _ in 0..20 {
        let idle = Producer::new(Arc::clone(&log), settings).expect("a producer");
        let closed = Producer::new(Arc::clone(&log), settings).expect("a producer");
        let ticket = producer.send(NewMessage::value(b"value")).expect("sent");
        let inherited = std::sync::Mutex::new((Some(idle), Some(closed), Some(ticket)));
        let forked = Arc::clone(&producer);
        work_in_fork(move || {
            let message = NewMessage::value(b"from the fork");
            let mut inherited = inherited.lock().expect("nobody panics");
            let (idle, closed, ticket) = &mut *inherited;
            assert!(is_forked(forked.send(message)) && is_forked(forked.try_send(message)));
            assert!(is_forked(forked.send_timeout(message, Duration::ZERO)));
            assert!(is_forked(forked.flush()) && is_forked(forked.in_flight()));
            assert!(closed.take().is_some_and(|producer| is_forked(producer.close())));
            assert!(
                ticket
                    .as_ref()
                    .is_some_and(|ticket| is_forked(ticket.wait_timeout(PATIENCE)))
            );
            assert!(ticket.take().is_some_and(|ticket| is_forked(ticket.wait())));
            drop(idle.take());
            // Over the parent's log, a producer of the child's own fails.
            let own = Producer::new(Arc::clone(forked.raw()), settings).expect("a producer");
            let failed = own.send(message).and_then(duramen::Ticket::wait);
            let is_named = |source: &Error| matches!(source, Error::Forked);
            assert!(matches!(failed, Err(Error::ProducerFailed { source, .. }) if is_named(&source)));
        });
    }
    is_over.store(true, Ordering::Relaxed);
    let sent: u64 = senders
        .map(|sender| sender.join().expect("no panic"))
        .iter()
        .sum();
    Arc::into_inner(producer)
        .expect("nobody else has it")
        .close()
        .expect("a close");
    assert_eq!(log.next_offset().expect("the parent's"), sent + 20);
    log.close().expect("a close");
}

/// Publishes to a new log in `dir` and reads it back. Its syncs and seals are done in the background.
fn use_new_log(dir: &Path, count: u64) {
    let options = Options::new()
        .create_dirs(true)
        .key_index(true)
        .rollover(4096)
        .durability(Durability::Interval(Duration::from_millis(1)));
    let log = options.open(dir).expect("a new log");
    for _ in 0..count {
        log.publish(&[NewMessage::new(b"key", &[7; 100])])
            .expect("publishes");
    }
    let begun = Instant::now();
    while log.synced_offset().expect("an offset") < count {
        assert!(begun.elapsed() < PATIENCE, "nothing is synced in the background");
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(log.get_by_key(b"key").expect("the last").offset, count - 1);
    log.trim(count / 2).expect("a trim");
    log.close().expect("a close");
    assert!(check(dir, &options).expect("a check").problems.is_empty());
    let again = options.open(dir).expect("a reopen");
    assert_eq!(again.next_offset().expect("an offset"), count);
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").expect("a list").count()
}

/// Goal: a child of a fork has logs of its own, whatever its parent had open, and so has its child. Method: it opens
/// new ones, which leave no file open when they are closed.
#[test]
fn a_fork_has_logs_of_its_own() {
    let home = common::fast_dir();
    run_child(child_in(home.path(), "fork and open"));
    for name in ["parent", "child", "grandchild"] {
        let log =
            Options::of(home.path().join(name)).and_then(|options| options.open(home.path().join(name)));
        assert_eq!(log.and_then(|log| log.next_offset()).expect(name), 500, "{name}");
    }
}

pub(super) fn fork_and_open(dir: &Path) {
    let log = Options::new()
        .create_dirs(true)
        .open(dir.join("held"))
        .expect("a log");
    log.publish(&[NewMessage::value(b"value")]).expect("publishes");
    let home = dir.to_owned();
    work_in_fork(move || {
        let before = open_files();
        use_new_log(&home.join("child"), 500);
        assert_eq!(open_files(), before, "files are left open");
        let home = home.clone();
        work_in_fork(move || use_new_log(&home.join("grandchild"), 500));
    });
    use_new_log(&dir.join("parent"), 500);
    log.close().expect("a close");
}

/// Goal: a child that has closed the handle it inherited does not keep the log locked when its parent is gone.
#[test]
fn a_closed_copy_of_a_lock_ends_with_the_parent() {
    let home = common::fast_dir();
    let dir = home.path().join("log");
    let status = child_in(home.path(), "fork and die")
        .output()
        .expect("a child")
        .status;
    assert_eq!(status.code(), Some(7));
    let begun = Instant::now();
    while !home.path().join("opened").exists() {
        assert!(begun.elapsed() < PATIENCE, "still locked");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(
        options()
            .open(dir)
            .and_then(|log| log.next_offset())
            .expect("a log"),
        2
    );
}

pub(super) fn fork_and_die(home: &Path) {
    let dir = home.join("log");
    let log = Arc::new(options().open(&dir).expect("a new log"));
    log.publish(&[NewMessage::value(b"value")]).expect("publishes");
    let forked = Arc::clone(&log);
    die_beside_a_fork(
        home,
        move || {
            assert!(is_forked(forked.close()));
            assert!(is_locked(&options().open(&dir)), "the parent's lock is gone");
            dir.clone()
        },
        |dir| {
            let log = options().open(dir).expect("the parent is gone");
            log.publish(&[NewMessage::value(b"value")]).expect("publishes");
            log.close().expect("a close");
        },
    );
}

/// Forks, has the child let go of what it has inherited by `close`, and dies. When its parent is gone, the child opens
/// by `open` what `close` has named.
fn die_beside_a_fork(
    home: &Path,
    close: impl Fn() -> PathBuf + Send + Sync + 'static,
    open: impl Fn(&Path) + Send + Sync + 'static,
) {
    let place = home.to_owned();
    let parent = std::process::id();
    thread::spawn(move || {
        in_fork(move || {
            let dir = close();
            fs::write(place.join("closed"), b"").expect("a file");
            while parent_id() == parent {
                thread::sleep(Duration::from_millis(1));
            }
            open(&dir);
            fs::write(place.join("opened"), b"").expect("a file");
        })
    });
    let begun = Instant::now();
    while !home.join("closed").exists() {
        assert!(begun.elapsed() < PATIENCE, "the child does not close");
        thread::sleep(Duration::from_millis(1));
    }
    std::process::exit(7);
}

/// Goal: a child refuses every call on a store it has inherited, does the parent no harm, and does not keep the store
/// locked when its parent is gone. Method: one partition is open, and one is not.
#[test]
fn a_store_is_its_process_s() {
    let home = common::fast_dir();
    let status = child_in(home.path(), "fork with a store and die")
        .output()
        .expect("a child")
        .status;
    assert_eq!(status.code(), Some(7));
    let begun = Instant::now();
    while !home.path().join("opened").exists() {
        assert!(begun.elapsed() < PATIENCE, "still locked");
        thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn fork_with_a_store_and_die(home: &Path) {
    let dir = home.join("store");
    let options = || StoreOptions::new().create_dirs(true);
    let store = options().open(&dir).expect("a new store");
    let config = StreamConfig::new().partitions(2).key_index(true).time_index(true);
    store.create("s", &config).expect("a stream");
    let stream = store.stream("s").expect("there");
    let message = [NewMessage::value(b"value")];
    let (open, shut) = (
        stream.partition(0).expect("there"),
        stream.partition(1).expect("there"),
    );
    store
        .publish_to(&[(&stream, 0, &message), (&stream, 1, &message)])
        .expect("publishes");
    stream.pause(&1.into(), false).expect("paused");
    stream.resume(&1.into()).expect("resumed");
    die_beside_a_fork(
        home,
        move || {
            refuse(&open);
            refuse(&shut);
            assert!(is_forked(store.create("t", &StreamConfig::new())));
            assert!(is_forked(store.delete("s")) && is_forked(store.list(&ListOptions::new())));
            assert!(is_forked(store.sync()) && is_forked(stream.sync()));
            assert!(is_forked(stream.pause(&0.into(), false)) && is_forked(stream.seal(&0.into())));
            assert!(is_forked(store.publish_to(&[(&stream, 0, &message)])));
            assert!(is_forked(store.close()));
            assert!(is_locked(&options().open(&dir)), "the parent's lock is gone");
            dir.clone()
        },
        move |dir| {
            let store = options().open(dir).expect("the parent is gone");
            let stream = store.stream("s").expect("there");
            for number in 0..2 {
                let log = stream.partition(number).expect("there");
                assert_eq!(log.next_offset().expect("a log"), 1);
                log.publish(&[NewMessage::value(b"value")]).expect("publishes");
            }
            store.close().expect("a close");
        },
    );
}

/// Goal: a fork never hangs, whatever the other threads of its parent are at. Method: threads open, use and close logs
/// without a pause; each of many children opens and uses a log of its own, and lets go of one that it inherited.
#[test]
fn a_fork_while_logs_are_opened_does_not_hang() {
    let home = common::fast_dir();
    for _ in 0..number("DURAMEN_FORKS", 400).div_ceil(FORKS) {
        run_child(child_in(home.path(), "fork at work"));
    }
}

/// How many forks one process makes.
const FORKS: u64 = 100;

pub(super) fn fork_at_work(home: &Path) {
    let stop = AtomicBool::new(false);
    let shared = Arc::new(
        options()
            .background(true)
            .open(home.join("shared"))
            .expect("a log"),
    );
    thread::scope(|scope| {
        for name in 0..4 {
            let (stop, shared, dir) = (&stop, &shared, home.join(format!("log-{name}")));
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let log = options().background(true).open(&dir).expect("a log");
                    for log in [&log, &**shared] {
                        log.publish(&[NewMessage::new(b"key", &[7; 300])])
                            .expect("publishes");
                        log.consume(Start::Last(10), 10).expect("messages");
                    }
                    let before = shared.next_offset().expect("an offset").saturating_sub(100);
                    shared.trim(before).expect("a trim");
                    log.close().expect("a close");
                }
            });
        }
        for fork in 0..FORKS {
            let (held, dir) = (Arc::clone(&shared), home.join("fork"));
            let status = in_fork(move || {
                assert!(is_forked(held.publish(&[NewMessage::value(b"value")])) && is_forked(held.close()));
                use_new_log(&dir, 60);
            });
            let is_done = status.as_ref().is_ok_and(ExitStatus::success);
            if !is_done || fork + 1 == FORKS {
                stop.store(true, Ordering::Relaxed);
            }
            assert!(is_done, "fork {fork}: {status:?}");
            fs::remove_dir_all(home.join("fork")).expect("the child's log");
        }
    });
}
