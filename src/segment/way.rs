/// How bytes get into the file of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By stores through the mapping: the fastest, and no system call.
    Mapping,
    /// By a call, which makes the next sync write no more than the blocks of these bytes.
    Call,
}

/// Space to be reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    /// Up to where it is needed.
    pub(crate) end: u64,
    /// How much more is wanted at most, in bytes.
    pub(crate) ahead_max: u64,
    /// How most bytes will come there.
    pub(crate) way: Way,
}
