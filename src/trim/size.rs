use super::count::unless_nothing_goes;
use crate::{Log, Result, Start, Trimmed};

/// How many messages to step back at a time.
const STEP_LEN: u64 = 4096;

/// Messages read at a time.
const BATCH_LEN: usize = 256;

/// Keeps as many of the newest messages as take at most `size_max` bytes together, and removes
/// those before them.
///
/// The size of a message is [`Log::size`], which is the same on every call.
/// [`Stats::size`](crate::Stats::size) may be smaller, because messages published together share
/// some bytes, or larger, because storage is freed by whole segments.
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

/// Goes back from the end in steps of `step_len` messages until their sizes exceed `size_max`. The
/// messages of a step are read forward.
pub(super) fn find(log: &(impl Log + ?Sized), size_max: u64, step_len: u64) -> Result<u64> {
    // The messages from `kept_from` on are kept, and take `kept_size` bytes. Messages published
    // later are not counted.
    let mut kept_from = log.next_offset()?;
    let mut kept_size = 0_u64;
    let mut count = step_len;
    loop {
        if log.consume(Start::Oldest, 0)?.next_offset >= kept_from {
            return log.start_offset();
        }
        let begin = log.consume(Start::Last(count), 0)?.next_offset;
        if begin >= kept_from {
            // So many messages were published meanwhile that the step reached none that were not
            // counted.
            count = count.saturating_mul(2);
            continue;
        }
        // Read once: a second look might miss what others have trimmed meanwhile, and take more
        // away instead.
        let mut sizes = Vec::new();
        each_between(log, begin, kept_from, |offset, size| {
            sizes.push((offset, size));
            true
        })?;
        let size = sizes
            .iter()
            .fold(kept_size, |sum, (_, size)| sum.saturating_add(*size));
        if size > size_max {
            let cut = cut_among(&sizes, size - size_max).unwrap_or(begin);
            return unless_nothing_goes(log, cut);
        }
        (kept_from, kept_size) = (begin, size);
        count = count.saturating_add(step_len);
    }
}

/// The offset behind the fewest of these messages, from the first on, that take at least `excess`
/// bytes; none if there are none.
fn cut_among(sizes: &[(u64, u64)], excess: u64) -> Option<u64> {
    let mut sum = 0_u64;
    let last = sizes.iter().find(|(_, size)| {
        sum = sum.saturating_add(*size);
        sum >= excess
    });
    last.or(sizes.last()).map(|(offset, _)| offset + 1)
}

/// Calls `visit` with the offset and size of each message in `begin..end` until it returns false.
fn each_between(
    log: &(impl Log + ?Sized),
    begin: u64,
    end: u64,
    mut visit: impl FnMut(u64, u64) -> bool,
) -> Result<()> {
    let mut next = begin;
    while next < end {
        let batch = match log.consume(Start::At(next), BATCH_LEN) {
            // Another thread has trimmed the log meanwhile.
            Err(error) if error.is_trimmed() => log.consume(Start::Oldest, BATCH_LEN)?,
            batch => batch?,
        };
        for message in batch.messages.iter().take_while(|message| message.offset < end) {
            if !visit(message.offset, log.size(&message.as_new())) {
                return Ok(());
            }
        }
        next = batch.next_offset;
    }
    Ok(())
}
