/// Options of one [`publish_with`](crate::Log::publish_with).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishOptions {
    pub(crate) expect_next_offset: Option<u64>,
    pub(crate) sync: bool,
}

impl PublishOptions {
    /// The options of [`publish`](crate::Log::publish): no condition, and the log's durability.
    #[must_use]
    pub const fn new() -> PublishOptions {
        PublishOptions {
            expect_next_offset: None,
            sync: false,
        }
    }

    /// Publish only if the batch would begin at `offset`: optimistic concurrency.
    ///
    /// Otherwise nothing is written and the call returns
    /// [`Error::OffsetMismatch`](crate::Error::OffsetMismatch). The comparison counts offsets that
    /// are assigned but not visible yet. So of two racing publishers that expect the same offset,
    /// at most one succeeds.
    #[must_use]
    pub const fn expect_next_offset(mut self, offset: u64) -> PublishOptions {
        self.expect_next_offset = Some(offset);
        self
    }

    /// Return only once the batch is on stable storage, whatever the log's
    /// [`Durability`](crate::Durability).
    #[must_use]
    pub const fn sync(mut self, sync: bool) -> PublishOptions {
        self.sync = sync;
        self
    }

    /// The offset set by [`expect_next_offset`](PublishOptions::expect_next_offset). For
    /// implementations of [`Log`](crate::Log).
    #[must_use]
    pub const fn expected_next_offset(&self) -> Option<u64> {
        self.expect_next_offset
    }

    /// Whether [`sync`](PublishOptions::sync) is set. For implementations of [`Log`](crate::Log).
    #[must_use]
    pub const fn is_sync(&self) -> bool {
        self.sync
    }
}
