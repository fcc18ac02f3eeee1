//! Many readers that wait, and publishers.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use duramen::{BlockingLog, Durability, FileLog, Log, MemoryLog, NewMessage, Start};

use super::support::{LONG, file_log, publish, until};
use crate::common::number;

const READERS: usize = 64;
const PUBLISHERS: u64 = 4;

/// Reads all numbers up to the close and checks them: every message once, in order, none left out.
fn read_all<L: Log>(log: &BlockingLog<L>, count: &AtomicU64) -> u64 {
    let mut expected = 0;
    let mut next = [0; 4];
    for message in log.follow(Start::Oldest) {
        let message = message.expect("no error");
        assert_eq!(message.offset, expected);
        expected += 1;
        count.store(expected, Ordering::Relaxed);
        let value = u64::from_le_bytes(*message.value.as_deref().unwrap().first_chunk().unwrap());
        let (publisher, sequence) = (usize::try_from(value >> 48).unwrap(), value & 0xffff_ffff);
        assert_eq!(
            sequence, next[publisher],
            "the messages of a publisher keep their order"
        );
        next[publisher] += 1;
    }
    expected
}

/// Readers that wait all the time, and publishers that let them: bursts, and pauses in between.
fn crowd<L: Log + 'static>(log: &BlockingLog<L>) {
    let seconds = number("DURAMEN_SECONDS", 1);
    let until_when = Instant::now() + Duration::from_secs(seconds);
    let counts: Vec<AtomicU64> = (0..READERS).map(|_| AtomicU64::new(0)).collect();
    thread::scope(|scope| {
        let readers: Vec<_> = counts
            .iter()
            .map(|count| scope.spawn(move || read_all(log, count)))
            .collect();
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| scope.spawn(move || publish_until(until_when, log, publisher)))
            .collect();
        let published = publishers
            .into_iter()
            .map(|publisher| publisher.join().expect("no panic"));
        let end: u64 = published.sum();
        until(|| counts.iter().all(|count| count.load(Ordering::Relaxed) == end));
        log.close().unwrap();
        for reader in readers {
            assert_eq!(reader.join().expect("no panic"), end);
        }
        println!("{end} messages to each of {READERS} readers in {seconds} s");
    });
}

/// Publishes numbers in bursts, and returns how many.
fn publish_until<L: Log>(until: Instant, log: &BlockingLog<L>, publisher: u64) -> u64 {
    let mut sequence = 0;
    while Instant::now() < until {
        for _ in 0..=sequence % 7 {
            let value = (publisher << 48 | sequence).to_le_bytes();
            log.publish(&[NewMessage::value(&value)]).expect("published");
            sequence += 1;
        }
        thread::sleep(Duration::from_micros(500 + publisher * 300));
    }
    sequence
}

#[test]
fn every_reader_in_a_crowd_gets_every_message_once_and_in_order() {
    let (log, _dir) = file_log(|options| options);
    crowd(&BlockingLog::new(log));
}

#[test]
fn a_crowd_reads_small_segments_synced_at_each_publish() {
    let (log, _dir) = file_log(|options| options.durability(Durability::EachPublish).rollover(16 << 10));
    crowd(&BlockingLog::new(log));
}

#[test]
fn a_crowd_reads_a_log_in_memory() {
    crowd(&BlockingLog::new(MemoryLog::new()));
}

/// Nanoseconds that this thread has run on a processor.
#[cfg(target_os = "linux")]
fn thread_cpu_time() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux with its statistics");
    let first = text.split_whitespace().next().expect("a figure");
    first.parse().expect("a number")
}

/// Sleepers of a log in which nothing happens run for less than a thousandth of the time, all together.
#[cfg(target_os = "linux")]
#[test]
fn waiters_cost_no_cpu() {
    const SLEEP: Duration = Duration::from_millis(600);
    let (log, _dir) = file_log(|options| options);
    let log: Arc<BlockingLog<FileLog>> = Arc::new(BlockingLog::new(log));
    publish(&*log, "0");
    let readers: Vec<_> = (0..READERS)
        .map(|number| {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                let before = thread_cpu_time();
                let begun = Instant::now();
                // Half of them with a deadline far away.
                let timeout = (number % 2 == 0).then_some(LONG);
                let batch = log.consume_blocking(Start::Newest, 1, timeout).unwrap();
                assert_eq!(batch.next_offset, 2);
                (thread_cpu_time() - before, begun.elapsed())
            })
        })
        .collect();
    thread::sleep(SLEEP);
    publish(&*log, "1");
    let (mut run, mut slept) = (Duration::ZERO, Duration::ZERO);
    for reader in readers {
        let (cpu_ns, elapsed) = reader.join().expect("no panic");
        run += Duration::from_nanos(cpu_ns);
        slept += elapsed;
    }
    println!("{READERS} waiters: {run:?} on a processor in {slept:?} of waiting");
    assert!(run < slept / 1000, "{run:?} of {slept:?}");
}
