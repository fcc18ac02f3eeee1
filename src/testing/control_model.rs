//! Random publishes with conditions and control records, and removals in between, compared with a
//! simple model.

use std::collections::BTreeMap;

use super::control_support::{how, outline, read, read_options, token};
use super::support::{Random, all, offsets, offsets_from};
use super::{Case, Factory, Setup, case};
use crate::{Ack, Control, Error, Log, NewMessage, PublishOptions, Result, Start, Stop};

pub(super) const CASES: &[Case] = case::list![control:
    random_publishes_under_conditions_agree_with_a_model,
    random_publishes_to_a_log_that_requires_tokens_agree_with_a_model,
];

const TOKENS: [&str; 3] = ["", "a", "b"];
const KEYS: [&[u8]; 3] = [b"", b"k", b"never"];

/// What a log should hold.
#[derive(Default)]
struct Model {
    requires_token: bool,
    start: u64,
    next: u64,
    token: &'static str,
    is_sealed: bool,
    /// The messages and the place of each one's key in [`KEYS`].
    messages: BTreeMap<u64, usize>,
    controls: BTreeMap<u64, Control>,
    /// The batches of each producer by their sequences.
    producers: BTreeMap<u64, BTreeMap<u64, (u64, u64)>>,
}

/// A publish that is drawn at random.
#[derive(Debug)]
struct Draw {
    keys: Vec<usize>,
    controls: Vec<Control>,
    token: Option<&'static str>,
    next_offset: Option<u64>,
    key: Option<(usize, Option<u64>)>,
    producer: Option<(u64, u64)>,
}

impl Draw {
    fn new(random: &mut Random, model: &Model) -> Draw {
        let keys: Vec<usize> = (0..random.index(4)).map(|_| random.index(2)).collect();
        let last_control = model.next + keys.len() as u64 + 6;
        let controls = (0..random.index(7).saturating_sub(3)).map(|_| match random.below(10) {
            0..5 => Control::Fence(token(TOKENS[random.index(3)])),
            5..9 => Control::Trim(random.below(last_control)),
            _ => Control::Seal,
        });
        let controls = controls.collect();
        // Conditions hold more often than not, so that the log grows.
        let token = (random.below(2) == 0).then(|| match random.below(4) {
            0 => TOKENS[random.index(3)],
            _ => model.token,
        });
        let next_offset = (random.below(4) == 0).then(|| model.next + random.below(4) / 3);
        let key = (random.below(4) == 0).then(|| {
            let key = random.index(3);
            let wrong = random.below(3) == 0;
            (
                key,
                if wrong {
                    random.below(9).checked_sub(1)
                } else {
                    model.last_of(key)
                },
            )
        });
        let producer = (random.below(3) == 0).then(|| {
            let id = random.below(2);
            let last = model.producers.get(&id).and_then(|batches| batches.keys().max());
            (
                id,
                last.map_or(0, |last| (last + 3).saturating_sub(random.below(6))),
            )
        });
        Draw {
            keys,
            controls,
            token,
            next_offset,
            key,
            producer,
        }
    }

    fn how(&self) -> PublishOptions<'static> {
        let mut how = self.controls.iter().fold(how(), |how, control| how.and(*control));
        if let Some(text) = self.token {
            how = how.token(token(text));
        }
        if let Some(offset) = self.next_offset {
            how = how.expect_next_offset(offset);
        }
        if let Some((key, last)) = self.key {
            how = how.expect_key(KEYS[key], last);
        }
        if let Some((id, sequence)) = self.producer {
            how = how.producer(id, sequence);
        }
        how
    }

    fn publish(&self, log: &dyn Log) -> Result<Ack> {
        let messages: Vec<NewMessage<'_>> = self
            .keys
            .iter()
            .map(|key| NewMessage::new(KEYS[*key], b"value"))
            .collect();
        log.append(&messages, &self.how())
    }
}

/// What becomes of a publish: where the batch is, and whether it was there before, or the kind of
/// the error.
type Outcome = std::result::Result<(u64, u64, bool), &'static str>;

impl Model {
    fn last_of(&self, key: usize) -> Option<u64> {
        let with_key = self.messages.iter().filter(|(_, of)| **of == key);
        with_key.map(|(offset, _)| *offset).max()
    }

    fn publish(&mut self, draw: &Draw) -> Outcome {
        if self.is_sealed {
            return Err("sealed");
        }
        let fences = draw
            .controls
            .iter()
            .any(|control| matches!(control, Control::Fence(_)));
        let is_required = self.requires_token && !self.token.is_empty() && !fences;
        if draw
            .token
            .or(is_required.then_some(""))
            .is_some_and(|token| token != self.token)
        {
            return Err("fenced");
        }
        if draw.next_offset.is_some_and(|offset| offset != self.next) {
            return Err("another offset");
        }
        if draw.key.is_some_and(|(key, last)| last != self.last_of(key)) {
            return Err("another key");
        }
        let count = (draw.keys.len() + draw.controls.len()) as u64;
        if count == 0 {
            return Ok((self.next, self.next, false));
        }
        let (start, end) = (self.next, self.next + count);
        if let Some((id, sequence)) = draw.producer {
            let batches = self.producers.entry(id).or_default();
            match batches.get(&sequence) {
                Some((start, end)) => return Ok((*start, *end, true)),
                None if batches.keys().any(|other| *other > sequence) => return Err("out of sequence"),
                None => batches.insert(sequence, (start, end)),
            };
        }
        self.messages.extend((start..).zip(draw.keys.iter().copied()));
        self.next += draw.keys.len() as u64;
        for control in &draw.controls {
            self.control(*control);
        }
        self.trim(self.start);
        Ok((start, end, false))
    }

    fn control(&mut self, control: Control) {
        self.controls.insert(self.next, control);
        self.next += 1;
        match control {
            Control::Fence(to) => {
                let text = TOKENS.into_iter().find(|text| token(text) == to);
                self.token = text.unwrap_or_default();
            }
            Control::Trim(before) => self.start = self.start.max(before.min(self.next)),
            _ => self.is_sealed = true,
        }
    }

    fn trim(&mut self, before: u64) {
        self.start = self.start.max(before.min(self.next));
        let start = self.start;
        self.messages.retain(|offset, _| *offset >= start);
        self.controls.retain(|offset, _| *offset >= start);
    }

    /// Removes something from the log and from the model.
    fn remove(&mut self, log: &dyn Log, random: &mut Random) {
        let offset = random.below(self.next + 2);
        if random.below(3) == 0 {
            let before = self.start + (offset.saturating_sub(self.start)) / 3;
            log.trim(before).unwrap();
            self.trim(before);
        } else {
            let named = (offset..offset + 3).collect();
            log.delete(&named).unwrap();
            self.messages.retain(|offset, _| !named.contains(offset));
        }
    }

    fn check(&self, log: &dyn Log) {
        let stat = log.stat().unwrap();
        assert_eq!(
            (stat.start_offset, stat.next_offset, stat.messages),
            (self.start, self.next, self.messages.len() as u64)
        );
        assert_eq!(
            (log.token().unwrap(), log.is_sealed().unwrap()),
            (token(self.token), self.is_sealed)
        );
        let expected: Vec<u64> = self.messages.keys().copied().collect();
        assert_eq!(offsets(&all(log)), expected);
        let stopped = if self.is_sealed { Stop::Sealed } else { Stop::AtEnd };
        let whole = outline(log, Start::Oldest, &read_options());
        assert_eq!(whole, (expected.clone(), self.next, stopped));
        let controls = read(log, Start::At(self.start), &read_options().control(true)).controls;
        let controls = controls
            .iter()
            .map(|record| (record.offset, record.control.unwrap()));
        assert_eq!(controls.collect::<BTreeMap<u64, Control>>(), self.controls);
        assert_eq!(
            log.get(Start::Newest).ok().map(|newest| newest.offset),
            expected.last().copied()
        );
        let two = expected.len().saturating_sub(2);
        assert_eq!(offsets_from(log, Start::Last(2)), expected[two..]);
        for (place, key) in KEYS.iter().enumerate() {
            assert_eq!(log.offset_by_key(key).ok(), self.last_of(place));
        }
    }
}

fn outcome(result: Result<Ack>) -> Outcome {
    match result {
        Ok(ack) => Ok((ack.start.offset, ack.end.offset, ack.is_duplicate)),
        Err(Error::Sealed) => Err("sealed"),
        Err(Error::Fenced { .. }) => Err("fenced"),
        Err(Error::OffsetMismatch { .. }) => Err("another offset"),
        Err(Error::KeyMismatch { .. }) => Err("another key"),
        Err(Error::OutOfSequence { .. }) => Err("out of sequence"),
        Err(other) => panic!("{other:?}"),
    }
}

fn agree(new: Factory<'_>, requires_token: bool) {
    for seed in 1..7 {
        let setup = Setup {
            require_token: requires_token,
            ..Setup::INDEXED
        };
        let (log, mut random) = (new(setup), Random::new(seed));
        let mut model = Model {
            requires_token,
            ..Model::default()
        };
        for _ in 0..100 {
            let draw = Draw::new(&mut random, &model);
            let expected = model.publish(&draw);
            assert_eq!(outcome(draw.publish(&log)), expected, "{draw:?} of seed {seed}");
            if random.below(8) == 0 {
                model.remove(&log, &mut random);
            }
            model.check(&log);
        }
    }
}

fn random_publishes_under_conditions_agree_with_a_model(new: Factory<'_>) {
    agree(new, false);
}

fn random_publishes_to_a_log_that_requires_tokens_agree_with_a_model(new: Factory<'_>) {
    agree(new, true);
}
