//! What the provided methods of [`Log`] do, by calls of the others.

use super::Log;
use super::reading::{Reading, Record};
use crate::{
    Ack, Error, NewMessage, Place, PublishOptions, ReadBatch, ReadOptions, Result, Start, Timestamp,
};

/// See [`Log::append`].
pub(super) fn append<L: Log + ?Sized>(
    log: &L,
    messages: &[NewMessage<'_>],
    how: &PublishOptions<'_>,
) -> Result<Ack> {
    how.check_plain()?;
    let next_offset = log.publish_with(messages, how)?;
    let (Some(first), Some(last)) = (messages.first(), messages.last()) else {
        return log.tail().map(Ack::of_nothing);
    };
    let start = next_offset.saturating_sub(messages.len() as u64);
    // The batch is in the log, so this must not fail: whatever removes a message that has no time
    // of its own at once, takes its time along.
    let time = |message: &NewMessage<'_>, offset| {
        let published = || log.get(Start::At(offset)).map(|there| there.time);
        message.time.or_else(|| published().ok()).unwrap_or_default()
    };
    let end = Place {
        offset: next_offset,
        time: time(last, next_offset.saturating_sub(1)),
    };
    let start = Place {
        offset: start,
        time: time(first, start),
    };
    let tail = log.tail().ok().filter(|tail| tail.offset > end.offset);
    Ok(Ack::new(start, end, tail.unwrap_or(end)))
}

/// See [`Log::tail`].
pub(super) fn tail<L: Log + ?Sized>(log: &L) -> Result<Place> {
    let offset = log.next_offset()?;
    let time = match log.get(Start::Newest) {
        Ok(message) => message.time,
        Err(Error::NotFound) => Timestamp::default(),
        Err(error) => return Err(error),
    };
    Ok(Place { offset, time })
}

/// See [`Log::read`].
pub(super) fn read<L: Log + ?Sized>(log: &L, from: Start, how: &ReadOptions) -> Result<ReadBatch> {
    if how.control {
        return Err(Error::NotSupported("control records"));
    }
    let source = |offset, count| {
        let batch = log.consume(Start::At(offset), count)?;
        let records = batch.messages.into_iter().map(Record::Message).collect();
        Ok((records, batch.next_offset))
    };
    Reading::run(log, from, how, source)
}
