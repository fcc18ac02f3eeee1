//! W5 and W6: reading in order and by offset.

use std::path::Path;
use std::time::Instant;

use duramen::{BatchBuf, FileLog, Log as _, Options, Start};

use crate::args::Plan;
use crate::limit::Plain;
use crate::measure::{in_turns, nanos_each};
use crate::report::{Report, Row, Target, Unit};
use crate::workload::{BATCH_COUNT, Check, VALUE_LEN, Workload, ensure, mix};
use crate::{Outcome, machine};

const WRONG: &str = "another message was read than was published";

pub(crate) fn run(plan: &Plan, dir: &Path, report: &mut Report) -> Outcome {
    let scales: &[u64] = if plan.scale { &[1, 10] } else { &[1] };
    for scale in scales {
        let note = if *scale == 1 { "" } else { ", 10x the messages" };
        if plan.wants("W5") || plan.wants("W6") {
            let bench = Bench::new(dir, plan.messages * scale)?;
            if plan.wants("W5") {
                report.begin("W5");
                in_order(&bench, plan.rounds, report, note)?;
            }
            if plan.wants("W6") {
                report.begin("W6");
                by_offset(&bench, plan.rounds, report, note)?;
            }
        }
    }
    Ok(())
}

/// A log that was closed and reopened, and the same records in one mapping.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) workload: Workload,
    pub(crate) plain: Plain,
    pub(crate) log: FileLog,
    pub(crate) messages: u64,
}

impl Bench {
    pub(crate) fn new(dir: &Path, messages: u64) -> Outcome<Bench> {
        let workload = Workload::new(VALUE_LEN);
        let plain = Plain::build(dir, &workload, messages)?;
        let path = dir.join("read");
        machine::clear(&path)?;
        let options = Options::new().key_index(true).time_index(true);
        workload.build(&path, &options, messages)?;
        let log = options.open(&path)?;
        Ok(Bench {
            workload,
            plain,
            log,
            messages,
        })
    }
}

/// W5: reading everything in order.
fn in_order(bench: &Bench, rounds: usize, report: &mut Report, note: &str) -> Outcome {
    let [limit, limit_copy, scan, lent, consume] = in_turns(
        rounds,
        [
            &mut |check| bench.limit_scan(check),
            &mut |check| bench.limit_copy(check),
            &mut |check| bench.library_scan(check),
            &mut |check| bench.library_consume_into(check),
            &mut |check| bench.library_consume(check),
        ],
    )?;
    let rows = [
        (
            "consume, 64 at a time; limit with a copy",
            &limit_copy,
            &consume,
            Target::Ratio(1.5),
        ),
        (
            "consume, 64 at a time; limit without a copy",
            &limit,
            &consume,
            Target::None,
        ),
        (
            "consume_into, 64 at a time, lent; limit with a copy",
            &limit_copy,
            &lent,
            Target::Ratio(1.5),
        ),
        ("scan, borrowed", &limit, &scan, Target::Ratio(1.15)),
    ];
    for (what, limit, library, target) in rows {
        report.add(Row {
            id: "W5",
            what: format!("{what}, per message{note}"),
            unit: Unit::Nanos,
            limit: Some(limit.clone()),
            library: library.clone(),
            target,
        });
    }
    Ok(())
}

/// W6: reading by random offsets.
fn by_offset(bench: &Bench, rounds: usize, report: &mut Report, note: &str) -> Outcome {
    let [limit, library] = in_turns(
        rounds,
        [&mut |check| bench.limit_get(check), &mut |check| {
            bench.library_get(check)
        }],
    )?;
    report.add(Row {
        id: "W6",
        what: format!("get by random offset{note}"),
        unit: Unit::Nanos,
        limit: Some(limit),
        library,
        target: Target::Ratio(1.4),
    });
    Ok(())
}

impl Bench {
    /// Random message numbers: as many as there are messages, but at most a million. That is enough
    /// for the same rate of cache misses in every round.
    pub(crate) fn picks(&self) -> impl Iterator<Item = u64> + use<> {
        let messages = self.messages;
        (0..messages.min(1_000_000)).map(move |pick| mix(pick ^ 0x5eed) % messages)
    }

    pub(crate) fn pick_count(&self) -> u64 {
        self.messages.min(1_000_000)
    }

    fn limit_scan(&self, check: Check) -> Outcome<f64> {
        let start = Instant::now();
        for number in 0..self.messages {
            let record = self.plain.get(number).ok_or("the limit read a bad record")?;
            ensure(
                self.workload
                    .matches(check, number, Some(record.key), Some(record.value)),
                WRONG,
            )?;
        }
        Ok(nanos_each(start, self.messages))
    }

    /// Copies 64 records into separate memory, which a batch that outlives the log needs, and
    /// verifies them there.
    fn limit_copy(&self, check: Check) -> Outcome<f64> {
        let start = Instant::now();
        for first in (0..self.messages).step_by(BATCH_COUNT) {
            let end = self.messages.min(first + BATCH_COUNT as u64);
            let bytes = self.plain.copy(first..end);
            for number in first..end {
                let record = self
                    .plain
                    .get_in(&bytes, number - first, number)
                    .ok_or("the limit read a bad record")?;
                ensure(
                    self.workload
                        .matches(check, number, Some(record.key), Some(record.value)),
                    WRONG,
                )?;
            }
        }
        Ok(nanos_each(start, self.messages))
    }

    fn library_scan(&self, check: Check) -> Outcome<f64> {
        let start = Instant::now();
        scan_all(&self.log, &self.workload, self.messages, check)?;
        Ok(nanos_each(start, self.messages))
    }

    fn library_consume(&self, check: Check) -> Outcome<f64> {
        let start = Instant::now();
        consume_all(&self.log, &self.workload, self.messages, check)?;
        Ok(nanos_each(start, self.messages))
    }

    fn library_consume_into(&self, check: Check) -> Outcome<f64> {
        let start = Instant::now();
        let (mut buf, mut number) = (BatchBuf::new(), 0);
        while number < self.messages {
            self.log.consume_into(Start::At(number), BATCH_COUNT, &mut buf)?;
            ensure(!buf.is_empty(), "messages are missing")?;
            for message in buf.messages() {
                let same = self.workload.matches(check, number, message.key, message.value);
                ensure(message.offset == number && same, WRONG)?;
                number += 1;
            }
        }
        Ok(nanos_each(start, self.messages))
    }

    fn limit_get(&self, check: Check) -> Outcome<f64> {
        let start = Instant::now();
        for number in self.picks() {
            let record = self.plain.get(number).ok_or("the limit read a bad record")?;
            ensure(
                self.workload
                    .matches(check, number, Some(record.key), Some(record.value)),
                WRONG,
            )?;
        }
        Ok(nanos_each(start, self.pick_count()))
    }

    fn library_get(&self, check: Check) -> Outcome<f64> {
        let start = Instant::now();
        for number in self.picks() {
            let message = self.log.get(Start::At(number))?;
            let same = self
                .workload
                .matches(check, number, message.key.as_deref(), message.value.as_deref());
            ensure(message.offset == number && same, WRONG)?;
        }
        Ok(nanos_each(start, self.pick_count()))
    }
}

/// Reads the whole log as borrowed messages, and checks that it holds exactly the first `messages`.
pub(crate) fn scan_all(log: &FileLog, workload: &Workload, messages: u64, check: Check) -> Outcome {
    let mut scan = log.scan(Start::Oldest)?;
    let mut next = 0;
    while let Some(message) = scan.next()? {
        let same = workload.matches(check, next, message.key, message.value);
        ensure(message.offset == next && same, WRONG)?;
        next += 1;
    }
    ensure(next == messages, "messages are missing")
}

/// Reads the whole log in batches of 64, and checks that it holds exactly the first `messages`.
pub(crate) fn consume_all(log: &FileLog, workload: &Workload, messages: u64, check: Check) -> Outcome {
    let mut next = 0;
    loop {
        let batch = log.consume(Start::At(next), BATCH_COUNT)?;
        if batch.next_offset == next {
            break;
        }
        for message in &batch {
            let same = workload.matches(check, next, message.key.as_deref(), message.value.as_deref());
            ensure(message.offset == next && same, WRONG)?;
            next += 1;
        }
        ensure(batch.next_offset == next, "a batch has a gap")?;
    }
    ensure(next == messages, "messages are missing")
}

/// Compares every byte of a log with what what was published.
pub(crate) fn verify_all(log: &FileLog, workload: &Workload, messages: u64) -> Outcome {
    scan_all(log, workload, messages, Check::Full)
}
