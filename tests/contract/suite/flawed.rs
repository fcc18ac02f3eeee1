//! A log with one flaw each, to see that the suite finds it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use duramen::testing::Setup;
use duramen::{
    Ack, BackupReport, Batch, Changes, Deleted, Error, Headers, LifeId, Log, MESSAGE_SIZE_MAX, MemoryLog,
    Message, NewMessage, Place, Position, PublishOptions, ReadBatch, ReadOptions, Result, Start, Stats, Stop,
    Timestamp, Token, Trimmed,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// No flaw: it returns at most two messages at a time and may return none, as a log is free to.
    NoneButLittleAtATime,
    NextOffsetBeyondTheEnd,
    NextOffsetStaysBeforeTheEnd,
    EmptyValueIsAbsent,
    EmptyKeyIsAbsent,
    ExpectationIgnored,
    ExpectationOfEmptyBatchIgnored,
    ExpectationCheckedTooEarly,
    KeyFilterIgnoresStart,
    KeyFilterForgetsTombstones,
    OwnTimeForRunningMaximum,
    ChangesNeverTold,
    NegativeTimesLost,
    CloseForgotten,
    LastIsOneTooMany,
    AtOrOldestIsAt,
    BatchIsNotAtomic,
    BeyondTheEndIsEmpty,
    HeadersWithoutRepeats,
    PanicsOnHugeCount,
    LimitOneByteTooLow,
    DeletesTheFirstOnly,
    DeleteLosesARace,
    DeleteCountsWhatIsNamed,
    DeleteSomeForgetsTheRest,
    DeleteSomeTakesOutFirst,
    DeleteMovesTheStart,
    DeletedIsTrimmed,
    NextOffsetAfterTheLastMessage,
    LastCountsOffsets,
    KeyGoesWithItsLast,
    TimesOfTheDeletedCount,
    TrimTakesAnyOffset,
    TrimLeavesAFew,
    TrimCountsOffsets,
    TrimmedIsPassedOver,
    PositionsAreOffsets,
}

pub(crate) struct Flawed {
    log: MemoryLog,
    setup: Setup,
    flaw: Flaw,
    /// Everything that was ever published.
    whole: MemoryLog,
    /// Keys whose last message was deleted.
    keys_gone: Mutex<BTreeSet<Vec<u8>>>,
    /// What the last trim asked for.
    trimmed_to: AtomicU64,
    never_told: Changes,
}

impl Flawed {
    pub(crate) fn new(setup: Setup, flaw: Flaw) -> Flawed {
        Flawed {
            log: MemoryLog::with_options(&setup.options()),
            setup,
            flaw,
            whole: MemoryLog::with_options(&setup.options()),
            keys_gone: Mutex::default(),
            trimmed_to: AtomicU64::new(0),
            never_told: Changes::new(),
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn start(&self, start: Start) -> Start {
        match start {
            Start::Last(count) if self.has(Flaw::LastIsOneTooMany) => Start::Last(count.saturating_add(1)),
            Start::Last(count) if self.has(Flaw::PanicsOnHugeCount) => {
                let end = self.log.next_offset().unwrap_or(0);
                Start::At(end.checked_sub(count).expect("as many messages"))
            }
            Start::Last(count) if self.has(Flaw::LastCountsOffsets) => {
                let (start, end) = (self.log.start_offset(), self.log.next_offset());
                Start::At(end.unwrap_or(0).saturating_sub(count).max(start.unwrap_or(0)))
            }
            Start::AtOrOldest(offset) if self.has(Flaw::AtOrOldestIsAt) => Start::At(offset),
            start => start,
        }
    }

    fn read(&self, message: Message) -> Message {
        let message = match self.flaw {
            Flaw::EmptyValueIsAbsent => Message {
                value: message.value.filter(|value| !value.is_empty()),
                ..message
            },
            Flaw::NegativeTimesLost => Message {
                time: message.time.max(Timestamp::from_micros(0)),
                ..message
            },
            _ => message,
        };
        if !self.has(Flaw::HeadersWithoutRepeats) {
            return message;
        }
        let mut pairs = message.headers.as_slice().to_vec();
        pairs.dedup_by_key(|(name, _)| *name);
        let headers = Headers::new(&pairs);
        Message { headers, ..message }
    }

    fn batch(&self, mut batch: Batch, from: Start) -> Batch {
        let end = self.log.next_offset().unwrap_or(0);
        match self.flaw {
            Flaw::NextOffsetBeyondTheEnd if batch.next_offset == end => batch.next_offset += 1,
            Flaw::NextOffsetStaysBeforeTheEnd => {
                if let (Start::At(at), [_, _, ..]) = (from, &batch.messages[..]) {
                    batch.next_offset = at;
                }
            }
            _ => {}
        }
        batch.messages = batch.messages.into_iter().map(|m| self.read(m)).collect();
        batch
    }

    /// What a log is free to return: no match of the key among the next two messages, so none at all, but progress.
    fn little_by_key(&self, key: &[u8], from: Start, max_count: usize) -> Result<Batch> {
        let begin = self.log.consume(from, 0)?.next_offset;
        let some = self.log.consume(Start::At(begin), 2)?;
        let mut matching = some.clone();
        matching.messages.retain(|m| m.key.as_deref() == Some(key));
        matching.messages.truncate(max_count);
        match matching.messages.last() {
            Some(last) => matching.next_offset = last.offset + 1,
            None if max_count == 0 => matching.next_offset = begin,
            None => {}
        }
        Ok(matching)
    }
}

impl Log for Flawed {
    fn publish_with(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<u64> {
        let without_expectation = PublishOptions::new().sync(how.is_sync());
        match self.flaw {
            Flaw::ExpectationIgnored => self.log.publish_with(messages, &without_expectation),
            Flaw::ExpectationOfEmptyBatchIgnored if messages.is_empty() => self.log.publish(&[]),
            Flaw::ExpectationCheckedTooEarly => {
                self.log.publish_with(&[], how)?;
                thread::yield_now();
                self.log.publish_with(messages, &without_expectation)
            }
            // Publishing most of a batch that is to be refused for its size would only take memory.
            Flaw::BatchIsNotAtomic if messages.len() < 30 => {
                let mut next_offset = self.log.publish_with(&[], how)?;
                for (place, message) in messages.iter().enumerate() {
                    next_offset = self.log.publish(std::slice::from_ref(message))?;
                    if place == 2 {
                        thread::yield_now();
                    }
                }
                Ok(next_offset)
            }
            Flaw::EmptyKeyIsAbsent => {
                let mut messages = messages.to_vec();
                for message in &mut messages {
                    message.key = message.key.filter(|key| !key.is_empty());
                }
                self.log.publish_with(&messages, how)
            }
            Flaw::TimesOfTheDeletedCount => {
                self.whole.publish(messages)?;
                self.log.publish_with(messages, how)
            }
            Flaw::LimitOneByteTooLow if messages.iter().any(|m| m.content_size() >= MESSAGE_SIZE_MAX) => {
                Err(Error::TooLarge {
                    index: None,
                    size: MESSAGE_SIZE_MAX,
                    limit: MESSAGE_SIZE_MAX - 1,
                })
            }
            _ => self.log.publish_with(messages, how),
        }
    }

    fn append(&self, messages: &[NewMessage<'_>], how: &PublishOptions<'_>) -> Result<Ack> {
        self.log.append(messages, how)
    }

    fn read(&self, from: Start, how: &ReadOptions) -> Result<ReadBatch> {
        let mut batch = self.log.read(self.start(from), how)?;
        if self.has(Flaw::NoneButLittleAtATime) && batch.messages.len() + batch.controls.len() > 2 {
            let messages = batch.messages.iter().map(|message| message.offset);
            let offsets = messages.chain(batch.controls.iter().map(|record| record.offset));
            let behind = offsets
                .collect::<BTreeSet<u64>>()
                .into_iter()
                .nth(2)
                .expect("more than two");
            batch.messages.retain(|message| message.offset < behind);
            batch.controls.retain(|record| record.offset < behind);
            batch.next_offset = behind;
            batch.stopped = Stop::More;
        }
        Ok(batch)
    }

    fn tail(&self) -> Result<Place> {
        self.log.tail()
    }

    fn token(&self) -> Result<Token> {
        self.log.token()
    }

    fn is_sealed(&self) -> Result<bool> {
        self.log.is_sealed()
    }

    fn wait_synced(&self, offset: u64, timeout: Option<Duration>) -> Result<u64> {
        self.log.wait_synced(offset, timeout)
    }

    fn start_offset(&self) -> Result<u64> {
        match self.flaw {
            Flaw::DeleteMovesTheStart => Ok(self.log.get(Start::Oldest).map_or(0, |oldest| oldest.offset)),
            Flaw::TrimTakesAnyOffset => Ok(self.trimmed_to.load(Ordering::Relaxed)),
            _ => self.log.start_offset(),
        }
    }

    fn next_offset(&self) -> Result<u64> {
        match self.flaw {
            Flaw::NextOffsetAfterTheLastMessage => {
                Ok(self.log.get(Start::Newest).map_or(0, |newest| newest.offset + 1))
            }
            _ => self.log.next_offset(),
        }
    }

    fn position(&self) -> Result<Position> {
        let mut position = self.log.position()?;
        if self.has(Flaw::PositionsAreOffsets) {
            position.life = LifeId::from_bytes([1; 16]);
        }
        Ok(position)
    }

    fn resume(&self, position: Position) -> Result<Start> {
        match self.flaw {
            Flaw::PositionsAreOffsets => Ok(Start::At(position.offset)),
            _ => self.log.resume(position),
        }
    }

    fn consume(&self, from: Start, max_count: usize) -> Result<Batch> {
        let from = self.start(from);
        let result = match self.flaw {
            Flaw::NoneButLittleAtATime => self.log.consume(from, max_count.min(2)),
            _ => self.log.consume(from, max_count),
        };
        match result {
            Err(Error::OffsetOutOfRange { .. }) if self.has(Flaw::BeyondTheEndIsEmpty) => {
                self.log.consume(Start::Newest, 0)
            }
            Err(error) if error.is_trimmed() && self.has(Flaw::TrimmedIsPassedOver) => {
                self.log.consume(Start::Oldest, max_count)
            }
            result => Ok(self.batch(result?, from)),
        }
    }

    fn consume_by_key(&self, key: &[u8], from: Start, max_count: usize) -> Result<Batch> {
        let checked = self.log.consume_by_key(key, from, max_count)?;
        let batch = match self.flaw {
            Flaw::NoneButLittleAtATime => self.little_by_key(key, from, max_count)?,
            Flaw::KeyFilterIgnoresStart => self.log.consume_by_key(key, Start::Oldest, max_count)?,
            _ => self.log.consume_by_key(key, self.start(from), max_count)?,
        };
        if !self.has(Flaw::KeyFilterForgetsTombstones) {
            return Ok(self.batch(batch, from));
        }
        let mut checked = checked;
        checked.messages.retain(|m| m.value.is_some());
        Ok(checked)
    }

    fn get(&self, at: Start) -> Result<Message> {
        match at {
            Start::Time(time) => self.get_by_time(time),
            Start::At(offset) if self.has(Flaw::DeletedIsTrimmed) => match self.log.get(at) {
                Err(Error::NotFound) => Err(Error::OffsetOutOfRange {
                    offset,
                    start: offset + 1,
                    next: self.log.next_offset()?,
                }),
                result => result,
            },
            at => Ok(self.read(self.log.get(self.start(at))?)),
        }
    }

    fn get_by_key(&self, key: &[u8]) -> Result<Message> {
        if self.keys_gone.lock().expect("no panic here").contains(key) {
            return Err(Error::NotFound);
        }
        Ok(self.read(self.log.get_by_key(key)?))
    }

    fn get_by_time(&self, start: Timestamp) -> Result<Message> {
        if self.has(Flaw::TimesOfTheDeletedCount) {
            let offset = self.whole.get_by_time(start)?.offset;
            let rest = self.log.consume(Start::At(offset), 1)?;
            return rest.messages.into_iter().next().ok_or(Error::NotFound);
        }
        if !self.has(Flaw::OwnTimeForRunningMaximum) || !self.setup.time_index {
            return Ok(self.read(self.log.get_by_time(start)?));
        }
        // A binary search over times that are not in order, as if they were.
        let messages = self.log.consume(Start::Oldest, usize::MAX)?.messages;
        let place = messages.partition_point(|m| m.time < start);
        messages.get(place).cloned().ok_or(Error::NotFound)
    }

    fn size(&self, message: &NewMessage<'_>) -> u64 {
        self.log.size(message)
    }

    fn stat(&self) -> Result<Stats> {
        self.log.stat()
    }

    fn delete(&self, named: &BTreeSet<u64>) -> Result<Deleted> {
        match self.flaw {
            Flaw::DeletesTheFirstOnly => return self.log.delete(&named.iter().copied().take(1).collect()),
            Flaw::DeleteLosesARace => {
                let end = self.log.next_offset()?;
                thread::sleep(Duration::from_micros(200));
                if self.log.next_offset()? != end {
                    return Ok(Deleted::default());
                }
            }
            Flaw::DeleteCountsWhatIsNamed => {
                return Ok(Deleted::new(named.len() as u64, self.log.delete(named)?.size));
            }
            Flaw::KeyGoesWithItsLast => {
                let messages = named
                    .iter()
                    .filter_map(|offset| self.log.get(Start::At(*offset)).ok());
                let keys = messages.filter_map(|message| message.key).map(|key| key.to_vec());
                self.keys_gone.lock().expect("no panic here").extend(keys);
            }
            _ => {}
        }
        self.log.delete(named)
    }

    fn delete_some(&self, offsets: &mut BTreeSet<u64>) -> Result<Deleted> {
        match self.flaw {
            Flaw::DeleteSomeForgetsTheRest => {
                let some = std::mem::take(offsets).into_iter().take(5).collect();
                self.delete(&some)
            }
            Flaw::DeleteSomeTakesOutFirst => self.delete(&std::mem::take(offsets)),
            Flaw::NoneButLittleAtATime => {
                let some: BTreeSet<u64> = offsets.iter().copied().take(2).collect();
                let deleted = self.delete(&some)?;
                offsets.retain(|offset| !some.contains(offset));
                Ok(deleted)
            }
            _ => {
                let deleted = self.delete(offsets)?;
                offsets.clear();
                Ok(deleted)
            }
        }
    }

    fn trim(&self, before: u64) -> Result<Trimmed> {
        self.trimmed_to.store(before, Ordering::Relaxed);
        match self.flaw {
            Flaw::TrimLeavesAFew => self.log.trim(before - before % 4),
            Flaw::TrimCountsOffsets => {
                let start = self.log.start_offset()?;
                let size = self.log.trim(before)?.size;
                Ok(Trimmed::new(self.log.start_offset()? - start, size))
            }
            _ => self.log.trim(before),
        }
    }

    fn apply_retention(&self, dry_run: bool) -> Result<Trimmed> {
        self.log.apply_retention(dry_run)
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
        match self.flaw {
            Flaw::CloseForgotten => Ok(()),
            _ => self.log.close(),
        }
    }

    fn changes(&self) -> Option<&Changes> {
        match self.flaw {
            Flaw::ChangesNeverTold => Some(&self.never_told),
            // It need not tell.
            Flaw::NoneButLittleAtATime => None,
            _ => self.log.changes(),
        }
    }
}
