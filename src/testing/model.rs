//! Random calls of all kinds, compared with a simple model: a vector that is searched from the
//! front.

use super::support::{Random, drain, drain_by_key, us};
use super::{Case, Factory, Setup, case};
use crate::{Log, Message, NewMessage, PublishOptions, Start};

pub(super) const CASES: &[Case] = case::list![
    random_batches_are_read_back_as_from_a_vector,
    random_lookups_agree_with_a_search,
    random_starts_agree_with_a_search,
];

const KEYS: [&[u8]; 5] = [b"", b"a", b"b", b"ab", b"absent"];

/// Publishes batches of random messages and returns the messages that the log must then hold.
fn publish_random(log: &dyn Log, random: &mut Random, batches: u64) -> Vec<Message> {
    let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let mut expected = Vec::new();
    for _ in 0..batches {
        let headers: Vec<(&[u8], &[u8])> = (0..random.index(4))
            .map(|_| (&bytes[..random.index(20)], &bytes[..random.index(20)]))
            .collect();
        let batch: Vec<NewMessage<'_>> = (0..random.index(6))
            .map(|_| NewMessage {
                time: Some(us(random.below(1000).cast_signed() - 100)),
                // The last of the keys is never published.
                key: KEYS[..4].get(random.index(5)).copied(),
                value: (random.below(5) > 0).then(|| &bytes[..random.index(5000)]),
                headers: &headers[..random.index(headers.len() + 1)],
            })
            .collect();
        let offset = expected.len() as u64;
        let how = match random.below(3) {
            0 => PublishOptions::new().expect_next_offset(offset),
            1 => PublishOptions::new().sync(true),
            _ => PublishOptions::new(),
        };
        let next_offset = log.publish_with(&batch, &how).unwrap();
        expected.extend((offset..).zip(batch).map(|(offset, new)| message(offset, &new)));
        assert_eq!(next_offset, expected.len() as u64);
    }
    expected
}

fn message(offset: u64, new: &NewMessage<'_>) -> Message {
    Message {
        offset,
        time: new.time.unwrap_or_default(),
        key: new.key.map(bytes::Bytes::copy_from_slice),
        value: new.value.map(bytes::Bytes::copy_from_slice),
        headers: crate::Headers::new(new.headers),
    }
}

/// Runs `check` on several logs with the messages that they must hold.
fn on_random_logs(new: Factory<'_>, check: impl Fn(&dyn Log, &[Message], &mut Random)) {
    for seed in 0..4 {
        let log = new(Setup::INDEXED);
        let mut random = Random::new(seed);
        let expected = publish_random(&log, &mut random, 40);
        check(&log, &expected, &mut random);
    }
}

/// The index of the first message at which the running maximum is at or after `time`.
fn index_of_time(expected: &[Message], time: i64) -> usize {
    let at_or_after = |m: &Message| m.time >= us(time);
    expected.iter().position(at_or_after).unwrap_or(expected.len())
}

fn random_batches_are_read_back_as_from_a_vector(new: Factory<'_>) {
    on_random_logs(new, |log, expected, random| {
        for _ in 0..10 {
            let max_count = 1 + random.index(30);
            assert!(drain(log, Start::Oldest, max_count).messages == expected);
        }
        for message in expected {
            assert_eq!(log.get(Start::At(message.offset)).unwrap(), *message);
        }
    });
}

fn random_lookups_agree_with_a_search(new: Factory<'_>) {
    on_random_logs(new, |log, expected, _| {
        for key in KEYS {
            let last = expected.iter().rfind(|m| m.key.as_deref() == Some(key));
            assert_eq!(log.get_by_key(key).ok().as_ref(), last, "key {key:?}");
        }
        for time in -110..910 {
            let first = expected.get(index_of_time(expected, time));
            assert_eq!(log.get_by_time(us(time)).ok().as_ref(), first, "time {time}");
        }
    });
}

fn random_starts_agree_with_a_search(new: Factory<'_>) {
    on_random_logs(new, |log, expected, random| {
        for _ in 0..100 {
            let index = random.index(expected.len() + 1);
            let time = random.below(1100).cast_signed() - 120;
            let (from, begin) = match random.below(3) {
                0 => (Start::At(index as u64), index),
                1 => (Start::Last(index as u64), expected.len() - index),
                _ => (Start::Time(us(time)), index_of_time(expected, time)),
            };
            let max_count = 1 + random.index(30);
            let rest = &expected[begin..];
            assert!(
                drain(log, from, max_count).messages == rest,
                "consume from {from:?}"
            );
            let key = KEYS[random.index(KEYS.len())];
            let matching: Vec<Message> = rest
                .iter()
                .filter(|m| m.key.as_deref() == Some(key))
                .cloned()
                .collect();
            let by_key = drain_by_key(log, key, from, max_count).messages;
            assert!(by_key == matching, "consume_by_key {key:?} from {from:?}");
        }
    });
}
