//! A log with one flaw each in what it makes of tokens, control records, producers, policies or limits of reading.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use duramen::testing::Setup;
use duramen::{
    Ack, BackupReport, Batch, Changes, Deleted, Error, Log, MemoryLog, Message, NewMessage, Place, Position,
    PublishOptions, ReadBatch, ReadOptions, Result, Start, Stats, Stop, Timestamp, TimestampPolicy, Token,
    Trimmed,
};

use super::{check_found, run_light};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// No flaw: it does not tell of its changes, which a log need not.
    NoneButSilent,
    FenceIgnored,
    SealIgnored,
    DuplicateWrittenTwice,
    OldSequencePublished,
    DuplicateTellsTheOldTail,
    KeyMismatchIgnored,
    TokenNotRequired,
    TokenGoesWithATrim,
    PolicyIgnored,
    OptionsDropped,
    EmptyBatchUnchecked,
    UntilIsInclusive,
    MaxBytesNotStrict,
    FilterDoesNotMove,
    FilterCounted,
    ClampIgnored,
    LimitOf0ChecksTheStart,
    ControlRecordsCounted,
    ControlRecordsShownUnasked,
    ControlRecordsNeverShown,
    SealIsNoEnd,
    SyncsForWaiting,
    TailIsThatOfTheLastMessage,
}

struct Flawed {
    log: MemoryLog,
    flaw: Flaw,
}

impl Flawed {
    fn new(setup: Setup, flaw: Flaw) -> Flawed {
        let options = match flaw {
            Flaw::TokenNotRequired => setup.options().require_token(false),
            Flaw::PolicyIgnored => setup.options().timestamps(TimestampPolicy::AsGiven),
            _ => setup.options(),
        };
        Flawed {
            log: MemoryLog::with_options(&options),
            flaw,
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// Publishes as if nothing had been asked for.
    fn plainly(&self, messages: &[NewMessage<'_>]) -> Result<Ack> {
        self.log.append(messages, &PublishOptions::new())
    }
}

impl Log for Flawed {
    fn publish_with(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<u64> {
        if self.has(Flaw::OptionsDropped) {
            let mut plain = PublishOptions::new().sync(how.is_sync());
            if let Some(offset) = how.expected_next_offset() {
                plain = plain.expect_next_offset(offset);
            }
            return self.log.publish_with(messages, &plain);
        }
        let ack = self.append(messages, how)?;
        Ok(if ack.is_duplicate { ack.tail } else { ack.end }.offset)
    }

    fn append(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<Ack> {
        match (self.flaw, self.log.append(messages, how)) {
            (Flaw::FenceIgnored, Err(Error::Fenced { .. }))
            | (Flaw::OldSequencePublished, Err(Error::OutOfSequence { .. }))
            | (Flaw::KeyMismatchIgnored, Err(Error::KeyMismatch { .. })) => self.plainly(messages),
            (Flaw::SealIgnored, Err(Error::Sealed)) => {
                self.log.unseal()?;
                self.log.append(messages, how)
            }
            (Flaw::DuplicateWrittenTwice, Ok(ack)) if ack.is_duplicate => self.plainly(messages),
            (Flaw::DuplicateTellsTheOldTail, Ok(ack)) if ack.is_duplicate => {
                Ok(Ack::new(ack.start, ack.end, ack.end).duplicate())
            }
            (Flaw::EmptyBatchUnchecked, Err(Error::Fenced { .. } | Error::Sealed)) if messages.is_empty() => {
                self.log.tail().map(Ack::of_nothing)
            }
            (_, result) => result,
        }
    }

    fn read(&self, from: Start, how: &ReadOptions) -> Result<ReadBatch> {
        let how = match self.flaw {
            Flaw::ClampIgnored => how.clone().clamp(false),
            Flaw::ControlRecordsShownUnasked => how.clone().control(true),
            Flaw::ControlRecordsNeverShown => how.clone().control(false),
            _ => how.clone(),
        };
        if self.has(Flaw::LimitOf0ChecksTheStart) {
            self.log.consume(from, 0)?;
        }
        let mut batch = self.log.read(from, &how)?;
        let is_more = match self.flaw {
            Flaw::UntilIsInclusive => batch.stopped == Stop::Until,
            Flaw::MaxBytesNotStrict => batch.stopped == Stop::Bytes,
            _ => false,
        };
        if is_more {
            let next = self.log.consume(Start::At(batch.next_offset), 1)?;
            batch.next_offset = next.next_offset;
            batch.messages.extend(next.messages);
        }
        match (self.flaw, from) {
            (Flaw::FilterDoesNotMove, Start::At(begin)) => {
                batch.next_offset = batch.messages.last().map_or(begin, |last| last.offset + 1);
            }
            (Flaw::FilterDoesNotMove, _) => {
                batch.next_offset = batch.messages.last().map_or(0, |last| last.offset + 1);
            }
            (Flaw::FilterCounted, _) if batch.stopped == Stop::Count => {
                batch.messages.truncate(batch.messages.len() / 2);
            }
            (Flaw::SealIsNoEnd, _) if batch.stopped == Stop::Sealed => batch.stopped = Stop::AtEnd,
            _ => {}
        }
        Ok(batch)
    }

    fn tail(&self) -> Result<Place> {
        let mut tail = self.log.tail()?;
        if self.has(Flaw::TailIsThatOfTheLastMessage) {
            tail.time = self
                .log
                .get(Start::Newest)
                .map_or(Timestamp::default(), |newest| newest.time);
        }
        Ok(tail)
    }

    fn token(&self) -> Result<Token> {
        if self.has(Flaw::TokenGoesWithATrim) && self.log.start_offset()? > 0 {
            return Ok(Token::EMPTY);
        }
        self.log.token()
    }

    fn is_sealed(&self) -> Result<bool> {
        self.log.is_sealed()
    }

    fn wait_synced(&self, offset: u64, timeout: Option<Duration>) -> Result<u64> {
        match self.flaw {
            Flaw::SyncsForWaiting => self.log.sync(),
            _ => self.log.wait_synced(offset, timeout),
        }
    }

    fn start_offset(&self) -> Result<u64> {
        self.log.start_offset()
    }

    fn next_offset(&self) -> Result<u64> {
        self.log.next_offset()
    }

    fn position(&self) -> Result<Position> {
        self.log.position()
    }

    fn resume(&self, position: Position) -> Result<Start> {
        self.log.resume(position)
    }

    fn consume(&self, from: Start, max_count: usize) -> Result<Batch> {
        self.log.consume(from, max_count)
    }

    fn consume_by_key(&self, key: &[u8], from: Start, max_count: usize) -> Result<Batch> {
        self.log.consume_by_key(key, from, max_count)
    }

    fn get(&self, at: Start) -> Result<Message> {
        self.log.get(at)
    }

    fn get_by_key(&self, key: &[u8]) -> Result<Message> {
        self.log.get_by_key(key)
    }

    fn get_by_time(&self, start: Timestamp) -> Result<Message> {
        self.log.get_by_time(start)
    }

    fn size(&self, message: &NewMessage<'_>) -> u64 {
        self.log.size(message)
    }

    fn stat(&self) -> Result<Stats> {
        let mut stat = self.log.stat()?;
        if self.has(Flaw::ControlRecordsCounted) {
            stat.messages = stat.next_offset - stat.start_offset;
        }
        Ok(stat)
    }

    fn delete(&self, named: &BTreeSet<u64>) -> Result<Deleted> {
        self.log.delete(named)
    }

    fn trim(&self, before: u64) -> Result<Trimmed> {
        self.log.trim(before)
    }

    fn backup(&self, dir: &Path) -> Result<BackupReport> {
        self.log.backup(dir)
    }

    fn sync(&self) -> Result<u64> {
        self.log.sync()
    }

    fn gc(&self, unused_for: Duration) -> Result<()> {
        self.log.gc(unused_for)
    }

    fn close(&self) -> Result<()> {
        self.log.close()
    }

    fn changes(&self) -> Option<&Changes> {
        self.log.changes().filter(|_| !self.has(Flaw::NoneButSilent))
    }
}

/// A log in memory that does not tell of its changes.
pub(crate) fn silent_log(setup: Setup) -> Box<dyn Log> {
    Box::new(Flawed::new(setup, Flaw::NoneButSilent))
}

#[test]
fn a_log_that_does_not_tell_of_its_changes_keeps_the_contract() {
    let report = run_light(&silent_log);
    assert!(report.is_ok(), "{report}");
}

/// Each flaw, and some of the cases that must find it: all of these.
const FLAWS: &[(Flaw, &[&str])] = &[
    (
        Flaw::FenceIgnored,
        &[
            "a_publish_with_another_token_is_fenced",
            "of_threads_that_fence_with_the_same_token_one_wins",
            "random_publishes_under_conditions_agree_with_a_model",
        ],
    ),
    (
        Flaw::SealIgnored,
        &[
            "a_sealed_log_refuses_every_publish",
            "of_threads_that_seal_one_succeeds",
        ],
    ),
    (
        Flaw::DuplicateWrittenTwice,
        &[
            "a_repeated_sequence_gives_the_first_ack_and_writes_nothing",
            "of_threads_that_publish_the_same_sequence_one_writes",
            "producers_that_repeat_everything_write_everything_once",
        ],
    ),
    (
        Flaw::OldSequencePublished,
        &["what_was_before_the_last_64_batches_is_out_of_sequence"],
    ),
    (
        Flaw::DuplicateTellsTheOldTail,
        &["a_repeated_sequence_tells_the_tail_of_now"],
    ),
    (
        Flaw::KeyMismatchIgnored,
        &[
            "expecting_another_offset_of_a_key_is_a_mismatch",
            "of_threads_that_expect_the_same_of_a_key_one_wins",
        ],
    ),
    (
        Flaw::TokenNotRequired,
        &[
            "a_log_that_requires_a_token_refuses_every_publish_without",
            "random_publishes_to_a_log_that_requires_tokens_agree_with_a_model",
        ],
    ),
    (
        Flaw::TokenGoesWithATrim,
        &["the_token_outlives_a_trim_of_its_record"],
    ),
    (
        Flaw::PolicyIgnored,
        &[
            "client_prefer_caps_at_the_clock_and_raises_to_the_latest",
            "client_require_refuses_a_batch_with_a_message_without_time",
            "arrival_takes_the_clock_whatever_is_given",
        ],
    ),
    (
        Flaw::OptionsDropped,
        &[
            "publish_with_checks_the_token",
            "a_fence_by_publish_with_is_a_fence",
            "a_seal_by_publish_with_is_a_seal",
            "a_trim_control_by_publish_with_trims",
            "publish_with_checks_the_expected_key",
            "a_repeated_sequence_through_publish_with_is_written_once",
            "control_through_a_box_is_that_of_the_log",
        ],
    ),
    (
        Flaw::EmptyBatchUnchecked,
        &[
            "an_empty_batch_checks_the_token",
            "a_sealed_log_refuses_an_empty_batch",
        ],
    ),
    (
        Flaw::UntilIsInclusive,
        &["until_offset_is_exclusive", "until_time_is_exclusive"],
    ),
    (
        Flaw::MaxBytesNotStrict,
        &[
            "max_bytes_of_exactly_two_gives_two",
            "max_bytes_of_less_than_the_first_gives_none_and_stays",
        ],
    ),
    (
        Flaw::FilterDoesNotMove,
        &[
            "a_filter_moves_next_offset_past_what_it_leaves_out",
            "a_filter_that_nothing_passes_moves_to_the_end",
        ],
    ),
    (
        Flaw::FilterCounted,
        &["what_a_filter_leaves_out_counts_towards_no_count"],
    ),
    (
        Flaw::ClampIgnored,
        &["clamp_begins_at_the_end_when_the_start_is_beyond_it"],
    ),
    (
        Flaw::LimitOf0ChecksTheStart,
        &[
            "a_limit_of_0_beyond_the_end_is_no_error",
            "a_limit_of_0_below_the_start_offset_is_no_error",
            "a_limit_of_0_looks_at_no_index_and_no_times",
        ],
    ),
    (
        Flaw::ControlRecordsCounted,
        &[
            "a_control_record_is_not_counted_by_stat",
            "a_log_of_control_records_alone_has_no_messages",
        ],
    ),
    (
        Flaw::ControlRecordsShownUnasked,
        &["a_read_shows_no_control_records_unasked"],
    ),
    (
        Flaw::ControlRecordsNeverShown,
        &[
            "a_read_shows_control_records_when_asked",
            "control_records_are_taken_in_order",
        ],
    ),
    (
        Flaw::SealIsNoEnd,
        &["a_read_of_a_sealed_log_stops_with_sealed_at_its_end"],
    ),
    (
        Flaw::SyncsForWaiting,
        &[
            "wait_synced_ends_with_its_timeout",
            "wait_synced_waits_for_all_of_the_offset",
        ],
    ),
    (
        Flaw::TailIsThatOfTheLastMessage,
        &[
            "tail_behind_a_control_record_has_its_time",
            "tail_keeps_the_time_of_a_last_message_that_was_deleted",
        ],
    ),
];

#[test]
fn the_suite_finds_every_flaw_of_control_and_reading() {
    check_found(FLAWS, |setup, flaw| Box::new(Flawed::new(setup, flaw)));
}
