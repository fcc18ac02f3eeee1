use std::time::Duration;

use super::count::unless_nothing_goes;
use crate::{Error, Log, Message, Result, Start, Timestamp, Trimmed};

/// Messages read at a time.
const BATCH_LEN: usize = 1024;

/// Removes the messages before the first one that is at most `age_max` old by its own time and the
/// system's clock.
///
/// Messages after that one are kept even if they are older. The age of a message with a time in the
/// future is unknown; it counts as old as the next message whose time is not in the future. So such
/// a message does not keep the log from being trimmed, and messages of a publisher whose clock is
/// ahead are not removed too early. [`Retention::by_event_time`](crate::Retention::by_event_time)
/// has the same rule; without it, a policy counts from publishing, and
/// [`Log::offset_by_age`](crate::Log::offset_by_age) finds where that cuts.
///
/// With a time index this takes one lookup, unless there are messages from the future. Without a
/// time index, the messages to be removed are read.
///
/// # Errors
///
/// As [`Log::consume`] and [`Log::trim`].
///
/// ```
/// use std::time::Duration;
///
/// use duramen::{Log, MemoryLog, NewMessage, Timestamp, trim};
///
/// let log = MemoryLog::new();
/// let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(86_400));
/// let yesterday = Timestamp::now().saturating_sub(day);
/// log.publish(&[NewMessage::value(b"old").time(yesterday), NewMessage::value(b"new")])?;
/// assert_eq!(trim::by_age(&log, hour)?.count, 1);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn by_age(log: &(impl Log + ?Sized), age_max: Duration) -> Result<Trimmed> {
    log.trim(find_by_age(log, age_max)?)
}

/// Where [`by_age`] would cut.
///
/// # Errors
///
/// As [`Log::consume`].
///
/// ```
/// use std::time::Duration;
///
/// use duramen::{Log, MemoryLog, NewMessage, Timestamp, trim};
///
/// let log = MemoryLog::new();
/// let old = NewMessage::value(b"old").time(Timestamp::from_micros(0));
/// log.publish(&[old, NewMessage::value(b"new")])?;
/// assert_eq!(trim::find_by_age(&log, Duration::from_secs(3600))?, 1);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn find_by_age(log: &(impl Log + ?Sized), age_max: Duration) -> Result<u64> {
    let now = Timestamp::now();
    find(log, now.saturating_sub(age_max), now)
}

/// The offset of the first message that is not older than `oldest_kept`, at the time `now`.
pub(super) fn find(log: &(impl Log + ?Sized), oldest_kept: Timestamp, now: Timestamp) -> Result<u64> {
    // Read first: all messages below it are then seen, and messages published later are kept.
    let end = log.next_offset()?;
    let cut = match log.offset_by_time(oldest_kept) {
        // All messages before the first one that reaches the time are older.
        Ok((offset, time)) if time <= now => offset,
        Ok((offset, _)) => read(log, Start::At(offset), end, oldest_kept, now)?,
        Err(Error::NotFound) => end,
        Err(Error::NoIndex { .. }) => read(log, Start::Oldest, end, oldest_kept, now)?,
        Err(error) => return Err(error),
    };
    unless_nothing_goes(log, cut.min(end))
}

/// The cut, found by reading from `from` on. All messages before `from` are older.
fn read(
    log: &(impl Log + ?Sized),
    from: Start,
    end: u64,
    oldest_kept: Timestamp,
    now: Timestamp,
) -> Result<u64> {
    // The first of the messages from the future that follow the last old message.
    let mut first_of_future = None;
    let mut next = from;
    loop {
        let batch = match log.consume(next, BATCH_LEN) {
            // Another thread has trimmed beyond the offset reached here.
            Err(error) if error.is_trimmed() => {
                first_of_future = None;
                log.consume(Start::Oldest, BATCH_LEN)?
            }
            batch => batch?,
        };
        for Message { offset, time, .. } in &batch.messages {
            if *time > now {
                first_of_future.get_or_insert(*offset);
            } else if *time >= oldest_kept {
                return Ok(first_of_future.unwrap_or(*offset));
            } else {
                first_of_future = None;
            }
        }
        if batch.next_offset >= end {
            return Ok(first_of_future.unwrap_or(end));
        }
        next = Start::At(batch.next_offset);
    }
}
