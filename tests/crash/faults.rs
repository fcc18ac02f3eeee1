//! Battery C: every call into the file system fails in every way it can, once and from then on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use duramen::fault::{Call, Errno, Fault, Lie, SimDisk};
use duramen::{Error, ErrorKind, Log, NewMessage};

use super::content::{Content, as_new};
use super::examine::{examine, read_all};
use super::history::Expected;
use super::oracle::{copy_recovers, recovers, recovers_without_marker, told, without_panic};
use super::run::Run;
use super::settings::Settings;
use super::workload::Step::{
    Backup, Batch, Close, Compact, DeleteAll, DeleteLast, DeleteMiddle, Fence, FenceAlone, Fill, Merge, Page,
    Produce, ProduceTwice, Recover, Reopen, Retain, Roll, Seal, Segment, Small, Sync, Trim, TrimAll,
    TrimControl, Unseal,
};
use super::workload::{Config, Step, Workload};
use crate::verdict::Verdict;

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

/// What comes after filling a few segments, without faults.
const REMOVING: [&[Step]; 12] = [
    &[DeleteMiddle, Small, Reopen],
    &[DeleteLast, Small],
    &[DeleteAll, Small],
    &[Merge, Small, Close],
    &[Merge, Fill, Merge],
    &[Trim, Small, TrimAll],
    &[Compact, Trim, Close],
    &[Retain, Roll],
    &[Backup, Small, Backup],
    &[Backup, Merge, Backup],
    &[Small, Recover, Small],
    &[Trim, Close, Recover],
];

/// The same, with control records and producers.
const CONTROLLING: [&[Step]; 7] = [
    &[Fence, Produce, ProduceTwice, Reopen, ProduceTwice],
    &[Produce, FenceAlone, Roll, Close],
    &[TrimControl, Small, TrimControl],
    &[Seal, Small, Unseal, Small],
    &[Produce, Fence, Trim, Seal, TrimAll],
    &[Produce, DeleteMiddle, Fence, Backup],
    &[Seal, Close, Unseal, Produce, Recover],
];

/// So many disks are tried after the power fails behind a fault.
const IMAGES: usize = 2;

#[test]
fn each_call_fails_in_each_way_with_each_publish() {
    Battery::new(Config::ALL[0]).run(&WORKLOADS, Errno::ALL, None, |_| {});
}

#[test]
fn each_call_fails_in_each_way_with_os() {
    Battery::new(Config::ALL[3]).run(&WORKLOADS, Errno::ALL, None, |_| {});
}

/// Those that differ in what they leave behind; all of them if that was asked for.
fn removing_errnos() -> &'static [Errno] {
    if Settings::get().faults_full {
        Errno::ALL
    } else {
        &[Errno::Eio, Errno::Enospc, Errno::Eintr, Errno::Short]
    }
}

fn controlling_errnos() -> &'static [Errno] {
    if Settings::get().faults_full {
        Errno::ALL
    } else {
        &[Errno::Eio, Errno::Enospc]
    }
}

/// As above, while messages are removed, copied to a backup, and recovered.
#[test]
fn each_call_fails_in_each_way_while_removing_with_each_publish() {
    Battery::new(Config::REMOVING[0]).run(&REMOVING, removing_errnos(), None, |_| {});
}

#[test]
fn each_call_fails_in_each_way_while_removing_with_os() {
    Battery::new(Config::REMOVING[1]).run(&REMOVING, removing_errnos(), None, |_| {});
}

/// As above, with control records and producers.
#[test]
fn each_call_fails_in_each_way_around_control_records_with_each_publish() {
    Battery::new(Config::REMOVING[0]).run(&CONTROLLING, controlling_errnos(), None, |_| {});
}

#[test]
fn each_call_fails_in_each_way_around_control_records_with_os() {
    Battery::new(Config::OS).run(&CONTROLLING, controlling_errnos(), None, |_| {});
}

/// As above, on a file system that never again keeps what is written to a file of which a sync has failed.
#[test]
fn a_file_is_never_trusted_after_a_failed_sync() {
    for config in [Config::ALL[0], Config::ALL[3]] {
        Battery::new(config).run(&WORKLOADS, &[Errno::Eio], Some(Call::Sync), |disk| {
            disk.lie(Lie::AfterFailure, ".log");
        });
    }
}

/// As above, where nothing is stored through a mapping. So a full disk may refuse each write, also over bytes that are
/// there.
#[test]
fn each_call_fails_in_each_way_where_everything_is_written_by_calls() {
    let errnos = &[Errno::Eio, Errno::Enospc, Errno::Eintr, Errno::Short];
    let workloads = &[
        WORKLOADS[0],
        WORKLOADS[4],
        WORKLOADS[6],
        WORKLOADS[7],
        WORKLOADS[8],
    ];
    for config in Config::BY_CALL {
        Battery::new(config).run(workloads, errnos, None, |_| {});
    }
}

/// Goal: a publish that a full disk refuses in the middle, and that cannot be overwritten for the same reason either,
/// leaves nothing behind, and the log goes on. Method: from the n-th write on, all fail, for each n.
#[test]
fn a_batch_that_cannot_be_withdrawn_is_cut_off() {
    for config in Config::BY_CALL {
        let rollover = 256 << 10;
        let config = Config { rollover, ..config };
        for steps in [&[Small, Sync][..], &[Small, Small, Reopen], &[Page, Page]] {
            for index in 0..8 {
                let mut run = Run::new(config, config.disk(Settings::get().seed));
                let steps = steps.iter().try_for_each(|step| run.step(*step));
                steps.expect("no fault yet");
                run.disk.inject(Fault {
                    errno: Errno::Enospc,
                    call: Some(Call::Write),
                    index,
                    from_then_on: true,
                });
                let mut refused = 0;
                for _ in 0..10 {
                    // Larger than what is gathered before it is written.
                    let next = run.history.next_offset();
                    let batch = [Content::new(7, next, 200), Content::new(7, next + 1, 70_000)];
                    if let Err(error) = run.publish(&batch) {
                        assert_eq!(error.kind(), ErrorKind::NotWritten, "{}", told(&error));
                        refused += 1;
                    }
                }
                assert!(refused > 0, "{}: {index}", config.name);
                run.disk.heal();
                run.step(Small).expect("there is space again");
                run.step(Sync).expect("synced");
                let point = run.disk.point();
                for (disk, expected) in [
                    (run.disk.kill(), run.history.after_kill(point)),
                    (run.disk.power_cut(), run.history.after_power_cut(point)),
                ] {
                    let found = recovers(&run.config, &disk, &expected);
                    assert!(
                        found.is_ok(),
                        "{}: {index}: {:?}\n{}",
                        config.name,
                        found.err(),
                        disk.op_log()
                    );
                }
            }
        }
    }
}

/// Goal: a message that was acknowledged stays visible to readers if the process is killed while another one is half
/// written over the marker behind it. Method: one that is written by two calls, and a kill after each call.
#[test]
fn a_marker_that_is_being_written_over_is_not_missed() {
    let config = Config {
        rollover: 256 << 10,
        ..Config::ALL[0]
    };
    let mut run = Run::new(config, config.disk(Settings::get().seed));
    run.step(Small).expect("no fault");
    let first = run.disk.point();
    let next = run.history.next_offset();
    // Larger than what is gathered before it is written.
    run.publish(&[Content::new(7, next, 70_000)]).expect("no fault");
    for point in first..=run.disk.point() {
        let disk = run.disk.kill_at(point);
        let found = recovers(&run.config, &disk, &run.history.after_kill(point));
        assert!(found.is_ok(), "{point}: {:?}\n{}", found.err(), disk.op_log());
    }
}

/// Goal: a batch that is not durable yet is not shown to readers beside the writer, because the one behind it was cut
/// off. Method: while a sync is about to begin, a full disk refuses another publish, and somebody looks.
#[test]
fn a_cut_shows_nobody_what_is_not_durable() {
    let config = Config {
        rollover: 64 << 10,
        ..Config::BY_CALL[0]
    };
    let disk = config.disk(Settings::get().seed);
    let log = Arc::new(config.options(&disk).open(config.dir).expect("a log"));
    let seen = Arc::new(Mutex::new(None));
    let (here, shown, writer) = (disk.clone(), Arc::clone(&seen), Arc::clone(&log));
    let (is_busy, written) = (AtomicBool::new(false), AtomicU32::new(0));
    disk.visit(Some(Arc::new(move || {
        if is_busy.swap(true, Ordering::Relaxed) {
            return;
        }
        let path = format!("{}/{:020}.log", config.dir, 0);
        let bytes = here.read_file(path.as_ref()).unwrap_or_default();
        let is_there = bytes.windows(5).any(|found| found == b"first");
        // Behind the write the lock is held, so this is in front of the sync.
        if is_there && written.fetch_add(1, Ordering::Relaxed) == 1 {
            here.inject(Fault {
                errno: Errno::Enospc,
                call: Some(Call::Write),
                index: 0,
                from_then_on: true,
            });
            let refused = writer.publish(&[NewMessage::value(&[7; 900])]);
            assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::NotWritten));
            here.heal();
            let reader = config.options(&here).create_dirs(false).read_only(true);
            let reader = reader.open(config.dir).expect("opened beside");
            *shown.lock().expect("alone") = Some(reader.next_offset().expect("open"));
        }
        is_busy.store(false, Ordering::Relaxed);
    })));
    assert_eq!(log.publish(&[NewMessage::value(b"first")]).expect("published"), 1);
    disk.visit(None);
    assert_eq!(
        *seen.lock().expect("alone"),
        Some(0),
        "shown before it was durable"
    );
    assert_eq!(
        log.publish(&[NewMessage::value(b"second")]).expect("published"),
        2
    );
    let reader = config
        .options(&disk)
        .create_dirs(false)
        .read_only(true)
        .open(config.dir);
    assert_eq!(read_all(&reader.expect("opened beside")).expect("read").len(), 2);
}

/// All workloads of one configuration with one fault each.
struct Battery {
    config: Config,
    /// How often which call has failed in which way.
    hits: BTreeMap<String, usize>,
    /// What went wrong, how often, and one example.
    failed: BTreeMap<String, (usize, String)>,
}

impl Battery {
    fn new(config: Config) -> Battery {
        Battery {
            config,
            hits: BTreeMap::new(),
            failed: BTreeMap::new(),
        }
    }

    fn run(
        mut self,
        workloads: &[&[Step]],
        errnos: &[Errno],
        call: Option<Call>,
        prepare: impl Fn(&SimDisk),
    ) {
        let started = Instant::now();
        for steps in workloads {
            let workload = Workload {
                config: self.config,
                steps: steps.to_vec(),
            };
            for &errno in errnos {
                for from_then_on in [false, true] {
                    let mut fault = Fault {
                        errno,
                        call,
                        index: 0,
                        from_then_on,
                    };
                    while self.try_one(&workload, fault, &prepare) {
                        fault.index += 1;
                    }
                }
            }
        }
        let runs: usize = self.hits.values().sum();
        println!(
            "{}: {runs} runs in {:.1} s; {:#?}",
            self.config.name,
            started.elapsed().as_secs_f64(),
            self.hits
        );
        for (kind, (count, _)) in &self.failed {
            println!("{count} runs failed: {kind}");
        }
        if let Some((_, first)) = self.failed.values().next() {
            panic!("of {runs} runs some failed, such as {first}");
        }
    }

    /// False if the workload is over before the fault comes.
    fn try_one(&mut self, workload: &Workload, fault: Fault, prepare: impl Fn(&SimDisk)) -> bool {
        let disk = workload.config.disk(Settings::get().seed);
        let mut run = Run::new(workload.config, disk);
        if Config::REMOVING
            .iter()
            .chain([&Config::OS])
            .any(|config| config.name == workload.config.name)
        {
            run.step(Fill).expect("no fault yet");
        }
        prepare(&run.disk);
        run.disk.inject(fault);
        if let Err(text) = without_panic(|| one(&mut run, workload, fault)) {
            let kind = text.lines().next().unwrap_or_default().to_owned();
            self.failed
                .entry(kind)
                .or_insert((0, format!("{workload} with {fault:?}: {text}")))
                .0 += 1;
        }
        if let Some(call) = run.disk.last_fault() {
            *self
                .hits
                .entry(format!("{call:?} {:?}", fault.errno))
                .or_default() += 1;
        }
        run.disk.faults_hit() > 0
    }
}

/// A workload with one fault.
fn one(run: &mut Run, workload: &Workload, fault: Fault) -> Verdict<()> {
    for step in &workload.steps {
        let faults_before = run.disk.faults_hit();
        let Err(error) = run.step(*step) else { continue };
        let failed = |what: &str| {
            let call = run.disk.last_fault();
            Err(format!(
                "{what}: {step:?}, {call:?}: {}\n{}",
                told(&error),
                run.disk.op_log()
            ))
        };
        if run.disk.faults_hit() == faults_before {
            return failed("G6: failed without a reason");
        }
        // What is done behind a publish may have failed, and the next one is told.
        let is_told_late = matches!(step, Fill | Roll) && matches!(error, Error::Poisoned { .. });
        if is_told_late {
            break;
        }
        if let Err(text) = is_fitting(fault.errno, &error) {
            return failed(&text);
        }
        if !goes_on(run, *step, fault, &error)? {
            break;
        }
        if is_to_be_repeated(*step) && run.log.is_some() && !fault.from_then_on {
            run.step(*step)
                .map_err(|error| format!("G1: {step:?} once more: {}", told(&error)))?;
        }
    }
    settled(run, fault)
}

/// Whether a step that failed can be done again and then has to succeed.
fn is_to_be_repeated(step: Step) -> bool {
    matches!(
        step,
        DeleteMiddle | DeleteLast | DeleteAll | Compact | Merge | Trim | TrimAll | Retain | Backup
    )
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
fn goes_on(run: &mut Run, step: Step, fault: Fault, error: &Error) -> Verdict<bool> {
    let call = run.disk.last_fault();
    if run.log.is_none() {
        return Ok(true);
    }
    if fault.from_then_on {
        run.disk.heal();
    }
    let more = Content::new(99, run.history.next_offset(), 10);
    // A backup that fails is no matter of the log's.
    if error.kind() == ErrorKind::Unknown && step != Backup {
        // What may or may not be there takes its offsets with it.
        let log = run.log.as_ref().expect("open");
        let again = as_new(&[more], |messages| log.publish(messages));
        return match again {
            Err(Error::Poisoned { .. }) => Ok(false),
            other => Err(format!(
                "G1: not poisoned after a failed sync ({call:?}): {other:?}"
            )),
        };
    }
    match run.publish(&[more]) {
        Ok(()) => Ok(!fault.from_then_on),
        // Half of a new segment may be there, or space behind the last one that could not be given back.
        Err(Error::Poisoned { .. })
            if fault.from_then_on
                || matches!(
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
fn settled(run: &mut Run, fault: Fault) -> Verdict<()> {
    run.disk.heal();
    let point = run.disk.point();
    let after_kill = run.history.after_kill(point);
    if let Some(log) = &run.log {
        let still_open = Expected {
            trims_late: true,
            ..after_kill.clone()
        };
        examine(&run.config, log, &still_open).map_err(|text| format!("still open: {text}"))?;
    }
    run.log = None;
    let handles = run.disk.open_handles();
    if handles > 0 {
        return Err(format!("G6: {handles} files or mappings left open"));
    }
    let copy = run.history.of_copy(point);
    let try_one = |what: &str, disk: &SimDisk, expected: &Expected<'_>| {
        let on_copy = copy.as_ref().map_or(Ok(()), |copy| {
            copy_recovers(&run.config, &disk.kill(), copy).map_err(|text| format!("{what}{text}"))
        });
        let recovers = if fault.from_then_on {
            recovers_without_marker
        } else {
            recovers
        };
        on_copy
            .and_then(|()| recovers(&run.config, disk, expected).map(drop))
            .map_err(|text| format!("{what}{text}\n{}", disk.op_log()))
    };
    try_one("after a kill: ", &run.disk.kill_at(point), &after_kill)?;
    let after_cut = run.history.after_power_cut(point);
    let evicted = run.disk.kill_at(point);
    evicted.evict();
    // Where everything fails, it cannot be noted either that a sync has failed.
    let mut unnoted = run.history.after_power_cut(point);
    if fault.from_then_on {
        unnoted.promise.seen = unnoted.promise.durable;
    }
    try_one("evicted: ", &evicted, &unnoted)?;
    run.disk
        .crash_images(point, &Settings::get().plan())
        .take(IMAGES)
        .try_for_each(|disk| try_one("", &disk, &after_cut))
}
