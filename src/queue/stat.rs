/// How far a queue is: see [`Queue::stat`](super::Queue::stat).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStat {
    /// The partitions, by their numbers. A single log has one.
    pub partitions: Vec<QueuedPartition>,
    /// How many messages the group has given up.
    pub buried: u64,
}

/// How far a queue is in one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueuedPartition {
    /// Below this offset, every message is settled: done, buried, deleted or trimmed.
    pub floor: u64,
    /// The next offset of the log.
    pub next_offset: u64,
    /// How many messages are settled above the floor, or do not exist.
    pub settled: u64,
    /// How many jobs workers have. In a store that is open for reading only: how many messages were
    /// given out, are not settled and do not rest. Workers have these, or had them when they died.
    pub leased: u64,
    /// How many messages rest before they are given out again.
    pub delayed: u64,
}

impl QueuedPartition {
    /// How many offsets are not settled. Of those that were not read yet, some may be no messages.
    #[must_use]
    pub fn open(&self) -> u64 {
        let open = self.next_offset.saturating_sub(self.floor);
        open.saturating_sub(self.settled)
    }
}
