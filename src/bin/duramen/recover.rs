//! `duramen recover`: making a damaged log usable again.

use std::path::{Path, PathBuf};

use serde::Serialize;

use duramen::{Dropped, Options, RecoverOptions, RecoverReport};

use crate::check::kind_name;
use crate::failure::Failure;
use crate::output::Output;
use crate::streams::tell;
use crate::{open, progress};

/// Keep every message before the first damage, drop the rest, and print each dropped stretch on one
/// line.
///
/// Dropped bytes are kept in the subdirectory `quarantine`. Damaged indexes are rebuilt. Offsets of
/// lost messages are never reused; if the last of them is unknown, the next offset is some 214
/// million higher. A log without damage is not changed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,

    /// Also keep the valid messages after damage, which leaves gaps in the offsets
    #[arg(long)]
    salvage: bool,

    /// Change nothing, and print what would be done
    #[arg(long)]
    dry_run: bool,

    /// Print one JSON object instead: what was dropped, with path, position, len, `first_offset`
    /// and `end_offset` (or null), kind and text; the files in quarantine; and the state of the log
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    changed: bool,
    dropped: Vec<DroppedLine>,
    quarantined: Vec<String>,
    segments: u64,
    messages: u64,
    next_offset: u64,
    epoch: u64,
    indexes_rebuilt: u64,
    metadata_rebuilt: bool,
}

#[derive(Serialize)]
struct DroppedLine {
    path: String,
    position: u64,
    len: u64,
    first_offset: Option<u64>,
    end_offset: Option<u64>,
    kind: &'static str,
    text: String,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    // These options matter only if the metadata is lost. A log that had an index then keeps it, and
    // one that had none can ignore it.
    let options = Options::new().key_index(true).time_index(true);
    let how = RecoverOptions::new().dry_run(args.dry_run).salvage(args.salvage);
    let spinner = progress::spinner("recovering");
    let report = open::patiently(|| duramen::recover_with(&args.dir, &options, &how))?;
    spinner.finish_and_clear();
    let mut output = Output::stdout();
    if args.json {
        output.json(&as_json(&report))?;
    } else {
        for dropped in &report.dropped {
            output.line(dropped)?;
        }
    }
    output.flush()?;
    tell(format_args!(
        "{}: {} stretches dropped, {} indexes rebuilt{}; {} messages in {} segments, next offset {}, epoch {}",
        match (report.changed, args.dry_run) {
            (false, _) => "in order",
            (true, true) => "would be recovered",
            (true, false) => "recovered",
        },
        report.dropped.len(),
        report.indexes_rebuilt,
        if report.metadata_rebuilt {
            ", metadata rebuilt"
        } else {
            ""
        },
        report.messages,
        report.segments,
        report.next_offset,
        report.epoch
    ));
    Ok(())
}

fn as_json(report: &RecoverReport) -> Report {
    let line = |dropped: &Dropped| DroppedLine {
        path: text(&dropped.path),
        position: dropped.position,
        len: dropped.len,
        first_offset: dropped.first_offset,
        end_offset: dropped.end_offset,
        kind: kind_name(dropped.kind),
        text: dropped.to_string(),
    };
    Report {
        changed: report.changed,
        dropped: report.dropped.iter().map(line).collect(),
        quarantined: report.quarantined.iter().map(|path| text(path)).collect(),
        segments: report.segments,
        messages: report.messages,
        next_offset: report.next_offset,
        epoch: report.epoch,
        indexes_rebuilt: report.indexes_rebuilt,
        metadata_rebuilt: report.metadata_rebuilt,
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
