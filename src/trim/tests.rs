use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{age, size};
use super::{by_age, by_count, by_offset, by_size, find_by_age, find_by_count, find_by_offset, find_by_size};
use crate::{Error, Log, MemoryLog, NewMessage, Options, Start, Timestamp};

fn us(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn with_times(is_indexed: bool, times: &[i64]) -> MemoryLog {
    let log = MemoryLog::with_options(&Options::new().time_index(is_indexed));
    let messages: Vec<_> = times
        .iter()
        .map(|time| NewMessage::value(b"v").time(us(*time)))
        .collect();
    log.publish(&messages).unwrap();
    log
}

fn with_messages(count: usize) -> MemoryLog {
    let log = MemoryLog::new();
    log.publish(&vec![NewMessage::value(b"v"); count]).unwrap();
    log
}

fn offsets(log: &MemoryLog) -> Vec<u64> {
    let messages = log.consume(Start::Oldest, usize::MAX).unwrap().messages;
    messages.iter().map(|message| message.offset).collect()
}

/// Goal: the cut by age is the same with and without a time index. Method: lists of times with the
/// right cut for each, where `oldest_kept` is 100 and the time now is 200.
#[test]
fn the_cut_by_age_is_before_the_first_that_is_young_enough() {
    let cases: [(&[i64], u64); 16] = [
        (&[], 0),
        (&[100], 0),
        (&[99], 1),
        (&[10, 20, 30], 3),
        (&[10, 20, 100, 150], 2),
        (&[10, 150, 20, 30, 160], 1),
        (&[150, 20, 30], 0),
        (&[10, 20, 200], 2),
        // From the future, and no later message tells its age.
        (&[201], 0),
        (&[10, 201], 1),
        (&[10, 201, 202, i64::MAX], 1),
        // As old as the message that follows.
        (&[10, 201, 20], 3),
        (&[10, 201, 20, 150], 3),
        (&[10, 201, 202, 150, 20], 1),
        (&[201, 10, 202, 20, 203, 110], 4),
        (&[201, 10, 202, 20, 203], 4),
    ];
    for (times, cut) in cases {
        for is_indexed in [true, false] {
            let log = with_times(is_indexed, times);
            assert_eq!(age::find(&log, us(100), us(200)).unwrap(), cut, "{times:?}");
        }
    }
}

/// Many more messages than are read at a time.
#[test]
fn the_cut_by_age_is_found_in_long_logs() {
    let mut times: Vec<i64> = (0..5000).collect();
    times[2] = 1 << 40;
    times[4500] = 1 << 40;
    for is_indexed in [true, false] {
        let log = with_times(is_indexed, &times);
        assert_eq!(age::find(&log, us(4000), us(5000)).unwrap(), 4000);
        assert_eq!(age::find(&log, us(4500), us(5000)).unwrap(), 4500);
        assert_eq!(age::find(&log, us(5000), us(5001)).unwrap(), 5000);
        assert_eq!(age::find(&log, us(0), us(5000)).unwrap(), 0);
    }
}

#[test]
fn by_age_goes_by_the_clock() {
    let log = MemoryLog::new();
    let day = Duration::from_secs(86_400);
    let days_ago = |days| NewMessage::default().time(Timestamp::now().saturating_sub(day * days));
    let messages = [days_ago(9), days_ago(8), days_ago(6), days_ago(0)];
    log.publish(&messages).unwrap();
    assert_eq!(find_by_age(&log, day * 10).unwrap(), 0);
    assert_eq!(find_by_age(&log, Duration::MAX).unwrap(), 0);
    assert_eq!(by_age(&log, day * 7).unwrap().count, 2);
    assert_eq!(by_age(&log, day * 7).unwrap().count, 0);
    assert_eq!(offsets(&log), [2, 3]);
    thread::sleep(Duration::from_millis(1));
    assert_eq!(by_age(&log, Duration::ZERO).unwrap().count, 2);
    assert_eq!((log.start_offset().unwrap(), log.next_offset().unwrap()), (4, 4));
}

#[test]
fn by_offset_and_its_cut_stay_within_the_log() {
    let log = with_messages(10);
    for (before, cut, count) in [(0, 0, 0), (4, 4, 4), (2, 4, 0), (10, 10, 6), (u64::MAX, 10, 0)] {
        assert_eq!(find_by_offset(&log, before).unwrap(), cut);
        assert_eq!(by_offset(&log, before).unwrap().count, count);
        assert_eq!(log.start_offset().unwrap(), cut);
    }
}

#[test]
fn by_count_counts_messages_and_not_offsets() {
    let log = with_messages(10);
    log.delete(&BTreeSet::from([0, 3, 6, 8, 9])).unwrap();
    for (count_max, kept) in [
        (u64::MAX, &[1, 2, 4, 5, 7][..]),
        (5, &[1, 2, 4, 5, 7]),
        (4, &[2, 4, 5, 7]),
        (2, &[5, 7]),
        (0, &[]),
    ] {
        let cut = find_by_count(&log, count_max).unwrap();
        by_count(&log, count_max).unwrap();
        assert_eq!(log.start_offset().unwrap(), cut);
        assert_eq!(offsets(&log), kept);
    }
    assert_eq!(log.next_offset().unwrap(), 10);
}

/// A trim that removes nothing leaves the start offset alone, even if the first messages were
/// deleted.
#[test]
fn a_trim_that_removes_nothing_moves_nothing() {
    let log = with_messages(10);
    log.delete(&(0..5).collect()).unwrap();
    by_count(&log, 5).unwrap();
    by_size(&log, u64::MAX).unwrap();
    by_age(&log, Duration::MAX).unwrap();
    assert_eq!(log.start_offset().unwrap(), 0);
    log.delete(&(5..10).collect()).unwrap();
    by_count(&log, 0).unwrap();
    by_size(&log, 0).unwrap();
    by_age(&log, Duration::ZERO).unwrap();
    assert_eq!(log.start_offset().unwrap(), 0);
}

/// Goal: the cut by size keeps as many of the newest messages as fit, for any step length. Method:
/// messages of many sizes with gaps, compared with a plain sum from the end.
#[test]
fn the_cut_by_size_is_that_of_a_plain_sum() {
    let log = MemoryLog::new();
    let value = [0; 100];
    let messages: Vec<_> = (0..100)
        .map(|i| NewMessage::value(&value[..i * 37 % 100]))
        .collect();
    log.publish(&messages).unwrap();
    log.delete(&(0..100).filter(|i| i % 3 == 0 || *i > 97).collect())
        .unwrap();
    let all = log.consume(Start::Oldest, usize::MAX).unwrap().messages;
    let total = log.stat().unwrap().size;
    for size_max in (0..total + 50).step_by(7).chain([total - 1, total, total + 1]) {
        let mut sum = 0;
        let kept = all.iter().rev().take_while(|message| {
            sum += log.size(&message.as_new());
            sum <= size_max
        });
        let first_kept = kept.last().map_or(100, |message| message.offset);
        let goes: Vec<_> = all.iter().filter(|message| message.offset < first_kept).collect();
        for step_len in [1, 2, 7, 64, 1000] {
            let cut = size::find(&log, size_max, step_len).unwrap();
            let below: Vec<_> = all.iter().filter(|message| message.offset < cut).collect();
            assert_eq!(below, goes, "at most {size_max} bytes, steps of {step_len}");
        }
    }
    assert_eq!(find_by_size(&log, total).unwrap(), 0);
    assert_eq!(by_size(&log, 0).unwrap().count, all.len() as u64);
    assert_eq!(by_size(&log, 0).unwrap().count, 0);
}

/// Goal: every way to trim works while other threads publish and trim, and keeps the messages it
/// must keep. Method: two threads trim in all ways while a third publishes.
#[test]
fn trims_race_publishing_and_each_other() {
    let log = MemoryLog::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let message = NewMessage::value(b"0123456789");
                    by_count(&log, 300).unwrap();
                    by_size(&log, 200 * log.size(&message)).unwrap();
                    by_age(&log, Duration::from_secs(3600)).unwrap();
                    by_offset(&log, log.next_offset().unwrap().saturating_sub(100)).unwrap();
                    find_by_offset(&log, 50).unwrap();
                }
            });
        }
        for _ in 0..2000 {
            log.publish(&[NewMessage::value(b"0123456789"); 5]).unwrap();
        }
        done.store(true, Ordering::Release);
    });
    assert_eq!(log.next_offset().unwrap(), 10_000);
    assert!(log.stat().unwrap().messages >= 100);
}

#[test]
fn trims_of_a_closed_log_are_closed() {
    let log = with_messages(3);
    log.close().unwrap();
    for result in [
        by_offset(&log, 1),
        by_count(&log, 1),
        by_size(&log, 1),
        by_age(&log, Duration::ZERO),
    ] {
        assert!(matches!(result, Err(Error::Closed)));
    }
    let boxed: Box<dyn Log> = Box::new(log);
    assert!(matches!(by_size(&*boxed, 1), Err(Error::Closed)));
}
