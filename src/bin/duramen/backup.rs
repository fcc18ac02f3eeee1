//! `duramen backup`: copying a log.

use std::path::PathBuf;

use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;
use crate::{open, progress};

/// Copy a log that no process is publishing to, and print a summary as one JSON line.
///
/// The copy is itself a log. If it exists from an earlier backup, only the changes are copied, and
/// messages that were trimmed or deleted since are removed from it. Every byte is verified. The
/// exit code is 3 if the log is damaged.
///
/// If this is interrupted, the copy is as it was before or known as unfinished: every command then
/// fails with exit code 4. Run the same command again to finish it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(crate) struct Args {
    /// The log's directory
    src: PathBuf,

    /// The copy's directory, created if missing
    dst: PathBuf,
}

const SUMMARY_HELP: &str = "\
The summary is {\"segments\":N,\"segments_copied\":N,\"bytes_copied\":N,\"files_removed\":N,\"start_offset\":N,\
\"next_offset\":N}: the number of segments in the copy, the segments and bytes that were copied, the files \
of the earlier backup that were removed, and the bounds of the copy.";

/// A [`duramen::BackupReport`] in the form in which it is printed.
#[derive(Serialize)]
struct Summary {
    segments: u64,
    segments_copied: u64,
    bytes_copied: u64,
    files_removed: u64,
    start_offset: u64,
    next_offset: u64,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let spinner = progress::spinner("copying");
    let report = open::patiently(|| duramen::backup(&args.src, &args.dst))?;
    spinner.finish_and_clear();
    let mut output = Output::stdout();
    output.json(&Summary {
        segments: report.segments,
        segments_copied: report.segments_copied,
        bytes_copied: report.bytes_copied,
        files_removed: report.files_removed,
        start_offset: report.start_offset,
        next_offset: report.next_offset,
    })?;
    output.flush()
}
