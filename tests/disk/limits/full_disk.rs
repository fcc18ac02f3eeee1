//! A full disk: a small `tmpfs` in a mount namespace of a child process.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use duramen::Log;

use super::{CHILD, Known, arrangements, is_refusal, options};
use crate::common::{self, child, files_of, number, read_all, run_child, write_files};

const DISK_KIB: u64 = 32 << 10;

/// Runs a child in a mount namespace of its own, if the system lets us.
pub(super) fn in_a_namespace(role: &str) {
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
    let inner = child(CHILD, role);
    let mut command = Command::new("unshare");
    command.arg("-rm").arg(inner.get_program()).args(inner.get_args());
    command
        .env("DURAMEN_CHILD", role)
        .env("DURAMEN_SEED", seed.to_string())
        .env("DURAMEN_DIR", home.path());
    run_child(command);
}

/// Mounts the small disk over a directory that only this process sees.
pub(super) fn mount() -> PathBuf {
    mount_of(DISK_KIB)
}

/// Does the same with a disk of so many KiB.
pub(super) fn mount_of(kib: u64) -> PathBuf {
    let dir = PathBuf::from(env::var_os("DURAMEN_DIR").expect("a directory"));
    let size = format!("size={kib}k");
    let status = Command::new("mount")
        .args(["-t", "tmpfs", "-o", &size, "none"])
        .arg(&dir)
        .status();
    assert!(status.expect("mount").success());
    dir
}

/// Takes all space on the disk but so much; dropped, gives it back.
pub(super) struct Hog(PathBuf);

impl Hog {
    pub(super) fn leaving(disk: &Path, kib: u64) -> Hog {
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

/// Goal: a disk that fills up anywhere in the life of a log costs no message and no process, and needs no reopen.
/// Method: free space in steps, publishing until it is used up, giving space back, going on.
#[test]
fn a_disk_that_fills_up_costs_nothing() {
    in_a_namespace("fill");
}

pub(super) fn fill_at_every_step(disk: &Path, seed: u64) {
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

pub(super) fn remove_on_a_full_disk(disk: &Path, seed: u64) {
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
        let gone: BTreeSet<u64> = (0..end).filter(|_| known.random.u8(..10) == 0).collect();
        let deleted = log
            .delete(&gone)
            .unwrap_or_else(|error| panic!("{when}: {error:?}"));
        assert_eq!(deleted.messages, gone.len() as u64, "{when}");
        let trimmed = log
            .trim(end / 2)
            .unwrap_or_else(|error| panic!("{when}: {error:?}"));
        assert!(trimmed.count > 0 && trimmed.size > 0, "{when}");
        let mut found = Vec::new();
        for message in &read_all(&log).expect("consumed") {
            let item = &known.items[usize::try_from(message.offset).expect("small")];
            assert!(item.is(message.offset, message), "{when}: {}", message.offset);
            found.push(message.offset);
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

/// Goal: a log can be read on a disk without a byte to spare, and opened for writing; whatever is refused there does no
/// harm. Method: logs closed and killed, opened and published to with no space, then with some.
#[test]
fn a_log_opens_on_a_full_disk() {
    in_a_namespace("open");
}

pub(super) fn open_on_a_full_disk(disk: &Path, seed: u64) {
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
                    // What a killed process left may have to be copied before it is durable.
                    if let Err(error) = log.close() {
                        assert!(is_refusal(&error) && !closed, "{when}: {error:?}");
                    }
                }
                Err(error) => panic!("{when}: {error:?}"),
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

/// Goal: holes in the files of a log on a full disk kill nobody, neither who reads nor who publishes. Method: what a
/// kill leaves, copied without its zeros, as tools do; no space left.
#[test]
fn a_copy_with_holes_is_usable_on_a_full_disk() {
    in_a_namespace("holes");
}

pub(super) fn use_a_copy_with_holes(disk: &Path, seed: u64) {
    for (options, ..) in arrangements() {
        let when = format!("{options:?}");
        let dir = disk.join("log");
        let mut known = Known::new(seed, 9000, 3);
        let log = options.open(&dir).expect("a new log");
        // A message of zeros: the hole is among what is read.
        assert!(known.publish_up_to(&log, 3).is_none(), "{when}");
        log.publish(&[duramen::NewMessage::value(&vec![0; 30_000])])
            .expect("published");
        let files = files_of(&dir);
        drop(log);
        fs::remove_dir_all(&dir)
            .and_then(|()| fs::create_dir(&dir))
            .expect("a directory");
        for (name, bytes) in &files {
            write_without_zeros(&dir.join(name), bytes);
        }
        let hog = Hog::leaving(disk, 0);
        let end = known.items.len() as u64 + 1;
        duramen::check(&dir, &options).unwrap_or_else(|error| panic!("{when}: {error:?}"));
        let reader = options.clone().read_only(true).open(&dir);
        let reader = reader.unwrap_or_else(|error| panic!("{when}: {error:?}"));
        assert_eq!(read_all(&reader).expect("read").len() as u64, end, "{when}");
        drop(reader);
        let log = options
            .open(&dir)
            .unwrap_or_else(|error| panic!("{when}: {error:?}"));
        let published = log.publish(&[duramen::NewMessage::value(&[1; 6000])]);
        assert!(
            published.as_ref().err().is_none_or(is_refusal),
            "{when}: {published:?}"
        );
        let end = log.next_offset().expect("an offset");
        assert!(log.trim(end).expect("trimmed").size > 0, "{when}");
        let next = log.publish(&[duramen::NewMessage::value(b"again")]);
        assert_eq!(next.expect("published"), end + 1, "{when}");
        log.close().expect("closed");
        drop(hog);
        fs::remove_dir_all(&dir).expect("a directory");
    }
}

/// Writes a file with holes where it has whole pages of zeros.
fn write_without_zeros(path: &Path, bytes: &[u8]) {
    let file = File::create(path).expect("a file");
    file.set_len(bytes.len() as u64).expect("longer");
    for (page, at) in bytes.chunks(4096).zip((0..).step_by(4096)) {
        if page.iter().any(|byte| *byte != 0) {
            file.write_all_at(page, at).expect("written");
        }
    }
}
