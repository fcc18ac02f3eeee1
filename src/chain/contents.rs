//! The contents of a log's directory.

use std::sync::Arc;

use super::names::sort_out;
use crate::directory::{Copies, Directory, corrupt};
use crate::format::{FileName, Meta};
use crate::sys::Open;
use crate::{Corruption, Error, Result};

/// The directory of a log, read once: its metadata, and the segments that count.
pub(crate) struct Chain {
    pub(crate) directory: Arc<Directory>,
    pub(crate) copies: Copies,
    /// The valid copy of the metadata, corrected where the segments know better.
    pub(crate) meta: Meta,
    /// Base offsets of the segments that count, ascending.
    pub(crate) bases: Vec<u64>,
    /// Base offsets of the segment files that do not count, and are to be removed.
    pub(crate) superseded: Vec<u64>,
}

impl Chain {
    /// Makes the chain of the segment files `bases` and the metadata. Reads no segment, except for
    /// a header where the last merge or an interrupted backup requires it.
    pub(crate) fn new(
        directory: Arc<Directory>,
        copies: Copies,
        meta: Meta,
        bases: Vec<u64>,
    ) -> Result<Chain> {
        let (bases, superseded) = sort_out(&directory, &meta, bases)?;
        Ok(Chain {
            directory,
            copies,
            meta,
            bases,
            superseded,
        })
    }

    pub(super) fn path(&self, base: u64) -> std::path::PathBuf {
        self.directory.path_of(&FileName::Segment(base))
    }

    /// Fails if segments that were not trimmed are missing at the front.
    pub(crate) fn check_front(&self) -> Result<()> {
        if self.is_front_missing()? {
            return Err(corrupt(
                &self.path(self.meta.start_offset),
                0,
                None,
                Corruption::Missing,
            ));
        }
        Ok(())
    }

    /// Whether segments that were not trimmed are missing at the front: the first one there is
    /// begins behind the start offset and says that it followed another.
    pub(crate) fn is_front_missing(&self) -> Result<bool> {
        match self.bases.first() {
            Some(first) if self.meta.start_offset < *first => {
                match self.directory.open_segment(*first, Open::Read) {
                    Ok((_, header)) => Ok(header.previous.is_some()),
                    // Opening or checking that segment reports what is wrong with it.
                    Err(Error::Corrupt { .. }) => Ok(false),
                    Err(error) => Err(error),
                }
            }
            _ => Ok(false),
        }
    }

    /// The base offset of the last segment of a log that was closed, if neither that segment nor
    /// one behind it is there.
    pub(crate) fn missing_last(&self) -> Result<Option<u64>> {
        let Some((base, _)) = self.copies.durable_end() else {
            return Ok(None);
        };
        let last = self.directory.last_base(&self.bases)?;
        Ok(last.is_none_or(|last| last < base).then_some(base))
    }

    /// Whether the log was opened again after the close that the metadata tells of. The copy that
    /// knows of the opening may be the damaged one.
    pub(crate) fn has_gone_on(&self) -> Result<bool> {
        let (Some(end), Some(base)) = (self.meta.clean, self.bases.last()) else {
            return Ok(false);
        };
        let Some(last) = end.last else { return Ok(true) };
        let Some(header) = self.directory.header(*base)? else {
            return Ok(*base > last.base);
        };
        let (file, _) = self.directory.open_segment(*base, Open::Read)?;
        let is_longer = header.rewrite.is_none() && file.len()? > u64::from(last.len);
        Ok(header.last_base() > last.base || (*base == last.base && is_longer))
    }
}
