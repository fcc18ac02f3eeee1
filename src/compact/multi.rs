use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::Progress;
use crate::{Deleted, Log, Result};

/// Removes the messages at `offsets` as [`Log::delete`] does, one segment at a time, and calls
/// `pace` after each segment.
///
/// Between segments, publishers and readers have the log to themselves; a `pace` that sleeps leaves
/// them more time. If `pace` returns [`ControlFlow::Break`], the remaining messages stay, and the
/// call returns what it removed until then.
///
/// # Durability
///
/// When `pace` is called, the messages removed so far are gone from storage for good.
///
/// # Errors
///
/// As [`Log::delete`]. Messages removed before the error, as last reported to `pace`, stay removed.
///
/// ```
/// use std::collections::BTreeSet;
/// use std::ops::ControlFlow;
/// use std::thread;
/// use std::time::Duration;
///
/// use duramen::{Log, MemoryLog, NewMessage, compact};
///
/// let log = MemoryLog::new();
/// log.publish(&[NewMessage::value(b"event"); 10])?;
/// let deleted = compact::delete_multi(&log, &BTreeSet::from([2, 3, 5, 70]), |progress| {
///     println!("{} gone, {} to go", progress.deleted.messages, progress.remaining);
///     thread::sleep(Duration::from_millis(1));
///     ControlFlow::Continue(())
/// })?;
/// assert_eq!(deleted.messages, 3);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn delete_multi(
    log: &(impl Log + ?Sized),
    offsets: &BTreeSet<u64>,
    mut pace: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Deleted> {
    let mut progress = Progress::default();
    // The result is the same whether or not `pace` ended the work.
    let _ = delete_round(log, &mut offsets.clone(), &mut progress, |progress, offsets| {
        if let Some(first) = offsets.first() {
            progress.next_offset = *first;
        }
        pace(progress)
    })?;
    Ok(progress.deleted)
}

/// Removes the messages at `offsets`, one segment at a time, and calls `pace` after each segment
/// with the offsets that are left.
pub(super) fn delete_round(
    log: &(impl Log + ?Sized),
    offsets: &mut BTreeSet<u64>,
    progress: &mut Progress,
    mut pace: impl FnMut(&mut Progress, &BTreeSet<u64>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    while !offsets.is_empty() {
        progress.deleted += log.delete_some(offsets)?;
        progress.remaining = offsets.len() as u64;
        if pace(progress, offsets).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
