//! `duramen store events`: printing what has happened to streams.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use duramen::Start;
use duramen::store::StreamEvent;

use super::open;
use crate::failure::Failure;
use crate::output::Output;
use crate::{position, signals, streams};

/// How many events are read at a time.
const BATCH_LEN: usize = 1000;

/// The time between two looks for events.
const PAUSE: Duration = Duration::from_millis(10);

/// Print what has happened to the streams of a store, as JSON lines.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EVENTS_HELP)]
pub(super) struct Args {
    /// Where to begin: oldest, newest, or an offset; to go on, one past the last that was printed
    #[arg(long, value_name = "START", default_value = "oldest")]
    #[arg(value_parser = parse_from, allow_hyphen_values = true)]
    from: Start,

    /// Continue with new events as they happen, until SIGTERM or SIGINT, which end it with exit
    /// code 0
    #[arg(long)]
    follow: bool,
}

const EVENTS_HELP: &str = "\
An event is an object on one line:

  {\"offset\":7,\"time_us\":1237714200000000,\"event\":\"paused\",\"stream\":\"orders\",\"id\":\"0123..\",\
\"partitions\":[2]}

Events are created, reconfigured, deleted, purged (its files are removed), sealed, unsealed, paused and resumed. \
partitions are those that it has happened to; it is empty if the event is about the whole stream. Offsets have gaps.";

/// A [`StreamEvent`] in the form in which it is printed.
#[derive(Serialize)]
struct Printed<'a> {
    offset: u64,
    time_us: i64,
    event: &'static str,
    stream: &'a str,
    id: String,
    partitions: &'a [u32],
}

impl Printed<'_> {
    fn new(event: &StreamEvent) -> Printed<'_> {
        Printed {
            offset: event.offset,
            time_us: event.time.as_micros(),
            event: event.kind.name(),
            stream: &event.stream,
            id: event.id.to_string(),
            partitions: &event.partitions,
        }
    }
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    let store = open::for_reading(dir)?;
    let mut output = if args.follow {
        signals::catch().map_err(Failure::of_signals)?;
        Output::until_signal()
    } else {
        signals::end_at_once();
        Output::stdout()
    };
    let mut events = store.events(args.from);
    while !signals::came() {
        let found = events.next(BATCH_LEN, Some(Duration::ZERO))?;
        for event in &found {
            output.json(&Printed::new(event))?;
        }
        output.flush()?;
        if found.is_empty() {
            if !args.follow {
                break;
            }
            streams::sleep(PAUSE);
        }
    }
    Ok(store.close()?)
}

/// An offset, `oldest` or `newest`. The catalog has no index of times, and its messages are not all
/// events.
fn parse_from(text: &str) -> Result<Start, String> {
    match position::parse(text) {
        // Events that are no longer needed may be gone.
        Ok(Start::At(offset)) => Ok(Start::AtOrOldest(offset)),
        Ok(from @ (Start::Oldest | Start::Newest)) => Ok(from),
        _ => Err("neither oldest, newest nor an offset".to_owned()),
    }
}
