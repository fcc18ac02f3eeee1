//! What a backup, restore or import finds in its target.

use crate::format::{Meta, Previous};
use crate::sys::{Dir, FileId};
use crate::{Error, Result};

/// What a backup finds in its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// A whole backup, and where it ends.
    Finished(Option<Previous>),
    /// A whole backup that another one, which was interrupted, has added to.
    Extended(Option<Previous>),
    /// Nothing that counts.
    Incomplete,
}

impl Condition {
    pub(super) fn of(meta: Option<&Meta>) -> Condition {
        let end = |meta: &Meta| meta.clean.and_then(|clean| clean.last);
        match meta {
            Some(meta) if meta.incomplete => Condition::Incomplete,
            Some(meta) if meta.unfinished => Condition::Extended(end(meta)),
            Some(meta) => Condition::Finished(end(meta)),
            None => Condition::Incomplete,
        }
    }

    /// Whether a segment with this base may be one of those that count.
    pub(super) fn counts(self, base: u64) -> bool {
        match self {
            Condition::Finished(last) | Condition::Extended(last) => {
                last.is_some_and(|last| base <= last.base)
            }
            Condition::Incomplete => false,
        }
    }
}

/// Refuses a target with metadata if this is not a backup of the log, or, for a log that is to have
/// a life of its own, not a restore or import that was interrupted.
pub(super) fn accept(meta: &Meta, dir: &Dir, log_id: &[u8; 16], is_fork: bool) -> Result<()> {
    if is_fork {
        return accept_for_new(meta, dir);
    }
    // A backup says nothing of the directory that it is in.
    if meta.incomplete && meta.lock != FileId::default() {
        return Err(unfinished(dir));
    }
    if meta.log_id != *log_id {
        return Err(Error::Invalid("the target of a backup holds another log"));
    }
    Ok(())
}

/// Refuses a target with metadata for a log with a life of its own, unless this is one that was not
/// finished.
pub(in crate::engine) fn accept_for_new(meta: &Meta, dir: &Dir) -> Result<()> {
    if !meta.incomplete {
        return Err(Error::Invalid(
            "a log is restored or imported to a directory that holds none",
        ));
    }
    // Only a backup finishes a backup.
    if meta.lock == FileId::default() {
        return Err(unfinished(dir));
    }
    Ok(())
}

fn unfinished(dir: &Dir) -> Error {
    Error::Unfinished {
        path: dir.path().to_path_buf(),
    }
}
