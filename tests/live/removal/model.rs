//! Any calls on a log of files, held against a log in memory.

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use duramen::compact::{self, Settings};
use duramen::{
    Batch, Error, FileLog, Log, MemoryLog, Message, NewMessage, Options, Result, Retention, Start, Timestamp,
    trim,
};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::common;

/// A place in the log, as a part of 256 of what there is.
type Part = u8;

#[derive(Clone, Debug)]
struct New {
    key: Option<u8>,
    value_len: Option<u8>,
    time: u8,
}

#[derive(Clone, Debug)]
enum Call {
    Publish(Vec<New>),
    Delete(Vec<Part>),
    DeleteRange(Part, u8),
    DeleteNewest(u8),
    DeleteMulti(Vec<Part>, u8),
    Trim(Part),
    TrimByCount(u8),
    TrimBySize(u16),
    Compact(u8),
    Reopen {
        rollover: u8,
        is_in_background: bool,
    },
    Gc,
    Sync,
    /// The process dies: what is left is its files.
    Kill,
    /// There is nothing to be recovered.
    Recover,
    Retain(u8),
    Backup,
    Restore(Part),
    Read(Part, u8),
}

fn new_message() -> impl Strategy<Value = New> {
    (
        proptest::option::weighted(0.8, 0_u8..5),
        proptest::option::weighted(0.8, any::<u8>()),
        any::<u8>(),
    )
        .prop_map(|(key, value_len, time)| New { key, value_len, time })
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        8 => proptest::collection::vec(new_message(), 0..12).prop_map(Call::Publish),
        3 => proptest::collection::vec(any::<Part>(), 0..10).prop_map(Call::Delete),
        2 => (any::<Part>(), any::<u8>()).prop_map(|(from, count)| Call::DeleteRange(from, count)),
        2 => any::<u8>().prop_map(|count| Call::DeleteNewest(count % 12)),
        1 => (proptest::collection::vec(any::<Part>(), 0..20), 0_u8..4)
            .prop_map(|(parts, calls)| Call::DeleteMulti(parts, calls)),
        1 => any::<Part>().prop_map(Call::Trim),
        1 => any::<u8>().prop_map(Call::TrimByCount),
        1 => any::<u16>().prop_map(Call::TrimBySize),
        1 => any::<u8>().prop_map(Call::Compact),
        3 => (0_u8..4, any::<bool>())
            .prop_map(|(rollover, is_in_background)| Call::Reopen { rollover, is_in_background }),
        1 => Just(Call::Gc),
        1 => Just(Call::Sync),
        1 => Just(Call::Kill),
        1 => Just(Call::Recover),
        1 => any::<u8>().prop_map(Call::Retain),
        2 => Just(Call::Backup),
        1 => any::<Part>().prop_map(Call::Restore),
        5 => (any::<Part>(), 1_u8..20).prop_map(|(part, count)| Call::Read(part, count)),
    ]
}

/// The two logs.
struct Pair {
    root: TempDir,
    /// Every kill moves the log to a new directory.
    kills: u32,
    restores: u32,
    file: FileLog,
    memory: MemoryLog,
}

fn options(rollover: u8, is_in_background: bool) -> Options {
    Options::new()
        .key_index(true)
        .time_index(true)
        .rollover(1024 << rollover)
        .background(is_in_background)
        .segments_mapped_max(3)
}

/// What was found, where there may be nothing.
fn found(result: Result<Message>) -> Option<Message> {
    match result {
        Ok(message) => Some(message),
        Err(Error::NotFound) => None,
        Err(error) => panic!("{error:?}"),
    }
}

/// Everything from `from` to the end.
fn drain(read: impl Fn(Start) -> Result<Batch>, from: Start, end: u64) -> Vec<Message> {
    let (mut messages, mut next) = (Vec::new(), from);
    loop {
        let batch = read(next).expect("a batch");
        next = Start::At(batch.next_offset);
        messages.extend(batch.messages);
        if batch.next_offset >= end {
            return messages;
        }
    }
}

impl Pair {
    fn new() -> Pair {
        let root = common::fast_dir();
        let dir = root.path().join("0");
        let file = options(0, true).create_dirs(true).open(dir).expect("a new log");
        Pair {
            root,
            kills: 0,
            restores: 0,
            file,
            memory: MemoryLog::new(),
        }
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join(self.kills.to_string())
    }

    fn end(&self) -> u64 {
        self.memory.next_offset().expect("an offset")
    }

    fn offset(&self, part: Part) -> u64 {
        self.end() * u64::from(part) / 255
    }

    fn publish(&self, batch: &[New]) {
        let value = [7; 255];
        let keys: Vec<[u8; 1]> = batch.iter().map(|new| [new.key.unwrap_or_default()]).collect();
        let messages: Vec<_> = batch
            .iter()
            .zip(&keys)
            .map(|(new, key)| NewMessage {
                time: Some(Timestamp::from_micros(i64::from(new.time))),
                key: new.key.map(|_| &key[..]),
                value: new.value_len.map(|len| &value[..usize::from(len)]),
                headers: &[],
            })
            .collect();
        let next = self.file.publish(&messages).expect("a publish");
        assert_eq!(next, self.memory.publish(&messages).expect("a publish"));
    }

    fn delete(&self, offsets: impl IntoIterator<Item = u64>) {
        let offsets: BTreeSet<u64> = offsets.into_iter().collect();
        let deleted = self.file.delete(&offsets).expect("a delete");
        assert_eq!(
            deleted.messages,
            self.memory.delete(&offsets).expect("a delete").messages
        );
    }

    /// A delete that is ended after so many segments: what is then gone of the one has to go of the other.
    fn delete_multi(&self, offsets: &BTreeSet<u64>, mut calls: u8) {
        let before = self.file.stat().expect("stat").messages;
        let deleted = compact::delete_multi(&self.file, offsets, |_| {
            if calls == 0 {
                return ControlFlow::Break(());
            }
            calls -= 1;
            ControlFlow::Continue(())
        });
        let deleted = deleted.expect("a delete").messages;
        assert_eq!(self.file.stat().expect("stat").messages, before - deleted);
        let is_gone = |offset: &u64| {
            let found = self.file.get(Start::At(*offset));
            matches!(found, Err(Error::NotFound | Error::OffsetOutOfRange { .. }))
        };
        let gone = offsets.iter().copied().filter(is_gone).collect();
        assert_eq!(self.memory.delete(&gone).expect("a delete").messages, deleted);
    }

    fn trim(&self, before: u64) {
        let trimmed = self.file.trim(before).expect("a trim");
        assert_eq!(trimmed.count, self.memory.trim(before).expect("a trim").count);
    }

    fn compact(&self, offsets_max: u8) {
        let settings = Settings::new().older_than(Duration::ZERO);
        let settings = settings.offsets_max(usize::from(offsets_max));
        let dry = compact::compact(&self.file, &settings.clone().dry_run(true)).expect("a dry run");
        let deleted = compact::compact(&self.file, &settings).expect("a compaction");
        assert_eq!(dry.messages, deleted.messages);
        assert_eq!(
            deleted.messages,
            compact::compact(&self.memory, &settings)
                .expect("a compaction")
                .messages
        );
    }

    fn reopen(&mut self, options: &Options) {
        self.file.close().expect("a close");
        let report = duramen::check(self.dir(), options).expect("a check");
        assert!(report.is_clean(), "{:?}", report.problems);
        self.file = options.open(self.dir()).expect("a reopen");
    }

    fn kill(&mut self) {
        let before = self.dir();
        self.kills += 1;
        fs::create_dir(self.dir()).expect("a directory");
        common::write_files(&self.dir(), &common::files_of(&before));
        self.file = options(0, true).open(self.dir()).expect("an open after a kill");
        let old = fs::remove_dir_all(before);
        old.expect("a directory that can be removed");
    }

    fn recover(&mut self) {
        self.file.close().expect("a close");
        let options = options(1, true);
        let report = duramen::recover(self.dir(), &options).expect("a recovery");
        assert!(report.dropped.is_empty() && !report.changed, "{report:?}");
        self.file = options.open(self.dir()).expect("a reopen");
    }

    fn retain(&mut self, messages_max: u8) {
        let policy = Retention::new().max_messages(u64::from(messages_max));
        let before = self.memory.stat().expect("stat").messages;
        let left = before.min(u64::from(messages_max));
        self.reopen(&options(0, false).retention(policy));
        // The policy has been applied at open, or is now.
        self.file.apply_retention(false).expect("a retention");
        assert_eq!(self.file.apply_retention(true).expect("a dry run").count, 0);
        let start = self.file.start_offset().expect("an offset");
        let trimmed = self.memory.trim(start).expect("a trim");
        assert_eq!(trimmed.count, before - left);
        self.compare_bounds();
        self.reopen(&options(0, true));
    }

    /// Onto the same target every time: it is then what the log is.
    fn backup(&self) {
        let target = self.root.path().join("backup");
        let report = self.file.backup(&target).expect("a backup");
        assert_eq!(report.next_offset, self.end());
        self.compare_copy(&target, self.end());
        let again = self.file.backup(&target).expect("a backup");
        assert_eq!((again.bytes_copied, again.files_removed), (0, 0));
    }

    fn restore(&mut self, until: u64) {
        let (backup, target) = (
            self.root.path().join("source"),
            self.root.path().join(format!("to-{}", self.restores)),
        );
        self.restores += 1;
        self.file.backup(&backup).expect("a backup");
        let until = until.max(self.memory.start_offset().expect("an offset"));
        let next = duramen::restore(&backup, &target, Start::At(until)).expect("a restore");
        assert_eq!(next, until);
        self.compare_copy(&target, until);
        fs::remove_dir_all(target).expect("a directory that can be removed");
    }

    /// The copy in `dir` is what the log in memory is below `end`.
    fn compare_copy(&self, dir: &Path, end: u64) {
        let options = Options::of(dir).expect("a log").read_only(true);
        let report = duramen::check(dir, &options).expect("a check");
        assert!(report.is_clean(), "{:?}", report.problems);
        let copy = options.open(dir).expect("an open");
        assert_eq!(copy.next_offset().expect("an offset"), end);
        assert_eq!(
            copy.start_offset().expect("an offset"),
            self.memory.start_offset().expect("an offset")
        );
        let mut expected = drain(|at| self.memory.consume(at, 1000), Start::Oldest, self.end());
        expected.retain(|message| message.offset < end);
        assert_eq!(drain(|at| copy.consume(at, 1000), Start::Oldest, end), expected);
    }

    fn call(&mut self, call: Call) {
        match call {
            Call::Publish(batch) => self.publish(&batch),
            Call::Delete(parts) => self.delete(parts.into_iter().map(|part| self.offset(part))),
            Call::DeleteRange(from, count) => {
                let from = self.offset(from);
                self.delete(from..from + u64::from(count));
            }
            Call::DeleteNewest(count) => self.delete(self.end().saturating_sub(u64::from(count))..self.end()),
            Call::DeleteMulti(parts, calls) => {
                let offsets = parts.into_iter().map(|part| self.offset(part)).collect();
                self.delete_multi(&offsets, calls);
            }
            Call::Trim(part) => self.trim(self.offset(part / 4) + u64::from(part == 255)),
            Call::TrimByCount(count) => {
                let cut = trim::find_by_count(&self.file, u64::from(count)).expect("a cut");
                trim::by_count(&self.memory, u64::from(count)).expect("a trim");
                self.file.trim(cut).expect("a trim");
            }
            // The two count bytes differently.
            Call::TrimBySize(size) => {
                self.trim(trim::find_by_size(&self.file, u64::from(size)).expect("a cut"));
            }
            Call::Compact(offsets_max) => self.compact(offsets_max),
            Call::Reopen {
                rollover,
                is_in_background,
            } => self.reopen(&options(rollover, is_in_background)),
            Call::Kill => self.kill(),
            Call::Recover => self.recover(),
            Call::Retain(messages_max) => self.retain(messages_max),
            Call::Backup => self.backup(),
            Call::Restore(part) => self.restore(self.offset(part)),
            Call::Gc => self.file.gc(Duration::ZERO).expect("a gc"),
            Call::Sync => assert_eq!(self.file.sync().expect("a sync"), self.end()),
            Call::Read(part, count) => self.read(part, usize::from(count)),
        }
        self.compare_bounds();
    }

    fn compare_bounds(&self) {
        let (file, memory) = (self.file.stat().expect("stat"), self.memory.stat().expect("stat"));
        assert_eq!(
            (file.messages, file.start_offset, file.next_offset),
            (memory.messages, memory.start_offset, memory.next_offset)
        );
        // Only a kill may have cost something.
        assert!(file.epoch <= u64::from(self.kills), "{file:?}");
    }

    /// Asks both logs the same questions.
    fn read(&self, part: Part, max_count: usize) {
        let (file, memory) = (&self.file, &self.memory);
        let offset = self.offset(part).max(memory.start_offset().expect("an offset"));
        let time = Timestamp::from_micros(i64::from(part));
        let starts = [
            Start::Oldest,
            Start::Newest,
            Start::At(offset),
            Start::Time(time),
            Start::Last(u64::from(part % 32)),
        ];
        for from in starts {
            let (ours, theirs) = (
                drain(|at| file.consume(at, max_count), from, self.end()),
                drain(|at| memory.consume(at, max_count), from, self.end()),
            );
            assert_eq!(ours, theirs, "from {from:?}");
            for key in [[part % 5], [9]] {
                let (ours, theirs) = (
                    drain(|at| file.consume_by_key(&key, at, max_count), from, self.end()),
                    drain(|at| memory.consume_by_key(&key, at, max_count), from, self.end()),
                );
                assert_eq!(ours, theirs, "{key:?} from {from:?}");
                assert_eq!(found(file.get_by_key(&key)), found(memory.get_by_key(&key)));
            }
            if from != Start::At(self.end()) {
                assert_eq!(found(file.get(from)), found(memory.get(from)), "at {from:?}");
            }
        }
        assert_eq!(found(file.get_by_time(time)), found(memory.get_by_time(time)));
        let below = offset.saturating_sub(u64::from(part));
        let (ours, theirs) = (
            file.consume(Start::At(below), 1),
            memory.consume(Start::At(below), 1),
        );
        let is_trimmed = |result: Result<Batch>| result.is_err_and(|error| error.is_trimmed());
        assert_eq!(is_trimmed(ours), is_trimmed(theirs), "at {below}");
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: u32::try_from(common::number("PROPTEST_CASES", 100)).expect("a number of cases"),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Goal: a log of files does whatever a log in memory does, in any order of calls, over many lives. Method: random
    /// calls on both, with segments so small that there are many; all answers are compared.
    #[test]
    fn a_file_log_does_what_a_log_in_memory_does(calls in proptest::collection::vec(call(), 1..60)) {
        let mut pair = Pair::new();
        for call in calls {
            pair.call(call);
        }
        pair.read(255, 7);
        pair.reopen(&options(0, true));
        pair.read(0, 100);
        pair.read(128, 3);
        pair.compare_bounds();
    }
}
