use super::control_support::{metered, outline, read, read_options};
use super::support::{all, header};
use super::{Case, Factory, Setup, case};
use crate::{Log, NewMessage, Start, Stop, metered_size};

pub(super) const CASES: &[Case] = case::list![
    the_metered_size_is_8_and_the_value,
    the_metered_size_counts_the_key,
    the_metered_size_counts_2_for_each_header_and_its_bytes,
    the_metered_size_of_an_absent_part_is_that_of_an_empty_one,
    the_metered_size_survives_the_log,
    max_bytes_goes_by_the_metered_size,
];

/// What is published, and its metered size.
const SIZES: [(NewMessage<'static>, u64); 8] = [
    (NewMessage::value(b""), 8),
    (NewMessage::value(b"ab"), 10),
    (NewMessage::new(b"", b"ab"), 10),
    (NewMessage::new(b"key", b"ab"), 13),
    (NewMessage::tombstone(b"key"), 11),
    (NewMessage::value(b"").headers(&[(b"", b"")]), 10),
    (
        NewMessage::value(b"ab").headers(&[(b"n", b"vw"), (b"n", b"")]),
        18,
    ),
    (NewMessage::new(b"k", b"v").headers(&[(b"name", b"")]), 16),
];

fn publish_all(new: Factory<'_>) -> Box<dyn Log> {
    let log = new(Setup::PLAIN);
    let messages = SIZES.map(|(message, _)| message);
    log.publish(&messages).unwrap();
    log
}

fn the_metered_size_is_8_and_the_value(_: Factory<'_>) {
    for len in [0, 1, 2, 100, 65_536] {
        let value = vec![7; len];
        assert_eq!(metered_size(&NewMessage::value(&value)), 8 + len as u64);
    }
}

fn the_metered_size_counts_the_key(_: Factory<'_>) {
    assert_eq!(metered_size(&NewMessage::new(b"key", b"ab")), 13);
    assert_eq!(metered_size(&NewMessage::tombstone(b"key")), 11);
}

fn the_metered_size_counts_2_for_each_header_and_its_bytes(_: Factory<'_>) {
    let headers = [header("n", "vw"), header("n", ""), header("", "")];
    for (count, size) in [(0, 10), (1, 15), (2, 18), (3, 20)] {
        let message = NewMessage::value(b"ab").headers(&headers[..count]);
        assert_eq!(metered_size(&message), size);
    }
}

fn the_metered_size_of_an_absent_part_is_that_of_an_empty_one(_: Factory<'_>) {
    assert_eq!(metered_size(&NewMessage::default()), 8);
    assert_eq!(metered_size(&NewMessage::new(b"", b"")), 8);
    assert_eq!(metered_size(&NewMessage::tombstone(b"")), 8);
}

fn the_metered_size_survives_the_log(new: Factory<'_>) {
    let read = all(&publish_all(new));
    for (message, (new, size)) in read.iter().zip(SIZES) {
        assert_eq!(
            (metered_size(&message.as_new()), metered_size(&new)),
            (size, size)
        );
    }
}

fn max_bytes_goes_by_the_metered_size(new: Factory<'_>) {
    let log = publish_all(new);
    for (offset, (_, size)) in (0..).zip(SIZES) {
        let at = Start::At(offset);
        let until = read_options().until_offset(offset + 1);
        let batch = read(&log, at, &until.clone().max_bytes(size));
        assert_eq!(metered(&batch.messages), size, "at {offset}");
        let less = outline(&log, at, &until.max_bytes(size - 1));
        assert_eq!(less, (vec![], offset, Stop::Bytes), "at {offset}");
    }
}
