//! `duramen delete`: removing messages by offset.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use indicatif::ProgressBar;

use duramen::{Deleted, FileLog, Log as _, Message, Start, compact};

use crate::failure::Failure;
use crate::input::{Event, Lines};
use crate::ranges::{self, Offsets};
use crate::summary::{SUMMARY_HELP, Summary};
use crate::{open, progress};

/// The number of messages read at a time, and of those that are removed at a time.
const BATCH_LEN: usize = 1024;
const SET_LEN: usize = 1 << 20;

/// Remove the messages at these offsets, and print a summary as one JSON line.
///
/// Offsets without a message are ignored. The deleted messages are removed from storage, and their
/// offsets are never reused.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,

    /// The offsets of the messages to remove: 5, or a range: 5..9 without 9, 5..=9 with 9, 5.. to
    /// the end, or ..9 from the beginning; - for those on the standard input, with blanks or line
    /// ends in between
    #[arg(required = true, value_name = "OFFSET", value_parser = parse)]
    offsets: Vec<Chosen>,

    /// Remove nothing, and print what would be removed
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Debug)]
enum Chosen {
    These(Offsets),
    /// Those on the standard input.
    Input,
}

fn parse(text: &str) -> Result<Chosen, String> {
    match text {
        "-" => Ok(Chosen::Input),
        _ => ranges::parse(text).map(Chosen::These),
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut chosen = Vec::new();
    for one in &args.offsets {
        match one {
            Chosen::These(offsets) => chosen.push(offsets.clone()),
            // Before the log is opened, so that nobody waits for the input.
            Chosen::Input => read(&mut chosen)?,
        }
    }
    let log = open::existing(&args.dir, args.dry_run)?;
    let offsets = ranges::merged(chosen, &(log.start_offset()?..log.next_offset()?));
    let mut deleted = Deleted::default();
    if args.dry_run {
        each(&log, &offsets, |message| {
            deleted += Deleted::new(1, log.size(&message.as_new()));
            Ok(())
        })?;
    } else {
        let spinner = progress::spinner("deleting");
        let mut set = BTreeSet::new();
        each(&log, &offsets, |message| {
            set.insert(message.offset);
            if set.len() == SET_LEN {
                deleted += delete(&log, &std::mem::take(&mut set), &spinner)?;
            }
            Ok(())
        })?;
        deleted += delete(&log, &set, &spinner)?;
        spinner.finish_and_clear();
    }
    log.close()?;
    Summary::from(deleted).print()
}

/// Reads offsets and ranges from the standard input.
fn read(chosen: &mut Vec<Offsets>) -> Result<(), Failure> {
    let mut lines = Lines::of(io::stdin());
    loop {
        let (number, bytes) = match lines.next(None)? {
            Event::Line { number, bytes } => (number, bytes),
            Event::Pause => continue,
            Event::Signal => return Err(Failure::Interrupted),
            Event::End => return Ok(()),
        };
        let text = String::from_utf8_lossy(bytes);
        for word in text.split_ascii_whitespace() {
            let offsets = ranges::parse(word).map_err(|reason| Failure::Line { number, reason })?;
            chosen.push(offsets);
        }
    }
}

/// Removes these messages.
fn delete(log: &FileLog, offsets: &BTreeSet<u64>, spinner: &ProgressBar) -> duramen::Result<Deleted> {
    compact::delete_multi(log, offsets, |progress| {
        spinner.set_message(format!(
            "deleting: {} messages removed, {} to go",
            progress.deleted.messages, progress.remaining
        ));
        ControlFlow::Continue(())
    })
}

/// Calls `on_message` for the messages with these offsets, which the log has given out.
fn each(
    log: &FileLog,
    offsets: &[Offsets],
    mut on_message: impl FnMut(&Message) -> duramen::Result<()>,
) -> duramen::Result<()> {
    for range in offsets {
        let mut next = range.start;
        while next < range.end {
            let left = usize::try_from(range.end - next).unwrap_or(usize::MAX);
            let batch = log.consume(Start::At(next), left.min(BATCH_LEN))?;
            for message in batch
                .messages
                .iter()
                .take_while(|message| message.offset < range.end)
            {
                on_message(message)?;
            }
            if batch.next_offset == next {
                break;
            }
            next = batch.next_offset;
        }
    }
    Ok(())
}
