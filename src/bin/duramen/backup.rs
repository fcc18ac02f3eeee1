//! `duramen backup`: copying a log.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::Serialize;

use duramen::BackupReport;

use crate::failure::Failure;
use crate::generations::Generations;
use crate::summary::print;
use crate::{generations, open, progress};

/// Copy a log, also one that is written to, and print a summary as one JSON line.
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

    /// The copy's directory, created if missing; with --keep, the directory of all copies
    dst: PathBuf,

    /// Make a new copy in a directory of its own inside DST, and keep this many: when the new one
    /// is complete, the oldest ones are removed
    ///
    /// The directories are called 000012-20261129T163018Z, by a number that goes up and the time,
    /// and each opens as a log. One more copy stays in .next: the one that went last, onto which
    /// the next backup copies what has changed since.
    #[arg(long, value_name = "N")]
    keep: Option<NonZeroUsize>,
}

const SUMMARY_HELP: &str = "\
The summary is {\"segments\":N,\"segments_copied\":N,\"bytes_copied\":N,\"files_removed\":N,\"start_offset\":N,\
\"next_offset\":N}: the number of segments in the copy, the segments and bytes that were copied, the files \
of the earlier backup that were removed, and the bounds of the copy. With --keep there are three more: \
\"generation\":\"NAME\", the name of the new copy, \"generations\":N and \"generations_removed\":N.";

#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    copy: CopyOfLog,
    #[serde(flatten)]
    generation: Option<Among>,
}

/// A [`BackupReport`] in the form in which it is printed.
#[derive(Serialize)]
pub(crate) struct CopyOfLog {
    segments: u64,
    segments_copied: u64,
    bytes_copied: u64,
    files_removed: u64,
    start_offset: u64,
    next_offset: u64,
}

impl From<&BackupReport> for CopyOfLog {
    fn from(report: &BackupReport) -> CopyOfLog {
        CopyOfLog {
            segments: report.segments,
            segments_copied: report.segments_copied,
            bytes_copied: report.bytes_copied,
            files_removed: report.files_removed,
            start_offset: report.start_offset,
            next_offset: report.next_offset,
        }
    }
}

/// The copy among others.
#[derive(Serialize)]
struct Among {
    generation: String,
    generations: usize,
    generations_removed: usize,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let spinner = progress::spinner("copying");
    let (report, generation) = if let Some(keep) = args.keep {
        let done = Generations::open(&args.dst)?.add(&args.src, keep.get())?;
        let generation = Among {
            generation: done.name,
            generations: done.count,
            generations_removed: done.removed,
        };
        (done.report, Some(generation))
    } else {
        if generations::are_in(&args.dst) {
            return Err(Failure::Usage(format!(
                "{} holds several backups; --keep adds another one",
                args.dst.display()
            )));
        }
        (open::patiently(|| duramen::backup(&args.src, &args.dst))?, None)
    };
    spinner.finish_and_clear();
    print(&Summary {
        copy: CopyOfLog::from(&report),
        generation,
    })
}
