//! W10: trimming the older half of a log.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use duramen::{FileLog, Log as _, Options, Start};

use crate::args::Plan;
use crate::measure::{Histogram, Samples};
use crate::report::{Report, Row, Target, Unit};
use crate::workload::{Check, FRAME_LEN, VALUE_LEN, Workload, ensure, mix};
use crate::{Outcome, machine};

pub(crate) fn run(plan: &Plan, dir: &Path, report: &mut Report) -> Outcome {
    if !plan.wants("W10") {
        return Ok(());
    }
    report.begin("W10");
    let workload = Workload::new(VALUE_LEN);
    let large = Options::ROLLOVER_DEFAULT.min(plan.open_bytes / 16);
    let small = (1 << 20).min(plan.open_bytes / 64);
    for rollover in [large, small] {
        let bench = Bench::new(plan, dir, &workload, rollover);
        bench.alone(plan, report)?;
    }
    Bench::new(plan, dir, &workload, large).beside_others(plan, report)
}

#[derive(Debug)]
struct Bench<'a> {
    dir: PathBuf,
    /// A second log like the first. The limit unlinks its files.
    other_dir: PathBuf,
    workload: &'a Workload,
    messages: u64,
    options: Options,
    rollover: u64,
}

impl<'a> Bench<'a> {
    fn new(plan: &Plan, dir: &Path, workload: &'a Workload, rollover: u64) -> Bench<'a> {
        Bench {
            dir: dir.join("trim"),
            other_dir: dir.join("unlinked"),
            workload,
            messages: plan.open_bytes / FRAME_LEN,
            options: Options::new().key_index(true).time_index(true).rollover(rollover),
            rollover,
        }
    }

    /// Trims half of a log. The limit unlinks the files of the same half of an identical log.
    fn alone(&self, plan: &Plan, report: &mut Report) -> Outcome {
        let (mut limit, mut library) = (Vec::new(), Vec::new());
        let mut file_count = 0;
        for round in 0..=plan.rounds {
            let log = self.fresh(&self.dir)?;
            self.fresh(&self.other_dir)?.close()?;
            let half = files_below(&self.other_dir, self.messages / 2)?;
            file_count = half.len();
            // The second side finds more free memory, so the sides take turns in going first.
            let (unlinking, trimming) = if round % 2 == 0 {
                (unlink(&half)?, self.trim(&log)?)
            } else {
                let trimming = self.trim(&log)?;
                (unlink(&half)?, trimming)
            };
            log.close()?;
            ensure(
                files_below(&self.dir, self.messages / 2)?.is_empty(),
                "files of what was trimmed are left",
            )?;
            if round > 0 {
                library.push(trimming);
                limit.push(unlinking);
            }
        }
        report.add(Row {
            id: "W10",
            what: format!(
                "trim half of {} MiB in segments of {} KiB; for limit, its {file_count} files unlinked",
                plan.open_bytes >> 20,
                self.rollover >> 10,
            ),
            unit: Unit::Millis,
            limit: Some(Samples::of(limit)),
            library: Samples::of(library),
            target: Target::Ratio(1.1),
        });
        Ok(())
    }

    /// Measures publishing and reading while half of the log is trimmed. For the limit, the same
    /// number of files of another log are unlinked meanwhile.
    fn beside_others(&self, plan: &Plan, report: &mut Report) -> Outcome {
        let (mut limit, mut library) = (Latencies::new(), Latencies::new());
        for round in 0..=plan.rounds {
            let log = self.fresh(&self.dir)?;
            self.fresh(&self.other_dir)?.close()?;
            let other_files = files(&self.other_dir)?;
            let half = other_files
                .iter()
                .take(other_files.len() / 2)
                .cloned()
                .collect::<Vec<_>>();
            let (in_limit, _) = self.while_others_work(&log, || unlink(&half))?;
            let (in_library, trimmed) = self.while_others_work(&log, || Ok(log.trim(self.messages / 2)?))?;
            ensure(
                trimmed.count == self.messages / 2,
                "another number was trimmed than asked for",
            )?;
            log.close()?;
            if round > 0 {
                limit.merge(&in_limit);
                library.merge(&in_library);
            }
        }
        for (what, limit, library) in [
            ("publish", &limit.publish, &library.publish),
            ("get", &limit.get, &library.get),
        ] {
            for (name, share) in [("p99.9", 0.999), ("worst", 1.0)] {
                report.add(Row {
                    id: "W10",
                    what: format!(
                        "{what} while half is trimmed: {name}; for limit, while files are unlinked"
                    ),
                    unit: Unit::Micros,
                    limit: Some(Samples::of(vec![limit.percentile(share)])),
                    library: Samples::of(vec![library.percentile(share)]),
                    target: Target::None,
                });
            }
        }
        Ok(())
    }

    /// Returns nanoseconds.
    fn trim(&self, log: &FileLog) -> Outcome<f64> {
        let start = Instant::now();
        let trimmed = log.trim(self.messages / 2)?;
        let nanos = start.elapsed().as_nanos() as f64;
        ensure(
            trimmed.count == self.messages / 2,
            "another number was trimmed than asked for",
        )?;
        self.check_rest(log)?;
        Ok(nanos)
    }

    /// Creates a log whose messages are all on the disk, so that neither side has dirty pages to
    /// drop.
    fn fresh(&self, dir: &Path) -> Outcome<FileLog> {
        machine::clear(dir)?;
        self.workload.build(dir, &self.options, self.messages)?;
        for file in files(dir)? {
            fs::File::open(file)?.sync_all()?;
        }
        Ok(self.options.open(dir)?)
    }

    fn check_rest(&self, log: &FileLog) -> Outcome {
        let half = self.messages / 2;
        ensure(log.start_offset()? == half, "the log begins elsewhere")?;
        for number in [half, half + half / 2, self.messages - 1] {
            self.get(log, number, Check::Full)?;
        }
        Ok(())
    }

    fn get(&self, log: &FileLog, number: u64, check: Check) -> Outcome {
        let message = log.get(Start::At(number))?;
        let (key, value) = (message.key.as_deref(), message.value.as_deref());
        let same = self.workload.matches(check, number, key, value);
        ensure(same, "another message was found than was published")
    }

    /// Runs `work` while one thread publishes and another gets messages of the newer half.
    fn while_others_work<T>(
        &self,
        log: &FileLog,
        work: impl FnOnce() -> Outcome<T>,
    ) -> Outcome<(Latencies, T)> {
        let done = AtomicBool::new(false);
        let is_done = || done.load(Ordering::Relaxed);
        thread::scope(|scope| {
            let publisher = scope.spawn(|| {
                timed(is_done, |number| {
                    log.publish(&[self.workload.message(number)]).is_ok()
                })
            });
            let reader = scope.spawn(|| {
                timed(is_done, |number| {
                    let half = self.messages / 2;
                    self.get(log, half + mix(number) % half, Check::Sample).is_ok()
                })
            });
            let outcome = work();
            done.store(true, Ordering::Relaxed);
            let publish = publisher.join().map_err(|_| "the publisher panicked")?;
            let get = reader.join().map_err(|_| "the reader panicked")?;
            let latencies = Latencies {
                publish: publish.ok_or("a publish failed beside the work")?,
                get: get.ok_or("a get failed beside the work")?,
            };
            Ok((latencies, outcome?))
        })
    }
}

#[derive(Debug)]
struct Latencies {
    publish: Histogram,
    get: Histogram,
}

impl Latencies {
    fn new() -> Latencies {
        Latencies {
            publish: Histogram::new(),
            get: Histogram::new(),
        }
    }

    fn merge(&mut self, other: &Latencies) {
        self.publish.merge(&other.publish);
        self.get.merge(&other.get);
    }
}

/// Measures calls until `is_done`. Returns `None` if one of them failed.
fn timed(is_done: impl Fn() -> bool, mut call: impl FnMut(u64) -> bool) -> Option<Histogram> {
    let mut histogram = Histogram::new();
    let mut last = Instant::now();
    let mut number = 0;
    while !is_done() {
        if !call(number) {
            return None;
        }
        let now = Instant::now();
        histogram.record(now - last);
        (last, number) = (now, number + 1);
    }
    Some(histogram)
}

/// The log's segment and index files, oldest first.
fn files(dir: &Path) -> Outcome<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let is_of = |kind| path.extension().is_some_and(|extension| extension == kind);
        if ["log", "idx", "keys"].into_iter().any(is_of) {
            files.insert(path);
        }
    }
    Ok(files)
}

/// The [`files`] that have only messages below `end`.
fn files_below(dir: &Path, end: u64) -> Outcome<Vec<PathBuf>> {
    let all = files(dir)?;
    let numbers = |path: &Path| -> Vec<u64> {
        let stem = path.file_name().unwrap_or_default().to_string_lossy();
        stem.split(['.', '-'])
            .map_while(|part| part.parse().ok())
            .collect()
    };
    let is_segment = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "log");
    let bases: Vec<u64> = all
        .iter()
        .filter(is_segment)
        .filter_map(|path| numbers(path).first().copied())
        .collect();
    let kept_from = bases.iter().rev().find(|base| **base <= end).copied();
    let is_below = |path: &&PathBuf| match numbers(path)[..] {
        // The name of a key run has its begin, its end and its level.
        [_, to, _] => to <= end,
        [base, ..] => kept_from.is_some_and(|kept_from| base < kept_from),
        [] => false,
    };
    Ok(all.iter().filter(is_below).cloned().collect())
}

/// Unlinks all files. Returns nanoseconds.
fn unlink(files: &[PathBuf]) -> Outcome<f64> {
    let start = Instant::now();
    for file in files {
        fs::remove_file(file)?;
    }
    Ok(start.elapsed().as_nanos() as f64)
}
