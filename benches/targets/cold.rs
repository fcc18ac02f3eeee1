//! W6c: reading what is not in memory: what a get reads from the disk, and reading in order.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use duramen::{FileLog, Log as _, Options, Start};
use rustix::fs::{Advice, fadvise};

use crate::args::Plan;
use crate::measure::{Samples, in_turns, nanos_each};
use crate::report::{Report, Row, Target, Unit};
use crate::workload::{Check, FRAME_LEN, VALUE_LEN, Workload, ensure, mix};
use crate::{Outcome, machine};

/// How many messages are got in a round. The round's figure is the mean.
const GETS: u64 = 50;

pub(crate) fn run(plan: &Plan, dir: &Path, report: &mut Report) -> Outcome {
    if !plan.wants("W6c") {
        return Ok(());
    }
    report.begin("W6c");
    let bench = Bench {
        dir: dir.join("cold"),
        workload: Workload::new(VALUE_LEN),
        messages: plan.open_bytes / FRAME_LEN,
    };
    machine::clear(&bench.dir)?;
    let options = Options::new().key_index(true).time_index(true);
    bench.workload.build(&bench.dir, &options, bench.messages)?;
    let log = options.open(&bench.dir)?;
    gets(&bench, &log, plan, report)?;
    in_order(&bench, &log, plan, report)
}

#[derive(Debug)]
struct Bench {
    dir: PathBuf,
    workload: Workload,
    messages: u64,
}

fn gets(bench: &Bench, log: &FileLog, plan: &Plan, report: &mut Report) -> Outcome {
    let mut round = 0;
    let (mut by_offset, mut by_key) = (Vec::new(), Vec::new());
    while by_offset.len() < plan.rounds {
        round += 1;
        let picks = (0..GETS).map(|pick| mix(pick ^ (round << 32)) % bench.messages);
        let (mut offsets, mut keys) = (0, 0);
        for number in picks {
            offsets += bench.bytes_read(log, || {
                let message = log.get(Start::At(number))?;
                ensure(
                    message.key.as_deref() == Some(bench.workload.key(number)),
                    "another message",
                )
            })?;
            keys += bench.bytes_read(log, || {
                let message = log.get_by_key(bench.workload.key(number))?;
                ensure(
                    message.key.as_deref() == Some(bench.workload.key(number)),
                    "another message",
                )
            })?;
        }
        by_offset.push(offsets as f64 / GETS as f64);
        by_key.push(keys as f64 / GETS as f64);
    }
    for (what, figures) in [("offset", by_offset), ("key", by_key)] {
        report.add(Row {
            id: "W6c",
            what: format!("read from the disk to get by {what}, when nothing is in memory"),
            unit: Unit::KiB,
            limit: None,
            library: Samples::of(figures),
            target: Target::AtMost(64.0 * 1024.0),
        });
    }
    Ok(())
}

fn in_order(bench: &Bench, log: &FileLog, plan: &Plan, report: &mut Report) -> Outcome {
    let [limit, scan, consume] = in_turns(
        plan.rounds,
        [
            &mut |_| bench.limit_read(log),
            &mut |check| bench.scan(log, check),
            &mut |check| bench.consume(log, check),
        ],
    )?;
    for (what, library) in [("consume, 64 at a time", consume), ("scan, borrowed", scan)] {
        report.add(Row {
            id: "W6c",
            what: format!("{what}, when nothing is in memory; limit: read(2) of the same files; per message"),
            unit: Unit::Nanos,
            limit: Some(limit.clone()),
            library,
            target: Target::None,
        });
    }
    Ok(())
}

impl Bench {
    /// Has the log let go of its mappings, and the system drop the pages.
    fn evict(&self, log: &FileLog) -> Outcome {
        log.gc(std::time::Duration::ZERO)?;
        for path in self.files()? {
            let file = File::open(path)?;
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
        Ok(())
    }

    fn files(&self) -> Outcome<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            paths.push(entry?.path());
        }
        paths.retain(|path| path.is_file());
        paths.sort();
        Ok(paths)
    }

    fn bytes_read(&self, log: &FileLog, get: impl FnOnce() -> Outcome) -> Outcome<u64> {
        self.evict(log)?;
        let before = machine::disk_bytes_read()?;
        get()?;
        Ok(machine::disk_bytes_read()? - before)
    }

    fn limit_read(&self, log: &FileLog) -> Outcome<f64> {
        self.evict(log)?;
        let start = Instant::now();
        for path in self.files()? {
            if path.extension().is_some_and(|kind| kind == "log") {
                std::io::copy(&mut File::open(path)?, &mut std::io::sink())?;
            }
        }
        Ok(nanos_each(start, self.messages))
    }

    fn scan(&self, log: &FileLog, check: Check) -> Outcome<f64> {
        self.evict(log)?;
        let start = Instant::now();
        crate::read::scan_all(log, &self.workload, self.messages, check)?;
        Ok(nanos_each(start, self.messages))
    }

    fn consume(&self, log: &FileLog, check: Check) -> Outcome<f64> {
        self.evict(log)?;
        let start = Instant::now();
        crate::read::consume_all(log, &self.workload, self.messages, check)?;
        Ok(nanos_each(start, self.messages))
    }
}
