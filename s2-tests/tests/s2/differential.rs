//! The same random calls to a log in memory and to one on S2: what they return is the same, but for this:
//!
//! - `trim` appends a control record on S2; in memory it does not. So in memory one is published here.
//! - What `trim` returns counts offsets, not messages.
//! - A batch may be shorter: control records count for `max_count`.
//! - A message without a time has that of the server, in milliseconds; so has a control record. In half of the runs
//!   all messages have times, and in the other half none has.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::thread;

use duramen::{
    Batch, Control, Error, Filter, Log, MemoryLog, Message, NewMessage, Options, PublishOptions, ReadOptions,
    Result, Start, Timestamp, Token,
};
use duramen_s2::S2Log;
use fastrand::Rng;

use crate::server::new_log;

/// How many runs there are, and how many calls in each.
const RUNS: u64 = 20;

fn calls() -> u64 {
    let text = std::env::var("DURAMEN_REMOTE_CALLS");
    text.map_or(300, |text| text.parse().expect("a number of calls"))
}

/// The two logs.
struct Pair {
    memory: MemoryLog,
    s2: S2Log,
    rng: Rng,
    has_times: bool,
    tokens: Vec<Token>,
    /// Offsets of control records.
    controls: BTreeSet<u64>,
}

#[test]
fn random_calls_to_s2_and_to_memory_return_the_same() {
    let seed: u64 = std::env::var("DURAMEN_SEED").map_or(1, |text| text.parse().expect("a seed"));
    println!("DURAMEN_SEED={seed}, {RUNS} runs of {} calls", calls());
    thread::scope(|scope| {
        for run in 0..RUNS {
            scope.spawn(move || {
                let mut pair = Pair::new(seed.wrapping_mul(1000) + run, run % 2 == 0);
                for _ in 0..calls() {
                    pair.step();
                }
                pair.compare_all();
            });
        }
    });
}

/// Panics unless both are the same.
#[track_caller]
fn same<T: Debug>(what: &str, memory: Result<T>, s2: Result<T>) {
    assert_eq!(
        format!("{memory:?}"),
        format!("{s2:?}"),
        "{what}: in memory, and on S2"
    );
}

impl Pair {
    fn new(seed: u64, has_times: bool) -> Pair {
        let options = Options::new().time_index(true);
        Pair {
            memory: MemoryLog::with_options(&options),
            s2: new_log(),
            rng: Rng::with_seed(seed),
            has_times,
            tokens: vec![Token::default()],
            controls: BTreeSet::new(),
        }
    }

    fn step(&mut self) {
        match self.rng.u8(..100) {
            0..30 => self.publish(),
            30..33 => self.trim(),
            33..55 => self.consume(),
            55..70 => self.read(),
            70..82 => self.get(),
            82..88 if self.has_times => {
                let time = self.time();
                same(
                    &format!("get_by_time({time:?})"),
                    self.memory.get_by_time(time),
                    self.s2.get_by_time(time),
                );
            }
            _ => self.ends(),
        }
    }

    fn time(&mut self) -> Timestamp {
        Timestamp::from_micros(self.rng.i64(-2_000..60_000))
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let len = [0, 0, 1, 3, 20][self.rng.usize(..5)];
        (self.rng.u8(..4) > 0).then(|| std::iter::repeat_with(|| self.rng.u8(..)).take(len).collect())
    }

    fn publish(&mut self) {
        let count = [0, 1, 1, 1, 2, 5][self.rng.usize(..6)];
        let parts: Vec<_> = (0..count)
            .map(|_| (self.bytes(), self.bytes(), self.time(), self.rng.u8(..4)))
            .collect();
        let names: [&[u8]; 4] = [b"", b"@k", b"@x", b"plain"];
        let headers: Vec<Vec<(&[u8], &[u8])>> = parts
            .iter()
            .map(|(_, _, _, headers)| {
                names
                    .iter()
                    .take(usize::from(*headers))
                    .map(|name| (*name, *name))
                    .collect()
            })
            .collect();
        let messages: Vec<NewMessage<'_>> = parts
            .iter()
            .zip(&headers)
            .map(|((key, value, time, _), headers)| NewMessage {
                time: self.has_times.then_some(*time),
                key: key.as_deref(),
                value: value.as_deref(),
                headers,
            })
            .collect();
        let next = self.memory.next_offset().unwrap();
        let mut how = PublishOptions::new();
        if self.rng.u8(..4) == 0 {
            how = how.expect_next_offset(next.saturating_sub(u64::from(self.rng.u8(..4) == 0)));
        }
        let current = self.tokens.last().copied().unwrap_or_default();
        if count > 0 && self.rng.u8(..4) == 0 {
            let stale = self.tokens[self.rng.usize(..self.tokens.len())];
            how = how.token(if self.rng.bool() { current } else { stale });
        }
        let mut fence = None;
        if count > 0 && self.rng.u8(..10) == 0 {
            let token = Token::new(&format!("token {}", self.rng.u8(..))).unwrap();
            (how, fence) = (how.and(Control::Fence(token)), Some(token));
        }
        let is_control = fence.is_some();
        let (in_memory, on_s2) = (
            self.memory.append(&messages, &how),
            self.s2.append(&messages, &how),
        );
        if let Ok(ack) = &in_memory {
            self.tokens.extend(fence);
            if is_control {
                self.controls.insert(ack.end.offset - 1);
            }
        }
        let places = |ack: duramen::Ack| {
            let has_time = self.has_times && !is_control && count > 0;
            let time = |place: duramen::Place| (place.offset, has_time.then_some(place.time));
            (time(ack.start), time(ack.end), ack.tail.offset, ack.is_duplicate)
        };
        same("append", in_memory.map(places), on_s2.map(places));
    }

    fn trim(&mut self) {
        let (start, next) = (
            self.memory.start_offset().unwrap(),
            self.memory.next_offset().unwrap(),
        );
        // The longer a log is, the more goes at once. So it does not grow with the number of calls.
        let most = 20.max((next - start) / 8);
        let before = self.rng.u64(start..=next + 1).min(start + most);
        if before.min(next) > start {
            let how = PublishOptions::new().and(Control::Trim(before.min(next)));
            self.memory.publish_with(&[], &how).unwrap();
            self.controls.insert(next);
        }
        self.s2.trim(before).unwrap();
    }

    fn start(&mut self) -> Start {
        let (start, next) = (
            self.memory.start_offset().unwrap(),
            self.memory.next_offset().unwrap(),
        );
        let near = self.rng.u64(start.saturating_sub(3)..=next + 2);
        let late = next.saturating_sub(self.rng.u64(..8)).max(start);
        match self.rng.u8(..if self.has_times { 9 } else { 8 }) {
            0 => Start::Oldest,
            1 => Start::Newest,
            2 => Start::At(near),
            3 | 4 => Start::At(late),
            5 => Start::AtOrOldest(near),
            6 => Start::Last(self.rng.u64(..6)),
            7 => Start::Last(self.rng.u64(..next + 2)),
            _ => Start::Time(self.time()),
        }
    }

    /// The messages, without their times if they were not given.
    fn shown(&self, messages: Vec<Message>) -> Vec<Message> {
        let shown = messages.into_iter().map(|message| Message {
            time: if self.has_times {
                message.time
            } else {
                Timestamp::default()
            },
            ..message
        });
        shown.collect()
    }

    fn consume(&mut self) {
        let (from, count) = (self.start(), self.rng.usize(..8));
        let memory = self.memory.consume(from, count);
        let s2 = self.s2.consume(from, count);
        let what = format!("consume({from:?}, {count})");
        let (memory, s2) = match (memory, s2) {
            (Ok(memory), Ok(s2)) => (memory, s2),
            (memory, s2) => return same(&what, memory, s2),
        };
        let (all, some) = (self.shown(memory.messages), self.shown(s2.messages));
        assert_eq!(all.is_empty(), some.is_empty(), "{what}");
        assert_eq!(all[..some.len()], some, "{what}");
        if all.len() == some.len() {
            self.same_place(&what, memory.next_offset, s2.next_offset);
        }
    }

    /// Between the two offsets there are only control records.
    #[track_caller]
    fn same_place(&self, what: &str, memory: u64, s2: u64) {
        let between = memory.min(s2)..memory.max(s2);
        let are_controls = between.clone().all(|offset| self.controls.contains(&offset));
        assert!(are_controls, "{what}: {memory} in memory, {s2} on S2");
    }

    fn read(&mut self) {
        let from = self.start();
        let mut how = ReadOptions::new()
            .max_count(self.rng.usize(..8))
            .control(self.rng.bool());
        if self.rng.u8(..4) == 0 {
            how = how.max_bytes(self.rng.u64(..200));
        }
        if self.rng.u8(..4) == 0 {
            how = how.until_offset(self.rng.u64(..self.memory.next_offset().unwrap() + 2));
        }
        if self.has_times && self.rng.u8(..4) == 0 {
            how = how.until_time(self.time());
        }
        if self.rng.u8(..3) == 0 {
            how = how.clamp(true);
        }
        if self.rng.u8(..4) == 0 {
            how = how.filter(Filter::header(b"@k", b"@k"));
        }
        let shown = |read: duramen::ReadBatch| {
            let controls = read
                .controls
                .into_iter()
                .map(|record| (record.offset, record.control));
            let controls: Vec<_> = controls.collect();
            (
                self.shown(read.messages),
                controls,
                read.next_offset,
                read.tail.offset,
                read.stopped,
            )
        };
        let what = format!("read({from:?}, {how:?})");
        same(
            &what,
            self.memory.read(from, &how).map(shown),
            self.s2.read(from, &how).map(shown),
        );
    }

    fn get(&mut self) {
        let at = self.start();
        let shown = |message: Message| self.shown(vec![message]);
        same(
            &format!("get({at:?})"),
            self.memory.get(at).map(shown),
            self.s2.get(at).map(shown),
        );
    }

    fn ends(&mut self) {
        same("start_offset", self.memory.start_offset(), self.s2.start_offset());
        same("next_offset", self.memory.next_offset(), self.s2.next_offset());
        same("sync", self.memory.sync(), self.s2.sync());
        let last = self.memory.next_offset().unwrap().checked_sub(1);
        if self.has_times && last.is_some_and(|last| !self.controls.contains(&last)) {
            same("tail", self.memory.tail(), self.s2.tail());
        }
        let ends = |stats: duramen::Stats| (stats.start_offset, stats.next_offset);
        same("stat", self.memory.stat().map(ends), self.s2.stat().map(ends));
    }

    fn compare_all(&mut self) {
        let all = |log: &dyn Log| {
            let (mut all, mut at) = (Vec::new(), Start::Oldest);
            loop {
                let Batch {
                    messages,
                    next_offset,
                } = log.consume(at, 100)?;
                if messages.is_empty() {
                    return Ok::<_, Error>(self.shown(all));
                }
                all.extend(messages);
                at = Start::At(next_offset);
            }
        };
        same("all", all(&self.memory), all(&self.s2));
    }
}
