//! What happens to streams, in numbers.

use std::ops::AddAssign;

/// What has happened to a stream, or to all of a store, and what there is now. See
/// [`Stream::metrics`](super::Stream::metrics) and [`Store::metrics`](super::Store::metrics).
///
/// The counters begin at 0 when the store is opened, and never go back while it is open, also if
/// partitions are closed and opened meanwhile. They count what goes through this handle of the
/// store and those that were made from it. Each is read for itself: while others publish, a
/// snapshot may have the records of a batch, and not its bytes yet.
///
/// The last four are what there is at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Counts atomic batches that were published, control records alone included. Each part of a
    /// [`publish_to`](super::Store::publish_to) is one. A batch that had been published before, by
    /// its producer, does not count, nor does an empty one, nor what the store writes of its own
    /// accord or for [`Stream::seal`](super::Stream::seal).
    pub appends: u64,
    /// Counts records in these batches: messages and control records.
    pub records: u64,
    /// Counts the bytes of the messages in these batches, by their
    /// [metered size](crate::metered_size).
    pub metered_in: u64,
    /// Counts calls that have read messages, or looked for some and found the end: `consume`,
    /// `read`, `get`, and those by key and time. Followers and others who wait make such calls. A
    /// call that fails does not count.
    pub reads: u64,
    /// Counts messages that these calls have returned.
    pub messages_out: u64,
    /// Counts the bytes of these messages, by their [metered size](crate::metered_size).
    pub metered_out: u64,
    /// Counts how often everything that was written to a partition was brought to stable storage,
    /// whoever asked for that. Publishers that wait for the same sync count once. The syncs that
    /// closing a partition and finishing a segment take do not count.
    pub syncs: u64,
    /// Counts publishes that were refused or failed, by the reason.
    pub rejected: Rejected,
    /// The messages in the partitions, without control records. A partition that is closed counts
    /// with what it had when it was closed, or when the store looked at it last. One that was not
    /// looked at since the store was opened does not count, nor do those of a stream that was
    /// deleted.
    pub messages: u64,
    /// The bytes of the files of the partitions, as [`Stats::size`](crate::Stats::size). Partitions
    /// that are closed count as above.
    pub bytes: u64,
    /// The streams that are there, without those that were deleted. Of a stream: 1, or 0 if it was
    /// deleted.
    pub streams: u64,
    /// The partitions that are open.
    pub open_partitions: u64,
}

impl AddAssign for Metrics {
    fn add_assign(&mut self, other: Metrics) {
        self.appends += other.appends;
        self.records += other.records;
        self.metered_in += other.metered_in;
        self.reads += other.reads;
        self.messages_out += other.messages_out;
        self.metered_out += other.metered_out;
        self.syncs += other.syncs;
        self.rejected += other.rejected;
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.streams += other.streams;
        self.open_partitions += other.open_partitions;
    }
}

/// Publishes that were refused or failed, each with one of these errors. A
/// [`publish_to`](super::Store::publish_to) that is refused counts once for each of its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejected {
    /// [`Fenced`](crate::Error::Fenced): the partition has another token.
    pub fenced: u64,
    /// [`OffsetMismatch`](crate::Error::OffsetMismatch): it has another next offset.
    pub offset_mismatch: u64,
    /// [`KeyMismatch`](crate::Error::KeyMismatch): the key has another last message.
    pub key_mismatch: u64,
    /// [`Sealed`](crate::Error::Sealed).
    pub sealed: u64,
    /// [`OutOfSequence`](crate::Error::OutOfSequence): the sequence of the producer is too old.
    pub out_of_sequence: u64,
    /// [`TooLarge`](crate::Error::TooLarge): a message, or the batch.
    pub too_large: u64,
    /// [`TimeRequired`](crate::Error::TimeRequired): a message has no time.
    pub time_required: u64,
    /// Any other error, such as [`StreamDeleting`](crate::Error::StreamDeleting), or one of the
    /// system. After some of them, the batch may be there all the same: see
    /// [`ErrorKind::Unknown`](crate::ErrorKind::Unknown). But a `publish_to` that is
    /// [`Unconfirmed`](crate::Error::Unconfirmed) is no rejection.
    pub other: u64,
}

impl Rejected {
    /// The sum of all.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.fenced
            + self.offset_mismatch
            + self.key_mismatch
            + self.sealed
            + self.out_of_sequence
            + self.too_large
            + self.time_required
            + self.other
    }
}

impl AddAssign for Rejected {
    fn add_assign(&mut self, other: Rejected) {
        self.fenced += other.fenced;
        self.offset_mismatch += other.offset_mismatch;
        self.key_mismatch += other.key_mismatch;
        self.sealed += other.sealed;
        self.out_of_sequence += other.out_of_sequence;
        self.too_large += other.too_large;
        self.time_required += other.time_required;
        self.other += other.other;
    }
}
