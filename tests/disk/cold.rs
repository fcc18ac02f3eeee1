//! Reading what is not in memory: how much of the disk is read for one message, and in how many steps for all.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use duramen::{FileLog, Log, NewMessage, Options, Start};
use rustix::fs::{Advice, fadvise};

const MESSAGES: u64 = 100_000;
/// Two headers, the index's header, its checksums, one to four of its pages, and the record: each is a page, or four
/// where the system reads a file from its beginning.
const READ_MAX: u64 = 80 << 10;
const PAGE: u64 = 4096;

/// A closed log in two segments of some 8 MiB, on a disk, opened again.
fn log_on_disk(dir: &Path) -> FileLog {
    let options = Options::new()
        .create_dirs(true)
        .key_index(true)
        .time_index(true)
        .rollover(8 << 20)
        .background(false);
    let log = options.open(dir).expect("a log");
    for first in (0..MESSAGES).step_by(100) {
        let keys: Vec<_> = (first..first + 100).map(u64::to_le_bytes).collect();
        let messages: Vec<_> = keys.iter().map(|key| NewMessage::new(key, &[7; 100])).collect();
        log.publish(&messages).expect("published");
    }
    log.close().expect("closed");
    options.open(dir).expect("a log")
}

/// Has the log let go of its mappings, and the system drop the pages.
fn evict(log: &FileLog, dir: &Path) {
    log.gc(Duration::ZERO).expect("let go");
    for entry in fs::read_dir(dir).expect("a folder") {
        let file = File::open(entry.expect("a name").path()).expect("a file");
        file.sync_all().expect("synced");
        fadvise(&file, 0, None, Advice::DontNeed).expect("advised");
    }
}

/// How many bytes this thread has had read from disks.
fn bytes_read() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("read_bytes:"));
    line.map_or(0, |bytes| bytes.trim().parse().expect("a number"))
}

/// How often this thread has had to wait for a page that nobody had asked for.
fn faults() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/stat").expect("figures");
    let behind_name = text.rsplit(')').next().expect("figures");
    let figure = behind_name.split_whitespace().nth(9).expect("the tenth");
    figure.parse().expect("a number")
}

/// The log of a test, unless the file system does not tell what is read.
fn telling(dir: &Path) -> Option<FileLog> {
    let log = log_on_disk(dir);
    evict(&log, dir);
    let before = bytes_read();
    log.get(Start::At(10)).expect("a message");
    if bytes_read() == before {
        println!(
            "NOT RUN: reading a dropped file reads nothing from a disk here ({})",
            dir.display()
        );
        return None;
    }
    Some(log)
}

fn on_disk() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

/// Goal: a message is got without reading much beside it. Method: before each get nothing is in memory, and nothing is
/// mapped; the system counts what is read.
#[test]
fn a_get_reads_little_beside_its_message() {
    let home = on_disk();
    let dir = home.path().join("log");
    let Some(log) = telling(&dir) else { return };
    for n in 0..20 {
        let number = n * 7919 % MESSAGES;
        evict(&log, &dir);
        let before = bytes_read();
        log.get(Start::At(number)).expect("a message");
        let by_offset = bytes_read() - before;
        assert!(by_offset <= READ_MAX, "{number}: {by_offset} bytes by offset");

        evict(&log, &dir);
        let before = bytes_read();
        log.get_by_key(&number.to_le_bytes()).expect("a message");
        let by_key = bytes_read() - before;
        assert!(by_key <= READ_MAX, "{number}: {by_key} bytes by key");
    }
}

/// Goal: who reads in order does not wait for each page. Method: faults are counted for which nothing was asked in
/// time; there would be one for each page of the log.
#[test]
fn reading_in_order_is_read_ahead() {
    let home = on_disk();
    let dir = home.path().join("log");
    let Some(log) = telling(&dir) else { return };
    let len: u64 = crate::common::segment_paths(&dir)
        .iter()
        .map(|path| fs::metadata(path).expect("a file").len())
        .sum();
    let pages = len / PAGE;
    assert!(pages > 2000, "{pages}");

    evict(&log, &dir);
    let before = faults();
    let mut scan = log.scan(Start::Oldest).expect("a scan");
    while scan.next().expect("a message").is_some() {}
    let scanned = faults() - before;
    assert!(
        scanned < pages / 20,
        "a scan waited for {scanned} of {pages} pages"
    );

    for count in [1, 64] {
        evict(&log, &dir);
        let (before, mut next) = (faults(), 0);
        while next < MESSAGES {
            next = log.consume(Start::At(next), count).expect("messages").next_offset;
        }
        let consumed = faults() - before;
        assert!(
            consumed < pages / 20,
            "{count} at a time: waited for {consumed} of {pages} pages"
        );
    }
}
