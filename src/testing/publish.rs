use super::support::{all, assert_fails, drain, number, offsets, publish_numbers, publish_one, us};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, NewMessage, PublishOptions, Start};

pub(super) const CASES: &[Case] = case::list![
    a_new_log_is_empty_and_begins_at_offset_0,
    two_new_logs_have_nothing_in_common,
    publish_returns_the_next_offset,
    publish_of_one_message_moves_the_next_offset_by_one,
    offsets_in_a_batch_are_consecutive,
    batches_follow_each_other_without_gaps,
    messages_keep_the_order_they_were_published_in,
    publish_leaves_the_start_offset_alone,
    an_empty_batch_returns_the_next_offset,
    an_empty_batch_writes_nothing,
    publish_with_plain_options_is_publish,
    publish_with_sync_leaves_the_batch_durable,
    publish_with_sync_of_an_empty_batch_returns_the_next_offset,
    equal_messages_are_kept_apart,
    a_batch_may_mix_messages_of_all_shapes,
    a_batch_may_hold_many_messages,
    many_batches_are_all_kept,
    what_was_borrowed_may_change_after_publish,
    what_was_read_can_be_published_again,
    a_message_without_anything_is_a_message,
];

fn a_new_log_is_empty_and_begins_at_offset_0(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert_eq!(log.start_offset().unwrap(), 0);
    assert_eq!(log.next_offset().unwrap(), 0);
    assert_eq!(all(&log), []);
    assert_eq!(
        publish_one(&log, NewMessage::value(b"first")),
        0,
        "the first offset"
    );
}

fn two_new_logs_have_nothing_in_common(new: Factory<'_>) {
    let (one, other) = (new(Setup::PLAIN), new(Setup::PLAIN));
    publish_numbers(&one, 0..3);
    assert_eq!(other.next_offset().unwrap(), 0);
    publish_numbers(&other, 7..8);
    other.close().unwrap();
    assert_eq!(offsets(&all(&one)), [0, 1, 2]);
}

fn publish_returns_the_next_offset(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for count in [1_usize, 3, 2, 10] {
        let before = log.next_offset().unwrap();
        let returned = log.publish(&vec![NewMessage::value(b"x"); count]).unwrap();
        assert_eq!(returned, before + count as u64);
        assert_eq!(log.next_offset().unwrap(), returned);
    }
}

fn publish_of_one_message_moves_the_next_offset_by_one(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for next_offset in 1..=20 {
        assert_eq!(log.publish(&[NewMessage::value(b"x")]).unwrap(), next_offset);
    }
}

fn offsets_in_a_batch_are_consecutive(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..100);
    assert_eq!(offsets(&all(&log)), (0..100).collect::<Vec<u64>>());
}

fn batches_follow_each_other_without_gaps(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let mut end = 0;
    for count in [5, 1, 0, 7, 2] {
        publish_numbers(&log, end..end + count);
        end += count;
    }
    assert_eq!(offsets(&all(&log)), (0..end).collect::<Vec<u64>>());
}

fn messages_keep_the_order_they_were_published_in(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..40);
    publish_numbers(&log, 40..41);
    publish_numbers(&log, 41..90);
    for message in all(&log) {
        assert_eq!(number(&message), message.offset);
    }
}

fn publish_leaves_the_start_offset_alone(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for _ in 0..5 {
        publish_numbers(&log, 0..10);
        assert_eq!(log.start_offset().unwrap(), 0);
    }
}

fn an_empty_batch_returns_the_next_offset(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    assert_eq!(log.publish(&[]).unwrap(), 0);
    publish_numbers(&log, 0..3);
    assert_eq!(log.publish(&[]).unwrap(), 3);
}

fn an_empty_batch_writes_nothing(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    log.publish(&[]).unwrap();
    assert_fails!(log.get(Start::Newest), Error::NotFound);
    publish_numbers(&log, 0..3);
    let before = log.stat().unwrap();
    log.publish(&[]).unwrap();
    let after = log.stat().unwrap();
    assert_eq!(
        (after.messages, after.next_offset, after.size),
        (3, 3, before.size)
    );
    assert_eq!(offsets(&all(&log)), [0, 1, 2]);
}

fn publish_with_plain_options_is_publish(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let messages = [NewMessage::value(b"0"), NewMessage::value(b"1")];
    assert_eq!(log.publish_with(&messages, &PublishOptions::new()).unwrap(), 2);
    assert_eq!(
        log.publish_with(&messages, &PublishOptions::default()).unwrap(),
        4
    );
    assert_eq!(log.publish_with(&[], &PublishOptions::new()).unwrap(), 4);
    assert_eq!(all(&log).iter().map(number).collect::<Vec<u64>>(), [0, 1, 0, 1]);
}

fn publish_with_sync_leaves_the_batch_durable(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    let how = PublishOptions::new().sync(true);
    let next_offset = log.publish_with(&[NewMessage::value(b"3")], &how).unwrap();
    assert_eq!(next_offset, 4);
    assert_eq!(log.stat().unwrap().synced_offset, 4);
    assert_eq!(offsets(&all(&log)), [0, 1, 2, 3]);
}

fn publish_with_sync_of_an_empty_batch_returns_the_next_offset(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let how = PublishOptions::new().sync(true);
    assert_eq!(log.publish_with(&[], &how).unwrap(), 0);
    publish_numbers(&log, 0..3);
    assert_eq!(log.publish_with(&[], &how).unwrap(), 3);
}

fn equal_messages_are_kept_apart(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let message = NewMessage::new(b"k", b"v").time(us(5));
    log.publish(&[message, message]).unwrap();
    log.publish(&[message]).unwrap();
    let messages = all(&log);
    assert_eq!(offsets(&messages), [0, 1, 2]);
    assert!(messages.iter().all(|m| m.as_new() == message));
}

fn a_batch_may_mix_messages_of_all_shapes(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let headers: &[(&[u8], &[u8])] = &[(b"name", b"value")];
    let mut published = Vec::new();
    for key in [None, Some(&b""[..]), Some(b"key")] {
        for value in [None, Some(&b""[..]), Some(b"value")] {
            for headers in [&[], headers] {
                let time = Some(us(1));
                published.push(NewMessage {
                    time,
                    key,
                    value,
                    headers,
                });
            }
        }
    }
    log.publish(&published).unwrap();
    let messages = all(&log);
    let read: Vec<NewMessage<'_>> = messages.iter().map(crate::Message::as_new).collect();
    assert_eq!(read, published);
}

fn a_batch_may_hold_many_messages(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_numbers(&log, 0..50_000);
    let messages = all(&log);
    assert_eq!(messages.len(), 50_000);
    assert!(messages.iter().all(|m| number(m) == m.offset));
}

fn many_batches_are_all_kept(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for batch in 0..300 {
        publish_numbers(&log, batch * 3..batch * 3 + 3);
    }
    let messages = drain(&log, Start::Oldest, 64).messages;
    assert_eq!(messages.len(), 900);
    assert!(messages.iter().all(|m| number(m) == m.offset));
}

fn what_was_borrowed_may_change_after_publish(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let (mut key, mut value, mut name) = (*b"key", *b"value", *b"name");
    let headers: [(&[u8], &[u8]); 1] = [(&name, b"header")];
    let message = NewMessage::new(&key, &value).headers(&headers);
    log.publish(&[message]).unwrap();
    key.fill(b'?');
    value.fill(b'?');
    name.fill(b'?');
    let read = log.get(Start::Oldest).unwrap();
    assert_eq!(read.key.as_deref(), Some(&b"key"[..]));
    assert_eq!(read.value.as_deref(), Some(&b"value"[..]));
    assert_eq!(read.headers.as_slice(), [(&b"name"[..], &b"header"[..])]);
    assert_eq!(log.offset_by_key(b"key").unwrap(), 0);
}

fn what_was_read_can_be_published_again(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let message = NewMessage::new(b"k", b"")
        .time(us(-7))
        .headers(&[(b"a", b"1"), (b"", b"")]);
    log.publish(&[message]).unwrap();
    let read = log.get(Start::At(0)).unwrap();
    log.publish(&[read.as_new()]).unwrap();
    let again = log.get(Start::At(1)).unwrap();
    assert_eq!(again.as_new(), message);
    assert_eq!(crate::Message { offset: 0, ..again }, read);
}

fn a_message_without_anything_is_a_message(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    log.publish(&[NewMessage::default(), NewMessage::default()])
        .unwrap();
    let messages = all(&log);
    assert_eq!(offsets(&messages), [0, 1]);
    for message in &messages {
        assert_eq!((&message.key, &message.value), (&None, &None));
        assert!(message.headers.is_empty());
    }
}
