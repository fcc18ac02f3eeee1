//! Rows: retention and compaction of idle streams, delete on empty.

use std::path::Path;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use duramen::store::{
    CompactionConfig, Partitioner, RetentionConfig, Store, StoreOptions, Stream, StreamConfig,
    StreamEventKind, StreamPatch,
};
use duramen::{
    Control, Error, Event, Log, ManualClock, NewMessage, Options, PublishOptions, Start, Timestamp, Token,
    compact,
};

use crate::support::{Home, descriptors_below, names, plain, publish, until, until_purged, values};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// A store whose partitions are closed soon, and whose clock the test moves.
fn home() -> (Home, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp::now()));
    let log = Options::new().clock(Arc::clone(&clock) as _);
    let home = Home::with(|options| options.idle_after(Duration::from_millis(20)).log(log));
    (home, clock)
}

fn until_closed(home: &Home) {
    let streams = home.path().join("streams");
    // The store has the directory itself.
    until("partitions are closed", || descriptors_below(&streams) <= 1);
}

/// How many messages a partition has, as somebody sees it who does not use the store.
fn messages(home: &Home, stream: &Stream) -> u64 {
    let log = Options::new().read_only(true).open(home.partition(stream, 0));
    log.expect("opened").stat().expect("looked at").messages
}

fn stream(store: &Store, name: &str, config: &StreamConfig) -> Stream {
    store.create(name, config).expect("created");
    store.stream(name).expect("there")
}

fn kept_for(age: Duration) -> StreamConfig {
    plain().retention(RetentionConfig::new().max_age(age))
}

fn is_gone(store: &Store, name: &str) -> bool {
    !names(store).contains(&name.to_owned())
}

#[test]
fn messages_of_a_partition_that_is_closed_expire() {
    let (home, clock) = home();
    let store = home.open();
    let short = stream(&store, "short", &kept_for(HOUR));
    let long = stream(&store, "long", &kept_for(DAY));
    for stream in [&short, &long] {
        publish(stream, 0, "a").expect("published");
    }
    until_closed(&home);
    clock.advance(HOUR + Duration::from_secs(70));
    until("the old message is gone", || messages(&home, &short) == 0);
    assert_eq!(messages(&home, &long), 1);
    until_closed(&home);
    // It goes on where it was.
    assert_eq!(publish(&short, 0, "b").expect("published"), 1);
    assert_eq!(values(&short, 0).expect("read"), ["b"]);
}

/// The log knows of these only that they were published before it was closed.
#[test]
fn messages_that_claim_times_expire_from_a_partition_that_is_closed() {
    let (home, clock) = home();
    let store = home.open();
    let made = stream(&store, "s", &kept_for(HOUR));
    for time in [0, i64::MAX] {
        let message = NewMessage::value(b"a").time(Timestamp::from_micros(time));
        let to = Partitioner::To(0);
        let published = made.publish(message, &to, &PublishOptions::new());
        published.expect("published");
    }
    until_closed(&home);
    clock.advance(HOUR.saturating_sub(Duration::from_secs(1)));
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(messages(&home, &made), 2);
    clock.advance(Duration::from_secs(2));
    until("the old messages are gone", || messages(&home, &made) == 0);
}

#[test]
fn messages_of_an_earlier_life_expire_without_being_used() {
    let (home, clock) = home();
    let store = home.open();
    let made = stream(&store, "s", &kept_for(HOUR));
    publish(&made, 0, "old").expect("published");
    clock.advance(HOUR / 2);
    publish(&made, 0, "young").expect("published");
    publish(&made, 0, "young").expect("published");
    store.close().expect("closed");
    clock.advance(HOUR / 2 + Duration::from_secs(1));
    let _store = home.open();
    // It is looked at soon after the store was opened.
    clock.advance(Duration::from_secs(1));
    until("the old message is gone", || messages(&home, &made) == 2);
}

#[test]
fn a_step_of_the_clock_makes_nothing_old() {
    let (home, clock) = home();
    let store = home.open();
    let made = stream(&store, "s", &kept_for(HOUR));
    publish(&made, 0, "a").expect("published");
    until_closed(&home);
    let before = duramen::Clock::now(&*clock);
    clock.set(Timestamp::from_micros(before.as_micros() + 1_000_000 * 100_000));
    // Time passes, so that it is looked at; not enough for the message to be old.
    clock.advance(HOUR / 2);
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(messages(&home, &made), 1);
    clock.advance(HOUR / 2 + Duration::from_secs(70));
    until("the old message is gone", || messages(&home, &made) == 0);
}

#[test]
fn more_messages_than_are_kept_go_from_a_partition_that_is_closed() {
    let (home, clock) = home();
    let store = home.open();
    let made = stream(
        &store,
        "s",
        &plain().retention(RetentionConfig::new().max_messages(2)),
    );
    for value in ["a", "b", "c", "d"] {
        publish(&made, 0, value).expect("published");
    }
    until_closed(&home);
    clock.advance(Duration::from_secs(61));
    until("two messages are left", || messages(&home, &made) == 2);
}

#[test]
fn a_limit_that_is_set_later_holds_for_partitions_that_are_closed() {
    let (home, clock) = home();
    let store = home.open();
    let made = stream(&store, "s", &plain());
    for value in ["a", "b", "c"] {
        publish(&made, 0, value).expect("published");
    }
    until_closed(&home);
    let patch = duramen::store::RetentionPatch::new().max_messages(1);
    store
        .reconfigure("s", &StreamPatch::new().retention(patch))
        .expect("reconfigured");
    clock.advance(Duration::from_secs(1));
    until("one message is left", || messages(&home, &made) == 1);
}

#[test]
fn a_paused_partition_expires_and_stays_paused() {
    let (home, clock) = home();
    let store = home.open();
    let made = stream(&store, "s", &kept_for(HOUR));
    publish(&made, 0, "a").expect("published");
    made.pause(&0.into(), false).expect("paused");
    clock.advance(HOUR + Duration::from_secs(70));
    until("the old message is gone", || messages(&home, &made) == 0);
    assert_eq!(made.info().expect("described").paused, [0]);
    assert!(matches!(values(&made, 0), Err(Error::Paused { .. })));
}

#[test]
fn a_stream_that_was_empty_for_long_is_deleted() {
    let (home, clock) = home();
    let store = home.open();
    let empty = plain().delete_on_empty(HOUR);
    stream(&store, "never used", &empty);
    let trimmed = stream(&store, "trimmed", &empty);
    let full = stream(&store, "full", &empty);
    let controlled = stream(&store, "control records only", &empty);
    stream(&store, "kept", &plain());
    publish(&trimmed, 0, "a").expect("published");
    trimmed.partition(0).expect("there").trim(1).expect("trimmed");
    publish(&full, 0, "a").expect("published");
    let token: Token = "mine".parse().expect("a token");
    let fence = PublishOptions::new().and(Control::Fence(token));
    let log = controlled.partition(0).expect("there");
    log.append(&[], &fence).expect("fenced");
    // Looked at once, so that it is known how far it has come.
    std::thread::sleep(Duration::from_millis(500));
    clock.advance(HOUR / 2);
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(names(&store).len(), 5);
    clock.advance(HOUR);
    for name in ["never used", "trimmed", "control records only"] {
        until(name, || is_gone(&store, name));
    }
    assert_eq!(names(&store), ["full", "kept"]);
    let mut events = store.events(Start::Oldest);
    let events = events.next(100, Some(Duration::ZERO)).expect("read");
    let purged = events
        .iter()
        .filter(|event| event.kind == StreamEventKind::Purged);
    assert_eq!(purged.count(), 3);
}

#[test]
fn what_expires_takes_its_stream_with_it() {
    let (home, clock) = home();
    let store = home.open();
    let made = stream(
        &store,
        "s",
        &kept_for(HOUR).delete_on_empty(Duration::from_secs(60)),
    );
    publish(&made, 0, "a").expect("published");
    until_closed(&home);
    clock.advance(HOUR + Duration::from_secs(70));
    until("the old message is gone", || {
        is_gone(&store, "s") || messages(&home, &made) == 0
    });
    clock.advance(Duration::from_secs(70));
    until_purged(&store, "s");
    assert!(matches!(publish(&made, 0, "x"), Err(Error::NoStream { .. })));
}

#[test]
fn that_a_stream_is_empty_counts_on_in_the_next_life() {
    let (home, clock) = home();
    let store = home.open();
    let empty = plain().delete_on_empty(2 * HOUR);
    stream(&store, "never used", &empty);
    let trimmed = stream(&store, "trimmed", &empty);
    publish(&trimmed, 0, "a").expect("published");
    trimmed.partition(0).expect("there").trim(1).expect("trimmed");
    let catalog = || {
        let log = Options::new().read_only(true).open(home.path().join("catalog"));
        log.expect("opened").next_offset().expect("read")
    };
    let before = catalog();
    clock.advance(Duration::from_secs(61));
    until("it is noted that nobody writes", || catalog() > before);
    store.close().expect("closed");
    clock.advance(2 * HOUR);
    let store = home.open();
    clock.advance(Duration::from_secs(1));
    for name in ["never used", "trimmed"] {
        until(name, || is_gone(&store, name));
    }
}

#[test]
fn no_time_at_all_overrides_a_default_that_deletes() {
    let (home, clock) = home();
    let defaults = plain().delete_on_empty(HOUR);
    let options = home.options.clone().defaults(defaults);
    let store = options.open(home.path()).expect("opened");
    stream(&store, "default", &plain());
    stream(&store, "never", &plain().delete_on_empty(Duration::ZERO));
    assert_eq!(
        store.config("default").expect("there").delete_on_empty,
        Some(HOUR)
    );
    assert_eq!(store.config("never").expect("there").delete_on_empty, None);
    std::thread::sleep(Duration::from_millis(100));
    clock.advance(2 * HOUR);
    until("default", || is_gone(&store, "default"));
    assert_eq!(names(&store), ["never"]);
}

/// Publishers go on while the stream is trimmed and looked at again and again. What was acknowledged to them is there,
/// or they had been refused before.
#[test]
fn what_is_published_keeps_a_stream_from_being_deleted() {
    let (home, clock) = home();
    let store = home.open();
    let second = Duration::from_secs(1);
    for round in 0..12 {
        let name = format!("s{round}");
        let made = stream(&store, &name, &plain().partitions(2).delete_on_empty(second));
        clock.advance(2 * second);
        std::thread::sleep(Duration::from_millis(round));
        let published = publish(&made, 1, "a");
        clock.advance(2 * second);
        match published {
            Ok(offset) => {
                std::thread::sleep(Duration::from_millis(30));
                let read = made.partition(1).expect("there").get(Start::At(offset));
                assert_eq!(&read.expect("read").value.expect("a value")[..], b"a");
            }
            Err(Error::StreamDeleting { .. } | Error::NoStream { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

/// Publishes so many messages of each of ten keys.
fn publish_keys(stream: &Stream, each: usize) {
    for round in 0..each {
        for key in 0..10_u8 {
            let value = format!("{round}");
            let message = NewMessage::new(std::slice::from_ref(&key), value.as_bytes());
            let how = PublishOptions::new();
            stream
                .publish(message, &Partitioner::To(0), &how)
                .expect("published");
        }
    }
}

#[test]
fn superseded_messages_go_from_partitions_open_and_closed() {
    let (home, clock) = home();
    let options = home.options.clone();
    let compacted = plain()
        .key_index(true)
        .compaction(CompactionConfig::new().enabled(true));
    let open_options: StoreOptions = options.clone().idle_after(HOUR);
    let store = open_options.open(home.path()).expect("opened");
    let made = stream(&store, "open", &compacted);
    publish_keys(&made, 20);
    clock.advance(Duration::from_secs(61));
    let count = |stream: &Stream| stream.partition(0).expect("there").stat().expect("read").messages;
    until("one message of each key is left", || count(&made) == 10);
    store.close().expect("closed");
    drop((store, made));

    let store = options.open(home.path()).expect("opened");
    let made = stream(&store, "closed", &compacted);
    publish_keys(&made, 20);
    until_closed(&home);
    clock.advance(Duration::from_secs(61));
    until("one message of each key is left", || messages(&home, &made) == 10);
    // Readers of this handle may see what was there for a moment more.
    until("the newest is left", || {
        values(&made, 0).expect("read") == ["19"; 10]
    });
}

#[test]
fn young_messages_are_not_compacted_and_later_they_are() {
    let (home, clock) = home();
    let store = home.open();
    let compaction = CompactionConfig::new().enabled(true).older_than(HOUR);
    let made = stream(&store, "s", &plain().key_index(true).compaction(compaction));
    publish_keys(&made, 20);
    until_closed(&home);
    clock.advance(Duration::from_secs(61));
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(messages(&home, &made), 200);
    clock.advance(HOUR);
    until("one message of each key is left", || messages(&home, &made) == 10);
}

#[test]
fn the_catalog_forgets_old_events_of_streams_that_have_changed() {
    let (home, clock) = home();
    let store = home.open();
    stream(&store, "s", &plain());
    for _ in 0..600 {
        for on in [true, false] {
            let patch = StreamPatch::new().time_index(on);
            store.reconfigure("s", &patch).expect("reconfigured");
        }
    }
    store.close().expect("closed");
    clock.advance(8 * DAY);
    let store = home.open();
    let count = || {
        let log = Options::new().read_only(true).open(home.path().join("catalog"));
        log.expect("opened").stat().expect("read").messages
    };
    until("the catalog is short", || count() < 10);
    assert_eq!(names(&store), ["s"]);
    store.close().expect("closed");
    let store = home.open();
    assert_eq!(store.config("s").expect("there").time_index, Some(false));
    // What is new stays for a week.
    let catalog = Options::new().read_only(true).open(home.path().join("catalog"));
    let week = compact::Settings::new().older_than(7 * DAY).dry_run(true);
    let left = compact::updates(&catalog.expect("opened"), &week).expect("looked at");
    assert_eq!(left.messages, 0);
}

/// Goal: a listener may use the store, also while that does something in the background. Method: it looks at the
/// partition that it is told of.
#[test]
fn a_listener_may_use_the_store() {
    let store: Arc<OnceLock<Store>> = Arc::default();
    let (tell, told) = mpsc::channel();
    let (clock, used) = (Arc::new(ManualClock::new(Timestamp::now())), Arc::clone(&store));
    let log = Options::new()
        .clock(Arc::clone(&clock) as _)
        .on_event(move |_: &Path, event: &Event| {
            if let (Event::RetentionRemoved { .. }, Some(store)) = (event, used.get()) {
                let log = store.stream("s").and_then(|stream| stream.partition(0));
                let _ = tell.send(log.and_then(|log| log.stat()).map(|stats| stats.messages));
            }
        });
    let home = Home::with(|options| options.idle_after(Duration::from_millis(20)).log(log));
    let opened = store.get_or_init(|| home.open());
    let made = stream(opened, "s", &kept_for(HOUR));
    for _ in 0..3 {
        publish(&made, 0, "a").expect("published");
        until_closed(&home);
        clock.advance(HOUR + Duration::from_secs(70));
        let seen = told.recv_timeout(Duration::from_secs(20)).expect("told in time");
        assert_eq!(seen.expect("looked at"), 0);
    }
    opened.close().expect("closed");
}

#[test]
fn a_stream_that_was_just_made_is_not_deleted_because_the_clock_steps() {
    let (home, clock) = home();
    let store = home.open();
    stream(&store, "s", &plain());
    let now = duramen::Clock::now(&*clock).as_micros();
    clock.set(Timestamp::from_micros(now + 1_000_000 * 86_400));
    store
        .reconfigure("s", &StreamPatch::new().delete_on_empty(HOUR))
        .expect("reconfigured");
    clock.advance(HOUR / 2);
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(names(&store), ["s"]);
    clock.advance(HOUR);
    until("s", || is_gone(&store, "s"));
}

#[test]
fn another_setting_does_not_make_messages_old_after_a_step_of_the_clock() {
    let (home, clock) = home();
    let store = home.open();
    let made = stream(&store, "s", &kept_for(HOUR));
    for value in ["a", "b", "c"] {
        publish(&made, 0, value).expect("published");
    }
    let now = duramen::Clock::now(&*clock).as_micros();
    clock.set(Timestamp::from_micros(now + 1_000_000 * 86_400));
    let retention = duramen::store::RetentionPatch::new().max_age(2 * HOUR);
    for patch in [
        StreamPatch::new().time_index(true),
        StreamPatch::new().retention(retention),
    ] {
        store.reconfigure("s", &patch).expect("reconfigured");
        clock.advance(Duration::from_secs(300));
        std::thread::sleep(Duration::from_secs(6));
        assert_eq!(messages(&home, &made), 3);
    }
}
