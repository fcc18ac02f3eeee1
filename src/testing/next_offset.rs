use super::support::{
    all, check_batch, drain, drain_by_key, number, offsets, publish_numbers, publish_one, us,
};
use super::{Case, Factory, Setup, case};
use crate::{Log, NewMessage, Start};

pub(super) const CASES: &[Case] = case::list![
    next_offset_is_one_past_the_last_message_of_the_batch,
    next_offset_moves_until_the_end,
    next_offset_of_the_last_batch_is_the_next_offset_of_the_log,
    going_on_at_next_offset_reads_every_message_once,
    going_on_at_next_offset_works_for_every_number_at_a_time,
    going_on_at_next_offset_reads_large_messages,
    going_on_at_next_offset_finds_what_was_published_meanwhile,
    going_on_by_key_reads_every_match_once,
    a_batch_can_be_iterated,
];

fn next_offset_is_one_past_the_last_message_of_the_batch(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..20);
    for from in 0..20 {
        for max_count in 1..=5 {
            let batch = log.consume(Start::At(from), max_count).unwrap();
            let end = batch.messages.last().map_or(batch.next_offset, |m| m.offset + 1);
            assert_eq!(batch.next_offset, end, "{max_count} from {from}");
        }
    }
}

fn next_offset_moves_until_the_end(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..20);
    for from in 0..20 {
        let batch = log.consume(Start::At(from), 3).unwrap();
        assert!(batch.next_offset > from, "no progress from {from}");
    }
    assert_eq!(log.consume(Start::At(20), 3).unwrap().next_offset, 20);
}

fn next_offset_of_the_last_batch_is_the_next_offset_of_the_log(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    for count in 1..30 {
        publish_one(&log, NewMessage::new(b"key", b"value").time(us(1)));
        for from in [Start::Oldest, Start::Last(1), Start::Time(us(1)), Start::Newest] {
            assert_eq!(drain(&log, from, 4).next_offset, count);
            assert_eq!(drain_by_key(&log, b"key", from, 4).next_offset, count);
            assert_eq!(drain_by_key(&log, b"none", from, 4).next_offset, count);
        }
    }
}

fn going_on_at_next_offset_reads_every_message_once(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..500);
    let mut read = Vec::new();
    let mut at = 0;
    loop {
        let batch = log.consume(Start::At(at), 7).unwrap();
        check_batch(Start::At(at), 7, &batch);
        read.extend(batch.messages.iter().map(number));
        if batch.next_offset == at {
            break;
        }
        at = batch.next_offset;
    }
    assert_eq!(read, (0..500).collect::<Vec<u64>>());
}

fn going_on_at_next_offset_works_for_every_number_at_a_time(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for batch in 0..20 {
        publish_numbers(&log, batch * 5..batch * 5 + 5);
    }
    for max_count in 1..=101 {
        let messages = drain(&log, Start::Oldest, max_count).messages;
        assert_eq!(
            offsets(&messages),
            (0..100).collect::<Vec<u64>>(),
            "{max_count} at a time"
        );
    }
}

fn going_on_at_next_offset_reads_large_messages(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let mut value = vec![0; 1 << 20];
    for number in 0..20_u8 {
        value[0] = number;
        publish_one(&log, NewMessage::value(&value));
    }
    for max_count in [1, 3, usize::MAX] {
        let messages = drain(&log, Start::Oldest, max_count).messages;
        let numbers: Vec<u8> = messages
            .iter()
            .filter_map(|m| m.value.as_ref()?.first().copied())
            .collect();
        assert_eq!(numbers, (0..20).collect::<Vec<u8>>());
    }
}

fn going_on_at_next_offset_finds_what_was_published_meanwhile(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    let mut at = 0;
    let mut read = Vec::new();
    for round in 0..20 {
        publish_numbers(&log, round * 3..round * 3 + 3);
        let batch = log.consume(Start::At(at), 2).unwrap();
        check_batch(Start::At(at), 2, &batch);
        read.extend(batch.messages.iter().map(number));
        at = batch.next_offset;
    }
    read.extend(drain(&log, Start::At(at), 100).messages.iter().map(number));
    assert_eq!(read, (0..60).collect::<Vec<u64>>());
}

fn going_on_by_key_reads_every_match_once(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let keys: [&[u8]; 3] = [b"a", b"b", b"c"];
    for number in 0..90 {
        publish_one(&log, NewMessage::new(keys[number % 3], b"x"));
    }
    for max_count in [1, 2, 3, 29, 30, 31, usize::MAX] {
        for (place, key) in keys.into_iter().enumerate() {
            let batch = drain_by_key(&log, key, Start::Oldest, max_count);
            let expected: Vec<u64> = (place as u64..90).step_by(3).collect();
            assert_eq!(offsets(&batch.messages), expected, "{max_count} at a time");
            assert_eq!(batch.next_offset, 90);
        }
    }
}

fn a_batch_can_be_iterated(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..3);
    let batch = drain(&log, Start::Oldest, 10);
    let mut borrowed = Vec::new();
    for message in &batch {
        borrowed.push(message.offset);
    }
    assert_eq!(borrowed, [0, 1, 2]);
    let owned: Vec<u64> = batch.into_iter().map(|m| m.offset).collect();
    assert_eq!(owned, offsets(&all(&log)));
}
