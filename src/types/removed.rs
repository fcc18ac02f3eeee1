use std::iter::Sum;
use std::ops::{Add, AddAssign};

/// What a [`delete`](crate::Log::delete) removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// Messages that were there and are gone.
    pub messages: u64,
    /// Bytes of storage that this freed, indexes included.
    pub size: u64,
}

/// What a [`trim`](crate::Log::trim) removed, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trimmed {
    /// Messages that can no longer be read.
    pub count: u64,
    /// Bytes of storage that this freed, indexes included: those of whole segments.
    pub size: u64,
}

impl Deleted {
    /// So many messages, with so many bytes of storage.
    #[must_use]
    pub fn new(messages: u64, size: u64) -> Deleted {
        Deleted { messages, size }
    }
}

impl Trimmed {
    /// So many messages, with so many bytes of storage.
    #[must_use]
    pub fn new(count: u64, size: u64) -> Trimmed {
        Trimmed { count, size }
    }
}

impl Add for Deleted {
    type Output = Deleted;

    fn add(self, other: Deleted) -> Deleted {
        Deleted {
            messages: self.messages.saturating_add(other.messages),
            size: self.size.saturating_add(other.size),
        }
    }
}

impl AddAssign for Deleted {
    fn add_assign(&mut self, other: Deleted) {
        *self = *self + other;
    }
}

impl Sum for Deleted {
    fn sum<I: Iterator<Item = Deleted>>(all: I) -> Deleted {
        all.fold(Deleted::default(), Add::add)
    }
}
