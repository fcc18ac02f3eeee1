//! Rows: partitions, scale.

use std::collections::BTreeSet;
use std::time::Duration;

use duramen::store::{Partitioner, StoreOptions, Stream};
use duramen::{BlockingLog, Error, Log, NewMessage, PublishOptions, Start};

use crate::support::{Home, descriptors_below, plain, publish, until, values, with_stream};

fn partition_of(stream: &Stream, key: Option<&[u8]>, to: &Partitioner) -> u32 {
    let message = NewMessage {
        key,
        ..NewMessage::value(b"v")
    };
    let (number, ack) = stream
        .publish(message, to, &PublishOptions::new())
        .expect("published");
    let log = stream.partition(number).expect("there");
    assert_eq!(
        log.get(Start::At(ack.start.offset)).expect("read").key.as_deref(),
        key
    );
    number
}

/// The checksums are Liftbridge's.
#[test]
fn keys_go_by_their_crc_32() {
    let (_home, _store, stream) = with_stream(7);
    let by_key = |key: &[u8]| partition_of(&stream, Some(key), &Partitioner::Key);
    assert_eq!(by_key(b"key"), 0x8a90_aba9_u32 % 7);
    assert_eq!(by_key(b"user-7"), 0x9745_e321_u32 % 7);
    assert_eq!(by_key(b""), partition_of(&stream, None, &Partitioner::Key));
}

#[test]
fn round_robin_begins_at_0_and_is_shared_by_handles() {
    let (_home, store, stream) = with_stream(3);
    let other = store.stream("s").expect("there");
    let turns: Vec<_> = [&stream, &other, &stream, &stream, &other]
        .map(|stream| partition_of(stream, None, &Partitioner::RoundRobin))
        .into();
    assert_eq!(turns, [0, 1, 2, 0, 1]);
}

#[test]
fn a_custom_answer_beyond_the_last_is_invalid() {
    let (_home, _store, stream) = with_stream(3);
    let last = Partitioner::custom(|_, count| count - 1);
    assert_eq!(partition_of(&stream, None, &last), 2);
    let by_value = Partitioner::custom(|message, _| message.value.map_or(0, |value| u32::from(value[0])));
    for (to, is_fine) in [
        (by_value, false),
        (Partitioner::To(3), false),
        (Partitioner::To(2), true),
    ] {
        let published = stream.publish(NewMessage::value(b"\x03"), &to, &PublishOptions::new());
        assert_eq!(published.is_ok(), is_fine);
        assert!(is_fine || matches!(published, Err(Error::Invalid(_))));
    }
    assert!(matches!(stream.partition(3), Err(Error::Invalid(_))));
}

#[test]
fn partitions_are_logs_of_their_own() {
    let (home, store, stream) = with_stream(3);
    for (partition, value) in [(0, "a"), (2, "b"), (0, "c")] {
        publish(&stream, partition, value).expect("published");
    }
    let all = |stream: &Stream| [0, 1, 2].map(|n| values(stream, n).expect("read"));
    assert_eq!(all(&stream), [vec!["a", "c"], vec![], vec!["b"]]);
    drop((store, stream));
    let stream = home.open().stream("s").expect("there");
    assert_eq!(all(&stream), [vec!["a", "c"], vec![], vec!["b"]]);
}

#[test]
fn a_partition_has_the_conditions_of_a_log() {
    let (_home, _store, stream) = with_stream(1);
    let expect = |offset| PublishOptions::new().expect_next_offset(offset);
    let publish =
        |how: &PublishOptions<'_>| stream.publish(NewMessage::value(b"v"), &Partitioner::To(0), how);
    assert!(publish(&expect(0)).is_ok());
    assert!(matches!(
        publish(&expect(0)),
        Err(Error::OffsetMismatch {
            expected: 0,
            actual: 1
        })
    ));
    let sent_twice = PublishOptions::new().producer(7, 1);
    assert!(!publish(&sent_twice).expect("published").1.is_duplicate);
    assert!(publish(&sent_twice).expect("recognised").1.is_duplicate);
}

#[test]
fn a_handle_of_a_partition_is_closed_alone() {
    let (_home, _store, stream) = with_stream(1);
    let (a, b) = (
        stream.partition(0).expect("there"),
        stream.partition(0).expect("there"),
    );
    a.publish(&[NewMessage::value(b"v")]).expect("published");
    a.close().expect("closed");
    a.close().expect("closed again");
    assert!(matches!(a.consume(Start::Oldest, 1), Err(Error::Closed)));
    assert_eq!(b.consume(Start::Oldest, 1).expect("read").messages.len(), 1);
}

#[test]
fn a_partition_that_is_not_used_has_no_files() {
    let (home, _store, stream) = with_stream(2);
    publish(&stream, 1, "a").expect("published");
    let _unused = stream.partition(0).expect("there");
    assert!(!home.partition(&stream, 0).exists());
    assert!(home.partition(&stream, 1).exists());
}

/// Goal: an idle partition has no descriptor, and is opened again when it is used. Method: a short time.
#[test]
fn an_idle_partition_is_closed_and_comes_back() {
    let home = Home::with(|options| options.idle_after(Duration::from_millis(50)));
    let store = home.open();
    store.create("s", &plain()).expect("created");
    let stream = store.stream("s").expect("there");
    let log = stream.partition(0).expect("there");
    log.publish(&[NewMessage::value(b"0")]).expect("published");
    let dir = home.partition(&stream, 0);
    assert!(descriptors_below(&dir) > 0);
    until("the partition is closed", || descriptors_below(&dir) == 0);
    log.publish(&[NewMessage::value(b"1")]).expect("published");
    assert_eq!(values(&stream, 0).expect("read"), ["0", "1"]);
    until("the partition is closed again", || descriptors_below(&dir) == 0);
    assert_eq!(log.next_offset().expect("open"), 2);
}

/// Goal: who waits for messages misses none because the partition is idle. Method: a short time, a thread that waits.
#[test]
fn a_partition_that_somebody_waits_for_is_not_idle() {
    let home = Home::with(|options| options.idle_after(Duration::from_millis(20)));
    let store = home.open();
    store.create("s", &plain()).expect("created");
    let stream = store.stream("s").expect("there");
    let log = BlockingLog::new(stream.partition(0).expect("there"));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| log.consume_blocking(Start::Oldest, 1, Some(Duration::from_secs(20))));
        std::thread::sleep(Duration::from_millis(200));
        publish(&stream, 0, "a").expect("published");
        let batch = waiting.join().expect("no panic").expect("read");
        assert_eq!(batch.messages.len(), 1);
    });
}

#[test]
fn no_more_partitions_are_open_than_allowed() {
    let home = Home::with(|options: StoreOptions| options.open_max(4));
    let store = home.open();
    for n in 0..20 {
        store.create(&format!("s{n}"), &plain()).expect("created");
        publish(&store.stream(&format!("s{n}")).expect("there"), 0, "a").expect("published");
    }
    let open = || {
        let is_open = |n: &usize| {
            let stream = store.stream(&format!("s{n}")).expect("there");
            descriptors_below(&home.partition(&stream, 0)) > 0
        };
        (0..20).filter(is_open).count()
    };
    assert!((1..=4).contains(&open()), "{} are open", open());
    for n in 0..20 {
        let stream = store.stream(&format!("s{n}")).expect("there");
        publish(&stream, 0, "b").expect("published");
        assert_eq!(values(&stream, 0).expect("read"), ["a", "b"]);
    }
    assert!(open() <= 4);
}

/// Goal: nothing is lost while partitions are closed and opened all the time. Method: threads, few open ones.
#[test]
fn many_publish_while_partitions_come_and_go() {
    let home = Home::with(|options| options.open_max(2).idle_after(Duration::from_millis(5)));
    let store = home.open();
    store.create("s", &plain().partitions(6)).expect("created");
    let stream = store.stream("s").expect("there");
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let stream = &stream;
            scope.spawn(move || {
                for n in 0..200 {
                    publish(stream, (thread + n) % 6, &format!("{thread}-{n}")).expect("published");
                    if n % 16 == 0 {
                        values(stream, n % 6).expect("read");
                    }
                }
            });
        }
    });
    let all: Vec<_> = (0..6).flat_map(|n| values(&stream, n).expect("read")).collect();
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (800, 800));
}

/// A partition that is chosen for a message is the one that publishing takes.
#[test]
fn a_partition_can_be_chosen_beforehand() {
    let (_home, store, stream) = with_stream(3);
    for i in 0..20_u32 {
        let (key, value) = (i.to_le_bytes(), [0]);
        let message = NewMessage::new(&key, &value);
        let chosen = stream.choose(&message, &Partitioner::Key).expect("chosen");
        let published = stream.publish(message, &Partitioner::Key, &PublishOptions::new());
        assert_eq!(published.expect("published").0, chosen);
    }
    let message = NewMessage::value(b"v");
    let turns: Vec<_> = (0..4)
        .map(|_| stream.choose(&message, &Partitioner::RoundRobin).expect("chosen"))
        .collect();
    assert_eq!(turns, [0, 1, 2, 0]);
    let none = stream.choose(&message, &Partitioner::To(3));
    assert!(matches!(none, Err(Error::Invalid(_))), "{none:?}");
    store.delete("s").expect("deleted");
    let gone = stream.choose(&message, &Partitioner::Key);
    assert!(
        matches!(gone, Err(Error::StreamDeleting { .. } | Error::NoStream { .. })),
        "{gone:?}"
    );
}
