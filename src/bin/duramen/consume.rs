//! `duramen consume`: messages in offset order.

use std::io;
use std::path::PathBuf;

use duramen::{Batch, Log as _, Options, Start};

use crate::failure::Failure;
use crate::follow;
use crate::format::Format;
use crate::key::KeyArgs;
use crate::output::Output;
use crate::reader::Reader;
use crate::{position, progress};

/// Print messages in offset order.
#[derive(Debug, clap::Args)]
#[command(after_long_help = OUTPUT_HELP)]
pub(crate) struct Args {
    /// The log's directory
    pub(crate) dir: PathBuf,

    /// Where to begin: oldest, newest, an offset, -N for the last N messages, or a time (needs a time index) such as
    /// 2009-03-22T09:30:00Z or us:1237714200000000
    #[arg(long, value_name = "START", default_value = "oldest")]
    #[arg(value_parser = position::parse, allow_negative_numbers = true)]
    from: Start,

    /// Print so many messages at most
    #[arg(long, value_name = "N")]
    max: Option<u64>,

    #[command(flatten)]
    key: KeyArgs,

    /// Go on with messages as they are published, until interrupted or --max is reached
    ///
    /// A log is open for publishing or for reading, never both. So the log is opened only for moments, and while a
    /// publisher has it open, waits: its messages are printed when it has closed the log.
    #[arg(long)]
    follow: bool,

    /// How messages are printed
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
}

/// The JSON form, for every command that prints it.
pub(crate) const OUTPUT_HELP: &str = "\
In JSON, a message is an object on a line of its own:

  {\"offset\":7,\"time_us\":1237714200000000,\"key\":\"a\",\"value\":\"b\",\"headers\":{\"h\":\"v\"}}

An absent key or value is null; one that is not UTF-8 is given as \"key_base64\" or \"value_base64\" instead. Without \
headers there is no \"headers\"; with names that repeat it is an array of pairs [[\"h\",\"1\"],[\"h\",\"2\"]]; if any \
name or value is not UTF-8 it is \"headers_base64\", an array of pairs in Base64.";

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut output = Output::stdout();
    let mut reader = Reader::new(args.from, args.max.unwrap_or(u64::MAX), args.key.bytes());
    if args.follow {
        return follow::run(&args.dir, &mut reader, |batch| {
            print(&mut output, batch, args.format)
        });
    }
    let log = Options::of(&args.dir)?.read_only(true).open(&args.dir)?;
    let bar = progress::messages("consuming", reader.count_max(&log)?, &io::stdout());
    while let Some(batch) = reader.read(&log)? {
        print(&mut output, &batch, args.format)?;
        bar.inc(batch.messages.len() as u64);
    }
    bar.finish_and_clear();
    Ok(log.close()?)
}

fn print(output: &mut Output, batch: &Batch, format: Format) -> Result<(), Failure> {
    for message in batch {
        output.message(message, format)?;
    }
    output.flush()
}
