//! Scans of a log from the front of which segments go.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use duramen::{FileLog, Log, NewMessage, Options, Result, Start, Timestamp};

use crate::common;

const ROUNDS: u64 = 100;
const PER_ROUND: u64 = 60;

fn fill(log: &FileLog) {
    for _ in 0..PER_ROUND {
        let next = i64::try_from(log.next_offset().expect("open")).expect("small");
        let message = NewMessage::value(&[7; 400]).time(Timestamp::from_micros(next));
        log.publish(&[message]).expect("a publish");
    }
}

/// The first message of a scan from `from`; all files were let go of before, so that they have to be opened.
fn first(log: &FileLog, from: Start) -> Result<Option<u64>> {
    log.gc(Duration::ZERO)?;
    let mut scan = log.scan(from)?;
    Ok(scan.next()?.map(|message| message.offset))
}

/// Goal: a trim that takes away a segment in which a scan is looking for its beginning is no damage. Method: rounds in
/// which one thread trims two messages at a time, in segments of two, while another begins scans that have to open
/// every segment; the only thing that may happen to them is that the trim has overtaken them.
#[test]
fn a_scan_begins_while_segments_go() {
    let dir = common::fast_dir();
    let options = Options::new()
        .create_dirs(true)
        .rollover(1 << 10)
        .time_index(true);
    let log = options.open(dir.path()).expect("a new log");
    for _ in 0..ROUNDS {
        fill(&log);
        let (begin, is_over) = (Barrier::new(2), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                begin.wait();
                let (start, next) = (
                    log.start_offset().expect("open"),
                    log.next_offset().expect("open"),
                );
                for before in (start..next).step_by(2) {
                    log.trim(before).expect("a trim");
                }
                is_over.store(true, Ordering::Release);
            });
            begin.wait();
            while !is_over.load(Ordering::Acquire) {
                for from in [Start::Last(u64::MAX), Start::Time(Timestamp::from_micros(0))] {
                    match first(&log, from) {
                        Ok(Some(_)) => {}
                        Err(error) if error.is_trimmed() => {}
                        other => panic!("from {from:?}: {other:?}"),
                    }
                }
            }
        });
    }
}
