//! Waking readers in other processes.

use std::time::Instant;

use super::os;

/// Bytes of a bell's file.
pub(crate) const BELL_LEN: u64 = 4096;

/// By this, a log's writer wakes readers in other processes, where the system has a way.
#[derive(Debug)]
pub(crate) struct Bell(os::Bell);

impl Bell {
    /// Whether the system has a way.
    pub(crate) const IS_POSSIBLE: bool = os::Bell::IS_POSSIBLE;

    pub(super) fn new(bell: os::Bell) -> Bell {
        Bell(bell)
    }

    /// Announces somebody who waits; returns what [`wait`](Bell::wait) is to be told. The caller
    /// makes a fence, and then looks whether there is anything to wait for.
    pub(crate) fn listen(&self) -> u32 {
        self.0.listen()
    }

    /// Sleeps until it is rung, and returns true, or until the deadline has passed.
    pub(crate) fn wait(&self, rounds: u32, deadline: Option<Instant>) -> bool {
        self.0.wait(rounds, deadline)
    }

    /// Wakes who has announced itself. The caller has made the change, and then a fence.
    #[inline]
    pub(crate) fn ring_if_awaited(&self) {
        self.0.ring_if_awaited();
    }

    /// Lets go of the file. From then on nobody is woken by this.
    pub(crate) fn let_go(&self) {
        self.0.let_go();
    }

    /// Wakes all who wait.
    pub(crate) fn ring(&self) {
        self.0.ring();
    }
}
