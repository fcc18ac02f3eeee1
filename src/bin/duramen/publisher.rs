//! Making batches of the lines of the standard input.

use std::io;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use duramen::{MESSAGE_SIZE_MAX, NewMessage};

use crate::conditions::Conditions;
use crate::failure::Failure;
use crate::incoming::{FormatArgs, Parser};
use crate::input::{Event, Lines};
use crate::json::ParsedMessage;
use crate::progress;

/// The longest time that a message waits for more messages before its batch is published.
const LINGER_MAX: Duration = Duration::from_millis(50);

/// A batch is published when its messages reach this size, even if it could hold more. This limits
/// the memory that a batch takes and keeps it far below the library's maximum.
const BATCH_CONTENT_MAX: u64 = MESSAGE_SIZE_MAX;

#[derive(Debug, clap::Args)]
pub(crate) struct InputArgs {
    /// Publish up to this many messages as one atomic batch; a pause in the input or 64 MiB of
    /// messages end a batch early
    #[arg(long, value_name = "N", default_value = "1000")]
    batch: NonZeroUsize,

    /// Sync every batch to stable storage before reading on, instead of once at the end
    #[arg(long)]
    pub(crate) sync: bool,

    #[command(flatten)]
    format: FormatArgs,

    #[command(flatten)]
    pub(crate) conditions: Conditions,
}

/// The forms of the input, for the help of every command that reads messages.
pub(crate) const INPUT_HELP: &str = "\
By default, each line of input is a JSON object:

  {\"time_us\":1237714200000000,\"key\":\"a\",\"value\":\"b\",\"headers\":{\"h\":\"v\"}}

Every field is optional. time_us is in microseconds since 1970; the default is now. A key or value that is null or \
missing is absent. Bytes that are not UTF-8 are in Base64, as \"key_base64\" and \"value_base64\". Headers are an \
object, an array of pairs [[\"h\",\"v\"],..], or an array of pairs in Base64 called \"headers_base64\". \"offset\" and \
\"partition\" are ignored, so the output of `duramen consume` can be published again. Empty lines are skipped.

With --format lines or csv, or with --key-field, the messages have the time at which they are published and no \
headers. A field of JSON that is a key is a text, or an integer or boolean as it is written; if it is missing or \
null, there is no key.

";

/// Signals and conditions, for the help of every command that publishes.
pub(crate) const PUBLISH_HELP: &str = "\
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

/// What batches are published to.
pub(crate) trait Sink {
    /// Publishes a batch. It has no message if conditions are to be checked all the same.
    fn publish(&mut self, batch: &[NewMessage<'_>]) -> Result<(), Failure>;
}

/// Reads messages, and hands them on in batches.
pub(crate) struct Publisher<'a> {
    conditions: &'a Conditions,
    parser: Parser,
    batch_len: usize,
    pending: Vec<ParsedMessage>,
    /// The content size of `pending`, in bytes.
    pending_content: u64,
    batches: u64,
    /// How many messages were handed on.
    messages: u64,
    is_interrupted: bool,
}

impl<'a> Publisher<'a> {
    pub(crate) fn new(args: &'a InputArgs) -> Result<Publisher<'a>, Failure> {
        Ok(Publisher {
            conditions: &args.conditions,
            parser: Parser::of(&args.format)?,
            batch_len: args.batch.get(),
            pending: Vec::new(),
            pending_content: 0,
            batches: 0,
            messages: 0,
            is_interrupted: false,
        })
    }

    /// Whether a signal has ended the input.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.is_interrupted
    }

    /// Publishes the messages on the standard input, up to its end or the first invalid line.
    pub(crate) fn publish_all(&mut self, sink: &mut impl Sink) -> Result<(), Failure> {
        let mut lines = Lines::of(io::stdin());
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
                            self.publish_pending(sink)?;
                            return Err(Failure::Line { number, reason });
                        }
                    }
                }
                Ok(Event::Pause) => self.publish_pending(sink)?,
                Ok(Event::Signal) => return self.end_by_signal(sink),
                Ok(Event::End) => {
                    let ended = self.parser.end();
                    self.publish_last(ended.is_ok(), sink)?;
                    return ended.map_err(|reason| Failure::Line { number, reason });
                }
                Err(failure) => {
                    self.publish_pending(sink)?;
                    return Err(failure);
                }
            }
            if self.pending.len() >= self.batch_len || self.pending_content >= BATCH_CONTENT_MAX {
                self.publish_pending(sink)?;
            }
            if self.pending.is_empty() {
                first_pending = None;
                bar.set_position(self.messages);
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
    fn publish_last(&mut self, is_whole: bool, sink: &mut impl Sink) -> Result<(), Failure> {
        if is_whole && self.batches == 0 && self.conditions.concern_no_message() {
            return self.publish_batch(sink);
        }
        self.publish_pending(sink)
    }

    /// Publishes what is pending when a signal has come, unless the batch has a number: the next
    /// run makes the same batches, and this one is not whole.
    fn end_by_signal(&mut self, sink: &mut impl Sink) -> Result<(), Failure> {
        self.is_interrupted = true;
        if self.conditions.are_numbered() {
            return Ok(());
        }
        self.publish_pending(sink)
    }

    fn publish_pending(&mut self, sink: &mut impl Sink) -> Result<(), Failure> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.publish_batch(sink)
    }

    fn publish_batch(&mut self, sink: &mut impl Sink) -> Result<(), Failure> {
        let headers: Vec<_> = self.pending.iter().map(ParsedMessage::header_slices).collect();
        let batch: Vec<_> = self
            .pending
            .iter()
            .zip(&headers)
            .map(|(message, headers)| message.as_new(headers))
            .collect();
        sink.publish(&batch)?;
        self.messages += batch.len() as u64;
        self.batches += 1;
        self.pending.clear();
        self.pending_content = 0;
        Ok(())
    }
}
