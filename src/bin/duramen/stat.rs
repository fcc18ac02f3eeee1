//! `duramen stat`: printing figures about a log.

use std::path::PathBuf;

use serde::Serialize;

use duramen::{MappedFiles, Options};

use crate::failure::Failure;
use crate::output::Output;

/// Print figures about a log: segments, messages, size in bytes, offsets, epoch, life, fencing
/// token, seal, number of known producers, indexes, and which files are mapped.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// [`duramen::Stats`] in the form in which they are printed.
#[derive(Serialize)]
struct Stats {
    segments: u64,
    messages: u64,
    size: u64,
    start_offset: u64,
    next_offset: u64,
    synced_offset: u64,
    epoch: u64,
    life: String,
    #[serde(flatten)]
    writers: Writers,
    key_index: bool,
    time_index: bool,
    mapped_files: &'static str,
}

/// Who may publish, and who has.
#[derive(Serialize)]
struct Writers {
    token: String,
    sealed: bool,
    producers: u64,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let found = duramen::stat(&args.dir, &Options::new())?;
    let stats = Stats {
        segments: found.segments,
        messages: found.messages,
        size: found.size,
        start_offset: found.start_offset,
        next_offset: found.next_offset,
        synced_offset: found.synced_offset,
        epoch: found.epoch,
        life: found.life.map_or_else(String::new, |life| life.to_string()),
        writers: Writers {
            token: found.token.to_string(),
            sealed: found.is_sealed,
            producers: found.producers,
        },
        key_index: found.key_index,
        time_index: found.time_index,
        mapped_files: match found.mapped_files {
            MappedFiles::Sealed => "sealed",
            MappedFiles::Nothing => "none",
            _ => "all",
        },
    };
    let mut output = Output::stdout();
    if args.json {
        output.json(&stats)?;
    } else {
        // In quotes, because it may be empty, and escaped for the terminal.
        let token = format!("{:?}", stats.writers.token);
        let lines: [(&str, &dyn std::fmt::Display); 14] = [
            ("segments", &stats.segments),
            ("messages", &stats.messages),
            ("size", &stats.size),
            ("start offset", &stats.start_offset),
            ("next offset", &stats.next_offset),
            ("synced offset", &stats.synced_offset),
            ("epoch", &stats.epoch),
            ("life", &stats.life),
            ("token", &token),
            ("sealed", &stats.writers.sealed),
            ("producers", &stats.writers.producers),
            ("key index", &stats.key_index),
            ("time index", &stats.time_index),
            ("mapped files", &stats.mapped_files),
        ];
        for (name, value) in lines {
            output.line(format_args!("{name:<14}{value}"))?;
        }
    }
    output.flush()
}
