/// Why messages were removed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cause {
    Retention,
    Trim,
    Delete,
}

/// What takes time that is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timed {
    /// Opening the log.
    Open,
    /// A sync of everything that was written.
    Sync,
    /// A publisher's waiting for stable storage.
    Wait,
}

/// The segments of a log, as its gauges show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) start_offset: u64,
    pub(crate) segments: usize,
    /// Bytes of the files of all segments but the one that is appended to.
    pub(crate) left_behind: u64,
}
