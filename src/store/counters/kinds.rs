/// What is counted. Each is the place of its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Appends,
    Records,
    MeteredIn,
    Reads,
    MessagesOut,
    MeteredOut,
    Syncs,
    Fenced,
    OffsetMismatch,
    KeyMismatch,
    Sealed,
    OutOfSequence,
    TooLarge,
    TimeRequired,
    Other,
}

impl Kind {
    pub(super) const COUNT: usize = Kind::Other as usize + 1;
}
