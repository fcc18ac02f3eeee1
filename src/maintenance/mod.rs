//! L6: check, recover, backup, restore, stat and dump, on the directory of a log. Only recovering
//! wants it for itself.

mod backup;
mod check;
mod dump;
mod findings;
mod frames;
mod messages_in;
mod online;
mod own_log;
mod plan;
mod recover;
mod repair;
mod report;
mod salvaging;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use backup::{backup, restore};
pub(crate) use check::check_in;
pub use check::{CheckReport, Problem, check};
pub use dump::dump;
pub use messages_in::messages_in;
pub(crate) use recover::recover_in;
pub use recover::{recover, recover_with};
pub use report::{Dropped, RecoverOptions, RecoverReport};

use crate::{Log, Options, Result, Stats};

/// Returns the figures of the log in `dir`, and changes nothing.
///
/// Only those of the `options` matter that say how files are read. The indexes are those that the
/// log has.
///
/// # Errors
///
/// Those of [`Options::open`] for reading only.
pub fn stat(dir: impl AsRef<Path>, options: &Options) -> Result<Stats> {
    let dir = options.dir_of_log(dir.as_ref())?;
    let options = options.clone().with_indexes_in(&dir)?.recover(false);
    options.read_only(true).open_in(&dir)?.stat()
}
