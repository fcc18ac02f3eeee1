//! `duramen backup`: a copy of a log.

use std::path::PathBuf;

use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;
use crate::{open, progress};

/// Copy a log that nobody is publishing to, and print a summary as one JSON line.
///
/// The copy is a log. On the copy of an earlier backup only what changed is copied, and what was trimmed or deleted
/// goes there too. Every byte is verified; exit code 3 if the log is damaged.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(crate) struct Args {
    /// The log's directory
    src: PathBuf,

    /// The copy's directory, which is created if need be
    dst: PathBuf,
}

const SUMMARY_HELP: &str = "\
The summary is {\"segments\":N,\"segments_copied\":N,\"bytes_copied\":N,\"files_removed\":N,\"start_offset\":N,\
\"next_offset\":N}: the segments of the copy, those of which bytes had to be copied, how many bytes, files of the \
earlier backup that went, and the bounds of the copy.";

/// [`duramen::BackupReport`], as it is printed.
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
