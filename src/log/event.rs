use std::fmt;
use std::time::Duration;

/// What a log tells that no call returns, because it happens in the background or concerns more
/// than the caller. See [`Options::on_event`](crate::Options::on_event).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A paced sync ([`Durability::Interval`](crate::Durability::Interval) or
    /// [`Bytes`](crate::Durability::Bytes)) is later than its pace: the disk cannot keep up, or
    /// hangs. Told once for each time that the log falls behind.
    SyncLate {
        /// For how long the oldest message that is not on stable storage has been waiting.
        lag: Duration,
        /// Messages below this offset are on stable storage.
        synced_offset: u64,
    },
    /// Retention by age is about to remove more than half of the log, which may be because the wall
    /// clock has stepped. It waits, and goes on if the clock still says so afterwards.
    RetentionWaits {
        /// The offset below which messages are about to be removed.
        before: u64,
        /// How many messages that is, at most.
        messages: u64,
        /// For how long it waits.
        wait: Duration,
    },
    /// The log goes on in a new segment, because the one before it is full or old.
    #[non_exhaustive]
    RolledOver {
        /// The base offset of the new segment.
        base: u64,
    },
    /// A segment that was left behind is on stable storage, cut to its length, and has its index
    /// file.
    #[non_exhaustive]
    Sealed {
        /// The base offset of the segment.
        base: u64,
        /// The length of the segment in bytes, without its index file.
        bytes: u64,
    },
    /// Retention has removed messages.
    #[non_exhaustive]
    RetentionRemoved {
        /// How many messages.
        messages: u64,
        /// By how many bytes the files of the log have become less. Messages in a segment that
        /// others keep take their space until those go, too.
        bytes: u64,
        /// The offset that the log begins at now.
        start_offset: u64,
    },
    /// Retention has removed messages that somebody has yet to read, because they were too far
    /// behind: see [`Retention::keep_unread`](crate::Retention::keep_unread).
    #[non_exhaustive]
    RetentionOverrun {
        /// The [floor](crate::RetentionFloor): the first message that was not read by all.
        floor: u64,
        /// The offset that the log begins at now.
        start_offset: u64,
    },
    /// Work failed whose result no call returns. Where the next attempt may mend it, there will be
    /// one; after a failed sync or write, the next publish says so as well.
    #[non_exhaustive]
    JobFailed {
        /// Which work.
        job: Job,
        /// The error with its causes, as text.
        error: String,
    },
    /// Opening found a log that was not closed, and has recovered it.
    #[non_exhaustive]
    Recovered {
        /// How many bytes behind the end of the log were cut off. Space that was reserved, and
        /// never written to, does not count.
        cut_bytes: u64,
        /// Whether messages that were on stable storage are lost: only where
        /// [`Options::recover`](crate::Options::recover) allows it.
        lost_durable: bool,
        /// Whether the log has begun a new life, because messages that readers have seen may be
        /// lost, or because the directory was copied.
        new_life: bool,
        /// The offset that the next message gets.
        next_offset: u64,
    },
}

/// Work that a log does unasked. See [`Event::JobFailed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Job {
    /// Bringing messages to stable storage, in a paced durability mode.
    Sync,
    /// Sealing a segment that was left behind.
    Seal,
    /// Preparing space: for the active segment, for the next one, or the spare for a full disk.
    Space,
    /// Making index files: of segments that lack theirs, or of several segments together.
    Index,
    /// Applying the retention policy.
    Retention,
    /// Removing what was trimmed or has been replaced, or merging small segments.
    Removal,
    /// Keeping the table of producers.
    Producers,
    /// Closing a log that was dropped.
    Close,
}

impl Job {
    /// All there are.
    #[cfg(feature = "metrics")]
    pub(crate) const ALL: [Job; 8] = [
        Job::Sync,
        Job::Seal,
        Job::Space,
        Job::Index,
        Job::Retention,
        Job::Removal,
        Job::Producers,
        Job::Close,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Job::Sync => "sync",
            Job::Seal => "seal",
            Job::Space => "space",
            Job::Index => "index",
            Job::Retention => "retention",
            Job::Removal => "removal",
            Job::Producers => "producers",
            Job::Close => "close",
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
