//! Where the next look at something is in the queue of looks.

use std::time::Instant;

use parking_lot::Mutex;

/// When a look is due, and a number that tells it apart from others that are due then.
pub(super) type Key = (Instant, u64);

/// Where the next look at something is among the others, if there is one.
#[derive(Debug, Default)]
pub(super) struct Slot(pub(super) Mutex<Option<Key>>);
