use std::ops::Range;

use super::key_run_writer::KeyRunWriter;
use super::progress::Progress;
use crate::engine::remove::Lease;
use crate::engine::segments::Segments;
use crate::format::Previous;
use crate::index::{KeyRunFile, key_hash, newest_of_each, run_entry};
use crate::segment::{KeyRun, ReadFault, SegmentRef, SegmentSnapshot};
use crate::{Error, Job, Result};

/// How many entries, each of 8 bytes, are gathered at a time. If there are more messages, their
/// keys are read several times, for one range of hashes each time. At most twice this many entries
/// are in memory.
const ENTRIES_MAX: usize = if cfg!(test) { 64 } else { 1 << 22 };
/// How many records or entries a step handles: that takes a fraction of a millisecond.
const RECORDS_EACH: u32 = 4096;

/// A key run that is being made, a step at a time.
#[derive(Debug)]
pub(super) struct KeyRunBuild {
    run: KeyRun,
    /// The link to the last segment, as the segment behind it has it.
    link: Previous,
    made_from: MadeFrom,
    writer: KeyRunWriter,
    _lease: Lease,
}

/// What a key run is made from.
#[derive(Debug)]
enum MadeFrom {
    Segments(SegmentKeys),
    Runs(RunKeys),
}

/// Why a key run cannot be made.
#[derive(Debug)]
pub(super) enum Unfit {
    /// The segment with this base is damaged, as the error says, or a key run cannot hold its
    /// offsets.
    Segment(u64, Option<Error>),
    /// One of the runs that the new one is made from is damaged. It is made again.
    Run,
    /// Something else failed. The build can be tried again.
    Failed(Error),
}

impl From<Error> for Unfit {
    fn from(error: Error) -> Unfit {
        Unfit::Failed(error)
    }
}

impl KeyRunBuild {
    /// A build from segments side by side that reach up to the offset `end`.
    pub(super) fn of_segments(
        segments: &Segments,
        parts: Vec<SegmentRef>,
        end: u64,
        lease: Lease,
    ) -> Result<KeyRunBuild, Unfit> {
        let (Some(first), Some(SegmentRef::Sealed(last))) = (parts.first(), parts.last()) else {
            return Err(Unfit::Run);
        };
        let run = KeyRun::new(first.base(), end, 1);
        let link = last.link()?.0;
        let mut records = 0;
        for segment in &parts {
            records += read(segments, segment, |opened| Ok(opened.count() as usize))?;
        }
        let hashes_each = (1 << 32_u64) / records.div_ceil(ENTRIES_MAX).max(1) as u64 + 1;
        Ok(KeyRunBuild {
            writer: KeyRunWriter::create(&segments.directory, &run)?,
            made_from: MadeFrom::Segments(SegmentKeys {
                segments: parts,
                first: run.first,
                hashes_each,
                hashes: 0..hashes_each,
                segment: 0,
                ordinal: 0,
                entries: Entries::default(),
            }),
            run,
            link,
            _lease: lease,
        })
    }

    /// A build from key runs side by side that have the same level.
    pub(super) fn of_runs(
        segments: &Segments,
        runs: &[std::sync::Arc<KeyRun>],
        lease: Lease,
    ) -> Result<KeyRunBuild, Unfit> {
        let [first, .., last] = runs else {
            return Err(Unfit::Run);
        };
        let mut files = Vec::with_capacity(runs.len());
        for run in runs {
            files.push(run.open(&segments.directory)?.ok_or(Unfit::Run)?);
        }
        let link = files.last().ok_or(Unfit::Run)?.header().last;
        let level = first.level.checked_add(1).ok_or(Unfit::Run)?;
        let run = KeyRun::new(first.first, last.end, level);
        Ok(KeyRunBuild {
            writer: KeyRunWriter::create(&segments.directory, &run)?,
            made_from: MadeFrom::Runs(RunKeys {
                at: vec![0; files.len()],
                files,
                first: run.first,
            }),
            run,
            link,
            _lease: lease,
        })
    }

    /// Does a step of a few milliseconds. After the last step, the file is there.
    pub(super) fn resume(&mut self, segments: &Segments) -> Result<Progress, Unfit> {
        let step = match &mut self.made_from {
            MadeFrom::Segments(keys) => keys.resume(segments, &mut self.writer)?,
            MadeFrom::Runs(keys) => keys.resume(&mut self.writer)?,
        };
        if step == Progress::Done {
            self.writer.finish(&segments.directory, &self.run, self.link)?;
        }
        Ok(step)
    }

    /// The run, when its build is done.
    pub(super) fn into_run(self) -> KeyRun {
        self.run
    }

    /// Removes what was written of the run.
    pub(super) fn discard(self, segments: &Segments) {
        let removed = self.writer.discard(&segments.directory);
        segments.teller.note_failure(Job::Removal, removed);
    }
}

/// Reads from one segment. A damaged segment is unfit.
fn read<T>(
    segments: &Segments,
    segment: &SegmentRef,
    read: impl FnMut(&SegmentSnapshot<'_>) -> Result<T, ReadFault>,
) -> Result<T, Unfit> {
    let result = segment.read(segments, read);
    result.map_err(|error| match error {
        Error::Corrupt { .. } => Unfit::Segment(segment.base(), Some(error)),
        _ => Unfit::Failed(error),
    })
}

/// The keys of segments, which are read once for each range of hashes.
#[derive(Debug)]
struct SegmentKeys {
    segments: Vec<SegmentRef>,
    /// The offset that the run begins at.
    first: u64,
    hashes_each: u64,
    /// The hashes that are being gathered.
    hashes: Range<u64>,
    /// Which segment comes next, and which of its records.
    segment: usize,
    ordinal: u32,
    entries: Entries,
}

impl SegmentKeys {
    fn resume(&mut self, segments: &Segments, writer: &mut KeyRunWriter) -> Result<Progress, Unfit> {
        let Some(segment) = self.segments.get(self.segment) else {
            return self.end_of_pass(writer);
        };
        let (first, from, hashes) = (self.first, self.ordinal, &self.hashes);
        let entries = &mut self.entries;
        let next = read(segments, segment, |opened| {
            let end = from.saturating_add(RECORDS_EACH).min(opened.count());
            entries.add(opened, from..end, first, hashes).map(|is_fit| {
                let is_all = end == opened.count();
                is_fit.then_some((!is_all).then_some(end))
            })
        })?;
        match next {
            None => return Err(Unfit::Segment(segment.base(), None)),
            Some(Some(ordinal)) => self.ordinal = ordinal,
            Some(None) => (self.segment, self.ordinal) = (self.segment + 1, 0),
        }
        Ok(Progress::More)
    }

    /// Writes the entries of one range of hashes, and goes on with the next.
    fn end_of_pass(&mut self, writer: &mut KeyRunWriter) -> Result<Progress, Unfit> {
        for entry in std::mem::take(&mut self.entries).finish() {
            writer.push(entry)?;
        }
        let from = self.hashes.end;
        if from >= 1 << 32 {
            return Ok(Progress::Done);
        }
        self.hashes = from..from + self.hashes_each;
        (self.segment, self.ordinal) = (0, 0);
        Ok(Progress::More)
    }
}

/// The merged entries of key runs: for each hash, the entry of the last run that has it.
#[derive(Debug)]
struct RunKeys {
    files: Vec<KeyRunFile>,
    /// The next entry of each file.
    at: Vec<u32>,
    /// The offset that the new run begins at.
    first: u64,
}

impl RunKeys {
    fn resume(&mut self, writer: &mut KeyRunWriter) -> Result<Progress, Unfit> {
        for _ in 0..RECORDS_EACH {
            let heads = self.files.iter().zip(&self.at).map(|(file, at)| file.entry(*at));
            let Some(hash) = heads.flatten().map(|entry| entry >> 32).min() else {
                return Ok(Progress::Done);
            };
            let mut newest = 0;
            for (file, at) in self.files.iter().zip(&mut self.at) {
                if let Some(entry) = file.entry(*at).filter(|entry| entry >> 32 == hash) {
                    let moved = file.header().first - self.first;
                    newest = entry.checked_add(moved).ok_or(Unfit::Run)?;
                    *at += 1;
                }
            }
            writer.push(newest)?;
        }
        Ok(Progress::More)
    }
}

/// The entries of a key run that is being made.
#[derive(Debug, Default)]
struct Entries {
    all: Vec<u64>,
    /// How many entries there may be before all but the newest of each hash are dropped.
    crowded_at: usize,
}

impl Entries {
    /// Adds the records of a segment whose key hash is in `hashes`, for a run that begins at the
    /// offset `first`. False if a record's offset is too far from `first`.
    fn add(
        &mut self,
        opened: &SegmentSnapshot<'_>,
        ordinals: Range<u32>,
        first: u64,
        hashes: &Range<u64>,
    ) -> Result<bool, ReadFault> {
        let mut frame = Vec::new();
        for ordinal in ordinals {
            let offset = opened.offset(ordinal)?;
            if let Some(key) = opened.key_of(ordinal, offset, &mut frame)? {
                let Ok(relative) = u32::try_from(offset - first) else {
                    return Ok(false);
                };
                let hash = key_hash(key);
                if hashes.contains(&u64::from(hash)) {
                    self.push(run_entry(hash, relative));
                }
            }
        }
        Ok(true)
    }

    fn push(&mut self, entry: u64) {
        if self.all.len() >= self.crowded_at {
            newest_of_each(&mut self.all);
            self.crowded_at = ENTRIES_MAX.max(2 * self.all.len());
        }
        self.all.push(entry);
    }

    fn finish(mut self) -> Vec<u64> {
        newest_of_each(&mut self.all);
        self.all
    }
}
