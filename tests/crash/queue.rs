//! The state of a work queue, wherever a crash comes. The messages themselves are not on the disk that fails.

use std::sync::Arc;
use std::time::Duration;

use duramen::fault::{CrashPlan, SimDisk};
use duramen::queue::{Queue, QueueOptions};
use duramen::{Log, MemoryLog, NewMessage, Start};

use super::half_done::{DIR, options};
use super::settings::Settings;

const MESSAGES: u64 = 12;

fn jobs() -> Arc<MemoryLog> {
    let log = MemoryLog::new();
    for number in 0..MESSAGES {
        let value = number.to_string();
        log.publish(&[NewMessage::value(value.as_bytes())])
            .expect("published");
    }
    Arc::new(log)
}

fn opened(disk: &SimDisk, log: &Arc<MemoryLog>, begin: Start, when: &str) -> Queue<Arc<MemoryLog>> {
    let how = QueueOptions::new().log(options(disk)).begin(begin);
    Queue::open(Arc::clone(log), DIR, how).expect(when)
}

/// Gives out and settles all that there is; returns the offsets.
fn drained(queue: &Queue<Arc<MemoryLog>>, when: &str) -> Vec<u64> {
    let mut offsets = Vec::new();
    while let Some(job) = queue.next(Some(Duration::ZERO)).expect(when) {
        offsets.push(job.offset);
        job.done().expect(when);
    }
    offsets
}

#[test]
fn a_queue_opens_wherever_a_crash_comes_and_gives_out_what_is_not_done() {
    let disk = SimDisk::new(Settings::get().seed);
    let log = jobs();
    let mut done = Vec::new();
    // What was done by each point, so that it is on stable storage.
    let mut synced = vec![(disk.point(), 0)];
    for _ in 0..4 {
        let queue = opened(&disk, &log, Start::Oldest, "anew");
        for _ in 0..3 {
            let job = queue.next(Some(Duration::ZERO)).expect("a look").expect("a job");
            done.push(job.offset);
            job.done().expect("done");
        }
        queue.sync().expect("synced");
        synced.push((disk.point(), done.len()));
        queue.close().expect("closed");
    }
    assert_eq!(done, (0..MESSAGES).collect::<Vec<_>>());
    let plan = CrashPlan {
        samples: 32,
        ..Settings::get().plan()
    };
    let mut states = 0;
    for point in 0..=disk.point() {
        let by_then = synced
            .iter()
            .rev()
            .find(|(at, _)| *at <= point)
            .map_or(0, |(_, done)| *done);
        for image in disk.crash_images(point, &plan).chain([disk.kill_at(point)]) {
            let when = format!("at {point}");
            let left = drained(&opened(&image, &log, Start::Oldest, &when), &when);
            let first = left.first().copied().unwrap_or(MESSAGES);
            assert!(
                first >= by_then as u64,
                "{when}: {first} comes again, and was synced"
            );
            assert_eq!(left, (first..MESSAGES).collect::<Vec<_>>(), "{when}");
            states += 1;
        }
    }
    println!("{states} states");
    assert!(states > 500, "{states}");
}

/// Where a new queue begins is on stable storage when it is open: else it would begin further on after a power cut.
#[test]
fn a_queue_that_begins_at_the_end_does_not_begin_again_after_a_power_cut() {
    let disk = SimDisk::new(Settings::get().seed);
    let log = jobs();
    let _queue = opened(&disk, &log, Start::Newest, "new");
    let begun = disk.point();
    log.publish(&[NewMessage::value(b"later")]).expect("published");
    for image in disk.crash_images(begun, &Settings::get().plan()) {
        let left = drained(&opened(&image, &log, Start::Newest, "cut"), "cut");
        assert_eq!(left, [MESSAGES]);
    }
}
