//! `duramen unseal`: opening a sealed log for publishing again.

use std::path::PathBuf;

use duramen::Log as _;

use crate::failure::Failure;
use crate::open;
use crate::summary::{END_HELP, End};

/// Open a sealed log for publishing again, and print a summary as one JSON line.
///
/// A log that is not sealed is not changed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = END_HELP)]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let log = open::existing(&args.dir, false)?;
    log.unseal()?;
    let next_offset = log.next_offset()?;
    log.close()?;
    End::new(next_offset).print()
}
