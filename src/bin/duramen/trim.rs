//! `duramen trim`: removing messages from the front of a log.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgGroup;
use serde::Serialize;

use duramen::{FileLog, Log as _, Start, Trimmed, trim};

use crate::failure::Failure;
use crate::output::Output;
use crate::{open, progress, size};

/// The number of messages read at a time in a dry run.
const BATCH_LEN: usize = 1024;

/// Remove messages from the front of a log, and print a summary as one JSON line.
///
/// Exactly one of the options selects the messages to keep. Storage is freed in whole segments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SUMMARY_HELP)]
#[command(group = ArgGroup::new("kept").args(["before", "max_age", "max_bytes", "max_messages"]).required(true))]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,

    /// Keep the messages at this offset and after it
    #[arg(long, value_name = "OFFSET")]
    before: Option<u64>,

    /// Keep the first message that is not older than this age, such as 7d, 1h, 30m, 45s or 500ms,
    /// and all after it; a message with a future time has the age of the next one with a past time
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    max_age: Option<Duration>,

    /// Keep the newest messages that fit into this many bytes, such as 500M or 1GiB
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    max_bytes: Option<u64>,

    /// Keep this many of the newest messages
    #[arg(long, value_name = "N")]
    max_messages: Option<u64>,

    /// Remove nothing, and print what would be removed
    #[arg(long)]
    dry_run: bool,
}

const SUMMARY_HELP: &str = "\
The summary is {\"trimmed\":N,\"size\":N,\"start_offset\":N}: the number of messages removed, the bytes of \
storage freed, and the new start offset. In a dry run, size is the size of those messages; the last of them may be in \
a segment that is kept.";

#[derive(Serialize)]
struct Summary {
    trimmed: u64,
    size: u64,
    start_offset: u64,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let log = open::existing(&args.dir, args.dry_run)?;
    let spinner = progress::spinner("trimming");
    let cut = args.cut(&log)?;
    let (trimmed, start_offset) = if args.dry_run {
        (below(&log, cut)?, cut)
    } else {
        (log.trim(cut)?, log.start_offset()?)
    };
    log.close()?;
    spinner.finish_and_clear();
    let mut output = Output::stdout();
    output.json(&Summary {
        trimmed: trimmed.count,
        size: trimmed.size,
        start_offset,
    })?;
    output.flush()
}

impl Args {
    fn cut(&self, log: &FileLog) -> duramen::Result<u64> {
        match (self.before, self.max_age, self.max_bytes, self.max_messages) {
            (Some(before), ..) => trim::find_by_offset(log, before),
            (_, Some(age), ..) => trim::find_by_age(log, age),
            (_, _, Some(bytes), _) => trim::find_by_size(log, bytes),
            (_, _, _, messages) => trim::find_by_count(log, messages.unwrap_or(u64::MAX)),
        }
    }
}

/// The number of messages below `cut`, and their size.
fn below(log: &FileLog, cut: u64) -> duramen::Result<Trimmed> {
    let (mut count, mut size) = (0, 0);
    let mut next = log.start_offset()?;
    while next < cut {
        let batch = log.consume(Start::At(next), BATCH_LEN)?;
        for message in batch.messages.iter().take_while(|message| message.offset < cut) {
            count += 1;
            size += log.size(&message.as_new());
        }
        next = batch.next_offset;
    }
    Ok(Trimmed::new(count, size))
}
