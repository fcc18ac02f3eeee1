use std::path::Path;
use std::time::Duration;

use super::support::{
    all, assert_fails, delete, number, offsets, offsets_from, publish_numbers, publish_one, publish_times,
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

/// Checks that the log holds exactly the numbers from the start offset on.
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
        let message = NewMessage::new(b"key", &value[..place * 150]).headers(&headers[..place % 2]);
        publish_one(&log, message);
    }
    let before = all(&log);
    log.trim(11).unwrap();
    assert_eq!(all(&log), before[11..]);
}

/// Storage is freed by whole segments, so only the log knows how much. Indexes of the remaining
/// messages may be written meanwhile; they are small compared with messages of this size.
fn trim_frees_no_more_than_there_was(new: Factory<'_>) {
    let log = new(Setup::INDEXED);
    for _ in 0..100 {
        publish_one(&log, NewMessage::new(b"key", &[7; 1000]));
    }
    let mut before = log.stat().unwrap().size;
    for offset in [10, 50, 90, 99, 100] {
        let trimmed = log.trim(offset).unwrap();
        let after = log.stat().unwrap().size;
        assert!(
            after + trimmed.size <= before + before / 4,
            "{trimmed:?}, from {before} to {after}"
        );
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
