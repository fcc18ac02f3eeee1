//! Logs of hundreds of segments: keys are found through the files that gather those of many segments, and times through
//! the running maxima, and both as in a log in memory.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use duramen::{Error, FileLog, Log, MemoryLog, NewMessage, Options, Start, Timestamp, check, recover};
use fastrand::Rng;

use crate::common::{fast_dir, seed};

const MESSAGES: u64 = 6000;

fn options() -> Options {
    Options::new()
        .create_dirs(true)
        .rollover(1 << 10)
        .key_index(true)
        .time_index(true)
}

/// Publishes the same to both: keys that come again soon, late, once, and never.
fn fill(logs: &[&dyn Log], random: &mut Rng, count: u64) {
    for _ in 0..count {
        let next = logs[0].next_offset().expect("open");
        let key = match random.u64(..4) {
            0 => format!("often {}", random.u64(..10)),
            1 => format!("seldom {}", random.u64(..1000)),
            2 => format!("once {next}"),
            _ => format!("early {}", next.min(300)),
        };
        let value = vec![b'v'; random.usize(..150)];
        let time = i64::try_from(next * 10 + random.u64(..100)).expect("small");
        let message = NewMessage::new(key.as_bytes(), &value).time(Timestamp::from_micros(time));
        for log in logs {
            log.publish(&[message]).expect("published");
        }
    }
}

fn run_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "keys"))
        .collect();
    paths.sort();
    paths
}

/// Waits until the background has gathered the keys of so many segments that runs were gathered as well.
fn wait_for_second_level(dir: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !run_files(dir)
        .iter()
        .any(|path| path.to_string_lossy().ends_with(".2.keys"))
    {
        assert!(Instant::now() < deadline, "{:?}", run_files(dir));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn assert_same(log: &dyn Log, model: &dyn Log, random: &mut Rng, what: &str) {
    let mut keys: Vec<String> = (0..10).map(|n| format!("often {n}")).collect();
    keys.extend((0..1000).step_by(7).map(|n| format!("seldom {n}")));
    keys.extend((0..MESSAGES).step_by(41).map(|n| format!("once {n}")));
    keys.extend((0..=300).step_by(9).map(|n| format!("early {n}")));
    let found = |log: &dyn Log, key: &str| match log.offset_by_key(key.as_bytes()) {
        Ok(offset) => Some(offset),
        Err(Error::NotFound) => None,
        Err(error) => panic!("{what}: {key}: {error}"),
    };
    let (start, next) = (
        model.start_offset().expect("open"),
        model.next_offset().expect("open"),
    );
    for key in &keys {
        assert_eq!(found(log, key), found(model, key), "{what}: {key}");
        let from = Start::At(start + random.u64(..next - start));
        let (ours, theirs) = (
            log.consume_by_key(key.as_bytes(), from, 5).expect(what),
            model.consume_by_key(key.as_bytes(), from, 5).expect(what),
        );
        assert_eq!(ours, theirs, "{what}: {key} from {from:?}");
    }
    let at = |log: &dyn Log, time| match log.offset_by_time(Timestamp::from_micros(time)) {
        Ok((offset, _)) => Some(offset),
        Err(Error::NotFound) => None,
        Err(error) => panic!("{what}: time {time}: {error}"),
    };
    for _ in 0..200 {
        let time = i64::try_from(random.u64(..11 * MESSAGES)).expect("small");
        assert_eq!(at(log, time), at(model, time), "{what}: time {time}");
    }
}

fn open(dir: &Path, background: bool) -> FileLog {
    options().background(background).open(dir).expect("opens")
}

/// Goal: what gathers keys never changes an answer. Method: against a log in memory, through reopens, deletes, trims
/// and damage, with and without the background thread.
#[test]
fn keys_and_times_are_found_among_hundreds_of_segments() {
    for background in [true, false] {
        let mut random = Rng::with_seed(seed("many_segments"));
        let dir = fast_dir();
        let dir = dir.path().join("log");
        let model = MemoryLog::new();
        let log = open(&dir, background);
        fill(&[&model, &log], &mut random, MESSAGES / 2);
        assert_same(&log, &model, &mut random, "while it is written");
        fill(&[&model, &log], &mut random, MESSAGES / 2);
        wait_for_second_level(&dir);
        assert!(log.stat().expect("open").segments > 300);
        assert_same(&log, &model, &mut random, "filled");
        log.close().expect("closed");
        assert!(check(&dir, &options()).expect("checked").is_clean());

        let log = open(&dir, background);
        assert_same(&log, &model, &mut random, "opened again");
        let gone: BTreeSet<u64> = (0..MESSAGES).filter(|_| random.u8(..3) == 0).collect();
        log.delete(&gone).expect("deleted");
        model.delete(&gone).expect("deleted");
        assert_same(&log, &model, &mut random, "after a delete");
        log.trim(MESSAGES / 3).expect("trimmed");
        model.trim(MESSAGES / 3).expect("trimmed");
        assert_same(&log, &model, &mut random, "after a trim");
        fill(&[&model, &log], &mut random, 500);
        assert_same(&log, &model, &mut random, "gone on");
        log.close().expect("closed");

        for (index, path) in run_files(&dir).iter().enumerate() {
            let mut bytes = fs::read(path).expect("a file");
            let at = if index % 2 == 0 { bytes.len() - 3 } else { 40 };
            bytes[at] ^= 4;
            fs::write(path, bytes).expect("a file");
        }
        let log = open(&dir, background);
        assert_same(&log, &model, &mut random, "with damaged files");
        log.close().expect("closed");
        if let Some(path) = run_files(&dir).first() {
            fs::write(path, b"nonsense").expect("a file");
            let report = check(&dir, &options()).expect("checked");
            assert!(
                report.problems.iter().any(|problem| problem.path == *path),
                "{report:?}"
            );
            assert!(recover(&dir, &options()).expect("recovered").dropped.is_empty());
            assert!(check(&dir, &options()).expect("checked").is_clean());
        }
        let log = open(&dir, background);
        assert_same(&log, &model, &mut random, "recovered");
    }
}
