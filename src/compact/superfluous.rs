use std::ops::ControlFlow;
use std::time::Duration;

use super::rounds::Rounds;
use super::{Progress, Settings};
use crate::{Deleted, Error, Log, Message, Result, Start, Timestamp};

/// Messages of a key read at a time.
const BATCH_LEN: usize = 16;

/// Removes superseded messages: those that are old enough and have a later message with the same
/// key.
///
/// # Errors
///
/// See [the module](mod@crate::compact#errors).
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

/// [`updates`], with a [pace](mod@crate::compact#pace).
///
/// # Errors
///
/// See [the module](mod@crate::compact#errors).
pub fn updates_with(
    log: &(impl Log + ?Sized),
    settings: &Settings,
    pace: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Deleted> {
    remove(log, settings, pace, Superfluous::Updates)
}

/// Removes tombstones that cover nothing: those that are old enough and have no earlier message
/// with the same key left in the log.
///
/// # Errors
///
/// See [the module](mod@crate::compact#errors).
///
/// ```
/// use std::time::Duration;
///
/// use duramen::{Log, MemoryLog, NewMessage, compact};
///
/// let log = MemoryLog::new();
/// let tombstone = NewMessage::tombstone(b"user-7");
/// log.publish(&[NewMessage::new(b"user-7", b"created"), tombstone])?;
/// let settings = compact::Settings::new().older_than(Duration::ZERO);
/// assert_eq!(compact::deletes(&log, &settings)?.messages, 0); // it still covers a message
/// assert_eq!(compact::updates(&log, &settings)?.messages, 1);
/// assert_eq!(compact::deletes(&log, &settings)?.messages, 1);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn deletes(log: &(impl Log + ?Sized), settings: &Settings) -> Result<Deleted> {
    deletes_with(log, settings, |_| ControlFlow::Continue(()))
}

/// [`deletes`], with a [pace](mod@crate::compact#pace).
///
/// # Errors
///
/// See [the module](mod@crate::compact#errors).
pub fn deletes_with(
    log: &(impl Log + ?Sized),
    settings: &Settings,
    pace: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Deleted> {
    remove(log, settings, pace, Superfluous::Deletes)
}

/// [`updates`], then [`deletes`]: of the messages that are old enough, only the last of each key
/// stays, and a tombstone does not stay either.
///
/// # Errors
///
/// See [the module](mod@crate::compact#errors).
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
/// let old_only = settings.clone().older_than(Duration::from_secs(60));
/// assert_eq!(compact::compact(&log, &old_only)?.messages, 0);
/// assert_eq!(compact::compact(&log, &settings)?.messages, 1);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn compact(log: &(impl Log + ?Sized), settings: &Settings) -> Result<Deleted> {
    compact_with(log, settings, |_| ControlFlow::Continue(()))
}

/// [`compact`](compact()), with a [pace](mod@crate::compact#pace).
///
/// # Errors
///
/// See [the module](mod@crate::compact#errors).
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
    remove(log, settings, pace, Superfluous::Both)
}

/// Which messages a compaction removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Superfluous {
    /// Superseded messages.
    Updates,
    /// Tombstones that cover nothing.
    Deletes,
    /// First the one kind, then the other.
    Both,
}

fn remove(
    log: &(impl Log + ?Sized),
    settings: &Settings,
    pace: impl FnMut(&Progress) -> ControlFlow<()>,
    superfluous: Superfluous,
) -> Result<Deleted> {
    need_key_index(log)?;
    let superseded = Old::of(log, settings.superseded_age)?;
    let tombstones = Old::of(log, settings.tombstone_age)?;
    let mut rounds = Rounds::new(log, settings, pace);
    let mut flow = ControlFlow::Continue(());
    if superfluous != Superfluous::Deletes {
        flow = rounds.run(|message| is_superseded(log, message, superseded))?;
    }
    if superfluous != Superfluous::Updates && flow.is_continue() {
        // A dry run has removed nothing, so the second walk passes over superseded messages.
        let passes_over = superfluous == Superfluous::Both && settings.dry_run;
        let is_gone = |message: &Message| passes_over && superseded.has(message);
        let _ = rounds.run(|message| {
            Ok(is_old_tombstone(message, tombstones)
                && !(passes_over && is_superseded(log, message, superseded)?)
                && covers_nothing(log, message, is_gone)?)
        })?;
    }
    Ok(rounds.deleted())
}

/// Which messages are old enough. It is found out once, so that both walks go by the same age.
#[derive(Clone, Copy, Debug)]
enum Old {
    All,
    /// Those below this offset.
    Below(u64),
    /// Those whose own time is not after this one: the log cannot tell when they were published.
    UpTo(Timestamp),
}

impl Old {
    fn of(log: &(impl Log + ?Sized), age: Duration) -> Result<Old> {
        if age.is_zero() {
            return Ok(Old::All);
        }
        let below = log.offset_by_age(age)?;
        Ok(below.map_or_else(|| Old::UpTo(Timestamp::now().saturating_sub(age)), Old::Below))
    }

    fn has(self, message: &Message) -> bool {
        match self {
            Old::All => true,
            Old::Below(offset) => message.offset < offset,
            Old::UpTo(time) => message.time <= time,
        }
    }
}

/// Fails without a key index, also if the log is empty.
fn need_key_index(log: &(impl Log + ?Sized)) -> Result<()> {
    log.consume_by_key(b"", Start::Newest, 0).map(drop)
}

/// Whether the message is old enough and there is a later one with its key.
///
/// A `true` stays true while others publish, because messages are only ever added behind this one.
/// If another thread deletes the later message before this one is removed, the result is the same
/// as if that delete had come after this compaction.
fn is_superseded(log: &(impl Log + ?Sized), message: &Message, old: Old) -> Result<bool> {
    let Some(key) = message.key.as_ref().filter(|_| old.has(message)) else {
        return Ok(false);
    };
    match log.offset_by_key(key) {
        // If another thread deleted this message, the last one of the key may be an earlier one.
        Ok(last) => Ok(last > message.offset),
        Err(Error::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_old_tombstone(message: &Message, old: Old) -> bool {
    message.key.is_some() && message.value.is_none() && old.has(message)
}

/// Whether no message with the tombstone's key precedes it. Messages that `is_gone` names do not
/// count.
///
/// A `true` stays true, because no message is ever added before another. An earlier message counts
/// until it is gone from storage: [`Log::delete_some`] is durable when it returns, so even after a
/// crash no tombstone is gone before the messages it covers. Of two tombstones with the same key,
/// the second stays until another run.
fn covers_nothing(
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
        // The loop ends even if another thread has deleted the tombstone.
        if batch.next_offset > tombstone.offset {
            return Ok(true);
        }
        from = Start::At(batch.next_offset);
    }
}
