use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::support::{
    SetOnDrop, all, check_batch, drain, in_threads, join, key_offsets_from, number, offsets, publish_numbers,
    publish_one, us,
};
use super::{Case, Factory, Setup, case};
use crate::{Log, NewMessage, Start};

pub(super) const CASES: &[Case] = case::list![
    publishers_are_given_every_offset_once,
    messages_of_a_thread_keep_their_order,
    batches_of_different_threads_do_not_mix,
    a_publisher_is_told_the_offsets_of_its_own_batch,
    a_reader_sees_whole_batches_only,
    a_reader_follows_a_publisher_without_gaps,
    a_reader_never_sees_the_end_go_back,
    everything_below_the_next_offset_can_be_read,
    a_key_lookup_never_goes_back,
    a_key_lookup_sees_what_another_thread_was_told,
    a_time_lookup_finds_what_was_there_before,
    stat_while_others_publish_is_within_bounds,
    gc_while_others_publish_and_read_is_harmless,
    many_readers_read_the_same,
];

const THREADS: u64 = 4;
const BATCHES: u64 = 50;
const BATCH_LEN: u64 = 7;

/// The least number of publishes and of reads in [`while_publishing`].
const COUNT_MIN: u64 = 200;
const READS_MIN: u64 = 20;

/// Runs `publish(thread, batch)` for every thread and batch, all threads at once.
pub(super) fn on_all_threads(publish: impl Fn(u64, u64) + Sync) {
    let barrier = Barrier::new(THREADS.try_into().unwrap_or(1));
    in_threads(THREADS, |thread| {
        barrier.wait();
        (0..BATCHES).for_each(|batch| publish(thread, batch));
    });
}

/// Calls `publish` for the numbers from 0 on while another thread calls `read` again and again, and
/// once more at the end. Goes on until the two have really run side by side, however busy the
/// machine is. Returns how many numbers were published.
pub(super) fn while_publishing(publish: impl Fn(u64), mut read: impl FnMut() + Send) -> u64 {
    let done = &AtomicBool::new(false);
    // A read counts only if something was published since the read before it.
    let (published, reads) = (&AtomicU64::new(0), &AtomicU64::new(0));
    let deadline = Instant::now() + Duration::from_secs(10);
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut published_before = 0;
            while !done.load(Ordering::Acquire) {
                read();
                let published = published.load(Ordering::Relaxed);
                reads.fetch_add(u64::from(published != published_before), Ordering::Relaxed);
                published_before = published;
            }
            read();
        });
        // If this thread panics, the reader must end too.
        let set_done = SetOnDrop(done);
        let mut count = 0;
        while count < COUNT_MIN || reads.load(Ordering::Relaxed) < READS_MIN {
            publish(count);
            count += 1;
            published.store(count, Ordering::Relaxed);
            if count > COUNT_MIN {
                // The log should not grow without bounds while the reader gets no processor time.
                thread::sleep(Duration::from_micros(100));
            }
            if reader.is_finished() || Instant::now() > deadline {
                break;
            }
        }
        drop(set_done);
        join(reader);
        count
    })
}

/// Publishes [`BATCH_LEN`] numbers. They continue from one batch to the next.
pub(super) fn publish_batch(log: &dyn Log, batch: u64) {
    publish_numbers(log, batch * BATCH_LEN..(batch + 1) * BATCH_LEN);
}

fn publishers_are_given_every_offset_once(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    on_all_threads(|thread, batch| publish_numbers(&log, thread..thread + 1 + batch % 3));
    let count: u64 = (0..BATCHES).map(|batch| 1 + batch % 3).sum::<u64>() * THREADS;
    assert_eq!(offsets(&all(&log)), (0..count).collect::<Vec<u64>>());
    assert_eq!(log.next_offset().unwrap(), count);
    assert_eq!(log.stat().unwrap().messages, count);
}

fn messages_of_a_thread_keep_their_order(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    on_all_threads(|thread, batch| {
        let value = batch.to_string();
        publish_one(&log, NewMessage::new(&thread.to_le_bytes(), value.as_bytes()));
    });
    let messages = all(&log);
    for thread in 0..THREADS {
        let of_thread = messages
            .iter()
            .filter(|m| m.key.as_deref() == Some(&thread.to_le_bytes()[..]))
            .map(number)
            .collect::<Vec<u64>>();
        assert_eq!(of_thread, (0..BATCHES).collect::<Vec<u64>>());
        assert_eq!(
            key_offsets_from(&log, &thread.to_le_bytes(), Start::Oldest).len() as u64,
            BATCHES
        );
    }
}

fn batches_of_different_threads_do_not_mix(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    on_all_threads(|thread, batch| {
        let begin = (thread * BATCHES + batch) * BATCH_LEN;
        publish_numbers(&log, begin..begin + BATCH_LEN);
    });
    let numbers: Vec<u64> = all(&log).iter().map(number).collect();
    let mut seen = BTreeSet::new();
    for batch in numbers.chunks(7) {
        let begin = batch[0];
        assert_eq!(begin % BATCH_LEN, 0, "a batch begins within another");
        assert_eq!(batch, (begin..begin + BATCH_LEN).collect::<Vec<u64>>());
        assert!(seen.insert(begin), "a batch is there twice");
    }
    assert_eq!(seen.len() as u64, THREADS * BATCHES);
}

fn a_publisher_is_told_the_offsets_of_its_own_batch(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    on_all_threads(|thread, batch| {
        let value = (thread * BATCHES + batch).to_string();
        let message = NewMessage::value(value.as_bytes());
        let next_offset = log.publish(&[message, message]).unwrap();
        for offset in next_offset - 2..next_offset {
            let read = log.get(Start::At(offset)).unwrap();
            assert_eq!(read.value.as_deref(), Some(value.as_bytes()));
        }
    });
}

fn a_reader_sees_whole_batches_only(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let check = |offset: u64| assert_eq!(offset % BATCH_LEN, 0, "the end is within a batch");
    let read = || {
        check(log.next_offset().unwrap());
        check(log.stat().unwrap().next_offset);
        let newest = log.consume(Start::Newest, 1).unwrap().next_offset;
        check(newest);
        check(drain(&log, Start::At(newest), 100).next_offset);
        if let Ok(last) = log.get(Start::Newest) {
            check(last.offset + 1);
        }
    };
    while_publishing(|batch| publish_batch(&log, batch), read);
}

fn a_reader_follows_a_publisher_without_gaps(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let mut read = Vec::new();
    let mut at = 0;
    let batches = while_publishing(
        |batch| publish_batch(&log, batch),
        || {
            let end = log.next_offset().unwrap();
            while at < end {
                let batch = log.consume(Start::At(at), 10).unwrap();
                check_batch(Start::At(at), 10, &batch);
                assert!(batch.next_offset > at, "no progress at {at} of {end}");
                read.extend(batch.messages.iter().map(number));
                at = batch.next_offset;
            }
        },
    );
    assert_eq!(read, (0..batches * BATCH_LEN).collect::<Vec<u64>>());
}

fn a_reader_never_sees_the_end_go_back(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let mut end = 0;
    let mut at_least = |seen: u64| {
        assert!(seen >= end, "the end went from {end} back to {seen}");
        end = seen;
    };
    let read = || {
        at_least(log.next_offset().unwrap());
        at_least(log.consume(Start::Newest, 1).unwrap().next_offset);
        at_least(log.stat().unwrap().next_offset);
        if let Ok(last) = log.get(Start::Newest) {
            at_least(last.offset + 1);
        }
    };
    while_publishing(|batch| publish_batch(&log, batch), read);
}

fn everything_below_the_next_offset_can_be_read(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let read = || {
        let end = log.next_offset().unwrap();
        if let Some(last) = end.checked_sub(1) {
            assert_eq!(number(&log.get(Start::At(last)).unwrap()), last);
            let middle = last / 2;
            assert_eq!(number(&log.get(Start::At(middle)).unwrap()), middle);
            let messages = drain(&log, Start::At(last.saturating_sub(100)), 30).messages;
            assert!(messages.iter().all(|m| number(m) == m.offset));
            assert!(messages.last().is_some_and(|m| m.offset >= last));
        }
    };
    while_publishing(|batch| publish_batch(&log, batch), read);
}

fn a_key_lookup_never_goes_back(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_one(&log, NewMessage::new(b"key", b"0"));
    let publish = |count: u64| {
        let value = (count + 1).to_string();
        let other = NewMessage::new(b"other", b"value");
        log.publish(&[other, NewMessage::new(b"key", value.as_bytes())])
            .unwrap();
    };
    let mut last = 0;
    let read = || {
        let message = log.get_by_key(b"key").unwrap();
        assert!(message.offset >= last, "from {last} back to {}", message.offset);
        assert_eq!(number(&message) * 2, message.offset);
        last = message.offset;
    };
    let count = while_publishing(publish, read);
    assert_eq!(log.offset_by_key(b"key").unwrap(), count * 2);
}

fn a_key_lookup_sees_what_another_thread_was_told(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    on_all_threads(|thread, batch| {
        let mine = thread.to_le_bytes();
        let offset = publish_one(&log, NewMessage::new(&mine, b"mine"));
        assert_eq!(log.offset_by_key(&mine).unwrap(), offset);
        let shared = publish_one(&log, NewMessage::new(b"shared", &batch.to_le_bytes()));
        assert!(log.offset_by_key(b"shared").unwrap() >= shared);
    });
}

fn a_time_lookup_finds_what_was_there_before(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    publish_one(&log, NewMessage::value(b"0").time(us(0)));
    let publish = |count: u64| {
        let time = us(count.cast_signed() + 1);
        publish_one(&log, NewMessage::value(b"x").time(time));
    };
    let read = || {
        let last = log.next_offset().unwrap() - 1;
        for offset in [0, last / 3, last] {
            let time = us(offset.cast_signed());
            assert_eq!(log.offset_by_time(time).unwrap(), (offset, time));
        }
    };
    while_publishing(publish, read);
}

fn stat_while_others_publish_is_within_bounds(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let read = || {
        let before = log.next_offset().unwrap();
        let stats = log.stat().unwrap();
        let after = log.next_offset().unwrap();
        let bounds = before..=after;
        assert!(
            bounds.contains(&stats.next_offset) && bounds.contains(&stats.messages),
            "{stats:?} between {before} and {after}"
        );
        assert!(stats.synced_offset <= after, "{stats:?}");
    };
    while_publishing(|batch| publish_batch(&log, batch), read);
}

fn gc_while_others_publish_and_read_is_harmless(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let mut held = Vec::new();
    let read = || {
        held.extend(log.get(Start::Newest).ok());
        log.gc(Duration::ZERO).unwrap();
        let messages = drain(&log, Start::Last(20), 6).messages;
        assert!(messages.iter().all(|m| number(m) == m.offset));
    };
    while_publishing(|batch| publish_batch(&log, batch), read);
    drop(log);
    assert!(held.iter().all(|m| number(m) == m.offset));
}

fn many_readers_read_the_same(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    (0..COUNT_MIN).for_each(|batch| publish_batch(&log, batch));
    let expected = all(&log);
    on_all_threads(|thread, batch| {
        if batch < 10 {
            let max_count = 1 + usize::try_from(thread * 10 + batch).unwrap_or(0);
            assert!(drain(&log, Start::Oldest, max_count).messages == expected);
        }
    });
}
