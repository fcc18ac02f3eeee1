//! Following a whole stream.

use std::thread;
use std::time::Duration;

use duramen::store::{Partitioner, Partitions, Stream, StreamFollow, TStream};
use duramen::{
    Awaited, Error, Log, NewMessage, PublishOptions, Result, Start, TNewMessage, Timestamp, codec,
};

use crate::support::{publish, with_stream};

const SOON: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(20);

/// The partition and the value of the next message.
fn next(follow: &mut StreamFollow, timeout: Duration) -> Option<(u32, String)> {
    match follow.next_timeout(timeout) {
        Awaited::Item(message) => {
            let message = message.expect("a message");
            let value = message.message.value.expect("a value").to_vec();
            Some((message.partition, String::from_utf8(value).expect("a text")))
        }
        Awaited::TimedOut => None,
        Awaited::Ended => panic!("ended"),
    }
}

fn publish_at(stream: &Stream, partition: u32, value: &str, time: i64) {
    let message = NewMessage::value(value.as_bytes()).time(Timestamp::from_micros(time));
    let to = Partitioner::To(partition);
    stream
        .publish(message, &to, &PublishOptions::new())
        .expect("published");
}

#[test]
fn all_partitions_come_in_turn_and_each_in_order() {
    let (_home, _store, stream) = with_stream(3);
    for value in ["a", "b", "c"] {
        publish(&stream, 0, value).expect("published");
    }
    publish(&stream, 2, "d").expect("published");
    let mut follow = stream.follow(Start::Oldest, &Partitions::All).expect("followed");
    let all: Vec<_> = (0..4).filter_map(|_| next(&mut follow, LONG)).collect();
    let expected = [(0, "a"), (2, "d"), (0, "b"), (0, "c")];
    assert!(all.iter().map(|(n, v)| (*n, v.as_str())).eq(expected), "{all:?}");
    assert_eq!(next(&mut follow, SOON), None);
    assert_eq!(
        follow.next_offsets().collect::<Vec<_>>(),
        [(0, 3), (1, 0), (2, 1)]
    );
}

#[test]
fn a_busy_partition_does_not_keep_others_waiting() {
    let (_home, _store, stream) = with_stream(2);
    for _ in 0..1000 {
        publish(&stream, 0, "many").expect("published");
    }
    publish(&stream, 1, "one").expect("published");
    let mut follow = stream.follow(Start::Oldest, &Partitions::All).expect("followed");
    let first: Vec<_> = (0..2).filter_map(|_| next(&mut follow, LONG)).collect();
    assert!(first.contains(&(1, "one".to_owned())), "{first:?}");
}

#[test]
fn what_is_there_comes_by_time_on_request() {
    let (_home, _store, stream) = with_stream(3);
    for (partition, value, time) in [
        (0, "a", 10),
        (0, "d", 40),
        (1, "b", 20),
        (2, "c", 30),
        (2, "e", 50),
    ] {
        publish_at(&stream, partition, value, time);
    }
    let follow = stream.follow(Start::Oldest, &Partitions::All).expect("followed");
    let mut follow = follow.by_time();
    let values: Vec<_> = (0..5)
        .filter_map(|_| next(&mut follow, LONG))
        .map(|m| m.1)
        .collect();
    assert_eq!(values, ["a", "b", "c", "d", "e"]);
    // What was read ahead counts as not returned.
    publish_at(&stream, 0, "g", 70);
    publish_at(&stream, 1, "f", 60);
    assert_eq!(next(&mut follow, LONG), Some((1, "f".to_owned())));
    assert_eq!(
        follow.next_offsets().collect::<Vec<_>>(),
        [(0, 2), (1, 2), (2, 2)]
    );
    assert_eq!(next(&mut follow, LONG), Some((0, "g".to_owned())));
}

#[test]
fn who_waits_is_woken_by_any_partition() {
    let (_home, _store, stream) = with_stream(8);
    let mut follow = stream.follow(Start::Newest, &Partitions::All).expect("followed");
    let reader = thread::spawn(move || {
        let all: Option<Vec<_>> = (0..80).map(|_| next(&mut follow, LONG)).collect();
        all.expect("all of them")
    });
    for round in 0..10 {
        for partition in 0..8 {
            publish(&stream, partition, &format!("{round}")).expect("published");
            if round % 3 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
    let all = reader.join().expect("no panic");
    for partition in 0..8 {
        let own = all.iter().filter(|(number, _)| *number == partition);
        assert!(
            own.map(|(_, value)| value.clone())
                .eq((0..10).map(|round| round.to_string()))
        );
    }
}

#[test]
fn somebody_else_ends_it() {
    let (_home, _store, stream) = with_stream(2);
    let mut follow = stream.follow(Start::Oldest, &Partitions::All).expect("followed");
    let stop = follow.stop_handle();
    let reader = thread::spawn(move || follow.next().is_none());
    thread::sleep(SOON);
    stop.stop();
    assert!(reader.join().expect("no panic"));
}

#[test]
fn it_ends_when_all_partitions_are_sealed_and_read() {
    let (_home, _store, stream) = with_stream(2);
    publish(&stream, 0, "a").expect("published");
    let mut follow = stream.follow(Start::Oldest, &Partitions::All).expect("followed");
    stream.seal(&0.into()).expect("sealed");
    assert_eq!(next(&mut follow, LONG), Some((0, "a".to_owned())));
    assert_eq!(next(&mut follow, SOON), None);
    let reader = thread::spawn(move || follow.next().is_none());
    stream.seal(&1.into()).expect("sealed");
    assert!(reader.join().expect("no panic"));
}

#[test]
fn a_stream_that_is_deleted_ends_it_with_an_error() {
    let (_home, store, stream) = with_stream(2);
    let mut follow = stream.follow(Start::Oldest, &Partitions::All).expect("followed");
    let reader = thread::spawn(move || follow.next());
    thread::sleep(SOON);
    store.delete("s").expect("deleted");
    match reader.join().expect("no panic") {
        Some(Err(Error::StreamDeleting { .. } | Error::NoStream { .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn some_partitions_and_places_can_be_chosen() -> Result<()> {
    let (_home, _store, stream) = with_stream(3);
    for partition in 0..3 {
        for value in ["a", "b"] {
            publish(&stream, partition, value)?;
        }
    }
    let mut one = stream.follow(Start::Oldest, &1.into())?;
    assert_eq!(next(&mut one, LONG), Some((1, "a".to_owned())));
    assert!(matches!(
        stream.follow(Start::Oldest, &3.into()),
        Err(Error::Invalid(_))
    ));
    let places = one
        .next_offsets()
        .map(|(number, offset)| (number, Start::At(offset)));
    let mut again = stream.follow_from(places.chain([(2, Start::Newest)]))?;
    assert_eq!(next(&mut again, LONG), Some((1, "b".to_owned())));
    assert_eq!(next(&mut again, SOON), None);
    // Trimming is told, and it goes on.
    let mut trimmed = stream.follow_from([(0, Start::At(0))])?;
    stream.partition(0)?.trim(1)?;
    assert!(matches!(trimmed.next(), Some(Err(error)) if error.is_trimmed()));
    assert_eq!(next(&mut trimmed, LONG), Some((0, "b".to_owned())));
    Ok(())
}

#[test]
fn keys_and_values_of_a_stream_have_types() -> Result<()> {
    let (_home, _store, stream) = with_stream(4);
    let typed = TStream::new(stream.clone(), codec::U64, codec::Utf8);
    for key in 0..20 {
        let value = format!("{key}");
        typed.publish(
            TNewMessage::new(&key, &value),
            &Partitioner::Key,
            &PublishOptions::new(),
        )?;
    }
    let (partition, _) = typed.publish(
        TNewMessage::tombstone(&7),
        &Partitioner::Key,
        &PublishOptions::new(),
    )?;
    let last = typed.partition(partition)?.get(Start::Newest)?;
    assert_eq!((last.key, last.value), (Some(7), None));
    let mut keys: Vec<_> = typed
        .follow(Start::Oldest, &Partitions::All)?
        .take(21)
        .map(|message| message.map(|(_, message)| message.key))
        .collect::<Result<_>>()?;
    keys.sort_unstable();
    assert_eq!(keys.len(), 21);
    assert!(keys.contains(&Some(19)));

    // One that cannot be decoded is an error of its own, and the others come.
    stream.publish(
        NewMessage::new(b"no number", b"x"),
        &Partitioner::To(0),
        &PublishOptions::new(),
    )?;
    typed.publish(
        TNewMessage::new(&1, &"y".to_owned()),
        &Partitioner::To(0),
        &PublishOptions::new(),
    )?;
    let blocking = typed.partition_blocking(0)?;
    let last = blocking.consume_blocking(Start::Last(1), 1, Some(LONG))?;
    assert_eq!(last.messages.len(), 1);
    let all = typed.follow(Start::Oldest, &0.into())?.by_time();
    let count = blocking.stat()?.messages;
    let all: Vec<_> = all.take(usize::try_from(count).expect("few")).collect();
    assert_eq!(all.iter().filter(|message| message.is_err()).count(), 1);
    Ok(())
}
