//! `duramen store restore`: making a store from a backup.

use std::path::{Path, PathBuf};

use duramen::store::{self, StoreOptions};

use super::backup::{self, LINES_HELP};
use super::open;
use crate::failure::Failure;
use crate::open::patiently;
use crate::progress;

/// Make a store from a backup, and print its partitions and a summary as JSON lines.
///
/// DIR is the backup, which is not changed. If this is interrupted, every command on the new store
/// fails with exit code 4. Run the same command again, which begins from the start.
#[derive(Debug, clap::Args)]
#[command(after_long_help = LINES_HELP)]
pub(super) struct Args {
    /// The new store's directory, which must be missing or empty
    dst: PathBuf,
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    let spinner = progress::spinner("copying");
    // So that a missing backup is told as a missing store.
    open::for_reading(dir)?.close()?;
    let restored = patiently(|| store::restore(dir, &args.dst, &StoreOptions::new()));
    let report = restored.map_err(|failure| open::named_of_copy(failure, dir, &args.dst))?;
    spinner.finish_and_clear();
    backup::print(&report)
}
