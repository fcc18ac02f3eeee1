//! `duramen compact`: removing by key what later messages made superfluous.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use duramen::Log as _;
use duramen::compact::{Settings, compact_with};

use crate::failure::Failure;
use crate::summary::{SUMMARY_HELP, Summary};
use crate::{open, progress};

/// Remove messages that a later one of the same key supersedes, then tombstones with nothing left to cover, and print a
/// summary as one JSON line.
///
/// What stays keeps its offset. Messages without a key stay. The log needs a key index.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,

    /// Remove only messages at least so old by their own time, such as 7d, 1h, 30m, 45s or 500ms
    #[arg(long, value_name = "AGE", default_value = "0s", value_parser = humantime::parse_duration)]
    older_than: Duration,

    /// Remove nothing, and tell what would be removed
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let log = open::existing(&args.dir, args.dry_run)?;
    let settings = Settings::new().older_than(args.older_than).dry_run(args.dry_run);
    let spinner = progress::spinner("compacting");
    let deleted = compact_with(&log, &settings, |progress| {
        spinner.set_message(format!(
            "compacting: {} messages read, {} removed",
            progress.read, progress.deleted.messages
        ));
        ControlFlow::Continue(())
    })?;
    log.close()?;
    spinner.finish_and_clear();
    Summary::from(deleted).print()
}
