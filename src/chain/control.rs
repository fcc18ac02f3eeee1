//! What the records of a log have come to: its token, its seal and its latest time.
//!
//! The metadata knows it at the offset up to which it was last written: the log's end, if the log
//! was closed. A segment's header knows it at the segment's beginning. So the last segment's header
//! and records tell the rest, and no other segment is read.

use super::contents::Chain;
use super::{Closed, Unclosed};
use crate::control::ControlState;
use crate::segment::Active;
use crate::{Error, Result};

impl Chain {
    /// What a log has come to that was closed.
    pub(crate) fn control_when_closed(&self, closed: &Closed) -> Result<ControlState> {
        self.control_at(closed.next_offset)
    }

    /// What a log has come to that was not closed. If durable messages are cut off, what their
    /// records have done holds: a writer that was fenced off stays fenced off.
    pub(crate) fn control_when_unclosed(&self, found: &Unclosed) -> Result<ControlState> {
        let last = if found.is_lossy() {
            found.walked.last()
        } else {
            found.last_kept()
        };
        match last {
            // The metadata may have counted records that are lost now. They were there.
            Some(last) => {
                let told = last.records_told.after(last.active.header.control);
                Ok(self.meta.control_at(last.extent.next_offset, told))
            }
            None => self.control_at(found.reached()),
        }
    }

    /// What a log has come to that ends at this offset, and whose last segment is whole.
    pub(crate) fn control_at(&self, end: u64) -> Result<ControlState> {
        let (counted, known) = self.meta.control;
        match self.bases.last() {
            Some(base) if counted < end => {
                let (last, _, told) = Active::adopt_told(&self.directory, *base, None, None)?;
                Ok(known.also_in(told.after(last.header.control)))
            }
            _ => Ok(known),
        }
    }

    /// What the records of a damaged log have come to, as far as they can be read.
    pub(crate) fn control_left(&self) -> Result<ControlState> {
        let (counted, known) = self.meta.control;
        for base in self.bases.iter().rev() {
            match Active::adopt_told(&self.directory, *base, None, None) {
                Err(Error::Corrupt { .. }) => {}
                Ok((_, extent, _)) if extent.next_offset <= counted => break,
                other => {
                    let (last, _, told) = other?;
                    return Ok(known.also_in(told.after(last.header.control)));
                }
            }
        }
        Ok(known)
    }
}
