//! What the records of a log have come to: its token, its seal and its latest time.
//!
//! The metadata knows it at the offset up to which it was last written: the log's end, if the log
//! was closed. A segment's header knows it at the segment's beginning. So the last segment's header
//! and records tell the rest, and no other segment is read.

use super::contents::Chain;
use super::{Closed, Unclosed};
use crate::Result;
use crate::control::ControlState;
use crate::segment::Active;

impl Chain {
    /// What a log has come to that was closed.
    pub(crate) fn control_when_closed(&self, closed: &Closed) -> Result<ControlState> {
        self.control_at(closed.next_offset)
    }

    /// What a log has come to that was not closed.
    pub(crate) fn control_when_unclosed(&self, found: &Unclosed) -> Result<ControlState> {
        let (counted, known) = self.meta.control;
        match found.last_kept() {
            // The metadata has counted records that are lost now. They were there.
            Some(last) if counted >= last.extent.next_offset => Ok(known),
            Some(last) => Ok(last.records_told.after(last.active.header.control)),
            None => self.control_at(found.reached()),
        }
    }

    /// What a log has come to that ends at this offset, and whose last segment is whole.
    fn control_at(&self, end: u64) -> Result<ControlState> {
        let (counted, known) = self.meta.control;
        match self.bases.last() {
            Some(base) if counted < end => {
                let (last, _, told) = Active::adopt_told(&self.directory, *base, None, None)?;
                Ok(told.after(last.header.control))
            }
            _ => Ok(known),
        }
    }
}
