use super::count::unless_nothing_goes;
use crate::{Log, Result, Start, Trimmed};

/// Messages whose sizes are added up before it is looked whether there were too many.
const STEP_LEN: u64 = 4096;

/// Messages read at a time.
const BATCH_LEN: usize = 256;

/// Keeps the longest row of messages at the end that take at most `size_max` bytes, and removes those before them.
///
/// What a message takes is [`Log::size`], the same on every call; [`Stats::size`](crate::Stats::size) may be less,
/// because messages that were published together share some bytes, or more, because storage is freed by whole
/// segments.
///
/// # Errors
///
/// As [`Log::consume`] and [`Log::trim`].
///
/// ```
/// use duramen::{Log, MemoryLog, NewMessage, trim};
///
/// let log = MemoryLog::new();
/// let message = NewMessage::value(b"event");
/// log.publish(&[message; 10])?;
/// assert_eq!(trim::by_size(&log, 3 * log.size(&message))?.count, 7);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn by_size(log: &(impl Log + ?Sized), size_max: u64) -> Result<Trimmed> {
    log.trim(find_by_size(log, size_max)?)
}

/// Where [`by_size`] would cut.
///
/// # Errors
///
/// As [`Log::consume`].
///
/// ```
/// use duramen::{Log, MemoryLog, NewMessage, trim};
///
/// let log = MemoryLog::new();
/// let message = NewMessage::value(b"event");
/// log.publish(&[message; 10])?;
/// assert_eq!(trim::find_by_size(&log, 3 * log.size(&message))?, 7);
/// assert_eq!(trim::find_by_size(&log, u64::MAX)?, 0);
/// # Ok::<(), duramen::Error>(())
/// ```
pub fn find_by_size(log: &(impl Log + ?Sized), size_max: u64) -> Result<u64> {
    find(log, size_max, STEP_LEN)
}

/// Goes back from the end by steps of `step_len` messages, each of them read forward, until they are too many.
pub(super) fn find(log: &(impl Log + ?Sized), size_max: u64, step_len: u64) -> Result<u64> {
    // From here on all messages are kept, and take so many bytes. What is published later stands behind them.
    let mut kept_from = log.next_offset()?;
    let mut kept_size = 0_u64;
    let mut count = step_len;
    loop {
        if log.consume(Start::Oldest, 0)?.next_offset >= kept_from {
            return log.start_offset();
        }
        let begin = log.consume(Start::Last(count), 0)?.next_offset;
        if begin >= kept_from {
            // So much was published meanwhile that the step did not get before what was looked at.
            count = count.saturating_mul(2);
            continue;
        }
        let size = kept_size.saturating_add(size_between(log, begin, kept_from)?);
        if size > size_max {
            let cut = cut_between(log, begin, kept_from, size - size_max)?;
            return unless_nothing_goes(log, cut);
        }
        (kept_from, kept_size) = (begin, size);
        count = count.saturating_add(step_len);
    }
}

/// What the messages from `begin` to before `end` take.
fn size_between(log: &(impl Log + ?Sized), begin: u64, end: u64) -> Result<u64> {
    let mut sum = 0_u64;
    each_between(log, begin, end, |_, size| {
        sum = sum.saturating_add(size);
        true
    })?;
    Ok(sum)
}

/// The offset after as many messages from `begin` on as take `excess` bytes.
fn cut_between(log: &(impl Log + ?Sized), begin: u64, end: u64, excess: u64) -> Result<u64> {
    let (mut sum, mut cut) = (0_u64, begin);
    each_between(log, begin, end, |offset, size| {
        sum = sum.saturating_add(size);
        cut = offset + 1;
        sum < excess
    })?;
    Ok(cut)
}

/// Calls `see` with offset and size of each message from `begin` to before `end`, until it returns false.
fn each_between(
    log: &(impl Log + ?Sized),
    begin: u64,
    end: u64,
    mut see: impl FnMut(u64, u64) -> bool,
) -> Result<()> {
    let mut next = begin;
    while next < end {
        let batch = match log.consume(Start::At(next), BATCH_LEN) {
            // Another thread trimmed meanwhile.
            Err(error) if error.is_trimmed() => log.consume(Start::Oldest, BATCH_LEN)?,
            batch => batch?,
        };
        for message in batch.messages.iter().take_while(|message| message.offset < end) {
            if !see(message.offset, log.size(&message.as_new())) {
                return Ok(());
            }
        }
        next = batch.next_offset;
    }
    Ok(())
}
