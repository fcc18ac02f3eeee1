use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::format::{FileName, IndexKinds, META_NAMES, Meta, Previous};
use crate::log::{Copies, is_front_missing, segment_bases};
use crate::segment::{Active, Extent, IndexState, Opened, Place, Seal, Segment, SegmentEnd, Stop};
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
/// every problem, and changes nothing.
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
    let place = Place {
        storage,
        dir: dir.to_path_buf(),
        log_id: meta.log_id,
        kinds: IndexKinds {
            key: meta.key_index,
            time: meta.time_index,
        },
        writable: AtomicBool::new(false),
        replacing: parking_lot::Mutex::new(()),
    };
    let checker = Checker {
        place: Arc::new(place),
        meta,
        copies,
        bases,
    };
    checker.run(&mut report)?;
    Ok(report)
}

fn check_meta(dir: &Path, copies: &Copies, report: &mut CheckReport) {
    for (copy, name) in copies.read.iter().zip(META_NAMES) {
        if !matches!(copy, Some(Ok(_))) {
            report.add(dir.join(name), 0, None, Corruption::Meta);
        }
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

struct Checker {
    place: Arc<Place>,
    meta: Meta,
    copies: Copies,
    bases: Vec<u64>,
}

impl Checker {
    fn run(&self, report: &mut CheckReport) -> Result<()> {
        report.was_closed = self.meta.clean.is_some();
        self.check_ends(report)?;
        // From the newest to the oldest, because each segment knows where the one before it ends.
        let mut found = Vec::new();
        let last = self.meta.clean.and_then(|clean| clean.last);
        let mut known = last.map_or(Known::Unknown, Known::Segment);
        for base in self.bases.iter().rev() {
            let mut part = CheckReport::default();
            known = self.check_segment(*base, known, &mut part)?;
            found.push(part);
        }
        for part in found.into_iter().rev() {
            report.problems.extend(part.problems);
            report.segments += 1;
            report.messages += part.messages;
            report.bytes += part.bytes;
        }
        Ok(())
    }

    /// That the first and the last segment are there.
    fn check_ends(&self, report: &mut CheckReport) -> Result<()> {
        let path = |base| self.place.path(&FileName::Segment(base));
        if is_front_missing(&self.place, &self.bases, self.meta.start_offset)? {
            report.add(path(self.meta.start_offset), 0, None, Corruption::Missing);
        }
        let last_known = self.copies.durable_end().map(|(base, _)| base);
        if let Some(base) = last_known.filter(|base| self.bases.last().is_none_or(|last| last < base)) {
            report.add(path(base), 0, None, Corruption::Missing);
        }
        Ok(())
    }

    /// Checks one segment, of which the one behind it, or the metadata, knows this. Returns what this one says of the
    /// one before it.
    fn check_segment(&self, base: u64, known: Known, report: &mut CheckReport) -> Result<Known> {
        let path = self.place.path(&FileName::Segment(base));
        let link = match known {
            Known::Segment(link) if link.base == base => Some(link),
            Known::Segment(_) | Known::Nothing => {
                report.add(path.clone(), 0, None, Corruption::Foreign);
                None
            }
            Known::Unknown => None,
        };
        let limit = link.map(|link| u64::from(link.len));
        let (active, extent) = match Active::adopt(&self.place, base, limit, None) {
            Ok(walked) => walked,
            Err(error) => {
                report.note(error)?;
                return Ok(Known::Unknown);
            }
        };
        report.messages = u64::from(active.visible().count);
        report.bytes = extent.end;
        self.check_extent(&active, &extent, link, report);
        if let Some(link) = link {
            self.check_index(
                base,
                Seal {
                    len: link.len,
                    last_checksum: link.last_checksum,
                },
                &extent,
                report,
            )?;
            if self.meta.clean.and_then(|clean| clean.last) == Some(link)
                && active.file.len()? > u64::from(link.len)
            {
                report.add(path, u64::from(link.len), None, Corruption::Trailing);
            }
        }
        Ok(active.header.previous.map_or(Known::Nothing, Known::Segment))
    }

    /// That a segment reaches as far as it should.
    fn check_extent(
        &self,
        active: &Active,
        extent: &Extent,
        link: Option<Previous>,
        report: &mut CheckReport,
    ) {
        let path = active.file.path().to_path_buf();
        match (extent.stop, link) {
            (
                Stop::Defect {
                    position,
                    offset,
                    kind,
                },
                Some(_),
            ) => report.add(path, position, Some(offset), kind),
            (
                Stop::Defect {
                    position,
                    offset,
                    kind,
                },
                None,
            ) => {
                // At the end of a log that was not closed: a torn tail, unless something knows better.
                let durable = self
                    .copies
                    .durable_end()
                    .is_some_and(|(base, len)| (base, u64::from(len)) > (active.header.base, extent.end));
                if durable || active.walk(u64::MAX, false).is_durable_behind(extent) {
                    report.add(path, position, Some(offset), kind);
                }
            }
            (_, Some(link)) if extent.end < u64::from(link.len) => {
                report.add(path, extent.end, Some(extent.next_offset), Corruption::Short);
            }
            (_, None)
                if self
                    .copies
                    .durable_end()
                    .is_some_and(|(base, len)| base == active.header.base && u64::from(len) > extent.end) =>
            {
                report.add(path, extent.end, Some(extent.next_offset), Corruption::Short);
            }
            (_, Some(link)) if extent.last_checksum != link.last_checksum => {
                report.add(path, 0, None, Corruption::Foreign);
            }
            _ => {}
        }
    }

    /// That the index file, if there is one, is in order; and where the segment is not, what else of it is damaged,
    /// which only the index can tell.
    fn check_index(&self, base: u64, seal: Seal, extent: &Extent, report: &mut CheckReport) -> Result<()> {
        let segment = Segment::new(Arc::clone(&self.place), base, SegmentEnd::Known(seal));
        match segment.check_index()? {
            IndexState::Damaged(position) => {
                report.add(segment.index_path(), position, None, Corruption::Index);
                Ok(())
            }
            IndexState::Good(files) if matches!(extent.stop, Stop::Defect { .. }) => {
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
                        Ok(_) => report.messages += 1,
                        Err(error) => report.note(error)?,
                    }
                }
                Ok(())
            }
            IndexState::Good(_) | IndexState::Absent => Ok(()),
        }
    }
}
