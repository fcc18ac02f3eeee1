//! W3 and W4: publishing durably.

use std::path::Path;

use duramen::{Durability, FileLog, Log as _, Options};

use crate::args::Plan;
use crate::commit::{GroupCommit, LoneCommit};
use crate::device::Device;
use crate::measure::{Samples, by_threads, in_turns};
use crate::report::{Report, Row, Target, Unit};
use crate::workload::{Check, VALUE_LEN, Workload, ensure};
use crate::{Outcome, machine};

pub(crate) fn run(plan: &Plan, dir: &Path, report: &mut Report) -> Outcome {
    let workload = Workload::new(VALUE_LEN);
    let device = Device::of(dir)?;
    let bench = Bench {
        dir,
        workload: &workload,
        device: device.as_ref(),
        threads: 1,
        each: plan.syncs,
    };
    if plan.wants("W3") {
        report.begin("W3");
        rows(&bench, plan.rounds, report, "W3")?;
    }
    if plan.wants("W4") {
        report.begin("W4");
        for threads in [16, 64] {
            let each = (plan.syncs * 4).div_ceil(threads);
            let bench = Bench {
                threads,
                each,
                ..bench
            };
            rows(&bench, plan.rounds, report, "W4")?;
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
struct Bench<'a> {
    dir: &'a Path,
    workload: &'a Workload,
    /// `None` if it counts nothing.
    device: Option<&'a Device>,
    threads: u64,
    /// The number of messages that each thread publishes.
    each: u64,
}

fn rows(bench: &Bench<'_>, rounds: usize, report: &mut Report, id: &'static str) -> Outcome {
    let (mut limit_bytes, mut library_bytes) = (Vec::new(), Vec::new());
    let [limit, library] = in_turns(
        rounds,
        [&mut |_| bench.limit(&mut limit_bytes), &mut |check| {
            bench.library(check, &mut library_bytes)
        }],
    )?;
    let what = match bench.threads {
        1 => "publish durably, one a call, one thread".to_owned(),
        threads => format!("publish durably, one a call, {threads} threads, per message"),
    };
    report.add(Row {
        id,
        what: what.clone(),
        unit: Unit::Micros,
        limit: Some(limit),
        library,
        target: Target::Ratio(1.1),
    });
    if bench.device.is_none() {
        return Ok(());
    }
    // The first round warmed up.
    let measured = |bytes: &[f64]| Samples::of(bytes.iter().skip(1).copied().collect());
    report.add(Row {
        id,
        what: format!("{what}: bytes that the device writes"),
        unit: Unit::Bytes,
        limit: Some(measured(&limit_bytes)),
        library: measured(&library_bytes),
        target: if bench.threads == 1 {
            Target::AtMost(9_000.0)
        } else {
            Target::None
        },
    });
    Ok(())
}

impl Bench<'_> {
    fn messages(&self) -> u64 {
        self.threads * self.each
    }

    /// Runs `publish` for every message. Adds the number of bytes per message that the device writes
    /// meanwhile.
    fn counted(&self, written: &mut Vec<f64>, publish: &(dyn Fn(u64) -> Outcome + Sync)) -> Outcome<f64> {
        let before = self.device.map(Device::settled).transpose()?;
        let nanos = by_threads(self.threads, self.messages(), publish)?;
        if let (Some(device), Some(before)) = (self.device, before) {
            let bytes = device.bytes_written()? - before;
            written.push(bytes as f64 / self.messages() as f64);
        }
        Ok(nanos)
    }

    fn limit(&self, written: &mut Vec<f64>) -> Outcome<f64> {
        if self.threads == 1 {
            let commit = LoneCommit::new(self.dir, self.messages())?;
            let nanos = self.counted(written, &|number| commit.publish(self.workload, number))?;
            commit.finish(self.workload, self.messages())?;
            return Ok(nanos);
        }
        let commit = GroupCommit::new(self.dir, self.messages())?;
        let nanos = self.counted(written, &|number| commit.publish(self.workload, number))?;
        commit.finish(self.messages())?;
        Ok(nanos)
    }

    fn library(&self, check: Check, written: &mut Vec<f64>) -> Outcome<f64> {
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
        let nanos = self.counted(written, &|number| {
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
