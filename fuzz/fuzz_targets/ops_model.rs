//! Any calls on a log, also those that remove, copy and restore, reopened and killed at any time, give what a vector of
//! messages gives.

#![no_main]

#[path = "model/control.rs"]
mod control;
#[path = "model/reading.rs"]
mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbitrary::Arbitrary;
use duramen::compact::{self, Settings as Compaction};
use duramen::{
    Durability, Error, FileLog, Log, Message, Options, PublishOptions, Retention, Start, Timestamp,
};
use duramen_fuzz::control::{ControlModel, token};
use duramen_fuzz::{Content, NAMES, Scratch, with_messages};

#[derive(Arbitrary, Debug)]
struct Input {
    first: Settings,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Clone, Debug)]
struct Settings {
    key_index: bool,
    time_index: bool,
    each_publish: bool,
    rollover: u8,
    /// How many messages the retention policy keeps.
    kept_max: Option<u8>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Publish(Vec<Content>),
    PublishSynced(Vec<Content>),
    PublishExpecting {
        contents: Vec<Content>,
        off_by: i8,
    },
    Fence {
        contents: Vec<Content>,
        token: u8,
        required: Option<u8>,
    },
    Seal(Vec<Content>),
    Unseal,
    TrimControl(u16),
    Produce {
        contents: Vec<Content>,
        id: u8,
        sequence: u8,
    },
    Sync,
    Gc(bool),
    Close(Settings),
    Kill(Settings),
    LookReadOnly,
    Consume {
        from: From,
        max_count: u8,
    },
    ConsumeByKey {
        key: u8,
        from: From,
        max_count: u8,
    },
    Get(From),
    GetByKey(u8),
    GetByTime(i16),
    Scan(From),
    Stat,
    Delete(Vec<u16>),
    DeleteRange {
        from: u16,
        count: u8,
    },
    Trim(u16),
    Compact,
    Retain,
    Backup,
    Restore {
        until: u16,
        settings: Settings,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum From {
    Oldest,
    Newest,
    At(u16),
    Last(u16),
    Time(i16),
}

impl From {
    fn start(self) -> Start {
        match self {
            From::Oldest => Start::Oldest,
            From::Newest => Start::Newest,
            From::At(offset) => Start::At(u64::from(offset)),
            From::Last(count) => Start::Last(u64::from(count)),
            From::Time(time) => Start::Time(timestamp(time)),
        }
    }
}

fn timestamp(time: i16) -> Timestamp {
    Timestamp::from_micros(i64::from(time) * 1_000)
}

fn key(at: u8) -> &'static [u8] {
    NAMES[usize::from(at) % NAMES.len()]
}

libfuzzer_sys::fuzz_target!(|input: Input| run(&input));

fn run(input: &Input) {
    let scratches = [Scratch::new("model-0"), Scratch::new("model-1")];
    let copy = Scratch::new("model-copy");
    let mut world = World {
        log: input.first.open(&scratches[0]),
        settings: input.first.clone(),
        at: 0,
        scratches,
        copy,
        published: Vec::new(),
        start: 0,
        next: 0,
        control: ControlModel::default(),
    };
    for step in input.steps.iter().take(60) {
        world.step(step);
    }
    world.read_all();
    world.log.close().expect("nothing in the way of closing");
    let report = duramen::check(world.scratches[world.at].path(), &Options::new()).expect("a log to check");
    assert!(report.is_clean(), "{report:?}");
}

impl Settings {
    fn options(&self) -> Options {
        let retention = Retention::new();
        let retention = match self.kept_max {
            Some(messages) => retention.max_messages(u64::from(messages)),
            None => retention,
        };
        Options::new()
            .retention(retention)
            .create_dirs(true)
            .background(false)
            .key_index(self.key_index)
            .time_index(self.time_index)
            .durability(if self.each_publish {
                Durability::EachPublish
            } else {
                Durability::Os
            })
            .rollover(1024 * (1 + u64::from(self.rollover % 64)))
    }

    fn open(&self, scratch: &Scratch) -> FileLog {
        self.options().open(scratch.path()).expect("a log in order")
    }
}

struct World {
    log: FileLog,
    settings: Settings,
    /// Which of the directories the log is in.
    at: usize,
    scratches: [Scratch; 2],
    /// Its backup, if one was taken.
    copy: Scratch,
    /// The messages that are there, by offset.
    published: Vec<Message>,
    start: u64,
    next: u64,
    control: ControlModel,
}

impl World {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Publish(contents) => self.publish(contents, &PublishOptions::new()),
            Step::PublishSynced(contents) => self.publish(contents, &PublishOptions::new().sync(true)),
            Step::PublishExpecting { contents, off_by } => self.publish_expecting(contents, *off_by),
            Step::Fence {
                contents,
                token: sets,
                required,
            } => {
                self.fence(contents, token(*sets), required.map(token));
            }
            Step::Seal(contents) => self.seal(contents),
            Step::Unseal => self.unseal(),
            Step::TrimControl(before) => self.trim_by_control(u64::from(*before)),
            Step::Produce {
                contents,
                id,
                sequence,
            } => {
                self.produce(contents, u64::from(*id % 3), u64::from(*sequence));
            }
            Step::Sync => assert_eq!(self.log.sync().expect("a sync"), self.next_offset()),
            Step::Gc(now) => {
                let unused_for = if *now {
                    Duration::ZERO
                } else {
                    Duration::from_secs(1)
                };
                self.log.gc(unused_for).expect("a log that is open");
            }
            Step::Close(settings) => self.close(settings),
            Step::Kill(settings) => self.kill(settings),
            Step::LookReadOnly => self.look_read_only(),
            Step::Consume { from, max_count } => self.consume(*from, usize::from(*max_count)),
            Step::ConsumeByKey {
                key: at,
                from,
                max_count,
            } => {
                self.consume_by_key(key(*at), *from, usize::from(*max_count));
            }
            Step::Get(from) => self.get(*from),
            Step::GetByKey(at) => self.get_by_key(key(*at)),
            Step::GetByTime(time) => self.get_by_time(timestamp(*time)),
            Step::Scan(from) => self.scan(*from),
            Step::Stat => self.stat(),
            Step::Delete(offsets) => self.delete(&offsets.iter().map(|at| u64::from(*at)).collect()),
            Step::DeleteRange { from, count } => {
                let from = u64::from(*from);
                self.delete(&(from..from + u64::from(*count)).collect());
            }
            Step::Trim(before) => self.trim(u64::from(*before)),
            Step::Compact => self.compact(),
            Step::Retain => self.retain(),
            Step::Backup => self.backup(),
            Step::Restore { until, settings } => self.restore(u64::from(*until), settings),
        }
    }

    fn next_offset(&self) -> u64 {
        self.next
    }

    /// Where in the messages those from `offset` on begin.
    fn index_of(&self, offset: u64) -> usize {
        self.published.partition_point(|message| message.offset < offset)
    }

    fn delete(&mut self, offsets: &BTreeSet<u64>) {
        let deleted = self.log.delete(offsets).expect("room for what is kept");
        // A segment that was begun so that another could be rewritten has the policy applied.
        let before = self.published.len();
        self.published
            .retain(|message| !offsets.contains(&message.offset));
        if self.settings.kept_max.is_none() {
            assert_eq!(deleted.messages, (before - self.published.len()) as u64);
        }
        self.follow_policy();
    }

    fn trim(&mut self, before: u64) {
        let trimmed = self.log.trim(before).expect("a trim");
        let kept = self.published.split_off(self.index_of(before));
        assert_eq!(trimmed.count, self.published.len() as u64);
        self.published = kept;
        self.start = self.start.max(before.min(self.next));
        assert_eq!(self.log.start_offset().expect("an open log"), self.start);
    }

    /// What the retention policy has trimmed.
    fn follow_policy(&mut self) {
        let start = self.log.start_offset().expect("an open log");
        if start == self.start {
            return;
        }
        assert!(self.settings.kept_max.is_some(), "nothing else trims");
        assert!((self.start..=self.next).contains(&start));
        self.start = start;
        self.published = self.published.split_off(self.index_of(start));
    }

    fn compact(&mut self) {
        let all = Compaction::new().older_than(Duration::ZERO);
        let deleted = compact::updates(&self.log, &all);
        if !self.settings.key_index {
            assert!(matches!(deleted, Err(Error::NoIndex { .. })), "{deleted:?}");
            return;
        }
        deleted.expect("room for what is kept");
        let newest: BTreeMap<_, _> = self
            .published
            .iter()
            .filter_map(|message| Some((message.key.clone()?, message.offset)))
            .collect();
        let is_newest = |message: &Message| {
            message
                .key
                .as_ref()
                .is_none_or(|key| newest[key] == message.offset)
        };
        self.published.retain(is_newest);
        self.follow_policy();
    }

    fn retain(&mut self) {
        self.log.apply_retention(false).expect("a trim");
        self.follow_policy();
        if let Some(kept_max) = self.settings.kept_max {
            assert!(self.published.len() <= usize::from(kept_max));
        }
    }

    fn backup(&mut self) {
        self.log
            .backup(self.copy.path())
            .expect("a backup of a log in order");
        let log = self
            .settings
            .options()
            .read_only(true)
            .open(self.copy.path())
            .expect("a copy");
        let log = std::mem::replace(&mut self.log, log);
        self.read_all();
        self.log = log;
    }

    /// Goes on with a copy of what was there up to an offset.
    fn restore(&mut self, until: u64, settings: &Settings) {
        self.backup();
        self.log.close().expect("nothing in the way of closing");
        let other = 1 - self.at;
        self.scratches[other].clear();
        let until = until.clamp(self.start, self.next);
        let next = duramen::restore(self.copy.path(), self.scratches[other].path(), Start::At(until));
        assert_eq!(next.expect("a backup in order"), until);
        self.published.truncate(self.index_of(until));
        self.next = until;
        self.control.cut(until);
        // The log has lost what the backup has.
        self.copy.clear();
        self.at = other;
        self.settings = settings.clone();
        self.log = settings.open(&self.scratches[other]);
        self.follow_policy();
    }

    fn publish(&mut self, contents: &[Content], how: &PublishOptions<'_>) {
        let contents = &contents[..contents.len().min(40)];
        let next = with_messages(contents, |messages| self.log.publish_with(messages, how));
        if self.control.is_sealed() {
            assert!(matches!(next, Err(Error::Sealed)), "{next:?}");
            return;
        }
        self.note(contents);
        self.follow_policy();
        assert_eq!(next.expect("room for a batch"), self.next_offset());
        assert_eq!(self.log.next_offset().expect("an open log"), self.next_offset());
    }

    fn note(&mut self, contents: &[Content]) {
        with_messages(contents, |messages| {
            for message in messages {
                self.published.push(Message {
                    offset: self.next,
                    time: message.time.expect("given"),
                    key: message.key.map(|key| key.to_vec().into()),
                    value: message.value.map(|value| value.to_vec().into()),
                    headers: duramen::Headers::new(message.headers),
                });
                self.next += 1;
            }
        });
    }

    fn publish_expecting(&mut self, contents: &[Content], off_by: i8) {
        let actual = self.next_offset();
        let expected = actual.wrapping_add_signed(i64::from(off_by));
        let how = PublishOptions::new().expect_next_offset(expected);
        if expected == actual {
            return self.publish(contents, &how);
        }
        match with_messages(contents, |messages| self.log.publish_with(messages, &how)) {
            Err(Error::OffsetMismatch {
                expected: e,
                actual: a,
            }) => assert_eq!((e, a), (expected, actual)),
            Err(Error::Sealed) => assert!(self.control.is_sealed()),
            other => panic!("{other:?}"),
        }
    }

    fn close(&mut self, settings: &Settings) {
        self.log.close().expect("nothing in the way of closing");
        assert!(matches!(self.log.next_offset(), Err(Error::Closed)));
        self.settings = settings.clone();
        self.log = settings.open(&self.scratches[self.at]);
        self.follow_policy();
        self.stat();
    }

    /// Goes on with a copy of the files as they are, which is what a process that is killed leaves.
    fn kill(&mut self, settings: &Settings) {
        let other = 1 - self.at;
        self.scratches[other].write(&self.scratches[self.at].files());
        self.at = other;
        self.settings = settings.clone();
        self.log = settings.open(&self.scratches[other]);
        self.follow_policy();
        self.stat();
    }

    /// A copy of the files, opened for reading only, has all messages.
    fn look_read_only(&mut self) {
        let other = &self.scratches[1 - self.at];
        other.write(&self.scratches[self.at].files());
        let log = self
            .settings
            .options()
            .read_only(true)
            .open(other.path())
            .expect("a log in order");
        assert_eq!(log.next_offset().expect("an open log"), self.next_offset());
        let log = std::mem::replace(&mut self.log, log);
        self.read_all();
        self.log = log;
    }

    fn consume(&self, from: From, max_count: usize) {
        let batch = self.log.consume(from.start(), max_count);
        let Some(first) = self.resolve(from, batch.as_ref().err()) else {
            return;
        };
        let batch = batch.expect("a start within the log");
        let rest = &self.published[first..];
        let count = batch.messages.len();
        assert!(count <= max_count.min(rest.len()));
        assert_eq!(batch.messages, rest[..count]);
        // It goes on behind the last message, and not behind one that it leaves out.
        let begin = self.begin(from);
        let least = batch.messages.last().map_or(begin, |message| message.offset + 1);
        let most = rest.get(count).map_or(self.next, |message| message.offset);
        assert!(
            (least..=most).contains(&batch.next_offset),
            "{}",
            batch.next_offset
        );
        assert!(max_count == 0 || rest.is_empty() || count > 0 || batch.next_offset > begin);
    }

    /// The least offset at which reading from `from` can begin.
    fn begin(&self, from: From) -> u64 {
        match from {
            From::At(at) => u64::from(at),
            _ => self.start,
        }
    }

    /// The index of the message at which `from` begins; `None` if it stands for none, and the error says so.
    fn resolve(&self, from: From, error: Option<&Error>) -> Option<usize> {
        let len = self.published.len();
        match from {
            From::Oldest => Some(0),
            From::Newest => Some(len),
            From::At(at) if !(self.start..=self.next).contains(&u64::from(at)) => {
                let Some(Error::OffsetOutOfRange { offset, start, next }) = error else {
                    panic!("{error:?}");
                };
                assert_eq!((*offset, *start, *next), (u64::from(at), self.start, self.next));
                None
            }
            From::At(at) => Some(self.index_of(u64::from(at))),
            From::Last(count) => Some(len.saturating_sub(usize::from(count))),
            From::Time(_) if !self.settings.time_index => {
                assert!(matches!(error, Some(Error::NoIndex { .. })), "{error:?}");
                None
            }
            From::Time(time) => Some(self.first_at_or_after(timestamp(time)).unwrap_or(len)),
        }
    }

    /// The first message at which the latest time so far is `time` or later is the first that has such a time itself.
    fn first_at_or_after(&self, time: Timestamp) -> Option<usize> {
        self.published.iter().position(|message| message.time >= time)
    }

    fn stat(&self) {
        let stats = self.log.stat().expect("an open log");
        assert_eq!((stats.start_offset, stats.next_offset), (self.start, self.next));
        assert_eq!(stats.messages, self.published.len() as u64);
        assert!(stats.synced_offset <= stats.next_offset);
        self.control.check(&self.log);
    }

    fn read_all(&self) {
        let (mut from, mut read) = (self.start, 0);
        loop {
            let batch = self.log.consume(Start::At(from), 17).expect("messages");
            let next = read + batch.messages.len();
            assert_eq!(Some(&batch.messages[..]), self.published.get(read..next));
            read = next;
            if batch.next_offset == from {
                break;
            }
            from = batch.next_offset;
        }
        assert_eq!((from, read), (self.next, self.published.len()));
        for at in NAMES {
            self.get_by_key(at);
        }
        self.stat();
    }
}
