//! What is reported of a store as a whole.

use std::fmt;
use std::path::PathBuf;

use crate::types::StreamId;
use crate::{BackupReport, CheckReport, RecoverReport, Result};

/// What is reported of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionReport<T> {
    /// The name of the stream; empty if the catalog does not tell it.
    pub stream: String,
    /// The id of the stream.
    pub id: StreamId,
    /// The number of the partition.
    pub partition: u32,
    /// The report on its log.
    pub report: T,
}

/// The result of [`Store::backup`](super::Store::backup) and [`restore`](super::restore()).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreBackupReport {
    /// The copy of the catalog.
    pub catalog: BackupReport,
    /// The copies of the partitions, by the names of their streams. Of one that was copied more
    /// than once, segments, bytes and files are counted each time.
    pub partitions: Vec<PartitionReport<BackupReport>>,
    /// How many streams were removed from the copy, because the store does not have them any more.
    pub streams_removed: u64,
}

/// What [`check`](super::check()) found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct StoreCheckReport {
    /// The report on the catalog's log.
    pub catalog: CheckReport,
    /// The report on the log of intents, of what [`publish_to`](super::Store::publish_to) has
    /// begun. None: the store has no such log.
    pub intents: Option<CheckReport>,
    /// The reports on the partitions that were used, by the names of their streams. An error is one
    /// of the check, such as [`Error::Io`](crate::Error::Io); damage is in the report.
    pub partitions: Vec<PartitionReport<Result<CheckReport>>>,
    /// What is wrong with the store itself.
    pub problems: Vec<StoreProblem>,
    /// What is left of streams that were deleted, which is no problem. The store removes it when it
    /// is open for writing.
    pub trash: Vec<PathBuf>,
}

impl StoreCheckReport {
    /// Whether everything was checked, and no problem was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let is_clean = |report: &Result<CheckReport>| report.as_ref().is_ok_and(CheckReport::is_clean);
        self.problems.is_empty()
            && self.catalog.is_clean()
            && self.intents.as_ref().is_none_or(CheckReport::is_clean)
            && self
                .partitions
                .iter()
                .all(|partition| is_clean(&partition.report))
    }
}

/// What [`recover`](super::recover()) did, or in a dry run would do.
#[derive(Debug)]
#[non_exhaustive]
pub struct StoreRecoverReport {
    /// The report on the catalog's log.
    pub catalog: RecoverReport,
    /// The report on the log of intents. None: the store has no such log.
    pub intents: Option<RecoverReport>,
    /// The reports on the partitions that were used, by the names of their streams. An error says
    /// why a partition could not be recovered.
    pub partitions: Vec<PartitionReport<Result<RecoverReport>>>,
    /// What is wrong with the store itself, and still is.
    pub problems: Vec<StoreProblem>,
}

impl StoreRecoverReport {
    /// Whether anything was wrong with a log, and so was changed, or in a dry run would be.
    #[must_use]
    pub fn changed(&self) -> bool {
        let logs = self
            .partitions
            .iter()
            .filter_map(|partition| partition.report.as_ref().ok());
        let logs = logs.chain(&self.intents).chain([&self.catalog]);
        logs.into_iter().any(|report| report.changed)
    }
}

/// One problem of a store. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct StoreProblem {
    /// The directory that the problem is in, or that is missing.
    pub path: PathBuf,
    /// The offset of the message that the problem is in, if it is in one.
    pub offset: Option<u64>,
    /// The kind of problem.
    pub kind: StoreProblemKind,
}

impl fmt::Display for StoreProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        if let Some(offset) = self.offset {
            write!(f, "offset {offset}: ")?;
        }
        write!(f, "{}", self.kind)
    }
}

/// A kind of problem of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreProblemKind {
    /// The catalog is missing, or not all of it can be read. Which streams there are is not known.
    Catalog,
    /// A message of the catalog, or of the log of intents, is whole, and says nothing that this
    /// version understands.
    Unknown,
    /// The directory of a partition that was used is missing, or the one of all streams.
    Missing,
    /// The directory of a partition that was used has no log in it.
    Empty,
    /// The state of a work queue is damaged.
    Queue,
    /// The catalog does not know this directory. It is moved to the subfolder `quarantine` when the
    /// store is opened for writing.
    Stray,
}

impl fmt::Display for StoreProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoreProblemKind::Catalog => "the catalog is missing, or cannot be read to its end",
            StoreProblemKind::Unknown => "the message says nothing that is understood",
            StoreProblemKind::Missing => "the directory is missing",
            StoreProblemKind::Empty => "the directory has no log in it",
            StoreProblemKind::Queue => "the state of the work queue is damaged",
            StoreProblemKind::Stray => "the catalog does not know the directory",
        })
    }
}
