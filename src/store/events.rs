//! What has happened to the streams of a store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::catalog::{EVENT, NAME, PARTITIONS};
use super::event::{StreamEvent, StreamEventKind};
use super::name as names;
use super::opening::Owner;
use super::record::{Numbers, Record};
use crate::types::StreamId;
use crate::{BlockingLog, FileLog, Log, Message, Result, Start};

/// Reads what has happened to the streams of a store, in order: see
/// [`Store::events`](super::Store::events).
#[derive(Debug)]
pub struct Events {
    inner: Arc<Owner>,
    catalog: BlockingLog<Arc<FileLog>>,
    /// Names are given without this.
    scope: String,
    from: Start,
}

impl Events {
    pub(super) fn new(inner: &Arc<Owner>, scope: &str, from: Start) -> Events {
        Events {
            inner: Arc::clone(inner),
            catalog: BlockingLog::new(Arc::clone(&inner.catalog.log)),
            scope: scope.to_owned(),
            from,
        }
    }

    /// The events that follow, `max_count` at most; moves on behind them. Waits for one if there is
    /// none yet, with a `timeout` at most so long. Then the list is empty.
    ///
    /// # Errors
    ///
    /// Those of [`BlockingLog::consume_blocking`].
    pub fn next(&mut self, max_count: usize, timeout: Option<Duration>) -> Result<Vec<StreamEvent>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            self.inner.check_open()?;
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let batch = self.catalog.consume_blocking(self.from, max_count, left)?;
            let is_empty = batch.messages.is_empty();
            self.from = Start::At(batch.next_offset);
            let events: Vec<_> = batch
                .messages
                .iter()
                .filter_map(|message| self.event(message))
                .collect();
            if !events.is_empty() || is_empty || max_count == 0 {
                return Ok(events);
            }
        }
    }

    /// The offset at which the next call goes on.
    ///
    /// # Errors
    ///
    /// Those of [`Log::consume`].
    pub fn next_offset(&self) -> Result<u64> {
        match self.from {
            Start::At(offset) => Ok(offset),
            other => Ok(self.catalog.consume(other, 0)?.next_offset),
        }
    }

    /// The event that a message tells, if anybody is to be told.
    fn event(&self, message: &Message) -> Option<StreamEvent> {
        let header = |name: &[u8]| message.headers.get(name);
        let kind = StreamEventKind::of_name(header(EVENT)?)?;
        let id = StreamId::from_bytes(message.key.as_deref()?.try_into().ok()?);
        let name = match header(NAME) {
            Some(name) => std::str::from_utf8(name).ok()?.to_owned(),
            None => Record::from_bytes(message.value.as_deref()?)?.name,
        };
        if names::is_reserved(&name) {
            return None;
        }
        let partitions = header(PARTITIONS).map(Numbers::from_bytes).unwrap_or_default();
        Some(StreamEvent {
            offset: message.offset,
            time: message.time,
            stream: name.strip_prefix(&self.scope)?.to_owned(),
            id,
            kind,
            partitions: partitions.iter().collect(),
        })
    }
}
