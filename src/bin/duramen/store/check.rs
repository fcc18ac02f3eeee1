//! `duramen store check`: verifying every byte of a store.

use std::path::Path;

use serde::Serialize;

use duramen::CheckReport;
use duramen::store::{self, StoreOptions};

use super::logs::{Line, ProblemLine, Which};
use super::open::named;
use crate::check::Report;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress;

/// Read the whole store, and print what is wrong and a summary as JSON lines. The exit code is 3 if
/// anything is.
///
/// The store is not changed, and may be written to meanwhile. Damage of one log does not keep the
/// others from being checked.
#[derive(Debug, clap::Args)]
#[command(after_long_help = LINES_HELP)]
pub(super) struct Args {}

const LINES_HELP: &str = "\
A log with problems is an object with what `duramen check --json` prints of one, after the log itself: \
{\"log\":\"partition\",\"stream\":\"orders\",\"id\":\"0123..\",\"partition\":2,..}, {\"log\":\"catalog\",..} or \
{\"log\":\"intents\",..}. A log that cannot be read has \"error\" instead. stream is empty if the catalog does not \
tell it.

A problem of the store itself is {\"path\":PATH,\"offset\":N or null,\"kind\":KIND,\"text\":TEXT}. The kinds are \
catalog, unknown, missing, empty and stray.

The summary is {\"clean\":BOOL,\"partitions\":N,\"segments\":N,\"messages\":N,\"bytes\":N,\"problems\":N,\"errors\":N,\
\"trash\":N}: the sums of the partitions that were used, the number of all problems, of logs that could not be \
checked, and of deleted streams whose files are still to be removed.";

#[derive(Default, Serialize)]
struct Summary {
    clean: bool,
    partitions: usize,
    segments: u64,
    messages: u64,
    bytes: u64,
    problems: usize,
    errors: usize,
    trash: usize,
}

pub(super) fn run(dir: &Path, _: &Args) -> Result<(), Failure> {
    let spinner = progress::spinner("checking");
    let report = store::check(dir, &StoreOptions::new()).map_err(|error| named(error.into(), dir))?;
    spinner.finish_and_clear();
    let mut output = Output::stdout();
    let mut summary = Summary {
        clean: report.is_clean(),
        partitions: report.partitions.len(),
        problems: report.problems.len(),
        trash: report.trash.len(),
        ..Summary::default()
    };
    for problem in &report.problems {
        output.json(&ProblemLine::from(problem))?;
    }
    summary.problems += print(&mut output, Which::Catalog, &report.catalog)?;
    if let Some(intents) = &report.intents {
        summary.problems += print(&mut output, Which::Intents, intents)?;
    }
    let mut failed = None;
    for partition in report.partitions {
        let log = Which::from(&partition);
        match partition.report {
            Ok(checked) => {
                summary.segments += checked.segments;
                summary.messages += checked.messages;
                summary.bytes += checked.bytes;
                summary.problems += print(&mut output, log, &checked)?;
            }
            Err(error) => {
                summary.errors += 1;
                output.json(&Line::of_error(log, &error))?;
                failed.get_or_insert(error);
            }
        }
    }
    output.json(&summary)?;
    output.flush()?;
    if summary.problems > 0 {
        return Err(Failure::CorruptionTold);
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Prints what is wrong with a log, if anything is; returns the number of problems.
fn print(output: &mut Output, log: Which, checked: &CheckReport) -> Result<usize, Failure> {
    if !checked.is_clean() {
        let said = Report::of(checked);
        output.json(&Line { log, said })?;
    }
    Ok(checked.problems.len())
}
