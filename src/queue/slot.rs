/// No offset.
pub(super) const NONE: u64 = u64::MAX;

/// What is known of one offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Settled,
    Fresh,
    /// Behind another one of its key.
    Held,
    Ready,
    Delayed,
    Leased,
    Burying,
}

/// One offset in a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) state: State,
    /// Whether it is the first of its key, or has none.
    pub(super) is_first: bool,
    pub(super) attempts: u32,
    pub(super) lease: u64,
    /// When the delay or the lease ends.
    pub(super) until: u64,
    pub(super) key: Option<u64>,
    pub(super) next_of_key: u64,
}

/// What needs not be given out, or does not exist.
pub(super) const SETTLED: Slot = Slot {
    state: State::Settled,
    is_first: false,
    attempts: 0,
    lease: 0,
    until: 0,
    key: None,
    next_of_key: NONE,
};
