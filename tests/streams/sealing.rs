//! Sealed partitions.

use std::time::Duration;

use duramen::store::Partitions;
use duramen::{Control, Error, Log, Options, PublishOptions, ReadOptions, Start, Stop};

use crate::support::{publish, values, with_stream};

#[test]
fn nothing_is_published_to_a_sealed_partition() {
    let (home, store, stream) = with_stream(2);
    publish(&stream, 0, "a").expect("published");
    stream.seal(&0.into()).expect("sealed");
    assert!(matches!(publish(&stream, 0, "b"), Err(Error::Sealed)));
    assert!(publish(&stream, 1, "b").is_ok());
    assert_eq!(stream.info().expect("info").sealed, [0]);
    drop((store, stream));
    let stream = home.open().stream("s").expect("there");
    assert!(matches!(publish(&stream, 0, "b"), Err(Error::Sealed)));
    assert_eq!(stream.info().expect("info").sealed, [0]);
}

#[test]
fn readers_get_what_is_there_and_learn_of_the_seal() {
    let (_home, _store, stream) = with_stream(1);
    publish(&stream, 0, "a").expect("published");
    stream.seal(&Partitions::All).expect("sealed");
    let log = stream.partition(0).expect("there");
    let batch = log.read(Start::Oldest, &ReadOptions::new()).expect("read");
    assert_eq!((batch.messages.len(), batch.stopped), (1, Stop::Sealed));
}

#[test]
fn a_partition_that_is_sealed_before_it_is_used_is_sealed() {
    let (_home, _store, stream) = with_stream(3);
    stream.seal(&Partitions::All).expect("sealed");
    for n in 0..3 {
        assert!(matches!(publish(&stream, n, "a"), Err(Error::Sealed)));
        assert!(stream.partition(n).expect("there").is_sealed().expect("known"));
    }
}

#[test]
fn an_unsealed_partition_goes_on() {
    let (home, store, stream) = with_stream(2);
    publish(&stream, 0, "a").expect("published");
    stream.seal(&Partitions::All).expect("sealed");
    stream.unseal(&0.into()).expect("unsealed");
    publish(&stream, 0, "b").expect("published");
    assert!(matches!(publish(&stream, 1, "b"), Err(Error::Sealed)));
    assert_eq!(stream.info().expect("info").sealed, [1]);
    drop((store, stream));
    let stream = home.open().stream("s").expect("there");
    publish(&stream, 0, "c").expect("published");
    assert_eq!(values(&stream, 0).expect("read"), ["a", "b", "c"]);
    assert!(matches!(publish(&stream, 1, "b"), Err(Error::Sealed)));
}

#[test]
fn a_seal_by_the_log_is_known_to_the_stream() {
    let (_home, _store, stream) = with_stream(1);
    let log = stream.partition(0).expect("there");
    log.append(&[], &PublishOptions::new().and(Control::Seal))
        .expect("sealed");
    assert_eq!(stream.info().expect("info").sealed, [0]);
    stream.unseal(&0.into()).expect("unsealed");
    assert!(publish(&stream, 0, "a").is_ok());
    assert!(stream.info().expect("info").sealed.is_empty());
}

#[test]
fn a_partition_that_is_not_there_cannot_be_sealed() {
    let (_home, _store, stream) = with_stream(2);
    let both = Partitions::These(vec![0, 2]);
    assert!(matches!(stream.seal(&both), Err(Error::Invalid(_))));
    assert!(matches!(stream.unseal(&both), Err(Error::Invalid(_))));
    assert!(publish(&stream, 0, "a").is_ok(), "none of them was sealed");
}

/// Others may read the log of a partition without the store, and wait for its end.
#[test]
fn a_partition_that_is_closed_is_sealed_at_once() {
    let (home, store, stream) = with_stream(2);
    publish(&stream, 0, "a").expect("published");
    stream.pause(&0.into(), false).expect("paused");
    assert!(store.list(&duramen::store::ListOptions::new()).is_ok());
    stream.seal(&0.into()).expect("sealed");
    let log = Options::new().read_only(true).open(home.partition(&stream, 0));
    assert!(log.expect("opened").is_sealed().expect("known"));
    assert_eq!(stream.info().expect("info").paused, [0]);
}

#[test]
fn an_event_names_the_partitions_that_have_changed() {
    let (_home, store, stream) = with_stream(3);
    stream.seal(&1.into()).expect("sealed");
    stream.seal(&Partitions::All).expect("sealed");
    stream.pause(&2.into(), false).expect("paused");
    stream.resume(&Partitions::All).expect("resumed");
    let mut events = store.events(Start::Oldest);
    let events = events.next(10, Some(Duration::ZERO)).expect("read");
    let concerned: Vec<_> = events.iter().skip(1).map(|event| &event.partitions[..]).collect();
    assert_eq!(concerned, [&[1][..], &[0, 2], &[2], &[2]]);
}
