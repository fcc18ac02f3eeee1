use std::thread;

use super::support::{all, drain, join, publish_one, us};
use super::{Case, Factory, Setup, case};
use crate::{Log, Message, NewMessage, Start};

pub(super) const CASES: &[Case] = case::list![
    an_absent_value_is_read_back_as_absent,
    an_empty_value_is_read_back_as_empty,
    an_absent_key_is_read_back_as_absent,
    an_empty_key_is_read_back_as_empty,
    absent_and_empty_are_told_apart_in_one_batch,
    a_tombstone_keeps_its_key_headers_and_time,
    keys_and_values_may_be_any_bytes,
    key_and_value_do_not_run_into_each_other,
    a_value_of_a_mebibyte_is_read_back,
    a_key_of_a_mebibyte_is_read_back,
    a_message_outlives_the_handle,
    a_message_outlives_close,
    a_message_can_be_sent_to_another_thread,
    clones_of_a_message_share_its_bytes,
];

fn publish_and_get(log: &dyn Log, message: NewMessage<'_>) -> Message {
    let offset = publish_one(log, message);
    let read = log.get(Start::At(offset)).unwrap();
    let consumed = drain(log, Start::At(offset), 1).messages;
    assert_eq!(consumed, std::slice::from_ref(&read));
    read
}

fn an_absent_value_is_read_back_as_absent(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    for key in [None, Some(&b"key"[..])] {
        let message = NewMessage {
            key,
            ..NewMessage::default()
        };
        assert_eq!(publish_and_get(&log, message).value, None);
    }
}

fn an_empty_value_is_read_back_as_empty(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    for message in [NewMessage::value(b""), NewMessage::new(b"key", b"")] {
        assert_eq!(publish_and_get(&log, message).value.as_deref(), Some(&b""[..]));
    }
    let by_key = log.get_by_key(b"key").unwrap();
    assert_eq!(by_key.value.as_deref(), Some(&b""[..]));
}

fn an_absent_key_is_read_back_as_absent(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    assert_eq!(publish_and_get(&log, NewMessage::value(b"value")).key, None);
    assert_eq!(publish_and_get(&log, NewMessage::default()).key, None);
}

fn an_empty_key_is_read_back_as_empty(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let message = publish_and_get(&log, NewMessage::new(b"", b"value"));
    assert_eq!(message.key.as_deref(), Some(&b""[..]));
}

fn absent_and_empty_are_told_apart_in_one_batch(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let parts = [None, Some(&b""[..])];
    let mut published = Vec::new();
    for (key, value) in parts.into_iter().flat_map(|key| parts.map(|value| (key, value))) {
        published.push(NewMessage {
            key,
            value,
            ..NewMessage::default().time(us(1))
        });
    }
    log.publish(&published).unwrap();
    let messages = all(&log);
    let read: Vec<NewMessage<'_>> = messages.iter().map(Message::as_new).collect();
    assert_eq!(read, published);
}

fn a_tombstone_keeps_its_key_headers_and_time(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let tombstone = NewMessage {
        time: Some(us(3)),
        key: Some(b"key"),
        value: None,
        headers: &[(b"by", b"somebody")],
    };
    assert_eq!(publish_and_get(&log, tombstone).as_new(), tombstone);
    assert_eq!(log.get_by_key(b"key").unwrap().as_new(), tombstone);
}

fn keys_and_values_may_be_any_bytes(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let every: Vec<u8> = (0..=255).collect();
    let message = publish_and_get(&log, NewMessage::new(&every, &every));
    assert_eq!(message.key.as_deref(), Some(&every[..]));
    assert_eq!(message.value.as_deref(), Some(&every[..]));
    for byte in &every {
        let bytes = [*byte; 40];
        let message = publish_and_get(&log, NewMessage::new(&bytes, &bytes));
        assert_eq!(message.key.as_deref(), Some(&bytes[..]));
        assert_eq!(message.value.as_deref(), Some(&bytes[..]));
        assert_eq!(log.offset_by_key(&bytes).unwrap(), message.offset);
    }
}

fn key_and_value_do_not_run_into_each_other(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let joined = b"abcdef";
    for at in 0..=joined.len() {
        let (key, value) = joined.split_at(at);
        let message = publish_and_get(&log, NewMessage::new(key, value));
        assert_eq!(message.key.as_deref(), Some(key));
        assert_eq!(message.value.as_deref(), Some(value));
    }
}

fn a_value_of_a_mebibyte_is_read_back(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let value: Vec<u8> = (0_u8..=250).cycle().take(1 << 20).collect();
    let message = publish_and_get(&log, NewMessage::value(&value));
    assert!(message.value.as_deref() == Some(&value[..]));
}

fn a_key_of_a_mebibyte_is_read_back(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let mut key: Vec<u8> = (0_u8..=250).cycle().take(1 << 20).collect();
    let message = publish_and_get(&log, NewMessage::new(&key, b"value"));
    assert!(message.key.as_deref() == Some(&key[..]));
    assert_eq!(log.offset_by_key(&key).unwrap(), message.offset);
    key[(1 << 20) - 1] ^= 1;
    assert!(
        log.offset_by_key(&key).is_err(),
        "a key that differs in its last bit"
    );
}

fn large_message(log: &dyn Log) -> (Vec<u8>, Message) {
    let value: Vec<u8> = (0_u8..=250).cycle().take(100_000).collect();
    let message = NewMessage::new(b"key", &value).headers(&[(b"name", b"header")]);
    log.publish(&[message, message]).unwrap();
    let message = drain(log, Start::Oldest, 1).messages.swap_remove(0);
    (value, message)
}

fn check_large_message(value: &[u8], message: &Message) {
    assert_eq!(message.key.as_deref(), Some(&b"key"[..]));
    assert!(message.value.as_deref() == Some(value));
    assert_eq!(message.headers.get(b"name"), Some(&b"header"[..]));
}

fn a_message_outlives_the_handle(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let (value, message) = large_message(&log);
    drop(log);
    check_large_message(&value, &message);
}

fn a_message_outlives_close(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let (value, message) = large_message(&log);
    let batch = drain(&log, Start::Oldest, 10);
    log.close().unwrap();
    check_large_message(&value, &message);
    for message in &batch {
        check_large_message(&value, message);
    }
    drop(log);
    check_large_message(&value, &message);
}

fn a_message_can_be_sent_to_another_thread(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let (value, message) = large_message(&log);
    drop(log);
    thread::scope(|scope| join(scope.spawn(move || check_large_message(&value, &message))));
}

fn clones_of_a_message_share_its_bytes(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let (_, message) = large_message(&log);
    let clone = message.clone();
    assert_eq!(clone, message);
    let place = |m: &Message| {
        let value = m.value.as_ref().map(|value| value.as_ptr());
        let header = m.headers.get(b"name").map(<[u8]>::as_ptr);
        (value, header)
    };
    assert_eq!(place(&clone), place(&message));
}
