//! L6: what is done to a log's directory while nobody has it open for writing.

mod backup;
mod check;
mod dump;
mod recover;
mod repair;

use std::path::Path;

pub use backup::{backup, restore};
pub use check::{CheckReport, Problem, check};
pub use dump::dump;
pub use recover::{Dropped, RecoverOptions, RecoverReport, recover, recover_with};

use crate::{Log, Options, Result, Stats};

/// What the log in `dir` holds, without changing anything.
///
/// Of `options` only those matter that say how files are read; the indexes are those that the log has.
///
/// # Errors
///
/// As [`Options::open`] for reading only.
pub fn stat(dir: impl AsRef<Path>, options: &Options) -> Result<Stats> {
    let dir = dir.as_ref();
    let options = options.clone().with_indexes_of(dir)?.recover(false);
    options.read_only(true).open(dir)?.stat()
}
