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
    pub(super) fn of(messages: &[NewMessage<'_>]) -> Result<BatchPlan> {
        let count = u32::try_from(messages.len())
            .ok()
            .filter(|count| *count < 1 << 30)
            .ok_or(Error::TooLarge)?;
        let (mut content, mut len, mut is_timed) = (0, 0, true);
        for message in messages {
            let size = message.content_size();
            let frame = record_len(message);
            if size > MESSAGE_SIZE_MAX || frame >= u64::from(FRAME_LEN_MAX) {
                return Err(Error::TooLarge);
            }
            content += size;
            len += frame;
            is_timed &= message.time.is_some();
        }
        len = match messages {
            [only] => lone_len(only),
            _ => len + BATCH_HEADER_LEN as u64,
        };
        if content > BATCH_SIZE_MAX || len > SEGMENT_LEN_MAX - 2 * SEGMENT_HEADER_LEN {
            return Err(Error::TooLarge);
        }
        Ok(BatchPlan { count, len, is_timed })
    }
}
