use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::support::{SetOnDrop, assert_fails, in_threads, join, publish_keys, publish_one, us};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, NewMessage, PublishOptions, Start};

pub(super) const CASES: &[Case] = case::list![
    close_can_be_repeated,
    close_of_an_empty_log_is_allowed,
    publish_after_close_is_closed,
    publish_with_after_close_is_closed,
    offsets_after_close_are_closed,
    consume_after_close_is_closed,
    consume_by_key_after_close_is_closed,
    get_after_close_is_closed,
    key_lookups_after_close_are_closed,
    time_lookups_after_close_are_closed,
    stat_after_close_is_closed,
    sync_after_close_is_closed,
    gc_after_close_is_closed,
    closed_comes_before_what_else_is_wrong,
    closed_comes_before_a_missing_index,
    size_after_close_is_still_given,
    close_of_one_log_leaves_another_open,
    close_by_another_thread_closes_the_handle,
    close_while_others_publish_and_read_ends_their_work,
];

fn closed(new: Factory<'_>) -> Box<dyn Log> {
    let log = new(Setup::INDEXED);
    publish_keys(&log, &["a", "b", "a"]);
    log.close().unwrap();
    log
}

const MESSAGE: NewMessage<'static> = NewMessage::new(b"a", b"value");

fn close_can_be_repeated(new: Factory<'_>) {
    let log = closed(new);
    for _ in 0..3 {
        log.close().unwrap();
    }
    assert_fails!(log.next_offset(), Error::Closed);
}

fn close_of_an_empty_log_is_allowed(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    log.close().unwrap();
    log.close().unwrap();
    assert_fails!(log.next_offset(), Error::Closed);
}

fn publish_after_close_is_closed(new: Factory<'_>) {
    let log = closed(new);
    assert_fails!(log.publish(&[MESSAGE]), Error::Closed);
    assert_fails!(log.publish(&[MESSAGE; 3]), Error::Closed);
    assert_fails!(log.publish(&[]), Error::Closed);
}

fn publish_with_after_close_is_closed(new: Factory<'_>) {
    let log = closed(new);
    let plain = PublishOptions::new();
    for how in [
        plain,
        plain.sync(true),
        plain.expect_next_offset(3),
        plain.expect_next_offset(9),
    ] {
        assert_fails!(log.publish_with(&[MESSAGE], &how), Error::Closed);
        assert_fails!(log.publish_with(&[], &how), Error::Closed);
    }
}

fn offsets_after_close_are_closed(new: Factory<'_>) {
    let log = closed(new);
    assert_fails!(log.start_offset(), Error::Closed);
    assert_fails!(log.next_offset(), Error::Closed);
}

fn consume_after_close_is_closed(new: Factory<'_>) {
    let log = closed(new);
    for from in [
        Start::Oldest,
        Start::Newest,
        Start::At(0),
        Start::At(3),
        Start::Last(1),
    ] {
        assert_fails!(log.consume(from, 10), Error::Closed);
        assert_fails!(log.consume(from, 0), Error::Closed);
    }
    assert_fails!(log.consume(Start::Time(us(0)), 10), Error::Closed);
}

fn consume_by_key_after_close_is_closed(new: Factory<'_>) {
    let log = closed(new);
    for from in [Start::Oldest, Start::Newest, Start::At(0), Start::Last(1)] {
        assert_fails!(log.consume_by_key(b"a", from, 10), Error::Closed);
        assert_fails!(log.consume_by_key(b"none", from, 10), Error::Closed);
    }
}

fn get_after_close_is_closed(new: Factory<'_>) {
    let log = closed(new);
    for at in [
        Start::Oldest,
        Start::Newest,
        Start::At(0),
        Start::Last(1),
        Start::Time(us(0)),
    ] {
        assert_fails!(log.get(at), Error::Closed);
    }
}

fn key_lookups_after_close_are_closed(new: Factory<'_>) {
    let log = closed(new);
    assert_fails!(log.get_by_key(b"a"), Error::Closed);
    assert_fails!(log.get_by_key(b"none"), Error::Closed);
    assert_fails!(log.offset_by_key(b"a"), Error::Closed);
}

fn time_lookups_after_close_are_closed(new: Factory<'_>) {
    let log = closed(new);
    assert_fails!(log.get_by_time(us(0)), Error::Closed);
    assert_fails!(log.get_by_time(us(i64::MAX)), Error::Closed);
    assert_fails!(log.offset_by_time(us(0)), Error::Closed);
}

fn stat_after_close_is_closed(new: Factory<'_>) {
    assert_fails!(closed(new).stat(), Error::Closed);
}

fn sync_after_close_is_closed(new: Factory<'_>) {
    assert_fails!(closed(new).sync(), Error::Closed);
}

fn gc_after_close_is_closed(new: Factory<'_>) {
    assert_fails!(closed(new).gc(Duration::ZERO), Error::Closed);
}

fn closed_comes_before_what_else_is_wrong(new: Factory<'_>) {
    let log = closed(new);
    let value = vec![0; (64 << 20) + 1];
    assert_fails!(log.publish(&[NewMessage::value(&value)]), Error::Closed);
    assert_fails!(log.consume(Start::At(u64::MAX), 10), Error::Closed);
    assert_fails!(log.consume_by_key(b"a", Start::At(u64::MAX), 10), Error::Closed);
    assert_fails!(log.get(Start::At(u64::MAX)), Error::Closed);
}

fn closed_comes_before_a_missing_index(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    log.close().unwrap();
    assert_fails!(log.get_by_key(b"a"), Error::Closed);
    assert_fails!(log.offset_by_key(b"a"), Error::Closed);
    assert_fails!(log.consume_by_key(b"a", Start::Oldest, 10), Error::Closed);
    assert_fails!(log.get_by_time(us(0)), Error::Closed);
    assert_fails!(log.offset_by_time(us(0)), Error::Closed);
    assert_fails!(log.consume(Start::Time(us(0)), 10), Error::Closed);
    assert_fails!(log.get(Start::Time(us(0))), Error::Closed);
}

fn size_after_close_is_still_given(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let size = log.size(&MESSAGE);
    log.close().unwrap();
    assert_eq!(log.size(&MESSAGE), size);
}

fn close_of_one_log_leaves_another_open(new: Factory<'_>) {
    let (one, other) = (new(Setup::PLAIN), new(Setup::PLAIN));
    one.close().unwrap();
    assert_eq!(publish_one(&other, MESSAGE), 0);
    assert_eq!(other.get(Start::Newest).unwrap().offset, 0);
}

fn close_by_another_thread_closes_the_handle(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_one(&log, MESSAGE);
    in_threads(1, |_| log.close().unwrap());
    assert_fails!(log.publish(&[MESSAGE]), Error::Closed);
    assert_fails!(log.get(Start::Oldest), Error::Closed);
}

/// Calls `call` until it fails. It must fail with `Closed`, and it must fail once `closed` is set.
fn until_closed<T>(closed: &AtomicBool, call: impl Fn() -> crate::Result<T>) {
    loop {
        let must_fail = closed.load(Ordering::Acquire);
        match call() {
            Ok(_) => assert!(!must_fail, "a call succeeds after close has returned"),
            Err(Error::Closed) => return,
            Err(other) => panic!("while the log was closed a call failed with {other:?}"),
        }
    }
}

fn close_while_others_publish_and_read_ends_their_work(new: Factory<'_>) {
    for _ in 0..10 {
        let log = new(Setup::KEYS);
        publish_one(&log, MESSAGE);
        let closed = AtomicBool::new(false);
        thread::scope(|scope| {
            // If this thread panics, the other threads must end too.
            let set_closed = SetOnDrop(&closed);
            let threads = [
                scope.spawn(|| until_closed(&closed, || log.publish(&[MESSAGE, MESSAGE]))),
                scope.spawn(|| until_closed(&closed, || log.publish(&[MESSAGE]))),
                scope.spawn(|| until_closed(&closed, || log.consume(Start::Last(10), 10))),
                scope.spawn(|| until_closed(&closed, || log.get_by_key(b"a"))),
                scope.spawn(|| until_closed(&closed, || log.sync())),
            ];
            thread::sleep(Duration::from_millis(2));
            log.close().unwrap();
            drop(set_closed);
            threads.into_iter().for_each(join);
        });
    }
}
