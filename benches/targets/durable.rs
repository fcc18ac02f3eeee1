//! W3 and W4: publishing durably.

use std::path::Path;
use std::time::Instant;

use duramen::{Durability, FileLog, Log as _, Options};

use crate::args::Plan;
use crate::limit::{GroupCommit, LONE};
use crate::measure::{in_turns, nanos_each};
use crate::report::{Report, Row, Target, Unit};
use crate::workload::{Check, KEY_LEN, VALUE_LEN, Workload, ensure};
use crate::{Outcome, machine};

const RECORD_LEN: usize = LONE + KEY_LEN + VALUE_LEN;

pub(crate) fn run(plan: &Plan, dir: &Path, report: &mut Report) -> Outcome {
    let workload = Workload::new(VALUE_LEN);
    if plan.wants("W3") {
        report.begin("W3");
        let bench = Bench {
            dir,
            workload: &workload,
            threads: 1,
            each: plan.syncs,
        };
        row(&bench, plan.rounds, report, "W3", 1.05)?;
    }
    if plan.wants("W4") {
        report.begin("W4");
        for threads in [16, 64] {
            let bench = Bench {
                dir,
                workload: &workload,
                threads,
                each: (plan.syncs * 4).div_ceil(threads),
            };
            row(&bench, plan.rounds, report, "W4", 1.1)?;
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
struct Bench<'a> {
    dir: &'a Path,
    workload: &'a Workload,
    threads: u64,
    /// The number of messages that each thread publishes.
    each: u64,
}

fn row(bench: &Bench<'_>, rounds: usize, report: &mut Report, id: &'static str, target: f64) -> Outcome {
    let [limit, library] = in_turns(
        rounds,
        [&mut |_| bench.limit(), &mut |check| bench.library(check)],
    )?;
    let what = match bench.threads {
        1 => "publish durably, one a call, one thread".to_owned(),
        threads => format!("publish durably, one a call, {threads} threads, per message"),
    };
    let row = Row {
        id,
        what,
        unit: Unit::Micros,
        limit: Some(limit),
        library,
        target: Target::Ratio(target),
    };
    report.add(row);
    Ok(())
}

impl Bench<'_> {
    fn messages(&self) -> u64 {
        self.threads * self.each
    }

    /// Runs `publish` for every message, a share of them on each thread. Returns nanoseconds per
    /// message.
    fn timed(&self, publish: &(dyn Fn(u64) -> Outcome + Sync)) -> Outcome<f64> {
        let start = Instant::now();
        if self.threads == 1 {
            (0..self.each).try_for_each(publish)?;
        } else {
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..self.threads)
                    .map(|thread| {
                        scope.spawn(move || {
                            let numbers = thread * self.each..(thread + 1) * self.each;
                            numbers
                                .into_iter()
                                .try_for_each(publish)
                                .map_err(|error| error.to_string())
                        })
                    })
                    .collect();
                threads
                    .into_iter()
                    .try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
            })?;
        }
        Ok(nanos_each(start, self.messages()))
    }

    fn limit(&self) -> Outcome<f64> {
        let len = self.messages() as usize * RECORD_LEN;
        let commit = GroupCommit::new(self.dir, len)?;
        let nanos = self.timed(&|number| commit.publish(self.workload, number))?;
        ensure(
            commit.finish()? == len,
            "the limit stored another number of bytes",
        )?;
        Ok(nanos)
    }

    fn library(&self, check: Check) -> Outcome<f64> {
        let dir = self.dir.join("durable");
        machine::clear(&dir)?;
        let options = Options::new()
            .create_dirs(true)
            .key_index(true)
            .time_index(true)
            .durability(Durability::EachPublish);
        let log = options.open(&dir)?;
        // The first publish creates the first segment, which this row does not measure.
        log.publish(&[self.workload.message(0)])?;
        let nanos = self.timed(&|number| {
            let next = log.publish(&[self.workload.message(number)])?;
            ensure(next >= 2, "publish returned a wrong offset")
        })?;
        ensure(
            log.stat()?.synced_offset == self.messages() + 1,
            "messages are missing or not durable",
        )?;
        if check == Check::Full {
            self.verify(&log)?;
        }
        log.close()?;
        Ok(nanos)
    }

    /// Checks that every message is there once, in any order.
    fn verify(&self, log: &FileLog) -> Outcome {
        let print = |key: &[u8], value: &[u8]| u64::from(crc32c::crc32c_append(crc32c::crc32c(key), value));
        let expected: u64 = (0..self.messages())
            .map(|number| print(self.workload.key(number), self.workload.value(number)))
            .sum();
        let (mut from, mut found) = (1, 0);
        loop {
            let batch = log.consume(from.into(), 1_000)?;
            if batch.next_offset == from {
                break;
            }
            from = batch.next_offset;
            for message in batch {
                found += print(
                    &message.key.unwrap_or_default(),
                    &message.value.unwrap_or_default(),
                );
            }
        }
        ensure(found == expected, "other messages were read than were published")
    }
}
