use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::control_support::{M, how};
use super::support::{assert_fails, in_threads, join, publish_numbers};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, Result};

pub(super) const CASES: &[Case] = case::list![
    wait_synced_of_what_is_synced_returns_at_once,
    wait_synced_of_0_returns_at_once,
    wait_synced_never_tells_more_than_was_published,
    wait_synced_tells_what_stat_tells,
    wait_synced_after_close_is_closed,
    wait_synced_covers_what_was_published_with_sync,
];

/// A log may also sync by itself and not wait.
pub(super) const CASES_CONTROL: &[Case] = case::list![control:
    wait_synced_ends_with_its_timeout,
    a_sync_ends_the_wait_for_it,
    a_publish_that_syncs_ends_the_wait_for_its_offset,
    wait_synced_waits_for_all_of_the_offset,
    close_ends_the_wait_for_a_sync,
];

/// Far longer than any wait that ends by itself.
const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(20);

fn wait_synced_of_what_is_synced_returns_at_once(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for end in 1..5 {
        publish_numbers(&log, end - 1..end);
        assert_eq!(log.sync().unwrap(), end);
        for timeout in [None, Some(Duration::ZERO), Some(Duration::MAX)] {
            assert_eq!(log.wait_synced(end, timeout).unwrap(), end);
            assert!((end - 1..=end).contains(&log.wait_synced(end - 1, timeout).unwrap()));
        }
    }
}

fn wait_synced_of_0_returns_at_once(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert_eq!(log.wait_synced(0, None).unwrap(), 0);
    publish_numbers(&log, 0..3);
    assert!(log.wait_synced(0, None).unwrap() <= 3);
}

fn wait_synced_never_tells_more_than_was_published(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for end in 1..5 {
        publish_numbers(&log, end - 1..end);
        for offset in [0, end, end + 1, u64::MAX] {
            let synced = log.wait_synced(offset, Some(Duration::ZERO)).unwrap();
            assert!(synced <= end, "{synced} of {end}");
        }
    }
}

fn wait_synced_tells_what_stat_tells(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for end in 1..5 {
        publish_numbers(&log, end - 1..end);
        let before = log.stat().unwrap().synced_offset;
        let synced = log.wait_synced(end, Some(Duration::ZERO)).unwrap();
        let after = log.stat().unwrap().synced_offset;
        assert!(before <= synced && synced <= after, "{before}, {synced}, {after}");
    }
}

fn wait_synced_after_close_is_closed(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    log.close().unwrap();
    for offset in [0, 3, 4] {
        assert_fails!(log.wait_synced(offset, None), Error::Closed);
        assert_fails!(log.wait_synced(offset, Some(SHORT)), Error::Closed);
    }
}

fn wait_synced_covers_what_was_published_with_sync(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    in_threads(4, |_| {
        for _ in 0..25 {
            let end = log.append(&[M], &how().sync(true)).unwrap().end.offset;
            assert!(log.wait_synced(end, None).unwrap() >= end);
        }
    });
}

/// Waits for `offset` in another thread while `change` is made. Returns what the waiter was told,
/// and fails if nothing has ended the wait.
fn wait_during(log: &dyn Log, offset: u64, change: impl FnOnce()) -> Result<u64> {
    thread::scope(|scope| {
        let (begins, has_begun) = mpsc::channel();
        let waiter = scope.spawn(move || {
            let begun = Instant::now();
            let _ = begins.send(());
            let synced = log.wait_synced(offset, Some(LONG));
            assert!(begun.elapsed() < LONG, "nothing ends the wait for {offset}");
            synced
        });
        // The pause lets the waiter fall asleep. If it does not, the case passes as well.
        let _ = has_begun.recv();
        thread::sleep(Duration::from_millis(5));
        change();
        join(waiter)
    })
}

fn wait_synced_ends_with_its_timeout(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    log.sync().unwrap();
    let begun = Instant::now();
    assert_eq!(log.wait_synced(4, Some(SHORT)).unwrap(), 3);
    assert!((SHORT..LONG).contains(&begun.elapsed()));
}

fn a_sync_ends_the_wait_for_it(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    let synced = wait_during(&log, 3, || {
        log.sync().unwrap();
    });
    assert_eq!(synced.unwrap(), 3);
}

fn a_publish_that_syncs_ends_the_wait_for_its_offset(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let synced = wait_during(&log, 1, || {
        log.append(&[M], &how().sync(true)).unwrap();
    });
    assert_eq!(synced.unwrap(), 1);
}

fn wait_synced_waits_for_all_of_the_offset(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let synced = wait_during(&log, 3, || {
        for _ in 0..3 {
            log.append(&[M], &how().sync(true)).unwrap();
        }
    });
    assert_eq!(synced.unwrap(), 3);
}

fn close_ends_the_wait_for_a_sync(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    assert_fails!(wait_during(&log, 9, || log.close().unwrap()), Error::Closed);
}
