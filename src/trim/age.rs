use std::time::Duration;

use super::count::unless_nothing_goes;
use crate::{Error, Log, Message, Result, Start, Timestamp, Trimmed};

/// Messages read at a time.
const BATCH_LEN: usize = 1024;

/// Removes the messages before the first that is not older than `age_max` by its own time.
///
/// Messages behind that one are kept even if they are older. A message whose time is in the future says nothing of its
/// age, and is taken to be as old as the next message whose time is not: so one of them does not keep the log from
/// being trimmed, and a publisher whose clock is ahead loses nothing.
///
/// [`Retention::max_age`](crate::Retention::max_age) goes by segments instead: there a message from the future is as
/// old as the segment behind its own.
///
/// With a time index this takes one lookup, unless there are messages from the future; without one, what goes is read.
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
/// log.publish(&[NewMessage::value(b"old").time(Timestamp::from_micros(0)), NewMessage::value(b"new")])?;
/// assert_eq!(trim::find_by_age(&log, Duration::from_secs(3600))?, 1);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn find_by_age(log: &(impl Log + ?Sized), age_max: Duration) -> Result<u64> {
    let now = Timestamp::now();
    find(log, now.saturating_sub(age_max), now)
}

/// The cut before the first message from `oldest_kept` on, at the time `now`.
pub(super) fn find(log: &(impl Log + ?Sized), oldest_kept: Timestamp, now: Timestamp) -> Result<u64> {
    // Asked for before anything is looked at: everything below it is seen then, and what comes later is kept.
    let end = log.next_offset()?;
    let cut = match log.offset_by_time(oldest_kept) {
        // Before the first message that reaches the time, all are older.
        Ok((offset, time)) if time <= now => offset,
        Ok((offset, _)) => read(log, Start::At(offset), end, oldest_kept, now)?,
        Err(Error::NotFound) => end,
        Err(Error::NoIndex) => read(log, Start::Oldest, end, oldest_kept, now)?,
        Err(error) => return Err(error),
    };
    unless_nothing_goes(log, cut.min(end))
}

/// The cut, found by reading from `from` on, before which all are older.
fn read(
    log: &(impl Log + ?Sized),
    from: Start,
    end: u64,
    oldest_kept: Timestamp,
    now: Timestamp,
) -> Result<u64> {
    // The first message from the future of those seen since the last one of the present.
    let mut first_of_future = None;
    let mut next = from;
    loop {
        let batch = match log.consume(next, BATCH_LEN) {
            // Another thread trimmed meanwhile, and further than this one has come.
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
