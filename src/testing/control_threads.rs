use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use super::control_support::{M, control, fence, how, read, read_options, token, with_token};
use super::support::{SetOnDrop, all, assert_fails, in_threads, join, offsets};
use super::{Case, Factory, Setup, case};
use crate::{Control, Error, Log, NewMessage, PublishOptions, Result, Start, Stop};

pub(super) const CASES: &[Case] = case::list![control:
    of_threads_that_fence_with_the_same_token_one_wins,
    of_threads_that_expect_the_same_of_a_key_one_wins,
    of_threads_that_publish_the_same_sequence_one_writes,
    of_threads_that_seal_one_succeeds,
    nothing_with_the_old_token_is_published_behind_a_fence,
    nothing_is_published_behind_a_seal,
    a_reader_beside_a_seal_reads_all_and_then_stops,
    producers_that_repeat_everything_write_everything_once,
    trim_controls_beside_readers_and_publishers_keep_the_order,
    a_read_that_names_no_offset_never_fails_for_a_trim_beside_it,
];

const THREADS: u64 = 4;

/// Runs `publish` in several threads at once, and returns what each of them gets.
fn race<T: Send>(publish: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let (barrier, results) = (Barrier::new(4), Mutex::new(Vec::new()));
    in_threads(THREADS, |thread| {
        barrier.wait();
        let result = publish(thread);
        results.lock().unwrap().push(result);
    });
    results.into_inner().unwrap()
}

/// How many have succeeded. Panics if one has failed with another error than one that is right.
fn count_won<T>(results: Vec<Result<T>>, is_right: impl Fn(&Error) -> bool) -> usize {
    let won = results.iter().filter(|result| result.is_ok()).count();
    for error in results.into_iter().filter_map(Result::err) {
        assert!(is_right(&error), "{error:?}");
    }
    won
}

fn of_threads_that_fence_with_the_same_token_one_wins(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for round in 0..100 {
        let before = log.token().unwrap();
        let results = race(|thread| {
            let next = Control::Fence(token(&format!("{round} of {thread}")));
            log.append(&[M], &how().token(before).and(next))
        });
        let is_fenced =
            |error: &Error| matches!(error, Error::Fenced { expected, .. } if **expected == before);
        assert_eq!(count_won(results, is_fenced), 1);
        assert_eq!(log.next_offset().unwrap(), 2 * (round + 1));
    }
}

fn of_threads_that_expect_the_same_of_a_key_one_wins(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    for round in 0..100_u64 {
        let last = round.checked_sub(1);
        let message = NewMessage::new(b"key", b"value");
        let results = race(|_| log.append(&[message], &how().expect_key(b"key", last)));
        let is_mismatch = |error: &Error| {
            matches!(error, Error::KeyMismatch { expected, actual }
                if *expected == last && *actual == Some(round))
        };
        assert_eq!(count_won(results, is_mismatch), 1);
        assert_eq!(log.next_offset().unwrap(), round + 1);
    }
}

fn of_threads_that_publish_the_same_sequence_one_writes(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for round in 0..100 {
        let acks = race(|_| log.append(&[M, M], &how().producer(7, round)).unwrap());
        assert_eq!(acks.iter().filter(|ack| !ack.is_duplicate).count(), 1);
        let places = |ack: &crate::Ack| (ack.start, ack.end);
        assert!(acks.iter().all(|ack| places(ack) == places(&acks[0])));
        assert_eq!(
            (acks[0].start.offset, log.next_offset().unwrap()),
            (2 * round, 2 * round + 2)
        );
    }
}

fn of_threads_that_seal_one_succeeds(new: Factory<'_>) {
    for _ in 0..20 {
        let log = new(Setup::PLAIN);
        let results = race(|_| log.append(&[M], &how().and(Control::Seal)));
        assert_eq!(count_won(results, |error| matches!(error, Error::Sealed)), 1);
        assert_eq!(log.next_offset().unwrap(), 2);
    }
}

/// Publishes one message after another until that is refused, in three threads, while `end` puts an
/// end to it. Returns how many were published.
fn publish_until(
    log: &dyn Log,
    how: &PublishOptions<'_>,
    is_right: fn(&Error) -> bool,
    end: impl FnOnce(),
) -> u64 {
    let (published, is_ended) = (AtomicU64::new(0), AtomicBool::new(false));
    let publish_on = || loop {
        let was_ended = is_ended.load(Ordering::Acquire);
        match log.append(&[M], how) {
            Ok(_) => assert!(!was_ended, "a message was published behind the end"),
            Err(error) => return assert!(is_right(&error), "{error:?}"),
        }
        published.fetch_add(1, Ordering::Relaxed);
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(publish_on)).collect();
        // The others go on until then, also if this one panics.
        let ended = SetOnDrop(&is_ended);
        thread::yield_now();
        end();
        drop(ended);
        threads.into_iter().for_each(join);
    });
    published.into_inner()
}

fn nothing_with_the_old_token_is_published_behind_a_fence(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    fence(&log, "a");
    let is_fenced = |error: &Error| matches!(error, Error::Fenced { .. });
    let published = publish_until(&log, &with_token("a"), is_fenced, || {
        fence(&log, "b");
    });
    // The fences are at both ends.
    assert_fails!(
        log.get(Start::At(log.next_offset().unwrap() - 1)),
        Error::NotFound
    );
    assert_eq!(log.next_offset().unwrap(), 2 + published);
    assert_eq!(all(&log).len() as u64, published);
}

fn nothing_is_published_behind_a_seal(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let is_sealed = |error: &Error| matches!(error, Error::Sealed);
    let published = publish_until(&log, &how(), is_sealed, || {
        control(&log, Control::Seal);
    });
    assert_fails!(
        log.get(Start::At(log.next_offset().unwrap() - 1)),
        Error::NotFound
    );
    assert_eq!(log.next_offset().unwrap(), 1 + published);
    assert_eq!(log.stat().unwrap().messages, published);
}

fn a_reader_beside_a_seal_reads_all_and_then_stops(new: Factory<'_>) {
    for _ in 0..10 {
        let log = new(Setup::PLAIN);
        thread::scope(|scope| {
            let publisher = scope.spawn(|| {
                for _ in 0..20 {
                    log.publish(&[M]).unwrap();
                }
                log.append(&[M], &how().and(Control::Seal)).unwrap();
            });
            let (mut at, mut found) = (Start::Oldest, Vec::new());
            loop {
                let is_last = publisher.is_finished();
                let batch = read(&log, at, &read_options());
                at = Start::At(batch.next_offset);
                found.extend(offsets(&batch.messages));
                if batch.stopped == Stop::Sealed {
                    break;
                }
                assert!(
                    !is_last,
                    "behind the seal, reading stops with {:?}",
                    batch.stopped
                );
                thread::yield_now();
            }
            join(publisher);
            assert_eq!((found, at), ((0..21).collect(), Start::At(22)));
        });
    }
}

fn producers_that_repeat_everything_write_everything_once(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    in_threads(THREADS, |id| {
        for sequence in 0..50 {
            let value = format!("{id} {sequence}");
            let batch = [NewMessage::value(value.as_bytes())];
            let how = how().producer(id, sequence);
            let first = log.append(&batch, &how).unwrap();
            let again = log.append(&batch, &how).unwrap();
            assert_eq!((again.start, again.end), (first.start, first.end));
            assert!(again.is_duplicate && !first.is_duplicate);
        }
    });
    let values: std::collections::BTreeSet<_> = all(&log).into_iter().map(|m| m.value).collect();
    assert_eq!((values.len(), log.next_offset().unwrap()), (200, 200));
}

fn trim_controls_beside_readers_and_publishers_keep_the_order(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let _done = SetOnDrop(&is_done);
            for end in (0..300).step_by(3) {
                let trim = Control::Trim(u64::saturating_sub(end, 3));
                log.append(&[M, M], &how().and(trim)).unwrap();
            }
        });
        let mut at = Start::Oldest;
        while !is_done.load(Ordering::Acquire) {
            match log.read(at, &read_options()) {
                Ok(batch) => {
                    assert!(offsets(&batch.messages).iter().all(|offset| offset % 3 != 2));
                    at = Start::At(batch.next_offset);
                }
                Err(error) => {
                    // Only who asks for an offset can ask for one that is trimmed.
                    assert!(error.is_trimmed() && at != Start::Oldest, "{at:?}: {error:?}");
                    at = Start::Oldest;
                }
            }
        }
        join(publisher);
    });
    assert_eq!(
        (log.start_offset().unwrap(), log.next_offset().unwrap()),
        (294, 300)
    );
}

fn a_read_that_names_no_offset_never_fails_for_a_trim_beside_it(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let _done = SetOnDrop(&is_done);
            for _ in 0..200 {
                log.append(&[M, M], &how().and(Control::Trim(u64::MAX))).unwrap();
            }
        });
        while !is_done.load(Ordering::Acquire) {
            for from in [Start::Oldest, Start::Newest, Start::Last(2)] {
                let batch = log.read(from, &read_options()).unwrap();
                assert!(batch.next_offset <= batch.tail.offset);
            }
        }
        join(publisher);
    });
    assert_eq!(log.start_offset().unwrap(), 600);
}
