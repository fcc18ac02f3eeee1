//! `duramen store recover`: making a damaged store usable again.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use duramen::store::{self, StoreOptions, StoreRecoverReport, StreamId};
use duramen::{Dropped, RecoverOptions, RecoverReport};

use super::logs::{Line, ProblemLine, Which};
use super::open::named;
use crate::failure::Failure;
use crate::open::patiently;
use crate::output::Output;
use crate::progress;
use crate::recover::{Choice, Recovered, behind, tell_behind, tell_refusal};

/// Make a damaged store usable again, and print what was done and a summary as JSON lines.
///
/// If readable messages lie behind the damage of partitions, this says how many and changes
/// nothing, with exit code 3: choose --salvage or --truncate. A torn tail, and damage with nothing
/// readable behind it, need no choice.
///
/// Of the catalog, everything is kept that can be read. A partition that cannot be recovered does
/// not keep the others from it. If it is damaged, or something is wrong that this does not mend,
/// such as a missing directory, the exit code is 3. Dropped bytes are kept in the subdirectory
/// `quarantine` of each log.
#[derive(Debug, clap::Args)]
#[command(after_long_help = LINES_HELP)]
pub(super) struct Args {
    #[command(flatten)]
    choice: Choice,

    /// Change nothing, and print what would be done
    #[arg(long)]
    dry_run: bool,
}

const LINES_HELP: &str = "\
A log that was changed is an object with what `duramen recover --json` prints of one, after the log itself: \
{\"log\":\"partition\",\"stream\":\"orders\",\"id\":\"0123..\",\"partition\":2,..}, {\"log\":\"catalog\",..} or \
{\"log\":\"intents\",..}. A partition that could not be recovered has \"error\" instead. readable_behind is the number \
of readable messages behind its damage, or null after a choice.

A problem of the store itself is {\"path\":PATH,\"offset\":N or null,\"kind\":KIND,\"text\":TEXT}. The kinds are \
catalog, unknown, missing, empty and stray. A stray directory is moved to `quarantine` when the store is opened for \
writing.

The summary is {\"changed\":BOOL,\"partitions\":N,\"messages\":N,\"dropped\":N,\"problems\":N,\"errors\":N,\
\"readable_behind\":N or null,\"refused\":BOOL}: the partitions that were used and the messages that they have then, \
the stretches that were dropped from all logs, problems of the store itself, partitions that could not be recovered, \
and whether this was refused for readable messages.";

/// How many readable messages lie behind the damage of each partition.
type Behind = BTreeMap<(StreamId, u32), u64>;

#[derive(Serialize)]
struct OfLog {
    #[serde(flatten)]
    recovered: Recovered,
    readable_behind: Option<u64>,
}

#[derive(Default, Serialize)]
struct Summary {
    changed: bool,
    partitions: usize,
    messages: u64,
    dropped: usize,
    problems: usize,
    errors: usize,
    readable_behind: Option<u64>,
    refused: bool,
}

/// What is printed, as it comes.
struct Printing {
    output: Output,
    summary: Summary,
    first_dropped: Option<Dropped>,
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    let spinner = progress::spinner("recovering");
    let behind = args.behind(dir)?;
    let readable_behind = behind.as_ref().map(|behind| behind.values().sum());
    let is_refused = readable_behind.is_some_and(|behind| behind > 0) && !args.dry_run;
    let report = recover(dir, args.dry_run || is_refused, args.choice.salvage)?;
    spinner.finish_and_clear();
    let mut printing = Printing {
        output: Output::stdout(),
        summary: Summary {
            changed: report.changed() && !is_refused,
            partitions: report.partitions.len(),
            problems: report.problems.len(),
            readable_behind,
            refused: is_refused,
            ..Summary::default()
        },
        first_dropped: None,
    };
    let has_problems = !report.problems.is_empty();
    let failed = printing.print(report, behind.as_ref())?;
    if is_refused {
        let first = printing.first_dropped.as_ref();
        tell_refusal(first, readable_behind.unwrap_or_default());
        return Err(Failure::CorruptionTold);
    }
    tell_behind(readable_behind);
    match failed {
        Some(error) => Err(error.into()),
        None if has_problems => Err(Failure::CorruptionTold),
        None => Ok(()),
    }
}

impl Args {
    /// How many readable messages lie behind damage, if nobody has chosen what becomes of them.
    fn behind(&self, dir: &Path) -> Result<Option<Behind>, Failure> {
        if self.choice.is_made() {
            return Ok(None);
        }
        let truncated = recover(dir, true, false)?;
        let mut all = Behind::new();
        if recovered(&truncated).all(|(_, report)| report.dropped.is_empty()) {
            return Ok(Some(all));
        }
        let salvaged = recover(dir, true, true)?;
        let salvaged: BTreeMap<_, _> = recovered(&salvaged).collect();
        for (place, truncated) in recovered(&truncated) {
            let count = salvaged.get(&place);
            all.insert(place, count.map_or(0, |salvaged| behind(truncated, salvaged)));
        }
        Ok(Some(all))
    }
}

fn recover(dir: &Path, dry_run: bool, salvage: bool) -> Result<StoreRecoverReport, Failure> {
    let how = RecoverOptions::new().dry_run(dry_run).salvage(salvage);
    patiently(|| store::recover(dir, &StoreOptions::new(), &how)).map_err(|failure| named(failure, dir))
}

/// The reports on the partitions that can be recovered.
fn recovered(report: &StoreRecoverReport) -> impl Iterator<Item = ((StreamId, u32), &RecoverReport)> {
    let partitions = report.partitions.iter();
    partitions.filter_map(|of| Some(((of.id, of.partition), of.report.as_ref().ok()?)))
}

impl Printing {
    /// Prints the report; returns why the first partition that could not be recovered could not.
    fn print(
        &mut self,
        report: StoreRecoverReport,
        behind: Option<&Behind>,
    ) -> Result<Option<duramen::Error>, Failure> {
        for problem in &report.problems {
            self.output.json(&ProblemLine::from(problem))?;
        }
        self.log(Which::Catalog, &report.catalog, None)?;
        if let Some(intents) = &report.intents {
            self.log(Which::Intents, intents, None)?;
        }
        let mut failed = None;
        for partition in report.partitions {
            let log = Which::from(&partition);
            let place = (partition.id, partition.partition);
            match partition.report {
                Ok(recovered) => {
                    self.summary.messages += recovered.messages;
                    let behind = behind.map(|behind| behind.get(&place).copied().unwrap_or(0));
                    self.log(log, &recovered, behind)?;
                }
                Err(error) => {
                    self.summary.errors += 1;
                    self.output.json(&Line::of_error(log, &error))?;
                    failed.get_or_insert(error);
                }
            }
        }
        self.output.json(&self.summary)?;
        self.output.flush()?;
        Ok(failed)
    }

    /// Prints what was done to a log, if anything was.
    fn log(
        &mut self,
        log: Which,
        report: &RecoverReport,
        readable_behind: Option<u64>,
    ) -> Result<(), Failure> {
        self.summary.dropped += report.dropped.len();
        if self.first_dropped.is_none() {
            self.first_dropped = report.dropped.first().cloned();
        }
        if !report.changed && report.dropped.is_empty() {
            return Ok(());
        }
        let said = OfLog {
            recovered: Recovered::of(report, self.summary.refused),
            readable_behind,
        };
        self.output.json(&Line { log, said })
    }
}
