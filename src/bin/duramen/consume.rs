//! `duramen consume`: messages in offset order.

use std::io;
use std::path::PathBuf;

use duramen::{Batch, FileLog, Log as _, Options, Start};

use crate::failure::Failure;
use crate::follow;
use crate::format::Format;
use crate::key::KeyArgs;
use crate::output::Output;
use crate::{position, progress};

/// Messages asked for at a time.
const BATCH_LEN_MAX: u64 = 4096;

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
    let mut reader = Reader {
        from: args.from,
        left: args.max.unwrap_or(u64::MAX),
        key: args.key.bytes(),
    };
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

/// How far the reading has come.
pub(crate) struct Reader<'a> {
    from: Start,
    /// Messages still wanted.
    left: u64,
    key: Option<&'a [u8]>,
}

impl Reader<'_> {
    /// Whether all messages that were wanted have been read.
    pub(crate) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// How many messages there are to read at most, where that can be told.
    fn count_max(&self, log: &FileLog) -> Result<Option<u64>, Failure> {
        if self.key.is_some() {
            return Ok(None);
        }
        let begin = log.consume(self.from, 0)?.next_offset;
        Ok(Some(log.next_offset()?.saturating_sub(begin).min(self.left)))
    }

    /// The next messages, perhaps none; `None` at the end of the log, or of what is wanted.
    pub(crate) fn read(&mut self, log: &FileLog) -> Result<Option<Batch>, Failure> {
        if self.is_done() {
            return Ok(None);
        }
        let count_max = usize::try_from(self.left.min(BATCH_LEN_MAX)).unwrap_or(usize::MAX);
        let batch = match self.key {
            Some(key) => log.consume_by_key(key, self.from, count_max)?,
            None => log.consume(self.from, count_max)?,
        };
        // Without messages, only the very end returns the offset asked for.
        let is_end = batch.messages.is_empty() && self.from == Start::At(batch.next_offset);
        self.from = Start::At(batch.next_offset);
        self.left -= batch.messages.len() as u64;
        Ok((!is_end).then_some(batch))
    }
}
