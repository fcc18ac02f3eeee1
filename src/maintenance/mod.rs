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
/// # Errors
///
/// As [`Options::open`] for reading only.
pub fn stat(dir: impl AsRef<Path>, options: &Options) -> Result<Stats> {
    options.clone().read_only(true).open(dir)?.stat()
}
