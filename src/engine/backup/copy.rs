//! Copying a log, as it is at one moment, to another directory.
//!
//! The moment is when the backup looks at the list of segments and at the end of the last one.
//! Bytes in front of that end do not change any more, and what is removed meanwhile stays readable
//! until it is copied. Segments that are there from an earlier backup are verified and kept; the
//! segment that was the last one then is extended.
//!
//! At every moment the metadata of the target says truthfully what is in it:
//!
//! - a whole backup;
//! - a whole backup that another one adds to (`unfinished`): what lies behind its end, and files
//!   under temporary names, do not count;
//! - nothing to be served (`incomplete`): a first backup, a restore, or a backup that is just
//!   putting new files in the place of old ones.

use std::sync::Arc;

use super::compare::{CHUNK_LEN, common_len};
use super::condition::Condition;
use super::moment::{Moment, Source, ToCopy};
use super::target::{Target, To};
use crate::chain::{RewriteSource, Testimony, flaw_in_told, segment_bases, untrimmed};
use crate::directory::Directory;
use crate::engine::remove::copy_kept;
use crate::engine::segments::Reader;
use crate::format::{CleanEnd, FileName, Meta, Previous, ProducersAt, SEGMENT_HEADER_LEN};
use crate::segment::{Held, Rewriter, Sealed, SegmentEnd, copy_range_of, store_index};
use crate::sys::{DirLock, File, Open};
use crate::{BackupReport, Error, Result};

/// Copies a log as it is at one moment.
pub(crate) fn copy(source: &Source<'_>, to: To<'_>) -> Result<BackupReport> {
    let mut target = Target::open(source.segments, to, false)?;
    let next_offset = Reader::new(source.segments)?.next_offset();
    let meta = source.metadata.current();
    target.refuse_diverged(&meta, next_offset)?;
    target.begin(target.unfinished(&meta, 0, next_offset)?)?;
    let moment = Moment::of(source)?;
    let last = target.copy_segments(&moment, u64::MAX)?;
    target.finish(&moment, moment.next_offset, last)
}

/// Copies the messages below the offset `end` to a directory that holds no log, as a log with a
/// life of its own.
pub(crate) fn copy_until(source: &Source<'_>, to: To<'_>, end: u64) -> Result<BackupReport> {
    let mut target = Target::open(source.segments, to, true)?;
    let start_offset = Reader::new(source.segments)?.list().start_offset.min(end);
    let meta = source.metadata.current();
    target.begin(target.unfinished(&meta, start_offset, end)?)?;
    let moment = Moment::of(source)?;
    let last = target.copy_segments(&moment, end)?;
    target.finish(&moment, end.min(moment.next_offset), last)
}

/// Refuses a directory that a copy may not go to, and changes nothing there.
pub(crate) fn refuse(source: &Source<'_>, to: To<'_>) -> Result<()> {
    let target = Target::open(source.segments, to, false)?;
    let next_offset = Reader::new(source.segments)?.next_offset();
    target.refuse_diverged(&source.metadata.current(), next_offset)
}

/// Has a directory count as an unfinished copy until [`copy`], or [`copy_until`] for a fork, has
/// finished it; returns the lock on it. Before anything is changed, `accept` is asked whether that
/// may be; it is told whether a whole copy is there.
pub(crate) fn mark(
    source: &Source<'_>,
    to: To<'_>,
    is_fork: bool,
    accept: &dyn Fn(bool) -> Result<()>,
) -> Result<Option<DirLock>> {
    let target = Target::open(source.segments, to, is_fork)?;
    let next_offset = Reader::new(source.segments)?.next_offset();
    let meta = source.metadata.current();
    target.refuse_opened()?;
    target.refuse_diverged(&meta, next_offset)?;
    accept(target.has_earlier())?;
    let unfinished = target.unfinished(&meta, 0, next_offset)?;
    target.mark(unfinished)
}

impl Target {
    /// Copies the messages below `end`; returns the link to the last segment of the copy.
    fn copy_segments(&mut self, moment: &Moment<'_>, end: u64) -> Result<Option<Previous>> {
        let mut last = None;
        while let Some(ToCopy { source, held }) = moment.next()? {
            let base = source.header.base;
            if base >= end {
                self.come_to.left_out(&source.header);
                break;
            }
            let copied = if end < source.end {
                self.copy_cut(&source, &held, end)?
            } else {
                let copied = self.copy_segment(&source, &held)?;
                // It is derived: the copy builds its own if this fails, and if the segment still
                // waits under its temporary name.
                if !self.staged.contains(&base) {
                    let _ = self.copy_index(&held, &source);
                }
                copied
            };
            moment.copied();
            self.report.bytes_copied += copied;
            self.report.segments_copied += u64::from(copied > 0);
            self.report.segments += 1;
            self.bases.push(base);
            last = Some(source.origin);
        }
        Ok(last)
    }

    /// Copies what the target lacks of one segment; returns how many bytes it copied.
    fn copy_segment(&mut self, source: &RewriteSource, held: &Held) -> Result<u64> {
        let base = source.header.base;
        let len = u64::from(source.len);
        let there = self.directory.open_segment(base, Open::Read);
        let same = match &there {
            Ok((file, header)) if *header == source.header => {
                common_len(file, held, len, &self.source.health)?
            }
            Ok(_) | Err(Error::Corrupt { .. }) => 0,
            Err(_) => return there.map(|_| 0),
        };
        let is_same = match &there {
            Ok((file, _)) => same == len && file.len()? == len,
            Err(_) => false,
        };
        if is_same && self.is_durable(base) {
            self.verify(&self.directory.clone(), source)?;
            return Ok(0);
        }
        if self.may_add_to(base, same) {
            self.directory.remove_index(base)?;
            let file = self.directory.open_segment(base, Open::Write)?.0;
            self.copy_bytes(held, same, len, &file)?;
            file.set_len(len)?;
            file.sync()?;
            self.verify(&self.directory.clone(), source)?;
            return Ok(len - same);
        }
        let file = self.directory.create_anew(&FileName::SegmentTemporary(base))?;
        file.write_at(0, &source.header.encode())?;
        self.copy_bytes(held, SEGMENT_HEADER_LEN, len, &file)?;
        file.sync()?;
        self.verify(&self.directory.of_temporary(), source)?;
        if self.condition.counts(base) {
            self.staged.push(base);
        } else {
            // Its name is made durable before the metadata says that it counts.
            self.put_in_place(base)?;
        }
        Ok(len)
    }

    /// Stores the index of a segment that was copied and verified, unless it is there. The index is
    /// verified first, and belongs to exactly these messages.
    fn copy_index(&self, held: &Held, source: &RewriteSource) -> Result<()> {
        let Held::Sealed(_, files) = held else {
            return Ok(());
        };
        let base = source.header.base;
        let copy = Sealed::new(
            Arc::clone(&self.directory),
            base,
            SegmentEnd::Known(source.origin),
        );
        if copy.has_index()? {
            return Ok(());
        }
        match files.index.verified_bytes() {
            Ok(bytes) => store_index(&self.directory, base, &bytes),
            Err(_) => Ok(()),
        }
    }

    /// Copies the bytes `start..end` of a segment to the same place in its copy. When the log is
    /// closed meanwhile, this ends with an error.
    fn copy_bytes(&self, held: &Held, start: u64, end: u64, to: &File) -> Result<()> {
        let mut at = start;
        while at < end {
            self.source.health.check_open()?;
            let next = end.min(at + CHUNK_LEN);
            copy_range_of(held.map(), at, next, to, at)?;
            at = next;
        }
        Ok(())
    }

    /// Gives a segment, which is on stable storage, its name. The name is not durable yet.
    fn put_in_place(&self, base: u64) -> Result<()> {
        self.directory.remove_index(base)?;
        self.directory
            .rename(&FileName::SegmentTemporary(base), &FileName::Segment(base))
    }

    /// Whether bytes may be added to this segment, of which `same` bytes are as in the log. They
    /// may be added to the last segment of a whole backup, behind its end.
    fn may_add_to(&self, base: u64, same: u64) -> bool {
        match self.condition {
            Condition::Finished(Some(last)) => last.base == base && same >= u64::from(last.len),
            _ => false,
        }
    }

    /// Whether the content of this segment of the copy is on stable storage. Every segment was
    /// synced before it got its name. But an earlier backup may have failed while it added to the
    /// last one, and then the bytes read from that segment prove nothing.
    fn is_durable(&self, base: u64) -> bool {
        !matches!(self.condition, Condition::Extended(Some(last)) if last.base == base)
    }

    /// Removes the segments that are not of the copy.
    fn remove_all_but(&mut self, kept: &[u64]) -> Result<()> {
        let mut stray = segment_bases(&self.directory.dir)?;
        stray.retain(|base| kept.binary_search(base).is_err());
        self.report.files_removed += stray.len() as u64;
        self.directory.remove_segments(stray.into_iter())
    }

    /// Copies the messages of one segment below `end`.
    fn copy_cut(&mut self, source: &RewriteSource, held: &Held, end: u64) -> Result<u64> {
        self.come_to
            .published(&held.told(&source.header, source.len), end);
        let mut rewriter = Rewriter::create(&self.directory, source.header)?;
        copy_kept(&held.opened(), &mut rewriter, &|offset| offset < end)
            .map_err(|fault| fault.into_error(&held.path()))?;
        rewriter.finish(source.header.next_generation()?, source.origin, end)?;
        let len = rewriter.len();
        rewriter.install()?;
        self.verify(&self.directory.clone(), source)?;
        Ok(len)
    }

    /// Verifies the copy of a segment: every frame must be whole, up to the same end.
    fn verify(&mut self, directory: &Directory, source: &RewriteSource) -> Result<()> {
        let base = source.header.base;
        let (flaw, control, told) = flaw_in_told(directory, base, Testimony::Successor(source.origin))?;
        self.come_to.copied(control, &told);
        match flaw {
            None => Ok(()),
            // It is the log that is damaged, or the disk of the copy.
            Some(flaw) => Err(flaw.error(&self.directory.path_of(&FileName::Segment(base)))),
        }
    }

    /// Has the copy count, and removes what does not belong to it.
    fn finish(
        mut self,
        moment: &Moment<'_>,
        next_offset: u64,
        last: Option<Previous>,
    ) -> Result<BackupReport> {
        // Everything was read while the log was open. From here on the copy is whole.
        self.source.health.check_open()?;
        let start_offset = moment.start_offset.min(next_offset);
        let mut control = self.come_to.control_at(next_offset, &moment.meta);
        // A segment that was rewritten names no producers.
        control.has_producers |= self.copy_producers(moment, next_offset)?;
        let meta = Meta {
            has_gaps: moment.meta.has_gaps,
            incomplete: false,
            clean: Some(CleanEnd { last }),
            control: (next_offset, control),
            ..self.unfinished(&moment.meta, start_offset, next_offset)?
        };
        let kept = std::mem::take(&mut self.bases);
        if self.is_switched_by(start_offset, &kept)? {
            self.switch(meta, &kept)?;
        } else {
            self.replace(meta, &kept)?;
        }
        self.directory.remove_older_producers(next_offset)?;
        self.report.start_offset = start_offset;
        self.report.next_offset = next_offset;
        Ok(self.report)
    }

    /// Stores the table of producers of a copy that ends at this offset; false if it has none.
    fn copy_producers(&self, moment: &Moment<'_>, next_offset: u64) -> Result<bool> {
        let producers = self.come_to.producers_at(next_offset, &moment.producers);
        if producers.is_empty() {
            return Ok(false);
        }
        let offset = next_offset;
        self.directory
            .store_producers(&ProducersAt { offset, producers })?;
        Ok(true)
    }

    /// Makes the old backup the new one by its metadata.
    fn switch(&mut self, meta: Meta, kept: &[u64]) -> Result<()> {
        // The segments that were added have got names, in this backup or in one that was
        // interrupted.
        self.directory.dir.sync()?;
        self.write_meta(meta)?;
        self.remove_all_but(kept)
    }

    /// Puts the new files in the place of the old ones. Meanwhile, nothing counts.
    fn replace(&mut self, meta: Meta, kept: &[u64]) -> Result<()> {
        if self.condition != Condition::Incomplete {
            self.write_meta(Meta {
                incomplete: true,
                ..meta.clone()
            })?;
        }
        for base in std::mem::take(&mut self.staged) {
            self.put_in_place(base)?;
        }
        self.directory.dir.sync()?;
        self.remove_all_but(kept)?;
        self.write_meta(meta)
    }

    /// Whether writing the metadata alone makes the old backup the new one: no segment is replaced,
    /// and by the new start offset exactly those that are left over were trimmed.
    fn is_switched_by(&self, start_offset: u64, kept: &[u64]) -> Result<bool> {
        let bases = segment_bases(&self.directory.dir)?;
        Ok(self.condition != Condition::Incomplete
            && self.staged.is_empty()
            && untrimmed(&bases, start_offset) == kept)
    }
}
