use super::support::{
    Random, all, assert_fails, delete, drain, drain_by_key, key_offsets_from, offsets, offsets_from,
    publish_keys, publish_numbers, publish_times, us,
};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, NewMessage, Start};

pub(super) const CASES: &[Case] = case::list![
    consume_passes_over_a_gap,
    consume_at_a_deleted_offset_begins_at_the_next_message,
    consume_at_deleted_newest_offsets_gives_no_messages_up_to_the_end,
    consume_at_the_next_offset_after_deleted_newest_gives_its_own_offset,
    consume_beyond_the_end_of_a_log_with_gaps_is_out_of_range,
    consume_makes_progress_over_every_gap,
    consume_oldest_begins_after_deleted_oldest,
    consume_of_an_emptied_log_reaches_the_end_from_every_start,
    consume_of_no_messages_in_a_gap_stays_there,
    consume_last_n_counts_messages_and_not_offsets,
    consume_last_n_of_more_than_are_left_gives_all,
    get_at_a_deleted_offset_is_not_found,
    get_at_the_next_offset_after_deleted_newest_is_out_of_range,
    get_oldest_and_newest_are_those_that_are_left,
    get_last_n_counts_messages_and_not_offsets,
    get_by_key_after_the_delete_of_the_last_is_the_one_before,
    get_by_key_after_the_delete_of_an_earlier_one_is_the_last,
    get_by_key_after_the_delete_of_all_with_the_key_is_not_found,
    get_by_key_after_the_delete_of_a_tombstone_is_the_value_before,
    get_by_key_of_other_keys_is_left_alone,
    get_by_key_finds_what_is_published_after_a_delete,
    consume_by_key_passes_over_gaps,
    consume_by_key_at_a_deleted_offset_begins_at_the_next_match,
    consume_by_key_of_a_key_that_is_gone_reaches_the_end,
    get_by_time_passes_over_a_gap,
    get_by_time_after_the_delete_of_the_latest_is_not_found,
    get_by_time_forgets_the_time_of_a_deleted_message,
    get_by_time_of_an_emptied_log_is_not_found,
    get_by_time_finds_what_is_published_after_a_delete,
    consume_from_a_time_passes_over_gaps,
    lookups_agree_with_a_search_after_random_deletes,
];

fn with_gaps(new: Factory<'_>, count: u64, deleted: &[u64]) -> Box<dyn Log> {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..count);
    delete(&log, deleted);
    log
}

fn with_keys(new: Factory<'_>, keys: &[&str], deleted: &[u64]) -> Box<dyn Log> {
    let log = new(Setup::KEYS);
    publish_keys(&log, keys);
    delete(&log, deleted);
    log
}

fn with_times(new: Factory<'_>, times: &[i64], deleted: &[u64]) -> Box<dyn Log> {
    let log = new(Setup::TIMES);
    publish_times(&log, times);
    delete(&log, deleted);
    log
}

fn consume_passes_over_a_gap(new: Factory<'_>) {
    let log = with_gaps(new, 10, &[3, 4, 5]);
    for max_count in 1..=10 {
        let batch = drain(&log, Start::Oldest, max_count);
        assert_eq!(offsets(&batch.messages), [0, 1, 2, 6, 7, 8, 9]);
        assert_eq!(batch.next_offset, 10);
    }
}

fn consume_at_a_deleted_offset_begins_at_the_next_message(new: Factory<'_>) {
    let log = with_gaps(new, 10, &[0, 3, 4, 5, 7]);
    for (from, first) in [(0, 1), (3, 6), (4, 6), (5, 6), (6, 6), (7, 8)] {
        let read = offsets_from(&log, Start::At(from));
        assert_eq!(read.first(), Some(&first), "from {from}");
    }
}

fn consume_at_deleted_newest_offsets_gives_no_messages_up_to_the_end(new: Factory<'_>) {
    let log = with_gaps(new, 10, &[7, 8, 9]);
    for from in 7..=10 {
        let batch = drain(&log, Start::At(from), 10);
        assert_eq!((batch.messages.len(), batch.next_offset), (0, 10), "from {from}");
    }
    assert_eq!(drain(&log, Start::Oldest, 3).next_offset, 10);
}

fn consume_at_the_next_offset_after_deleted_newest_gives_its_own_offset(new: Factory<'_>) {
    let log = with_gaps(new, 10, &[8, 9]);
    let batch = log.consume(Start::At(10), 5).unwrap();
    assert_eq!((batch.messages.len(), batch.next_offset), (0, 10));
}

fn consume_beyond_the_end_of_a_log_with_gaps_is_out_of_range(new: Factory<'_>) {
    let log = with_gaps(new, 10, &[0, 8, 9]);
    assert_fails!(
        log.consume(Start::At(11), 5),
        Error::OffsetOutOfRange {
            offset: 11,
            start: 0,
            next: 10
        }
    );
}

/// A long gap may take several calls, but each call makes progress.
fn consume_makes_progress_over_every_gap(new: Factory<'_>) {
    let log = new(Setup::PLAIN);
    for batch in 0..60 {
        publish_numbers(&log, batch * 50..batch * 50 + 50);
    }
    let kept = [0, 1, 700, 1500, 1501, 2900];
    let deleted: Vec<u64> = (0..3000).filter(|offset| !kept.contains(offset)).collect();
    delete(&log, &deleted);
    for from in (0..3000).step_by(13) {
        let batch = log.consume(Start::At(from), 5).unwrap();
        assert!(batch.next_offset > from, "no progress from {from}");
        let left: Vec<u64> = kept.into_iter().filter(|offset| *offset >= from).collect();
        assert_eq!(offsets_from(&log, Start::At(from)), left, "from {from}");
    }
}

fn consume_oldest_begins_after_deleted_oldest(new: Factory<'_>) {
    let log = with_gaps(new, 10, &[0, 1, 2, 5]);
    assert_eq!(offsets_from(&log, Start::Oldest), [3, 4, 6, 7, 8, 9]);
    assert_eq!(offsets_from(&log, Start::At(0)), [3, 4, 6, 7, 8, 9]);
}

fn consume_of_an_emptied_log_reaches_the_end_from_every_start(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_times(&log, &[1, 2, 3, 4, 5]);
    delete(&log, &[0, 1, 2, 3, 4]);
    for from in [
        Start::Oldest,
        Start::Newest,
        Start::At(0),
        Start::At(3),
        Start::At(5),
        Start::Time(us(2)),
        Start::Last(3),
    ] {
        let batch = drain(&log, from, 10);
        assert_eq!((batch.messages.len(), batch.next_offset), (0, 5), "{from:?}");
        assert_eq!(drain_by_key(&log, b"", from, 10).next_offset, 5, "{from:?}");
    }
}

fn consume_of_no_messages_in_a_gap_stays_there(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_times(&log, &(0..12).collect::<Vec<_>>());
    delete(&log, &[0, 1, 2, 6, 7, 11]);
    log.trim(1).unwrap();
    for (from, begin) in [
        (Start::At(1), 1),
        (Start::At(2), 2),
        (Start::At(3), 3),
        (Start::At(6), 6),
        (Start::At(7), 7),
        (Start::At(11), 11),
        (Start::Oldest, 1),
        (Start::Newest, 12),
        (Start::Time(us(0)), 3),
        (Start::Time(us(6)), 8),
        (Start::Time(us(11)), 12),
        (Start::Last(0), 12),
        (Start::Last(3), 8),
        (Start::Last(4), 5),
        (Start::Last(6), 3),
        (Start::Last(7), 1),
        (Start::Last(u64::MAX), 1),
    ] {
        let batch = log.consume(from, 0).unwrap();
        assert_eq!(
            (&batch.messages[..], batch.next_offset),
            (&[][..], begin),
            "{from:?}"
        );
        let by_key = log.consume_by_key(b"key", from, 0).unwrap();
        assert_eq!(by_key.next_offset, begin, "{from:?}");
    }
}

fn consume_last_n_counts_messages_and_not_offsets(new: Factory<'_>) {
    let log = with_gaps(new, 10, &[0, 3, 4, 6, 8, 9]);
    assert_eq!(offsets_from(&log, Start::Last(0)), [0_u64; 0]);
    assert_eq!(offsets_from(&log, Start::Last(1)), [7]);
    assert_eq!(offsets_from(&log, Start::Last(2)), [5, 7]);
    assert_eq!(offsets_from(&log, Start::Last(3)), [2, 5, 7]);
    assert_eq!(offsets_from(&log, Start::Last(4)), [1, 2, 5, 7]);
}

fn consume_last_n_of_more_than_are_left_gives_all(new: Factory<'_>) {
    let log = with_gaps(new, 10, &[0, 3, 4, 6, 8, 9]);
    for count in [5, 6, 10, 11, u64::MAX] {
        assert_eq!(offsets_from(&log, Start::Last(count)), [1, 2, 5, 7], "{count}");
    }
}

fn get_at_a_deleted_offset_is_not_found(new: Factory<'_>) {
    let log = with_gaps(new, 10, &[0, 4, 5, 9]);
    for offset in [0, 4, 5, 9] {
        assert_fails!(log.get(Start::At(offset)), Error::NotFound);
    }
}

fn get_at_the_next_offset_after_deleted_newest_is_out_of_range(new: Factory<'_>) {
    let log = with_gaps(new, 10, &[8, 9]);
    assert_fails!(
        log.get(Start::At(10)),
        Error::OffsetOutOfRange {
            offset: 10,
            start: 0,
            next: 10
        }
    );
}

fn get_oldest_and_newest_are_those_that_are_left(new: Factory<'_>) {
    let log = with_gaps(new, 10, &[0, 1, 9]);
    for (deleted, oldest, newest) in [(5, 2, 8), (2, 3, 8), (8, 3, 7), (3, 4, 7)] {
        delete(&log, &[deleted]);
        assert_eq!(log.get(Start::Oldest).unwrap().offset, oldest);
        assert_eq!(log.get(Start::Newest).unwrap().offset, newest);
    }
}

fn get_last_n_counts_messages_and_not_offsets(new: Factory<'_>) {
    let log = with_gaps(new, 10, &[0, 3, 4, 6, 8, 9]);
    for (count, offset) in [(0, 7), (1, 7), (2, 5), (3, 2), (4, 1), (5, 1), (u64::MAX, 1)] {
        assert_eq!(
            log.get(Start::Last(count)).unwrap().offset,
            offset,
            "number {count}"
        );
    }
}

fn get_by_key_after_the_delete_of_the_last_is_the_one_before(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a", "b", "a"], &[4]);
    assert_eq!(log.get_by_key(b"a").unwrap().offset, 2);
    assert_eq!(log.offset_by_key(b"a").unwrap(), 2);
    delete(&log, &[2, 3]);
    assert_eq!(log.offset_by_key(b"a").unwrap(), 0);
    assert_eq!(log.offset_by_key(b"b").unwrap(), 1);
}

fn get_by_key_after_the_delete_of_an_earlier_one_is_the_last(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a", "b", "a"], &[0, 2]);
    assert_eq!(log.offset_by_key(b"a").unwrap(), 4);
    assert_eq!(key_offsets_from(&log, b"a", Start::Oldest), [4]);
}

fn get_by_key_after_the_delete_of_all_with_the_key_is_not_found(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a", "b", "a"], &[0, 2, 4]);
    assert_fails!(log.get_by_key(b"a"), Error::NotFound);
    assert_fails!(log.offset_by_key(b"a"), Error::NotFound);
    assert_eq!(log.offset_by_key(b"b").unwrap(), 3);
}

fn get_by_key_after_the_delete_of_a_tombstone_is_the_value_before(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let tombstone = NewMessage::tombstone(b"a");
    log.publish(&[NewMessage::new(b"a", b"value"), tombstone])
        .unwrap();
    delete(&log, &[1]);
    let message = log.get_by_key(b"a").unwrap();
    assert_eq!(message.value.as_deref(), Some(&b"value"[..]));
}

fn get_by_key_of_other_keys_is_left_alone(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    let keys: Vec<String> = (0..300).map(|n| format!("key-{n}")).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    publish_keys(&log, &names);
    delete(&log, &(0..300).filter(|n| n % 3 > 0).collect::<Vec<u64>>());
    for (offset, key) in (0..).zip(&keys) {
        match log.offset_by_key(key.as_bytes()) {
            Ok(found) => assert_eq!((found, offset % 3), (offset, 0)),
            Err(error) => assert!(matches!(error, Error::NotFound) && offset % 3 > 0, "{key}"),
        }
    }
}

fn get_by_key_finds_what_is_published_after_a_delete(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b"], &[0, 1]);
    publish_keys(&log, &["c", "a"]);
    assert_eq!(log.offset_by_key(b"a").unwrap(), 3);
    assert_fails!(log.offset_by_key(b"b"), Error::NotFound);
    publish_keys(&log, &["b"]);
    assert_eq!(log.offset_by_key(b"b").unwrap(), 4);
}

fn consume_by_key_passes_over_gaps(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a", "b", "a", "b", "a", "a"], &[1, 2, 4, 7]);
    for max_count in 1..5 {
        let batch = drain_by_key(&log, b"a", Start::Oldest, max_count);
        assert_eq!((offsets(&batch.messages), batch.next_offset), (vec![0, 6], 8));
        let batch = drain_by_key(&log, b"b", Start::Oldest, max_count);
        assert_eq!((offsets(&batch.messages), batch.next_offset), (vec![3, 5], 8));
    }
}

fn consume_by_key_at_a_deleted_offset_begins_at_the_next_match(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a", "b", "a", "b"], &[0, 2, 3]);
    assert_eq!(key_offsets_from(&log, b"a", Start::At(0)), [4]);
    assert_eq!(key_offsets_from(&log, b"a", Start::At(2)), [4]);
    assert_eq!(key_offsets_from(&log, b"b", Start::At(3)), [5]);
    assert_eq!(key_offsets_from(&log, b"b", Start::Last(2)), [5]);
    assert_eq!(key_offsets_from(&log, b"b", Start::Last(3)), [1, 5]);
}

fn consume_by_key_of_a_key_that_is_gone_reaches_the_end(new: Factory<'_>) {
    let log = with_keys(new, &["a", "b", "a", "b"], &[0, 2]);
    for from in [Start::Oldest, Start::At(1), Start::At(2), Start::Last(1)] {
        let batch = drain_by_key(&log, b"a", from, 10);
        assert_eq!((batch.messages.len(), batch.next_offset), (0, 4), "{from:?}");
    }
}

fn get_by_time_passes_over_a_gap(new: Factory<'_>) {
    let log = with_times(new, &[10, 20, 30, 40], &[1, 2]);
    for (time, offset) in [(5, 0), (10, 0), (11, 3), (20, 3), (30, 3), (40, 3)] {
        assert_eq!(
            log.get_by_time(us(time)).unwrap().offset,
            offset,
            "by time {time}"
        );
    }
}

fn get_by_time_after_the_delete_of_the_latest_is_not_found(new: Factory<'_>) {
    let log = with_times(new, &[10, 20, 30], &[2]);
    assert_fails!(log.get_by_time(us(21)), Error::NotFound);
    assert_fails!(log.offset_by_time(us(30)), Error::NotFound);
    assert_eq!(log.offset_by_time(us(20)).unwrap(), (1, us(20)));
}

fn get_by_time_forgets_the_time_of_a_deleted_message(new: Factory<'_>) {
    let log = with_times(new, &[10, 90, 20, 30, 40], &[1]);
    for (time, offset) in [(10, 0), (11, 2), (20, 2), (25, 3), (35, 4)] {
        assert_eq!(
            log.get_by_time(us(time)).unwrap().offset,
            offset,
            "by time {time}"
        );
    }
    assert_fails!(log.get_by_time(us(41)), Error::NotFound);
    publish_times(&log, &[60]);
    assert_eq!(log.offset_by_time(us(41)).unwrap(), (5, us(60)));
}

fn get_by_time_of_an_emptied_log_is_not_found(new: Factory<'_>) {
    let log = with_times(new, &[10, 20], &[0, 1]);
    for time in [i64::MIN, 10, 15, i64::MAX] {
        assert_fails!(log.get_by_time(us(time)), Error::NotFound);
    }
}

fn get_by_time_finds_what_is_published_after_a_delete(new: Factory<'_>) {
    let log = with_times(new, &[10, 50], &[0, 1]);
    publish_times(&log, &[20, 30]);
    for (time, offset) in [(5, 2), (20, 2), (21, 3), (30, 3)] {
        assert_eq!(
            log.get_by_time(us(time)).unwrap().offset,
            offset,
            "by time {time}"
        );
    }
    assert_fails!(log.get_by_time(us(31)), Error::NotFound);
}

fn consume_from_a_time_passes_over_gaps(new: Factory<'_>) {
    let log = with_times(new, &[10, 20, 30, 40, 50], &[1, 3]);
    assert_eq!(offsets_from(&log, Start::Time(us(15))), [2, 4]);
    assert_eq!(offsets_from(&log, Start::Time(us(31))), [4]);
    assert_eq!(offsets_from(&log, Start::Time(us(51))), [0_u64; 0]);
    assert_eq!(log.get(Start::Time(us(15))).unwrap().offset, 2);
}

fn lookups_agree_with_a_search_after_random_deletes(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let mut random = Random::new(7);
    let keys = [&b"a"[..], b"b", b"c", b""];
    for _ in 0..40 {
        for _ in 0..random.index(8) {
            let time = us(random.below(300).cast_signed());
            let message = NewMessage::new(keys[random.index(4)], b"value").time(time);
            log.publish(&[message]).unwrap();
        }
        let end = log.next_offset().unwrap();
        let named: Vec<u64> = (0..random.below(4)).map(|_| random.below(end + 1)).collect();
        delete(&log, &named);
        let left = all(&log);
        for time in (-1..301).step_by(11).map(us) {
            let first = left.iter().find(|m| m.time >= time);
            assert_eq!(log.get_by_time(time).ok().as_ref(), first, "{time:?}");
        }
        for key in keys {
            let last = left.iter().rfind(|m| m.key.as_deref() == Some(key));
            assert_eq!(log.get_by_key(key).ok().as_ref(), last, "{key:?}");
        }
        let count = random.index(left.len() + 2);
        let from = left.len().saturating_sub(count);
        assert_eq!(
            drain(&log, Start::Last(count as u64), 3).messages,
            left[from..],
            "last {count}"
        );
    }
}
