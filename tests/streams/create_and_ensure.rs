//! Row: create, ensure.

use std::time::Duration;

use duramen::store::{Ensured, RetentionConfig, StoreOptions, StreamConfig};
use duramen::{Durability, Error, Log, Options, Start, TimestampPolicy, Token};

use crate::support::{Home, names, plain, publish, values};

fn token(text: &str) -> Token {
    text.parse().expect("a token")
}

#[test]
fn a_stream_is_there_once_it_is_created_and_after_reopening() {
    let home = Home::new();
    let store = home.open();
    let info = store.create("s", &plain().partitions(3)).expect("created");
    assert_eq!(
        (info.name.as_str(), info.partitions, info.deleted_at),
        ("s", 3, None)
    );
    assert!(info.sealed.is_empty() && info.paused.is_empty());
    let stream = store.stream("s").expect("there");
    assert_eq!(publish(&stream, 2, "a").expect("published"), 0);
    store.close().expect("closed");

    let store = home.open();
    let stream = store.stream("s").expect("there");
    assert_eq!(stream.info().expect("info"), info);
    assert_eq!(values(&stream, 2).expect("read"), ["a"]);
}

#[test]
fn what_is_created_outlasts_a_store_that_is_not_closed() {
    let home = Home::new();
    let store = home.open();
    store.create("s", &plain()).expect("created");
    // As a process that dies leaves it.
    let copy = home.path().with_extension("copy");
    copy_dir(&home.path(), &copy);
    let store = StoreOptions::new().open(&copy).expect("opened");
    assert_eq!(names(&store), ["s"]);
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to).expect("made");
    for entry in from.read_dir().expect("read") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[test]
fn a_second_create_fails() {
    let home = Home::new();
    let store = home.open();
    store.create("s", &plain()).expect("created");
    let again = store.create("s", &plain());
    assert!(matches!(again, Err(Error::StreamExists { ref name }) if &**name == "s"));
    assert_eq!(
        again.expect_err("refused").to_string(),
        "there is a stream \"s\" already"
    );
}

#[test]
fn a_create_with_the_same_token_and_configuration_succeeds_again() {
    let home = Home::new();
    let store = home.open();
    let config = plain().partitions(2).request_token(token("r"));
    let first = store.create("s", &config).expect("created");
    assert_eq!(store.create("s", &config).expect("again"), first);
    drop(store);
    let store = home.open();
    assert_eq!(store.create("s", &config).expect("after reopening"), first);
    for other in [
        config.clone().request_token(token("x")),
        config.clone().key_index(true),
        plain().partitions(2),
    ] {
        assert!(matches!(
            store.create("s", &other),
            Err(Error::StreamExists { .. })
        ));
    }
}

#[test]
fn a_token_does_not_open_a_stream_that_was_created_without_one() {
    let home = Home::new();
    let store = home.open();
    store.create("s", &plain()).expect("created");
    let asked = store.create("s", &plain().request_token(Token::EMPTY));
    assert!(matches!(asked, Err(Error::StreamExists { .. })));
}

#[test]
fn a_configuration_that_is_not_allowed_makes_nothing() {
    // Without a background there is no paced durability.
    let home = Home::with(|options| options.log(Options::new().background(false)));
    let store = home.open();
    for config in [
        plain().partitions(0),
        plain().partitions(1025),
        plain().durability(Durability::Interval(Duration::from_secs(1))),
    ] {
        assert!(matches!(store.create("s", &config), Err(Error::Invalid(_))));
        assert!(matches!(store.ensure("s", &config), Err(Error::Invalid(_))));
    }
    assert!(names(&store).is_empty());
}

#[test]
fn ensure_creates_updates_and_leaves_alone() {
    let home = Home::new();
    let store = home.open();
    let config = plain().key_index(true);
    assert!(matches!(store.ensure("s", &config), Ok(Ensured::Created(_))));
    assert!(matches!(store.ensure("s", &config), Ok(Ensured::Unchanged(_))));
    let other = plain().time_index(true);
    assert!(matches!(store.ensure("s", &other), Ok(Ensured::Updated(_))));
    // A full replace: the key index is not named any more.
    let now = store.config("s").expect("there");
    assert_eq!((now.key_index, now.time_index), (Some(false), Some(true)));
}

#[test]
fn ensure_does_not_change_the_number_of_partitions() {
    let home = Home::new();
    let store = home.open();
    store.create("s", &plain().partitions(3)).expect("created");
    assert!(matches!(
        store.ensure("s", &plain().partitions(4)),
        Err(Error::Invalid(_))
    ));
    assert!(matches!(store.ensure("s", &plain()), Ok(Ensured::Unchanged(_))));
    let same = store.ensure("s", &plain().partitions(3));
    assert!(matches!(same, Ok(Ensured::Unchanged(info)) if info.partitions == 3));
}

#[test]
fn what_is_not_named_comes_from_the_stores_defaults() {
    let hour = Duration::from_secs(3600);
    let defaults = StreamConfig::new()
        .partitions(2)
        .durability(Durability::EachPublish)
        .timestamps(TimestampPolicy::Arrival)
        .retention(RetentionConfig::new().max_age(hour));
    let home = Home::with(|options| options.defaults(defaults));
    let store = home.open();
    store.create("s", &plain().key_index(true)).expect("created");
    let config = store.config("s").expect("there");
    assert_eq!(config.partitions, Some(2));
    assert_eq!(config.durability, Some(Durability::EachPublish));
    assert_eq!(config.timestamps, Some(TimestampPolicy::Arrival));
    assert_eq!(config.retention.max_age, Some(hour));
    assert_eq!(config.key_index, Some(true));
    assert_eq!(config.time_index, Some(false));
}

#[test]
fn the_configuration_is_in_effect() {
    let home = Home::new();
    let store = home.open();
    let config = plain()
        .key_index(true)
        .time_index(true)
        .durability(Durability::EachPublish)
        .require_token(true);
    store.create("s", &config).expect("created");
    let log = store.stream("s").expect("there").partition(0).expect("there");
    let stats = log.stat().expect("stats");
    assert!(stats.key_index && stats.time_index);
    let message = duramen::NewMessage::new(b"k", b"v");
    log.publish(&[message]).expect("published");
    assert_eq!(log.wait_synced(1, Some(Duration::ZERO)).expect("durable"), 1);
    assert_eq!(log.get_by_key(b"k").expect("found").offset, 0);
    let fence = duramen::PublishOptions::new().and(duramen::Control::Fence(token("w")));
    log.append(&[], &fence).expect("fenced");
    assert!(matches!(log.publish(&[message]), Err(Error::Fenced { .. })));
}

#[test]
fn a_stream_is_made_by_publishing_where_that_is_allowed() {
    let home = Home::with(|options| {
        let defaults = StreamConfig::new().partitions(2);
        options.create_on_publish(true).defaults(defaults)
    });
    let store = home.open();
    let stream = store.stream("s").expect("a handle");
    assert!(names(&store).is_empty(), "a handle makes nothing");
    assert!(matches!(stream.partition(0), Err(Error::NoStream { .. })));
    publish(&stream, 1, "a").expect("published");
    assert_eq!(names(&store), ["s"]);
    assert_eq!(values(&stream, 1).expect("read"), ["a"]);
    assert!(matches!(store.stream("__x"), Err(Error::Invalid(_))));
}

#[test]
fn a_stream_is_made_by_reading_where_that_is_allowed() {
    let home = Home::with(|options| options.create_on_read(true));
    let store = home.open();
    let stream = store.stream("s").expect("made");
    assert_eq!(names(&store), ["s"]);
    let batch = stream
        .partition(0)
        .expect("there")
        .consume(Start::Oldest, 1)
        .expect("read");
    assert!(batch.messages.is_empty());
}

#[test]
fn no_stream_is_made_otherwise() {
    let home = Home::new();
    let store = home.open();
    let missing = store.stream("s");
    assert!(matches!(missing, Err(Error::NoStream { ref name }) if &**name == "s"));
    assert_eq!(missing.expect_err("none").kind(), duramen::ErrorKind::Absent);
    assert!(matches!(store.config("s"), Err(Error::NoStream { .. })));
}

/// Goal: of many who create one name, one succeeds. Method: threads.
#[test]
fn one_of_many_creates_a_name() {
    let home = Home::new();
    let store = home.open();
    let created: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    (0..10)
                        .filter(|n| store.create(&format!("s{n}"), &plain()).is_ok())
                        .count()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum()
    });
    assert_eq!((created, names(&store).len()), (10, 10));
}

/// Goal: of many who publish to a name that has no stream, one makes it. Method: threads.
#[test]
fn many_publish_to_a_stream_that_is_not_there_yet() {
    let home = Home::with(|options| options.create_on_publish(true));
    let store = home.open();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| publish(&store.stream("s").expect("a handle"), 0, "x").expect("published"));
        }
    });
    assert_eq!(
        values(&store.stream("s").expect("there"), 0).expect("read").len(),
        8
    );
}
