use std::path::Path;
use std::time::Duration;

use super::support::{
    all, assert_fails, delete, drain, drain_by_key, key_offsets_from, number, offsets, offsets_from,
    publish_keys, publish_numbers, publish_one, publish_times, us,
};
use super::{Case, Factory, Setup, case};
use crate::{Error, Log, NewMessage, PublishOptions, Start, Trimmed};

pub(super) const CASES: &[Case] = case::list![
    trim_removes_what_is_below_and_nothing_else,
    trim_moves_the_start_offset,
    trim_within_a_batch_leaves_the_rest_of_it,
    trim_to_0_removes_nothing,
    trim_of_an_empty_log_removes_nothing,
    trim_to_the_next_offset_removes_all,
    trim_beyond_the_next_offset_stops_there,
    trim_to_u64_max_stops_at_the_next_offset,
    trim_back_removes_nothing_and_moves_nothing,
    trim_again_to_the_same_offset_removes_nothing,
    trim_step_by_step_removes_each_step,
    trim_tells_how_many_messages_it_removed,
    trim_tells_no_deleted_messages,
    trim_to_a_deleted_offset_moves_the_start_offset_there,
    trim_past_deleted_newest_messages_reaches_the_next_offset,
    trim_leaves_the_next_offset,
    trim_leaves_the_epoch,
    trim_leaves_the_content_of_the_others,
    trim_frees_no_more_than_there_was,
    trim_lowers_the_count_of_messages,
    consume_below_the_start_offset_is_out_of_range_and_trimmed,
    consume_at_the_start_offset_begins_there,
    consume_oldest_after_a_trim_begins_at_the_start_offset,
    consume_last_n_after_a_trim_counts_what_is_left,
    consume_of_a_trimmed_log_reaches_the_end_from_every_start,
    get_below_the_start_offset_is_out_of_range_and_trimmed,
    get_of_a_log_trimmed_to_its_end_is_not_found,
    get_oldest_after_a_trim_is_the_first_that_is_left,
    get_last_n_after_a_trim_stops_at_the_first_that_is_left,
    a_key_that_was_trimmed_is_not_found,
    a_key_that_was_partly_trimmed_is_found,
    consume_by_key_after_a_trim_gives_what_is_left,
    consume_by_key_below_the_start_offset_is_out_of_range,
    a_time_that_was_trimmed_leads_to_the_first_that_is_left,
    a_time_lookup_forgets_the_times_of_trimmed_messages,
    publishing_after_a_trim_goes_on_at_the_next_offset,
    a_log_trimmed_to_its_end_can_be_published_to,
    a_log_can_be_trimmed_to_its_end_many_times,
    an_expected_offset_is_that_after_a_trim,
    messages_read_before_their_trim_stay_valid,
    sync_after_a_trim_reaches_the_next_offset,
    retention_without_a_policy_keeps_everything,
    trim_after_close_is_closed,
    retention_and_backup_after_close_are_closed,
];

fn trimmed_to(new: Factory<'_>, count: u64, before: u64) -> Box<dyn Log> {
    let log = new(Setup::PLAIN);
    publish_numbers(&log, 0..count);
    log.trim(before).unwrap();
    log
}

#[track_caller]
fn check_bounds(log: &dyn Log, start: u64, next: u64) {
    assert_eq!(
        (log.start_offset().unwrap(), log.next_offset().unwrap()),
        (start, next)
    );
    let stats = log.stat().unwrap();
    assert_eq!((stats.start_offset, stats.next_offset), (start, next));
}

/// The numbers from the start offset on are there, and nothing else is.
#[track_caller]
fn check_trimmed(log: &dyn Log, start: u64, next: u64) {
    check_bounds(log, start, next);
    let left = all(log);
    assert_eq!(offsets(&left), (start..next).collect::<Vec<u64>>());
    assert!(left.iter().all(|m| number(m) == m.offset));
    assert_eq!(log.stat().unwrap().messages, next - start);
    for offset in 0..start {
        let error = log.get(Start::At(offset)).expect_err("trimmed");
        assert!(error.is_trimmed(), "{offset}: {error:?}");
    }
}

fn trim_removes_what_is_below_and_nothing_else(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    for batch in 0..20 {
        publish_numbers(&log, batch * 50..batch * 50 + 50);
    }
    assert_eq!(log.trim(333).unwrap().count, 333);
    check_trimmed(&log, 333, 1000);
}

fn trim_moves_the_start_offset(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 0);
    for before in 1..=10 {
        log.trim(before).unwrap();
        check_trimmed(&log, before, 10);
    }
}

fn trim_within_a_batch_leaves_the_rest_of_it(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 4);
    check_trimmed(&log, 4, 10);
}

fn trim_to_0_removes_nothing(new: Factory<'_>) {
    let log = trimmed_to(new, 3, 0);
    assert_eq!(log.trim(0).unwrap(), Trimmed::default());
    check_trimmed(&log, 0, 3);
}

fn trim_of_an_empty_log_removes_nothing(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    for before in [0, 1, u64::MAX] {
        assert_eq!(log.trim(before).unwrap().count, 0);
        check_trimmed(&log, 0, 0);
    }
    publish_numbers(&log, 0..2);
    check_trimmed(&log, 0, 2);
}

fn trim_to_the_next_offset_removes_all(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 10);
    check_trimmed(&log, 10, 10);
}

fn trim_beyond_the_next_offset_stops_there(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 11);
    check_trimmed(&log, 10, 10);
    publish_numbers(&log, 10..12);
    check_trimmed(&log, 10, 12);
}

fn trim_to_u64_max_stops_at_the_next_offset(new: Factory<'_>) {
    let log = trimmed_to(new, 10, u64::MAX);
    check_trimmed(&log, 10, 10);
}

fn trim_back_removes_nothing_and_moves_nothing(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 6);
    for before in [0, 1, 5] {
        assert_eq!(log.trim(before).unwrap(), Trimmed::default());
        check_trimmed(&log, 6, 10);
    }
}

fn trim_again_to_the_same_offset_removes_nothing(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 6);
    assert_eq!(log.trim(6).unwrap().count, 0);
    check_trimmed(&log, 6, 10);
}

fn trim_step_by_step_removes_each_step(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_numbers(&log, 0..300);
    for before in (0..300).step_by(7) {
        let count = log.trim(before).unwrap().count;
        assert_eq!(count, if before == 0 { 0 } else { 7 });
        check_trimmed(&log, before, 300);
    }
}

fn trim_tells_how_many_messages_it_removed(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 0);
    for (before, count) in [(4, 4), (5, 1), (5, 0), (100, 5), (100, 0)] {
        assert_eq!(log.trim(before).unwrap().count, count, "before {before}");
    }
}

fn trim_tells_no_deleted_messages(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 0);
    delete(&log, &[0, 2, 3, 8]);
    assert_eq!(log.trim(5).unwrap().count, 2);
    assert_eq!(log.trim(10).unwrap().count, 4);
    assert_eq!(log.stat().unwrap().messages, 0);
}

fn trim_to_a_deleted_offset_moves_the_start_offset_there(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 0);
    delete(&log, &[4, 5, 6]);
    log.trim(5).unwrap();
    check_bounds(&log, 5, 10);
    assert_eq!(offsets_from(&log, Start::At(5)), [7, 8, 9]);
    assert_fails!(log.get(Start::At(5)), Error::NotFound);
    assert!(log.get(Start::At(4)).unwrap_err().is_trimmed());
}

fn trim_past_deleted_newest_messages_reaches_the_next_offset(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 0);
    delete(&log, &[8, 9]);
    assert_eq!(log.trim(u64::MAX).unwrap().count, 8);
    check_trimmed(&log, 10, 10);
    assert_eq!(publish_one(&log, NewMessage::value(b"10")), 10);
}

fn trim_leaves_the_next_offset(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 7);
    assert_eq!(log.next_offset().unwrap(), 10);
    assert_eq!(log.consume(Start::Newest, 10).unwrap().next_offset, 10);
    assert_eq!(log.publish(&[]).unwrap(), 10);
}

fn trim_leaves_the_epoch(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 7);
    log.trim(10).unwrap();
    assert_eq!(log.stat().unwrap().epoch, 0);
}

fn trim_leaves_the_content_of_the_others(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let headers = [(&b"name"[..], &b"header"[..])];
    let value = [7; 3000];
    for place in 0..20 {
        let message = NewMessage {
            headers: &headers[..place % 2],
            ..NewMessage::new(b"key", &value[..place * 150])
        };
        publish_one(&log, message);
    }
    let before = all(&log);
    log.trim(11).unwrap();
    assert_eq!(all(&log), before[11..]);
}

/// Storage is freed by whole segments: how much of it, only the log knows.
fn trim_frees_no_more_than_there_was(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    for _ in 0..100 {
        publish_one(&log, NewMessage::new(b"key", &[7; 1000]));
    }
    let mut before = log.stat().unwrap().size;
    for offset in [10, 50, 90, 99, 100] {
        let trimmed = log.trim(offset).unwrap();
        let after = log.stat().unwrap().size;
        assert!(trimmed.size <= before, "{trimmed:?} of {before}");
        assert!(after <= before, "from {before} to {after}");
        before = after;
    }
}

fn trim_lowers_the_count_of_messages(new: Factory<'_>) {
    let log = trimmed_to(new, 20, 0);
    for (before, left) in [(1, 19), (1, 19), (15, 5), (3, 5), (20, 0)] {
        log.trim(before).unwrap();
        assert_eq!(log.stat().unwrap().messages, left, "before {before}");
    }
}

fn consume_below_the_start_offset_is_out_of_range_and_trimmed(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 4);
    for asked in 0..4 {
        for max_count in [0, 1, 10] {
            match log.consume(Start::At(asked), max_count) {
                Err(
                    error @ Error::OffsetOutOfRange {
                        start: 4, next: 10, ..
                    },
                ) => assert!(error.is_trimmed(), "{error:?}"),
                other => panic!("consuming at {asked}, which was trimmed, gives {other:?}"),
            }
        }
    }
    let beyond = log.consume(Start::At(11), 1).expect_err("beyond the end");
    assert!(!beyond.is_trimmed());
}

fn consume_at_the_start_offset_begins_there(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 4);
    assert_eq!(offsets_from(&log, Start::At(4)), [4, 5, 6, 7, 8, 9]);
    log.trim(10).unwrap();
    let batch = log.consume(Start::At(10), 5).unwrap();
    assert_eq!((batch.messages.len(), batch.next_offset), (0, 10));
}

fn consume_oldest_after_a_trim_begins_at_the_start_offset(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 4);
    for max_count in 1..8 {
        let batch = drain(&log, Start::Oldest, max_count);
        assert_eq!(offsets(&batch.messages), [4, 5, 6, 7, 8, 9]);
    }
}

fn consume_last_n_after_a_trim_counts_what_is_left(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 7);
    assert_eq!(offsets_from(&log, Start::Last(2)), [8, 9]);
    for count in [3, 4, 10, u64::MAX] {
        assert_eq!(offsets_from(&log, Start::Last(count)), [7, 8, 9], "last {count}");
    }
}

fn consume_of_a_trimmed_log_reaches_the_end_from_every_start(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_times(&log, &[1, 2, 3]);
    log.trim(3).unwrap();
    let starts = [
        Start::Oldest,
        Start::Newest,
        Start::At(3),
        Start::Time(us(2)),
        Start::Last(2),
    ];
    for from in starts {
        for max_count in [0, 10] {
            let batch = log.consume(from, max_count).unwrap();
            assert_eq!((batch.messages.len(), batch.next_offset), (0, 3), "{from:?}");
        }
        assert_eq!(drain_by_key(&log, b"", from, 10).next_offset, 3, "{from:?}");
    }
}

fn get_below_the_start_offset_is_out_of_range_and_trimmed(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 4);
    for asked in 0..4 {
        match log.get(Start::At(asked)) {
            Err(
                error @ Error::OffsetOutOfRange {
                    start: 4, next: 10, ..
                },
            ) => {
                assert!(error.is_trimmed(), "{error:?}");
            }
            other => panic!("getting {asked}, which was trimmed, gives {other:?}"),
        }
    }
    assert_eq!(log.get(Start::At(4)).unwrap().offset, 4);
}

fn get_of_a_log_trimmed_to_its_end_is_not_found(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 10);
    for at in [
        Start::Oldest,
        Start::Newest,
        Start::Last(1),
        Start::Last(u64::MAX),
    ] {
        assert_fails!(log.get(at), Error::NotFound);
    }
    assert!(log.get(Start::At(9)).unwrap_err().is_trimmed());
    assert!(!log.get(Start::At(10)).unwrap_err().is_trimmed());
}

fn get_oldest_after_a_trim_is_the_first_that_is_left(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 4);
    assert_eq!(log.get(Start::Oldest).unwrap().offset, 4);
    assert_eq!(log.get(Start::Newest).unwrap().offset, 9);
    delete(&log, &[4, 5]);
    assert_eq!(log.get(Start::Oldest).unwrap().offset, 6);
}

fn get_last_n_after_a_trim_stops_at_the_first_that_is_left(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 7);
    for (count, offset) in [(1, 9), (3, 7), (4, 7), (10, 7), (u64::MAX, 7)] {
        assert_eq!(log.get(Start::Last(count)).unwrap().offset, offset, "{count}");
    }
}

fn a_key_that_was_trimmed_is_not_found(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "b", "a", "c"]);
    log.trim(3).unwrap();
    for key in [b"a", b"b"] {
        assert_fails!(log.get_by_key(key), Error::NotFound);
        assert_fails!(log.offset_by_key(key), Error::NotFound);
    }
    assert_eq!(log.offset_by_key(b"c").unwrap(), 3);
    publish_keys(&log, &["a"]);
    assert_eq!(log.offset_by_key(b"a").unwrap(), 4);
}

fn a_key_that_was_partly_trimmed_is_found(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "a", "a"]);
    log.trim(2).unwrap();
    assert_eq!(log.offset_by_key(b"a").unwrap(), 2);
    log.trim(3).unwrap();
    assert_fails!(log.offset_by_key(b"a"), Error::NotFound);
}

fn consume_by_key_after_a_trim_gives_what_is_left(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "b", "a", "b", "a", "b"]);
    log.trim(3).unwrap();
    assert_eq!(key_offsets_from(&log, b"a", Start::Oldest), [4]);
    assert_eq!(key_offsets_from(&log, b"b", Start::Oldest), [3, 5]);
    assert_eq!(key_offsets_from(&log, b"b", Start::Last(100)), [3, 5]);
    assert_eq!(key_offsets_from(&log, b"a", Start::At(3)), [4]);
}

fn consume_by_key_below_the_start_offset_is_out_of_range(new: Factory<'_>) {
    let log = new(Setup::KEYS);
    publish_keys(&log, &["a", "b", "a"]);
    log.trim(2).unwrap();
    for (key, max_count) in [(b"a", 10), (b"b", 10), (b"c", 10), (b"a", 0)] {
        let error = log
            .consume_by_key(key, Start::At(1), max_count)
            .expect_err("trimmed");
        assert!(error.is_trimmed(), "{error:?}");
    }
}

fn a_time_that_was_trimmed_leads_to_the_first_that_is_left(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    publish_times(&log, &[10, 20, 30, 40]);
    log.trim(2).unwrap();
    for (time, offset) in [(i64::MIN, 2), (10, 2), (20, 2), (30, 2), (31, 3)] {
        assert_eq!(
            log.get_by_time(us(time)).unwrap().offset,
            offset,
            "by time {time}"
        );
        assert_eq!(offsets_from(&log, Start::Time(us(time))).first(), Some(&offset));
    }
}

fn a_time_lookup_forgets_the_times_of_trimmed_messages(new: Factory<'_>) {
    let log = new(Setup::TIMES);
    publish_times(&log, &[100, 90, 10, 20, 30]);
    log.trim(2).unwrap();
    for (time, offset) in [(5, 2), (10, 2), (15, 3), (25, 4)] {
        assert_eq!(
            log.get_by_time(us(time)).unwrap().offset,
            offset,
            "by time {time}"
        );
    }
    assert_fails!(log.get_by_time(us(31)), Error::NotFound);
    publish_times(&log, &[40]);
    assert_eq!(log.offset_by_time(us(31)).unwrap(), (5, us(40)));
    log.trim(6).unwrap();
    assert_fails!(log.get_by_time(us(0)), Error::NotFound);
    publish_times(&log, &[3]);
    assert_eq!(log.offset_by_time(us(2)).unwrap(), (6, us(3)));
}

fn publishing_after_a_trim_goes_on_at_the_next_offset(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    for round in 0..30 {
        publish_numbers(&log, round * 10..round * 10 + 10);
        log.trim(round * 9).unwrap();
        check_trimmed(&log, round * 9, round * 10 + 10);
    }
}

fn a_log_trimmed_to_its_end_can_be_published_to(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 10);
    publish_numbers(&log, 10..13);
    check_trimmed(&log, 10, 13);
    assert_eq!(log.get(Start::Oldest).unwrap().offset, 10);
}

fn a_log_can_be_trimmed_to_its_end_many_times(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    let mut end = 0;
    for count in (1..8).cycle().take(40) {
        publish_numbers(&log, end..end + count);
        end += count;
        assert_eq!(log.trim(end).unwrap().count, count);
        check_bounds(&log, end, end);
        assert_eq!(all(&log), []);
    }
}

fn an_expected_offset_is_that_after_a_trim(new: Factory<'_>) {
    let log = trimmed_to(new, 5, 5);
    let message = [NewMessage::value(b"5")];
    assert_fails!(
        log.publish_with(&message, &PublishOptions::new().expect_next_offset(0)),
        Error::OffsetMismatch { actual: 5, .. }
    );
    let how = PublishOptions::new().expect_next_offset(5);
    assert_eq!(log.publish_with(&message, &how).unwrap(), 6);
}

fn messages_read_before_their_trim_stay_valid(new: Factory<'_>) {
    let log = trimmed_to(new, 500, 0);
    let held = all(&log);
    log.trim(500).unwrap();
    log.gc(Duration::ZERO).unwrap();
    publish_numbers(&log, 500..1000);
    log.close().unwrap();
    drop(log);
    assert!(held.iter().zip(0..500).all(|(m, offset)| number(m) == offset));
}

fn sync_after_a_trim_reaches_the_next_offset(new: Factory<'_>) {
    let log = trimmed_to(new, 10, 4);
    assert_eq!(log.sync().unwrap(), 10);
    log.trim(10).unwrap();
    assert_eq!(log.sync().unwrap(), 10);
    assert_eq!(log.stat().unwrap().synced_offset, 10);
}

fn retention_without_a_policy_keeps_everything(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    publish_times(&log, &[i64::MIN, 0, 1]);
    for dry_run in [true, false] {
        assert_eq!(log.apply_retention(dry_run).unwrap(), Trimmed::default());
    }
    assert_eq!(offsets(&all(&log)), [0, 1, 2]);
}

fn trim_after_close_is_closed(new: Factory<'_>) {
    let log = trimmed_to(new, 5, 2);
    log.close().unwrap();
    for before in [0, 3, u64::MAX] {
        assert_fails!(log.trim(before), Error::Closed);
    }
}

fn retention_and_backup_after_close_are_closed(new: Factory<'_>) {
    let log = trimmed_to(new, 5, 2);
    log.close().unwrap();
    assert_fails!(log.apply_retention(true), Error::Closed);
    assert_fails!(log.apply_retention(false), Error::Closed);
    assert_fails!(log.backup(Path::new("no-such-place")), Error::Closed);
}
