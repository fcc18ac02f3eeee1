//! Limits of a process: files of limited size, few descriptors, few mappings.

use std::fs;
use std::thread;
use std::time::Duration;

use duramen::{Log, LogExt, MappedFiles, NewMessage, Options, Start};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{CHILD, Known, arrangements, is_refusal};
use crate::common::{self, child, run_child};

/// Changes what this process may have of something; the hard limit stays.
fn limit(resource: Resource, current: Option<u64>) {
    let maximum = getrlimit(resource).maximum;
    setrlimit(
        resource,
        Rlimit {
            current: current.or(maximum),
            maximum,
        },
    )
    .expect("a limit");
}

/// Goal: a limit on the size of files refuses, and does not kill. Method: limits from small to large, publishing up to
/// each, raising it, going on.
#[test]
fn a_file_size_limit_is_an_error_and_not_a_signal() {
    let seed = common::seed("file size");
    let mut command = child(CHILD, "file size");
    command.env("DURAMEN_SEED", seed.to_string());
    run_child(command);
}

pub(super) fn limit_file_size(seed: u64) {
    for limit_bytes in [0, 100, 4096, 10_000, 16 << 10, 40_000, 64 << 10, 70_000, 100_000] {
        for (options, value_len_max, batch_max) in arrangements() {
            let when = format!("limit {limit_bytes}, {value_len_max} * {batch_max} bytes, {options:?}");
            let home = common::fast_dir();
            let mut known = Known::new(seed, value_len_max, batch_max);
            let log = options.open(home.path()).expect("a new log");
            assert!(known.publish_up_to(&log, 3).is_none(), "{when}");
            limit(Resource::Fsize, Some(limit_bytes));
            let refused = known.publish_up_to(&log, 200);
            assert!(refused.as_ref().is_none_or(is_refusal), "{when}: {refused:?}");
            known.check(&log, &when);
            let other = options.open(home.path().join("other"));
            assert!(other.as_ref().err().is_none_or(is_refusal), "{when}: {other:?}");
            limit(Resource::Fsize, None);
            let after = known.publish_up_to(&log, 10);
            assert!(
                after.is_none(),
                "{when}: refused with {refused:?}, after that with {after:?}"
            );
            log.close().unwrap_or_else(|error| panic!("{when}: {error:?}"));
            known.check(&options.open(home.path()).expect("a reopen"), &when);
        }
    }
}

/// Goal: too few descriptors refuse, and do no harm. Method: limits from 3 up, opening, reading and publishing under
/// each, then without it.
#[test]
fn too_few_descriptors_are_an_error_and_do_no_harm() {
    let seed = common::seed("descriptors");
    let mut command = child(CHILD, "descriptors");
    command.env("DURAMEN_SEED", seed.to_string());
    run_child(command);
}

pub(super) fn limit_descriptors(seed: u64) {
    for (options, ..) in arrangements().step_by(3) {
        let options = options.rollover(4 << 10);
        let home = common::fast_dir();
        let mut known = Known::new(seed, 200, 3);
        let log = options.open(home.path()).expect("a new log");
        assert!(known.publish_up_to(&log, 200).is_none());
        log.close().expect("a close");
        let mut worked = 0;
        for descriptors in 3..40 {
            let when = format!("{descriptors} descriptors, {options:?}");
            limit(Resource::Nofile, Some(descriptors));
            let answer = options.open(home.path()).and_then(|log| {
                let read = log.consume(Start::Last(3000), 10).map(drop);
                let keyed = log.get_by_key(b"key-1").map(drop);
                let refused = known.publish_up_to(&log, 30);
                let closed = log.close();
                read.and(keyed).and(refused.map_or(Ok(()), Err)).and(closed)
            });
            limit(Resource::Nofile, None);
            assert!(answer.as_ref().err().is_none_or(is_refusal), "{when}: {answer:?}");
            worked += u64::from(answer.is_ok());
            let log = options
                .open(home.path())
                .unwrap_or_else(|error| panic!("{when}: {error:?}"));
            known.check(&log, &when);
            log.close().unwrap_or_else(|error| panic!("{when}: {error:?}"));
        }
        println!("  of 37 limits {worked} were enough: {options:?}");
        assert!(worked > 10, "{options:?}");
    }
}

/// Goal: a log whose sealed segments take up descriptors, because they are not mapped, leaves most to the application.
/// Method: as many segments as there may be descriptors, all of them read.
#[test]
fn segments_that_are_not_mapped_leave_descriptors_for_others() {
    run_child(child(CHILD, "not mapped"));
}

pub(super) fn read_without_mappings() {
    const DESCRIPTORS: u64 = 200;
    let home = common::fast_dir();
    let options = Options::new()
        .rollover(1 << 10)
        .mapped_files(MappedFiles::Nothing);
    limit(Resource::Nofile, Some(DESCRIPTORS));
    let log = options.open(home.path()).expect("a log");
    for _ in 0..DESCRIPTORS {
        log.publish_one(NewMessage::value(&[7; 900])).expect("published");
    }
    for offset in 0..DESCRIPTORS {
        log.get(Start::At(offset)).expect("read");
    }
    let open = fs::read_dir("/proc/self/fd").expect("descriptors").count() as u64;
    assert!(open < DESCRIPTORS / 2, "{open} of {DESCRIPTORS}");
}

/// Goal: many segments take few descriptors and mappings, also while they come faster than they can be sealed. Method:
/// thousands of rollovers with few descriptors allowed, all messages read back, descriptors and mappings counted.
#[test]
fn many_segments_take_few_descriptors_and_mappings() {
    let seed = common::seed("many segments");
    let mut command = child(CHILD, "many segments");
    command.env("DURAMEN_SEED", seed.to_string());
    run_child(command);
}

pub(super) fn have_many_segments(seed: u64) {
    let count = |what: &str| match what {
        "fd" => fs::read_dir("/proc/self/fd").expect("descriptors").count(),
        _ => fs::read_to_string("/proc/self/maps")
            .expect("mappings")
            .lines()
            .count(),
    };
    for (options, ..) in arrangements().step_by(3) {
        let options = options.rollover(1 << 10).segments_mapped_max(20);
        // On a real disk: there, sealing takes time.
        let home = tempfile::tempdir().expect("a directory");
        let mut known = Known::new(seed, 100, 2);
        let (fds_before, maps_before) = (count("fd"), count("maps"));
        limit(Resource::Nofile, Some(fds_before as u64 + 64));
        let log = options.open(home.path()).expect("a new log");
        let refused = known.publish_up_to(&log, 4000);
        let (fds, maps) = (
            count("fd") - fds_before,
            count("maps").saturating_sub(maps_before),
        );
        limit(Resource::Nofile, None);
        let segments = log.stat().map(|stats| stats.segments);
        println!("  {segments:?} segments, {fds} descriptors, {maps} mappings: {options:?}");
        assert!(
            refused.is_none(),
            "{refused:?} with {fds} descriptors: {options:?}"
        );
        assert!(
            fds < 64 && maps < 150,
            "{fds} descriptors, {maps} mappings: {options:?}"
        );
        known.check(&log, "many segments");
        thread::sleep(Duration::from_millis(10));
        let maps = count("maps").saturating_sub(maps_before);
        assert!(maps < 150, "{maps} mappings after reading: {options:?}");
        log.close().expect("a close");
        // A closed handle only keeps the directory that it belongs to.
        drop(log);
        let fds = count("fd");
        assert_eq!(fds, fds_before, "descriptors left: {options:?}");
    }
}

/// Goal: all logs of a process together leave half of its mappings to the application. Method: ten logs of so many
/// segments that they would take more if each kept to its own limit; everything is read, and read again.
#[test]
fn many_logs_share_a_budget_of_mappings() {
    run_child(child(CHILD, "many logs"));
}

pub(super) fn share_mappings() {
    const LOGS: u64 = 10;
    let allowed = fs::read_to_string("/proc/sys/vm/max_map_count").expect("a limit");
    let allowed: u64 = allowed.trim().parse().expect("a number");
    if allowed > 100_000 {
        println!("  NOT RUN: {allowed} mappings are allowed here, more than there are segments");
        return;
    }
    let segments_each = allowed / 4 / LOGS * 11 / 10;
    let home = common::fast_dir();
    let options = Options::new()
        .create_dirs(true)
        .key_index(true)
        .rollover(1 << 10)
        .background(false);
    let logs: Vec<_> = (0..LOGS)
        .map(|number| options.open(home.path().join(number.to_string())).expect("a log"))
        .collect();
    for log in &logs {
        for number in 0..segments_each {
            let key = number.to_le_bytes();
            log.publish(&[NewMessage::new(&key, &[7; 900])])
                .expect("published");
        }
    }
    let mut most = 0;
    for log in logs.iter().chain(&logs) {
        assert_eq!(log.iter(0).flatten().count() as u64, segments_each);
        let maps = fs::read_to_string("/proc/self/maps").expect("a list");
        let count = maps.lines().count() as u64;
        assert!(count <= allowed / 2 + 500, "{count} of {allowed}");
        most = most.max(count);
    }
    println!(
        "  at most {most} mappings of {allowed}, {} segments",
        LOGS * segments_each
    );
}
