//! What the records of a copy come to, and what their producers have published.

use crate::control::{ControlState, Producers};
use crate::format::{Meta, SegmentHeader};
use crate::segment::Told;

/// What the records that were copied have come to.
#[derive(Debug, Default)]
pub(super) struct ComeTo {
    /// Up to which offset, and what.
    control: Option<(u64, ControlState)>,
    producers: Producers,
}

impl ComeTo {
    /// Takes note of a segment of the copy, which reaches up to the offset `reached`, with what the
    /// log has come to there.
    pub(super) fn copied(&mut self, reached: (u64, ControlState), told: &Told) {
        self.control = Some(reached);
        self.published(told, u64::MAX);
    }

    /// Takes note of the batches of producers in a segment of which the records below `end` are
    /// copied: the copy does not name them.
    pub(super) fn published(&mut self, told: &Told, end: u64) {
        let whole = told.batches.iter().filter(|batch| batch.end() <= end);
        whole.for_each(|batch| self.producers.note(*batch));
    }

    /// Takes note of the first segment that is not copied. If no other is, its header tells.
    pub(super) fn left_out(&mut self, header: &SegmentHeader) {
        self.control.get_or_insert((header.base, header.control));
    }

    /// What a copy has come to that ends at this offset. The log's own metadata knows it if it
    /// counts no fewer records than were copied, and no more than the copy has. Otherwise the last
    /// segment that was copied tells.
    pub(super) fn control_at(&self, next_offset: u64, ours: &Meta) -> ControlState {
        let (counted, known) = ours.control;
        match self.control {
            Some((reached, control)) if counted < reached || counted > next_offset => control,
            _ => known,
        }
    }

    /// What producers have published to a copy that ends at this offset, of a log that knows
    /// `ours`. The segments tell of those whose last batches lie behind the end.
    pub(super) fn producers_at(&self, next_offset: u64, ours: &Producers) -> Producers {
        ours.up_to(next_offset, &self.producers)
    }
}
