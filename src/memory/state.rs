use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use crate::control::{Guard, Noted};
use crate::log::{AgeCut, FirstYoung, Horizon, Record};
use crate::{
    Batch, Control, ControlRecord, Deleted, Error, Message, Place, Result, Retention, Start, Timestamp,
    Trimmed,
};

/// The content of a log in memory. Invariants:
///
/// 1. The offsets of `messages` strictly increase. All are in `start_offset..next_offset`, and
///    there may be gaps between them.
/// 2. `time_max[i]` is the largest time of `messages[..=i]`.
/// 3. `by_key` holds, for every key, the increasing offsets of all messages with that key.
/// 4. `published[i]` is when `messages[i]` was published.
/// 5. `size` is the sum of the sizes given to [`append`](State::append) for `messages`.
/// 6. The offsets of `controls` strictly increase, are in `start_offset..next_offset`, and are not
///    those of messages.
///
/// Only [`push`](State::push) adds a message. Removing messages rebuilds the state of the others
/// with it.
#[derive(Default)]
pub(crate) struct State {
    start_offset: u64,
    next_offset: u64,
    messages: Vec<Message>,
    time_max: Vec<Timestamp>,
    published: Vec<Timestamp>,
    by_key: HashMap<Bytes, Vec<u64>>,
    size: u64,
    /// Bytes published since the retention policy was last applied.
    pub(crate) size_since: u64,
    controls: Vec<ControlRecord>,
    pub(crate) guard: Guard,
}

/// A batch that is about to be appended.
pub(crate) struct NewBatch<'a> {
    /// Its messages, without offsets.
    pub(crate) messages: Vec<Message>,
    /// Control records and their times.
    pub(crate) controls: &'a [(Control, Timestamp)],
    pub(crate) producer: Option<(u64, u64)>,
    /// The clock's time.
    pub(crate) now: Timestamp,
    /// The sum of the messages' sizes.
    pub(crate) size: u64,
}

impl State {
    /// An empty log with this guard.
    pub(crate) fn guarded_by(guard: Guard) -> State {
        State {
            guard,
            ..State::default()
        }
    }

    pub(crate) fn start_offset(&self) -> u64 {
        self.start_offset
    }

    pub(crate) fn next_offset(&self) -> u64 {
        self.next_offset
    }

    pub(crate) fn count(&self) -> u64 {
        self.messages.len() as u64
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The end of the log.
    pub(crate) fn tail(&self) -> Place {
        self.guard.state.end_at(self.next_offset)
    }

    /// The offset of the last message with this key.
    pub(crate) fn last_of_key(&self, key: &[u8]) -> Option<u64> {
        self.by_key.get(key)?.last().copied()
    }

    /// Adds a batch, which has a record at least, and assigns its offsets; returns where it begins.
    pub(crate) fn append(&mut self, batch: NewBatch<'_>) -> Result<Place> {
        let times = batch.messages.iter().map(|message| message.time);
        let times = times.chain(batch.controls.iter().map(|(_, time)| *time));
        let (Some(first), Some(last), Some(max)) =
            (times.clone().next(), times.clone().last(), times.clone().max())
        else {
            return Ok(self.tail());
        };
        let begin = self.next_offset;
        begin
            .checked_add(times.count() as u64)
            .ok_or(Error::Invalid("the log has no offsets left"))?;
        let noted = Noted {
            first: begin,
            #[expect(clippy::cast_possible_truncation, reason = "a batch is smaller than 1 GiB")]
            messages: batch.messages.len() as u32,
            times: (first.as_micros(), last.as_micros()),
            time_max: max.as_micros(),
        };
        for message in batch.messages {
            let offset = self.next_offset;
            self.next_offset += 1;
            self.push(Message { offset, ..message }, batch.now);
        }
        for (control, time) in batch.controls {
            self.controls.push(ControlRecord {
                offset: self.next_offset,
                time: *time,
                control: Some(*control),
            });
            self.next_offset += 1;
        }
        let controls: Vec<Control> = batch.controls.iter().map(|(control, _)| *control).collect();
        self.guard.note(&noted, &controls, batch.producer);
        self.guard.token_at(u64::MAX);
        self.size += batch.size;
        self.size_since += batch.size;
        Ok(Place {
            offset: begin,
            time: first,
        })
    }

    /// Up to `count` records from the offset `from` on, and the offset behind them.
    pub(crate) fn records(&self, from: u64, count: usize) -> Result<(Vec<Record>, u64)> {
        let (position, from) = self.begin(Start::At(from))?;
        let mut controls = self
            .controls
            .iter()
            .skip_while(|control| control.offset < from)
            .peekable();
        let mut messages = self
            .messages
            .get(position..)
            .unwrap_or_default()
            .iter()
            .peekable();
        let mut records = Vec::new();
        let mut next_offset = self.next_offset;
        while records.len() < count {
            let behind = messages.peek().map_or(u64::MAX, |message| message.offset);
            if let Some(control) = controls.next_if(|control| control.offset < behind) {
                let content = control
                    .control
                    .map_or(0, |control| control.content().as_bytes().len());
                records.push(Record::control(*control, content));
            } else if let Some(message) = messages.next() {
                records.push(Record::Message(message.clone()));
            } else {
                return Ok((records, next_offset));
            }
            next_offset = records.last().map_or(from, |record| record.offset() + 1);
        }
        Ok((records, next_offset))
    }

    fn push(&mut self, message: Message, published: Timestamp) {
        let before = self.time_max.last().copied().unwrap_or(Timestamp::MIN);
        self.time_max.push(before.max(message.time));
        if let Some(key) = &message.key {
            self.by_key.entry(key.clone()).or_default().push(message.offset);
        }
        self.published.push(published);
        self.messages.push(message);
    }

    /// Removes the messages at `offsets`.
    pub(crate) fn delete(&mut self, offsets: &BTreeSet<u64>, size: impl Fn(&Message) -> u64) -> Deleted {
        let (messages, size) = self.retain(|message| !offsets.contains(&message.offset), size);
        Deleted::new(messages, size)
    }

    /// Removes the messages below `before` and moves the start offset there.
    pub(crate) fn trim(&mut self, before: u64, size: impl Fn(&Message) -> u64) -> Trimmed {
        self.start_offset = before.clamp(self.start_offset, self.next_offset);
        let start = self.start_offset;
        self.controls.retain(|control| control.offset >= start);
        let (count, size) = self.retain(|message| message.offset >= start, size);
        Trimmed::new(count, size)
    }

    /// The result that trimming to `before` would have.
    pub(crate) fn trim_result(&self, before: u64, size: impl Fn(&Message) -> u64) -> Trimmed {
        let gone = self.messages.iter().take_while(|message| message.offset < before);
        let (count, size) = gone.fold((0, 0), |(count, sum), message| (count + 1, sum + size(message)));
        Trimmed::new(count, size)
    }

    /// The first offset that `policy` keeps, but for its limit by age.
    pub(crate) fn cut_by_count_and_bytes(
        &self,
        policy: &Retention,
        size: impl Fn(&Message) -> u64,
    ) -> Result<u64> {
        let mut cut = self.start_offset;
        if let Some(count) = policy.messages {
            cut = cut.max(self.begin(Start::Last(count))?.1);
        }
        if let Some(bytes) = policy.bytes {
            let mut left = bytes;
            let newest = self.messages.iter().rev().map_while(|message| {
                left = left.checked_sub(size(message))?;
                Some(())
            });
            cut = cut.max(self.begin(Start::Last(newest.count() as u64))?.1);
        }
        Ok(cut)
    }

    /// The first message that is not known to be old.
    pub(crate) fn first_young(&self, horizon: &Horizon) -> FirstYoung {
        let mut cut = AgeCut::default();
        for (message, published) in self.messages.iter().zip(&self.published) {
            let time = if horizon.by_event_time {
                message.time.as_micros()
            } else {
                published.as_micros()
            };
            if let Some(offset) = cut.see(message.offset, horizon.age_of(time)) {
                return FirstYoung {
                    offset,
                    time: Some(time),
                };
            }
        }
        FirstYoung {
            offset: cut.end().unwrap_or(self.next_offset),
            time: None,
        }
    }

    /// Removes the messages for which `is_kept` returns false. Returns their number and their size.
    fn retain(&mut self, is_kept: impl Fn(&Message) -> bool, size: impl Fn(&Message) -> u64) -> (u64, u64) {
        if self.messages.iter().all(&is_kept) {
            return (0, 0);
        }
        let messages = std::mem::take(&mut self.messages);
        let published = std::mem::take(&mut self.published);
        self.time_max.clear();
        self.by_key.clear();
        let (mut gone, mut freed) = (0, 0);
        for (message, published) in messages.into_iter().zip(published) {
            if is_kept(&message) {
                self.push(message, published);
            } else {
                gone += 1;
                freed += size(&message);
            }
        }
        self.size -= freed;
        (gone, freed)
    }

    pub(crate) fn consume(&self, from: Start, max_count: usize) -> Result<Batch> {
        let (position, begin) = self.begin(from)?;
        let messages = self.messages[position..].iter().take(max_count).cloned();
        Ok(self.batch(messages.collect(), begin, max_count))
    }

    pub(crate) fn consume_by_key(&self, key: &[u8], from: Start, max_count: usize) -> Result<Batch> {
        let (_, begin) = self.begin(from)?;
        let offsets = self.by_key.get(key).map_or(&[][..], Vec::as_slice);
        let matching = &offsets[offsets.partition_point(|o| *o < begin)..];
        let messages = matching.iter().take(max_count).filter_map(|o| self.find(*o));
        Ok(self.batch(messages.cloned().collect(), begin, max_count))
    }

    /// A batch of `messages`, which were read from the offset `begin` on.
    fn batch(&self, messages: Vec<Message>, begin: u64, max_count: usize) -> Batch {
        let next_offset = match messages.last() {
            Some(last) => last.offset + 1,
            None if max_count == 0 => begin,
            None => self.next_offset,
        };
        Batch {
            messages,
            next_offset,
        }
    }

    pub(crate) fn get(&self, at: Start) -> Result<Message> {
        let found = match at {
            Start::At(offset) if offset < self.start_offset || offset >= self.next_offset => {
                return Err(self.out_of_range(offset));
            }
            Start::At(offset) => self.find(offset),
            Start::AtOrOldest(_) => return self.get(at.settled(self.start_offset)),
            Start::Newest | Start::Last(0) => self.messages.last(),
            Start::Oldest | Start::Time(_) | Start::Last(_) => self.messages.get(self.begin(at)?.0),
        };
        found.cloned().ok_or(Error::NotFound)
    }

    pub(crate) fn get_by_key(&self, key: &[u8]) -> Result<Message> {
        let last = self.by_key.get(key).and_then(|offsets| offsets.last());
        last.and_then(|offset| self.find(*offset))
            .cloned()
            .ok_or(Error::NotFound)
    }

    /// Resolves `from` to the index in `messages` of the first message to read, and to the offset
    /// at which reading begins. At the end of the log, the index is the number of messages.
    fn begin(&self, from: Start) -> Result<(usize, u64)> {
        let position = match from {
            Start::Oldest => return Ok((0, self.start_offset)),
            Start::Newest => self.messages.len(),
            Start::At(offset) if offset < self.start_offset || offset > self.next_offset => {
                return Err(self.out_of_range(offset));
            }
            Start::At(offset) => return Ok((self.messages.partition_point(|m| m.offset < offset), offset)),
            Start::AtOrOldest(_) => return self.begin(from.settled(self.start_offset)),
            Start::Time(time) => self.time_max.partition_point(|max| *max < time),
            Start::Last(count) => {
                let count = usize::try_from(count).ok();
                match count.and_then(|count| self.messages.len().checked_sub(count)) {
                    Some(position) => position,
                    None => return Ok((0, self.start_offset)),
                }
            }
        };
        let offset = self.messages.get(position).map_or(self.next_offset, |m| m.offset);
        Ok((position, offset))
    }

    fn find(&self, offset: u64) -> Option<&Message> {
        let position = self.messages.binary_search_by_key(&offset, |m| m.offset).ok()?;
        self.messages.get(position)
    }

    fn out_of_range(&self, offset: u64) -> Error {
        Error::OffsetOutOfRange {
            offset,
            start: self.start_offset,
            next: self.next_offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log without the trimmed offsets below 3 and the deleted offsets 4, 7 and 8. The key says
    /// whether the offset is odd or even.
    fn with_gaps() -> State {
        let mut state = State {
            start_offset: 3,
            next_offset: 9,
            ..State::default()
        };
        for offset in [3_u64, 5, 6] {
            let time = Timestamp::from_micros(offset.cast_signed());
            let message = Message {
                offset,
                time,
                key: Some(Bytes::from_static(if offset % 2 == 1 { b"odd" } else { b"even" })),
                value: None,
                headers: crate::Headers::default(),
            };
            state.push(message, time);
        }
        state
    }

    fn offsets(batch: Result<Batch>) -> (Vec<u64>, u64) {
        let batch = batch.unwrap();
        (
            batch.messages.iter().map(|m| m.offset).collect(),
            batch.next_offset,
        )
    }

    #[test]
    fn reading_skips_a_gap_to_the_next_existing_message() {
        let state = with_gaps();
        assert_eq!(offsets(state.consume(Start::At(4), 9)), (vec![5, 6], 7));
        assert_eq!(offsets(state.consume(Start::At(7), 9)), (vec![], 9));
        assert_eq!(offsets(state.consume(Start::At(8), 9)), (vec![], 9));
        assert_eq!(offsets(state.consume(Start::At(4), 0)), (vec![], 4));
        assert_eq!(
            offsets(state.consume_by_key(b"odd", Start::At(4), 9)),
            (vec![5], 6)
        );
        assert_eq!(
            offsets(state.consume_by_key(b"odd", Start::At(6), 9)),
            (vec![], 9)
        );
        assert_eq!(offsets(state.consume(Start::Last(2), 9)), (vec![5, 6], 7));
    }

    #[test]
    fn trimmed_offsets_are_out_of_range_and_deleted_ones_are_not_found() {
        let state = with_gaps();
        assert!(state.consume(Start::At(2), 9).unwrap_err().is_trimmed());
        assert!(state.get(Start::At(2)).unwrap_err().is_trimmed());
        assert!(matches!(state.get(Start::At(4)), Err(Error::NotFound)));
        assert!(matches!(state.get(Start::At(8)), Err(Error::NotFound)));
        assert!(matches!(
            state.get(Start::At(9)),
            Err(Error::OffsetOutOfRange {
                offset: 9,
                start: 3,
                next: 9
            })
        ));
        assert_eq!(state.get(Start::Oldest).unwrap().offset, 3);
        assert_eq!(state.get(Start::Newest).unwrap().offset, 6);
    }

    #[test]
    fn running_out_of_offsets_is_an_error_and_not_a_panic() {
        let mut state = State {
            next_offset: u64::MAX,
            ..State::default()
        };
        let message = with_gaps().get(Start::Oldest).unwrap();
        let batch = |messages| NewBatch {
            messages,
            controls: &[],
            producer: None,
            now: message.time,
            size: 0,
        };
        assert_eq!(state.append(batch(vec![])).unwrap().offset, u64::MAX);
        assert!(matches!(
            state.append(batch(vec![message.clone()])),
            Err(Error::Invalid(_))
        ));
        assert_eq!(state.count(), 0);
    }
}
