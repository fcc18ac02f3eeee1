use super::support::{all, assert_fails, drain, offsets, publish_numbers};
use super::{Case, Factory, Setup, case};
use crate::{BATCH_SIZE_MAX, Error, Log, MESSAGE_SIZE_MAX, NewMessage, PublishOptions, Start};

pub(super) const CASES: &[Case] = case::list![
    a_value_one_byte_over_64_mib_is_too_large,
    a_key_one_byte_over_64_mib_is_too_large,
    a_header_one_byte_over_64_mib_is_too_large,
    key_value_and_headers_count_together,
    too_large_writes_nothing,
    one_message_that_is_too_large_refuses_the_whole_batch,
    too_large_says_which_message_and_how_large,
    too_large_leaves_the_log_usable,
    a_batch_one_byte_over_1_gib_is_too_large,
    a_batch_of_33_times_32_mib_is_too_large,
    the_headers_of_a_batch_count_too,
    the_limits_are_on_content_and_not_on_the_number_of_messages,
    messages_of_sizes_around_powers_of_two_are_read_back,
];

/// The cases that publish a message of 64 MiB or a batch of 1 GiB.
pub(super) const CASES_HEAVY: &[Case] = &[
    Case {
        name: "a_value_of_exactly_64_mib_is_published",
        heavy: true,
        control: false,
        run: a_value_of_exactly_64_mib_is_published,
    },
    Case {
        name: "key_value_and_headers_of_exactly_64_mib_are_published",
        heavy: true,
        control: false,
        run: key_value_and_headers_of_exactly_64_mib_are_published,
    },
    Case {
        name: "a_batch_of_exactly_1_gib_is_published",
        heavy: true,
        control: false,
        run: a_batch_of_exactly_1_gib_is_published,
    },
];

const MIB: usize = 1 << 20;

/// Zeros. The system provides no memory for them as long as they are only read.
fn zeros(len: usize) -> Vec<u8> {
    vec![0; len]
}

fn a_value_one_byte_over_64_mib_is_too_large(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let value = zeros(64 * MIB + 1);
    assert_fails!(log.publish(&[NewMessage::value(&value)]), Error::TooLarge { .. });
}

fn a_key_one_byte_over_64_mib_is_too_large(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let key = zeros(64 * MIB + 1);
    let message = NewMessage {
        key: Some(&key),
        ..NewMessage::default()
    };
    assert_fails!(log.publish(&[message]), Error::TooLarge { .. });
}

fn a_header_one_byte_over_64_mib_is_too_large(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let bytes = zeros(64 * MIB + 1);
    for header in [(&bytes[..], &b""[..]), (b"", &bytes)] {
        let message = NewMessage {
            headers: &[header],
            ..NewMessage::default()
        };
        assert_fails!(log.publish(&[message]), Error::TooLarge { .. });
    }
    let halves = [(&bytes[..32 * MIB], &bytes[..32 * MIB]), (b"", b"x")];
    let message = NewMessage {
        headers: &halves,
        ..NewMessage::default()
    };
    assert_fails!(log.publish(&[message]), Error::TooLarge { .. });
}

fn key_value_and_headers_count_together(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let quarter = zeros(16 * MIB);
    let longer = zeros(16 * MIB + 1);
    // Each of the four parts in turn holds the excess byte.
    for long in 0..4 {
        let part = |place| -> &[u8] { if place == long { &longer } else { &quarter } };
        let message = NewMessage {
            headers: &[(part(2), part(3))],
            ..NewMessage::new(part(0), part(1))
        };
        assert_fails!(log.publish(&[message]), Error::TooLarge { .. });
    }
}

fn too_large_writes_nothing(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_numbers(&log, 0..2);
    let before = log.stat().unwrap();
    let value = zeros(64 * MIB + 1);
    assert_fails!(
        log.publish(&[NewMessage::new(b"key", &value)]),
        Error::TooLarge { .. }
    );
    let how = PublishOptions::new().expect_next_offset(2).sync(true);
    assert_fails!(
        log.publish_with(&[NewMessage::new(b"key", &value)], &how),
        Error::TooLarge { .. }
    );
    let after = log.stat().unwrap();
    assert_eq!((after.messages, after.next_offset), (2, 2));
    assert_eq!(after.size, before.size);
    assert_fails!(log.get_by_key(b"key"), Error::NotFound);
    assert_eq!(offsets(&all(&log)), [0, 1]);
}

fn one_message_that_is_too_large_refuses_the_whole_batch(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let value = zeros(64 * MIB + 1);
    let (good, bad) = (NewMessage::new(b"key", b"value"), NewMessage::value(&value));
    for batch in [[bad, good, good], [good, bad, good], [good, good, bad]] {
        assert_fails!(log.publish(&batch), Error::TooLarge { .. });
        assert_eq!(log.next_offset().unwrap(), 0);
        assert_eq!(all(&log), []);
        assert_fails!(log.get_by_key(b"key"), Error::NotFound);
    }
}

fn too_large_says_which_message_and_how_large(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let value = zeros(64 * MIB + 7);
    let (good, bad) = (NewMessage::value(b"value"), NewMessage::value(&value));
    match log.publish(&[good, good, bad]) {
        Err(Error::TooLarge { index, size, limit }) => {
            assert_eq!(
                (index, size, limit),
                (Some(2), MESSAGE_SIZE_MAX + 7, MESSAGE_SIZE_MAX)
            );
        }
        other => panic!("publishing a message that is too large gives {other:?}"),
    }
    let batch = vec![NewMessage::value(&value[..32 * MIB]); 33];
    match log.publish(&batch) {
        Err(Error::TooLarge { index, size, limit }) => {
            assert_eq!((index, size, limit), (None, 33 << 25, BATCH_SIZE_MAX));
        }
        other => panic!("publishing a batch that is too large gives {other:?}"),
    }
}

fn too_large_leaves_the_log_usable(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let value = zeros(64 * MIB + 1);
    for number in 0..3 {
        assert_fails!(log.publish(&[NewMessage::value(&value)]), Error::TooLarge { .. });
        publish_numbers(&log, number..number + 1);
    }
    assert_eq!(offsets(&all(&log)), [0, 1, 2]);
}

fn a_batch_one_byte_over_1_gib_is_too_large(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let value = zeros(32 * MIB);
    let mut batch = vec![NewMessage::value(&value); 32];
    batch.push(NewMessage::value(b"x"));
    let content: u64 = batch.iter().map(NewMessage::content_size).sum();
    assert_eq!(content, BATCH_SIZE_MAX + 1);
    assert_fails!(log.publish(&batch), Error::TooLarge { .. });
    batch.rotate_right(1);
    assert_fails!(log.publish(&batch), Error::TooLarge { .. });
    assert_eq!(log.next_offset().unwrap(), 0);
}

fn a_batch_of_33_times_32_mib_is_too_large(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let value = zeros(32 * MIB);
    assert_fails!(
        log.publish(&vec![NewMessage::value(&value); 33]),
        Error::TooLarge { .. }
    );
    assert_eq!(log.next_offset().unwrap(), 0);
    assert_eq!(log.stat().unwrap().messages, 0);
}

fn the_headers_of_a_batch_count_too(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let bytes = zeros(16 * MIB);
    let headers = [(&bytes[..], &bytes[..])];
    let message = NewMessage {
        headers: &headers,
        ..NewMessage::new(&bytes, &bytes)
    };
    assert_eq!(message.content_size(), MESSAGE_SIZE_MAX);
    let mut batch = vec![message; 16];
    batch.push(NewMessage {
        headers: &[(b"x", b"")],
        ..NewMessage::default()
    });
    assert_fails!(log.publish(&batch), Error::TooLarge { .. });
    assert_eq!(log.next_offset().unwrap(), 0);
}

fn the_limits_are_on_content_and_not_on_the_number_of_messages(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    log.publish(&vec![NewMessage::default(); 200_000]).unwrap();
    assert_eq!(log.next_offset().unwrap(), 200_000);
    assert_eq!(log.get(Start::Newest).unwrap().offset, 199_999);
}

fn messages_of_sizes_around_powers_of_two_are_read_back(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let bytes: Vec<u8> = (0_u8..251).cycle().take((1 << 20) + 1).collect();
    let mut sizes: Vec<usize> = (0..300).collect();
    for power in 9..=20 {
        sizes.extend([(1 << power) - 1, 1 << power, (1 << power) + 1]);
    }
    let messages: Vec<NewMessage<'_>> = sizes
        .iter()
        .map(|size| NewMessage::value(&bytes[..*size]))
        .collect();
    log.publish(&messages).unwrap();
    let read = drain(&log, Start::Oldest, 10).messages;
    assert_eq!(read.len(), sizes.len());
    for (message, size) in read.iter().zip(sizes) {
        assert!(
            message.value.as_deref() == Some(&bytes[..size]),
            "a value of {size} bytes is read back as another"
        );
    }
}

fn a_value_of_exactly_64_mib_is_published(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let mut value = zeros(64 * MIB);
    value[64 * MIB - 1] = 1;
    assert_eq!(log.publish(&[NewMessage::value(&value)]).unwrap(), 1);
    let batch = drain(&log, Start::Oldest, 1);
    assert!(batch.messages[0].value.as_deref() == Some(&value[..]));
    let message = log.get(Start::Newest).unwrap();
    assert!(message.value.as_deref() == Some(&value[..]));
}

fn key_value_and_headers_of_exactly_64_mib_are_published(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let quarters: Vec<Vec<u8>> = (1..=4).map(|byte| vec![byte; 16 * MIB]).collect();
    let message = NewMessage {
        headers: &[(&quarters[2], &quarters[3])],
        ..NewMessage::new(&quarters[0], &quarters[1]).time(super::support::us(0))
    };
    assert_eq!(message.content_size(), MESSAGE_SIZE_MAX);
    log.publish(&[message]).unwrap();
    let read = log.get_by_key(&quarters[0]).unwrap();
    assert!(read.as_new() == message, "the message is read back as another");
}

fn a_batch_of_exactly_1_gib_is_published(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let value = zeros(32 * MIB);
    let batch = vec![NewMessage::value(&value); 32];
    let content: u64 = batch.iter().map(NewMessage::content_size).sum();
    assert_eq!(content, BATCH_SIZE_MAX);
    assert_eq!(log.publish(&batch).unwrap(), 32);
    assert_eq!(log.next_offset().unwrap(), 32);
    for offset in 0..32 {
        let message = log.get(Start::At(offset)).unwrap();
        assert!(message.value.as_deref() == Some(&value[..]));
    }
}
