//! `duramen store backup`: copying a store.

use std::path::{Path, PathBuf};

use serde::Serialize;

use duramen::store::StoreBackupReport;

use super::logs::{Line, Which};
use super::open;
use crate::backup::CopyOfLog;
use crate::failure::Failure;
use crate::open::patiently;
use crate::output::Output;
use crate::progress;

/// Copy a store that no process has open for writing, and print the copies of the partitions and a
/// summary as JSON lines.
///
/// The copy is itself a store. If it exists from an earlier backup, only the changes are copied.
/// Every byte is verified. The exit code is 3 if the store is damaged. A service that has the store
/// open takes its backups itself.
///
/// If this is interrupted, the copy is unfinished: every command then fails with exit code 4. Run
/// the same command again to finish it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = LINES_HELP)]
pub(super) struct Args {
    /// The copy's directory, created if missing
    dst: PathBuf,
}

pub(super) const LINES_HELP: &str = "\
A partition that was used is {\"log\":\"partition\",\"stream\":\"orders\",\"id\":\"0123..\",\"partition\":2,..} with \
what `duramen backup` prints of a log.

The summary is {\"partitions\":N,\"segments\":N,\"segments_copied\":N,\"bytes_copied\":N,\"files_removed\":N,\
\"streams_removed\":N}: the sums of the partitions, and the number of streams that the earlier backup had and the \
store does not have any more.";

#[derive(Default, Serialize)]
struct Summary {
    partitions: usize,
    segments: u64,
    segments_copied: u64,
    bytes_copied: u64,
    files_removed: u64,
    streams_removed: u64,
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    let spinner = progress::spinner("copying");
    let store = open::for_reading(dir)?;
    let copied = patiently(|| store.backup(&args.dst));
    let report = copied.map_err(|failure| open::named_of_copy(failure, dir, &args.dst))?;
    store.close()?;
    spinner.finish_and_clear();
    print(&report)
}

pub(super) fn print(report: &StoreBackupReport) -> Result<(), Failure> {
    let mut output = Output::stdout();
    let mut summary = Summary {
        partitions: report.partitions.len(),
        streams_removed: report.streams_removed,
        ..Summary::default()
    };
    for partition in &report.partitions {
        let copied = &partition.report;
        summary.segments += copied.segments;
        summary.segments_copied += copied.segments_copied;
        summary.bytes_copied += copied.bytes_copied;
        summary.files_removed += copied.files_removed;
        output.json(&Line {
            log: Which::from(partition),
            said: CopyOfLog::from(copied),
        })?;
    }
    output.json(&summary)?;
    output.flush()
}
