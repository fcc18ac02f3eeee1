//! What is said of a publish whose connection is cut holds: written once, not written, or not known.

use std::collections::HashMap;
use std::thread;

use duramen::{ErrorKind, Log, LogExt, NewMessage, PublishOptions};
use duramen_s2::S2Log;

use crate::proxy::Proxy;
use crate::server::{SERVER, name, options, store};

/// The values of the stream, by way of a connection that is not cut, with how often each is there.
fn counts(name: &str) -> HashMap<Vec<u8>, usize> {
    let log = store().open(name).unwrap();
    let mut counts = HashMap::new();
    for message in log.iter(0) {
        *counts
            .entry(message.unwrap().value.unwrap().to_vec())
            .or_default() += 1;
    }
    counts
}

/// A new stream, and a log of it behind a proxy that cuts connections.
fn cut_log(seed: u64, bytes: std::ops::Range<u64>) -> (Proxy, S2Log) {
    let name = name();
    store().create(&name).unwrap();
    let proxy = Proxy::start(SERVER.address, seed, bytes);
    let options = options(proxy.address).attempts(20);
    let store = duramen_s2::S2Store::connect(crate::server::BASIN, &options).unwrap();
    let log = loop {
        if let Ok(log) = store.open(&name) {
            break log;
        }
    };
    (proxy, log)
}

#[test]
fn what_expects_its_offset_is_written_once_however_often_the_connection_is_cut() {
    let (proxy, log) = cut_log(1, 500..6_000);
    for number in 0_u64..400 {
        let value = number.to_string();
        let how = PublishOptions::new().expect_next_offset(number);
        let next = log
            .publish_with(&[NewMessage::value(value.as_bytes())], &how)
            .unwrap();
        assert_eq!(next, number + 1);
    }
    println!("{} connections cut", proxy.cuts());
    assert!(proxy.cuts() >= 20, "{}", proxy.cuts());
    let counts = counts(log.name());
    assert_eq!(counts.len(), 400);
    assert!(counts.values().all(|count| *count == 1));
}

#[test]
fn what_expects_nothing_is_not_said_to_be_missing_when_it_is_there() {
    let (proxy, log) = cut_log(2, 500..4_000);
    let mut said = Vec::new();
    for number in 0..400 {
        let value = number.to_string().into_bytes();
        let result = log.publish(&[NewMessage::value(&value)]);
        said.push((value, result.map_err(|error| error.kind())));
    }
    assert!(proxy.cuts() >= 20, "{}", proxy.cuts());
    let counts = counts(log.name());
    for (value, result) in said {
        let count = counts.get(&value).copied().unwrap_or(0);
        match result {
            Ok(_) => assert_eq!(count, 1, "{value:?}"),
            Err(ErrorKind::Unknown) => assert!(count <= 1, "{value:?}"),
            Err(ErrorKind::NotWritten) => assert_eq!(count, 0, "{value:?}"),
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// The messages of the two are the same, so only what their appends carry tells whose they are.
#[test]
fn of_two_that_expect_the_same_offset_one_is_told_that_it_was_first() {
    let (proxy, first) = cut_log(3, 500..4_000);
    let options = options(proxy.address).attempts(20);
    let store = duramen_s2::S2Store::connect(crate::server::BASIN, &options).unwrap();
    let second = loop {
        if let Ok(log) = store.open(first.name()) {
            break log;
        }
    };
    for number in 0_u64..150 {
        let publish = |log: &S2Log| {
            let how = PublishOptions::new().expect_next_offset(number);
            log.publish_with(&[NewMessage::value(b"the same")], &how)
        };
        let results = thread::scope(|scope| {
            let other = scope.spawn(|| publish(&second));
            [publish(&first), other.join().unwrap()]
        });
        let won = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(won, 1, "{results:?}");
    }
    assert!(proxy.cuts() >= 20, "{}", proxy.cuts());
}
