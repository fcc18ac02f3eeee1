//! W9 and W9u: opening a log that was closed, and a log whose process was killed.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use duramen::{FileLog, Log as _, Options, Start};
use memmap2::Mmap;

use crate::args::Plan;
use crate::limit::Plain;
use crate::measure::{Samples, in_turns};
use crate::report::{Report, Row, Target, Unit};
use crate::workload::{Check, FRAME_LEN, VALUE_LEN, Workload, ensure, mix};
use crate::{Outcome, child, machine};

/// The names of the children's tasks.
pub(crate) const MEMORY: &str = "memory";
pub(crate) const PUBLISH: &str = "publish";

/// The number of opens in one round. The round's figure is their median.
const OPENS: usize = 21;

pub(crate) fn run(plan: &Plan, dir: &Path, report: &mut Report) -> Outcome {
    let workload = Workload::new(VALUE_LEN);
    let messages = plan.open_bytes / FRAME_LEN;
    let bench = Bench {
        dir: dir.join("open"),
        workload: &workload,
        messages,
    };
    if plan.wants("W9") || plan.wants("W9u") {
        machine::clear(&bench.dir)?;
        workload.build(&bench.dir, &options(), messages)?;
    }
    if plan.wants("W9") {
        report.begin("W9");
        closed(&bench, plan, report)?;
    }
    if plan.wants("W9u") {
        report.begin("W9u");
        killed(&bench, plan, report)?;
    }
    Ok(())
}

fn options() -> Options {
    Options::new().key_index(true).time_index(true)
}

#[derive(Debug)]
struct Bench<'a> {
    dir: PathBuf,
    workload: &'a Workload,
    messages: u64,
}

/// W9: opening a log and getting one message.
fn closed(bench: &Bench<'_>, plan: &Plan, report: &mut Report) -> Outcome {
    let [limit, library] = in_turns(
        plan.rounds,
        [&mut |_| median_of_opens(|_| bench.limit_open()), &mut |_| {
            median_of_opens(|n| bench.library_open(n))
        }],
    )?;
    let mut anonymous = Vec::new();
    for number in 0..plan.rounds as u64 {
        anonymous.push(bench.anonymous_bytes(mix(number) % bench.messages)?);
    }
    let size = plan.open_bytes >> 20;
    report.add(Row {
        id: "W9",
        what: format!("open a closed log of {size} MiB and get one message"),
        unit: Unit::Micros,
        limit: Some(limit),
        library,
        target: Target::AtMost(300e3),
    });
    report.add(Row {
        id: "W9",
        what: "anonymous memory that this takes".to_owned(),
        unit: Unit::MiB,
        limit: None,
        library: Samples::of(anonymous),
        target: Target::AtMost(f64::from(10 << 20)),
    });
    Ok(())
}

fn median_of_opens(mut open: impl FnMut(u64) -> Outcome<f64>) -> Outcome<f64> {
    let figures: Result<Vec<f64>, _> = (0..OPENS as u64).map(&mut open).collect();
    Ok(Samples::of(figures?).median())
}

impl Bench<'_> {
    /// The limit: listing the directory, mapping the newest segment and reading one page of it.
    fn limit_open(&self) -> Outcome<f64> {
        let start = Instant::now();
        let newest = newest_segment(&self.dir)?;
        let map = map(&File::open(&newest)?)?;
        let sum = crc32c::crc32c(
            map.get(..FRAME_LEN as usize)
                .ok_or("the newest segment is empty")?,
        );
        std::hint::black_box(sum);
        Ok(start.elapsed().as_nanos() as f64)
    }

    fn library_open(&self, pick: u64) -> Outcome<f64> {
        let number = mix(pick) % self.messages;
        let start = Instant::now();
        let log = options().open(&self.dir)?;
        let message = log.get(Start::At(number))?;
        let nanos = start.elapsed().as_nanos() as f64;
        let same = self.workload.matches(
            Check::Full,
            number,
            message.key.as_deref(),
            message.value.as_deref(),
        );
        ensure(same, "the first get found another message than was published")?;
        log.close()?;
        Ok(nanos)
    }

    /// Measures in a separate process, where no earlier use of the heap hides an allocation.
    fn anonymous_bytes(&self, number: u64) -> Outcome<f64> {
        let figures = child::numbers(MEMORY, &self.dir, number)?;
        Ok(*figures.first().ok_or("the child printed no number")?)
    }
}

/// W9u: opening after a kill. The limit is reading the segment that the killed process was writing
/// to, record by record.
fn killed(bench: &Bench<'_>, plan: &Plan, report: &mut Report) -> Outcome {
    // This is three quarters of a segment.
    let unsealed = (Options::ROLLOVER_DEFAULT.min(plan.open_bytes) * 3 / 4) / FRAME_LEN;
    let records = Plain::build(plan.dir.as_path(), bench.workload, unsealed)?;
    let mut rows = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
    let mut next = bench.messages;
    for round in 0..=plan.rounds {
        for (row, written_back) in rows.iter_mut().zip([false, true]) {
            publish_and_die(&bench.dir, unsealed)?;
            next += unsealed;
            let newest = newest_segment(&bench.dir)?;
            if written_back {
                File::open(&newest)?.sync_all()?;
            }
            // The library decides how much of the segment to read. The limit reads the same number
            // of records.
            let active = next - base_offset(&newest)?;
            let limit = limit_scan(&records, active.min(unsealed))? * active as f64;
            let library = bench.library_recover(next)?;
            if round > 0 {
                row.0.push(limit);
                row.1.push(library);
            }
        }
    }
    let whats = ["right after it", "once the system has written its files back"];
    for ((what, (limit, library)), target) in whats
        .into_iter()
        .zip(rows)
        .zip([Target::None, Target::Ratio(1.5)])
    {
        report.add(Row {
            id: "W9u",
            what: format!("open after a kill, {what}; for limit, its active segment scanned"),
            unit: Unit::Millis,
            limit: Some(Samples::of(limit)),
            library: Samples::of(library),
            target,
        });
    }
    Ok(())
}

impl Bench<'_> {
    fn library_recover(&self, next: u64) -> Outcome<f64> {
        let start = Instant::now();
        let log = options().open(&self.dir)?;
        let nanos = start.elapsed().as_nanos() as f64;
        ensure(
            log.next_offset()? == next,
            "the log lost messages that were published before the kill",
        )?;
        for number in [0, next / 2, next - 1] {
            let message = log.get(Start::At(number))?;
            let same = self.workload.matches(
                Check::Full,
                number,
                message.key.as_deref(),
                message.value.as_deref(),
            );
            ensure(
                same,
                "another message was found after the kill than was published",
            )?;
        }
        log.close()?;
        Ok(nanos)
    }
}

/// Returns nanoseconds per record.
fn limit_scan(records: &Plain, messages: u64) -> Outcome<f64> {
    let start = Instant::now();
    for number in 0..messages {
        std::hint::black_box(records.get(number).ok_or("the limit read a bad record")?);
    }
    Ok(crate::measure::nanos_each(start, messages))
}

/// Starts a child that publishes this many messages, and kills it when it is done.
fn publish_and_die(dir: &Path, messages: u64) -> Outcome {
    let mut child = child::command(PUBLISH, dir, messages)?
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    // This sends SIGKILL, so no code of the child runs any more.
    child.kill()?;
    child.wait()?;
    ensure(line == "published\n", "the child that publishes failed")
}

/// A child: prints the anonymous memory that opening a log and getting one message take.
pub(crate) fn memory_child(dir: &Path, number: u64) -> Outcome {
    let before = machine::anonymous_bytes()?;
    let log = options().open(dir)?;
    log.get(Start::At(number))?;
    println!("{}", machine::anonymous_bytes()?.saturating_sub(before));
    Ok(())
}

/// A child: publishes messages and waits to be killed, because the log must not be closed.
pub(crate) fn publish_child(dir: &Path, messages: u64) -> Outcome {
    let workload = Workload::new(VALUE_LEN);
    let log: FileLog = options().open(dir)?;
    let next = log.next_offset()?;
    workload.publish(&log, next..next + messages)?;
    println!("published");
    loop {
        std::thread::park();
    }
}

/// The segment with the largest base offset. All names have the same length, so they sort by
/// offset.
fn newest_segment(dir: &Path) -> Outcome<PathBuf> {
    let mut newest: Option<PathBuf> = None;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let is_segment = path.extension().is_some_and(|extension| extension == "log")
            && path
                .file_stem()
                .is_some_and(|stem| stem.as_encoded_bytes().iter().all(u8::is_ascii_digit));
        if is_segment && newest.as_ref().is_none_or(|newest| *newest < path) {
            newest = Some(path);
        }
    }
    newest.ok_or_else(|| "there is no segment".into())
}

fn base_offset(segment: &Path) -> Outcome<u64> {
    let stem = segment
        .file_stem()
        .and_then(|stem| stem.to_str())
        .ok_or("a segment has no name")?;
    Ok(stem.parse()?)
}

fn map(file: &File) -> Outcome<Mmap> {
    #[expect(unsafe_code, reason = "the limit is to map one file")]
    // SAFETY: the file belongs to a log in a directory of this run, and nobody changes it during
    // the life of this mapping.
    let map = unsafe { Mmap::map(file)? };
    Ok(map)
}
