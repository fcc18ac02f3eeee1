use super::support::{all, drain, header, publish_one, us};
use super::{Case, Factory, Setup, case};
use crate::{Log, Message, NewMessage, Start};

pub(super) const CASES: &[Case] = case::list![
    a_message_without_headers_has_none,
    one_header_is_read_back,
    headers_keep_their_order,
    header_names_may_repeat,
    the_first_header_of_a_name_is_found,
    a_header_name_may_be_empty,
    a_header_value_may_be_empty,
    a_header_may_be_empty_altogether,
    headers_may_be_any_bytes,
    a_thousand_headers_are_read_back,
    headers_of_a_mebibyte_are_read_back,
    headers_alone_make_a_message,
    names_and_values_do_not_run_into_each_other,
    headers_of_one_message_do_not_get_into_the_next,
    headers_of_a_tombstone_are_kept,
    consume_by_key_gives_the_headers_too,
];

type Pairs<'a> = [(&'a [u8], &'a [u8])];

/// Publishes a message with these headers and checks them with every way to read it.
fn check(log: &dyn Log, headers: &Pairs<'_>) -> Message {
    let offset = publish_one(
        log,
        NewMessage {
            headers,
            ..NewMessage::new(b"key", b"value")
        },
    );
    let message = log.get(Start::At(offset)).unwrap();
    assert!(message.headers.as_slice() == headers, "{:?}", message.headers);
    assert_eq!(message.headers.len(), headers.len());
    assert_eq!(message.headers.is_empty(), headers.is_empty());
    let consumed = drain(log, Start::At(offset), 1).messages;
    assert_eq!(consumed, std::slice::from_ref(&message));
    assert_eq!(log.get_by_key(b"key").unwrap(), message);
    message
}

fn a_message_without_headers_has_none(new: Factory<'_>) {
    let message = check(&new(Setup::KEYS), &[]);
    assert_eq!(message.headers.get(b""), None);
    assert_eq!(message.headers.iter().count(), 0);
}

fn one_header_is_read_back(new: Factory<'_>) {
    let message = check(&new(Setup::KEYS), &[header("name", "value")]);
    assert_eq!(message.headers.get(b"name"), Some(&b"value"[..]));
    assert_eq!(message.headers.get(b"nam"), None);
    assert_eq!(message.headers.get(b"value"), None);
}

fn headers_keep_their_order(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let headers = [
        header("b", "1"),
        header("c", "2"),
        header("a", "3"),
        header("B", "4"),
    ];
    check(&log, &headers);
    let mut backwards = headers;
    backwards.reverse();
    check(&log, &backwards);
}

fn header_names_may_repeat(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    check(&log, &[header("a", "1"), header("b", "2"), header("a", "3")]);
    check(&log, &[header("a", "1"), header("a", "1"), header("a", "1")]);
}

fn the_first_header_of_a_name_is_found(new: Factory<'_>) {
    let headers = [header("x", "0"), header("a", "2"), header("a", "1")];
    let message = check(&new(Setup::KEYS), &headers);
    assert_eq!(message.headers.get(b"a"), Some(&b"2"[..]));
}

fn a_header_name_may_be_empty(new: Factory<'_>) {
    let message = check(&new(Setup::KEYS), &[header("a", "1"), header("", "value")]);
    assert_eq!(message.headers.get(b""), Some(&b"value"[..]));
}

fn a_header_value_may_be_empty(new: Factory<'_>) {
    let message = check(&new(Setup::KEYS), &[header("name", ""), header("b", "1")]);
    assert_eq!(message.headers.get(b"name"), Some(&b""[..]));
}

fn a_header_may_be_empty_altogether(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let message = check(&log, &[header("", "")]);
    assert_eq!(message.headers.len(), 1);
    check(&log, &[header("", ""), header("", "")]);
    check(&log, &[header("", ""), header("a", "1"), header("", "")]);
}

fn headers_may_be_any_bytes(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let every: Vec<u8> = (0..=255).collect();
    check(&log, &[(&every, &every)]);
    check(&log, &[(b"\0", b"\0\0"), (b"\xff", b"\xff\xfe")]);
}

fn a_thousand_headers_are_read_back(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let texts: Vec<String> = (0..1000).map(|n| format!("header {n}")).collect();
    for count in [2, 127, 128, 129, 255, 256, 257, 1000] {
        let headers: Vec<(&[u8], &[u8])> = texts[..count].iter().map(|text| header(text, text)).collect();
        let message = check(&log, &headers);
        let last = texts[count - 1].as_bytes();
        assert_eq!(message.headers.get(last), Some(last));
    }
    check(&log, &vec![header("", ""); 70_000]);
}

fn headers_of_a_mebibyte_are_read_back(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let bytes = vec![b'x'; 1 << 20];
    check(&log, &[(&bytes, b"value"), (b"name", &bytes)]);
}

fn headers_alone_make_a_message(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let message = NewMessage::default().time(us(1)).headers(&[(b"name", b"value")]);
    log.publish(&[message]).unwrap();
    assert_eq!(log.get(Start::Oldest).unwrap().as_new(), message);
}

fn names_and_values_do_not_run_into_each_other(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let joined = "abcd";
    for (one, two) in [(0, 1), (1, 1), (1, 3), (2, 4), (4, 4), (0, 0)] {
        let headers = [
            header(&joined[..one], &joined[one..two]),
            header(&joined[two..], ""),
        ];
        check(&log, &headers);
    }
}

fn headers_of_one_message_do_not_get_into_the_next(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let headers = [header("a", "1"), header("b", "2"), header("c", "3")];
    let batch: Vec<NewMessage<'_>> = [3, 0, 1, 2, 0]
        .into_iter()
        .map(|count| NewMessage::value(b"value").time(us(1)).headers(&headers[..count]))
        .collect();
    log.publish(&batch).unwrap();
    let messages = all(&log);
    let read: Vec<NewMessage<'_>> = messages.iter().map(Message::as_new).collect();
    assert_eq!(read, batch);
}

fn headers_of_a_tombstone_are_kept(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let tombstone = NewMessage {
        key: Some(b"key"),
        headers: &[(b"name", b"value")],
        ..NewMessage::default()
    };
    log.publish(&[tombstone]).unwrap();
    let message = log.get_by_key(b"key").unwrap();
    assert_eq!(message.value, None);
    assert_eq!(message.headers.get(b"name"), Some(&b"value"[..]));
}

fn consume_by_key_gives_the_headers_too(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    for number in 0..10_u8 {
        let value = [number];
        let headers = [(&b"number"[..], &value[..])];
        let key: &[u8] = if number % 2 == 0 { b"even" } else { b"odd" };
        publish_one(&log, NewMessage::new(key, b"value").headers(&headers));
    }
    let messages = super::support::drain_by_key(&log, b"odd", Start::Oldest, 3).messages;
    let numbers: Vec<u8> = messages
        .iter()
        .filter_map(|m| m.headers.get(b"number")?.first().copied())
        .collect();
    assert_eq!(numbers, [1, 3, 5, 7, 9]);
}
