//! The names in a directory: which files they stand for, and when they changed.

use std::time::{Duration, SystemTime};

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Compare it with those of other listings only: an overlay may call a file by another number
    /// when the file itself is asked.
    pub(crate) inode: u64,
}

/// Two ticks of the slowest clock.
pub(crate) const NAMES_SETTLE_AFTER: Duration = Duration::from_millis(20);

/// The same where times are whole seconds, or those of another machine.
pub(crate) const COARSE_NAMES_SETTLE_AFTER: Duration = Duration::from_secs(2);

/// When a name in a directory was changed last, in nanoseconds since the Unix epoch; `None` if the
/// system does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NamesChangedAt(Option<i128>);

impl NamesChangedAt {
    #[cfg(feature = "fault")]
    pub(super) const UNKNOWN: NamesChangedAt = NamesChangedAt(None);

    #[cfg_attr(not(unix), expect(dead_code, reason = "no directory can be opened there"))]
    pub(super) fn of(seconds: impl Into<i128>, nanoseconds: impl Into<i128>) -> NamesChangedAt {
        NamesChangedAt(Some(seconds.into() * 1_000_000_000 + nanoseconds.into()))
    }

    /// Whether the system tells a time.
    pub(crate) fn is_known(self) -> bool {
        self.0.is_some()
    }

    /// Whether the next change will be told by another time. Many systems tell the time of the last
    /// tick of their clock, of which there are 100 a second and more, so two changes in a row may
    /// have the same.
    pub(crate) fn is_settled(self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let is_in_seconds = self.0.is_some_and(|at| at % 1_000_000_000 == 0);
        let after = if is_in_seconds {
            COARSE_NAMES_SETTLE_AFTER
        } else {
            NAMES_SETTLE_AFTER
        };
        let before = now.ok().and_then(|now| now.checked_sub(after));
        let before = before.and_then(|before| i128::try_from(before.as_nanos()).ok());
        self.0.zip(before).is_some_and(|(at, before)| at < before)
    }
}
