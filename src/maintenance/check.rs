use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::directory::Copies;
use crate::directory::Directory;
use crate::engine::{is_front_missing, segment_bases, settle_unfinished, sort_out};
use crate::format::{CleanEnd, FileName, IndexKinds, Meta, Previous, SEGMENT_HEADER_LEN};
use crate::segment::damaged_runs;
use crate::segment::{Active, Entry, Extent, IndexState, Opened, Seal, Sealed, SegmentEnd, Stop};
use crate::sys::Open;
use crate::{Corruption, Error, Options, Result};

/// What [`check`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Everything that is wrong, in the order of the log; empty for a log in order.
    pub problems: Vec<Problem>,
    /// Segments looked at.
    pub segments: u64,
    /// Messages that were read and verified.
    pub messages: u64,
    /// Bytes of the segments that were verified.
    pub bytes: u64,
    /// Whether the log was closed. Behind the end of one that was not there may be bytes of a batch that never was
    /// complete; that is no problem.
    pub was_closed: bool,
}

impl CheckReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

/// One thing that is wrong with a log. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// Where in it, in bytes.
    pub position: u64,
    /// The offset of the message that is hit, where it is known.
    pub offset: Option<u64>,
    /// What is wrong.
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

/// Reads everything there is of the log in `dir` (all segments, all indexes, both copies of the metadata), reports
/// every problem, and changes nothing. Of a segment whose index file is missing, as in a backup that was never opened
/// for writing, only the first problem is found: where the next record begins is not known.
///
/// Of `options` only those that say where and how files are read matter: all indexes that are there are checked. An
/// index file that is missing or out of date is no problem: it is made anew when it is needed.
///
/// # Errors
///
/// [`Error::NoLog`]; [`Error::Locked`] if somebody has the log open for writing; [`Error::Version`]; [`Error::Io`].
/// Damage is not an error but in the report.
pub fn check(dir: impl AsRef<Path>, options: &Options) -> Result<CheckReport> {
    let dir = dir.as_ref();
    let storage = options.file_system();
    if !storage.is_dir(dir)? {
        return Err(Error::NoLog {
            path: dir.to_path_buf(),
        });
    }
    let _lock = storage.lock(dir, false)?;
    let copies = Copies::read(&*storage, dir)?;
    let bases = segment_bases(&*storage, dir)?;
    if copies.is_absent() && bases.is_empty() {
        return Err(Error::NoLog {
            path: dir.to_path_buf(),
        });
    }
    let mut report = CheckReport::default();
    check_meta(dir, &copies, &mut report);
    let meta = match copies.newest(dir) {
        Ok(meta) => meta,
        // Without metadata nobody knows which segments belong to the log.
        Err(Error::Corrupt { .. }) => return Ok(report),
        Err(error) => return Err(error),
    };
    let kinds = IndexKinds {
        key: meta.key_index,
        time: meta.time_index,
    };
    let directory = Directory::new(storage, dir, meta.log_id, kinds, false);
    let mut meta = meta;
    if meta.unfinished {
        settle_unfinished(&directory, &mut meta, &bases)?;
    }
    let (bases, _) = sort_out(&directory, &meta, bases)?;
    let checker = Checker {
        directory: Arc::new(directory),
        meta,
        copies,
        bases,
    };
    checker.run(&mut report)?;
    Ok(report)
}

fn check_meta(dir: &Path, copies: &Copies, report: &mut CheckReport) {
    for name in copies.damaged() {
        report.add(dir.join(name), 0, None, Corruption::Meta);
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

    /// Damage goes into the report, everything else is an error of the check itself.
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

/// What is said of the segment before another one.
#[derive(Clone, Copy, Debug)]
enum Known {
    /// Nobody speaks of it.
    Unknown,
    /// There is none.
    Nothing,
    Segment(Previous),
}

pub(super) struct Checker {
    pub(super) directory: Arc<Directory>,
    pub(super) meta: Meta,
    pub(super) copies: Copies,
    /// Base offsets of the segments that count, ascending.
    pub(super) bases: Vec<u64>,
}

/// A segment that was checked.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) found: CheckReport,
    /// Messages in it, as far as it is in order, that were trimmed.
    pub(super) trimmed: u64,
    /// The offset that it reaches up to, as far as it is in order.
    pub(super) next_offset: u64,
}

/// A segment that is being checked.
struct Subject {
    active: Active,
    extent: Extent,
    seal: Option<Seal>,
    /// Whether all of it up to the seal is known to have been durable.
    is_durable: bool,
}

impl Checker {
    fn run(&self, report: &mut CheckReport) -> Result<()> {
        report.was_closed = self.meta.clean.is_some();
        self.check_ends(report)?;
        for path in damaged_runs(&self.directory)? {
            report.add(path, 0, None, Corruption::Index);
        }
        for Checked { found, .. } in self.segments()? {
            report.problems.extend(found.problems);
            report.segments += 1;
            report.messages += found.messages;
            report.bytes += found.bytes;
        }
        Ok(())
    }

    /// What was found of each segment, ascending.
    pub(super) fn segments(&self) -> Result<Vec<Checked>> {
        // From the newest to the oldest, because each segment knows where the one before it ends.
        let mut segments = Vec::new();
        let last = self.meta.clean.and_then(|clean| clean.last);
        let is_empty = self.copies.agree() && self.meta.clean == Some(CleanEnd { last: None });
        let unknown = if is_empty { Known::Nothing } else { Known::Unknown };
        let mut known = last.map_or(unknown, Known::Segment);
        let mut durable_below = if last.is_some() { u64::MAX } else { 0 };
        for base in self.bases.iter().rev() {
            let mut checked = Checked::default();
            known = self.check_segment(*base, known, &mut durable_below, &mut checked)?;
            segments.push(checked);
        }
        segments.reverse();
        Ok(segments)
    }

    /// That the first and the last segment are there.
    fn check_ends(&self, report: &mut CheckReport) -> Result<()> {
        let path = |base| self.directory.path_of(&FileName::Segment(base));
        if is_front_missing(&self.directory, &self.bases, self.meta.start_offset)? {
            report.add(path(self.meta.start_offset), 0, None, Corruption::Missing);
        }
        let Some((last_known, _)) = self.copies.durable_end() else {
            return Ok(());
        };
        let last_base = self.directory.last_base(&self.bases)?;
        if last_base.is_none_or(|last| last < last_known) {
            report.add(path(last_known), 0, None, Corruption::Missing);
        }
        Ok(())
    }

    /// Checks one segment, of which the one behind it, or the metadata, knows this. Returns what this one says of the
    /// one before it. Segments with a base below `durable_below` are known to be durable.
    fn check_segment(
        &self,
        base: u64,
        known: Known,
        durable_below: &mut u64,
        checked: &mut Checked,
    ) -> Result<Known> {
        let report = &mut checked.found;
        let path = self.directory.path_of(&FileName::Segment(base));
        let (active, extent, seal) = match self.walk(base, known) {
            Ok((active, extent, seal)) => (active, extent, seal),
            Err(error) => {
                report.note(error)?;
                return Ok(Known::Unknown);
            }
        };
        let has_link = matches!(known, Known::Segment(_));
        if matches!(known, Known::Nothing) || (has_link && seal.is_none()) {
            report.add(path.clone(), 0, None, Corruption::Foreign);
        }
        report.messages = u64::from(active.index.messages_before(active.index.count()));
        report.bytes = extent.end;
        let header = active.header;
        checked.next_offset = header.rewrite.map_or(extent.next_offset, |rewrite| rewrite.end);
        let start = self.meta.start_offset;
        if base < start {
            let count =
                |entry: &Entry| checked.trimmed += u64::from(entry.offset < start && !entry.is_control);
            active.walk(extent.end, false).run(count);
        }
        let is_durable = base < *durable_below || header.rewrite.is_some();
        if is_durable || extent.frontier >= SEGMENT_HEADER_LEN {
            *durable_below = (*durable_below).max(base);
        }
        *durable_below = (*durable_below).max(header.durable_base);
        let subject = Subject {
            active,
            extent,
            seal,
            is_durable,
        };
        self.check_extent(&subject, report);
        if let Some(seal) = seal {
            self.check_index(&subject, seal, report)?;
            let is_clean_end = self.meta.clean.is_some() && self.bases.last() == Some(&base);
            let is_longer = subject.active.file.len()? > u64::from(seal.len);
            if is_longer && (is_clean_end && !self.meta.unfinished || header.rewrite.is_some()) {
                report.add(path, u64::from(seal.len), None, Corruption::Trailing);
            }
        }
        Ok(header.previous.map_or(Known::Nothing, Known::Segment))
    }

    /// Walks through a segment; the seal is that by which the one behind it knows it, if it does.
    fn walk(&self, base: u64, known: Known) -> Result<(Active, Extent, Option<Seal>)> {
        let (_, header) = self.directory.open_segment(base, Open::Read)?;
        let seal = match (known, header.rewrite) {
            (Known::Segment(link), _) => Seal::of(&header, link),
            (_, Some(rewrite)) => Seal::of(&header, rewrite.origin),
            _ => None,
        };
        let limit = seal.map(|seal| u64::from(seal.len));
        let (active, extent) = Active::adopt(&self.directory, base, limit, None)?;
        Ok((active, extent, seal))
    }

    /// That a segment reaches as far as it should.
    fn check_extent(&self, subject: &Subject, report: &mut CheckReport) {
        let Subject { active, extent, .. } = subject;
        let path = active.file.path().to_path_buf();
        let short = (extent.end, Some(extent.next_offset), Corruption::Short);
        let (position, offset, kind) = match (extent.stop, subject.seal) {
            (
                Stop::Defect {
                    position,
                    offset,
                    kind,
                },
                _,
            ) => (position, Some(offset), kind),
            (_, Some(seal)) if extent.end < u64::from(seal.len) => short,
            (_, Some(seal)) if extent.last_checksum != seal.last_checksum => (0, None, Corruption::Foreign),
            (_, None) if self.is_known_beyond(subject) => short,
            // An old marker that came back: whole batches stand behind it.
            (Stop::Marker, None) if active.walk(u64::MAX, false).is_durable_behind(extent) => short,
            _ => return,
        };
        // In a log that was not closed, and above what is known to be durable, it is a torn tail.
        let is_durable = subject.is_durable
            || self.is_known_beyond(subject)
            || active.walk(u64::MAX, false).is_durable_behind(extent);
        if is_durable {
            report.add(path, position, offset, kind);
        }
    }

    /// Whether the metadata knows of durable bytes behind where this segment is in order.
    fn is_known_beyond(&self, subject: &Subject) -> bool {
        let here = (subject.active.header.last_base(), subject.extent.end);
        subject.active.header.rewrite.is_none()
            && self
                .copies
                .durable_end()
                .is_some_and(|(base, len)| (base, u64::from(len)) > here)
    }

    /// That the index file, if there is one, is in order; and where the segment is not, what else of it is damaged,
    /// which only the index can tell.
    fn check_index(&self, subject: &Subject, seal: Seal, report: &mut CheckReport) -> Result<()> {
        let header = &subject.active.header;
        let link = header.rewrite.map_or(
            Previous {
                base: header.base,
                len: seal.len,
                last_checksum: seal.last_checksum,
            },
            |rewrite| rewrite.origin,
        );
        let segment = Sealed::new(Arc::clone(&self.directory), header.base, SegmentEnd::Known(link));
        let files = match segment.check_index()? {
            IndexState::Damaged(position) => {
                report.add(segment.index_path(), position, None, Corruption::Index);
                return Ok(());
            }
            IndexState::Good(files) if matches!(subject.extent.stop, Stop::Defect { .. }) => files,
            IndexState::Good(_) | IndexState::Absent => return Ok(()),
        };
        let opened = Opened::Sealed { files: &files };
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
}
