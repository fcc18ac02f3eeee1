//! W13: four readers that tail the log alongside one publisher.

use std::path::Path;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use duramen::{BlockingLog, FileLog, Log as _, NewMessage, Options, Start};

use crate::args::Plan;
use crate::measure::{Histogram, Samples, in_turns, nanos_each};
use crate::publish::Bench;
use crate::report::{Report, Row, Target, Unit};
use crate::workload::{VALUE_LEN, Workload, ensure};
use crate::{Outcome, machine};

const READERS: u64 = 4;

/// The pause between two timed messages, long enough for every reader to sleep again.
const PAUSE: Duration = Duration::from_micros(200);

/// The time for the readers' threads to start, so that it does not count as late delivery.
const SETTLE: Duration = Duration::from_millis(20);

pub(crate) fn run(plan: &Plan, dir: &Path, report: &mut Report) -> Outcome {
    if !plan.wants("W13") {
        return Ok(());
    }
    report.begin("W13");
    let workload = Workload::new(VALUE_LEN);
    let bench = Bench::new(dir, &workload, plan.messages);
    let [alone, watched] = in_turns(
        plan.rounds,
        [&mut |_| rate(&bench, 0), &mut |_| rate(&bench, READERS)],
    )?;
    report.add(Row {
        id: "W13",
        what: format!("publish beside {READERS} tailing readers; for limit, alone"),
        unit: Unit::Nanos,
        limit: Some(alone),
        library: watched,
        // This corresponds to 0.7 of the rate.
        target: Target::Ratio(1.43),
    });

    let count = plan.messages / 200;
    let (mut limit, mut library) = (Histogram::new(), Histogram::new());
    for round in 0..=plan.rounds {
        let (in_limit, in_library) = (bare_wake_ups(count), delivery(dir, count)?);
        if round > 0 {
            limit.merge(&in_limit);
            library.merge(&in_library);
        }
    }
    for (name, share, target) in [
        ("p50", 0.5, Target::None),
        ("p99", 0.99, Target::AtMost(5e4)),
        ("p99.9", 0.999, Target::None),
    ] {
        report.add(Row {
            id: "W13",
            what: format!("delivery to {READERS} readers that sleep: {name}; for limit, a bare wake-up"),
            unit: Unit::Micros,
            limit: Some(Samples::of(vec![limit.percentile(share)])),
            library: Samples::of(vec![library.percentile(share)]),
            target,
        });
    }
    Ok(())
}

/// Nanoseconds per publish alongside this many readers that follow the log to its end.
fn rate(bench: &Bench<'_>, readers: u64) -> Outcome<f64> {
    let log = BlockingLog::new(bench.open(&Options::new())?);
    let messages = bench.messages;
    thread::scope(|scope| -> Outcome<f64> {
        let readers: Vec<_> = (0..readers)
            .map(|_| scope.spawn(|| follow(&log, messages)))
            .collect();
        let start = Instant::now();
        for number in 0..messages {
            log.publish(&[bench.workload.message(number)])?;
        }
        let nanos = nanos_each(start, messages);
        for reader in readers {
            let seen = reader.join().map_err(|_| "a reader panicked")??;
            ensure(seen == messages, "a reader did not see every message")?;
        }
        log.close()?;
        Ok(nanos)
    })
}

/// Reads this many messages as they come. Returns how many came in order.
fn follow(log: &BlockingLog<FileLog>, messages: u64) -> duramen::Result<u64> {
    let mut seen = 0;
    while seen < messages {
        let batch = log.consume_blocking(Start::At(seen), 256, None)?;
        for message in &batch {
            if message.offset != seen {
                return Ok(seen);
            }
            seen += 1;
        }
    }
    Ok(seen)
}

/// The time from before a publish until each sleeping reader has the message.
fn delivery(dir: &Path, count: u64) -> Outcome<Histogram> {
    let dir = dir.join("tail");
    machine::clear(&dir)?;
    let log = BlockingLog::new(Options::new().create_dirs(true).open(dir)?);
    // The first publish creates the first segment.
    log.publish(&[NewMessage::default()])?;
    let begun = Instant::now();
    let histogram = thread::scope(|scope| -> Outcome<Histogram> {
        let readers: Vec<_> = (0..READERS)
            .map(|_| scope.spawn(|| receive(&log, begun, count)))
            .collect();
        thread::sleep(SETTLE);
        for _ in 0..count {
            thread::sleep(PAUSE);
            let sent_at = begun.elapsed().as_nanos() as u64;
            log.publish(&[NewMessage::value(&sent_at.to_le_bytes())])?;
        }
        let mut histogram = Histogram::new();
        for reader in readers {
            histogram.merge(&reader.join().map_err(|_| "a reader panicked")??);
        }
        Ok(histogram)
    })?;
    log.close()?;
    Ok(histogram)
}

fn receive(log: &BlockingLog<FileLog>, begun: Instant, count: u64) -> duramen::Result<Histogram> {
    let mut histogram = Histogram::new();
    let mut at = 1;
    while at <= count {
        let batch = log.consume_blocking(Start::At(at), 64, None)?;
        let now = begun.elapsed();
        for message in &batch {
            let sent_at = message.value.as_deref().and_then(<[u8]>::first_chunk).copied();
            let sent_at = Duration::from_nanos(sent_at.map_or(0, u64::from_le_bytes));
            histogram.record(now.saturating_sub(sent_at));
        }
        at = batch.next_offset;
    }
    Ok(histogram)
}

/// The same with only a condition variable and a time.
fn bare_wake_ups(count: u64) -> Histogram {
    let (state, changed) = (Mutex::new((0, Duration::ZERO)), Condvar::new());
    let begun = Instant::now();
    thread::scope(|scope| {
        let receive = || {
            let mut histogram = Histogram::new();
            let mut seen = 0;
            while seen < count {
                let held = state.lock().expect("no panic under it");
                let held = changed
                    .wait_while(held, |(number, _)| *number == seen)
                    .expect("no panic under it");
                let (number, sent_at) = *held;
                drop(held);
                histogram.record(begun.elapsed().saturating_sub(sent_at));
                seen = number;
            }
            histogram
        };
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(receive)).collect();
        thread::sleep(SETTLE);
        for number in 1..=count {
            thread::sleep(PAUSE);
            *state.lock().expect("no panic under it") = (number, begun.elapsed());
            changed.notify_all();
        }
        let mut histogram = Histogram::new();
        for reader in readers {
            histogram.merge(&reader.join().expect("a reader does not panic"));
        }
        histogram
    })
}
