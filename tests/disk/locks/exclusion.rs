//! One writer and any number of readers, in one process and in several.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use duramen::{Error, Log, Options, check, recover};

use super::{MESSAGES, child_in, holder, is_locked, make, options, publish, read, reader};
use crate::common::{self, run_child};

/// Goal: one writer, told at once from a second one, by whatever name the directory is called, and any number of
/// readers. Method: handles of one process.
#[test]
fn a_second_writer_of_a_process_is_turned_away() {
    let home = common::fast_dir();
    let dir = home.path().join("log");
    let log = options().open(&dir).expect("a new log");
    publish(&log, 0..3).expect("publishes");
    symlink(&dir, home.path().join("link")).expect("a link");
    let begun = Instant::now();
    for name in [
        dir.clone(),
        dir.join("."),
        home.path().join("link"),
        home.path().join("log/../log"),
    ] {
        assert!(is_locked(&options().open(&name)), "{name:?} for writing");
        let reader = reader().open(&name).expect("a reader beside a writer");
        assert_eq!(reader.next_offset().expect("open"), 3, "{name:?}");
        assert!(check(&name, &options()).expect("a check").is_clean(), "{name:?}");
    }
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "not at once: {:?}",
        begun.elapsed()
    );
    publish(&log, 3..6).expect("the first handle is as good as before");
    log.close().expect("a close");
    let readers = [
        reader().open(&dir).expect("a reader"),
        reader().open(&dir).expect("another"),
    ];
    publish(&options().open(&dir).expect("a writer among readers"), 6..9).expect("publishes");
    for log in &readers {
        read(log, 9).expect("reads");
    }
}

/// Goal: the same between processes, until the other one is gone, however it went. Method: a child that holds the
/// log, and is killed.
#[test]
fn a_second_writing_process_is_turned_away() {
    let home = common::fast_dir();
    make(home.path(), true);
    let mut writer = holder(home.path(), "hold");
    let begun = Instant::now();
    assert!(is_locked(&options().open(home.path())));
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "not at once: {:?}",
        begun.elapsed()
    );
    read(
        &reader().open(home.path()).expect("a reader beside a writer"),
        MESSAGES,
    )
    .expect("reads");
    writer.kill().and_then(|()| writer.wait()).expect("a child");
    let mut other = holder(home.path(), "hold for reading");
    read(
        &reader().open(home.path()).expect("a reader beside a reader"),
        MESSAGES,
    )
    .expect("reads");
    let log = options().open(home.path()).expect("a writer beside a reader");
    read(&log, MESSAGES).expect("reads");
    other.kill().and_then(|()| other.wait()).expect("a child");
}

/// Goal: removing or replacing the lock file lets nobody in. Method: a process holds the log, its lock file is
/// removed, renamed and replaced, and another tries.
#[test]
fn a_replaced_lock_file_does_not_let_a_second_process_in() {
    let home = common::fast_dir();
    let log = options().open(home.path()).expect("a new log");
    let lock = home.path().join("LOCK");
    fs::remove_file(&lock).expect("a lock file");
    run_child(child_in(home.path(), "find locked"));
    fs::write(home.path().join("new"), b"")
        .and_then(|()| fs::rename(home.path().join("new"), &lock))
        .expect("a file");
    run_child(child_in(home.path(), "find locked"));
    assert!(is_locked(&options().open(home.path())));
    publish(&log, 0..MESSAGES).expect("publishes");
}

/// Goal: opening waits for another handle as long as it is told, and not longer. Method: a log that is held too long,
/// and one that is let go of meanwhile; opened, and recovered.
#[test]
fn opening_waits_for_the_lock_as_long_as_it_is_told() {
    let home = common::fast_dir();
    let open = |timeout| options().lock_timeout(timeout).open(home.path());
    let held = open(Duration::ZERO).expect("a new log");
    publish(&held, 0..3).expect("publishes");
    let short = options().lock_timeout(Duration::from_millis(100));
    let calls: [&dyn Fn(&Options) -> bool; 2] =
        [&|options| is_locked(&options.open(home.path())), &|options| {
            matches!(recover(home.path(), options), Err(Error::Locked { .. }))
        }];
    for call in calls {
        let begun = Instant::now();
        assert!(call(&short));
        let waited = begun.elapsed();
        assert!(
            waited >= Duration::from_millis(100) && waited < Duration::from_secs(5),
            "{waited:?}"
        );
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(200));
            held.close().expect("a close");
        });
        let log = open(Duration::from_secs(30)).expect("the other has closed it");
        assert_eq!(log.next_offset().expect("an offset"), 3);
        log.close().expect("a close");
    });
    assert!(open(Duration::MAX).is_ok(), "without an end");
}

/// Goal: a writer never meets readers that have the log open for moments. Method: two that open, read and close it
/// again and again; the log is left as a kill leaves it.
#[test]
fn a_writer_does_not_meet_readers() {
    let home = common::fast_dir();
    make(home.path(), false);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let log = reader().open(home.path()).expect("a reader");
                    log.next_offset().expect("an offset");
                    thread::sleep(Duration::from_millis(1));
                }
            });
        }
        let opened: Vec<_> = (0..50)
            .map(|_| {
                thread::sleep(Duration::from_millis(3));
                options().open(home.path()).and_then(|log| log.close())
            })
            .collect();
        stop.store(true, Ordering::Relaxed);
        assert!(opened.iter().all(Result::is_ok), "{opened:?}");
    });
}
