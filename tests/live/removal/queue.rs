//! Logs used as queues, from which one message after the other is deleted: the files stay few, and a delete costs the
//! same for ever.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use duramen::fault::{Call, SimDisk};
use duramen::{FileLog, Log, NewMessage, Options};

use crate::common;

const DIR: &str = "/log";
const ROLLOVER: u64 = 1 << 20;
/// Files that a queue may add to those of its backlog.
const MORE_MAX: usize = 16;
/// The same where messages stay: of a few of them, segments of each size from a message to half of a full segment may
/// lie side by side, each twice as large as the next.
const MORE_MAX_WITH_MESSAGES: usize = 2 * 12;

fn options() -> Options {
    Options::new()
        .create_dirs(true)
        .background(false)
        .rollover(ROLLOVER)
}

fn fill(log: &FileLog, mib: u64) {
    let batch = [NewMessage::value(&[7; 1000]); 100];
    while log.stat().expect("open").size < mib << 20 {
        log.publish(&batch).expect("published");
    }
}

fn delete(log: &FileLog, offset: u64) {
    let deleted = log.delete(&BTreeSet::from([offset])).expect("deleted");
    assert_eq!(deleted.messages, 1);
}

/// Publishes a job and deletes it; returns how long the delete took.
fn job(log: &FileLog) -> Duration {
    let next = log.publish(&[NewMessage::value(&[1; 1000])]).expect("published");
    let began = Instant::now();
    delete(log, next - 1);
    began.elapsed()
}

/// Calls that cost time, and bytes that were written.
fn spent(disk: &SimDisk) -> [u64; 2] {
    let calls = [
        Call::Create,
        Call::Rename,
        Call::Remove,
        Call::Sync,
        Call::SyncDir,
        Call::OpenRead,
    ];
    [
        calls.into_iter().map(|call| disk.calls(call)).sum(),
        disk.written(),
    ]
}

/// Does `rounds` jobs behind what `prepare` leaves.
fn run(more_max: usize, rounds: usize, prepare: impl Fn(&FileLog), job: impl Fn(&FileLog) -> Duration) {
    let disk = SimDisk::new(7);
    let log = options().storage(&disk).open(DIR).expect("a new log");
    prepare(&log);
    let (before, mut most) = (disk.files().len(), 0);
    let mut costs = Vec::new();
    for _ in 0..rounds {
        let began = spent(&disk);
        job(&log);
        let ended = spent(&disk);
        costs.push([ended[0] - began[0], ended[1] - began[1]]);
        most = most.max(disk.files().len());
    }
    let mean = |costs: &[[u64; 2]], kind: usize| {
        costs.iter().map(|cost| cost[kind]).sum::<u64>() / costs.len() as u64
    };
    for (kind, what) in ["calls", "bytes"].into_iter().enumerate() {
        let (first, last) = (mean(&costs[..100], kind), mean(&costs[rounds - 100..], kind));
        println!("  {what} a job: {first}, then {last}; files: {before}, then at most {most}");
        assert!(2 * last <= 3 * first, "{what} a job: {first}, then {last}");
    }
    assert!(most <= before + more_max, "{before} files, then {most}");
    log.close().expect("closed");
    let found = duramen::check(DIR, &options().storage(&disk)).expect("a check");
    assert!(found.is_clean(), "{:?}", found.problems);
}

#[test]
fn a_queue_behind_a_backlog_stays_few_files() {
    run(MORE_MAX, 2000, |log| fill(log, 8), job);
}

/// The large neighbour was rewritten, is smaller than half a segment, and stays where it is.
#[test]
fn a_large_rewritten_neighbour_does_not_let_segments_pile_up() {
    let prepare = |log: &FileLog| {
        let batch = [NewMessage::value(&[7; 1000]); 100];
        for _ in 0..3 {
            log.publish(&batch).expect("published");
        }
        delete(log, 0);
    };
    run(MORE_MAX, 600, prepare, job);
}

#[test]
fn a_queue_that_is_nearly_empty_stays_few_files() {
    run(MORE_MAX, 600, |_| {}, job);
    // One job at the front is never done.
    run(
        MORE_MAX,
        600,
        |log| drop(log.publish(&[NewMessage::value(&[7; 1000])])),
        job,
    );
}

/// Each job leaves a short message behind, so that there is something to be copied when segments become one.
#[test]
fn messages_that_stay_are_copied_seldom() {
    let leaving = |log: &FileLog| {
        log.publish(&[NewMessage::value(&[7; 20])]).expect("published");
        job(log)
    };
    run(MORE_MAX_WITH_MESSAGES, 1200, |log| fill(log, 2), leaving);
}

/// Goal: flat time as well. Method: real files; a log in which 1,900 jobs were done, and a new one. Of each, in turns,
/// so that the machine is as busy for both, the median of a hundred deletes.
#[test]
fn the_last_delete_takes_no_longer_than_the_first() {
    let dirs = [common::fast_dir(), common::fast_dir()];
    let logs = dirs.each_ref().map(|dir| {
        let log = options().open(dir.path()).expect("a new log");
        fill(&log, 8);
        log
    });
    let [new, used] = &logs;
    for _ in 0..1900 {
        job(used);
    }
    let (mut first, mut last): (Vec<Duration>, Vec<Duration>) =
        (0..100).map(|_| (job(new), job(used))).unzip();
    let median = |times: &mut [Duration]| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (first, last) = (median(&mut first), median(&mut last));
    println!("  a delete takes {first:?}, and {last:?} at the end");
    assert!(
        last <= first.mul_f64(1.5),
        "a delete takes {first:?}, and {last:?} at the end"
    );
    let files = common::files_of(dirs[1].path()).len();
    assert!(files <= 18 + MORE_MAX, "{files} files");
}
