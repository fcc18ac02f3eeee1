//! `duramen seal`: ending a log.

use std::path::PathBuf;

use duramen::{Control, Log as _, PublishOptions};

use crate::failure::Failure;
use crate::open;
use crate::summary::{END_HELP, End};

/// Seal a log, and print a summary as one JSON line.
///
/// Nothing is published to a sealed log, and whoever tries fails; the exit code is then 1, also for
/// sealing it again. Messages can be read, trimmed and deleted. The seal is on stable storage when
/// the command ends.
#[derive(Debug, clap::Args)]
#[command(after_long_help = END_HELP)]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let log = open::existing(&args.dir, false)?;
    let ack = log.append(&[], &PublishOptions::new().sync(true).and(Control::Seal))?;
    log.close()?;
    End::new(ack.end.offset).print()
}
