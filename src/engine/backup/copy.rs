//! Copying a log, as it is at one moment, to another directory.
//!
//! The moment is when the backup looks at the list of segments and at the end of the last one.
//! Bytes in front of that end do not change any more, and nothing is removed meanwhile. Segments
//! that are there from an earlier backup are verified and kept; the segment that was the last one
//! then is extended. Before the first change, the target's metadata says that a backup is
//! unfinished, and where the copy ended until then. At the end, the metadata says that the copy is
//! closed, with its new end. After an interrupted backup, the target opens as it was before, less
//! what was trimmed or deleted since.

use std::path::Path;
use std::sync::Arc;

use crate::chain::{RewriteSource, Testimony, flaw_in, holds_another_log, segment_bases};
use crate::directory::{Copies, Directory, LiveMetadata, MetaStore, create_anew, initialise};
use crate::engine::open::{sync_above, with_above};
use crate::engine::remove::{copy_kept, source_of};
use crate::engine::segments::{Reader, Segments};
use crate::format::{CleanEnd, FileName, Meta, Previous, SEGMENT_HEADER_LEN};
use crate::segment::{
    Held, IndexState, Rewriter, Sealed, SegmentEnd, SegmentRef, Visible, copy_range_of, store_index,
};
use crate::sys::{DirLock, LOCK_NAME, Open, Storage};
use crate::{BackupReport, Error, Result};

/// Bytes that are copied or compared at a time.
const CHUNK_LEN: u64 = 1 << 20;

/// Copies a log as it is at one moment. Nothing may be removed from it meanwhile.
pub(crate) fn copy(segments: &Segments, metadata: &LiveMetadata, dir: &Path) -> Result<BackupReport> {
    let reader = Reader::new(segments)?;
    let mut target = Target::open(segments, dir)?;
    target.refuse_diverged(metadata, &reader)?;
    target.begin(reader.list().start_offset)?;
    let moment = Moment::of(&reader);
    let last = target.copy_segments(segments, &moment, u64::MAX)?;
    target.finish(metadata, &moment, moment.next_offset, last)
}

/// Copies the messages below the offset `end` to the empty directory `dir`, as a log with an epoch
/// of its own. Nothing may be removed meanwhile.
pub(crate) fn copy_until(
    segments: &Segments,
    metadata: &LiveMetadata,
    dir: &Path,
    end: u64,
) -> Result<BackupReport> {
    let reader = Reader::new(segments)?;
    let mut target = Target::open(segments, dir)?;
    let names = target.directory.storage.list(dir)?;
    if names.iter().any(|name| name != LOCK_NAME) {
        return Err(Error::Invalid(
            "a log is restored to a directory that is missing or empty",
        ));
    }
    let moment = Moment::of(&reader);
    let last = target.copy_segments(segments, &moment, end)?;
    target.is_fork = true;
    target.finish(metadata, &moment, end.min(moment.next_offset), last)
}

/// The moment at which the copy shows the log.
struct Moment<'a> {
    reader: &'a Reader<'a>,
    /// The visible end of the last segment, if it is written to.
    visible: Option<Visible>,
    next_offset: u64,
}

impl Moment<'_> {
    fn of<'a>(reader: &'a Reader<'a>) -> Moment<'a> {
        let (visible, next_offset) = match reader.list().segments.last() {
            Some(SegmentRef::Active(active)) => {
                let visible = active.visible();
                let next = active.header.base + u64::from(visible.count);
                (Some(visible), next.max(reader.list().next_offset_min))
            }
            _ => (None, reader.next_offset()),
        };
        Moment {
            reader,
            visible,
            next_offset,
        }
    }

    fn source(&self, segments: &Segments, segment: &SegmentRef) -> Result<RewriteSource> {
        let last = self.reader.list().segments.last().map(SegmentRef::base);
        match (segment, self.visible) {
            (SegmentRef::Active(active), Some(visible)) if Some(segment.base()) == last => {
                RewriteSource::of_active(active, visible)
            }
            _ => source_of(&segments.directory, self.reader, segment),
        }
    }
}

/// What a backup finds in its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    /// A whole backup, and where it ends.
    Finished(Option<Previous>),
    /// Nothing, or a backup onto which another was begun; `last` is the last segment of the earlier
    /// one.
    Unfinished { last: Option<u64> },
}

/// The directory that a backup goes to.
struct Target {
    directory: Arc<Directory>,
    meta: Option<MetaStore>,
    condition: Condition,
    /// Base offsets of the segments that make up the copy.
    bases: Vec<u64>,
    report: BackupReport,
    /// Whether the copy gets an epoch of its own.
    is_fork: bool,
    _lock: DirLock,
}

/// Fails if `dir`, which need not exist, is `own` or below it.
fn refuse_inside(storage: &dyn Storage, own: &Path, dir: &Path) -> Result<()> {
    for above in with_above(dir) {
        if storage.is_dir(above)? {
            return if storage.real_path(above)?.starts_with(storage.real_path(own)?) {
                Err(Error::Invalid("a log cannot be copied into itself"))
            } else {
                Ok(())
            };
        }
    }
    Ok(())
}

impl Target {
    fn open(segments: &Segments, dir: &Path) -> Result<Target> {
        let storage = Arc::clone(&segments.directory.storage);
        refuse_inside(&*storage, &segments.directory.path, dir)?;
        storage.create_dirs(dir)?;
        // Folders on the path may have been made only now, so the check is repeated.
        refuse_inside(&*storage, &segments.directory.path, dir)?;
        storage.check_supported(dir)?;
        let lock = storage.lock(dir, true)?;
        let (log_id, kinds) = (segments.directory.log_id, segments.directory.kinds);
        let directory = Directory::new(Arc::clone(&storage), dir, log_id, kinds, true);
        let copies = Copies::read(&*storage, dir)?;
        let meta = if copies.is_absent() {
            sync_above(&*storage, dir)?;
            if holds_another_log(&directory)? {
                return Err(Error::Invalid(
                    "the target of a backup holds segments of another log",
                ));
            }
            None
        } else {
            let meta = copies.newest(dir)?;
            if meta.log_id != log_id {
                return Err(Error::Invalid("the target of a backup holds another log"));
            }
            Some(MetaStore::new(dir, meta, &copies))
        };
        let condition = match meta.as_ref().map(MetaStore::current) {
            Some(meta) if !meta.unfinished => Condition::Finished(meta.clean.and_then(|clean| clean.last)),
            Some(meta) => Condition::Unfinished {
                last: meta.clean.and_then(|clean| clean.last).map(|last| last.base),
            },
            None => Condition::Unfinished { last: None },
        };
        Ok(Target {
            directory: Arc::new(directory),
            meta,
            condition,
            bases: Vec::new(),
            report: BackupReport::default(),
            is_fork: false,
            _lock: lock,
        })
    }

    /// Refuses a copy that was written to as a log of its own: its own messages would be lost.
    fn refuse_diverged(&self, metadata: &LiveMetadata, reader: &Reader<'_>) -> Result<()> {
        let Some(theirs) = self.meta.as_ref().map(MetaStore::current) else {
            return Ok(());
        };
        let epoch = metadata.current().epoch;
        let is_ahead = theirs.next_offset > reader.next_offset() || theirs.epoch > epoch;
        if !theirs.is_copy || theirs.clean.is_none() || is_ahead {
            return Err(Error::Invalid(
                "the target of a backup has what the log has not: it was written to, or the log has lost its end",
            ));
        }
        Ok(())
    }

    /// Says in the copy's metadata that a backup is unfinished, so that what it adds does not count
    /// yet. Messages that were trimmed in the log are trimmed in the copy from now on.
    fn begin(&mut self, start_offset: u64) -> Result<()> {
        match &mut self.meta {
            None => {}
            Some(meta) => meta.write_both(&*self.directory.storage, |meta| {
                meta.unfinished = true;
                meta.start_offset = meta.start_offset.max(start_offset);
                meta.next_offset = meta.next_offset.max(meta.start_offset);
                meta.has_gaps = true;
            })?,
        }
        // Key runs are derived from the old content, and may be wrong for the new.
        for name in self.directory.storage.list(&self.directory.path)? {
            if let Some(FileName::Keys { .. }) = FileName::parse(&name) {
                self.directory.storage.remove(&self.directory.path.join(&name))?;
            }
        }
        Ok(())
    }

    /// Copies the messages below `end`; returns the link to the last segment of the copy.
    fn copy_segments(
        &mut self,
        segments: &Segments,
        moment: &Moment<'_>,
        end: u64,
    ) -> Result<Option<Previous>> {
        let mut last = None;
        let copied = moment.reader.list().segments.iter();
        for segment in copied.take_while(|segment| segment.base() < end) {
            let source = moment.source(segments, segment)?;
            let held = segment.hold(|segment| segments.note_mapped(segment))?;
            let copied = if end < source.end {
                self.copy_cut(&source, &held, end)?
            } else {
                let copied = self.copy_segment(&source, &held)?;
                // It is derived: the copy builds its own if this fails.
                let _ = self.copy_index(segment, &source);
                copied
            };
            self.report.bytes_copied += copied;
            self.report.segments_copied += u64::from(copied > 0);
            self.report.segments += 1;
            self.bases.push(segment.base());
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
            Ok((file, header)) if *header == source.header => common_len(file, held, len)?,
            Ok(_) | Err(Error::Corrupt { .. }) => 0,
            Err(_) => return there.map(|_| 0),
        };
        let is_same = match &there {
            Ok((file, _)) => same == len && file.len()? == len,
            Err(_) => false,
        };
        if is_same && self.is_durable(base) {
            self.remove_merged(source)?;
            self.verify(source)?;
            return Ok(0);
        }
        self.directory.remove_index(base)?;
        if self.may_add_to(base, same) {
            let file = self.directory.open_segment(base, Open::Write)?.0;
            copy_range_of(held.map(), same, len, &file, same)?;
            file.set_len(len)?;
            file.sync()?;
            self.verify(source)?;
            return Ok(len - same);
        }
        let temporary = self.directory.path_of(&FileName::SegmentTemporary(base));
        let file = create_anew(&self.directory, &temporary)?;
        file.write_at(0, &source.header.encode())?;
        copy_range_of(held.map(), SEGMENT_HEADER_LEN, len, &file, SEGMENT_HEADER_LEN)?;
        file.sync()?;
        if let (Some(rewrite), Some(meta)) = (source.header.rewrite, &mut self.meta) {
            // Several segments that are there may have been merged into this one.
            meta.write_both(&*self.directory.storage, |meta| {
                meta.merge = Some((base, rewrite.end));
            })?;
        }
        self.directory
            .storage
            .rename(&temporary, &self.directory.path_of(&FileName::Segment(base)))?;
        self.directory.storage.sync_dir(&self.directory.path)?;
        self.remove_merged(source)?;
        self.verify(source)?;
        Ok(len)
    }

    /// Copies the index file of a segment that was copied and verified, unless it is there. The
    /// file is verified first, and belongs to exactly these messages.
    fn copy_index(&self, segment: &SegmentRef, source: &RewriteSource) -> Result<()> {
        let SegmentRef::Sealed(sealed) = segment else {
            return Ok(());
        };
        let base = segment.base();
        let copy = Sealed::new(
            Arc::clone(&self.directory),
            base,
            SegmentEnd::Known(source.origin),
        );
        if copy.has_index()? || !matches!(sealed.check_index()?, IndexState::Good(_)) {
            return Ok(());
        }
        let index = self.directory.storage.open(&sealed.index_path(), Open::Read)?;
        let mut bytes = vec![0; usize::try_from(index.len()?).unwrap_or(0)];
        index.read_at(0, &mut bytes)?;
        store_index(&self.directory, base, &bytes)
    }

    /// Removes the segments of an earlier backup that were merged into this one since.
    fn remove_merged(&mut self, source: &RewriteSource) -> Result<()> {
        let base = source.header.base;
        match source.header.rewrite {
            Some(rewrite) => self.remove(|there| base < there && there < rewrite.end),
            None => Ok(()),
        }
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
        self.condition != Condition::Unfinished { last: Some(base) }
    }

    /// Removes segments that do not, or no longer, belong to the copy.
    fn remove(&mut self, is_stray: impl Fn(u64) -> bool) -> Result<()> {
        let mut stray = segment_bases(&*self.directory.storage, &self.directory.path)?;
        stray.retain(|base| is_stray(*base));
        self.report.files_removed += stray.len() as u64;
        self.directory.remove_segments(stray.into_iter())
    }

    /// Copies the messages of one segment below `end`.
    fn copy_cut(&self, source: &RewriteSource, held: &Held, end: u64) -> Result<u64> {
        let mut rewriter = Rewriter::create(&self.directory, source.header)?;
        copy_kept(&held.opened(), &mut rewriter, &|offset| offset < end)
            .map_err(|fault| fault.into_error(&held.path()))?;
        rewriter.finish(source.header.next_generation()?, source.origin, end)?;
        let len = rewriter.len();
        rewriter.install()?;
        self.verify(source)?;
        Ok(len)
    }

    /// Verifies the copy of a segment: every frame must be whole, up to the same end.
    fn verify(&self, source: &RewriteSource) -> Result<()> {
        let base = source.header.base;
        match flaw_in(&self.directory, base, Testimony::Successor(source.origin))? {
            None => Ok(()),
            // The bytes were read back from what was written: it is the log that is damaged, or the
            // disk of the copy.
            Some(flaw) => Err(flaw.error(&self.directory.path_of(&FileName::Segment(base)))),
        }
    }

    /// Removes what does not belong to the copy, and marks the copy as closed.
    fn finish(
        mut self,
        metadata: &LiveMetadata,
        moment: &Moment<'_>,
        next_offset: u64,
        last: Option<Previous>,
    ) -> Result<BackupReport> {
        let kept = std::mem::take(&mut self.bases);
        self.remove(|base| kept.binary_search(&base).is_err())?;
        // An interrupted backup may have left names that are not durable.
        self.directory.storage.sync_dir(&self.directory.path)?;
        let start_offset = moment.reader.list().start_offset.min(next_offset);
        let ours = metadata.current();
        let meta = Meta {
            sequence: 1,
            epoch: ours.epoch.saturating_add(u64::from(self.is_fork)),
            start_offset,
            next_offset,
            key_index: self.directory.kinds.key,
            time_index: self.directory.kinds.time,
            has_gaps: ours.has_gaps,
            unfinished: false,
            is_copy: !self.is_fork,
            merge: None,
            clean: Some(CleanEnd { last }),
            ..ours
        };
        let storage = &*self.directory.storage;
        match &mut self.meta {
            None => initialise(storage, &self.directory.path, &meta)?,
            Some(store) => store.write_both(storage, |current| {
                let sequence = current.sequence;
                *current = Meta { sequence, ..meta };
            })?,
        }
        self.report.start_offset = start_offset;
        self.report.next_offset = next_offset;
        Ok(self.report)
    }
}

/// How many bytes at the start of the file are those of the segment.
fn common_len(file: &crate::sys::File, held: &Held, len: u64) -> Result<u64> {
    let end = file.len()?.min(len);
    let (mut ours, mut theirs) = (
        Vec::new(),
        vec![0; usize::try_from(CHUNK_LEN.min(end)).unwrap_or(0)],
    );
    let mut at = SEGMENT_HEADER_LEN.min(end);
    while at < end {
        let wanted = usize::try_from((end - at).min(CHUNK_LEN)).unwrap_or(0);
        let read = file.read_at(at, &mut theirs[..wanted])?;
        ours.clear();
        if held.map().append_to(at, read, &mut ours).is_none() || read == 0 {
            break;
        }
        let same = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
        at += same as u64;
        if same < wanted {
            break;
        }
    }
    Ok(at)
}
