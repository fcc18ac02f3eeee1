//! No offset is given out twice, whatever happens to the log.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use duramen::{Durability, FileLog, Log, NewMessage, Options, RecoverOptions, Start};
use fastrand::Rng;
use tempfile::TempDir;

use crate::common;

/// One log over many lives.
struct History {
    root: TempDir,
    /// Killing moves the log to a new directory.
    kills: u32,
    log: Option<FileLog>,
    random: Rng,
    /// What was ever published, by offset.
    given: BTreeMap<u64, Vec<u8>>,
    /// No offset below may be given out.
    next_min: u64,
    /// What was done, to be told when it fails.
    steps: Vec<String>,
}

impl History {
    fn new(seed: u64) -> History {
        let root = common::fast_dir();
        fs::create_dir(root.path().join("0")).expect("a directory");
        History {
            root,
            kills: 0,
            log: None,
            random: Rng::with_seed(seed),
            given: BTreeMap::new(),
            next_min: 0,
            steps: Vec::new(),
        }
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join(self.kills.to_string())
    }

    fn note(&mut self, step: impl Into<String>) {
        self.steps.push(step.into());
    }

    fn options(&mut self) -> Options {
        let durability = match self.random.u64(..3) {
            0 => Durability::EachPublish,
            1 => Durability::Bytes(300),
            _ => Durability::Os,
        };
        let is_paced = matches!(durability, Durability::Bytes(_));
        Options::new()
            .key_index(self.random.bool())
            .time_index(self.random.bool())
            .durability(durability)
            .background(is_paced || self.random.bool())
            .rollover(1024 << self.random.u64(..4))
    }

    fn log(&mut self) -> &FileLog {
        if self.log.is_none() {
            let options = self.options();
            let log = options.open(self.dir()).unwrap_or_else(|error| {
                panic!("open: {error:?} after {:#?}", self.steps);
            });
            let next = log.next_offset().expect("an offset");
            self.note(format!("open: next offset {next}"));
            assert!(next >= self.next_min, "{next} after {:#?}", self.steps);
            self.log = Some(log);
        }
        self.log.as_ref().expect("it is open")
    }

    fn publish(&mut self) {
        let count = 1 + self.random.u64(..6);
        let values: Vec<Vec<u8>> = (0..count)
            .map(|i| {
                let mut value = (self.given.len() as u64 + i).to_le_bytes().to_vec();
                value.resize(8 + self.random.usize(..100), 7);
                value
            })
            .collect();
        let messages: Vec<_> = values
            .iter()
            .map(|value| NewMessage::new(b"key", value))
            .collect();
        let next = self.log().publish(&messages).expect("a publish");
        self.note(format!("publish {count}: next offset {next}"));
        assert!(
            next - count >= self.next_min,
            "given out twice: {:#?}",
            self.steps
        );
        self.given.extend((next - count..next).zip(values));
        self.next_min = next;
    }

    /// Deletes the newest, all, or any messages.
    fn delete(&mut self) {
        let next = self.next_min;
        let count = 1 + self.random.u64(..9);
        let named = match self.random.u64(..4) {
            0 => (0..next).collect(),
            1 => (0..count).map(|_| self.random.u64(..=next)).collect(),
            _ => (next.saturating_sub(count)..next).collect(),
        };
        let deleted = self.log().delete(&named).expect("a delete");
        self.note(format!("delete {named:?}: {deleted:?}"));
    }

    fn trim(&mut self) {
        let next = self.next_min;
        let before = if self.random.u8(..3) == 0 {
            next + self.random.u64(..2)
        } else {
            self.random.u64(..=next)
        };
        let trimmed = self.log().trim(before).expect("a trim");
        self.note(format!("trim {before}: {trimmed:?}"));
    }

    fn close(&mut self) {
        if let Some(log) = self.log.take() {
            log.close().expect("a close");
            self.note("close");
        }
    }

    /// What is left of a log whose process was killed: its files as they are.
    fn kill(&mut self) {
        let (from, to) = (self.dir(), self.root.path().join((self.kills + 1).to_string()));
        self.log();
        copy(&from, &to);
        self.kills += 1;
        self.log = None;
        self.note("kill");
    }

    /// A bit of a closed log's files turns, and the log is recovered: what was lost keeps its offsets.
    fn damage(&mut self) {
        self.log();
        self.close();
        let paths = common::segment_paths(&self.dir());
        let Some(path) = paths.get(self.random.usize(..paths.len().max(1))) else {
            return;
        };
        let mut bytes = fs::read(path).expect("a file");
        let position = self.random.usize(..bytes.len());
        bytes[position] ^= 1 << self.random.u64(..8);
        fs::write(path, &bytes).expect("a file");
        let options = Options::new().key_index(true);
        let how = RecoverOptions::new().salvage(self.random.bool());
        self.note(format!("damage at {position} of {}, {how:?}", path.display()));
        let report = match duramen::recover_with(self.dir(), &options, &how) {
            Ok(report) => report,
            Err(error) => panic!("recover: {error:?} after {:#?}", self.steps),
        };
        self.note(format!("recovered: {report:?}"));
        assert!(report.next_offset >= self.next_min, "{:#?}", self.steps);
        let again = duramen::recover_with(self.dir(), &options, &how).expect("a recovery");
        assert!(
            !again.changed,
            "recovered again: {again:?} after {:#?}",
            self.steps
        );
    }

    /// Every message is one that was given its offset, and nothing else.
    fn check(&mut self) {
        let next_min = self.next_min;
        let log = self.log();
        let (start, next) = (
            log.start_offset().expect("an offset"),
            log.next_offset().expect("an offset"),
        );
        let mut from = Start::Oldest;
        let mut found = Vec::new();
        loop {
            let batch = log.consume(from, 100).expect("a batch");
            let is_end = batch.next_offset >= next;
            from = Start::At(batch.next_offset);
            found.extend(batch);
            if is_end {
                break;
            }
        }
        assert!(start <= next && next >= next_min, "{:#?}", self.steps);
        for message in found {
            let given = self.given.get(&message.offset).map(Vec::as_slice);
            assert_eq!(message.value.as_deref(), given, "{:#?}", self.steps);
        }
    }

    fn step(&mut self) {
        match self.random.u64(..13) {
            0..=3 => self.publish(),
            4..=6 => self.delete(),
            7 => self.trim(),
            8 => self.kill(),
            9 => {
                self.log().gc(Duration::ZERO).expect("a gc");
            }
            10 => self.damage(),
            _ => self.close(),
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a directory");
    common::write_files(to, &common::files_of(from));
}

/// Goal: an offset stands for one message for ever. Method: random histories of publishing, deleting (mostly of the
/// newest), trimming, closing, killing, and recovering from damage; each message published gets an offset above all
/// that were ever given out, and whatever is read is what was published there.
#[test]
fn no_offset_is_given_out_twice() {
    let seed = common::seed("offsets");
    for number in 0..common::number("DURAMEN_HISTORIES", 300) {
        let mut history = History::new(seed.wrapping_add(number));
        history.publish();
        for _ in 0..15 {
            history.step();
        }
        history.publish();
        history.check();
    }
}

/// A segment that was trimmed while it was the last is still there when the one behind it is damaged.
#[test]
fn damage_behind_a_trimmed_segment_is_recovered() {
    for salvage in [false, true] {
        let dir = common::fast_dir();
        let options = Options::new().rollover(1024).background(false);
        let log = options.open(dir.path()).expect("a new log");
        log.publish(&[NewMessage::value(&[7; 800])]).expect("a publish");
        log.trim(1).expect("a trim");
        log.publish(&[NewMessage::value(&[7; 800])]).expect("a publish");
        log.close().expect("a close");

        let path = common::segment_paths(dir.path()).pop().expect("a segment");
        let mut bytes = fs::read(&path).expect("a file");
        bytes[12] ^= 1;
        fs::write(&path, &bytes).expect("a file");
        let how = RecoverOptions::new().salvage(salvage);
        let report = duramen::recover_with(dir.path(), &options, &how).expect("a recovery");
        assert_eq!(
            (report.dropped.len(), report.messages, report.next_offset),
            (1, 0, 2)
        );
        let log = options.open(dir.path()).expect("a reopen");
        assert_eq!(log.publish(&[NewMessage::value(b"x")]).expect("a publish"), 3);
    }
}
