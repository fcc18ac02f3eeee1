//! What the provided methods of [`Log`](crate::Log) make of the others.

use crate::{Ack, Batch, Error, Message, NewMessage, Place, Result, Start, Timestamp};

use super::reading::Record;

/// The ack of `messages`, which end in front of `next_offset`. `get` reads a message, and `tail`
/// the log's end.
///
/// The messages are in the log, so this does not fail: whatever removes one that has no time of its
/// own at once, takes its time along.
pub(super) fn ack(
    messages: &[NewMessage<'_>],
    next_offset: u64,
    get: impl Fn(Start) -> Result<Message>,
    tail: impl FnOnce() -> Result<Place>,
) -> Result<Ack> {
    let (Some(first), Some(last)) = (messages.first(), messages.last()) else {
        return tail().map(Ack::of_nothing);
    };
    let place = |message: &NewMessage<'_>, offset: u64| {
        let published = || get(Start::At(offset)).map(|there| there.time);
        message.time.or_else(|| published().ok()).unwrap_or_default()
    };
    let start = next_offset.saturating_sub(messages.len() as u64);
    let start = Place {
        offset: start,
        time: place(first, start),
    };
    let end = Place {
        offset: next_offset,
        time: place(last, next_offset.saturating_sub(1)),
    };
    let tail = tail().ok().filter(|tail| tail.offset > end.offset);
    Ok(Ack::new(start, end, tail.unwrap_or(end)))
}

/// The end of a log at this offset, whose last message is this.
pub(super) fn tail(offset: u64, newest: Result<Message>) -> Result<Place> {
    let time = match newest {
        Ok(message) => message.time,
        Err(Error::NotFound) => Timestamp::default(),
        Err(error) => return Err(error),
    };
    Ok(Place { offset, time })
}

/// The messages of a batch, and the offset behind them.
pub(super) fn records(batch: Batch) -> (Vec<Record>, u64) {
    let next_offset = batch.next_offset;
    (batch.into_iter().map(Record::Message).collect(), next_offset)
}
