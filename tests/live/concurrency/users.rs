//! Those who use a log: publishers, readers of every kind, and somebody who takes files away.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use duramen::{Error, FileLog, Log, NewMessage, Start};
use fastrand::Rng;

use super::truth::{KEYS, PUBLISHERS, Truth, key_of, number, time_of, value_of};

/// Publishes one and many at a time until it is over, or the log is closed.
fn publish(log: &FileLog, truth: &Truth, publisher: u64) -> u64 {
    let mut random = Rng::with_seed(truth.seed ^ publisher);
    let mut sequence = 0;
    loop {
        let count = if random.u8(..3) == 0 {
            1 + random.u64(..6)
        } else {
            1
        };
        let numbers: Vec<u64> = (sequence..sequence + count)
            .map(|n| number(publisher, n))
            .collect();
        let parts: Vec<([u8; 8], Vec<u8>)> = numbers
            .iter()
            .map(|n| (key_of(*n).to_le_bytes(), value_of(*n)))
            .collect();
        let messages: Vec<NewMessage<'_>> = parts
            .iter()
            .zip(&numbers)
            .map(|((key, value), n)| NewMessage::new(key, value).time(time_of(*n)))
            .collect();
        let next_offset = match log.publish(&messages) {
            Ok(next_offset) => next_offset,
            Err(Error::Closed) => return sequence,
            Err(error) => panic!("publish: {error:?}"),
        };
        for (offset, number) in (next_offset - count..).zip(&numbers) {
            truth.note(offset, *number);
            truth.newest(key_of(*number)).store(offset, Ordering::Relaxed);
        }
        sequence += count;
        if truth.is_over(next_offset) {
            return sequence;
        }
    }
}

/// The answer, or `None` when the log is closed or, before the first message, there is none.
fn answer<T>(answer: duramen::Result<T>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(Error::Closed | Error::NotFound) => None,
        Err(error) => panic!("reading: {error:?}"),
    }
}

fn is_closed(log: &FileLog) -> bool {
    matches!(log.next_offset(), Err(Error::Closed))
}

/// Follows the log from its start: offsets are dense and each publisher's messages in order.
pub(super) fn follow(log: &FileLog, truth: &Truth, visible_is_durable: bool) -> u64 {
    let mut next = 0;
    let mut expected = vec![0; usize::try_from(PUBLISHERS).expect("a few")];
    loop {
        let ends = truth.is_complete.load(Ordering::Acquire);
        let Some(batch) = answer(log.consume(Start::At(next), 64)) else {
            return next;
        };
        if let Some(synced) = visible_is_durable.then(|| answer(log.synced_offset())).flatten() {
            assert!(
                batch.next_offset <= synced,
                "{} is visible, {synced} durable",
                batch.next_offset
            );
        }
        for message in &batch {
            assert_eq!(message.offset, next);
            let number = truth.recognise(message);
            let sequence = &mut expected[usize::try_from(number >> 48).expect("small")];
            assert_eq!(number & ((1 << 48) - 1), *sequence, "offset {next}: out of order");
            *sequence += 1;
            next += 1;
        }
        assert_eq!(batch.next_offset, next);
        if batch.messages.is_empty() && ends {
            return next;
        }
    }
}

/// Reads at random by offset, by key and by time.
fn look_up(log: &FileLog, truth: &Truth, reader: u64) {
    let mut random = Rng::with_seed(truth.seed ^ reader << 8);
    while !truth.is_over(0) && !is_closed(log) {
        let Some(next) = answer(log.next_offset()) else {
            return;
        };
        if let Some(offset) = next.checked_sub(1).map(|last| random.u64(..=last)) {
            if let Some(message) = answer(log.get(Start::At(offset))) {
                assert_eq!(message.offset, offset);
                truth.recognise(&message);
            } else {
                assert!(is_closed(log), "offset {offset} of {next} is not there");
            }
        }
        let key = random.u64(..PUBLISHERS * KEYS);
        let newest = truth.newest(key).load(Ordering::Relaxed);
        match answer(log.get_by_key(&key.to_le_bytes())) {
            Some(message) => {
                assert_eq!(key_of(truth.recognise(&message)), key);
                assert!(
                    message.offset >= newest,
                    "key {key}: {} is older than {newest}",
                    message.offset
                );
            }
            None => assert!(
                newest == 0 || is_closed(log),
                "key {key} is not found, but was at {newest}"
            ),
        }
        let from = Start::Last(1 + random.u64(..200));
        let mut before = 0;
        for message in answer(log.consume_by_key(&key.to_le_bytes(), from, 5))
            .into_iter()
            .flatten()
        {
            assert_eq!(key_of(truth.recognise(&message)), key);
            assert!(message.offset >= before);
            before = message.offset + 1;
        }
        let time = time_of(random.u64(..=next));
        if let Some(message) = answer(log.get_by_time(time)) {
            truth.recognise(&message);
            assert!(message.time >= time);
        }
    }
}

/// Scans from anywhere to the end, again and again.
fn scan(log: &FileLog, truth: &Truth) {
    let mut random = Rng::with_seed(truth.seed ^ 0x4d);
    while !truth.is_over(0) && !is_closed(log) {
        let from = Start::Last(random.u64(..5000));
        let Some(mut scan) = answer(log.scan(from)) else {
            continue;
        };
        let mut next = scan.next_offset();
        loop {
            let message = match scan.next() {
                Ok(Some(message)) => message,
                Ok(None) | Err(Error::Closed) => break,
                Err(error) => panic!("scan: {error:?}"),
            };
            assert_eq!(message.offset, next);
            let value = message.value.expect("a value");
            let number = u64::from_le_bytes(*value.first_chunk().expect("a number"));
            assert!(
                value == value_of(number) && message.time == time_of(number),
                "offset {next}"
            );
            truth.note(next, number);
            next += 1;
        }
    }
}

/// Takes files away from readers, and asks what there is.
fn collect(log: &FileLog, truth: &Truth) {
    while !truth.is_over(0) && answer(log.gc(Duration::ZERO)).is_some() {
        if let Some(stats) = answer(log.stat()) {
            assert!(
                stats.synced_offset <= stats.next_offset && stats.messages == stats.next_offset,
                "{stats:?}"
            );
        }
        thread::sleep(Duration::from_micros(200));
    }
}

/// Runs all kinds of users on the log until `end` returns; returns how many messages were published.
pub(super) fn run(log: &FileLog, truth: &Truth, visible_is_durable: bool, end: impl FnOnce()) -> u64 {
    thread::scope(|scope| {
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|p| scope.spawn(move || publish(log, truth, p)))
            .collect();
        let follower = scope.spawn(move || follow(log, truth, visible_is_durable));
        for reader in 1..3 {
            scope.spawn(move || look_up(log, truth, reader));
        }
        scope.spawn(|| scan(log, truth));
        scope.spawn(|| collect(log, truth));
        end();
        truth.stop.store(true, Ordering::Relaxed);
        let published = publishers
            .into_iter()
            .map(|p| p.join().expect("a publisher"))
            .sum();
        truth.is_complete.store(true, Ordering::Release);
        let seen_following = follower.join().expect("a reader");
        assert!(
            seen_following == published || is_closed(log) && seen_following <= published,
            "{seen_following} of {published}"
        );
        published
    })
}
