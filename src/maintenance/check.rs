use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::own_log::OwnLog;
use crate::chain::{Chain, Ending, Surveyed, Walked, segment_bases};
use crate::directory::{Copies, Directory};
use crate::engine::{Glimpse, until_it_fits};
use crate::format::FileName;
use crate::segment::{Entry, IndexState, Sealed, SegmentEnd, SegmentSnapshot, WalkEnd, damaged_runs};
use crate::sys::{Dir, found};
use crate::{Corruption, Error, Options, Result};

/// What [`check`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// All problems, in the order of the log; empty if the log is in order.
    pub problems: Vec<Problem>,
    /// The number of segments that were checked.
    pub segments: u64,
    /// The number of messages that were read and verified.
    pub messages: u64,
    /// The number of bytes that were verified in segments, headers included.
    pub bytes: u64,
    /// Whether the log was closed. A log that was not closed may end with bytes of a batch that
    /// never was complete, which is no problem.
    pub was_closed: bool,
}

impl CheckReport {
    /// Whether the check found no problem.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

/// One problem of a log. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Problem {
    /// The file that the problem is in, or that is missing.
    pub path: PathBuf,
    /// The position in that file, in bytes; 0 if the problem concerns the whole file.
    pub position: u64,
    /// The offset of the message at that position, if it is known.
    pub offset: Option<u64>,
    /// The kind of problem.
    pub kind: Corruption,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: position {}", self.path.display(), self.position)?;
        if let Some(offset) = self.offset {
            write!(f, ", offset {offset}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

/// Checks the log in `dir`: reads all segments, all indexes and both copies of the metadata,
/// reports every problem, and changes nothing.
///
/// In a segment whose index file is missing, as in a backup that was never opened for writing, only
/// the first problem is found, because nothing tells where the next record begins.
///
/// Somebody may have the log open, and write to it: the check takes no lock, and is in nobody's
/// way. Files may then change while they are read, so a log with problems is read again: until
/// nothing but the last segment has changed during two readings in a row, which both have to find
/// what is reported, but at most five times. Then it is what the last and two others have found.
///
/// [`FileLog::check`](crate::FileLog::check) checks a log that is open, at a pace.
///
/// Only those of the `options` matter that say where and how files are read. All index files that
/// are there are checked. An index file that is missing or out of date is no problem: the log
/// builds it anew when it needs it.
///
/// # Errors
///
/// [`Error::NoLog`] if the directory is missing or holds no log; [`Error::Version`] if a file has a
/// format version that this library does not read; [`Error::Io`]. Damage is no error; the report
/// lists it.
pub fn check(dir: impl AsRef<Path>, options: &Options) -> Result<CheckReport> {
    check_in(&options.dir_of_log(dir.as_ref())?)
}

/// Checks the log in this directory.
pub(crate) fn check_in(dir: &Dir) -> Result<CheckReport> {
    check_beside(dir, None)
}

/// Checks the log in this directory, which may be one that this process has open.
pub(super) fn check_beside(dir: &Dir, own: Option<&OwnLog<'_>>) -> Result<CheckReport> {
    /// Among a log's changes, what is no problem is not found so often.
    const FOUND_MIN: usize = 3;
    const READINGS_MAX: usize = 5;
    let mut glimpse = Glimpse::of(dir).ok();
    let (mut found, mut was_quiet) = (Vec::<HashSet<Problem>>::new(), false);
    loop {
        let mut report = until_it_fits(dir, || check_once(dir, own))?;
        if report.is_clean() {
            return Ok(report);
        }
        let now = Glimpse::of(dir).ok();
        let is_quiet = now == glimpse;
        // Nobody has written to a log that was closed, and still is.
        if is_quiet && report.was_closed {
            return Ok(report);
        }
        let count = |problem: &Problem| found.iter().filter(|found| found.contains(problem)).count();
        // A batch that was just being written may have looked like damage, but not twice.
        if let (true, true, Some(before)) = (is_quiet, was_quiet, found.last()) {
            report.problems.retain(|problem| before.contains(problem));
            return Ok(report);
        }
        if found.len() + 1 == READINGS_MAX {
            report.problems.retain(|problem| count(problem) + 1 >= FOUND_MIN);
            return Ok(report);
        }
        found.push(report.problems.into_iter().collect());
        (glimpse, was_quiet) = (now, is_quiet);
    }
}

/// Reads the log once. Somebody may write to it meanwhile.
fn check_once(dir: &Dir, own: Option<&OwnLog<'_>>) -> Result<CheckReport> {
    let copies = Copies::read(dir)?;
    let bases = segment_bases(dir)?;
    if copies.is_absent() && bases.is_empty() {
        return Err(Error::NoLog {
            path: dir.path().to_path_buf(),
        });
    }
    let mut report = CheckReport::default();
    check_meta(dir, &copies, &mut report);
    let meta = match copies.newest(dir) {
        Ok(meta) => meta,
        // Without metadata nothing tells which segments belong to the log.
        Err(Error::Corrupt { .. }) => return Ok(report),
        Err(error) => return Err(error),
    };
    let directory = Directory::new(dir.clone(), meta.log_id, meta.index_kinds(), false);
    let chain = Chain::new(Arc::new(directory), copies, meta, bases)?;
    run(&chain, own, &mut report)?;
    Ok(report)
}

fn check_meta(dir: &Dir, copies: &Copies, report: &mut CheckReport) {
    for name in copies.damaged() {
        report.add(dir.path_of(name), 0, None, Corruption::Meta);
    }
}

impl CheckReport {
    fn add(&mut self, path: PathBuf, position: u64, offset: Option<u64>, kind: Corruption) {
        self.problems.push(Problem {
            path,
            position,
            offset,
            kind,
        });
    }

    /// Adds damage to the report; any other error is one of the check itself, and is returned.
    fn note(&mut self, error: Error) -> Result<()> {
        match error {
            Error::Corrupt {
                path,
                position,
                offset,
                kind,
            } => {
                self.add(path, position, offset, kind);
                Ok(())
            }
            other => Err(other),
        }
    }
}

/// A segment that was checked.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) found: CheckReport,
    /// The number of its messages, as far as it is intact, that were trimmed.
    pub(super) trimmed: u64,
    /// The offset that its intact batches reach up to (exclusive).
    pub(super) next_offset: u64,
}

fn run(chain: &Chain, own: Option<&OwnLog<'_>>, report: &mut CheckReport) -> Result<()> {
    report.was_closed = chain.meta.clean.is_some();
    check_ends(chain, report)?;
    for name in damaged_runs(&chain.directory)? {
        report.add(chain.directory.path_of(&name), 0, None, Corruption::Index);
    }
    if let Err(error) = chain.directory.load_producers(u64::MAX) {
        report.note(error)?;
    }
    for Checked { found, .. } in check_segments(chain, own)? {
        report.problems.extend(found.problems);
        report.segments += 1;
        report.messages += found.messages;
        report.bytes += found.bytes;
    }
    Ok(())
}

/// Checks that the first and the last segment are there.
fn check_ends(chain: &Chain, report: &mut CheckReport) -> Result<()> {
    let path = |base| chain.directory.path_of(&FileName::Segment(base));
    if chain.is_front_missing()? {
        report.add(path(chain.meta.start_offset), 0, None, Corruption::Missing);
    }
    if let Some(base) = chain.missing_last()? {
        report.add(path(base), 0, None, Corruption::Missing);
    }
    Ok(())
}

/// Checks each segment; returns what was found, in ascending order.
pub(super) fn check_segments(chain: &Chain, own: Option<&OwnLog<'_>>) -> Result<Vec<Checked>> {
    let (mut segments, mut survey) = (Vec::new(), chain.survey());
    for base in chain.bases.iter().rev() {
        own.map_or(Ok(()), OwnLog::rest)?;
        let mut checked = Checked::default();
        let done = match survey.walk(*base) {
            Ok(surveyed) => check_segment(chain, &surveyed, &mut checked),
            Err(error) => checked.found.note(error),
        };
        if let Some(own) = own {
            own.note(checked.found.bytes);
        }
        let is_wrong = done.is_err() || !checked.found.is_clean();
        if is_wrong && has_gone(chain, own, *base)? {
            continue;
        }
        done?;
        segments.push(checked);
    }
    segments.reverse();
    Ok(segments)
}

/// Whether a segment was trimmed meanwhile or, as far as that can be told, merged.
fn has_gone(chain: &Chain, own: Option<&OwnLog<'_>>, base: u64) -> Result<bool> {
    if let Some(own) = own {
        return Ok(!own.has_segment(base)?);
    }
    let dir = &chain.directory.dir;
    if found(dir.len_of(&FileName::Segment(base).to_string()))?.is_some() {
        return Ok(false);
    }
    let start_offset = Copies::read(dir)?.newest(dir).map_or(0, |meta| meta.start_offset);
    Ok(chain.meta.start_offset <= base && base < start_offset)
}

fn check_segment(chain: &Chain, surveyed: &Surveyed, checked: &mut Checked) -> Result<()> {
    let base = surveyed.walked.base();
    let path = chain.directory.path_of(&FileName::Segment(base));
    let Walked {
        active, extent, told, ..
    } = &surveyed.walked;
    let report = &mut checked.found;
    if surveyed.is_other {
        report.add(path.clone(), 0, None, Corruption::Foreign);
    }
    report.messages = u64::from(active.index.messages_before(active.index.count()));
    report.bytes = extent.end;
    let rewrite = active.header.rewrite;
    checked.next_offset = rewrite.map_or(extent.next_offset, |rewrite| rewrite.end);
    let start = chain.meta.start_offset;
    if base < start {
        let count = |entry: &Entry| checked.trimmed += u64::from(entry.offset < start && !entry.is_control);
        active.walk(extent.end, false).run(count);
    }
    if let Some(defect) = surveyed.defect {
        report.add(path.clone(), defect.position, defect.offset, defect.kind);
    }
    if let Some(ending) = told {
        check_index(chain, &surveyed.walked, ending, report)?;
    }
    if let Some(position) = surveyed.excess_from {
        report.add(path, position, None, Corruption::Trailing);
    }
    Ok(())
}

/// Checks that the index file, if there is one, is in order. If the segment is damaged, finds the
/// rest of the damage, to which only the index leads.
fn check_index(chain: &Chain, walked: &Walked, ending: &Ending, report: &mut CheckReport) -> Result<()> {
    let end = SegmentEnd::Known(ending.origin);
    let segment = Sealed::new(Arc::clone(&chain.directory), walked.base(), end);
    let files = match segment.check_index()? {
        IndexState::Damaged(position) => {
            report.add(segment.index_path(), position, None, Corruption::Index);
            return Ok(());
        }
        IndexState::Good(files) if matches!(walked.extent.stop, WalkEnd::Defect { .. }) => files,
        IndexState::Good(_) | IndexState::Absent => return Ok(()),
    };
    let opened = SegmentSnapshot::Sealed { files: &files };
    report.messages = 0;
    report
        .problems
        .retain(|problem| problem.kind != Corruption::Record);
    for ordinal in 0..opened.count() {
        let read = opened
            .offset(ordinal)
            .and_then(|offset| opened.message(ordinal, offset));
        match read.map_err(|fault| fault.into_error(&segment.path())) {
            Ok(message) => report.messages += u64::from(message.is_some()),
            Err(error) => report.note(error)?,
        }
    }
    Ok(())
}
