//! `duramen delete`: removing messages by offset.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

use duramen::{Deleted, Error, FileLog, Log as _, Start, compact};

use crate::failure::Failure;
use crate::summary::{SUMMARY_HELP, Summary};
use crate::{open, progress};

/// Remove the messages at these offsets, and print a summary as one JSON line.
///
/// Offsets without a message are ignored. The deleted messages are removed from storage, and their
/// offsets are never reused.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,

    /// The offsets of the messages to remove
    #[arg(required = true, value_name = "OFFSET")]
    offsets: Vec<u64>,

    /// Remove nothing, and print what would be removed
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

/// The number of these messages that exist, and their size.
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
