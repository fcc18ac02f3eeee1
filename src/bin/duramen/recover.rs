//! `duramen recover`: making a damaged log usable again.

use std::path::{Path, PathBuf};

use serde::Serialize;

use duramen::{Dropped, Options, RecoverOptions, RecoverReport};

use crate::check::kind_name;
use crate::failure::Failure;
use crate::output::Output;
use crate::streams::tell;
use crate::{open, progress, quarantine};

/// Make a damaged log usable again, and print each dropped stretch on one line.
///
/// If readable messages lie behind the damage, this says how many and changes nothing, with exit
/// code 3: choose --salvage or --truncate. A torn tail, and damage with nothing readable behind it,
/// need no choice.
///
/// Dropped bytes are kept in the subdirectory `quarantine`. Damaged indexes are rebuilt. Offsets of
/// lost messages are never reused; if the last of them is unknown, the next offset is some 214
/// million higher. A log without damage is not changed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,

    #[command(flatten)]
    choice: Choice,

    /// Bring messages back that recovery has cut off and that can still be read: publish them anew
    /// at the end of the log, which has to be in order, and print their old and new offsets
    ///
    /// Keys, values, headers and times stay. What is in the log already is left out. The files go
    /// to quarantine/returned.
    #[arg(long, conflicts_with_all = ["salvage", "truncate"])]
    from_quarantine: bool,

    #[command(flatten)]
    indexes: Indexes,

    /// Change nothing, and print what would be done
    #[arg(long)]
    dry_run: bool,

    /// Print one JSON object instead: what was dropped, with path, position, len, `first_offset`
    /// and `end_offset` (or null), kind and text; the files in quarantine; the state of the log;
    /// without a choice, how many readable messages lie behind the damage; and whether this was
    /// refused for them. With --from-quarantine: the files, and old and new offsets
    #[arg(long)]
    json: bool,
}

/// What becomes of readable messages behind damage.
#[derive(Debug, clap::Args)]
pub(crate) struct Choice {
    /// Also keep the valid messages after damage, which leaves gaps in the offsets
    #[arg(long)]
    pub(crate) salvage: bool,

    /// Keep every message before the first damage, and drop the rest
    #[arg(long, conflicts_with = "salvage")]
    truncate: bool,
}

/// The indexes that the log has. Where its metadata can be read, that says it.
#[derive(Debug, clap::Args)]
struct Indexes {
    /// If all metadata is lost, give the log a key index also if no index file has one
    #[arg(long, conflicts_with = "from_quarantine")]
    key_index: bool,

    /// If all metadata is lost, give the log a time index also if no index file has one
    #[arg(long, conflicts_with = "from_quarantine")]
    time_index: bool,
}

/// A [`RecoverReport`], and whether it is of what was refused.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    recovered: Recovered,
    readable_behind: Option<u64>,
    refused: bool,
}

/// A [`RecoverReport`] in the form in which it is printed.
#[derive(Serialize)]
pub(crate) struct Recovered {
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
    if args.from_quarantine {
        return quarantine::run(&args.dir, args.dry_run, args.json);
    }
    let spinner = progress::spinner("recovering");
    let behind = args.behind()?;
    let is_refused = behind.is_some_and(|behind| behind > 0) && !args.dry_run;
    let report = args.recover(args.dry_run || is_refused, args.choice.salvage)?;
    spinner.finish_and_clear();
    let mut output = Output::stdout();
    if args.json {
        output.json(&Report {
            recovered: Recovered::of(&report, is_refused),
            readable_behind: behind,
            refused: is_refused,
        })?;
    } else if !is_refused {
        for dropped in &report.dropped {
            output.line(dropped)?;
        }
    }
    output.flush()?;
    if is_refused {
        tell_refusal(report.dropped.first(), behind.unwrap_or_default());
        return Err(Failure::CorruptionTold);
    }
    tell_summary(&report, args.dry_run);
    tell_behind(behind);
    Ok(())
}

impl Args {
    /// How many readable messages lie behind the damage, if nobody has chosen what becomes of them.
    fn behind(&self) -> Result<Option<u64>, Failure> {
        if self.choice.is_made() {
            return Ok(None);
        }
        let truncated = self.recover(true, false)?;
        if truncated.dropped.is_empty() {
            return Ok(Some(0));
        }
        Ok(Some(behind(&truncated, &self.recover(true, true)?)))
    }

    fn recover(&self, dry_run: bool, salvage: bool) -> Result<RecoverReport, Failure> {
        let mut options = Options::new();
        if self.indexes.key_index {
            options = options.key_index(true);
        }
        if self.indexes.time_index {
            options = options.time_index(true);
        }
        let how = RecoverOptions::new().dry_run(dry_run).salvage(salvage);
        open::patiently(|| duramen::recover_with(&self.dir, &options, &how))
    }
}

impl Choice {
    pub(crate) fn is_made(&self) -> bool {
        self.salvage || self.truncate
    }
}

/// How many messages salvaging a log keeps that truncating it does not.
pub(crate) fn behind(truncated: &RecoverReport, salvaged: &RecoverReport) -> u64 {
    salvaged.messages.saturating_sub(truncated.messages)
}

/// Tells what a choice would be about, if there is anything.
pub(crate) fn tell_behind(behind: Option<u64>) {
    if let Some(behind @ 1..) = behind {
        tell(format_args!(
            "{behind} readable messages lie behind the damage: --salvage would keep them, and --truncate drop them"
        ));
    }
}

pub(crate) fn tell_refusal(first: Option<&Dropped>, behind: u64) {
    if let Some(first) = first {
        tell(format_args!("duramen: {first}"));
    }
    tell(format_args!(
        "duramen: {behind} readable messages lie behind the damage; nothing was changed"
    ));
    tell(
        "duramen: --salvage keeps them and leaves gaps in the offsets; --truncate drops them and keeps their bytes in \
         the subdirectory quarantine",
    );
}

fn tell_summary(report: &RecoverReport, is_dry_run: bool) {
    tell(format_args!(
        "{}: {} stretches dropped, {} indexes rebuilt{}; {} messages in {} segments, next offset {}, epoch {}",
        match (report.changed, is_dry_run) {
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
}

impl Recovered {
    /// What was done by this report, or not because it was refused.
    pub(crate) fn of(report: &RecoverReport, is_refused: bool) -> Recovered {
        let line = |dropped: &Dropped| DroppedLine {
            path: text(&dropped.path),
            position: dropped.position,
            len: dropped.len,
            first_offset: dropped.first_offset,
            end_offset: dropped.end_offset,
            kind: kind_name(dropped.kind),
            text: dropped.to_string(),
        };
        Recovered {
            changed: report.changed && !is_refused,
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
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
