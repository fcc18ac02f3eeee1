//! `duramen check`: verifying every byte of a log against its checksums and the format.

use std::path::PathBuf;

use serde::Serialize;

use duramen::{CheckReport, Corruption, Options, Problem};

use crate::failure::Failure;
use crate::output::Output;
use crate::progress;
use crate::streams::tell;

/// Read the whole log and print each problem on one line. The exit code is 3 if there is any.
///
/// The log is not changed, and may be written to meanwhile: a problem counts if it is found twice.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,

    /// Print one JSON object instead: what was checked, whether it is clean, and problems with
    /// path, position, offset (or null), kind and text
    #[arg(long)]
    json: bool,
}

/// A [`CheckReport`] in the form in which it is printed.
#[derive(Serialize)]
pub(crate) struct Report {
    clean: bool,
    segments: u64,
    messages: u64,
    bytes: u64,
    was_closed: bool,
    problems: Vec<ProblemLine>,
}

#[derive(Serialize)]
struct ProblemLine {
    path: String,
    position: u64,
    offset: Option<u64>,
    kind: &'static str,
    text: String,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let spinner = progress::spinner("checking");
    // Every file that exists is checked, whatever the options.
    let report = duramen::check(&args.dir, &Options::new())?;
    spinner.finish_and_clear();
    let mut output = Output::stdout();
    if args.json {
        output.json(&Report::of(&report))?;
    } else {
        for problem in &report.problems {
            output.line(problem)?;
        }
    }
    output.flush()?;
    tell(format_args!(
        "{} problems in {} segments, {} messages, {} bytes",
        report.problems.len(),
        report.segments,
        report.messages,
        report.bytes
    ));
    if report.is_clean() {
        Ok(())
    } else {
        Err(Failure::CorruptionTold)
    }
}

impl Report {
    pub(crate) fn of(report: &CheckReport) -> Report {
        let line = |problem: &Problem| ProblemLine {
            path: problem.path.to_string_lossy().into_owned(),
            position: problem.position,
            offset: problem.offset,
            kind: kind_name(problem.kind),
            text: problem.to_string(),
        };
        Report {
            clean: report.is_clean(),
            segments: report.segments,
            messages: report.messages,
            bytes: report.bytes,
            was_closed: report.was_closed,
            problems: report.problems.iter().map(line).collect(),
        }
    }
}

pub(crate) fn kind_name(kind: Corruption) -> &'static str {
    match kind {
        Corruption::Magic => "magic",
        Corruption::Header => "header",
        Corruption::Batch => "batch",
        Corruption::Record => "record",
        Corruption::Short => "short",
        Corruption::Trailing => "trailing",
        Corruption::Foreign => "foreign",
        Corruption::Missing => "missing",
        Corruption::Index => "index",
        Corruption::Cursor => "cursor",
        Corruption::Meta => "meta",
        _ => "other",
    }
}
