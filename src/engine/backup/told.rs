//! What a copy knows of its records besides them.

use super::copy::Target;
use super::moment::Moment;
use crate::Result;
use crate::control::ControlState;
use crate::format::{Meta, ProducersAt};

impl Target {
    /// Stores the table of producers of a copy that ends at this offset; false if it has none.
    pub(super) fn copy_producers(&self, moment: &Moment<'_>, next_offset: u64) -> Result<bool> {
        // Of those whose last batches lie behind the end, the segments tell the ones before.
        let producers = moment.producers.up_to(next_offset, &self.producers);
        if producers.is_empty() {
            return Ok(false);
        }
        let offset = next_offset;
        self.directory
            .store_producers(&ProducersAt { offset, producers })?;
        Ok(true)
    }

    /// What the records of a copy that ends at this offset have come to. The log's own metadata
    /// knows it if it counts no fewer records than were copied, and no more than the copy has.
    /// Otherwise the last segment that was copied tells.
    pub(super) fn control_at(&self, next_offset: u64, ours: &Meta) -> ControlState {
        let (counted, known) = ours.control;
        match self.control {
            Some((reached, control)) if counted < reached || counted > next_offset => control,
            _ => known,
        }
    }
}
