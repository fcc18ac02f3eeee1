//! Row: atomic publish.

use std::collections::BTreeSet;

use duramen::store::{Store, Stream, StreamConfig};
use duramen::{Control, Durability, Error, Log, NewMessage, Options, PublishOptions, TimestampPolicy};

use crate::support::{Home, plain, publish, values, with_stream};

/// Publishes a value to several partitions at once.
fn publish_to(store: &Store, to: &[(&Stream, u32)], value: &str) -> duramen::Result<Vec<u64>> {
    let message = [NewMessage::value(value.as_bytes())];
    let parts: Vec<_> = to
        .iter()
        .map(|(stream, number)| (*stream, *number, &message[..]))
        .collect();
    let acks = store.publish_to(&parts)?;
    Ok(acks.iter().map(|ack| ack.start.offset).collect())
}

/// A store with the streams `a`, durable with each publish, and `b`, which is not.
fn two_streams(home: &Home) -> (Store, Stream, Stream) {
    let store = home.open();
    let durable = plain().durability(Durability::EachPublish);
    store.create("a", &durable).expect("created");
    store.create("b", &plain().partitions(2)).expect("created");
    let (a, b) = (store.stream("a"), store.stream("b"));
    (store, a.expect("there"), b.expect("there"))
}

#[test]
fn all_parts_are_there_in_the_order_given() {
    let home = Home::new();
    let (store, a, b) = two_streams(&home);
    publish(&b, 1, "before").expect("published");
    let offsets = publish_to(&store, &[(&b, 1), (&a, 0), (&b, 0)], "x").expect("published");
    assert_eq!(offsets, [1, 0, 0]);
    assert_eq!(values(&b, 1).expect("read"), ["before", "x"]);
    assert_eq!(values(&a, 0).expect("read"), ["x"]);
    drop((store, a, b));
    let (store, a, b) = two_streams_again(&home);
    assert_eq!(values(&b, 0).expect("read"), ["x"]);
    assert_eq!(
        publish_to(&store, &[(&a, 0), (&b, 0)], "y").expect("published"),
        [1, 1]
    );
}

fn two_streams_again(home: &Home) -> (Store, Stream, Stream) {
    let store = home.open();
    let (a, b) = (store.stream("a"), store.stream("b"));
    (store, a.expect("there"), b.expect("there"))
}

#[test]
fn parts_may_have_many_messages_or_none() {
    let home = Home::new();
    let (store, a, b) = two_streams(&home);
    let many: Vec<_> = (0..50).map(|n| format!("{n}")).collect();
    let many: Vec<_> = many
        .iter()
        .map(|text| NewMessage::value(text.as_bytes()))
        .collect();
    let acks = store
        .publish_to(&[(&a, 0, &many), (&b, 0, &[]), (&b, 1, &many[..3])])
        .expect("published");
    let ends: Vec<_> = acks.iter().map(|ack| ack.end.offset).collect();
    assert_eq!(ends, [50, 0, 3]);
    assert!(store.publish_to(&[]).expect("nothing").is_empty());
}

#[test]
fn a_part_that_is_refused_refuses_all() {
    let home = Home::new();
    let (store, a, b) = two_streams(&home);
    b.seal(&1.into()).expect("sealed");
    let refused = publish_to(&store, &[(&a, 0), (&b, 0), (&b, 1)], "x");
    assert!(matches!(refused, Err(Error::Sealed)));

    let fenced = plain().require_token(true);
    store.create("f", &fenced).expect("created");
    let f = store.stream("f").expect("there");
    let fence = PublishOptions::new().and(Control::Fence("t".parse().expect("a token")));
    f.partition(0)
        .expect("there")
        .append(&[], &fence)
        .expect("fenced");
    let refused = publish_to(&store, &[(&a, 0), (&f, 0)], "x");
    assert!(matches!(refused, Err(Error::Fenced { .. })));

    store
        .create("t", &plain().timestamps(TimestampPolicy::ClientRequire))
        .expect("created");
    let t = store.stream("t").expect("there");
    let refused = publish_to(&store, &[(&a, 0), (&t, 0)], "x");
    assert!(matches!(refused, Err(Error::TimeRequired { index: 0 })));

    assert!(values(&a, 0).expect("read").is_empty() && values(&b, 0).expect("read").is_empty());
    publish_to(&store, &[(&a, 0), (&b, 0)], "y").expect("published");
}

#[test]
fn what_makes_no_sense_is_invalid() {
    let home = Home::new();
    let (store, a, b) = two_streams(&home);
    let twice = publish_to(&store, &[(&a, 0), (&b, 0), (&a, 0)], "x");
    assert!(matches!(twice, Err(Error::Invalid(_))));
    let beyond = publish_to(&store, &[(&a, 0), (&b, 2)], "x");
    assert!(matches!(beyond, Err(Error::Invalid(_))));
    let (_other, other_store, foreign) = with_stream(1);
    let mixed = publish_to(&store, &[(&a, 0), (&foreign, 0)], "x");
    assert!(matches!(mixed, Err(Error::Invalid(_))));
    drop(other_store);
    store.delete("b").expect("deleted");
    let gone = publish_to(&store, &[(&a, 0), (&b, 0)], "x");
    assert!(matches!(
        gone,
        Err(Error::StreamDeleting { .. } | Error::NoStream { .. })
    ));
    assert!(values(&a, 0).expect("read").is_empty());
}

#[test]
fn a_message_that_is_too_large_is_named_by_its_place_in_the_part() {
    let home = Home::new();
    let (store, a, b) = two_streams(&home);
    let size = usize::try_from(duramen::MESSAGE_SIZE_MAX).expect("a size") + 1;
    let large = vec![0; size];
    let (small, large) = (NewMessage::value(b"x"), NewMessage::value(&large));
    let refused = store.publish_to(&[(&a, 0, &[small, small]), (&b, 0, &[small, large])]);
    assert!(
        matches!(refused, Err(Error::TooLarge { index: Some(1), .. })),
        "{refused:?}"
    );
    assert!(values(&a, 0).expect("read").is_empty());
}

#[test]
fn a_stream_that_is_not_there_yet_is_made() {
    let home = Home::with(|options| options.create_on_publish(true));
    let store = home.open();
    let (a, b) = (
        store.stream("a").expect("a handle"),
        store.stream("b").expect("a handle"),
    );
    publish_to(&store, &[(&a, 0), (&b, 0)], "x").expect("published");
    assert_eq!(values(&b, 0).expect("read"), ["x"]);
}

#[test]
fn a_paused_partition_is_resumed() {
    let home = Home::new();
    let (store, a, b) = two_streams(&home);
    b.pause(&0.into(), false).expect("paused");
    publish_to(&store, &[(&a, 0), (&b, 0)], "x").expect("published");
    assert_eq!(values(&b, 0).expect("read"), ["x"]);
}

/// Goal: publishers of overlapping sets do not wait for each other for ever, and all agree on one order. Method:
/// threads, each with the partitions in another order.
#[test]
fn many_publish_to_overlapping_partitions() {
    let home = Home::with(|options| options.open_max(2));
    let store = home.open();
    store
        .create("s", &StreamConfig::new().partitions(3))
        .expect("created");
    let stream = store.stream("s").expect("there");
    let orders: [&[u32]; 4] = [&[0, 1, 2], &[2, 1], &[1, 0], &[2, 0, 1]];
    std::thread::scope(|scope| {
        for (thread, order) in orders.into_iter().enumerate() {
            let (store, stream) = (&store, &stream);
            scope.spawn(move || {
                for n in 0..40 {
                    let to: Vec<_> = order.iter().map(|number| (stream, *number)).collect();
                    publish_to(store, &to, &format!("{thread}-{n}")).expect("published");
                    publish(stream, order[0], "alone").expect("published");
                }
            });
        }
    });
    let of = |number| {
        let values = values(&stream, number).expect("read");
        values
            .into_iter()
            .filter(|value| value != "alone")
            .collect::<Vec<_>>()
    };
    let all = [of(0), of(1), of(2)];
    for (number, values) in (0..).zip(&all) {
        let wanted = orders.iter().filter(|order| order.contains(&number)).count();
        assert_eq!(values.len(), 40 * wanted);
        assert_eq!(values.iter().collect::<BTreeSet<_>>().len(), values.len());
    }
    // What two partitions have in common is in one order.
    for (one, other) in [(0, 1), (1, 2), (0, 2)] {
        let common = |values: &Vec<String>, with: &Vec<String>| {
            let with: BTreeSet<_> = with.iter().cloned().collect();
            values
                .iter()
                .filter(|value| with.contains(*value))
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(common(&all[one], &all[other]), common(&all[other], &all[one]));
    }
}

/// Goal: intents do not pile up. Method: more than are settled together, and the size of their log.
#[test]
fn intents_are_settled() {
    let home = Home::with(|options| options.log(Options::new().background(false)));
    let (store, a, b) = two_streams(&home);
    let text = "x".repeat(100_000);
    for _ in 0..200 {
        publish_to(&store, &[(&a, 0), (&b, 0)], &text).expect("published");
    }
    let of_intents = || {
        let files = std::fs::read_dir(home.path().join("intents")).expect("the intents");
        let sizes = files.map(|file| file.and_then(|file| file.metadata()).map_or(0, |data| data.len()));
        sizes.sum::<u64>()
    };
    assert!(of_intents() < 36 << 20, "{} bytes", of_intents());
    store.close().expect("closed");
    let log = Options::new().open(home.path().join("intents")).expect("a log");
    assert_eq!(log.stat().expect("stats").messages, 0);
}
