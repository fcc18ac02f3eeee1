//! Finding a key among thousands of segments: every 16 segments in a row share a file, a key run,
//! that says which key hashes they have and the newest offset of each. 16 key runs become one of
//! the next level, and so on. So a lookup asks at most 15 files of each level and 15 segments, and
//! the number of levels grows with the logarithm of the number of segments (the idea is that of
//! log-structured merge trees, O'Neil et al., 1996).
//!
//! The files are derived. The hash of a message that was removed from a segment stays in the key
//! run, and costs a look at the segments. Nothing is ever added to sealed segments, so a hash that
//! is not in a key run is in none of its segments.

use std::sync::{Arc, OnceLock};

use crate::Result;
use crate::directory::Directory;
use crate::format::{FileName, Previous, RUN_HEADER_LEN};
use crate::index::KeyRunFile;
use crate::sys::{Open, found};

/// Segments in a key run of the first level, and key runs in one of the next level.
pub(crate) const FAN: usize = 16;

/// A key run as the list of segments knows it. Its file is opened at the first lookup.
#[derive(Debug)]
pub(crate) struct KeyRun {
    pub(crate) first: u64,
    /// Exclusive.
    pub(crate) end: u64,
    pub(crate) level: u8,
    opened: OnceLock<Option<KeyRunFile>>,
}

impl KeyRun {
    pub(crate) fn new(first: u64, end: u64, level: u8) -> KeyRun {
        KeyRun {
            first,
            end,
            level,
            opened: OnceLock::new(),
        }
    }

    pub(crate) fn name(&self) -> FileName {
        FileName::Keys {
            first: self.first,
            end: self.end,
            level: self.level,
        }
    }

    /// The file, if it is whole and belongs to the segments that are there; `link` tells how the
    /// last of them is known.
    pub(crate) fn keys(
        &self,
        directory: &Directory,
        link: impl FnOnce() -> Result<Previous>,
    ) -> Result<Option<&KeyRunFile>> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened.as_ref());
        }
        let run = match self.open(directory)? {
            Some(run) if run.header().last == link()? => Some(run),
            _ => None,
        };
        Ok(self.opened.get_or_init(|| run).as_ref())
    }

    /// Whether its file turned out to be damaged, or to belong to other segments.
    pub(crate) fn is_unusable(&self) -> bool {
        matches!(self.opened.get(), Some(None))
    }

    /// Opens the file; `None` if it cannot be used.
    pub(crate) fn open(&self, directory: &Directory) -> Result<Option<KeyRunFile>> {
        let name = self.name();
        let Some(file) = found(directory.open(&name, Open::Read))? else {
            return Ok(None);
        };
        let len = file.len()?;
        if len < RUN_HEADER_LEN as u64 {
            return Ok(None);
        }
        let run = KeyRunFile::open(file.map(len)?).ok();
        Ok(run.filter(|run| {
            let header = run.header();
            header.log_id == directory.log_id && (header.first, header.end) == (self.first, self.end)
        }))
    }
}

/// The key runs whose files are in the directory, in order and without those that others cover; and
/// the file names of the rest.
pub(crate) fn runs_among(names: &[String], start_offset: u64) -> (Vec<Arc<KeyRun>>, Vec<FileName>) {
    let mut found: Vec<KeyRun> = names
        .iter()
        .filter_map(|name| match FileName::parse(name) {
            Some(FileName::Keys { first, end, level }) => Some(KeyRun::new(first, end, level)),
            _ => None,
        })
        .collect();
    found.sort_unstable_by_key(|run| (run.first, std::cmp::Reverse(run.end)));
    let (mut kept, mut rest): (Vec<Arc<KeyRun>>, Vec<FileName>) = (Vec::new(), Vec::new());
    for run in found {
        let is_covered = kept.last().is_some_and(|last| run.first < last.end);
        if is_covered || run.end <= start_offset || run.first >= run.end {
            rest.push(run.name());
        } else {
            kept.push(Arc::new(run));
        }
    }
    (kept, rest)
}

/// The files of a log's damaged key runs.
pub(crate) fn damaged_runs(directory: &Directory) -> Result<Vec<FileName>> {
    let mut damaged = Vec::new();
    for name in directory.dir.list()? {
        if let Some(FileName::Keys { first, end, level }) = FileName::parse(&name) {
            let run = KeyRun::new(first, end, level);
            if run.open(directory)?.is_none() {
                damaged.push(run.name());
            }
        }
    }
    Ok(damaged)
}
