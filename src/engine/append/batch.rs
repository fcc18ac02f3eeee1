use crate::format::{
    BATCH_HEADER_LEN, BATCH_HEADER_LEN_MAX, FRAME_LEN_MAX, RecordKind, SEGMENT_HEADER_LEN, SEGMENT_LEN_MAX,
    lone_len, record_len,
};
use crate::{BATCH_SIZE_MAX, Error, MESSAGE_SIZE_MAX, NewMessage, Result, Timestamp};

/// What a batch needs, worked out before the appender's lock is taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BatchPlan {
    pub(super) count: u32,
    /// Framed bytes.
    pub(super) len: u64,
    /// Whether every record has a time of its own.
    pub(super) is_timed: bool,
    /// The latest of these times.
    pub(super) time_max: i64,
    /// The producer that the batch is of, and its sequence.
    pub(super) producer: Option<(u64, u64)>,
}

impl BatchPlan {
    /// The plan of a batch, which a producer may have published; see [`BatchPlan::measure`].
    pub(super) fn of(records: &[NewMessage<'_>], producer: Option<(u64, u64)>) -> Result<BatchPlan> {
        let mut plan = BatchPlan {
            producer,
            ..BatchPlan::default()
        };
        plan.measure(records)?;
        Ok(plan)
    }

    /// Measures the records of a batch, of which there is at least one.
    #[inline]
    pub(super) fn measure(&mut self, records: &[NewMessage<'_>]) -> Result<()> {
        let (mut content, mut len, mut is_timed, mut time_max) = (0, 0, true, i64::MIN);
        for (index, message) in records.iter().enumerate() {
            let size = message.content_size();
            let frame = record_len(message);
            check_size(Some(index), size, MESSAGE_SIZE_MAX)?;
            check_size(Some(index), frame, u64::from(FRAME_LEN_MAX) - 1)?;
            content += size;
            len += frame;
            match message.time {
                Some(time) => time_max = time_max.max(time.as_micros()),
                None => is_timed = false,
            }
        }
        len = match (records, self.producer) {
            ([only], None) => lone_len(only),
            (_, None) => len + BATCH_HEADER_LEN as u64,
            (_, Some(_)) => len + BATCH_HEADER_LEN_MAX as u64,
        };
        let len_max = SEGMENT_LEN_MAX - 2 * SEGMENT_HEADER_LEN;
        check_size(None, content, BATCH_SIZE_MAX)?;
        check_size(None, len, len_max)?;
        // Every record takes several bytes, so a batch that fits has far fewer than 2^29 records.
        self.count = u32::try_from(records.len()).map_err(|_| too_large(None, len, len_max))?;
        self.len = len;
        self.is_timed = is_timed;
        self.time_max = time_max;
        Ok(())
    }

    /// The same plan for records that have got their times, or that of `now`.
    pub(super) fn stamped(self, records: &[NewMessage<'_>], now: Timestamp) -> BatchPlan {
        let times = records.iter().map(|record| record.time.unwrap_or(now));
        BatchPlan {
            is_timed: records.iter().all(|record| record.time.is_some()),
            time_max: times.max().unwrap_or(now).as_micros(),
            ..self
        }
    }

    /// Bytes of the batch header; `None` for a lone record.
    #[inline]
    pub(super) fn header_len(&self) -> Option<usize> {
        match self.producer {
            Some(_) => Some(BATCH_HEADER_LEN_MAX),
            None => (self.count > 1).then_some(BATCH_HEADER_LEN),
        }
    }

    /// The form of the batch's records.
    #[inline]
    pub(super) fn kind(&self, frontier: u32) -> RecordKind {
        match self.header_len() {
            Some(_) => RecordKind::Batched,
            None => RecordKind::Lone { frontier },
        }
    }
}

/// Checks the size of a message that is written alone.
pub(in crate::engine) fn check_message_size(message: &NewMessage<'_>) -> Result<()> {
    BatchPlan::of(std::slice::from_ref(message), None).map(drop)
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
