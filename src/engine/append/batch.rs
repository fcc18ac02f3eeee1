use crate::format::{
    BATCH_HEADER_LEN, FRAME_LEN_MAX, SEGMENT_HEADER_LEN, SEGMENT_LEN_MAX, lone_len, record_len,
};
use crate::{BATCH_SIZE_MAX, Error, MESSAGE_SIZE_MAX, NewMessage, Result};

/// What a batch needs, worked out before the appender's lock is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchPlan {
    pub(super) count: u32,
    /// Framed bytes.
    pub(super) len: u64,
    /// Whether every message has a time of its own.
    pub(super) is_timed: bool,
}

impl BatchPlan {
    /// Measures `messages`, of which there is at least one.
    #[inline]
    pub(super) fn of(messages: &[NewMessage<'_>]) -> Result<BatchPlan> {
        let (mut content, mut len, mut is_timed) = (0, 0, true);
        for (index, message) in messages.iter().enumerate() {
            let size = message.content_size();
            let frame = record_len(message);
            check_size(Some(index), size, MESSAGE_SIZE_MAX)?;
            check_size(Some(index), frame, u64::from(FRAME_LEN_MAX) - 1)?;
            content += size;
            len += frame;
            is_timed &= message.time.is_some();
        }
        len = match messages {
            [only] => lone_len(only),
            _ => len + BATCH_HEADER_LEN as u64,
        };
        let len_max = SEGMENT_LEN_MAX - 2 * SEGMENT_HEADER_LEN;
        check_size(None, content, BATCH_SIZE_MAX)?;
        check_size(None, len, len_max)?;
        // Every record takes several bytes, so a batch that fits has far fewer than 2^30 messages.
        let count = u32::try_from(messages.len()).map_err(|_| too_large(None, len, len_max))?;
        Ok(BatchPlan { count, len, is_timed })
    }
}

/// Checks the size of one message of a batch, or of the whole batch if `index` is `None`.
#[inline]
fn check_size(index: Option<usize>, size: u64, limit: u64) -> Result<()> {
    if size > limit {
        return Err(too_large(index, size, limit));
    }
    Ok(())
}

#[cold]
fn too_large(index: Option<usize>, size: u64, limit: u64) -> Error {
    Error::TooLarge { index, size, limit }
}
