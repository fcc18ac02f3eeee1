//! `duramen compact`: removing messages that later ones supersede.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use duramen::Log as _;
use duramen::compact::{Settings, compact_with};

use crate::failure::Failure;
use crate::summary::{SUMMARY_HELP, Summary};
use crate::{open, progress};

/// Remove every message that has a later one with the same key, then the old tombstones that no
/// longer supersede anything, and print a summary as one JSON line.
///
/// The remaining messages keep their offsets. Messages without a key are kept. The log needs a key
/// index.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,

    /// Remove only messages that were published at least this long ago, such as 7d, 1h, 30m, 45s or
    /// 500ms; by default, superseded messages of any age, and tombstones of 24 hours
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,

    /// Remove nothing, and print what would be removed
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let log = open::existing(&args.dir, args.dry_run)?;
    let settings = Settings::new().dry_run(args.dry_run);
    let settings = match args.older_than {
        Some(age) => settings.older_than(age),
        None => settings,
    };
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
