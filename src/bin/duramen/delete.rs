//! `duramen delete`: removing chosen messages.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

use duramen::{Deleted, Error, FileLog, Log as _, Start, compact};

use crate::failure::Failure;
use crate::summary::{SUMMARY_HELP, Summary};
use crate::{open, progress};

/// Remove the messages at these offsets, and print a summary as one JSON line.
///
/// Offsets that are not in the log are ignored. They are gone from storage afterwards, and their offsets are not given
/// out again.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,

    /// Offsets of messages
    #[arg(required = true, value_name = "OFFSET")]
    offsets: Vec<u64>,

    /// Remove nothing, and tell what would be removed
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let offsets: BTreeSet<u64> = args.offsets.iter().copied().collect();
    let log = open::existing(&args.dir, args.dry_run)?;
    let deleted = if args.dry_run {
        find(&log, &offsets)?
    } else {
        let spinner = progress::spinner("deleting");
        let deleted = compact::delete_multi(&log, &offsets, |progress| {
            spinner.set_message(format!(
                "deleting: {} messages removed, {} to go",
                progress.deleted.messages, progress.remaining
            ));
            ControlFlow::Continue(())
        })?;
        spinner.finish_and_clear();
        deleted
    };
    log.close()?;
    Summary::from(deleted).print()
}

/// Those of the messages that exist, and what they take.
fn find(log: &FileLog, offsets: &BTreeSet<u64>) -> duramen::Result<Deleted> {
    let mut found = Deleted::default();
    for offset in offsets {
        match log.get(Start::At(*offset)) {
            Ok(message) => found += Deleted::new(1, log.size(&message.as_new())),
            Err(Error::NotFound | Error::OffsetOutOfRange { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
