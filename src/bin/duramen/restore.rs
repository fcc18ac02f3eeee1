//! `duramen restore`: making a log from a backup.

use std::path::PathBuf;

use duramen::Start;

use crate::failure::Failure;
use crate::summary::End;
use crate::{open, position, progress};

/// Make a log from a backup, up to an offset or a time, and print a summary as one JSON line.
///
/// The backup is not changed. If this is interrupted, every command on the new log fails with exit
/// code 4. Run the same command again to finish it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(crate) struct Args {
    /// The backup's directory
    backup: PathBuf,

    /// The new log's directory, which must hold no log
    dst: PathBuf,

    /// The end (exclusive): an offset, a time such as -1h, 2009-03-22, 2009-03-22T09:30:00Z or
    /// us:1237714200000000 (needs a time index), or newest
    #[arg(long, value_name = "UNTIL", default_value = "newest")]
    #[arg(value_parser = position::parse, allow_hyphen_values = true)]
    until: Start,
}

const SUMMARY_HELP: &str = "\
The summary is {\"next_offset\":N}: the offset of the next message to be published to the new log.";

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let spinner = progress::spinner("restoring");
    let next_offset = open::patiently(|| duramen::restore(&args.backup, &args.dst, args.until))?;
    spinner.finish_and_clear();
    End::new(next_offset).print()
}
