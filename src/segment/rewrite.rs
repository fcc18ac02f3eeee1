//! Writing a segment anew without some of its messages, several as one, or one with chosen offsets.

use std::sync::Arc;

use crate::directory::{Directory, corrupt};
use crate::format::SEGMENT_LEN_MAX;
use crate::format::{
    BATCH_HEADER_LEN, BatchHeader, FileName, FrameSeeds, Previous, Rewrite, SEGMENT_HEADER_LEN,
    SegmentHeader, reseeded,
};
use crate::sys::File;
use crate::{Corruption, Error, Result};

/// The largest batch, in bytes, that records are gathered into before they are written.
const BATCH_LEN_MAX: usize = 256 << 10;

/// A segment that is being put together under a temporary name. Dropping this removes a file that
/// was not [installed](Rewriter::install); the log is as before.
///
/// Records are copied as they are. Only a record from a segment with another salt gets a new
/// checksum. That is computed from the old checksum and not from the bytes, so that copying does
/// not make damage look good.
pub(crate) struct Rewriter {
    directory: Arc<Directory>,
    file: File,
    temporary: FileName,
    header: SegmentHeader,
    seeds: FrameSeeds,
    /// Room for a batch header, then records with consecutive offsets.
    batch: Vec<u8>,
    batch_first: u64,
    batch_count: u32,
    /// The position at which the batch is going to be written.
    position: u64,
    last_checksum: u32,
    is_installed: bool,
}

impl Rewriter {
    /// Begins a segment with the base, the salt and the predecessor of `header`.
    pub(crate) fn create(directory: &Arc<Directory>, header: SegmentHeader) -> Result<Rewriter> {
        let temporary = FileName::SegmentTemporary(header.base);
        Ok(Rewriter {
            directory: Arc::clone(directory),
            file: directory.create_anew(&temporary)?,
            temporary,
            header,
            seeds: FrameSeeds::new(header.salt),
            batch: vec![0; BATCH_HEADER_LEN],
            batch_first: header.base,
            batch_count: 0,
            position: SEGMENT_HEADER_LEN,
            last_checksum: 0,
            is_installed: false,
        })
    }

    /// Appends a record, which was verified with `seeds`, the seeds of the segment it comes from.
    /// Offsets have to go up.
    pub(crate) fn push(&mut self, frame: &[u8], offset: u64, seeds: &FrameSeeds) -> Result<()> {
        if offset != self.batch_first + u64::from(self.batch_count)
            || self.batch.len() + frame.len() > BATCH_LEN_MAX
            || self.batch_count == 0
        {
            self.flush()?;
            self.batch_first = offset;
        }
        let (from, to) = (seeds.record(offset), self.seeds.record(offset));
        let Some((checksum, body)) = frame.split_first_chunk::<4>() else {
            return Err(corrupt(
                self.file.path(),
                self.position,
                Some(offset),
                Corruption::Record,
            ));
        };
        let checksum = match u32::from_le_bytes(*checksum) {
            same if from == to => same,
            other => reseeded(other, body.len(), from, to),
        };
        self.batch.extend_from_slice(&checksum.to_le_bytes());
        self.batch.extend_from_slice(body);
        self.batch_count += 1;
        self.last_checksum = checksum;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.batch_count == 0 {
            return Ok(());
        }
        let first = self.batch_first.saturating_sub(self.header.base);
        let len = self.batch.len() - BATCH_HEADER_LEN;
        let end = self.position + self.batch.len() as u64;
        let (Ok(first), Ok(len)) = (u32::try_from(first), u32::try_from(len)) else {
            return Err(self.overfull());
        };
        if end > SEGMENT_LEN_MAX {
            return Err(self.overfull());
        }
        let header = BatchHeader {
            checksum: 0,
            count: self.batch_count,
            len,
            first,
            frontier: 0,
            has_producer: false,
        };
        let header = header.encode(self.seeds.batch(self.position));
        if let Some(room) = self.batch.first_chunk_mut() {
            *room = header;
        }
        self.file.write_at(self.position, &self.batch)?;
        self.position = end;
        self.batch.truncate(BATCH_HEADER_LEN);
        self.batch_count = 0;
        Ok(())
    }

    /// Finishes a segment that replaces no other, as [`finish`](Rewriter::finish) does. The segment
    /// behind knows it by its own end, which is returned.
    pub(crate) fn finish_new(&mut self, end: u64) -> Result<Previous> {
        self.flush()?;
        let len = u32::try_from(self.position).map_err(|_| self.overfull())?;
        let origin = Previous {
            base: self.header.base,
            len,
            last_checksum: self.last_checksum,
        };
        self.finish(1, origin, end)?;
        Ok(origin)
    }

    /// Finishes the segment and makes it durable: one of this `generation`, which reaches up to the
    /// offset `end` (exclusive) and is known as `origin` to the segment behind it.
    pub(crate) fn finish(&mut self, generation: u32, origin: Previous, end: u64) -> Result<()> {
        self.flush()?;
        let len = u32::try_from(self.position).map_err(|_| self.overfull())?;
        self.header.rewrite = Some(Rewrite {
            generation,
            origin,
            end,
            len,
            last_checksum: self.last_checksum,
        });
        self.file.write_at(0, &self.header.encode())?;
        // No caller has been told that these bytes are there: losing them is no more than a failed
        // copy.
        self.file.sync().map_err(|error| match error {
            Error::SyncFailed { path, source } => Error::Io {
                operation: "sync",
                path,
                source,
            },
            other => other,
        })
    }

    /// The error for records that do not fit in one segment. Nothing has changed then.
    fn overfull(&self) -> Error {
        Error::Io {
            operation: "write",
            path: self.file.path().to_path_buf(),
            source: std::io::ErrorKind::FileTooLarge.into(),
        }
    }

    /// The file that the segment is in until it is installed.
    pub(crate) fn path(&self) -> &std::path::Path {
        self.file.path()
    }

    /// Whether a record of so many bytes, with this offset, still fits in a segment of at most
    /// `len_max` bytes.
    pub(crate) fn has_room(&self, offset: u64, record_len: u64, len_max: u64) -> bool {
        // The record may need a batch header of its own.
        let headers_and_batch = (self.batch.len() + BATCH_HEADER_LEN) as u64;
        let end = self.position + headers_and_batch + record_len;
        let distance = offset.saturating_sub(self.header.base);
        end <= len_max && distance < u64::from(u32::MAX)
    }

    /// The length of the finished segment in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.position
    }

    /// Puts the finished segment durably in the place of the segment of its name; returns the new
    /// header.
    ///
    /// After [`Error::Closed`] nothing has changed. After any other error either of the two
    /// segments may be the one that is there.
    pub(crate) fn install(mut self) -> Result<SegmentHeader> {
        // A closed log has given up its directory: another process may be writing to the segment by
        // now.
        let directory = Arc::clone(&self.directory);
        let _permit = directory.health.permit_rename()?;
        self.is_installed = true;
        let name = FileName::Segment(self.header.base);
        directory.rename(&self.temporary, &name)?;
        directory.dir.sync()?;
        Ok(self.header)
    }
}

impl Drop for Rewriter {
    fn drop(&mut self) {
        // In a fork, it is the file of the parent.
        if !self.is_installed && !self.directory.health.is_forked() {
            // A file that cannot be removed now is removed by the next open.
            let _ = self.directory.remove(&self.temporary);
        }
    }
}
