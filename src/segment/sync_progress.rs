use crate::format::SEGMENT_LEN_MAX;

/// Bytes that one step of a sync brings to stable storage.
const SYNC_STEP_LEN: u64 = 1 << 20;

/// How far a sync in steps has come.
#[derive(Debug)]
pub(crate) struct SyncProgress {
    /// Bytes in a step.
    pub(super) step_len: u64,
    /// The first and the last position (exclusive) of the bytes still to be synced; `None` at the
    /// beginning. Bytes stored later are left to the next sync; otherwise a sync would never end
    /// beside a fast publisher.
    pub(super) left: Option<(u64, u64)>,
}

impl SyncProgress {
    /// Steps that take a few milliseconds.
    pub(crate) fn in_steps() -> SyncProgress {
        SyncProgress {
            step_len: SYNC_STEP_LEN,
            left: None,
        }
    }

    /// One step, for somebody who waits: each step has a flush of the disk of its own.
    pub(super) fn at_once() -> SyncProgress {
        SyncProgress {
            step_len: SEGMENT_LEN_MAX,
            left: None,
        }
    }
}
