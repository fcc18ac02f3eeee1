//! Row: metrics.

use std::path::Path;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use duramen::store::{Metrics, Partitions, Rejected, Store, Stream};
use duramen::{
    Control, Durability, Error, Log, Message, NewMessage, PublishOptions, ReadOptions, Start, Timestamp,
    TimestampPolicy, metered_size,
};

use crate::support::{Home, descriptors_below, plain, publish, until_purged, with_stream};

/// A store that keeps one partition open at a time, with one stream, `s`, of two.
fn narrow() -> (Home, Store, Stream) {
    let home = Home::with(|options| options.open_max(1));
    let store = home.open();
    store.create("s", &plain().partitions(2)).expect("created");
    let stream = store.stream("s").expect("there");
    (home, store, stream)
}

/// What was published, by the counters.
fn published(metrics: Metrics) -> (u64, u64, u64) {
    (metrics.appends, metrics.records, metrics.metered_in)
}

/// What was read, by the counters.
fn read(metrics: Metrics) -> (u64, u64, u64) {
    (metrics.reads, metrics.messages_out, metrics.metered_out)
}

fn size_of(messages: &[Message]) -> u64 {
    messages
        .iter()
        .map(|message| metered_size(&message.as_new()))
        .sum()
}

/// What `change` of the rejections makes of none.
fn rejected(change: impl FnOnce(&mut Rejected)) -> Rejected {
    let mut rejected = Rejected::default();
    change(&mut rejected);
    rejected
}

#[test]
fn what_is_published_is_counted_in_every_way_to_publish() {
    let (_home, store, stream) = with_stream(2);
    assert_eq!(stream.metrics(), {
        let mut none = Metrics::default();
        none.streams = 1;
        none
    });
    let log = stream.partition(0).expect("there");
    let headers = [(&b"name"[..], &b"value"[..])];
    let messages = [
        NewMessage::new(b"key", b"value").headers(&headers),
        NewMessage::tombstone(b"key"),
    ];
    let size: u64 = messages.iter().map(metered_size).sum();
    log.publish(&messages).expect("published");
    assert_eq!(published(stream.metrics()), (1, 2, size));
    let once = PublishOptions::new().producer(7, 1);
    log.publish_with(&messages, &once).expect("published");
    log.append(&messages, &once).expect("a duplicate");
    log.publish_with(&messages, &once).expect("a duplicate");
    log.publish(&[]).expect("nothing");
    assert_eq!(published(stream.metrics()), (2, 4, 2 * size));
    let fence = Control::Fence("a".parse().expect("a token"));
    log.append(&messages[..0], &PublishOptions::new().and(fence))
        .expect("appended");
    log.append(&messages, &PublishOptions::new().and(Control::Trim(1)))
        .expect("appended");
    assert_eq!(published(stream.metrics()), (4, 8, 3 * size));
    publish(&stream, 1, "a").expect("published");
    assert_eq!(published(stream.metrics()), (5, 9, 3 * size + 9));
    let (small, large) = ([NewMessage::value(b"b")], [NewMessage::value(b"ccc")]);
    store
        .publish_to(&[(&stream, 0, &small), (&stream, 1, &large)])
        .expect("published");
    assert_eq!(published(stream.metrics()), (7, 11, 3 * size + 9 + 9 + 11));
    stream.seal(&Partitions::All).expect("sealed");
    stream.unseal(&Partitions::All).expect("opened");
    assert_eq!(published(stream.metrics()), (7, 11, 3 * size + 9 + 9 + 11));
    assert_eq!(stream.metrics().rejected.total(), 0);
    assert_eq!(store.metrics(), stream.metrics());
}

#[test]
fn what_is_read_is_counted_in_every_way_to_read() {
    let home = Home::new();
    let store = home.open();
    let config = plain().key_index(true).time_index(true);
    store.create("s", &config).expect("created");
    let stream = store.stream("s").expect("there");
    let log = stream.partition(0).expect("there");
    let messages = ["a", "bb", "ccc"].map(|value| NewMessage::new(b"key", value.as_bytes()));
    log.publish(&messages).expect("published");
    let all = log.consume(Start::Oldest, 10).expect("read").messages;
    let mut expected = (1, 3, size_of(&all));
    assert_eq!(read(stream.metrics()), expected);
    let mut more = |calls: u64, messages: &[Message]| {
        expected.0 += calls;
        expected.1 += messages.len() as u64;
        expected.2 += size_of(messages);
        assert_eq!(read(stream.metrics()), expected);
    };
    let two = log
        .read(Start::At(1), &ReadOptions::new().max_count(2))
        .expect("read");
    more(1, &two.messages);
    let by_key = log.consume_by_key(b"key", Start::Oldest, 1).expect("read");
    more(1, &by_key.messages);
    more(1, &[log.get(Start::At(2)).expect("there")]);
    more(1, &[log.get_by_key(b"key").expect("there")]);
    more(1, &[log.get_by_time(Timestamp::from_micros(0)).expect("there")]);
    more(1, &log.consume(Start::Newest, 10).expect("read").messages);
    // Neither of these reads messages.
    log.get(Start::At(9)).expect_err("out of range");
    log.offset_by_key(b"key").expect("there");
    log.stat().expect("figures");
    log.tail().expect("the end");
    more(0, &[]);
    assert!(expected.2 > size_of(&all));

    let before = stream.metrics();
    let followed = stream.follow(Start::Oldest, &Partitions::All).expect("followed");
    assert_eq!(followed.take(3).flatten().count(), 3);
    let after = stream.metrics();
    assert!(after.reads > before.reads);
    assert_eq!(after.messages_out - before.messages_out, 3);

    // A handle of its own counts what goes through it.
    let reader = home.open_to_read();
    let of_reader = reader.stream("s").expect("there");
    let found = of_reader
        .partition(0)
        .expect("there")
        .consume(Start::Oldest, 1)
        .expect("read");
    assert_eq!(read(reader.metrics()), (1, 1, size_of(&found.messages)));
    assert_eq!(published(reader.metrics()), (0, 0, 0));
    assert_eq!((reader.metrics().messages, reader.metrics().streams), (3, 1));
    assert_eq!(stream.metrics(), after);
}

#[test]
fn a_refused_publish_is_counted_by_the_reason() {
    let home = Home::new();
    let store = home.open();
    store.create("s", &plain().key_index(true)).expect("created");
    let stream = store.stream("s").expect("there");
    let log = stream.partition(0).expect("there");
    let message = [NewMessage::new(b"k", b"v")];
    log.publish(&message).expect("published");
    for sequence in 1..=100 {
        log.append(&message, &PublishOptions::new().producer(1, sequence))
            .expect("published");
    }
    let appended = stream.metrics();
    let plain_options = PublishOptions::new();
    let token = PublishOptions::new().token("a".parse().expect("a token"));
    assert!(matches!(log.append(&message, &token), Err(Error::Fenced { .. })));
    log.append(&message, &plain_options.expect_next_offset(99))
        .expect_err("another offset");
    log.publish_with(&message, &plain_options.expect_next_offset(99))
        .expect_err("another offset");
    log.append(&message, &plain_options.expect_key(b"k", None))
        .expect_err("another message");
    log.append(&message, &plain_options.producer(1, 1))
        .expect_err("an old sequence");
    let large = vec![0; (64 << 20) + 1];
    log.publish(&[NewMessage::value(&large)]).expect_err("too large");
    let many = vec![Control::Seal; 5];
    let too_many = many.into_iter().fold(plain_options, PublishOptions::and);
    log.append(&message, &too_many).expect_err("too many");
    stream.seal(&Partitions::All).expect("sealed");
    publish(&stream, 0, "x").expect_err("sealed");
    log.publish(&message).expect_err("sealed");
    let expected = rejected(|rejected| {
        rejected.fenced = 1;
        rejected.offset_mismatch = 2;
        rejected.key_mismatch = 1;
        rejected.out_of_sequence = 1;
        rejected.too_large = 1;
        rejected.sealed = 2;
        rejected.other = 1;
    });
    assert_eq!(stream.metrics().rejected, expected);
    assert_eq!(expected.total(), 9);
    assert_eq!(published(stream.metrics()), published(appended));
}

#[test]
fn a_refused_publish_counts_for_each_of_its_parts_and_also_after_a_deletion() {
    let (_home, store, stream) = with_stream(1);
    let given = plain().partitions(2).timestamps(TimestampPolicy::ClientRequire);
    store.create("t", &given).expect("created");
    let other = store.stream("t").expect("there");
    publish(&other, 0, "x").expect_err("no time");
    let one = [NewMessage::value(b"x")];
    // Each part counts.
    store
        .publish_to(&[(&other, 0, &one), (&other, 1, &one)])
        .expect_err("no time");
    assert_eq!(
        other.metrics().rejected,
        rejected(|rejected| rejected.time_required = 3)
    );
    assert_eq!(published(other.metrics()), (0, 0, 0));

    // A handle that was closed has nothing to do with the stream any more.
    let log = stream.partition(0).expect("there");
    log.close().expect("closed");
    log.publish(&one).expect_err("closed");
    assert_eq!(stream.metrics().rejected, Rejected::default());
    store.delete("t").expect("deleted");
    publish(&other, 0, "x").expect_err("deleted");
    let all = rejected(|rejected| {
        rejected.time_required = 3;
        rejected.other = 1;
    });
    assert_eq!(other.metrics().rejected, all);
}

#[test]
fn syncs_are_counted_where_they_are_made() {
    let (_home, store, stream) = with_stream(2);
    publish(&stream, 0, "a").expect("published");
    assert_eq!(stream.metrics().syncs, 0);
    let log = stream.partition(0).expect("there");
    log.sync().expect("synced");
    assert_eq!(stream.metrics().syncs, 1);
    log.sync().expect("nothing to do");
    assert_eq!(stream.metrics().syncs, 1);
    let synced = PublishOptions::new().sync(true);
    log.publish_with(&[NewMessage::value(b"b")], &synced)
        .expect("published");
    assert_eq!(stream.metrics().syncs, 2);
    publish(&stream, 1, "c").expect("published");
    publish(&stream, 0, "d").expect("published");
    store.sync().expect("synced");
    assert_eq!(stream.metrics().syncs, 4);

    let durable = plain().durability(Durability::EachPublish);
    store.create("t", &durable).expect("created");
    let other = store.stream("t").expect("there");
    for value in ["a", "b", "c"] {
        publish(&other, 0, value).expect("published");
    }
    assert_eq!((other.metrics().syncs, store.metrics().syncs), (3, 7));
}

/// Goal: counters and what is known of partitions outlast that they are closed and opened, and nothing is opened to
/// tell. Method: two partitions, of which one at a time may be open.
#[test]
fn metrics_outlast_that_partitions_are_closed() {
    let (home, store, stream) = narrow();
    for round in 1..=3 {
        for number in 0..2 {
            publish(&stream, number, "ab").expect("published");
            stream
                .partition(number)
                .and_then(|log| log.sync())
                .expect("synced");
            let metrics = stream.metrics();
            let records = 2 * (round - 1) + u64::from(number) + 1;
            assert_eq!(published(metrics), (records, records, 10 * records));
            assert_eq!((metrics.messages, metrics.syncs), (records, records));
            assert_eq!(metrics.open_partitions, 1);
        }
    }
    let sizes = [0, 1].map(|number| files_len(&home.partition(&stream, number)));
    let metrics = stream.metrics();
    assert!(
        metrics.bytes > 0 && metrics.bytes <= sizes.iter().sum(),
        "{metrics:?}"
    );

    // What is closed stays so.
    stream.pause(&Partitions::All, false).expect("paused");
    let paused = stream.metrics();
    assert_eq!((paused.open_partitions, paused.messages), (0, 6));
    assert_eq!(published(paused), published(metrics));
    let streams = home.path().join("streams");
    assert_eq!(
        descriptors_below(&streams.join(stream.id().expect("an id").to_string())),
        0
    );
    store.close().expect("closed");
    let closed = store.metrics();
    assert_eq!((closed.messages, closed.open_partitions), (6, 0));
    assert_eq!(published(closed), published(metrics));

    // Counters begin anew, and a partition that was not used is not known.
    let store = home.open();
    let stream = store.stream("s").expect("there");
    let mut none = Metrics::default();
    none.streams = 1;
    assert_eq!(store.metrics(), none);
    publish(&stream, 1, "c").expect("published");
    let metrics = store.metrics();
    assert_eq!((published(metrics), metrics.messages), ((1, 1, 9), 4));
}

fn files_len(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let files = entries.map(|entry| entry.expect("an entry").metadata().expect("a file"));
    files.map(|file| file.len()).sum()
}

#[test]
fn removing_messages_lowers_what_there_is_and_no_counter() {
    let (_home, _store, stream) = with_stream(1);
    let log = stream.partition(0).expect("there");
    for value in ["a", "b", "c"] {
        publish(&stream, 0, value).expect("published");
    }
    let before = stream.metrics();
    log.trim(1).expect("trimmed");
    log.delete(&[2].into()).expect("deleted");
    let after = stream.metrics();
    assert_eq!((before.messages, after.messages), (3, 1));
    assert_eq!(after.bytes, log.stat().expect("figures").size);
    assert_eq!(published(before), published(after));
}

/// The counters of a store are the sums of those of its streams, whether these are still there or not, under whatever
/// name. What there is is that of the streams that are there.
#[test]
fn a_store_sums_its_streams_and_remembers_those_that_are_gone() {
    let home = Home::new();
    let store = home.open();
    for name in ["a/1", "a/2", "b"] {
        store.create(name, &plain()).expect("created");
        let stream = store.stream(name).expect("there");
        publish(&stream, 0, "x").expect("published");
    }
    let all = store.metrics();
    assert_eq!((published(all), all.messages), ((3, 3, 27), 3));
    assert_eq!((all.streams, all.open_partitions), (3, 3));
    assert_eq!(store.scoped("a/").metrics(), all);

    let old = store.stream("b").expect("there");
    store.delete("b").expect("deleted");
    until_purged(&store, "b");
    let left = store.metrics();
    assert_eq!((published(left), left.messages), ((3, 3, 27), 2));
    assert_eq!((left.streams, left.open_partitions), (2, 2));
    let of_old = old.metrics();
    assert_eq!((published(of_old), of_old.streams), ((1, 1, 9), 0));
    assert_eq!((of_old.messages, of_old.bytes, of_old.open_partitions), (0, 0, 0));

    store.create("b", &plain()).expect("created");
    let new = store.stream("b").expect("there");
    assert_eq!(published(new.metrics()), (0, 0, 0));
    publish(&new, 0, "xyz").expect("published");
    assert_eq!(published(new.metrics()), (1, 1, 11));
    assert_eq!(published(store.metrics()), (4, 4, 38));
    assert_eq!(store.metrics().streams, 3);
}

/// Nobody's count is lost, and none goes back, while partitions are closed and opened all the time.
#[test]
fn counters_are_exact_and_never_go_back_under_load() {
    const THREADS: u32 = 4;
    const EACH: u32 = 100;
    let (_home, store, stream) = narrow();
    thread::scope(|scope| {
        let publishers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let stream = &stream;
                scope.spawn(move || {
                    for n in 0..EACH {
                        let partition = (thread + n) % 2;
                        publish(stream, partition, "ab").expect("published");
                        let log = stream.partition(partition).expect("there");
                        log.get(Start::Oldest).expect("there");
                    }
                })
            })
            .collect();
        let mut last = store.metrics();
        while !publishers.iter().all(ScopedJoinHandle::is_finished) {
            let now = store.metrics();
            for (before, after) in [
                (last.appends, now.appends),
                (last.records, now.records),
                (last.metered_in, now.metered_in),
                (last.reads, now.reads),
                (last.metered_out, now.metered_out),
            ] {
                assert!(before <= after, "{last:?} {now:?}");
            }
            last = now;
            thread::sleep(Duration::from_millis(1));
        }
    });
    let total = u64::from(THREADS * EACH);
    let metrics = store.metrics();
    assert_eq!(published(metrics), (total, total, 10 * total));
    assert_eq!(read(metrics), (total, total, 10 * total));
    assert_eq!((metrics.messages, metrics.rejected.total()), (total, 0));
}

/// Each number is reported with the directory of the store and the name of the stream, also after partitions were
/// closed, and what there is whenever it is asked for.
#[cfg(feature = "metrics")]
#[test]
fn a_recorder_gets_the_same_numbers() {
    use crate::numbers::Numbers;

    let numbers = Numbers::default();
    numbers.during(|| {
        let (_home, store, stream) = narrow();
        for number in [0, 1, 0, 1] {
            publish(&stream, number, "ab").expect("published");
        }
        let log = stream.partition(1).expect("there");
        log.consume(Start::Oldest, 10).expect("read");
        log.sync().expect("synced");
        log.append(&[], &PublishOptions::new().expect_next_offset(9))
            .expect_err("another offset");
        let count = |name: &str| numbers.count(&format!("duramen_stream_{name}/stream=s"));
        let metrics = store.metrics();
        for (name, expected) in [
            ("appends_total", metrics.appends),
            ("records_total", metrics.records),
            ("metered_in_bytes_total", metrics.metered_in),
            ("reads_total", metrics.reads),
            ("messages_out_total", metrics.messages_out),
            ("metered_out_bytes_total", metrics.metered_out),
            ("syncs_total", metrics.syncs),
        ] {
            assert!(expected > 0, "{name}");
            assert_eq!(count(name), expected, "{name}");
        }
        let rejections =
            |kind| numbers.count(&format!("duramen_stream_rejections_total/stream=s/kind={kind}"));
        assert_eq!((rejections("offset_mismatch"), rejections("fenced")), (1, 0));
        let gauge = |name: &str| numbers.gauge(&format!("duramen_stream_{name}/stream=s"));
        assert_eq!(gauge("messages"), 4);
        assert_eq!(gauge("size_bytes"), metrics.bytes);
        assert_eq!(gauge("open_partitions"), 1);
        assert_eq!(numbers.gauge("duramen_store_streams"), 1);
        assert_eq!(numbers.gauge("duramen_store_open_partitions"), 1);

        store.delete("s").expect("deleted");
        until_purged(&store, "s");
        assert_eq!((gauge("messages"), gauge("open_partitions")), (0, 0));
        assert_eq!(store.metrics().appends, 4);
        assert_eq!(numbers.gauge("duramen_store_streams"), 0);
    });
}
