//! Random sequences of every call, beside a model.
//!
//! Partitions are closed all the time, because few may be open, and the store is closed and opened again now and then.
//! `DURAMEN_SEED` is the seed, `DURAMEN_STORE_RUNS` the number of sequences.

use std::collections::BTreeMap;
use std::env;
use std::time::Duration;

use duramen::store::{
    Ensured, ListOptions, Partitioner, Partitions, Store, Stream, StreamConfig, StreamEventKind, StreamPatch,
};
use duramen::{Error, Log, NewMessage, PublishOptions, Start};
use fastrand::Rng;

use crate::support::{Home, until_purged, values};

const NAMES: [&str; 5] = ["a", "a/b", "b", "cc", "d"];
const STEPS: usize = 250;

#[derive(Clone, Debug, Default)]
struct Part {
    /// What is there, with the offsets.
    messages: Vec<(u64, String)>,
    /// One past the last offset that is known.
    end: u64,
    is_sealed: bool,
    is_paused: bool,
}

#[derive(Clone, Debug)]
struct Modelled {
    parts: Vec<Part>,
    has_time_index: bool,
    resume_all: bool,
    turn: u32,
}

impl Modelled {
    fn new(partitions: u32) -> Modelled {
        Modelled {
            parts: vec![Part::default(); partitions as usize],
            has_time_index: false,
            resume_all: false,
            turn: 0,
        }
    }

    fn count(&self) -> u32 {
        u32::try_from(self.parts.len()).expect("few")
    }
}

struct Run {
    random: Rng,
    home: Home,
    store: Store,
    streams: BTreeMap<&'static str, Modelled>,
    /// What has happened, but for removals, which come later.
    events: Vec<(StreamEventKind, &'static str)>,
    published: usize,
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn random_sequences_of_all_calls_do_what_the_model_does() {
    let seed = number("DURAMEN_SEED", 1);
    for run in 0..number("DURAMEN_STORE_RUNS", 8) {
        println!("DURAMEN_SEED={seed}, sequence {run}");
        let home = Home::with(|options| options.open_max(2).idle_after(Duration::from_millis(5)));
        let store = home.open();
        let mut run = Run {
            random: Rng::with_seed(seed.wrapping_mul(1000) + run),
            home,
            store,
            streams: BTreeMap::new(),
            events: Vec::new(),
            published: 0,
        };
        for _ in 0..STEPS {
            run.step();
        }
        run.compare();
        run.compare_events();
    }
}

impl Run {
    fn step(&mut self) {
        let name = NAMES[self.random.usize(..NAMES.len())];
        let what = self.random.u32(..100);
        if !self.streams.contains_key(name) {
            return self.on_none(name, what);
        }
        let stream = self.store.stream(name).expect("there");
        match what {
            0..=39 => self.publish(name, &stream),
            40..=49 => self.publish_to(),
            50..=55 => self.seal(name, &stream),
            56..=61 => self.unseal(name, &stream),
            62..=68 => self.pause(name, &stream),
            69..=73 => self.resume(name, &stream),
            74..=79 => self.trim(name, &stream),
            80..=85 => self.reconfigure(name),
            86..=88 => self.delete(name),
            89..=91 => self.exists(name),
            92..=95 => self.compare(),
            96 | 97 => stream.sync().expect("synced"),
            98 => self.store.sync().expect("synced"),
            _ => self.reopen(),
        }
    }

    /// Some of a stream's partitions.
    fn some(&mut self, name: &str) -> (Partitions, Vec<u32>) {
        let count = self.streams[name].count();
        if self.random.u8(..4) == 0 {
            return (Partitions::All, (0..count).collect());
        }
        let one = self.random.u32(..count);
        (one.into(), vec![one])
    }

    fn model(&mut self, name: &str) -> &mut Modelled {
        self.streams.get_mut(name).expect("there")
    }

    fn on_none(&mut self, name: &'static str, what: u32) {
        assert!(matches!(self.store.stream(name), Err(Error::NoStream { .. })));
        assert!(matches!(self.store.delete(name), Err(Error::NoStream { .. })));
        let partitions = 1 + self.random.u32(..4);
        let config = StreamConfig::new().partitions(partitions).time_index(false);
        if what.is_multiple_of(2) {
            let info = self.store.create(name, &config).expect("created");
            assert_eq!((info.name.as_str(), info.partitions), (name, partitions));
        } else {
            let ensured = self.store.ensure(name, &config).expect("created");
            assert!(matches!(ensured, Ensured::Created(_)), "{ensured:?}");
        }
        self.streams.insert(name, Modelled::new(partitions));
        self.events.push((StreamEventKind::Created, name));
    }

    fn exists(&mut self, name: &'static str) {
        let config = StreamConfig::new();
        let refused = self.store.create(name, &config);
        assert!(matches!(refused, Err(Error::StreamExists { .. })), "{refused:?}");
        let ensured = self.store.ensure(name, &config).expect("there");
        if std::mem::take(&mut self.model(name).has_time_index) {
            assert!(matches!(ensured, Ensured::Updated(_)), "{ensured:?}");
            self.events.push((StreamEventKind::Reconfigured, name));
        } else {
            assert!(matches!(ensured, Ensured::Unchanged(_)), "{ensured:?}");
        }
    }

    /// Whatever changes a paused partition resumes it.
    fn resumed(&mut self, name: &'static str, number: u32) {
        let model = self.model(name);
        if !model.parts[number as usize].is_paused {
            return;
        }
        let resume_all = model.resume_all;
        for (index, part) in (0..).zip(&mut model.parts) {
            part.is_paused &= index != number && !resume_all;
        }
        self.events.push((StreamEventKind::Resumed, name));
    }

    fn publish(&mut self, name: &'static str, stream: &Stream) {
        self.published += 1;
        let value = self.published.to_string();
        let key = self.random.u8(..20).to_string();
        let count = self.streams[name].count();
        let to = match self.random.u8(..4) {
            0 => Partitioner::Key,
            1 => Partitioner::RoundRobin,
            2 => Partitioner::custom(|message, count| {
                message.value.map_or(0, |value| u32::from(value[0])) % count
            }),
            _ => Partitioner::To(self.random.u32(..count)),
        };
        let number = match &to {
            Partitioner::Key => crc32fast::hash(key.as_bytes()) % count,
            Partitioner::RoundRobin => {
                let turn = &mut self.model(name).turn;
                std::mem::replace(turn, (*turn + 1) % count)
            }
            Partitioner::To(number) => *number,
            _ => u32::from(value.as_bytes()[0]) % count,
        };
        let message = NewMessage::new(key.as_bytes(), value.as_bytes());
        let published = stream.publish(message, &to, &PublishOptions::new());
        self.resumed(name, number);
        let part = &mut self.model(name).parts[number as usize];
        if part.is_sealed {
            assert!(matches!(published, Err(Error::Sealed)), "{published:?}");
            return;
        }
        let (found, ack) = published.expect("published");
        assert_eq!(found, number);
        part.published(ack.start.offset, value);
    }

    /// To one partition of each stream, or of some; those that are paused are left out.
    fn publish_to(&mut self) {
        self.published += 1;
        let value = self.published.to_string();
        let message = [NewMessage::value(value.as_bytes())];
        let mut places = Vec::new();
        for (name, model) in &self.streams {
            let number = self.random.u32(..model.count());
            if self.random.bool() && !model.parts[number as usize].is_paused {
                places.push((*name, number));
            }
        }
        let handles: Vec<_> = places
            .iter()
            .map(|(name, _)| self.store.stream(name).expect("there"))
            .collect();
        let parts: Vec<_> = handles
            .iter()
            .zip(&places)
            .map(|(stream, (_, number))| (stream, *number, &message[..]))
            .collect();
        let published = self.store.publish_to(&parts);
        let is_sealed = |place: &(&str, u32)| self.streams[place.0].parts[place.1 as usize].is_sealed;
        if places.iter().any(is_sealed) {
            assert!(matches!(published, Err(Error::Sealed)), "{published:?}");
            return;
        }
        let acks = published.expect("published");
        assert_eq!(acks.len(), places.len());
        for ((name, number), ack) in places.into_iter().zip(acks) {
            let part = &mut self.model(name).parts[number as usize];
            part.published(ack.start.offset, value.clone());
        }
    }

    fn seal(&mut self, name: &'static str, stream: &Stream) {
        let (partitions, numbers) = self.some(name);
        stream.seal(&partitions).expect("sealed");
        let mut is_new = false;
        for number in numbers {
            let part = &mut self.model(name).parts[number as usize];
            is_new |= !std::mem::replace(&mut part.is_sealed, true);
        }
        if is_new {
            self.events.push((StreamEventKind::Sealed, name));
        }
    }

    fn unseal(&mut self, name: &'static str, stream: &Stream) {
        let (partitions, numbers) = self.some(name);
        stream.unseal(&partitions).expect("unsealed");
        let mut is_new = false;
        for number in numbers {
            self.resumed(name, number);
            let part = &mut self.model(name).parts[number as usize];
            is_new |= std::mem::take(&mut part.is_sealed);
        }
        if is_new {
            self.events.push((StreamEventKind::Unsealed, name));
        }
    }

    fn pause(&mut self, name: &'static str, stream: &Stream) {
        let (partitions, numbers) = self.some(name);
        let resume_all = self.random.bool();
        stream.pause(&partitions, resume_all).expect("paused");
        let model = self.model(name);
        let mut is_new = std::mem::replace(&mut model.resume_all, resume_all) != resume_all;
        for number in numbers {
            let part = &mut model.parts[number as usize];
            is_new |= !std::mem::replace(&mut part.is_paused, true);
        }
        if is_new {
            self.events.push((StreamEventKind::Paused, name));
        }
    }

    fn resume(&mut self, name: &'static str, stream: &Stream) {
        let (partitions, numbers) = self.some(name);
        stream.resume(&partitions).expect("resumed");
        let mut is_new = false;
        for number in numbers {
            let part = &mut self.model(name).parts[number as usize];
            is_new |= std::mem::take(&mut part.is_paused);
        }
        if is_new {
            self.events.push((StreamEventKind::Resumed, name));
        }
    }

    fn trim(&mut self, name: &'static str, stream: &Stream) {
        let number = self.random.u32(..self.streams[name].count());
        let there = &self.streams[name].parts[number as usize].messages;
        let Some((offset, _)) = self.random.choice(there) else {
            return;
        };
        let before = offset + 1;
        let log = stream.partition(number).expect("there");
        log.trim(before).expect("trimmed");
        self.resumed(name, number);
        let messages = &mut self.model(name).parts[number as usize].messages;
        messages.retain(|(offset, _)| *offset >= before);
    }

    fn reconfigure(&mut self, name: &'static str) {
        let on = self.random.bool();
        let patch = StreamPatch::new().time_index(on);
        let config = self.store.reconfigure(name, &patch).expect("reconfigured");
        assert_eq!(config.time_index, Some(on));
        if std::mem::replace(&mut self.model(name).has_time_index, on) != on {
            self.events.push((StreamEventKind::Reconfigured, name));
        }
    }

    fn delete(&mut self, name: &'static str) {
        self.store.delete(name).expect("deleted");
        until_purged(&self.store, name);
        self.streams.remove(name);
        self.events.push((StreamEventKind::Deleted, name));
    }

    fn reopen(&mut self) {
        self.store.close().expect("closed");
        self.store = self.home.open();
        for model in self.streams.values_mut() {
            model.turn = 0;
        }
        self.compare();
    }

    fn compare(&mut self) {
        let prefix = if self.random.bool() { "a" } else { "" };
        let wanted: Vec<_> = self
            .streams
            .keys()
            .filter(|name| name.starts_with(prefix))
            .collect();
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let how = ListOptions::new().prefix(prefix).start_after(&after).limit(2);
            let page = self.store.list(&how).expect("listed");
            found.extend(page.items.into_iter().map(|info| info.name));
            match found.last().filter(|_| page.has_more) {
                Some(last) => after.clone_from(last),
                None => break,
            }
        }
        assert!(found.iter().eq(wanted), "{found:?}");
        for (name, model) in &self.streams {
            let stream = self.store.stream(name).expect("there");
            compare(&stream, model);
        }
    }

    fn compare_events(&self) {
        let mut events = self.store.events(Start::Oldest);
        let found = events.next(100_000, Some(Duration::ZERO)).expect("read");
        let found = found.iter().filter(|event| event.kind != StreamEventKind::Purged);
        let found: Vec<_> = found.map(|event| (event.kind, event.stream.as_str())).collect();
        assert_eq!(found, self.events);
    }
}

impl Part {
    fn published(&mut self, offset: u64, value: String) {
        assert!(offset >= self.end, "{offset} after {}", self.end);
        self.end = offset + 1;
        self.messages.push((offset, value));
    }
}

fn compare(stream: &Stream, model: &Modelled) {
    let info = stream.info().expect("described");
    let numbers = |is: fn(&Part) -> bool| -> Vec<u32> {
        let parts = (0..).zip(&model.parts);
        parts
            .filter(|(_, part)| is(part))
            .map(|(number, _)| number)
            .collect()
    };
    assert_eq!(info.sealed, numbers(|part| part.is_sealed));
    assert_eq!(info.paused, numbers(|part| part.is_paused));
    assert_eq!(info.partitions, model.count());
    let config = stream.config().expect("configured");
    assert_eq!(config.time_index, Some(model.has_time_index));
    for (number, part) in (0..).zip(&model.parts) {
        let found = values(stream, number);
        if part.is_paused {
            assert!(matches!(found, Err(Error::Paused { .. })), "{found:?}");
            continue;
        }
        let wanted = part.messages.iter().map(|(_, value)| value);
        assert!(found.expect("read").iter().eq(wanted), "{}/{number}", info.name);
        let log = stream.partition(number).expect("there");
        assert_eq!(log.is_sealed().expect("known"), part.is_sealed);
    }
}
