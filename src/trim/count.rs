use crate::{Error, Log, Result, Start, Trimmed};

/// Removes all messages below the offset `before`. The same as [`Log::trim`].
///
/// An offset beyond the next offset removes everything. An offset below the start offset removes
/// nothing.
///
/// # Errors
///
/// As [`Log::trim`].
///
/// ```
/// use duramen::{Log, MemoryLog, NewMessage, trim};
///
/// let log = MemoryLog::new();
/// log.publish(&[NewMessage::value(b"event"); 10])?;
/// assert_eq!(trim::by_offset(&log, 4)?.count, 4);
/// assert_eq!(log.start_offset()?, 4);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn by_offset(log: &(impl Log + ?Sized), before: u64) -> Result<Trimmed> {
    log.trim(before)
}

/// The start offset that [`by_offset`] would leave.
///
/// # Errors
///
/// As [`Log::next_offset`].
///
/// ```
/// use duramen::{Log, MemoryLog, NewMessage, trim};
///
/// let log = MemoryLog::new();
/// log.publish(&[NewMessage::value(b"event"); 10])?;
/// assert_eq!(trim::find_by_offset(&log, 4)?, 4);
/// assert_eq!(trim::find_by_offset(&log, 40)?, 10);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn find_by_offset(log: &(impl Log + ?Sized), before: u64) -> Result<u64> {
    let start = log.start_offset()?;
    // If another thread trimmed between the two calls, the next offset read may be the smaller one.
    let next = log.next_offset()?.max(start);
    Ok(before.clamp(start, next))
}

/// Keeps the last `messages_max` messages and removes those before them. Deleted messages do not
/// count.
///
/// # Errors
///
/// As [`Log::consume`] and [`Log::trim`].
///
/// ```
/// use duramen::{Log, MemoryLog, NewMessage, trim};
///
/// let log = MemoryLog::new();
/// log.publish(&[NewMessage::value(b"event"); 10])?;
/// assert_eq!(trim::by_count(&log, 3)?.count, 7);
/// assert_eq!(log.stat()?.messages, 3);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn by_count(log: &(impl Log + ?Sized), messages_max: u64) -> Result<Trimmed> {
    log.trim(find_by_count(log, messages_max)?)
}

/// Where [`by_count`] would cut.
///
/// # Errors
///
/// As [`Log::consume`].
///
/// ```
/// use duramen::{Log, MemoryLog, NewMessage, trim};
///
/// let log = MemoryLog::new();
/// log.publish(&[NewMessage::value(b"event"); 10])?;
/// assert_eq!(trim::find_by_count(&log, 3)?, 7);
/// assert_eq!(trim::find_by_count(&log, 30)?, 0);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn find_by_count(log: &(impl Log + ?Sized), messages_max: u64) -> Result<u64> {
    let cut = log.consume(Start::Last(messages_max), 0)?.next_offset;
    unless_nothing_goes(log, cut)
}

/// `cut`, or the start offset if there is no message below `cut`. A trim that removes no message
/// should not move the start offset.
pub(super) fn unless_nothing_goes(log: &(impl Log + ?Sized), cut: u64) -> Result<u64> {
    let start = log.start_offset()?;
    match log.get(Start::Oldest) {
        Ok(oldest) if oldest.offset < cut => Ok(cut.max(start)),
        Ok(_) | Err(Error::NotFound) => Ok(start),
        Err(error) => Err(error),
    }
}
