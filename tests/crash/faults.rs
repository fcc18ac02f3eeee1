//! Battery C: every call into the file system fails in every way it can, once and from then on.

use std::collections::BTreeMap;
use std::time::Instant;

use duramen::fault::{Call, Errno, Fault};
use duramen::{Error, ErrorKind, Log};

use super::content::{Content, as_new};
use super::examine::examine;
use super::oracle::{Verdict, recovers, told, without_panic};
use super::run::Run;
use super::settings::Settings;
use super::workload::Step::{Batch, Close, Page, Reopen, Roll, Segment, Small, Sync};
use super::workload::{Config, Step, Workload};

const WORKLOADS: [&[Step]; 10] = [
    &[Small, Small, Sync, Small],
    &[Page, Small, Close],
    &[Segment, Small, Sync],
    &[Batch, Roll, Batch],
    &[Roll, Small, Close],
    &[Small, Reopen, Small],
    &[Small, Close, Small],
    &[Roll, Reopen, Batch],
    &[Batch, Sync, Segment, Close],
    &[Page, Roll, Reopen, Close],
];

/// So many disks are tried after the power fails behind a fault.
const IMAGES: usize = 2;

/// How often a call failed in some way.
type Hits = BTreeMap<String, usize>;

#[test]
fn each_call_fails_in_each_way_with_each_publish() {
    battery(Config::ALL[0]);
}

#[test]
fn each_call_fails_in_each_way_with_os() {
    battery(Config::ALL[3]);
}

fn battery(config: Config) {
    let started = Instant::now();
    let mut hits = Hits::new();
    let mut failed: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for steps in WORKLOADS {
        let workload = Workload {
            config,
            steps: steps.to_vec(),
        };
        for &errno in Errno::ALL {
            for from_then_on in [false, true] {
                let mut fault = Fault {
                    errno,
                    call: None,
                    index: 0,
                    from_then_on,
                };
                loop {
                    let verdict = without_panic(|| one(&workload, fault, &mut hits));
                    match verdict {
                        Ok(true) => {}
                        Ok(false) => break,
                        Err(text) => {
                            let kind = text.lines().next().unwrap_or_default().to_owned();
                            let story = format!("{workload} with {fault:?}: {text}");
                            failed.entry(kind).or_insert((0, story)).0 += 1;
                        }
                    }
                    fault.index += 1;
                }
            }
        }
    }
    let runs: usize = hits.values().sum();
    println!(
        "{}: {runs} runs in {:.1} s; {hits:#?}",
        config.name,
        started.elapsed().as_secs_f64()
    );
    for (kind, (count, story)) in &failed {
        println!("{count} runs failed: {kind}: {story}");
    }
    if let Some((_, first)) = failed.values().next() {
        panic!("of {runs} runs some failed, such as {first}");
    }
}

/// A workload with one fault; false if the fault was not met.
fn one(workload: &Workload, fault: Fault, hits: &mut Hits) -> Verdict<bool> {
    let settings = Settings::get();
    let mut run = Run::new(workload.config, workload.config.disk(settings.seed));
    run.disk.inject(fault);
    for step in &workload.steps {
        let faults_before = run.disk.faults_hit();
        let Err(error) = run.step(*step) else { continue };
        let met = run.disk.faults_hit() > faults_before;
        let failed = |what: &str| {
            Err(format!(
                "{what}: {step:?}, {:?}: {}",
                run.disk.last_fault(),
                told(&error)
            ))
        };
        if !met {
            return failed("G6: failed without a reason");
        }
        if let Err(text) = is_fitting(fault.errno, &error) {
            return failed(&text);
        }
        if !goes_on(&mut run, fault, &error)? {
            break;
        }
    }
    // The disk of a process that was killed in between has no faults any more; a fault may have come before that.
    let met = run.disk.faults_hit() > 0;
    if met {
        let call = run
            .disk
            .last_fault()
            .map_or(String::new(), |call: Call| format!("{call:?}"));
        *hits.entry(format!("{call} {:?}", fault.errno)).or_default() += 1;
    }
    settled(run).map(|()| met)
}

/// The error has to be of the right kind and say what the system said.
fn is_fitting(errno: Errno, error: &Error) -> Verdict<()> {
    let (Error::Io { source, .. } | Error::SyncFailed { source, .. }) = error else {
        return Err("G6: an error of the wrong kind".to_owned());
    };
    if matches!(errno, Errno::Eintr | Errno::Short) {
        return Err("G6: did not try again".to_owned());
    }
    if source.raw_os_error() == errno.error().raw_os_error() {
        Ok(())
    } else {
        Err("G6: the error does not say what the system said".to_owned())
    }
}

/// After a failed step: whether the handle is still of use, as it has to be where nothing was written.
fn goes_on(run: &mut Run, fault: Fault, error: &Error) -> Verdict<bool> {
    let call = run.disk.last_fault();
    if run.log.is_none() {
        return Ok(true);
    }
    if fault.from_then_on {
        run.disk.heal();
    }
    let more = Content::new(99, run.history.next_offset(), 10);
    let unknown = error.kind() == ErrorKind::Unknown;
    if unknown {
        // What may or may not be there takes its offsets with it.
        let log = run.log.as_ref().expect("open");
        let again = as_new(&[more], |messages| log.publish(messages));
        return match again {
            Err(Error::Poisoned) => Ok(false),
            other => Err(format!(
                "G1: not poisoned after a failed sync ({call:?}): {other:?}"
            )),
        };
    }
    match run.publish(&[more]) {
        Ok(()) => Ok(!fault.from_then_on),
        // Half of a new segment may be there, or space behind the last one that could not be given back.
        Err(Error::Poisoned)
            if matches!(
                call,
                Some(Call::Rename | Call::OpenDir | Call::SyncDir | Call::Sync | Call::SetLen)
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(format!(
            "G1: {call:?} failed, and then nothing works any more: {}",
            told(&error)
        )),
    }
}

/// The disk works again: the handle reads, and after a kill, a kill with an empty cache and a power cut the log opens.
fn settled(mut run: Run) -> Verdict<()> {
    run.disk.heal();
    let point = run.disk.point();
    let after_kill = run.history.after_kill(point);
    if let Some(log) = &run.log {
        examine(&run.config, log, &after_kill).map_err(|text| format!("still open: {text}"))?;
    }
    run.log = None;
    let handles = run.disk.open_handles();
    if handles > 0 {
        return Err(format!("G6: {handles} files or mappings left open"));
    }
    let tell = |what: &str, disk: &duramen::fault::SimDisk| format!("{what}\n{}", disk.op_log());
    let killed = run.disk.kill_at(point);
    recovers(&run.config, &killed, &after_kill)
        .map_err(|text| tell(&format!("after a kill: {text}"), &killed))?;

    let after_cut = run.history.after_power_cut(point);
    let evicted = run.disk.kill_at(point);
    evicted.evict();
    recovers(&run.config, &evicted, &after_cut)
        .map_err(|text| tell(&format!("evicted: {text}"), &evicted))?;
    for disk in run.disk.crash_images(point, &Settings::get().plan()).take(IMAGES) {
        recovers(&run.config, &disk, &after_cut).map_err(|text| tell(&text, &disk))?;
    }
    Ok(())
}
