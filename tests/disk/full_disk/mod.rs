//! Limits of the system: a full disk, files of limited size, few descriptors. Whatever cannot be written is refused in
//! clear words, nothing is lost, and the log works again when there is room.
//!
//! The disk is a small `tmpfs` in a mount namespace of a child process. Where none can be had the tests say so and
//! pass, unless the variable `CI` is `true`.
//!
//! | variable | means |
//! |---|---|
//! | `DURAMEN_DISK_STEP` | by how many KiB of free space the sweep goes; default 64 |
//! | `DURAMEN_SEED` | what is drawn at random depends on it alone |

mod common;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, thread};

use common::{Item, Random, child, files_of, number, role, run_child, with_messages, write_files};
use duramen::{Durability, Error, ErrorKind, FileLog, Log, Options, Start};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const DISK_KIB: u64 = 32 << 10;

/// What the children of these tests do.
#[test]
fn in_a_child() {
    let Some(role) = role() else { return };
    let seed = number("DURAMEN_SEED", 0);
    match role.as_str() {
        "fill" => fill_at_every_step(&mount(), seed),
        "open" => open_on_a_full_disk(&mount(), seed),
        "remove" => remove_on_a_full_disk(&mount(), seed),
        "file size" => limit_file_size(seed),
        "descriptors" => limit_descriptors(seed),
        "many segments" => have_many_segments(seed),
        other => panic!("{other}"),
    }
}

/// Runs a child in a mount namespace of its own, if the system lets us.
fn in_a_namespace(role: &str) {
    let home = tempfile::tempdir().expect("a directory");
    let possible = Command::new("unshare")
        .args(["-rm", "mount", "-t", "tmpfs", "none"])
        .arg(home.path())
        .output();
    if !possible.as_ref().is_ok_and(|output| output.status.success()) {
        let ci = env::var("CI").is_ok_and(|ci| ci == "true");
        println!("SKIPPED: no small disk can be mounted here: {possible:?}");
        assert!(!ci, "no small disk can be mounted here: {possible:?}");
        return;
    }
    let seed = common::seed(role);
    let inner = child("in_a_child", role);
    let mut command = Command::new("unshare");
    command.arg("-rm").arg(inner.get_program()).args(inner.get_args());
    command
        .env("DURAMEN_CHILD", role)
        .env("DURAMEN_SEED", seed.to_string())
        .env("DURAMEN_DIR", home.path());
    run_child(command);
}

/// Mounts the small disk over a directory that only this process sees.
fn mount() -> PathBuf {
    let dir = PathBuf::from(env::var_os("DURAMEN_DIR").expect("a directory"));
    let size = format!("size={DISK_KIB}k");
    let status = Command::new("mount")
        .args(["-t", "tmpfs", "-o", &size, "none"])
        .arg(&dir)
        .status();
    assert!(status.expect("mount").success());
    dir
}

/// Takes all space on the disk but so much; dropped, gives it back.
struct Hog(PathBuf);

impl Hog {
    fn leaving(disk: &Path, kib: u64) -> Hog {
        let path = disk.join("hog");
        let mut file = File::create(&path).expect("a file");
        // Others may take and give space meanwhile.
        loop {
            let free = rustix::fs::statvfs(disk).expect("a disk");
            let excess = (free.f_bavail * free.f_frsize / 1024).saturating_sub(kib);
            let bytes = vec![1; usize::try_from(excess.min(64) * 1024).expect("small")];
            if bytes.is_empty() || file.write_all(&bytes).is_err() {
                break;
            }
        }
        Hog(path)
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        fs::remove_file(&self.0).expect("a file");
    }
}

/// A log whose every message is known.
struct Known {
    items: Vec<Item>,
    random: Random,
    /// Bytes of the largest values.
    value_len_max: u64,
    batch_max: u64,
}

impl Known {
    fn new(seed: u64, value_len_max: u64, batch_max: u64) -> Known {
        Known {
            items: Vec::new(),
            random: Random::new(seed),
            value_len_max,
            batch_max,
        }
    }

    /// Publishes once; what is refused was not published.
    fn publish(&mut self, log: &FileLog) -> Result<(), Error> {
        let count = 1 + self.random.below(self.batch_max);
        let items: Vec<Item> = (0..count)
            .map(|_| Item::any(&mut self.random, 9, self.value_len_max))
            .collect();
        let next = with_messages(&items, |messages| log.publish(messages))?;
        self.items.extend(items);
        assert_eq!(next, self.items.len() as u64);
        Ok(())
    }

    /// Publishes so many times, or until it is refused.
    fn publish_up_to(&mut self, log: &FileLog, times: u64) -> Option<Error> {
        (0..times).find_map(|_| self.publish(log).err())
    }

    /// Everything is there, and nothing else.
    fn check(&self, log: &FileLog, when: &str) {
        let mut next = 0;
        loop {
            let batch = log
                .consume(Start::At(next), 500)
                .unwrap_or_else(|error| panic!("{when}: {error:?}"));
            for message in &batch {
                let offset = usize::try_from(next).expect("small");
                assert!(
                    self.items.get(offset).is_some_and(|item| item.is(next, message)),
                    "{when}: offset {next}"
                );
                next += 1;
            }
            if batch.messages.is_empty() {
                break;
            }
        }
        assert_eq!(next, self.items.len() as u64, "{when}: lost or added");
        assert_eq!(log.next_offset().expect("an offset"), next, "{when}");
        let newest = self
            .items
            .iter()
            .rposition(|item| item.key.as_deref() == Some(b"key-1"));
        let found = log.get_by_key(b"key-1").ok().map(|found| found.offset);
        assert_eq!(found, newest.map(|at| at as u64), "{when}: by key");
    }
}

fn options() -> Options {
    Options::new()
        .create_dirs(true)
        .key_index(true)
        .time_index(true)
        .rollover(64 << 10)
}

fn is_refusal(error: &Error) -> bool {
    error.kind() == ErrorKind::NotWritten && matches!(error, Error::Io { .. })
}

/// Ways to use a log: by whom, how, and with what.
fn arrangements() -> impl Iterator<Item = (Options, u64, u64)> {
    let durabilities = [Durability::Os, Durability::EachPublish];
    durabilities.into_iter().flat_map(|durability| {
        [true, false].into_iter().flat_map(move |background| {
            // Small messages, messages of some pages, batches that are larger than a segment.
            [(100, 1), (9000, 3), (60_000, 9)].map(move |(value_len_max, batch_max)| {
                (
                    options().durability(durability).background(background),
                    value_len_max,
                    batch_max,
                )
            })
        })
    })
}

/// Goal: a disk that fills up anywhere in the life of a log costs no message and no process, and needs no reopen.
/// Method: free space in steps, publishing until it is used up, giving space back, going on.
#[test]
fn a_disk_that_fills_up_costs_nothing() {
    in_a_namespace("fill");
}

fn fill_at_every_step(disk: &Path, seed: u64) {
    let mut poisoned = 0;
    let mut steps = 0;
    for free_kib in (0..1536).step_by(usize::try_from(number("DURAMEN_DISK_STEP", 64)).expect("a step")) {
        for (options, value_len_max, batch_max) in arrangements() {
            let when = format!("{free_kib} KiB free, {value_len_max} * {batch_max} bytes, {options:?}");
            let dir = disk.join("log");
            let mut known = Known::new(seed ^ free_kib, value_len_max, batch_max);
            let log = options.open(&dir).expect("a new log");
            known.publish(&log).expect("a first publish");
            let hog = Hog::leaving(disk, free_kib);
            let refused = known.publish_up_to(&log, 1 << 20).expect("a full disk");
            assert!(is_refusal(&refused), "{when}: {refused:?}");
            known.check(&log, &when);
            // Still full: refused again, or small enough to fit, but nothing worse.
            for _ in 0..20 {
                if let Err(again) = known.publish(&log) {
                    assert!(
                        is_refusal(&again),
                        "{when}: refused first with {refused:?}, then with {again:?}"
                    );
                }
            }
            known.check(&log, &when);
            log.sync().unwrap_or_else(|error| panic!("{when}: {error:?}"));
            drop(hog);
            if let Some(error) = known.publish_up_to(&log, 10) {
                println!("  {when}: {error:?} when there was space again");
                poisoned += 1;
            }
            known.check(&log, &when);
            log.close().unwrap_or_else(|error| panic!("{when}: {error:?}"));
            let log = options
                .open(&dir)
                .unwrap_or_else(|error| panic!("{when}: {error:?}"));
            known.check(&log, &when);
            if let Some(error) = known.publish_up_to(&log, 3) {
                panic!("{when}: {error:?} after a reopen");
            }
            drop(log);
            fs::remove_dir_all(&dir).expect("a directory");
            steps += 1;
        }
    }
    println!("  {steps} times filled up, {poisoned} times of no use without a reopen");
    assert_eq!(poisoned, 0);
}

/// Goal: messages can be removed from a log on a disk that is filled to the last page, and that makes room. Method: a
/// tenth of the messages deleted everywhere, then half of the log trimmed, with nothing free.
#[test]
fn messages_are_removed_on_a_full_disk() {
    in_a_namespace("remove");
}

fn remove_on_a_full_disk(disk: &Path, seed: u64) {
    for background in [true, false] {
        let when = format!("background {background}");
        let options = options().background(background);
        let dir = disk.join("log");
        let mut known = Known::new(seed, 300, 5);
        let log = options.open(&dir).expect("a new log");
        assert!(known.publish_up_to(&log, 2000).is_none(), "{when}");
        let is_there = (0..4000).any(|_| {
            thread::sleep(Duration::from_millis(5));
            dir.join("spare").exists()
        });
        assert!(is_there, "{when}: no spare space");
        let hog = Hog::leaving(disk, 0);
        let refused = known.publish_up_to(&log, 1 << 20).expect("a full disk");
        assert!(is_refusal(&refused), "{when}: {refused:?}");

        let end = known.items.len() as u64;
        let gone: BTreeSet<u64> = (0..end).filter(|_| known.random.one_in(10)).collect();
        let deleted = log
            .delete(&gone)
            .unwrap_or_else(|error| panic!("{when}: {error:?}"));
        assert_eq!(deleted.messages, gone.len() as u64, "{when}");
        let trimmed = log
            .trim(end / 2)
            .unwrap_or_else(|error| panic!("{when}: {error:?}"));
        assert!(trimmed.count > 0 && trimmed.size > 0, "{when}");
        let (mut found, mut from) = (Vec::new(), Start::Oldest);
        loop {
            let batch = log.consume(from, 500).expect("consumed");
            if batch.messages.is_empty() {
                break;
            }
            for message in &batch {
                let item = &known.items[usize::try_from(message.offset).expect("small")];
                assert!(item.is(message.offset, message), "{when}: {}", message.offset);
                found.push(message.offset);
            }
            from = Start::At(batch.next_offset);
        }
        let expected: Vec<u64> = (end / 2..end).filter(|offset| !gone.contains(offset)).collect();
        assert!(found == expected, "{when}: {} of {}", found.len(), expected.len());
        assert!(
            known.publish_up_to(&log, 20).is_none(),
            "{when}: there is room now"
        );
        log.close().expect("closed");
        drop(hog);
        assert!(
            duramen::check(&dir, &options).expect("checked").is_clean(),
            "{when}"
        );
        println!(
            "  {when}: {} of {end} messages deleted, {} trimmed",
            gone.len(),
            trimmed.count
        );
        fs::remove_dir_all(&dir).expect("a directory");
    }
}

/// Goal: the space that is set aside for removing is there, not only a file of its name. Method: logs that find one
/// that is empty or was enough for a smaller rollover size, or none, begin a segment.
#[test]
fn spare_space_is_as_large_as_promised() {
    let large = vec![7; 600 << 10];
    for there in [None, Some(0), Some(100), Some(1 << 10)] {
        let home = common::fast_dir();
        let path = home.path().join("spare");
        if let Some(len) = there {
            fs::write(&path, vec![0; len]).expect("a file");
        }
        // As large as a segment, but at most 1 MiB; not smaller again.
        for (rollover, wanted) in [
            (1 << 10, 1 << 10),
            (64 << 10, 64 << 10),
            (1 << 21, 1 << 20),
            (1 << 10, 1 << 20),
        ] {
            let log = options()
                .background(false)
                .rollover(rollover)
                .open(home.path())
                .expect("a log");
            for _ in 0..6 {
                let len = usize::try_from(rollover / 2).expect("small");
                let value = &large[..len.min(large.len())];
                log.publish(&[duramen::NewMessage::value(value)])
                    .expect("published");
            }
            log.close().expect("closed");
            let len = fs::metadata(&path).expect("spare space").len();
            assert_eq!(len, wanted, "{there:?}, rollover {rollover}");
        }
    }
}

/// Goal: a log can be read on a disk without a byte to spare, and opened for writing if it was closed; whatever is
/// refused there does no harm. Method: logs closed and killed, opened and published to with no space, then with some.
#[test]
fn a_log_opens_on_a_full_disk() {
    in_a_namespace("open");
}

fn open_on_a_full_disk(disk: &Path, seed: u64) {
    for (options, value_len_max, batch_max) in arrangements() {
        for (closed, messages) in [(true, 1), (true, 40), (false, 1), (false, 40)] {
            let when =
                format!("closed {closed}, {messages} of {value_len_max} * {batch_max} bytes, {options:?}");
            let dir = disk.join("log");
            let mut known = Known::new(seed, value_len_max.min(9000), batch_max);
            let log = options.open(&dir).expect("a new log");
            assert!(known.publish_up_to(&log, messages).is_none(), "{when}");
            if closed {
                log.close().expect("a close");
            } else {
                // What a kill leaves: the files as they are.
                let files = files_of(&dir);
                drop(log);
                fs::remove_dir_all(&dir)
                    .and_then(|()| fs::create_dir(&dir))
                    .expect("a directory");
                write_files(&dir, &files);
            }
            let hog = Hog::leaving(disk, 0);
            let reader = options.clone().read_only(true).open(&dir);
            known.check(&reader.unwrap_or_else(|error| panic!("{when}: {error:?}")), &when);
            match options.open(&dir) {
                Ok(log) => {
                    known.check(&log, &when);
                    for _ in 0..5 {
                        if let Err(error) = known.publish(&log) {
                            assert!(is_refusal(&error), "{when}: {error:?}");
                        }
                    }
                    known.check(&log, &when);
                    log.close().unwrap_or_else(|error| panic!("{when}: {error:?}"));
                }
                Err(error) => {
                    assert!(is_refusal(&error) && !closed, "{when}: {error:?}");
                    println!("  refused to open for writing: {when}");
                }
            }
            let reader = options.clone().read_only(true).open(&dir);
            known.check(&reader.unwrap_or_else(|error| panic!("{when}: {error:?}")), &when);
            drop(hog);
            let log = options
                .open(&dir)
                .unwrap_or_else(|error| panic!("{when}: {error:?}"));
            known.check(&log, &when);
            assert!(known.publish_up_to(&log, 3).is_none(), "{when}");
            known.check(&log, &when);
            drop(log);
            fs::remove_dir_all(&dir).expect("a directory");
        }
    }
}

/// Changes what this process may have of something; the hard limit stays.
fn limit(resource: Resource, current: Option<u64>) {
    let maximum = getrlimit(resource).maximum;
    setrlimit(
        resource,
        Rlimit {
            current: current.or(maximum),
            maximum,
        },
    )
    .expect("a limit");
}

/// Goal: a limit on the size of files refuses, and does not kill. Method: limits from small to large, publishing up to
/// each, raising it, going on.
#[test]
fn a_file_size_limit_is_an_error_and_not_a_signal() {
    let seed = common::seed("file size");
    let mut command = child("in_a_child", "file size");
    command.env("DURAMEN_SEED", seed.to_string());
    run_child(command);
}

fn limit_file_size(seed: u64) {
    for limit_bytes in [0, 100, 4096, 10_000, 16 << 10, 40_000, 64 << 10, 70_000, 100_000] {
        for (options, value_len_max, batch_max) in arrangements() {
            let when = format!("limit {limit_bytes}, {value_len_max} * {batch_max} bytes, {options:?}");
            let home = common::fast_dir();
            let mut known = Known::new(seed, value_len_max, batch_max);
            let log = options.open(home.path()).expect("a new log");
            assert!(known.publish_up_to(&log, 3).is_none(), "{when}");
            limit(Resource::Fsize, Some(limit_bytes));
            let refused = known.publish_up_to(&log, 200);
            assert!(refused.as_ref().is_none_or(is_refusal), "{when}: {refused:?}");
            known.check(&log, &when);
            let other = options.open(home.path().join("other"));
            assert!(other.as_ref().err().is_none_or(is_refusal), "{when}: {other:?}");
            limit(Resource::Fsize, None);
            let after = known.publish_up_to(&log, 10);
            assert!(
                after.is_none(),
                "{when}: refused with {refused:?}, after that with {after:?}"
            );
            log.close().unwrap_or_else(|error| panic!("{when}: {error:?}"));
            known.check(&options.open(home.path()).expect("a reopen"), &when);
        }
    }
}

/// Goal: too few descriptors refuse, and do no harm. Method: limits from 3 up, opening, reading and publishing under
/// each, then without it.
#[test]
fn too_few_descriptors_are_an_error_and_do_no_harm() {
    let seed = common::seed("descriptors");
    let mut command = child("in_a_child", "descriptors");
    command.env("DURAMEN_SEED", seed.to_string());
    run_child(command);
}

fn limit_descriptors(seed: u64) {
    for (options, ..) in arrangements().step_by(3) {
        let options = options.rollover(4 << 10);
        let home = common::fast_dir();
        let mut known = Known::new(seed, 200, 3);
        let log = options.open(home.path()).expect("a new log");
        assert!(known.publish_up_to(&log, 200).is_none());
        log.close().expect("a close");
        let mut worked = 0;
        for descriptors in 3..40 {
            let when = format!("{descriptors} descriptors, {options:?}");
            limit(Resource::Nofile, Some(descriptors));
            let answer = options.open(home.path()).and_then(|log| {
                let read = log.consume(Start::Last(3000), 10).map(drop);
                let keyed = log.get_by_key(b"key-1").map(drop);
                let refused = known.publish_up_to(&log, 30);
                let closed = log.close();
                read.and(keyed).and(refused.map_or(Ok(()), Err)).and(closed)
            });
            limit(Resource::Nofile, None);
            assert!(answer.as_ref().err().is_none_or(is_refusal), "{when}: {answer:?}");
            worked += u64::from(answer.is_ok());
            let log = options
                .open(home.path())
                .unwrap_or_else(|error| panic!("{when}: {error:?}"));
            known.check(&log, &when);
            log.close().unwrap_or_else(|error| panic!("{when}: {error:?}"));
        }
        println!("  of 37 limits {worked} were enough: {options:?}");
        assert!(worked > 10, "{options:?}");
    }
}

/// Goal: many segments take few descriptors and mappings, also while they come faster than they can be sealed. Method:
/// thousands of rollovers with few descriptors allowed, all messages read back, descriptors and mappings counted.
#[test]
fn many_segments_take_few_descriptors_and_mappings() {
    let seed = common::seed("many segments");
    let mut command = child("in_a_child", "many segments");
    command.env("DURAMEN_SEED", seed.to_string());
    run_child(command);
}

fn have_many_segments(seed: u64) {
    let count = |what: &str| match what {
        "fd" => fs::read_dir("/proc/self/fd").expect("descriptors").count(),
        _ => fs::read_to_string("/proc/self/maps")
            .expect("mappings")
            .lines()
            .count(),
    };
    for (options, ..) in arrangements().step_by(3) {
        let options = options.rollover(1 << 10).segments_mapped_max(20);
        // On a real disk: there, sealing takes time.
        let home = tempfile::tempdir().expect("a directory");
        let mut known = Known::new(seed, 100, 2);
        let (fds_before, maps_before) = (count("fd"), count("maps"));
        limit(Resource::Nofile, Some(fds_before as u64 + 64));
        let log = options.open(home.path()).expect("a new log");
        let refused = known.publish_up_to(&log, 4000);
        let (fds, maps) = (
            count("fd") - fds_before,
            count("maps").saturating_sub(maps_before),
        );
        limit(Resource::Nofile, None);
        let segments = log.stat().map(|stats| stats.segments);
        println!("  {segments:?} segments, {fds} descriptors, {maps} mappings: {options:?}");
        assert!(
            refused.is_none(),
            "{refused:?} with {fds} descriptors: {options:?}"
        );
        assert!(
            fds < 64 && maps < 150,
            "{fds} descriptors, {maps} mappings: {options:?}"
        );
        known.check(&log, "many segments");
        thread::sleep(Duration::from_millis(10));
        let maps = count("maps").saturating_sub(maps_before);
        assert!(maps < 150, "{maps} mappings after reading: {options:?}");
        log.close().expect("a close");
        let fds = count("fd");
        assert_eq!(fds, fds_before, "descriptors left: {options:?}");
    }
}
