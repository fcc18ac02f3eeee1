//! One stream of S2, as its records and where they end.

use std::sync::Arc;

use duramen::Result;
use s2_sdk::S2Stream;
use s2_sdk::error::ReadError;
use s2_sdk::types::{ReadFrom, ReadInput, ReadLimits, ReadStart, ReadStop, SequencedRecord, StreamPosition};

use crate::failure::of_read;

/// The most records that S2 gives at once, and takes.
pub(crate) const COUNT_MAX: usize = 1000;

/// A stream. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) stream: S2Stream,
    pub(crate) name: Arc<str>,
    /// How often a request is tried.
    pub(crate) attempts: u32,
}

/// Records side by side, as far as one answer goes.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) records: Vec<SequencedRecord>,
    /// The stream's end, if there was nothing to read in front of it.
    pub(crate) end: Option<StreamPosition>,
}

impl Page {
    /// The offset behind the records; `at` if there are none.
    pub(crate) fn next_offset(&self, at: u64) -> u64 {
        self.records.last().map_or(at, |record| record.seq_num + 1)
    }

    /// The offset of the first record.
    pub(crate) fn first(&self) -> Option<u64> {
        self.records.first().map(|record| record.seq_num)
    }
}

impl Remote {
    /// The stream's end.
    pub(crate) async fn tail(&self) -> Result<StreamPosition> {
        let tail = self.stream.check_tail().await;
        tail.map_err(|error| of_read("look up the end", &self.name, error))
    }

    /// At least one record from there on, and at most so many, unless there is none. Records that
    /// were trimmed are passed over.
    pub(crate) async fn page(&self, from: ReadFrom, count: usize) -> Result<Page> {
        let page = self.page_once(from, count).await?;
        if page.end.is_some() || !page.records.is_empty() {
            return Ok(page);
        }
        // All of it was trimmed. What lands before the end is looked up is behind what was asked
        // for, and in front of that end.
        let end = self.tail().await?;
        let page = self.page_once(from, count).await?;
        Ok(Page {
            end: page.end.or_else(|| page.records.is_empty().then_some(end)),
            ..page
        })
    }

    async fn page_once(&self, from: ReadFrom, count: usize) -> Result<Page> {
        let limits = ReadLimits::new().with_count(count.clamp(1, COUNT_MAX));
        let input = ReadInput::new()
            .with_start(ReadStart::new().with_from(from))
            .with_stop(ReadStop::new().with_limits(limits));
        match self.stream.read(input).await {
            Ok(batch) => Ok(Page {
                records: batch.records,
                end: None,
            }),
            Err(ReadError::ReadUnwritten(tail)) => Ok(Page {
                records: Vec::new(),
                end: Some(tail),
            }),
            Err(error) => Err(of_read("read", &self.name, error)),
        }
    }

    /// At least one record from this offset on, and at most so many, unless there is none.
    pub(crate) async fn page_at(&self, offset: u64, count: usize) -> Result<Page> {
        self.page(ReadFrom::SeqNum(offset), count).await
    }
}
