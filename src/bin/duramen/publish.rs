//! `duramen publish`: publishing what comes on the standard input.

use std::path::PathBuf;

use serde::Serialize;

use duramen::{FileLog, Log as _, Options};

use crate::failure::Failure;
use crate::publisher::{INPUT_HELP, InputArgs, PUBLISH_HELP, Publisher};
use crate::summary::print;
use crate::target::Target;
use crate::{open, progress, signals, size};

/// Publish JSON lines, or other messages, from the standard input, and print a summary as one JSON
/// line.
///
/// The directory is created if it does not exist. An existing log keeps its indexes, and the
/// options can add more: with no input, the command only builds those. It can be interrupted
/// without harm; the next `publish` goes on with what is missing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{INPUT_HELP}{SUMMARY_HELP}{PUBLISH_HELP}"))]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,

    /// Keep an index from keys to messages; for the messages that are there, it is built before
    /// the command ends
    #[arg(long)]
    key_index: bool,

    /// Keep an index from times to messages; built in the same way
    #[arg(long)]
    time_index: bool,

    /// Begin a new segment file after this many bytes, such as 16M [default: 64 MiB]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    rollover: Option<u64>,

    #[command(flatten)]
    input: InputArgs,
}

const SUMMARY_HELP: &str = "\
An invalid line ends the command with an error that names the line number. The messages before it are published, \
synced and counted in the summary, {\"published\":N,\"next_offset\":N,\"start_offset\":N,\"duplicates\":N}: how many \
messages were published, the offset of the next message to be published, the offset at which the first batch begins \
(of nothing, the next offset), and how many messages were left out because their producer had published them before.

";

#[derive(Serialize)]
struct Summary {
    published: u64,
    next_offset: u64,
    start_offset: u64,
    duplicates: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    interrupted: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut publisher = Publisher::new(&args.input)?;
    signals::catch().map_err(Failure::of_signals)?;
    let log = open::patiently(|| try_open(args))?;
    let mut target = Target::new(&log, &args.input);
    let outcome = publisher.publish_all(&mut target);
    // The messages before an invalid line stay published, are synced and count in the summary. It
    // is printed first, because building indexes may take long, and may be interrupted.
    let told = target.sync().and_then(|extent| {
        print(&Summary {
            published: target.published,
            next_offset: extent.next_offset,
            start_offset: extent.start_offset,
            duplicates: target.duplicates,
            interrupted: publisher.is_interrupted(),
        })
    });
    signals::end_at_once();
    if outcome.is_err() || told.is_err() || signals::came() {
        // Dropping the log closes it, without indexes.
        return outcome.and(told);
    }
    close(&log)
}

/// Builds the indexes that were turned on, and closes the log.
fn close(log: &FileLog) -> Result<(), Failure> {
    let spinner = progress::spinner("building indexes");
    let built = log.build_indexes();
    spinner.finish_and_clear();
    log.close()?;
    Ok(built?)
}

fn try_open(args: &Args) -> duramen::Result<FileLog> {
    let mut options = Options::new().create_dirs(true);
    if args.key_index {
        options = options.key_index(true);
    }
    if args.time_index {
        options = options.time_index(true);
    }
    if let Some(bytes) = args.rollover {
        options = options.rollover(bytes);
    }
    options.open(&args.dir)
}
