//! The typed producer.

use std::sync::Arc;
use std::time::Duration;

use duramen::codec::{self, Codec, CodecError};
use duramen::{Error, MemoryLog, Start, TLog, TNewMessage, TProducer};

use super::{eager, lazy, offset};

/// Refuses the number 13.
#[derive(Clone)]
struct Superstitious;

impl Codec for Superstitious {
    type Item = u64;

    fn encode(&self, item: &u64, out: &mut Vec<u8>) -> Result<(), CodecError> {
        if *item == 13 {
            return Err("never".into());
        }
        codec::U64.encode(item, out)
    }

    fn decode(&self, bytes: &[u8]) -> Result<u64, CodecError> {
        codec::U64.decode(bytes)
    }
}

#[test]
fn typed_messages_arrive_as_they_were_sent() {
    let log = TLog::new(Arc::new(MemoryLog::new()), codec::U64, codec::Utf8);
    let producer = TProducer::new(log.clone(), lazy().records_max(3)).expect("valid options");
    let name = "Ada".to_owned();
    let headers: &[(&[u8], &[u8])] = &[(b"trace", b"1")];
    producer
        .send(TNewMessage::new(&7, &name).headers(headers))
        .expect("sent");
    producer.try_send(TNewMessage::tombstone(&8)).expect("sent");
    let last = producer
        .send_timeout(TNewMessage::value(&name), Duration::ZERO)
        .expect("sent");
    assert_eq!(offset(last), 2);
    let batch = log.consume(Start::Oldest, 9).expect("read");
    let found: Vec<_> = batch
        .into_iter()
        .map(|message| message.expect("decoded"))
        .collect();
    let parts: Vec<_> = found
        .iter()
        .map(|message| (message.key, message.value.as_deref()))
        .collect();
    assert_eq!(
        parts,
        [(Some(7), Some("Ada")), (Some(8), None), (None, Some("Ada"))]
    );
    assert!(found[0].headers.iter().eq([(&b"trace"[..], &b"1"[..])]));
    producer.close().expect("closed");
}

#[test]
fn a_message_that_cannot_be_encoded_harms_no_other() {
    let log = TLog::new(Arc::new(MemoryLog::new()), codec::U64, Superstitious);
    let producer = TProducer::new(log.clone(), eager()).expect("valid options");
    let sent = |value| producer.send(TNewMessage::new(&1, &value));
    assert_eq!(offset(sent(12).expect("sent")), 0);
    assert!(matches!(sent(13), Err(Error::Encode { .. })));
    assert_eq!(offset(sent(14).expect("sent")), 1);
    producer.flush().expect("flushed");
    assert_eq!(log.next_offset().expect("open"), 2);
    assert!(producer.raw().send(super::small()).is_ok());
    producer.close().expect("closed");
}
