use std::ops::ControlFlow;

use super::rounds::Rounds;
use super::{Progress, Settings};
use crate::{Deleted, Error, Log, Message, Result, Start, Timestamp};

/// Messages of a key read at a time.
const BATCH_LEN: usize = 16;

/// Removes the messages that are old enough and superseded: there is a later one with the same key.
///
/// # Durability
///
/// What is removed is gone from storage when this returns. A crash meanwhile leaves some of it, and never takes the
/// last message of a key.
///
/// # Errors
///
/// [`NoIndex`](crate::Error::NoIndex) without a key index; else as [`Log::consume`] and [`Log::delete`]. What was
/// removed before stays removed.
///
/// ```
/// use duramen::{Log, MemoryLog, NewMessage, compact};
///
/// let log = MemoryLog::new();
/// log.publish(&[NewMessage::new(b"user-7", b"created"), NewMessage::new(b"user-7", b"renamed")])?;
/// assert_eq!(compact::updates(&log, &compact::Settings::new())?.messages, 1);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn updates(log: &(impl Log + ?Sized), settings: &Settings) -> Result<Deleted> {
    updates_with(log, settings, |_| ControlFlow::Continue(()))
}

/// As [`updates`]; calls `pace` after each batch that was read and each segment that was changed. When it returns
/// [`ControlFlow::Break`], the rest stays.
///
/// # Errors
///
/// As [`updates`].
///
/// ```
/// use std::ops::ControlFlow;
///
/// use duramen::{Log, MemoryLog, NewMessage, compact};
///
/// let log = MemoryLog::new();
/// log.publish(&[NewMessage::new(b"user-7", b"created"), NewMessage::new(b"user-7", b"renamed")])?;
/// let mut calls = 0;
/// let deleted = compact::updates_with(&log, &compact::Settings::new(), |_progress| {
///     calls += 1;
///     if calls < 100 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
/// })?;
/// assert_eq!(deleted.messages, 1);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn updates_with(
    log: &(impl Log + ?Sized),
    settings: &Settings,
    pace: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Deleted> {
    need_key_index(log)?;
    let time_max = settings.time_max();
    let mut rounds = Rounds::new(log, settings, pace);
    let _ = rounds.run(|message| is_superseded(log, message, time_max))?;
    Ok(rounds.deleted())
}

/// Removes the tombstones that are old enough and before which there is no message of their key: they say that
/// something is gone of which nothing is left to be seen.
///
/// # Durability
///
/// What is removed is gone from storage when this returns. A crash meanwhile leaves some of it, and never brings back
/// what a tombstone covered.
///
/// # Errors
///
/// As [`updates`].
///
/// ```
/// use duramen::{Log, MemoryLog, NewMessage, compact};
///
/// let log = MemoryLog::new();
/// let tombstone = NewMessage::tombstone(b"user-7");
/// log.publish(&[NewMessage::new(b"user-7", b"created"), tombstone])?;
/// let settings = compact::Settings::new();
/// assert_eq!(compact::deletes(&log, &settings)?.messages, 0); // there is still something to cover
/// assert_eq!(compact::updates(&log, &settings)?.messages, 1);
/// assert_eq!(compact::deletes(&log, &settings)?.messages, 1);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn deletes(log: &(impl Log + ?Sized), settings: &Settings) -> Result<Deleted> {
    deletes_with(log, settings, |_| ControlFlow::Continue(()))
}

/// As [`deletes`]; calls `pace` as [`updates_with`] does, where there is an example.
///
/// # Errors
///
/// As [`updates`].
pub fn deletes_with(
    log: &(impl Log + ?Sized),
    settings: &Settings,
    pace: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Deleted> {
    need_key_index(log)?;
    let time_max = settings.time_max();
    let mut rounds = Rounds::new(log, settings, pace);
    let _ = rounds
        .run(|message| Ok(is_old_tombstone(message, time_max) && is_first(log, message, |_| false)?))?;
    Ok(rounds.deleted())
}

/// [`updates`], then [`deletes`]: of each key only the last message stays, and not even that if it is a tombstone, as
/// far as they are old enough.
///
/// # Durability
///
/// As for the two.
///
/// # Errors
///
/// As [`updates`].
///
/// ```
/// use std::time::Duration;
///
/// use duramen::{Log, MemoryLog, NewMessage, compact};
///
/// let log = MemoryLog::new();
/// log.publish(&[NewMessage::new(b"user-7", b"created"), NewMessage::new(b"user-7", b"renamed")])?;
/// let settings = compact::Settings::new();
/// assert_eq!(compact::compact(&log, &settings.clone().dry_run(true))?.messages, 1);
/// assert_eq!(compact::compact(&log, &settings.clone().older_than(Duration::from_secs(60)))?.messages, 0);
/// assert_eq!(compact::compact(&log, &settings)?.messages, 1);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn compact(log: &(impl Log + ?Sized), settings: &Settings) -> Result<Deleted> {
    compact_with(log, settings, |_| ControlFlow::Continue(()))
}

/// As [`compact`](compact()); calls `pace` as [`updates_with`] does.
///
/// # Errors
///
/// As [`updates`].
///
/// ```
/// use std::ops::ControlFlow;
///
/// use duramen::{Log, MemoryLog, NewMessage, compact};
///
/// let log = MemoryLog::new();
/// log.publish(&[NewMessage::new(b"user-7", b"created"), NewMessage::new(b"user-7", b"renamed")])?;
/// let mut calls = 0;
/// let deleted = compact::compact_with(&log, &compact::Settings::new(), |_progress| {
///     calls += 1;
///     if calls < 100 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
/// })?;
/// assert_eq!(deleted.messages, 1);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn compact_with(
    log: &(impl Log + ?Sized),
    settings: &Settings,
    pace: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Deleted> {
    need_key_index(log)?;
    // One age for both.
    let time_max = settings.time_max();
    let mut rounds = Rounds::new(log, settings, pace);
    if rounds
        .run(|message| is_superseded(log, message, time_max))?
        .is_continue()
    {
        // A dry run removed nothing, and has to see the log as if it had.
        let is_gone = |message: &Message| settings.dry_run && message.time <= time_max;
        let _ = rounds.run(|message| {
            Ok(is_old_tombstone(message, time_max)
                && !(settings.dry_run && is_superseded(log, message, time_max)?)
                && is_first(log, message, is_gone)?)
        })?;
    }
    Ok(rounds.deleted())
}

/// Also for an empty log.
fn need_key_index(log: &(impl Log + ?Sized)) -> Result<()> {
    log.consume_by_key(b"", Start::Newest, 0).map(drop)
}

/// Whether the message is old enough and there is a later one with its key.
///
/// The answer holds for ever, so that it may be acted on later and while others publish: messages are only ever added
/// behind it. If someone deletes the later one in between, it is as if that had been done after this compaction.
fn is_superseded(log: &(impl Log + ?Sized), message: &Message, time_max: Timestamp) -> Result<bool> {
    let Some(key) = message.key.as_ref().filter(|_| message.time <= time_max) else {
        return Ok(false);
    };
    match log.offset_by_key(key) {
        // An earlier one is the last of the key if this one was deleted by others.
        Ok(last) => Ok(last > message.offset),
        Err(Error::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_old_tombstone(message: &Message, time_max: Timestamp) -> bool {
    message.key.is_some() && message.value.is_none() && message.time <= time_max
}

/// Whether there is no message with the tombstone's key before it, but for those that are gone in a dry run.
///
/// This answer holds for ever too: nothing is ever added before a message. It speaks of what is gone from storage, not
/// of what is about to go, because [`Log::delete_some`] is durable when it returns: whatever happens then, the
/// tombstone does not go before what it covers. Of two tombstones of a key the second one waits for another run.
fn is_first(
    log: &(impl Log + ?Sized),
    tombstone: &Message,
    is_gone: impl Fn(&Message) -> bool,
) -> Result<bool> {
    let Some(key) = &tombstone.key else {
        return Ok(false);
    };
    let mut from = Start::Oldest;
    loop {
        let batch = match log.consume_by_key(key, from, BATCH_LEN) {
            Err(error) if error.is_trimmed() => log.consume_by_key(key, Start::Oldest, BATCH_LEN)?,
            batch => batch?,
        };
        let mut earlier = batch.messages.iter().take_while(|m| m.offset < tombstone.offset);
        if earlier.any(|message| !is_gone(message)) {
            return Ok(false);
        }
        // One that was deleted by others meanwhile is passed over, and the end is reached in any case.
        if batch.next_offset > tombstone.offset {
            return Ok(true);
        }
        from = Start::At(batch.next_offset);
    }
}
