use std::time::Duration;

use crate::{Deleted, Timestamp};

/// What a compaction may remove, and how much memory it may use for that.
///
/// ```
/// use std::time::Duration;
///
/// use duramen::compact::Settings;
///
/// let settings = Settings::new().older_than(Duration::from_secs(3600)).offsets_max(10_000);
/// # let _ = settings;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    pub(super) older_than: Duration,
    pub(super) offsets_max: usize,
    pub(super) dry_run: bool,
}

impl Settings {
    /// Messages of any age, and at most 1,048,576 offsets at a time.
    pub fn new() -> Settings {
        Settings {
            older_than: Duration::ZERO,
            offsets_max: 1 << 20,
            dry_run: false,
        }
    }

    /// Remove only messages that are at least so old, by their own time and the wall clock. Default: zero, which is
    /// any message, even one from the future.
    ///
    /// Readers that keep up within this time see every message. That matters most for tombstones: a reader that has
    /// the value and never sees the tombstone keeps the value for ever.
    pub fn older_than(mut self, age: Duration) -> Settings {
        self.older_than = age;
        self
    }

    /// How many offsets are collected before their messages are removed, at least 1. Default: 1,048,576, about
    /// 16 MiB. More of them rewrite a segment less often.
    pub fn offsets_max(mut self, offsets: usize) -> Settings {
        self.offsets_max = offsets;
        self
    }

    /// Remove nothing, and tell what would be removed. The size is then what the messages take by
    /// [`Log::size`](crate::Log::size). Default: false.
    pub fn dry_run(mut self, dry_run: bool) -> Settings {
        self.dry_run = dry_run;
        self
    }

    /// The latest time that a message which is removed may have.
    pub(super) fn time_max(&self) -> Timestamp {
        if self.older_than.is_zero() {
            Timestamp::MAX
        } else {
            Timestamp::now().saturating_sub(self.older_than)
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings::new()
    }
}

/// How far a compaction or [`delete_multi`](super::delete_multi) is, as told in between.
///
/// ```
/// use std::ops::ControlFlow;
///
/// use duramen::compact::Progress;
///
/// /// Ends the work when so many messages are gone.
/// fn at_most(progress: &Progress) -> ControlFlow<()> {
///     if progress.deleted.messages < 10_000 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
/// }
/// # assert!(at_most(&Progress::default()).is_continue());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What was removed up to now, or, in a dry run, would have been.
    pub deleted: Deleted,
    /// Messages found or given that are still to be removed, as far as they exist.
    pub remaining: u64,
    /// Messages looked at up to now; a compaction of updates and tombstones looks at each of them twice.
    pub read: u64,
    /// Where reading goes on, or, if nothing is read, removing.
    pub next_offset: u64,
}
