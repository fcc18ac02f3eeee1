//! `duramen consume`: printing messages in offset order.

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

    /// Where to begin: oldest, newest, an offset, -N for the last N messages, or a time (needs a
    /// time index) such as 2009-03-22T09:30:00Z or us:1237714200000000
    #[arg(long, value_name = "START", default_value = "oldest")]
    #[arg(value_parser = position::parse, allow_negative_numbers = true)]
    from: Start,

    /// Print at most this many messages
    #[arg(long, value_name = "N")]
    max: Option<u64>,

    #[command(flatten)]
    key: KeyArgs,

    /// Continue with new messages as they are published, until interrupted or --max is reached
    ///
    /// A log cannot be open for publishing in one process and for reading in another. Therefore
    /// this command opens the log only for brief moments. While a publisher has the log open, the
    /// command waits; it prints the new messages after the publisher has closed the log.
    #[arg(long)]
    follow: bool,

    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
}

/// The JSON format, for the help of every command that prints it.
pub(crate) const OUTPUT_HELP: &str = "\
In the JSON format, each message is an object on one line:

  {\"offset\":7,\"time_us\":1237714200000000,\"key\":\"a\",\"value\":\"b\",\"headers\":{\"h\":\"v\"}}

An absent key or value is null. One that is not UTF-8 is in Base64 instead, as \"key_base64\" or \"value_base64\". A \
message without headers has no field \"headers\". If a name repeats, the headers are an array of pairs \
[[\"h\",\"1\"],[\"h\",\"2\"]]. If any name or value is not UTF-8, they are an array of pairs in Base64 called \
\"headers_base64\".";

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
