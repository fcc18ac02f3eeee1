use super::support::{drain, key_offsets_from, publish_keys, publish_numbers, publish_one};
use super::{Case, Factory, Setup, case};
use crate::{Log, NewMessage, Start};

pub(super) const CASES: &[Case] = case::list![
    stat_of_an_empty_log_counts_nothing,
    stat_counts_messages,
    stat_gives_the_offsets_of_the_log,
    stat_counts_a_segment_when_there_are_messages,
    stat_tells_which_indexes_there_are,
    stat_gives_a_size_that_covers_the_content,
    stat_gives_a_size_that_grows,
    stat_gives_a_synced_offset_that_is_not_beyond_the_end,
    stat_gives_epoch_0_for_a_log_that_lost_nothing,
    stat_is_not_changed_by_reading,
    size_covers_the_content,
    size_grows_with_the_content,
    size_publishes_nothing,
    size_of_a_message_that_is_too_large_is_given_all_the_same,
];

fn stat_of_an_empty_log_counts_nothing(new: Factory<'_>) {
    let stats = new(Setup::INDEXED).stat().unwrap();
    assert_eq!(stats.messages, 0);
    assert_eq!(
        (stats.start_offset, stats.next_offset, stats.synced_offset),
        (0, 0, 0)
    );
}

fn stat_counts_messages(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let mut end = 0;
    for count in [1, 5, 0, 30] {
        publish_numbers(&log, end..end + count);
        end += count;
        assert_eq!(log.stat().unwrap().messages, end);
    }
}

fn stat_gives_the_offsets_of_the_log(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for count in 0..5 {
        publish_numbers(&log, 0..count);
        let stats = log.stat().unwrap();
        assert_eq!(stats.start_offset, log.start_offset().unwrap());
        assert_eq!(stats.next_offset, log.next_offset().unwrap());
    }
}

fn stat_counts_a_segment_when_there_are_messages(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..1);
    assert!(log.stat().unwrap().segments >= 1);
}

fn stat_tells_which_indexes_there_are(new: Factory<'_>) {
    for setup in [Setup::PLAIN, Setup::KEYS, Setup::TIMES, Setup::INDEXED] {
        let log = new(setup);
        publish_numbers(&log, 0..1);
        let stats = log.stat().unwrap();
        assert_eq!(
            (stats.key_index, stats.time_index),
            (setup.key_index, setup.time_index)
        );
    }
}

fn stat_gives_a_size_that_covers_the_content(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let message = NewMessage::new(b"key", &[7; 1000]).headers(&[(b"name", b"header")]);
    for count in 1..20 {
        publish_one(&log, message);
        let size = log.stat().unwrap().size;
        assert!(
            size >= count * message.content_size(),
            "{size} bytes for {count} messages"
        );
    }
}

fn stat_gives_a_size_that_grows(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let mut size = log.stat().unwrap().size;
    for _ in 0..20 {
        publish_one(&log, NewMessage::value(&[7; 100]));
        let after = log.stat().unwrap().size;
        assert!(after > size, "{size} bytes before a message, {after} after");
        size = after;
    }
}

fn stat_gives_a_synced_offset_that_is_not_beyond_the_end(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let mut synced = 0;
    for end in 1..20 {
        publish_numbers(&log, end - 1..end);
        let stats = log.stat().unwrap();
        assert!(
            synced <= stats.synced_offset && stats.synced_offset <= end,
            "{stats:?}"
        );
        synced = stats.synced_offset;
    }
}

fn stat_gives_epoch_0_for_a_log_that_lost_nothing(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    assert_eq!(log.stat().unwrap().epoch, 0);
    publish_numbers(&log, 0..3);
    log.sync().unwrap();
    assert_eq!(log.stat().unwrap().epoch, 0);
}

fn stat_is_not_changed_by_reading(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "b", "a"]);
    let before = log.stat().unwrap();
    drain(&log, Start::Oldest, 2);
    key_offsets_from(&log, b"a", Start::Oldest);
    log.get(Start::Newest).unwrap();
    let after = log.stat().unwrap();
    assert_eq!(
        (after.messages, after.size, after.next_offset),
        (before.messages, before.size, before.next_offset)
    );
}

fn size_covers_the_content(new: Factory<'_>) {
    for setup in [Setup::PLAIN, Setup::INDEXED] {
        let log = new(setup);
        let message = NewMessage::new(b"key", &[7; 1000]).headers(&[(b"name", b"header"), (b"", b"")]);
        for message in [message, NewMessage::default(), NewMessage::value(b"v")] {
            assert!(log.size(&message) >= message.content_size());
        }
    }
}

fn size_grows_with_the_content(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let bytes = [7; 2000];
    let small = NewMessage::new(b"k", b"v");
    let headers = [(&b"name"[..], &bytes[..])];
    let larger = [
        NewMessage::new(&bytes, b"v"),
        NewMessage::new(b"k", &bytes),
        NewMessage {
            headers: &headers,
            ..small
        },
    ];
    for message in larger {
        let (small, larger) = (log.size(&small), log.size(&message));
        assert!(larger > small + 1900, "{larger} after {small}");
    }
}

fn size_publishes_nothing(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let message = NewMessage::new(b"key", b"value");
    let size = log.size(&message);
    assert_eq!(log.next_offset().unwrap(), 0);
    assert!(log.get_by_key(b"key").is_err());
    publish_one(&log, message);
    assert_eq!(log.size(&message), size, "asked again");
}

fn size_of_a_message_that_is_too_large_is_given_all_the_same(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let value = vec![0; (64 << 20) + 1];
    assert!(log.size(&NewMessage::value(&value)) > 64 << 20);
}
