//! Row: pause.

use std::time::Duration;

use duramen::store::Partitions;
use duramen::{BlockingLog, Error, Log, Start};

use crate::support::{descriptors_below, publish, values, with_stream};

fn is_paused<T: std::fmt::Debug>(result: duramen::Result<T>, number: u32) {
    match result {
        Err(Error::Paused { partition, .. }) if partition == number => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_paused_partition_is_closed_and_refuses_readers() {
    let (home, _store, stream) = with_stream(2);
    publish(&stream, 0, "a").expect("published");
    let log = stream.partition(0).expect("there");
    stream.pause(&0.into(), false).expect("paused");
    assert_eq!(descriptors_below(&home.partition(&stream, 0)), 0);
    is_paused(log.consume(Start::Oldest, 1), 0);
    is_paused(log.stat(), 0);
    assert_eq!(stream.info().expect("info").paused, [0]);
    assert!(values(&stream, 1).expect("read").is_empty());
}

#[test]
fn a_pause_outlasts_reopening() {
    let (home, store, stream) = with_stream(1);
    publish(&stream, 0, "a").expect("published");
    stream.pause(&Partitions::All, false).expect("paused");
    drop((store, stream));
    let stream = home.open().stream("s").expect("there");
    is_paused(values(&stream, 0), 0);
}

#[test]
fn publishing_resumes_a_partition() {
    let (_home, _store, stream) = with_stream(2);
    stream.pause(&Partitions::All, false).expect("paused");
    publish(&stream, 1, "a").expect("published");
    assert_eq!(stream.info().expect("info").paused, [0]);
    assert_eq!(values(&stream, 1).expect("read"), ["a"]);
    is_paused(values(&stream, 0), 0);
}

#[test]
fn publishing_resumes_all_if_the_pause_says_so() {
    let (_home, _store, stream) = with_stream(3);
    stream
        .pause(&Partitions::These(vec![0, 2]), true)
        .expect("paused");
    publish(&stream, 2, "a").expect("published");
    assert!(stream.info().expect("info").paused.is_empty());
    assert!(values(&stream, 0).is_ok());
}

#[test]
fn resume_and_readers_who_ask_resume() {
    let (_home, _store, stream) = with_stream(2);
    stream.pause(&Partitions::All, false).expect("paused");
    stream.resume(&0.into()).expect("resumed");
    assert!(values(&stream, 0).expect("read").is_empty());
    is_paused(values(&stream, 1), 1);
    let asking = stream.partition(1).expect("there").resume_on_read(true);
    assert!(asking.consume(Start::Oldest, 1).is_ok());
    assert!(stream.info().expect("info").paused.is_empty());
}

#[test]
fn who_waits_learns_of_the_pause() {
    let (_home, _store, stream) = with_stream(1);
    let log = BlockingLog::new(stream.partition(0).expect("there"));
    log.sync().expect("open");
    let waiting = std::thread::spawn(move || log.consume_blocking(Start::Oldest, 1, None));
    std::thread::sleep(Duration::from_millis(30));
    stream.pause(&0.into(), false).expect("paused");
    is_paused(waiting.join().expect("no panic"), 0);
}

#[test]
fn a_paused_partition_that_is_sealed_stays_sealed() {
    let (_home, _store, stream) = with_stream(1);
    stream.pause(&0.into(), false).expect("paused");
    stream.seal(&0.into()).expect("sealed");
    assert!(matches!(publish(&stream, 0, "a"), Err(Error::Sealed)));
}
