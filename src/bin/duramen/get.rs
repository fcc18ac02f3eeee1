//! `duramen get`: printing one message.

use std::path::PathBuf;

use clap::ArgGroup;

use duramen::{Log as _, Options, Start, Timestamp};

use crate::consume::OUTPUT_HELP;
use crate::failure::Failure;
use crate::format::FormatArgs;
use crate::key::KeyArgs;
use crate::output::Output;
use crate::position;

/// Print one message. The exit code is 1 if there is none.
#[derive(Debug, clap::Args)]
#[command(after_long_help = OUTPUT_HELP)]
#[command(override_usage = "duramen get [OPTIONS] <DIR> <OFFSET|--key <K>|--key-base64 <K>|--time <T>>")]
#[command(group = ArgGroup::new("which").args(["offset", "key", "key_base64", "time"]).required(true))]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,

    /// The message at this offset, or oldest, newest, or -N for the N-th from the end
    #[arg(value_parser = position::parse, allow_negative_numbers = true)]
    offset: Option<Start>,

    #[command(flatten)]
    key: KeyArgs,

    /// The first message at or after this time, such as -1h, 2009-03-22, 2009-03-22T09:30:00Z or
    /// us:1237714200000000 (needs a time index)
    #[arg(long, value_name = "T", value_parser = position::time, allow_hyphen_values = true)]
    time: Option<Timestamp>,

    #[command(flatten)]
    format: FormatArgs,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let format = args.format.format()?;
    let log = Options::new().read_only(true).open(&args.dir)?;
    let message = match (args.key.bytes(), args.time, args.offset) {
        (Some(key), _, _) => log.get_by_key(key)?,
        (None, Some(time), _) => log.get_by_time(time)?,
        (None, None, at) => log.get(at.unwrap_or(Start::Newest))?,
    };
    log.close()?;
    let mut output = Output::stdout();
    output.message(&message, format)?;
    output.flush()
}
