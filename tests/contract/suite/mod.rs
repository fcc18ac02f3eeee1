//! Holds the implementations of `Log` against the contract's test-suite, and the suite against logs that break it.

mod counted;
mod files;
mod flawed;
mod flawed_control;
mod partitions;
mod required;
mod unsealed;
mod wrapped;

use std::sync::Arc;

use duramen::testing::{self, Report, Setup};
use duramen::{Log, MemoryLog, NewMessage, Place, Timestamp};
use flawed::{Flaw, Flawed};
pub(crate) use flawed_control::silent_log;

fn memory(setup: Setup) -> MemoryLog {
    MemoryLog::with_options(&setup.options())
}

const M: NewMessage<'static> = NewMessage::value(b"m");

fn us(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn place(offset: u64, micros: i64) -> Place {
    Place {
        offset,
        time: us(micros),
    }
}

/// Every case but the heavy ones.
fn run_light(new: testing::Factory<'_>) -> Report {
    testing::run_where(new, |case| !case.heavy)
}

#[test]
fn memory_log_keeps_the_contract() {
    let report = testing::run_all(&|setup| Box::new(memory(setup)));
    assert!(report.is_ok(), "{report}");
    assert!(report.passed.len() >= 120 && report.skipped.is_empty());
}

#[test]
fn a_box_of_a_box_keeps_the_contract() {
    let report = run_light(&|setup| {
        let boxed: Box<dyn Log> = Box::new(memory(setup));
        Box::new(boxed)
    });
    assert!(report.is_ok(), "{report}");
}

#[test]
fn an_arc_keeps_the_contract() {
    let report = run_light(&|setup| Box::new(Arc::new(memory(setup))));
    assert!(report.is_ok(), "{report}");
}

/// The suite must leave a log every freedom that the trait gives, or it will be in the way of the file log.
#[test]
fn a_log_that_returns_little_at_a_time_keeps_the_contract() {
    let report = run_light(&|setup| Box::new(Flawed::new(setup, Flaw::NoneButLittleAtATime)));
    assert!(report.is_ok(), "{report}");
}

/// Each flaw, and some of the cases that must find it: all of these.
const FLAWS: &[(Flaw, &[&str])] = &[
    (
        Flaw::NextOffsetBeyondTheEnd,
        &["consume_at_next_offset_gives_no_messages_and_the_same_offset"],
    ),
    (
        Flaw::NextOffsetStaysBeforeTheEnd,
        &["going_on_at_next_offset_reads_every_message_once"],
    ),
    (
        Flaw::EmptyValueIsAbsent,
        &[
            "an_empty_value_is_read_back_as_empty",
            "absent_and_empty_are_told_apart_in_one_batch",
        ],
    ),
    (
        Flaw::EmptyKeyIsAbsent,
        &["the_empty_key_is_a_key", "an_empty_key_is_read_back_as_empty"],
    ),
    (
        Flaw::ExpectationIgnored,
        &[
            "an_expected_offset_that_is_taken_is_a_mismatch",
            "of_two_publishers_that_expect_the_same_offset_one_wins",
        ],
    ),
    (
        Flaw::ExpectationOfEmptyBatchIgnored,
        &["an_empty_batch_at_another_offset_is_a_mismatch"],
    ),
    (
        Flaw::ExpectationCheckedTooEarly,
        &["of_two_publishers_that_expect_the_same_offset_one_wins"],
    ),
    (
        Flaw::KeyFilterIgnoresStart,
        &["consume_by_key_at_an_offset_begins_there"],
    ),
    (
        Flaw::KeyFilterForgetsTombstones,
        &["consume_by_key_gives_tombstones"],
    ),
    (
        Flaw::OwnTimeForRunningMaximum,
        &["get_by_time_goes_by_the_running_maximum"],
    ),
    (
        Flaw::NegativeTimesLost,
        &[
            "times_may_be_negative",
            "times_may_be_the_earliest_and_the_latest",
        ],
    ),
    (
        Flaw::ChangesNeverTold,
        &["a_publish_wakes_those_who_wait", "close_wakes_those_who_wait"],
    ),
    (
        Flaw::CloseForgotten,
        &["publish_after_close_is_closed", "close_can_be_repeated"],
    ),
    (
        Flaw::AtOrOldestIsAt,
        &[
            "consume_at_or_oldest_below_the_start_offset_begins_there",
            "get_at_or_oldest_below_the_start_offset_is_the_first_that_is_left",
            "read_at_or_oldest_is_as_consume",
        ],
    ),
    (
        Flaw::LastIsOneTooMany,
        &[
            "consume_last_n_gives_the_last_n_messages",
            "get_last_n_is_the_nth_message_from_the_end",
        ],
    ),
    (
        Flaw::BatchIsNotAtomic,
        &[
            "batches_of_different_threads_do_not_mix",
            "a_reader_sees_whole_batches_only",
            "one_message_that_is_too_large_refuses_the_whole_batch",
        ],
    ),
    (
        Flaw::BeyondTheEndIsEmpty,
        &["consume_beyond_the_next_offset_is_out_of_range"],
    ),
    (
        Flaw::HeadersWithoutRepeats,
        &["header_names_may_repeat", "a_header_may_be_empty_altogether"],
    ),
    (
        Flaw::PanicsOnHugeCount,
        &[
            "consume_last_u64_max_gives_all",
            "get_last_n_of_fewer_is_the_first_message",
        ],
    ),
    (
        Flaw::LimitOneByteTooLow,
        &["a_value_of_exactly_64_mib_is_published"],
    ),
    (
        Flaw::DeletesTheFirstOnly,
        &[
            "delete_removes_every_named_message_and_no_other",
            "delete_of_messages_far_apart_removes_all_of_them",
        ],
    ),
    (
        Flaw::DeleteLosesARace,
        &["delete_while_others_publish_removes_every_named_message"],
    ),
    (
        Flaw::DeleteCountsWhatIsNamed,
        &["delete_tells_no_more_than_the_messages_that_existed"],
    ),
    (
        Flaw::DeleteSomeForgetsTheRest,
        &["delete_some_removes_what_it_takes_out"],
    ),
    (Flaw::DeleteSomeTakesOutFirst, &["delete_after_close_is_closed"]),
    (Flaw::DeleteMovesTheStart, &["delete_leaves_the_start_offset"]),
    (Flaw::DeletedIsTrimmed, &["get_at_a_deleted_offset_is_not_found"]),
    (
        Flaw::NextOffsetAfterTheLastMessage,
        &["delete_leaves_the_next_offset"],
    ),
    (
        Flaw::LastCountsOffsets,
        &[
            "consume_last_n_counts_messages_and_not_offsets",
            "get_last_n_counts_messages_and_not_offsets",
        ],
    ),
    (
        Flaw::KeyGoesWithItsLast,
        &["get_by_key_after_the_delete_of_the_last_is_the_one_before"],
    ),
    (
        Flaw::TimesOfTheDeletedCount,
        &["get_by_time_forgets_the_time_of_a_deleted_message"],
    ),
    (
        Flaw::TrimTakesAnyOffset,
        &[
            "trim_back_removes_nothing_and_moves_nothing",
            "trim_beyond_the_next_offset_stops_there",
        ],
    ),
    (Flaw::TrimLeavesAFew, &["trim_moves_the_start_offset"]),
    (Flaw::TrimCountsOffsets, &["trim_tells_no_deleted_messages"]),
    (
        Flaw::PositionsAreOffsets,
        &[
            "positions_of_two_logs_are_of_two_lives",
            "resume_of_a_position_of_another_log_is_epoch_changed",
            "resume_of_an_unknown_life_is_epoch_changed",
        ],
    ),
    (
        Flaw::TrimmedIsPassedOver,
        &["consume_below_the_start_offset_is_out_of_range_and_trimmed"],
    ),
];

/// Fails if one of these cases does not find its flaw.
fn check_found<F: Copy + std::fmt::Debug>(flaws: &[(F, &[&str])], new: impl Fn(Setup, F) -> Box<dyn Log>) {
    for (flaw, finders) in flaws {
        let report = testing::run_where(&|setup| new(setup, *flaw), |case| finders.contains(&case.name));
        let passed = &report.passed;
        assert!(
            passed.is_empty() && report.failed.len() == finders.len(),
            "{flaw:?} passes {passed:?}"
        );
    }
}

#[test]
fn the_suite_finds_every_flaw() {
    check_found(FLAWS, |setup, flaw| Box::new(Flawed::new(setup, flaw)));
}

#[test]
fn a_report_names_what_failed_and_why() {
    let report = testing::run_where(
        &|setup| Box::new(Flawed::new(setup, Flaw::CloseForgotten)),
        |case| case.name == "stat_after_close_is_closed",
    );
    assert!(!report.is_ok());
    assert_eq!(report.skipped.len() + 1, testing::cases().len());
    let text = report.to_string();
    assert!(text.starts_with("FAILED stat_after_close_is_closed\n"), "{text}");
    assert!(
        text.contains("should fail with Error::Closed, but it succeeded"),
        "{text}"
    );
    assert!(text.contains("0 cases passed, 1 failed"), "{text}");
}
