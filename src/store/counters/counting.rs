use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::kinds::Kind;
#[cfg(not(feature = "metrics"))]
use super::off::Report;
#[cfg(feature = "metrics")]
use super::reporting::Report;
use crate::log::Tally;
use crate::store::metrics::{Metrics, Rejected};
use crate::{Ack, Batch, Error, Message, NewMessage, ReadBatch, metered_size};

/// What has happened to a stream. It outlasts that partitions are closed.
#[derive(Debug, Default)]
pub(in crate::store) struct Counters {
    counted: [AtomicU64; Kind::COUNT],
    report: Report,
}

impl Counters {
    /// Reports what is counted from now on as that of this stream of the store in `dir`.
    #[inline]
    pub(in crate::store) fn report_as(&self, dir: &Path, stream: &str) {
        self.report.begin(dir, stream);
    }

    #[inline]
    fn add(&self, kind: Kind, count: u64) {
        self.counted[kind as usize].fetch_add(count, Ordering::Relaxed);
        self.report.add(kind, count);
    }

    /// Counts a publish that has gone well.
    #[inline]
    pub(in crate::store) fn published(&self, messages: &[NewMessage<'_>], ack: &Ack) {
        let records = ack.end.offset.saturating_sub(ack.start.offset);
        if !ack.is_duplicate && records > 0 {
            self.add(Kind::Appends, 1);
            self.add(Kind::Records, records);
            self.add(Kind::MeteredIn, messages.iter().map(metered_size).sum());
        }
    }

    /// Counts a publish that was refused or failed.
    pub(in crate::store) fn rejected(&self, error: &Error) {
        let kind = match error {
            Error::Fenced { .. } => Kind::Fenced,
            Error::OffsetMismatch { .. } => Kind::OffsetMismatch,
            Error::KeyMismatch { .. } => Kind::KeyMismatch,
            Error::Sealed => Kind::Sealed,
            Error::OutOfSequence { .. } => Kind::OutOfSequence,
            Error::TooLarge { .. } => Kind::TooLarge,
            Error::TimeRequired { .. } => Kind::TimeRequired,
            _ => Kind::Other,
        };
        self.add(kind, 1);
    }

    /// Counts a call that has read.
    #[inline]
    pub(in crate::store) fn fetched(&self, fetched: &impl Fetched) {
        self.add(Kind::Reads, 1);
        let messages = fetched.messages();
        if !messages.is_empty() {
            self.add(Kind::MessagesOut, messages.len() as u64);
            let sizes = messages.iter().map(|message| metered_size(&message.as_new()));
            self.add(Kind::MeteredOut, sizes.sum());
        }
    }

    /// What was counted so far.
    pub(in crate::store) fn counted(&self) -> Metrics {
        let count = |kind: Kind| self.counted[kind as usize].load(Ordering::Relaxed);
        Metrics {
            appends: count(Kind::Appends),
            records: count(Kind::Records),
            metered_in: count(Kind::MeteredIn),
            reads: count(Kind::Reads),
            messages_out: count(Kind::MessagesOut),
            metered_out: count(Kind::MeteredOut),
            syncs: count(Kind::Syncs),
            rejected: Rejected {
                fenced: count(Kind::Fenced),
                offset_mismatch: count(Kind::OffsetMismatch),
                key_mismatch: count(Kind::KeyMismatch),
                sealed: count(Kind::Sealed),
                out_of_sequence: count(Kind::OutOfSequence),
                too_large: count(Kind::TooLarge),
                time_required: count(Kind::TimeRequired),
                other: count(Kind::Other),
            },
            ..Metrics::default()
        }
    }

    /// Reports what the stream has now.
    pub(in crate::store) fn show(&self, metrics: &Metrics) {
        self.report.show(metrics);
    }
}

impl Tally for Counters {
    fn synced(&self) {
        self.add(Kind::Syncs, 1);
    }
}

/// What a call returns that reads messages.
pub(in crate::store) trait Fetched {
    fn messages(&self) -> &[Message];
}

impl Fetched for Batch {
    fn messages(&self) -> &[Message] {
        &self.messages
    }
}

impl Fetched for ReadBatch {
    fn messages(&self) -> &[Message] {
        &self.messages
    }
}

impl Fetched for Message {
    fn messages(&self) -> &[Message] {
        std::slice::from_ref(self)
    }
}
