use std::time::Duration;

use crate::Deleted;

/// Which messages a compaction may remove, and how much memory it may use.
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
    pub(super) superseded_age: Duration,
    pub(super) tombstone_age: Duration,
    pub(super) offsets_max: usize,
    pub(super) dry_run: bool,
}

impl Settings {
    /// For how long tombstones stay unless [`older_than`](Settings::older_than) says otherwise:
    /// 24 hours.
    pub const TOMBSTONE_AGE_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);

    /// Settings for superseded messages of any age, tombstones that are 24 hours old, and at most
    /// 1,048,576 offsets at a time.
    pub fn new() -> Settings {
        Settings {
            superseded_age: Duration::ZERO,
            tombstone_age: Settings::TOMBSTONE_AGE_DEFAULT,
            offsets_max: 1 << 20,
            dry_run: false,
        }
    }

    /// Remove only messages that were published at least this long ago, tombstones as well as
    /// superseded ones. Zero allows any message, even one with a time in the future. Default: zero
    /// for superseded messages, [24 hours](Settings::TOMBSTONE_AGE_DEFAULT) for tombstones.
    ///
    /// A reader that stays less than this time behind sees every message. This matters most for
    /// tombstones: a reader that has seen a value and misses its tombstone keeps the value for
    /// ever.
    ///
    /// The age counts by the clock of the log, as [`Log::offset_by_age`](crate::Log::offset_by_age)
    /// tells it. For a log that cannot tell, it counts from the times of the messages, by the
    /// system's clock.
    pub fn older_than(mut self, age: Duration) -> Settings {
        self.superseded_age = age;
        self.tombstone_age = age;
        self
    }

    /// How many offsets to collect before their messages are removed, at least 1. Default:
    /// 1,048,576, which take about 16 MiB. With a higher limit, each segment is rewritten less
    /// often.
    pub fn offsets_max(mut self, offsets: usize) -> Settings {
        self.offsets_max = offsets;
        self
    }

    /// Remove nothing, and return what would be removed. The size is then the sum of
    /// [`Log::size`](crate::Log::size) over the messages. Default: false.
    pub fn dry_run(mut self, dry_run: bool) -> Settings {
        self.dry_run = dry_run;
        self
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings::new()
    }
}

/// How far a compaction or [`delete_multi`](super::delete_multi) has come.
///
/// ```
/// use std::ops::ControlFlow;
///
/// use duramen::compact::Progress;
///
/// /// Ends the work when 10,000 messages are gone.
/// fn at_most(progress: &Progress) -> ControlFlow<()> {
///     match progress.deleted.messages {
///         0..10_000 => ControlFlow::Continue(()),
///         _ => ControlFlow::Break(()),
///     }
/// }
/// # assert!(at_most(&Progress::default()).is_continue());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The messages removed so far; in a dry run, those that would have been.
    pub deleted: Deleted,
    /// How many of the offsets found or given have not been dealt with yet. Some of them may be of
    /// messages that do not exist.
    pub remaining: u64,
    /// How many messages have been read so far. [`compact`](super::compact()) reads the log twice,
    /// and counts each message twice.
    pub read: u64,
    /// The offset at which reading continues. For [`delete_multi`](super::delete_multi), which
    /// reads nothing, the offset at which removing continues.
    pub next_offset: u64,
}
