use std::iter::Sum;
use std::ops::{Add, AddAssign};

/// The result of a [`delete`](crate::Log::delete).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// Messages removed. Offsets without a message do not count.
    pub messages: u64,
    /// Bytes of storage freed, indexes included.
    pub size: u64,
}

/// The result of a [`trim`](crate::Log::trim), or of a dry run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trimmed {
    /// Messages removed.
    pub count: u64,
    /// Bytes of storage freed, indexes included. Storage is freed by whole segments. What a backup
    /// has yet to copy is freed only then, and counts here.
    pub size: u64,
}

impl Deleted {
    /// A result with these figures. For implementations of [`Log`](crate::Log).
    #[must_use]
    pub fn new(messages: u64, size: u64) -> Deleted {
        Deleted { messages, size }
    }
}

impl Trimmed {
    /// A result with these figures. For implementations of [`Log`](crate::Log).
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
