//! `duramen export`: making a log of klevdb.

use std::path::PathBuf;

use serde::Serialize;

use duramen::{FileLog, Log, Message, ReadOptions, Start};

use crate::failure::Failure;
use crate::klevdb::{Kinds, OFFSET_MAX, Staging, Version, Writer};
use crate::summary::print;
use crate::{open, progress, size};

/// Make a directory that klevdb, a library for Go, opens as its own, and print a summary as one
/// JSON line.
///
/// Messages keep their offsets and times, and klevdb goes on at the offset that the log would give
/// next. The directory has the indexes of keys and times that the log has: klevdb has to be opened
/// with these.
///
/// Messages up to the end that the log has at the beginning are exported, also while another
/// process writes to it. They are not those of one moment: what is trimmed, deleted or compacted
/// away meanwhile may be missing, so a key whose newer message lies behind that end may have none.
/// A backup is of one moment, and can be exported.
///
/// klevdb holds no headers and no control records, and does not tell an empty key or value from
/// none. A log that has any is refused, unless --lossy is given.
///
/// The directory and its files are for their owner alone. It gets its name when it is complete and
/// durable. Until then it is beside, and its name ends with `.unfinished`; the file
/// `duramen-export` in it says that the next export to the same place may remove it and begin
/// afresh. A directory of that name without this file is left alone, and the export is refused.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,

    /// The directory of klevdb, which must be missing or empty
    klevdb_dir: PathBuf,

    /// The format of segments and indexes
    #[arg(long, value_name = "VERSION", default_value = "v2")]
    format: Version,

    /// The size above which a segment is left behind, as klevdb's Rollover
    #[arg(long, value_name = "BYTES", value_parser = size::parse, default_value = "1MiB")]
    segment_size: u64,

    /// Leave out what klevdb cannot hold: headers, control records, and whether a key or value is
    /// empty or absent
    #[arg(long)]
    lossy: bool,
}

const SUMMARY_HELP: &str = "\
The summary is {\"messages\":N,\"segments\":N,\"bytes\":N,\"start_offset\":N,\"next_offset\":N,\"gaps\":N,\
\"key_index\":B,\"time_index\":B,\"without_headers\":N,\"empty_as_absent\":N,\"control_records\":N}: what \
was written; the offset of the first message and the next offset; how many stretches of offsets have no \
message; and what --lossy has left out: from how many messages the headers, in how many messages whether a \
part is empty or absent, and how many control records.";

#[derive(Debug, Default, Serialize)]
struct Summary {
    messages: u64,
    segments: u64,
    bytes: u64,
    start_offset: u64,
    next_offset: u64,
    gaps: u64,
    key_index: bool,
    time_index: bool,
    without_headers: u64,
    empty_as_absent: u64,
    control_records: u64,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let spinner = progress::spinner("exporting");
    let log = open::existing(&args.dir, true)?;
    let stats = log.stat()?;
    let kinds = Kinds {
        times: stats.time_index,
        keys: stats.key_index,
    };
    let staging = Staging::begin(&args.klevdb_dir)?;
    let mut giving = Giving {
        lossy: args.lossy,
        version: args.format,
        writer: Writer::new(&staging.dir, args.format, kinds, args.segment_size),
        next: None,
        summary: Summary {
            key_index: kinds.keys,
            time_index: kinds.times,
            ..Summary::default()
        },
    };
    giving.all(&log)?;
    staging.finish()?;
    let summary = giving.summary;
    log.close()?;
    spinner.finish_and_clear();
    print(&summary)
}

/// Messages on their way to klevdb.
struct Giving {
    lossy: bool,
    version: Version,
    writer: Writer,
    /// The offset behind the last message.
    next: Option<u64>,
    summary: Summary,
}

impl Giving {
    fn all(&mut self, log: &FileLog) -> Result<(), Failure> {
        let end = log.next_offset()?;
        if end > OFFSET_MAX {
            return Err(Failure::EndNotHeld { offset: end });
        }
        let how = ReadOptions::new().control(true).until_offset(end);
        let mut from = log.start_offset()?;
        while from < end {
            // What is trimmed meanwhile is gone.
            let batch = log.read(Start::AtOrOldest(from), &how)?;
            // Whichever is refused first in the order of offsets does not matter.
            if let Some(first) = batch.controls.first() {
                self.loses(first.offset, "a control record")?;
            }
            self.summary.control_records += batch.controls.len() as u64;
            for message in &batch.messages {
                self.message(message)?;
            }
            from = batch.next_offset.max(from + 1);
        }
        let is_behind = self.next != Some(end);
        self.summary.gaps += u64::from(is_behind && self.next.is_some());
        self.writer.finish(end, is_behind)?;
        if self.next.is_none() {
            self.summary.start_offset = end;
        }
        self.summary.next_offset = end;
        self.summary.segments = self.writer.segments;
        self.summary.bytes = self.writer.bytes;
        Ok(())
    }

    fn message(&mut self, message: &Message) -> Result<(), Failure> {
        if !message.headers.is_empty() {
            self.loses(message.offset, "headers")?;
            self.summary.without_headers += 1;
        }
        let is_empty = |part: Option<&[u8]>| part.is_some_and(<[u8]>::is_empty);
        let (key, value) = (message.key.as_deref(), message.value.as_deref());
        if is_empty(key) || is_empty(value) {
            self.loses(
                message.offset,
                "an empty key or value, which is not an absent one,",
            )?;
            self.summary.empty_as_absent += 1;
        }
        let is_nothing =
            message.offset == 0 && message.time.as_micros() == 0 && key.is_none() && value.is_none();
        if is_nothing && self.version == Version::V1 {
            self.loses(
                0,
                "a message of zeros alone, which in format V1 is as if it were not there,",
            )?;
        }
        match self.next {
            None => self.summary.start_offset = message.offset,
            Some(next) => self.summary.gaps += u64::from(message.offset > next),
        }
        let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());
        self.writer
            .push(message.offset, message.time.as_micros(), key, value)?;
        self.summary.messages += 1;
        self.next = Some(message.offset + 1);
        Ok(())
    }

    fn loses(&self, offset: u64, what: &'static str) -> Result<(), Failure> {
        if self.lossy {
            return Ok(());
        }
        Err(Failure::NotHeld { offset, what })
    }
}
