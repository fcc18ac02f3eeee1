//! Any calls on a log, reopened and killed at any time, give what a vector of messages gives.

#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use duramen::{Durability, Error, FileLog, Log, Message, Options, PublishOptions, Start, Timestamp};
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
}

#[derive(Arbitrary, Debug)]
enum Step {
    Publish(Vec<Content>),
    PublishSynced(Vec<Content>),
    PublishExpecting { contents: Vec<Content>, off_by: i8 },
    Sync,
    Gc(bool),
    Close(Settings),
    Kill(Settings),
    LookReadOnly,
    Consume { from: From, max_count: u8 },
    ConsumeByKey { key: u8, from: From, max_count: u8 },
    Get(From),
    GetByKey(u8),
    GetByTime(i16),
    Scan(From),
    Stat,
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
    let mut world = World {
        log: input.first.open(&scratches[0]),
        settings: input.first.clone(),
        at: 0,
        scratches,
        published: Vec::new(),
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
        Options::new()
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
    /// All messages; the offset of each is its index.
    published: Vec<Message>,
}

impl World {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Publish(contents) => self.publish(contents, &PublishOptions::new()),
            Step::PublishSynced(contents) => self.publish(contents, &PublishOptions::new().sync(true)),
            Step::PublishExpecting { contents, off_by } => self.publish_expecting(contents, *off_by),
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
        }
    }

    fn next_offset(&self) -> u64 {
        self.published.len() as u64
    }

    fn publish(&mut self, contents: &[Content], how: &PublishOptions) {
        let contents = &contents[..contents.len().min(40)];
        let next = with_messages(contents, |messages| self.log.publish_with(messages, how));
        self.note(contents);
        assert_eq!(next.expect("room for a batch"), self.next_offset());
        assert_eq!(self.log.next_offset().expect("an open log"), self.next_offset());
    }

    fn note(&mut self, contents: &[Content]) {
        with_messages(contents, |messages| {
            for message in messages {
                self.published.push(Message {
                    offset: self.next_offset(),
                    time: message.time.expect("given"),
                    key: message.key.map(|key| key.to_vec().into()),
                    value: message.value.map(|value| value.to_vec().into()),
                    headers: duramen::Headers::new(message.headers),
                });
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
            other => panic!("{other:?}"),
        }
    }

    fn close(&mut self, settings: &Settings) {
        self.log.close().expect("nothing in the way of closing");
        assert!(matches!(self.log.next_offset(), Err(Error::Closed)));
        self.settings = settings.clone();
        self.log = settings.open(&self.scratches[self.at]);
    }

    /// Goes on with a copy of the files as they are, which is what a process that is killed leaves.
    fn kill(&mut self, settings: &Settings) {
        let other = 1 - self.at;
        self.scratches[other].write(&self.scratches[self.at].files());
        self.at = other;
        self.settings = settings.clone();
        self.log = settings.open(&self.scratches[other]);
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
        assert!(batch.messages.len() <= max_count.min(rest.len()));
        assert_eq!(batch.messages, rest[..batch.messages.len()]);
        assert_eq!(batch.messages.is_empty(), max_count == 0 || rest.is_empty());
        assert_eq!(batch.next_offset, (first + batch.messages.len()) as u64);
    }

    /// The offset that `from` stands for; `None` if it stands for none, and the error says so.
    fn resolve(&self, from: From, error: Option<&Error>) -> Option<usize> {
        let len = self.published.len();
        match from {
            From::Oldest => Some(0),
            From::Newest => Some(len),
            From::At(at) if usize::from(at) > len => {
                let Some(Error::OffsetOutOfRange { offset, start, next }) = error else {
                    panic!("{error:?}");
                };
                assert_eq!((*offset, *start, *next), (u64::from(at), 0, len as u64));
                None
            }
            From::At(at) => Some(usize::from(at)),
            From::Last(count) => Some(len.saturating_sub(usize::from(count))),
            From::Time(_) if !self.settings.time_index => {
                assert!(matches!(error, Some(Error::NoIndex)), "{error:?}");
                None
            }
            From::Time(time) => Some(self.first_at_or_after(timestamp(time)).unwrap_or(len)),
        }
    }

    /// The first message at which the latest time so far is `time` or later is the first that has such a time itself.
    fn first_at_or_after(&self, time: Timestamp) -> Option<usize> {
        self.published.iter().position(|message| message.time >= time)
    }

    fn consume_by_key(&self, key: &[u8], from: From, max_count: usize) {
        let batch = self.log.consume_by_key(key, from.start(), max_count);
        if !self.settings.key_index {
            assert!(matches!(batch, Err(Error::NoIndex)), "{batch:?}");
            return;
        }
        let Some(first) = self.resolve(from, batch.as_ref().err()) else {
            return;
        };
        let batch = batch.expect("a start within the log");
        let rest = self.published[first..].iter();
        let wanted: Vec<_> = rest
            .filter(|message| message.key.as_deref() == Some(key))
            .collect();
        let found: Vec<_> = batch.messages.iter().collect();
        assert!(found.len() <= max_count && wanted.starts_with(&found));
        // Up to where it says that it looked, it has left nothing out.
        let upto = wanted
            .iter()
            .filter(|message| message.offset < batch.next_offset)
            .count();
        assert_eq!(upto, found.len());
        assert!(batch.next_offset >= first as u64 && batch.next_offset <= self.next_offset());
        assert!(
            max_count == 0
                || !found.is_empty()
                || batch.next_offset > first as u64
                || first == self.published.len()
        );
    }

    fn get(&self, from: From) {
        let got = self.log.get(from.start());
        let len = self.published.len();
        let wanted = match from {
            From::Newest | From::Last(0) => len.checked_sub(1),
            From::At(at) if usize::from(at) >= len => {
                assert!(matches!(got, Err(Error::OffsetOutOfRange { .. })), "{got:?}");
                return;
            }
            From::Time(time) if self.settings.time_index => self.first_at_or_after(timestamp(time)),
            _ => match self.resolve(from, got.as_ref().err()) {
                Some(at) => Some(at).filter(|at| *at < len),
                None => return,
            },
        };
        self.is(got, wanted);
    }

    fn is(&self, got: Result<Message, Error>, wanted: Option<usize>) {
        match wanted {
            Some(at) => assert_eq!(got.expect("a message"), self.published[at]),
            None => assert!(matches!(got, Err(Error::NotFound)), "{got:?}"),
        }
    }

    fn get_by_key(&self, key: &[u8]) {
        let got = self.log.get_by_key(key);
        if !self.settings.key_index {
            assert!(matches!(got, Err(Error::NoIndex)), "{got:?}");
            return;
        }
        let wanted = self
            .published
            .iter()
            .rposition(|message| message.key.as_deref() == Some(key));
        self.is(got, wanted);
    }

    fn get_by_time(&self, time: Timestamp) {
        let got = self.log.get_by_time(time);
        if !self.settings.time_index {
            assert!(matches!(got, Err(Error::NoIndex)), "{got:?}");
            return;
        }
        self.is(got, self.first_at_or_after(time));
    }

    fn scan(&self, from: From) {
        let scan = self.log.scan(from.start());
        let Some(first) = self.resolve(from, scan.as_ref().err()) else {
            return;
        };
        let mut scan = scan.expect("a start within the log");
        for message in &self.published[first..] {
            let found = scan
                .next()
                .expect("a message in order")
                .expect("one more message");
            assert_eq!(found.offset, message.offset);
            assert_eq!(found.key, message.key.as_deref());
            assert_eq!(found.value, message.value.as_deref());
        }
        assert!(scan.next().expect("the end").is_none());
    }

    fn stat(&self) {
        let stats = self.log.stat().expect("an open log");
        assert_eq!((stats.start_offset, stats.next_offset), (0, self.next_offset()));
        assert_eq!(stats.messages, self.next_offset());
        assert!(stats.synced_offset <= stats.next_offset);
    }

    fn read_all(&self) {
        let mut next = 0;
        while next < self.published.len() {
            let batch = self.log.consume(Start::At(next as u64), 17).expect("messages");
            assert!(!batch.messages.is_empty());
            assert_eq!(batch.messages, self.published[next..next + batch.messages.len()]);
            next += batch.messages.len();
        }
        for at in NAMES {
            self.get_by_key(at);
        }
        self.stat();
    }
}
