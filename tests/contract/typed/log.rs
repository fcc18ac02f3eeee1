//! `TLog` and `TBlockingLog`.

use std::sync::Arc;
use std::time::Duration;

use duramen::codec::{self, Codec, CodecError, EncodeRef, Utf8, Varint};
use duramen::{
    BlockingLog, Error, ErrorKind, Headers, Log, MemoryLog, MessagePart, NewMessage, PublishOptions, Start,
    TBlockingLog, TLog, TNewMessage, Timestamp,
};

type Readings = TLog<Utf8, Varint, MemoryLog>;

fn readings() -> Readings {
    TLog::new(MemoryLog::new(), Utf8, Varint)
}

#[test]
fn absent_and_empty_are_told_apart() {
    let log = TLog::new(MemoryLog::new(), Utf8, Utf8);
    let empty = String::new();
    log.publish(&[
        TNewMessage::default(),
        TNewMessage::new(&empty, &empty),
        TNewMessage::tombstone(&empty),
        TNewMessage::value(&empty),
    ])
    .unwrap();
    let got: Vec<_> = log
        .consume(Start::Oldest, 10)
        .unwrap()
        .into_iter()
        .map(|message| message.map(|message| (message.key, message.value)).unwrap())
        .collect();
    let some = Some(String::new());
    assert_eq!(
        got,
        [
            (None, None),
            (some.clone(), some.clone()),
            (some.clone(), None),
            (None, some)
        ]
    );
    let raw = log.raw().consume(Start::Oldest, 10).unwrap();
    assert_eq!(raw.messages[1].value.as_deref(), Some(&b""[..]));
    assert_eq!(raw.messages[2].value, None);
}

#[test]
fn times_headers_and_offsets_go_through() {
    let log = readings();
    let (attic, degrees) = ("attic".to_owned(), -3);
    let at = Timestamp::from_micros(5);
    let message = TNewMessage {
        headers: &[(b"by", b"hand"), (b"by", b"")],
        ..TNewMessage::new(&attic, &degrees).time(at)
    };
    assert_eq!(log.publish(&[message, message]).unwrap(), 2);
    let got = log.get(Start::At(1)).unwrap();
    assert_eq!(
        (got.offset, got.time, got.key.as_deref(), got.value),
        (1, at, Some("attic"), Some(-3))
    );
    assert_eq!(got.headers, Headers::new(&[(b"by", b"hand"), (b"by", b"")]));
    // And out again as they are.
    log.publish(&[got.as_new()]).unwrap();
    let again = log.get(Start::Newest).unwrap();
    assert_eq!(
        (again.offset, again.time, &again.headers),
        (2, got.time, &got.headers)
    );
    assert_eq!(
        log.raw().get(Start::At(2)).unwrap().as_new(),
        log.raw().get(Start::At(1)).unwrap().as_new()
    );
}

#[test]
fn every_call_is_that_of_the_log() {
    let log = readings();
    let (attic, cellar) = ("attic".to_owned(), "cellar".to_owned());
    let at = |micros| Timestamp::from_micros(micros);
    assert_eq!(log.publish(&[]).unwrap(), 0);
    log.publish(&[
        TNewMessage::new(&attic, &1).time(at(10)),
        TNewMessage::new(&cellar, &2).time(at(20)),
    ])
    .unwrap();
    let how = PublishOptions::new().expect_next_offset(1);
    let last = [TNewMessage::new(&attic, &3).time(at(30))];
    assert!(matches!(
        log.publish_with(&last, &how),
        Err(Error::OffsetMismatch { actual: 2, .. })
    ));
    assert_eq!(
        log.publish_with(&last, &PublishOptions::new().expect_next_offset(2))
            .unwrap(),
        3
    );

    assert_eq!((log.start_offset().unwrap(), log.next_offset().unwrap()), (0, 3));
    assert_eq!(log.get_by_key(&attic).unwrap().value, Some(3));
    assert_eq!(log.offset_by_key(&cellar).unwrap(), 1);
    assert!(matches!(log.get_by_key(&"shed".to_owned()), Err(Error::NotFound)));
    let of_attic = log.consume_by_key(&attic, Start::Oldest, 10).unwrap();
    assert_eq!(
        of_attic
            .iter()
            .map(|message| message.as_ref().unwrap().offset)
            .collect::<Vec<_>>(),
        [0, 2]
    );
    assert_eq!(log.get_by_time(at(15)).unwrap().offset, 1);
    assert_eq!(log.offset_by_time(at(15)).unwrap(), (1, at(20)));
    let size = log.raw().size(&NewMessage::new(b"attic", &[6]));
    assert_eq!(log.size(&TNewMessage::new(&attic, &3)).unwrap(), size);
    assert_eq!(log.stat().unwrap(), log.raw().stat().unwrap());
    assert_eq!(log.sync().unwrap(), 3);
    log.gc(Duration::ZERO).unwrap();
    assert_eq!(log.delete(&[1].into()).unwrap().messages, 1);
    assert_eq!(log.delete_some(&mut [2].into()).unwrap().messages, 1);
    assert_eq!(log.trim(1).unwrap().count, 1);
    assert_eq!(log.apply_retention(true).unwrap().count, 0);
    let nowhere = std::env::temp_dir().join("duramen-nowhere");
    assert!(matches!(log.backup(&nowhere), Err(Error::Unsupported { .. })));
    log.close().unwrap();
    assert!(matches!(log.publish(&last), Err(Error::Closed)));
}

/// What cannot be decoded is told by its place, kept, and in nobody's way.
#[test]
fn an_undecodable_message_blocks_nobody() {
    let log = readings();
    let attic = "attic".to_owned();
    log.publish(&[TNewMessage::new(&attic, &1)]).unwrap();
    log.raw()
        .publish(&[
            NewMessage::new(b"attic", b"\xff"),
            NewMessage::new(b"\xff", b"\x02"),
        ])
        .unwrap();
    log.publish(&[TNewMessage::new(&attic, &2)]).unwrap();

    let batch = log.consume(Start::Oldest, 10).unwrap();
    assert_eq!((batch.messages.len(), batch.next_offset), (4, 4));
    let good: Vec<_> = batch.iter().flatten().map(|message| message.value).collect();
    assert_eq!(good, [Some(1), Some(2)]);
    let bad: Vec<_> = batch.into_iter().filter_map(Result::err).collect();
    assert_eq!((bad[0].offset(), bad[0].part), (1, MessagePart::Value));
    assert_eq!(bad[0].message.value.as_deref(), Some(&b"\xff"[..]));
    assert_eq!(bad[0].message, log.raw().get(Start::At(1)).unwrap());
    assert_eq!((bad[1].offset(), bad[1].part), (2, MessagePart::Key));
    assert!(
        bad[1].to_string().contains("key of the message at offset 2"),
        "{}",
        bad[1]
    );
    assert!(std::error::Error::source(&bad[1]).is_some());

    let error = log.get(Start::At(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Undecodable);
    assert!(matches!(error, Error::Decode(error) if error.offset() == 1));
    // One at a time a reader steps over it, too.
    assert_eq!(log.consume(Start::At(1), 1).unwrap().next_offset, 2);
    assert_eq!(log.get(Start::At(3)).unwrap().value, Some(2));
}

/// Encodes only even numbers; what it appends before it fails does not matter.
struct Even;

impl Codec for Even {
    type Item = u8;

    fn encode(&self, item: &u8, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.push(*item);
        if item % 2 == 1 { Err("odd".into()) } else { Ok(()) }
    }

    fn decode(&self, bytes: &[u8]) -> Result<u8, CodecError> {
        Ok(bytes.first().copied().ok_or("nothing")?)
    }
}

#[test]
fn what_cannot_be_encoded_is_told_and_nothing_is_written() {
    let log = TLog::new(MemoryLog::new(), Even, Even);
    let error = log
        .publish(&[TNewMessage::new(&2, &4), TNewMessage::new(&2, &5)])
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(matches!(
        error,
        Error::Encode {
            index: 1,
            part: MessagePart::Value,
            ..
        }
    ));
    assert!(error.to_string().contains("value of message 1"), "{error}");
    assert!(matches!(
        log.get_by_key(&3),
        Err(Error::Encode {
            part: MessagePart::Key,
            ..
        })
    ));
    assert!(log.size(&TNewMessage::new(&1, &2)).is_err());
    assert_eq!(log.next_offset().unwrap(), 0);
    // And nothing of it is left over for the next.
    log.publish(&[TNewMessage::new(&6, &8)]).unwrap();
    assert_eq!(
        log.raw().get(Start::Newest).unwrap().key.as_deref(),
        Some(&[6][..])
    );
}

/// Takes away what others wrote.
struct Thief;

impl Codec for Thief {
    type Item = ();

    fn encode(&self, _item: &(), out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.clear();
        Ok(())
    }

    fn decode(&self, _bytes: &[u8]) -> Result<(), CodecError> {
        Ok(())
    }
}

#[test]
fn a_codec_that_takes_bytes_away_is_found_out() {
    let log = TLog::new(MemoryLog::new(), Utf8, Thief);
    let error = log
        .publish(&[TNewMessage::new(&"key".to_owned(), &())])
        .unwrap_err();
    assert!(matches!(error, Error::Encode { .. }), "{error:?}");
}

/// Publishes while it encodes: to another log, with the same thread's memory.
struct Nested(Arc<Readings>);

impl Codec for Nested {
    type Item = i64;

    fn encode(&self, item: &i64, out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.0.publish(&[TNewMessage::value(item)])?;
        Varint.encode(item, out)
    }

    fn decode(&self, bytes: &[u8]) -> Result<i64, CodecError> {
        Varint.decode(bytes)
    }
}

#[test]
fn a_codec_may_publish_while_it_encodes() {
    let inner = Arc::new(readings());
    let log = TLog::new(MemoryLog::new(), Utf8, Nested(Arc::clone(&inner)));
    log.publish(&[TNewMessage::value(&7), TNewMessage::value(&300)])
        .unwrap();
    assert_eq!(inner.next_offset().unwrap(), 2);
    assert_eq!(log.get(Start::Newest).unwrap().value, Some(300));
}

#[test]
fn typed_readers_wait() {
    let log = Arc::new(TBlockingLog::new(MemoryLog::new(), Utf8, Varint));
    let (attic, cellar) = ("attic".to_owned(), "cellar".to_owned());
    let soon = Some(Duration::from_millis(5));
    let batch = log.consume_blocking(Start::Newest, 1, soon).unwrap();
    assert_eq!((batch.messages.len(), batch.next_offset), (0, 0));

    let reader = Arc::clone(&log);
    let any = std::thread::spawn(move || reader.consume_blocking(Start::Oldest, 1, None));
    let reader = Arc::clone(&log);
    let matching =
        std::thread::spawn(move || reader.consume_by_key_blocking(&cellar, Start::Oldest, 1, None));
    let reader = Arc::clone(&log);
    let tail = std::thread::spawn(move || {
        let mut tail = reader.follow(Start::Oldest);
        let first = tail.next().unwrap().unwrap().value;
        let second = tail.next().unwrap().unwrap_err();
        (
            first,
            second,
            tail.next().unwrap().unwrap().value,
            tail.next_offset(),
            tail.next().is_none(),
        )
    });
    std::thread::sleep(Duration::from_millis(20));
    log.publish(&[TNewMessage::new(&attic, &-1)]).unwrap();
    // Not a number: it does not keep the others from their messages.
    log.raw().publish(&[NewMessage::new(b"attic", b"")]).unwrap();
    log.publish(&[TNewMessage::new(&"cellar".to_owned(), &7)])
        .unwrap();

    assert_eq!(any.join().unwrap().unwrap().next_offset, 1);
    let matching = matching.join().unwrap().unwrap();
    assert_eq!(matching.iter().flatten().next().unwrap().value, Some(7));
    while log.next_offset().is_ok() {
        std::thread::sleep(Duration::from_millis(20));
        log.close().unwrap();
    }
    let (first, second, third, next_offset, is_ended) = tail.join().unwrap();
    assert_eq!(
        (first, third, next_offset, is_ended),
        (Some(-1), Some(7), 3, true)
    );
    assert!(matches!(second, Error::Decode(error) if error.offset() == 1));
}

#[test]
fn a_typed_reader_waits_by_a_blocking_log_that_is_there() {
    let raw = BlockingLog::new(MemoryLog::new());
    let typed = TBlockingLog::from(TLog::new(raw.clone(), Utf8, Varint));
    let reader = typed.clone();
    let reader = std::thread::spawn(move || reader.consume_blocking(Start::Oldest, 1, None));
    raw.publish(&[NewMessage::value(&[14])]).unwrap();
    let batch = reader.join().unwrap().unwrap();
    assert_eq!(batch.iter().flatten().next().unwrap().value, Some(7));
}

#[test]
fn typed_logs_wrap_logs_of_any_kind() {
    let shared = Arc::new(MemoryLog::new());
    let by_arc = TLog::new(Arc::clone(&shared), Utf8, Varint);
    let by_ref = TLog::new(&*shared, Utf8, Varint);
    let boxed: Box<dyn Log> = Box::new(Arc::clone(&shared));
    let by_box = TLog::new(boxed, Arc::new(Utf8), Box::new(Varint));
    by_arc.publish(&[TNewMessage::value(&1)]).unwrap();
    by_ref.publish(&[TNewMessage::value(&2)]).unwrap();
    by_box.publish(&[TNewMessage::value(&3)]).unwrap();
    assert_eq!(by_box.get(Start::Oldest).unwrap().value, Some(1));
    assert_eq!(by_arc.clone().get(Start::Newest).unwrap().value, Some(3));
}

/// Goal: a lookup needs no key of its own. Method: each codec whose keys lend something, and pointers to them, against
/// the lookup by the key itself.
#[test]
fn keys_are_found_by_what_they_lend() {
    fn check<KC, Q: ?Sized>(codec: KC, key: &KC::Item, lent: &Q, absent: &Q)
    where
        KC: Codec + EncodeRef<Q>,
    {
        let log = TBlockingLog::new(MemoryLog::new(), codec, codec::U64);
        for value in 0..3 {
            log.publish(&[TNewMessage::new(key, &value)]).expect("published");
        }
        let offset = log.offset_by_key(key).expect("there");
        assert_eq!(log.offset_by_key_ref(lent).expect("there"), offset);
        assert_eq!(log.get_by_key_ref(lent).expect("there").value, Some(2));
        assert!(matches!(log.get_by_key_ref(absent), Err(Error::NotFound)));
        let batch = log.consume_by_key_ref(lent, Start::At(1), 10).expect("there");
        assert_eq!(batch.messages.len(), 2);
        let none = log.consume_by_key_ref(absent, Start::Oldest, 10).expect("none");
        assert!(none.messages.is_empty());
        let batch = log.consume_by_key_ref_blocking(lent, Start::Oldest, 10, None);
        assert_eq!(batch.expect("there").messages.len(), 3);
    }
    check(codec::Utf8, &"key".to_owned(), "key", "none");
    check(Arc::new(codec::Utf8), &"key".to_owned(), "key", "none");
    check(codec::Bytes, &"key".into(), &b"key"[..], b"none");
    check(codec::Json::new(), &"key".to_owned(), "key", "none");
    check(codec::Postcard::new(), &vec![1_u8, 2], &[1_u8, 2][..], &[2]);
    check(&codec::Postcard::new(), &Box::new(7_u64), &7_u64, &8);
}
