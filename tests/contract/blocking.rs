//! Waiting for messages of a log that is sealed meanwhile, and reading within limits while waiting.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use duramen::testing::Setup;
use duramen::{
    BlockingLog, Control, Error, FileLog, Filter, Log, MemoryLog, NewMessage, Options, PublishOptions,
    ReadBatch, ReadOptions, Result, Start, Stop, TBlockingLog, TNewMessage, Timestamp, codec,
};
use tempfile::TempDir;

use crate::common::fast_dir;
use crate::suite::silent_log;

/// Far longer than any wait that ends by itself.
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(30);

const M: NewMessage<'static> = NewMessage::value(b"m");

/// A log whose readers can wait, and what it needs to live.
struct Subject {
    log: BlockingLog<Arc<dyn Log>>,
    _dir: Option<TempDir>,
}

impl Deref for Subject {
    type Target = BlockingLog<Arc<dyn Log>>;

    fn deref(&self) -> &BlockingLog<Arc<dyn Log>> {
        &self.log
    }
}

fn memory() -> Subject {
    Subject {
        log: BlockingLog::new(Arc::new(MemoryLog::new())),
        _dir: None,
    }
}

/// A log that does not tell of its changes: readers poll it.
fn silent() -> Subject {
    let mut setup = Setup::default();
    setup.key_index = true;
    Subject {
        log: BlockingLog::new(Arc::from(silent_log(setup))),
        _dir: None,
    }
}

fn file() -> Subject {
    let dir = fast_dir();
    let log: FileLog = Options::new().key_index(true).open(dir.path()).expect("a log");
    Subject {
        log: BlockingLog::new(Arc::new(log)),
        _dir: Some(dir),
    }
}

/// Makes a test of each function for every kind of log.
macro_rules! of_each_log {
    ($($test:ident),* $(,)?) => {
        mod memory_log { $(#[test] fn $test() { super::$test(&super::memory()); })* }
        mod silent_log { $(#[test] fn $test() { super::$test(&super::silent()); })* }
        mod file_log { $(#[test] fn $test() { super::$test(&super::file()); })* }
    };
}

of_each_log![
    read_blocking_returns_what_is_there_without_waiting,
    read_blocking_waits_for_a_message,
    read_blocking_gives_up_at_the_end_after_its_timeout,
    read_blocking_without_time_to_wait_tells_where_the_end_is,
    read_blocking_waits_through_what_its_filter_leaves_out,
    read_blocking_ends_when_the_log_is_sealed,
    read_blocking_reads_what_came_before_the_seal,
    read_blocking_at_a_sealed_end_does_not_wait,
    read_blocking_does_not_wait_where_it_stops_for_another_reason,
    read_blocking_beyond_the_end_fails_or_waits_when_clamped,
    read_blocking_wakes_for_control_records_if_they_are_shown,
    read_blocking_ends_when_the_log_is_closed,
    read_blocking_from_oldest_passes_over_what_was_trimmed_while_it_waits,
    read_blocking_from_an_offset_tells_what_was_trimmed_while_it_waits,
    consume_blocking_at_a_sealed_end_returns_nothing_at_once,
    consume_blocking_ends_when_the_log_is_sealed,
    consume_by_key_blocking_ends_when_the_log_is_sealed,
    follow_ends_behind_a_seal,
    follow_that_waits_ends_when_the_log_is_sealed,
    follow_does_not_wake_for_a_fence,
];

fn read_options() -> ReadOptions {
    ReadOptions::new()
}

fn control(log: &dyn Log, control: Control) {
    log.append(&[], &PublishOptions::new().and(control))
        .expect("published");
}

fn publish_one(log: &dyn Log) {
    log.publish(&[M]).expect("published");
}

fn publish_keys(log: &dyn Log, keys: &[&str]) {
    for key in keys {
        log.publish(&[NewMessage::new(key.as_bytes(), b"value")])
            .expect("published");
    }
}

fn outline(batch: Result<ReadBatch>) -> (Vec<u64>, u64, Stop) {
    let batch = batch.expect("read");
    let offsets = batch.messages.iter().map(|message| message.offset);
    (offsets.collect(), batch.next_offset, batch.stopped)
}

/// Waits in another thread while `change` is made.
fn during<T: Send>(wait: impl FnOnce() -> T + Send, change: impl FnOnce()) -> T {
    thread::scope(|scope| {
        let (begins, has_begun) = mpsc::channel();
        let waiter = scope.spawn(move || {
            let begun = Instant::now();
            begins.send(()).expect("received");
            let found = wait();
            assert!(begun.elapsed() < LONG, "nothing ends the wait");
            found
        });
        // The pause lets the waiter fall asleep. If it does not, the test passes as well.
        has_begun.recv().expect("begun");
        thread::sleep(SHORT / 2);
        change();
        waiter.join().expect("no panic")
    })
}

fn soon<T>(call: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = call();
    assert!(begun.elapsed() < LONG, "the call has waited");
    result
}

fn read_blocking_returns_what_is_there_without_waiting(log: &Subject) {
    log.publish(&[M, M, M]).expect("published");
    let how = read_options();
    let found = soon(|| log.read_blocking(Start::Oldest, &how, None));
    assert_eq!(outline(found), (vec![0, 1, 2], 3, Stop::AtEnd));
    let found = soon(|| log.read_blocking(Start::Oldest, &how.max_count(2), None));
    assert_eq!(outline(found), (vec![0, 1], 2, Stop::Count));
}

fn read_blocking_waits_for_a_message(log: &Subject) {
    for end in 1..4 {
        let wait = || log.read_blocking(Start::Newest, &read_options(), Some(LONG));
        let found = during(wait, || publish_one(&**log));
        assert_eq!(outline(found), (vec![end - 1], end, Stop::AtEnd));
    }
}

fn read_blocking_gives_up_at_the_end_after_its_timeout(log: &Subject) {
    log.publish(&[M, M]).expect("published");
    for from in [Start::At(2), Start::Newest] {
        let begun = Instant::now();
        let found = log.read_blocking(from, &read_options(), Some(SHORT));
        assert_eq!(outline(found), (vec![], 2, Stop::AtEnd));
        assert!(begun.elapsed() >= SHORT);
    }
}

fn read_blocking_without_time_to_wait_tells_where_the_end_is(log: &Subject) {
    let none = log.read_blocking(Start::Oldest, &read_options(), Some(Duration::ZERO));
    assert_eq!(outline(none), (vec![], 0, Stop::AtEnd));
    publish_keys(&**log, &["a", "a"]);
    let how = read_options().filter(Filter::key(b"b"));
    let none = log.read_blocking(Start::Oldest, &how, Some(Duration::ZERO));
    assert_eq!(outline(none), (vec![], 2, Stop::AtEnd));
}

fn read_blocking_waits_through_what_its_filter_leaves_out(log: &Subject) {
    publish_keys(&**log, &["a"]);
    let how = read_options().filter(Filter::key(b"b"));
    let wait = || log.read_blocking(Start::Oldest, &how, Some(LONG));
    let found = during(wait, || publish_keys(&**log, &["a", "a", "b", "a"]));
    let (offsets, next_offset, _) = outline(found);
    assert_eq!(offsets, [3]);
    assert!((4..=5).contains(&next_offset));
    let begun = Instant::now();
    let none = log.read_blocking(Start::At(next_offset), &how, Some(SHORT));
    assert_eq!(outline(none), (vec![], 5, Stop::AtEnd));
    assert!(begun.elapsed() >= SHORT);
}

fn read_blocking_ends_when_the_log_is_sealed(log: &Subject) {
    log.publish(&[M]).expect("published");
    let wait = || log.read_blocking(Start::Newest, &read_options(), Some(LONG));
    let found = during(wait, || control(&**log, Control::Seal));
    assert_eq!(outline(found), (vec![], 2, Stop::Sealed));
}

fn read_blocking_reads_what_came_before_the_seal(log: &Subject) {
    let sealing = PublishOptions::new().and(Control::Seal);
    let wait = || log.read_blocking(Start::Oldest, &read_options(), Some(LONG));
    let found = during(wait, || {
        log.append(&[M, M], &sealing).expect("published");
    });
    let (offsets, mut next_offset, stopped) = outline(found);
    assert_eq!(offsets, [0, 1]);
    // It may have looked for the seal before the batch, and for the messages behind it.
    if stopped != Stop::Sealed {
        let rest = outline(log.read_blocking(Start::At(next_offset), &read_options(), None));
        assert_eq!((&rest.0[..], rest.2), (&[][..], Stop::Sealed));
        next_offset = rest.1;
    }
    assert_eq!(next_offset, 3);
}

fn read_blocking_at_a_sealed_end_does_not_wait(log: &Subject) {
    log.publish(&[M]).expect("published");
    control(&**log, Control::Seal);
    for from in [Start::At(1), Start::At(2), Start::Newest] {
        let found = soon(|| log.read_blocking(from, &read_options(), None));
        assert_eq!(outline(found), (vec![], 2, Stop::Sealed));
    }
    let how = read_options().clamp(true);
    let found = soon(|| log.read_blocking(Start::At(9), &how, None));
    assert_eq!(outline(found), (vec![], 2, Stop::Sealed));
}

fn read_blocking_does_not_wait_where_it_stops_for_another_reason(log: &Subject) {
    log.publish(&[M.time(Timestamp::from_micros(5)), M])
        .expect("published");
    for (how, stopped) in [
        (read_options().max_count(0), Stop::Count),
        (read_options().max_bytes(0), Stop::Bytes),
        (read_options().max_bytes(8), Stop::Bytes),
        (read_options().until_offset(0), Stop::Until),
        (read_options().until_time(Timestamp::from_micros(5)), Stop::Until),
    ] {
        let found = soon(|| log.read_blocking(Start::At(0), &how, None));
        assert_eq!(outline(found), (vec![], 0, stopped));
    }
}

fn read_blocking_beyond_the_end_fails_or_waits_when_clamped(log: &Subject) {
    log.publish(&[M, M]).expect("published");
    let beyond = soon(|| log.read_blocking(Start::At(9), &read_options(), None));
    assert!(matches!(beyond, Err(Error::OffsetOutOfRange { offset: 9, .. })));
    let how = read_options().clamp(true);
    let wait = || log.read_blocking(Start::At(9), &how, Some(LONG));
    let found = during(wait, || publish_one(&**log));
    assert_eq!(outline(found), (vec![2], 3, Stop::AtEnd));
}

fn read_blocking_wakes_for_control_records_if_they_are_shown(log: &Subject) {
    let how = read_options().control(true);
    let wait = || log.read_blocking(Start::Newest, &how, Some(LONG));
    let found = during(wait, || control(&**log, Control::Trim(0)));
    assert_eq!(found.as_ref().expect("read").controls.len(), 1);
    assert_eq!(outline(found), (vec![], 1, Stop::AtEnd));
    // Not shown, one is no reason to end.
    let wait = || log.read_blocking(Start::Newest, &read_options(), Some(3 * SHORT));
    let found = during(wait, || control(&**log, Control::Trim(0)));
    assert_eq!(outline(found), (vec![], 2, Stop::AtEnd));
}

fn read_blocking_ends_when_the_log_is_closed(log: &Subject) {
    let wait = || log.read_blocking(Start::Oldest, &read_options(), Some(LONG));
    let found = during(wait, || log.close().expect("closed"));
    assert!(matches!(found, Err(Error::Closed)));
    let found = soon(|| log.read_blocking(Start::Oldest, &read_options(), None));
    assert!(matches!(found, Err(Error::Closed)));
}

/// Publishes three messages and trims the first two. Whoever is quick may see them in between: the log is trimmed when
/// the batch is durable.
fn publish_trimmed(log: &dyn Log) {
    log.append(&[M, M, M], &PublishOptions::new().and(Control::Trim(2)))
        .expect("published");
}

fn read_blocking_from_oldest_passes_over_what_was_trimmed_while_it_waits(log: &Subject) {
    let wait = || log.read_blocking(Start::Oldest, &read_options(), Some(LONG));
    let found = during(wait, || publish_trimmed(&**log));
    let (found, next, stopped) = outline(found);
    assert!(found == [2] || found == [0, 1, 2], "{found:?}");
    assert_eq!((next, stopped), (4, Stop::AtEnd));
}

fn read_blocking_from_an_offset_tells_what_was_trimmed_while_it_waits(log: &Subject) {
    let wait = || log.read_blocking(Start::At(0), &read_options(), Some(LONG));
    let found = during(wait, || publish_trimmed(&**log));
    match found {
        Err(error) => assert!(error.is_trimmed(), "{error}"),
        Ok(found) => assert_eq!(found.messages.len(), 3),
    }
}

fn consume_blocking_at_a_sealed_end_returns_nothing_at_once(log: &Subject) {
    log.publish(&[M]).expect("published");
    control(&**log, Control::Seal);
    let found = soon(|| log.consume_blocking(Start::Oldest, 9, None)).expect("read");
    assert_eq!(found.messages.len(), 1);
    for from in [Start::At(1), Start::At(2), Start::Newest] {
        let found = soon(|| log.consume_blocking(from, 9, None)).expect("read");
        assert_eq!((found.messages.len(), found.next_offset), (0, 2));
    }
}

fn consume_blocking_ends_when_the_log_is_sealed(log: &Subject) {
    let wait = || log.consume_blocking(Start::Oldest, 9, Some(LONG));
    let found = during(wait, || control(&**log, Control::Seal)).expect("read");
    assert_eq!((found.messages.len(), found.next_offset), (0, 1));
}

fn consume_by_key_blocking_ends_when_the_log_is_sealed(log: &Subject) {
    publish_keys(&**log, &["a"]);
    let wait = || log.consume_by_key_blocking(b"b", Start::Oldest, 9, Some(LONG));
    let found = during(wait, || {
        publish_keys(&**log, &["a"]);
        control(&**log, Control::Seal);
    });
    let found = found.expect("read");
    assert_eq!((found.messages.len(), found.next_offset), (0, 3));
    let found = soon(|| log.consume_by_key_blocking(b"a", Start::At(2), 9, None)).expect("read");
    assert_eq!((found.messages.len(), found.next_offset), (0, 3));
}

fn follow_ends_behind_a_seal(log: &Subject) {
    log.publish(&vec![M; 300]).expect("published");
    control(&**log, Control::Seal);
    let mut follow = log.follow(Start::Oldest);
    let offsets: Result<Vec<u64>> = follow.by_ref().map(|message| Ok(message?.offset)).collect();
    assert_eq!(offsets.expect("read"), (0..300).collect::<Vec<u64>>());
    assert!(follow.next().is_none());
    for from in [Start::Newest, Start::At(300), Start::At(301)] {
        assert!(soon(|| log.follow(from).next()).is_none());
    }
}

fn follow_that_waits_ends_when_the_log_is_sealed(log: &Subject) {
    let follow = log.follow(Start::Oldest);
    let wait = || {
        follow
            .map(|message| message.map(|message| message.offset))
            .collect::<Result<Vec<u64>>>()
    };
    let found = during(wait, || {
        log.publish(&[M, M]).expect("published");
        log.append(&[M], &PublishOptions::new().and(Control::Seal))
            .expect("published");
    });
    assert_eq!(found.expect("read"), [0, 1, 2]);
}

fn follow_does_not_wake_for_a_fence(log: &Subject) {
    let mut follow = log.follow(Start::Oldest);
    let wait = || follow.next().expect("not sealed").expect("read").offset;
    let found = during(wait, || {
        control(&**log, Control::Fence("a".parse().expect("short")));
        log.publish(&[M]).expect("published");
    });
    assert_eq!(found, 1);
}

#[cfg(feature = "stream")]
mod streams {
    use tokio::runtime::Builder;
    use tokio_stream::StreamExt as _;

    use super::*;

    /// All that the stream gives until its end.
    fn collect(log: &BlockingLog<Arc<dyn Log>>) -> Vec<u64> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build();
        let stream = log.stream(Start::Oldest);
        let all = stream
            .map(|message| message.expect("read").offset)
            .collect::<Vec<u64>>();
        let all = runtime
            .expect("a runtime")
            .block_on(async { tokio::time::timeout(LONG, all).await });
        all.expect("a stream sleeps for ever")
    }

    fn ends_behind_a_seal(log: &Subject) {
        log.publish(&vec![M; 300]).expect("published");
        control(&**log, Control::Seal);
        assert_eq!(collect(log), (0..300).collect::<Vec<u64>>());
    }

    fn ends_when_it_is_sealed(log: &Subject) {
        let found = during(
            || collect(log),
            || {
                log.publish(&[M, M]).expect("published");
                control(&**log, Control::Fence("a".parse().expect("short")));
                log.append(&[M], &PublishOptions::new().and(Control::Seal))
                    .expect("published");
            },
        );
        assert_eq!(found, [0, 1, 3]);
    }

    #[test]
    fn stream_of_a_memory_log_ends_behind_a_seal() {
        ends_behind_a_seal(&memory());
        ends_when_it_is_sealed(&memory());
    }

    #[test]
    fn stream_of_a_file_log_ends_behind_a_seal() {
        ends_behind_a_seal(&file());
        ends_when_it_is_sealed(&file());
    }

    /// A stream cannot wait for a log that does not tell, but at a sealed end it need not.
    #[test]
    fn stream_of_a_silent_log_ends_behind_a_seal() {
        ends_behind_a_seal(&silent());
    }
}

/// The same through a typed log.
#[test]
fn a_typed_log_waits_and_ends_as_its_log_does() {
    let log = TBlockingLog::new(MemoryLog::new(), codec::Utf8, codec::U64);
    let message = |value| (String::from("key"), value);
    let publish = |value| {
        let (key, value) = message(value);
        log.publish(&[TNewMessage::new(&key, &value)]).expect("published");
    };
    let wait = || log.read_blocking(Start::Oldest, &read_options(), Some(LONG));
    let found = during(wait, || publish(7)).expect("read");
    assert_eq!((found.next_offset, found.stopped), (1, Stop::AtEnd));
    assert_eq!(found.messages[0].as_ref().expect("decoded").value, Some(7));
    let wait = || log.read_blocking(Start::Newest, &read_options(), Some(LONG));
    let found = during(wait, || {
        let sealing = PublishOptions::new().and(Control::Seal);
        assert_eq!(log.append(&[], &sealing).expect("sealed").end.offset, 2);
    });
    assert_eq!(found.expect("read").stopped, Stop::Sealed);
    assert!(log.is_sealed().expect("open"));
    let values: Vec<_> = log
        .follow(Start::Oldest)
        .map(|message| message.expect("read").value)
        .collect();
    assert_eq!(values, [Some(7)]);
    let batch = soon(|| log.consume_blocking(Start::Newest, 9, None)).expect("read");
    assert!(batch.into_iter().next().is_none());
}

/// Goal: what a filter leaves out, however much it is, is no reason to wait.
#[test]
fn read_blocking_goes_through_much_that_the_filter_leaves_out() {
    let log = duramen::BlockingLog::new(duramen::MemoryLog::new());
    let large = vec![7; 1 << 20];
    for _ in 0..20 {
        log.publish(&[NewMessage::value(&large)]).expect("published");
    }
    log.publish(&[NewMessage::new(b"wanted", b"")])
        .expect("published");
    let how = duramen::ReadOptions::new().filter(duramen::Filter::key(b"wanted"));
    let found = log.read_blocking(Start::Oldest, &how, Some(LONG)).expect("read");
    assert_eq!(found.messages[0].offset, 20);
}
