//! `duramen bench`: throughput and latency on this machine.

mod phases;
mod report;
mod scratch;
mod workload;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::ValueEnum;

use duramen::{Durability, Log as _, Options};

use crate::failure::Failure;
use crate::output::Output;
use report::Report;
use scratch::Scratch;
use workload::Workload;

/// Measure publish, consume and get: throughput, and percentiles of the latency of a call.
///
/// Works in a fresh temporary directory, removed at the end. Every lookup is checked to have found what was asked for,
/// and at the end, unmeasured, every message is compared with what was published.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Messages to publish
    #[arg(long, value_name = "N", default_value = "1000000")]
    messages: NonZeroU64,

    /// Bytes of a value
    #[arg(long, value_name = "BYTES", default_value_t = 128)]
    value_size: usize,

    /// Bytes of a key; 0 for messages without one
    #[arg(long, value_name = "BYTES", default_value_t = 10)]
    key_size: usize,

    /// Different keys; fewer if there are not so many of that size
    #[arg(long, value_name = "N", default_value = "100000")]
    keys: NonZeroU64,

    /// Messages in a publish and in a consume
    #[arg(long, value_name = "N", default_value = "64")]
    batch: NonZeroUsize,

    /// When a publish returns: os, after copying to the operating system; each, when its batch is on stable storage
    #[arg(long, value_enum, default_value_t = DurabilityArg::Os)]
    durability: DurabilityArg,

    /// Which indexes to keep; each is looked up in a phase of its own
    #[arg(long, value_enum, default_value_t = IndexesArg::Both)]
    indexes: IndexesArg,

    /// Threads that work side by side in every phase
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,

    /// Messages to get in each phase that looks up [default: as many as are published, 1000000 at most]
    #[arg(long, value_name = "N")]
    gets: Option<u64>,

    /// Begin a new segment file after so many bytes [default: 64 MiB]
    #[arg(long, value_name = "BYTES")]
    rollover: Option<u64>,

    /// Where to make the temporary directory [default: the system's place for them]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DurabilityArg {
    Os,
    Each,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum IndexesArg {
    None,
    Key,
    Time,
    Both,
}

impl Args {
    fn has_key_index(&self) -> bool {
        matches!(self.indexes, IndexesArg::Key | IndexesArg::Both)
    }

    fn has_time_index(&self) -> bool {
        matches!(self.indexes, IndexesArg::Time | IndexesArg::Both)
    }

    fn get_count(&self) -> u64 {
        self.gets.unwrap_or_else(|| self.messages.get().min(1_000_000))
    }

    fn options(&self) -> Options {
        let options = Options::new()
            .key_index(self.has_key_index())
            .time_index(self.has_time_index())
            .durability(match self.durability {
                DurabilityArg::Os => Durability::Os,
                DurabilityArg::Each => Durability::EachPublish,
            });
        match self.rollover {
            Some(bytes) => options.rollover(bytes),
            None => options,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let workload = Workload::new(args);
    let scratch = Scratch::new(args.dir.as_deref())?;
    let log = args.options().open(scratch.path())?;
    let mut report = Report::new(args);

    report.add("publish", &phases::publish(&log, &workload)?);
    report.add("sync", &phases::sync(&log)?);
    report.add("consume", &phases::consume(&log, &workload)?);
    report.add("get", &phases::get(&log, &workload)?);
    if args.has_key_index() && workload.has_keys() {
        report.add("get_by_key", &phases::get_by_key(&log, &workload)?);
    }
    if args.has_time_index() {
        report.add("get_by_time", &phases::get_by_time(&log, &workload)?);
    }
    phases::verify(&log, &workload)?;
    log.close()?;

    let mut output = Output::stdout();
    if args.json {
        output.json(&report)?;
    } else {
        output.line(&report)?;
    }
    output.flush()
}
