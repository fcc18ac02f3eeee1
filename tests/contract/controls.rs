//! Control records take offsets and are not messages: no reader and no count sees them.

#![expect(clippy::cast_possible_truncation, reason = "the numbers are small")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use duramen::fault::append_controls;
use duramen::{
    BatchBuf, Durability, Error, FileLog, Log, LogExt, NewMessage, Options, RecoverOptions, Retention, Start,
    Timestamp, check, recover_with, trim,
};
use tempfile::TempDir;

fn us(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn message(time: i64) -> NewMessage<'static> {
    NewMessage::new(b"key", b"value").time(us(time))
}

/// The settings that the tests run with: both durabilities, with and without indexes, in small
/// segments.
fn settings() -> Vec<Options> {
    let small = Options::new().create_dirs(true).rollover(1024).background(false);
    let mut all = Vec::new();
    for durability in [Durability::Os, Durability::EachPublish] {
        for indexed in [true, false] {
            all.push(
                small
                    .clone()
                    .durability(durability)
                    .key_index(indexed)
                    .time_index(indexed),
            );
        }
    }
    all
}

fn indexed() -> Options {
    settings().swap_remove(0)
}

fn opened(options: &Options) -> (TempDir, FileLog) {
    let dir = tempfile::tempdir().expect("a folder");
    let log = options.open(dir.path().join("log")).expect("a log");
    (dir, log)
}

/// Appends so many control records with the largest time and the key that the messages have, as one
/// batch.
fn control(log: &FileLog, count: usize) {
    let record = NewMessage::new(b"key", b"control").time(us(i64::MAX));
    append_controls(log, &vec![record; count]).expect("appended");
}

fn offsets(log: &FileLog, from: Start, max_count: usize) -> (Vec<u64>, u64) {
    let batch = log.consume(from, max_count).expect("read");
    (
        batch.iter().map(|message| message.offset).collect(),
        batch.next_offset,
    )
}

/// Two messages and a control record behind them, in the active segment, a sealed one, and one
/// taken up again.
#[test]
fn a_control_record_at_the_end_is_passed_over() {
    for options in settings() {
        let (dir, mut log) = opened(&options);
        log.publish(&[message(1), message(2)]).expect("published");
        control(&log, 1);
        for _ in 0..3 {
            let stat = log.stat().expect("a log");
            assert_eq!((stat.messages, stat.next_offset), (2, 3));
            for at in [Start::Newest, Start::Last(1), Start::Last(0)] {
                assert_eq!(log.get(at).expect("there").offset, 1, "{at:?}");
            }
            assert_eq!(log.get(Start::Last(2)).expect("there").offset, 0);
            assert_eq!(log.get(Start::Last(3)).expect("there").offset, 0);
            assert!(matches!(log.get(Start::At(2)), Err(Error::NotFound)));
            assert_eq!(offsets(&log, Start::At(2), 9), (vec![], 3));
            assert_eq!(offsets(&log, Start::Last(1), 9), (vec![1], 2));
            assert_eq!(offsets(&log, Start::Last(1), 0), (vec![], 1));
            assert_eq!(offsets(&log, Start::Oldest, 9), (vec![0, 1], 2));
            if options_have_indexes(&log) {
                assert!(matches!(log.get_by_time(us(3)), Err(Error::NotFound)));
                assert_eq!(log.get_by_key(b"key").expect("there").offset, 1);
                let batch = log.consume_by_key(b"key", Start::Oldest, 9).expect("read");
                assert_eq!((batch.messages.len(), batch.next_offset), (2, 2));
            }
            log.close().expect("closed");
            log = options.open(dir.path().join("log")).expect("reopened");
        }
        // The segment is taken up again.
        assert_eq!(log.publish(&[message(3)]).expect("published"), 4);
        assert_eq!(log.get(Start::Last(2)).expect("there").offset, 1);
        assert_eq!(offsets(&log, Start::At(1), 2), (vec![1, 3], 4));
    }
}

fn options_have_indexes(log: &FileLog) -> bool {
    log.stat().expect("a log").key_index
}

/// Enough of them for several segments, in front of the messages, between and behind.
#[test]
fn segments_of_control_records_alone_are_passed_over() {
    for options in settings() {
        let (_dir, log) = opened(&options);
        for round in 0..3_i64 {
            for _ in 0..10 {
                control(&log, 17);
            }
            log.publish(&[message(round), message(round)]).expect("published");
        }
        control(&log, 100);
        control(&log, 1);
        let stat = log.stat().expect("a log");
        assert!(stat.segments > 6, "{}", stat.segments);
        assert_eq!((stat.messages, stat.next_offset), (6, 3 * 172 + 101));
        let there = [170, 171, 342, 343, 514, 515];
        let all: Vec<u64> = log
            .iter(Start::Oldest)
            .map(|found| found.expect("read").offset)
            .collect();
        assert_eq!(all, there);
        let back: Vec<u64> = log
            .reverse_iter()
            .map(|found| found.expect("read").offset)
            .collect();
        assert!(back.iter().rev().eq(&there));
        for (n, offset) in (1..).zip(there.iter().rev()) {
            assert_eq!(log.get(Start::Last(n)).expect("there").offset, *offset);
        }
        assert_eq!(trim::find_by_count(&log, 3).expect("found"), 343);
        if options_have_indexes(&log) {
            for (time, offset) in [(i64::MIN, 170), (0, 170), (1, 342), (2, 514)] {
                assert_eq!(log.get_by_time(us(time)).expect("there").offset, offset);
            }
        }
    }
}

#[test]
fn a_log_of_control_records_alone_has_no_messages() {
    for options in settings() {
        let (dir, log) = opened(&options);
        for _ in 0..9 {
            control(&log, 9);
        }
        assert_eq!(log.stat().expect("a log").messages, 0);
        assert_eq!(offsets(&log, Start::Oldest, 9), (vec![], 81));
        for at in [Start::Oldest, Start::Newest, Start::Last(5)] {
            assert!(matches!(log.get(at), Err(Error::NotFound)), "{at:?}");
        }
        for time in [i64::MIN, 0, i64::MAX] {
            assert!(matches!(
                log.get_by_time(us(time)),
                Err(Error::NotFound | Error::NoIndex { .. })
            ));
        }
        log.close().expect("closed");
        let report = check(dir.path().join("log"), &options).expect("checked");
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(report.messages, 0);
    }
}

#[test]
fn deleting_ignores_control_records_and_keeps_them() {
    let options = indexed().rollover(1 << 10);
    let (dir, log) = opened(&options);
    log.publish(&[message(1)]).expect("published");
    control(&log, 1);
    log.publish(&[message(2), message(3)]).expect("published");
    let deleted = log.delete(&BTreeSet::from([1])).expect("deleted");
    assert_eq!((deleted.messages, deleted.size), (0, 0));
    let deleted = log.delete(&BTreeSet::from([0, 1, 3])).expect("deleted");
    assert_eq!(deleted.messages, 2);
    assert_eq!(offsets(&log, Start::Oldest, 9), (vec![2], 3));
    assert_eq!(offsets(&log, Start::At(3), 9), (vec![], 4));
    // The last segment gets no index file while it is small.
    log.publish(&[NewMessage::value(&[0; 1000])]).expect("published");
    log.close().expect("closed");
    let log = options.open(dir.path().join("log")).expect("opened");
    assert_eq!(offsets(&log, Start::Oldest, 1), (vec![2], 3));
    log.close().expect("closed");

    let mut lines = Vec::new();
    let file = dir.path().join("log").join(format!("{:020}.log", 0));
    duramen::dump(&file, &mut lines).expect("dumped");
    let lines = String::from_utf8(lines).expect("text");
    assert!(lines.contains("control record offset 1, "), "{lines}");
    lines_of_index(&file.with_extension("idx"));
}

fn lines_of_index(file: &Path) {
    let mut lines = Vec::new();
    duramen::dump(file, &mut lines).expect("dumped");
    let lines = String::from_utf8(lines).expect("text");
    assert!(
        lines.contains("0 offset 1 position 212, a control record\n"),
        "{lines}"
    );
    assert!(lines.contains("all checksums are right"), "{lines}");
}

#[test]
fn retention_by_count_counts_messages() {
    let options = indexed().retention(Retention::new().max_messages(3));
    let (_dir, log) = opened(&options);
    for n in 0..5 {
        log.publish(&[message(n)]).expect("published");
        control(&log, 2);
    }
    let would = log.apply_retention(true).expect("worked out");
    assert_eq!(would.count, 2);
    let trimmed = log.apply_retention(false).expect("applied");
    assert_eq!(trimmed.count, 2);
    assert_eq!(log.start_offset().expect("a log"), 6);
    assert_eq!(trim::by_count(&log, 1).expect("trimmed").count, 2);
    assert_eq!(log.start_offset().expect("a log"), 12);
}

/// A message behind control records that is damaged: all others are kept, and counted without the
/// control records.
#[test]
fn recovering_counts_messages_and_keeps_control_records() {
    let options = indexed();
    let (dir, log) = opened(&options);
    log.publish(&[message(1)]).expect("published");
    control(&log, 3);
    log.publish(&[message(2)]).expect("published");
    control(&log, 3);
    log.publish(&[message(3)]).expect("published");
    log.close().expect("closed");
    let path = dir.path().join("log");
    let file = path.join(format!("{:020}.log", 0));
    let mut bytes = std::fs::read(&file).expect("read");
    let mut values = bytes
        .windows(5)
        .enumerate()
        .filter(|(_, bytes)| *bytes == b"value");
    let second = values.nth(1).expect("three values").0;
    bytes[second] ^= 1;
    std::fs::write(&file, bytes).expect("written");

    let report = check(&path, &options).expect("checked");
    assert_eq!(report.problems.len(), 1, "{report:?}");
    let salvage = RecoverOptions::new().salvage(true);
    let would = recover_with(&path, &options, &salvage.dry_run(true)).expect("worked out");
    let report = recover_with(&path, &options, &salvage).expect("recovered");
    assert_eq!((would.messages, report.messages), (2, 2));
    let log = options.open(&path).expect("a log");
    assert_eq!(offsets(&log, Start::Oldest, 9), (vec![0, 8], 9));
    assert_eq!(log.get(Start::Last(2)).expect("there").offset, 0);
    assert!(matches!(log.get(Start::At(2)), Err(Error::NotFound)));
}

/// What a log should hold.
#[derive(Clone, Debug, Default)]
struct Model {
    start: u64,
    next: u64,
    /// Time and number of the key of each message.
    messages: BTreeMap<u64, (i64, u8)>,
}

impl Model {
    fn from(&self, offset: u64) -> Vec<u64> {
        self.messages.range(offset..).map(|(offset, _)| *offset).collect()
    }

    fn last(&self, count: usize) -> u64 {
        match count {
            0 => self.next,
            count => self
                .from(0)
                .into_iter()
                .rev()
                .nth(count - 1)
                .unwrap_or(self.start),
        }
    }

    fn trim(&mut self, before: u64) -> u64 {
        let kept = self.messages.split_off(&before.max(self.start));
        self.start = self.start.max(before);
        std::mem::replace(&mut self.messages, kept).len() as u64
    }

    fn check(&self, log: &FileLog) {
        let stat = log.stat().expect("a log");
        assert_eq!(
            (stat.messages, stat.start_offset, stat.next_offset),
            (self.messages.len() as u64, self.start, self.next)
        );
        self.check_get(log);
        self.check_consume(log);
        if stat.key_index {
            self.check_keys(log);
            self.check_times(log);
        }
    }

    fn check_get(&self, log: &FileLog) {
        let get = |at| match log.get(at) {
            Ok(message) => Some(message.offset),
            Err(Error::NotFound) => None,
            Err(error) => panic!("{at:?}: {error}"),
        };
        for offset in self.start..self.next {
            let there = self.messages.contains_key(&offset).then_some(offset);
            assert_eq!(get(Start::At(offset)), there, "{offset}");
        }
        let all = self.from(0);
        assert_eq!(get(Start::Oldest), all.first().copied());
        assert_eq!(get(Start::Newest), all.last().copied());
        for count in 1..all.len() + 3 {
            let nth = all.iter().rev().nth(count - 1).or(all.first());
            assert_eq!(
                get(Start::Last(count as u64)),
                nth.copied(),
                "{count} from the end"
            );
        }
        for count in 0..all.len() + 3 {
            let from = Start::Last(count as u64);
            let found = log.consume(from, 0).expect("resolved");
            assert_eq!(found.next_offset, self.last(count), "{count} from the end");
            let cut = trim::find_by_count(log, count as u64).expect("found");
            let first = all.first().copied().unwrap_or(self.next);
            let expected = if first < self.last(count) {
                self.last(count)
            } else {
                self.start
            };
            assert_eq!(cut, expected, "a cut by count {count}");
        }
    }

    fn check_consume(&self, log: &FileLog) {
        for max_count in [1, 3, 1000] {
            for from in self.start..=self.next {
                let (found, next) = offsets(log, Start::At(from), max_count);
                let expected = self.from(from);
                assert!(expected.starts_with(&found) && found.len() <= max_count);
                let behind = expected.get(found.len()).copied().unwrap_or(self.next);
                assert!(next <= behind, "from {from}: {next} is behind {behind}");
                match found.last() {
                    None => assert!(expected.is_empty() && next == self.next, "from {from}: {next}"),
                    Some(last) => assert!(next > *last),
                }
            }
        }
        let all = self.from(0);
        let forward: Vec<u64> = log
            .iter(Start::Oldest)
            .map(|found| found.expect("read").offset)
            .collect();
        assert_eq!(forward, all);
        let back: Vec<u64> = log
            .reverse_iter()
            .map(|found| found.expect("read").offset)
            .collect();
        assert!(back.iter().rev().eq(&all), "{back:?}");
        let mut scan = log.scan(Start::Oldest).expect("a scan");
        let mut scanned = Vec::new();
        while let Some(message) = scan.next().expect("scanned") {
            scanned.push(message.offset);
        }
        assert_eq!((&scanned, scan.next_offset()), (&all, self.next));
        let (mut buf, mut lent) = (BatchBuf::new(), Vec::new());
        log.consume_into(Start::Oldest, 3, &mut buf).expect("read");
        while !buf.is_empty() {
            lent.extend(buf.messages().map(|message| message.offset));
            log.consume_into(Start::At(buf.next_offset()), 3, &mut buf)
                .expect("read");
        }
        assert_eq!((lent, buf.next_offset()), (all, self.next));
    }

    fn check_keys(&self, log: &FileLog) {
        for key in 0..4_u8 {
            let all: Vec<u64> = self
                .messages
                .iter()
                .filter(|(_, (_, of))| *of == key)
                .map(|(offset, _)| *offset)
                .collect();
            let newest = match log.get_by_key(&[key]) {
                Ok(message) => Some(message.offset),
                Err(Error::NotFound) => None,
                Err(error) => panic!("{error}"),
            };
            assert_eq!(newest, all.last().copied());
            let (mut at, mut found) = (Start::Oldest, Vec::new());
            loop {
                let batch = log.consume_by_key(&[key], at, 2).expect("read");
                at = Start::At(batch.next_offset);
                found.extend(batch.iter().map(|message| message.offset));
                if batch.messages.is_empty() {
                    break;
                }
            }
            assert_eq!((found, at), (all, Start::At(self.next)));
        }
    }

    fn check_times(&self, log: &FileLog) {
        let times = self.messages.values().map(|(time, _)| *time);
        for time in times
            .flat_map(|time| [time, time + 1])
            .chain([i64::MIN, i64::MAX])
        {
            let first = self.messages.iter().find(|(_, (of, _))| *of >= time);
            let first = first.map(|(offset, _)| *offset);
            let found = match log.offset_by_time(us(time)) {
                Ok((offset, _)) => Some(offset),
                Err(Error::NotFound) => None,
                Err(error) => panic!("{error}"),
            };
            assert_eq!(found, first, "time {time}");
            let begin = log
                .consume(Start::Time(us(time)), 0)
                .expect("resolved")
                .next_offset;
            assert_eq!(begin, first.unwrap_or(self.next));
        }
    }
}

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    #[expect(clippy::cast_possible_wrap, reason = "small")]
    fn time(&mut self) -> i64 {
        // Some of them in blocks of the time index whose steps are coarse.
        let large = self.below(8) == 0;
        (self.below(1000) << if large { 30 } else { 0 }) as i64
    }
}

struct Subject {
    dir: TempDir,
    options: Options,
    log: Option<FileLog>,
    model: Model,
    numbers: Numbers,
}

impl Subject {
    fn log(&self) -> &FileLog {
        self.log.as_ref().expect("open")
    }

    fn step(&mut self) {
        match self.numbers.below(20) {
            0..7 => self.publish(),
            7..13 => self.control(),
            13..15 => self.delete(),
            15 => self.trim(),
            16..18 => self.reopen(),
            18 => self.retain(),
            _ => self.backup(),
        }
    }

    fn publish(&mut self) {
        let mut messages = Vec::new();
        for _ in 0..=self.numbers.below(6) {
            let (time, key) = (self.numbers.time(), self.numbers.below(4) as u8);
            messages.push((time, [key]));
        }
        let new: Vec<_> = messages
            .iter()
            .map(|(time, key)| NewMessage::new(key, b"value").time(us(*time)))
            .collect();
        let mut offset = self.model.next;
        self.model.next = self.log().publish(&new).expect("published");
        for (time, [key]) in messages {
            self.model.messages.insert(offset, (time, key));
            offset += 1;
        }
        assert_eq!(offset, self.model.next);
    }

    fn control(&mut self) {
        let count = match self.numbers.below(10) {
            0 => 80,
            1..4 => 20,
            _ => 1,
        };
        let count = 1 + self.numbers.below(count);
        let time = if self.numbers.below(2) == 0 {
            i64::MAX
        } else {
            self.numbers.time()
        };
        let record = NewMessage::new(&[1], b"control").time(us(time));
        let next = append_controls(self.log(), &vec![record; count as usize]).expect("appended");
        self.model.next += count;
        assert_eq!(next, self.model.next);
    }

    fn delete(&mut self) {
        let mut named = BTreeSet::new();
        for _ in 0..self.numbers.below(30) {
            named.insert(self.numbers.below(self.model.next + 2));
        }
        let before = self.model.messages.len();
        self.model.messages.retain(|offset, _| !named.contains(offset));
        let gone = before - self.model.messages.len();
        let deleted = self.log().delete(&named).expect("deleted");
        assert_eq!(deleted.messages, gone as u64);
    }

    fn trim(&mut self) {
        let before = self.model.start + self.numbers.below(1 + (self.model.next - self.model.start) / 2);
        let trimmed = self.log().trim(before).expect("trimmed");
        assert_eq!(trimmed.count, self.model.trim(before));
    }

    fn retain(&mut self) {
        let count = self
            .model
            .messages
            .len()
            .saturating_sub(self.numbers.below(5) as usize)
            .max(1);
        let options = self
            .options
            .clone()
            .retention(Retention::new().max_messages(count as u64));
        self.log().close().expect("closed");
        self.log = Some(options.open(self.path()).expect("reopened"));
        let cut = self.model.last(count);
        self.model.trim(cut);
        // The policy has been applied at open, or is now.
        self.log().apply_retention(false).expect("applied");
        assert_eq!(self.log().start_offset().expect("open"), self.model.start);
        assert_eq!(self.log().apply_retention(true).expect("worked out").count, 0);
        self.reopen();
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("log")
    }

    fn reopen(&mut self) {
        self.log().close().expect("closed");
        let report = check(self.path(), &self.options).expect("checked");
        assert!(report.is_clean(), "{report:?}");
        let dry = RecoverOptions::new().dry_run(true);
        let report = recover_with(self.path(), &self.options, &dry).expect("worked out");
        assert_eq!(report.messages, self.model.messages.len() as u64);
        self.log = Some(self.options.open(self.path()).expect("reopened"));
    }

    fn backup(&mut self) {
        let dir = self.dir.path().join("copy");
        self.log().backup(&dir).expect("copied");
        let copy = self.options.clone().read_only(true).open(&dir).expect("the copy");
        self.model.check(&copy);
    }
}

/// Random histories against a model that holds the messages alone.
#[test]
fn all_calls_answer_as_if_there_were_messages_only() {
    for (seed, options) in (1..).zip(settings()) {
        for seed in [seed, seed + 100, seed + 200] {
            let (dir, log) = opened(&options);
            let mut subject = Subject {
                dir,
                options: options.clone(),
                log: Some(log),
                model: Model::default(),
                numbers: Numbers(seed),
            };
            for _ in 0..60 {
                subject.step();
                subject.model.check(subject.log());
            }
        }
    }
}
