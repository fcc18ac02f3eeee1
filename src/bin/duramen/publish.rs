//! `duramen publish`: publishing what comes on the standard input.

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use duramen::{FileLog, Log as _, MESSAGE_SIZE_MAX, Options};

use crate::conditions::Conditions;
use crate::failure::Failure;
use crate::incoming::{FormatArgs, Parser};
use crate::input::{Event, Lines};
use crate::json::ParsedMessage;
use crate::output::Output;
use crate::{open, progress, signals, size};

/// The longest time that a message waits for more messages before its batch is published.
const LINGER_MAX: Duration = Duration::from_millis(50);

/// A batch is published when its messages reach this size, even if it could hold more. This limits
/// the memory that a batch takes and keeps it far below the library's maximum.
const BATCH_CONTENT_MAX: u64 = MESSAGE_SIZE_MAX;

/// Publish JSON lines, or other messages, from the standard input, and print a summary as one JSON
/// line.
///
/// The directory is created if it does not exist. An existing log keeps its indexes, and the
/// options can add more: with no input, the command only builds those. It can be interrupted
/// without harm; the next `publish` goes on with what is missing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = INPUT_HELP)]
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

    /// Publish up to this many messages as one atomic batch; a pause in the input or 64 MiB of
    /// messages end a batch early
    #[arg(long, value_name = "N", default_value = "1000")]
    batch: NonZeroUsize,

    /// Sync every batch to stable storage before reading on, instead of once at the end
    #[arg(long)]
    sync: bool,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    conditions: Conditions,
}

const INPUT_HELP: &str = "\
By default, each line of input is a JSON object:

  {\"time_us\":1237714200000000,\"key\":\"a\",\"value\":\"b\",\"headers\":{\"h\":\"v\"}}

Every field is optional. time_us is in microseconds since 1970; the default is now. A key or value that is null or \
missing is absent. Bytes that are not UTF-8 are in Base64, as \"key_base64\" and \"value_base64\". Headers are an \
object, an array of pairs [[\"h\",\"v\"],..], or an array of pairs in Base64 called \"headers_base64\". \"offset\" is \
ignored, so the output of `duramen consume` can be published again. Empty lines are skipped.

With --format lines or csv, or with --key-field, the messages have the time at which they are published and no \
headers. A field of JSON that is a key is a text, or an integer or boolean as it is written; if it is missing or \
null, there is no key.

An invalid line ends the command with an error that names the line number. The messages before it are published, \
synced and counted in the summary, {\"published\":N,\"next_offset\":N,\"start_offset\":N,\"duplicates\":N}: how many \
messages were published, the offset of the next message to be published, the offset at which the first batch begins \
(of nothing, the next offset), and how many messages were left out because their producer had published them before.

SIGTERM and SIGINT end the command with exit code 0: all lines that it has read are published, synced and counted, \
and the summary has \"interrupted\":true. Only a batch of --producer that is not full is left to the next run.

--token, --expect-next and --expect-key are conditions. They are checked with the first batch, --token with each; \
with --fence, later batches carry the new token. If one does not hold, or the log is sealed, nothing more is \
published, and the exit code is 1. All see the log as it is before the batch, so the token must match before --fence \
sets another one. Without input, they are checked all the same.

With --producer, the same command with the same input and the same --batch can be run again, after it was interrupted \
or when nobody knows whether it had ended. A batch then ends only by its size, and not because the input pauses. A log \
knows the last 64 batches of 4,096 producers; the exit code is 1 for an older sequence, and for a batch that has \
another number of messages than before. The next run goes on with any higher sequence.";

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
    let parser = Parser::of(&args.format)?;
    signals::catch().map_err(Failure::of_signals)?;
    let log = open::patiently(|| try_open(args))?;
    let mut publisher = Publisher {
        log: &log,
        conditions: &args.conditions,
        parser,
        is_synced: args.sync,
        batch_len: args.batch.get(),
        pending: Vec::new(),
        pending_content: 0,
        batches: 0,
        published: 0,
        duplicates: 0,
        start_offset: None,
        is_interrupted: false,
    };
    let outcome = publisher.publish_all(&mut Lines::of(io::stdin()));
    // The messages before an invalid line stay published, are synced and count in the summary. It
    // is printed first, because building indexes may take long, and may be interrupted.
    let told = publisher.sync().and_then(|summary| {
        let mut output = Output::stdout();
        output.json(&summary)?;
        output.flush()
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

struct Publisher<'a> {
    log: &'a FileLog,
    conditions: &'a Conditions,
    parser: Parser,
    /// Whether every batch is synced.
    is_synced: bool,
    batch_len: usize,
    pending: Vec<ParsedMessage>,
    /// The content size of `pending`, in bytes.
    pending_content: u64,
    batches: u64,
    /// Messages that were published, and those that had been before.
    published: u64,
    duplicates: u64,
    /// Where the first batch begins, once there is one.
    start_offset: Option<u64>,
    is_interrupted: bool,
}

impl Publisher<'_> {
    /// Publishes the messages in `lines`, up to the end or the first invalid line.
    fn publish_all(&mut self, lines: &mut Lines<io::Stdin>) -> Result<(), Failure> {
        let bar = progress::messages("publishing", None, &io::stdin());
        let mut first_pending = None;
        let mut number = 0;
        loop {
            // The same input makes the same batches, however fast it comes.
            let lingering = first_pending.filter(|_| !self.conditions.are_numbered());
            let deadline = lingering.map(|first: Instant| first + LINGER_MAX);
            let event = lines.next(deadline);
            match event {
                Ok(Event::Line { number: line, bytes }) => {
                    number = line;
                    match self.parse(bytes) {
                        Ok(true) => {}
                        Ok(false) => continue,
                        Err(reason) => {
                            self.publish_pending()?;
                            return Err(Failure::Line { number, reason });
                        }
                    }
                }
                Ok(Event::Pause) => self.publish_pending()?,
                Ok(Event::Signal) => return self.end_by_signal(),
                Ok(Event::End) => {
                    let ended = self.parser.end();
                    self.publish_last(ended.is_ok())?;
                    return ended.map_err(|reason| Failure::Line { number, reason });
                }
                Err(failure) => {
                    self.publish_pending()?;
                    return Err(failure);
                }
            }
            if self.pending.len() >= self.batch_len || self.pending_content >= BATCH_CONTENT_MAX {
                self.publish_pending()?;
            }
            if self.pending.is_empty() {
                first_pending = None;
                bar.set_position(self.published + self.duplicates);
            } else if first_pending.is_none() {
                first_pending = Some(Instant::now());
            }
        }
    }

    /// Adds the message that a line completes to the pending ones, or fails with what is wrong with
    /// it; false if it completes none.
    fn parse(&mut self, line: &[u8]) -> Result<bool, String> {
        let Some(message) = self.parser.line(line)? else {
            return Ok(false);
        };
        let size = message.as_new(&message.header_slices()).content_size();
        if size > MESSAGE_SIZE_MAX {
            return Err(format!(
                "a message of {size} bytes; it may hold {MESSAGE_SIZE_MAX}"
            ));
        }
        self.pending_content += size;
        self.pending.push(message);
        Ok(true)
    }

    /// Publishes what is pending at the end of the input. What was asked for is checked and done
    /// also if there was no message, unless something is wrong with the input.
    fn publish_last(&mut self, is_whole: bool) -> Result<(), Failure> {
        if is_whole && self.batches == 0 && self.conditions.concern_no_message() {
            return self.publish_batch();
        }
        self.publish_pending()
    }

    /// Publishes what is pending when a signal has come, unless the batch has a number: the next
    /// run makes the same batches, and this one is not whole.
    fn end_by_signal(&mut self) -> Result<(), Failure> {
        self.is_interrupted = true;
        if self.conditions.are_numbered() {
            return Ok(());
        }
        self.publish_pending()
    }

    fn publish_pending(&mut self) -> Result<(), Failure> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.publish_batch()
    }

    fn publish_batch(&mut self) -> Result<(), Failure> {
        let headers: Vec<_> = self.pending.iter().map(ParsedMessage::header_slices).collect();
        let batch: Vec<_> = self
            .pending
            .iter()
            .zip(&headers)
            .map(|(message, headers)| message.as_new(headers))
            .collect();
        let how = self.conditions.of_batch(self.batches)?.sync(self.is_synced);
        let ack = self.log.append(&batch, &how)?;
        let messages = batch.len() as u64;
        if ack.is_duplicate {
            self.conditions.check_duplicate(&ack, self.batches, messages)?;
            self.duplicates += messages;
        } else {
            self.published += messages;
        }
        self.start_offset.get_or_insert(ack.start.offset);
        self.batches += 1;
        self.pending.clear();
        self.pending_content = 0;
        Ok(())
    }

    /// Syncs everything to stable storage.
    fn sync(&self) -> Result<Summary, Failure> {
        self.log.sync()?;
        let next_offset = self.log.next_offset()?;
        Ok(Summary {
            published: self.published,
            next_offset,
            start_offset: self.start_offset.unwrap_or(next_offset),
            duplicates: self.duplicates,
            interrupted: self.is_interrupted,
        })
    }
}
