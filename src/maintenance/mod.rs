//! L6: what is done to a log's directory while nobody has it open for writing.

mod backup;
mod check;
mod dump;
mod findings;
mod plan;
mod recover;
mod repair;
mod report;
mod salvaging;

use std::path::Path;

pub use backup::{backup, restore};
pub use check::{CheckReport, Problem, check};
pub use dump::dump;
pub use recover::{recover, recover_with};
pub use report::{Dropped, RecoverOptions, RecoverReport};

use crate::{Log, Options, Result, Stats};

/// What the log in `dir` holds, without changing anything.
///
/// Of `options` only those matter that say how files are read; the indexes are those that the log
/// has.
///
/// # Errors
///
/// As [`Options::open`] for reading only.
pub fn stat(dir: impl AsRef<Path>, options: &Options) -> Result<Stats> {
    let dir = dir.as_ref();
    let options = options.clone().with_indexes_of(dir)?.recover(false);
    options.read_only(true).open(dir)?.stat()
}
