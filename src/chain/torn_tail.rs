//! How a torn tail is distinguished from corruption.
//!
//! A segment *falls short* of its end if a batch in it is not whole, or if it ends elsewhere than
//! others say. If the bytes that it lacks were durable, that is corruption. Else it is a torn tail.
//! The bytes were durable if
//!
//! - the segment is known to be durable, by the frontier of a later segment or because it was
//!   rewritten,
//! - the metadata says that the log was closed further on,
//! - or an intact frame stands behind the shortfall, and knows of durable bytes behind it.

use std::path::Path;

use super::walked::Walked;
use crate::control::ControlState;
use crate::directory::{Directory, corrupt};
use crate::segment::{Active, Testimony, Told, WalkEnd, end_of};
use crate::{Corruption, Error, Result};

/// Something wrong in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Defect {
    pub(crate) position: u64,
    pub(crate) offset: Option<u64>,
    pub(crate) kind: Corruption,
}

impl Defect {
    /// The defect at which a walk ended, if it ended at one.
    fn of(stop: WalkEnd) -> Option<Defect> {
        match stop {
            WalkEnd::Defect {
                position,
                offset,
                kind,
            } => Some(Defect {
                position,
                offset: Some(offset),
                kind,
            }),
            WalkEnd::Limit | WalkEnd::Marker => None,
        }
    }

    pub(crate) fn error(self, path: &Path) -> Error {
        corrupt(path, self.position, self.offset, self.kind)
    }
}

/// The way in which a segment falls short of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shortfall {
    /// A batch is not whole.
    Broken(Defect),
    /// It is whole, but up to another length than it should be.
    Length,
    /// It is as long as it should be, but its last frame is another one.
    Content,
    /// It ends at a marker, but a batch further on knows of durable bytes that follow the marker:
    /// the batch that overwrote the marker was lost.
    OldMarker,
    /// It is whole, but a copy of the metadata says that the log was closed further on.
    ClosedFurtherOn,
}

impl Walked {
    /// Whether an intact frame behind the segment's intact batches knows of durable bytes behind
    /// them.
    fn is_durable_behind(&self) -> bool {
        self.active.walk(u64::MAX, false).is_durable_behind(&self.extent)
    }

    /// Whether the metadata knows of durable bytes behind the segment's intact batches. The
    /// metadata does not know of a rewrite of the segment since then.
    fn is_closed_further_on(&self, durable_end: Option<(u64, u32)>) -> bool {
        let here = (self.base(), self.extent.end);
        self.active.header.rewrite.is_none()
            && durable_end.is_some_and(|(base, len)| (base, u64::from(len)) > here)
    }

    fn shortfall(&self, durable_end: Option<(u64, u32)>) -> Option<Shortfall> {
        let seal = self.extent.seal();
        if let Some(defect) = Defect::of(self.extent.stop) {
            return Some(Shortfall::Broken(defect));
        }
        match self.told {
            Some(told) if seal.len != told.seal.len => Some(Shortfall::Length),
            Some(told) if seal.last_checksum != told.seal.last_checksum => Some(Shortfall::Content),
            None if self.extent.stop == WalkEnd::Marker && self.is_durable_behind() => {
                Some(Shortfall::OldMarker)
            }
            _ => self
                .is_closed_further_on(durable_end)
                .then_some(Shortfall::ClosedFurtherOn),
        }
    }

    /// Whether a log that was not closed ends in this segment, because it falls short of its end.
    ///
    /// `durable_end` is where a copy of the metadata says that the log was closed once. If it names
    /// a later segment, that segment is missing, but the log is not cut in this one.
    pub(super) fn is_cut_here(&self, durable_end: Option<(u64, u32)>) -> bool {
        match self.shortfall(durable_end) {
            Some(Shortfall::ClosedFurtherOn) => durable_end.is_some_and(|(base, _)| base == self.base()),
            shortfall => shortfall.is_some(),
        }
    }

    /// The defect of this segment, if it falls short of its end and the bytes that it lacks were
    /// durable. Bytes that were not durable are a torn tail, in a log that was not closed.
    ///
    /// A close that the metadata tells of counts only if there is no testimony about the end.
    pub(crate) fn defect(&self, is_known_durable: bool, durable_end: Option<(u64, u32)>) -> Option<Defect> {
        let defect = match self.shortfall(durable_end)? {
            Shortfall::ClosedFurtherOn if self.told.is_some() => return None,
            Shortfall::Broken(defect) => defect,
            Shortfall::Content => Defect {
                position: 0,
                offset: None,
                kind: Corruption::Foreign,
            },
            Shortfall::Length | Shortfall::OldMarker | Shortfall::ClosedFurtherOn => self.short(),
        };
        self.lacks_durable(is_known_durable, durable_end)
            .then_some(defect)
    }

    /// Whether bytes behind the segment's intact batches were durable.
    pub(super) fn lacks_durable(&self, is_known_durable: bool, durable_end: Option<(u64, u32)>) -> bool {
        is_known_durable
            || self.active.header.rewrite.is_some()
            || self.is_closed_further_on(durable_end)
            || self.is_durable_behind()
    }

    fn short(&self) -> Defect {
        Defect {
            position: self.extent.end,
            offset: Some(self.extent.next_offset),
            kind: Corruption::Short,
        }
    }

    /// The error for the durable bytes that this segment lacks.
    pub(super) fn error(&self) -> Error {
        let defect = Defect::of(self.extent.stop).unwrap_or_else(|| self.short());
        defect.error(self.active.file.path())
    }
}

/// Reads every frame of a segment; returns the defect if the file is not whole or does not end
/// where the testimony says.
pub(crate) fn flaw_in(directory: &Directory, base: u64, testimony: Testimony) -> Result<Option<Defect>> {
    flaw_in_told(directory, base, testimony).map(|(flaw, ..)| flaw)
}

/// The same, and returns where the segment ends, what the log has come to there, and what the
/// segment's records say.
pub(crate) fn flaw_in_told(
    directory: &Directory,
    base: u64,
    testimony: Testimony,
) -> Result<(Option<Defect>, (u64, ControlState), Told)> {
    let (active, extent, told) = Active::adopt_told(directory, base, None, None)?;
    let state = (extent.next_offset, told.after(active.header.control));
    let ending = end_of(&active.header, testimony);
    let is_at_end = ending.is_some_and(|ending| ending.seal == extent.seal());
    if extent.stop == WalkEnd::Limit && is_at_end {
        return Ok((None, state, told));
    }
    let other = Defect {
        position: extent.end,
        offset: None,
        kind: Corruption::Foreign,
    };
    Ok((Some(Defect::of(extent.stop).unwrap_or(other)), state, told))
}
