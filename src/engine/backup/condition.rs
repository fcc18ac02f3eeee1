//! What a backup or restore finds in its target.

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

/// Refuses a target with metadata if this is not a backup of the log, or not a restore that was
/// interrupted.
pub(super) fn accept(meta: &Meta, dir: &Dir, log_id: &[u8; 16], is_fork: bool) -> Result<()> {
    if is_fork && !meta.incomplete {
        return Err(Error::Invalid("a log is restored to a directory that holds none"));
    }
    // A backup says nothing of the directory that it is in.
    let is_backup = meta.lock == FileId::default();
    if meta.incomplete && is_backup == is_fork {
        // A restore does not finish a backup, nor a backup a restore.
        return Err(Error::Unfinished {
            path: dir.path().to_path_buf(),
        });
    }
    if !is_fork && meta.log_id != *log_id {
        return Err(Error::Invalid("the target of a backup holds another log"));
    }
    Ok(())
}
