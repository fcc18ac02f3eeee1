//! W14: many logs open in one process.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use duramen::{FileLog, Log as _, Options, Start};
use rustix::io::Errno;

use crate::args::Plan;
use crate::measure::Samples;
use crate::report::{Report, Row, Target, Unit};
use crate::workload::{VALUE_LEN, Workload, ensure};
use crate::{Outcome, child, machine};

/// The name of the child's task.
pub(crate) const TASK: &str = "many";

/// The time for the background to finish what the publishes gave it. Then all logs are idle.
const IDLE: Duration = Duration::from_secs(1);

/// The number of bytes that all logs may have resident.
const RESIDENT_MAX: f64 = 200.0 * 1024.0 * 1024.0;

pub(crate) fn run(plan: &Plan, dir: &Path, report: &mut Report) -> Outcome {
    if !plan.wants("W14") {
        return Ok(());
    }
    report.begin("W14");
    let logs = plan.logs;
    let dir = dir.join("many");
    fs::create_dir(&dir)?;
    let figures = child::numbers(TASK, &dir, logs)?;
    machine::clear(&dir)?;
    ensure(figures.len() == 10, "the child printed another number of numbers")?;
    let count = figures[0];
    // If the system has no descriptors for all logs, those that are open may take their share.
    let resident_max = RESIDENT_MAX * count / logs as f64;
    // In the order in which the child prints them.
    let rows = [
        (
            "how many could be opened",
            Unit::Count,
            Target::AtLeast(logs as f64),
        ),
        ("opening one", Unit::Micros, Target::None),
        ("publishing its first message", Unit::Micros, Target::None),
        ("resident memory", Unit::MiB, Target::AtMost(resident_max)),
        ("anonymous memory", Unit::MiB, Target::None),
        ("descriptors per idle log", Unit::Count, Target::AtMost(0.0)),
        ("mappings per idle log", Unit::Count, Target::None),
        ("resident memory after gc", Unit::MiB, Target::None),
        ("descriptors per log after gc", Unit::Count, Target::None),
        ("mappings per log after gc", Unit::Count, Target::None),
    ];
    for ((what, unit, target), figure) in rows.into_iter().zip(figures) {
        report.add(Row {
            id: "W14",
            what: format!("{count} of {logs} logs open, one message in each: {what}"),
            unit,
            limit: None,
            library: Samples::of(vec![figure]),
            target,
        });
    }
    Ok(())
}

/// What this process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Bytes.
    resident: u64,
    /// Bytes not backed by files.
    anonymous: u64,
    descriptors: u64,
    maps: u64,
}

impl Held {
    fn now() -> Outcome<Held> {
        Ok(Held {
            resident: machine::resident_bytes()?,
            anonymous: machine::anonymous_bytes()?,
            // Reading the directory takes a descriptor, each time.
            descriptors: fs::read_dir("/proc/self/fd")?.count() as u64,
            maps: fs::read_to_string("/proc/self/maps")?.lines().count() as u64,
        })
    }

    /// Resident bytes, anonymous bytes, and descriptors and mappings for each of `logs`.
    fn since(before: &Held, logs: u64) -> Outcome<[f64; 4]> {
        let now = Held::now()?;
        let more = |now: u64, before: u64| now.saturating_sub(before) as f64;
        Ok([
            more(now.resident, before.resident),
            more(now.anonymous, before.anonymous),
            more(now.descriptors, before.descriptors) / logs as f64,
            more(now.maps, before.maps) / logs as f64,
        ])
    }
}

/// The child: opens so many logs, publishes one message into each, and prints what this took.
pub(crate) fn child(dir: &Path, wanted: u64) -> Outcome {
    let workload = Workload::new(VALUE_LEN);
    let before = Held::now()?;
    let mut times = [Duration::ZERO; 2];
    let mut logs: Vec<FileLog> = Vec::new();
    for number in 0..wanted {
        match open(dir, &workload, number, &mut times) {
            Ok(log) => logs.push(log),
            Err(error) if is_out_of_descriptors(&error) => break,
            Err(error) => return Err(error.into()),
        }
    }
    if (logs.len() as u64) < wanted {
        // This gives back the few descriptors that are needed below.
        logs.truncate(logs.len().saturating_sub(16));
    }
    ensure(!logs.is_empty(), "no log could be opened")?;
    let count = logs.len() as u64;
    let [opened, published] = times.map(|time| time.as_nanos() as f64 / count as f64);
    thread::sleep(IDLE);
    let [resident, anonymous, descriptors, maps] = Held::since(&before, count)?;
    println!("{count} {opened} {published} {resident} {anonymous} {descriptors} {maps}");
    for log in &logs {
        log.gc(Duration::ZERO)?;
    }
    let [resident, _, descriptors, maps] = Held::since(&before, count)?;
    println!("{resident} {descriptors} {maps}");
    for (number, log) in logs.iter().enumerate() {
        let found = log.get(Start::Newest)?;
        ensure(
            found.value.as_deref() == Some(workload.value(number as u64)),
            "a log holds another message than was published",
        )?;
    }
    // Nobody needs the logs any more, and closing all of them would take a while.
    std::mem::forget(logs);
    Ok(())
}

/// Opens a log and publishes one message. Adds up the times that the two take.
fn open(dir: &Path, workload: &Workload, number: u64, times: &mut [Duration; 2]) -> duramen::Result<FileLog> {
    let options = Options::new().create_dirs(true).key_index(true).time_index(true);
    let start = Instant::now();
    let log = options.open(dir.join(number.to_string()))?;
    times[0] += start.elapsed();
    let start = Instant::now();
    log.publish(&[workload.message(number)])?;
    times[1] += start.elapsed();
    Ok(log)
}

/// Whether a call failed because this process has as many descriptors as it may have.
fn is_out_of_descriptors(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_this = |error: &io::Error| error.raw_os_error() == Some(Errno::MFILE.raw_os_error());
    error.downcast_ref().is_some_and(is_this) || error.source().is_some_and(is_out_of_descriptors)
}
