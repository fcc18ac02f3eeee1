use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::ValueEnum;

use duramen::{Durability, Options};

/// Measure publish, consume and get: throughput, and percentiles of the latency of a call.
///
/// Works in a fresh temporary directory, removed at the end. Every lookup is checked to have found what was asked for,
/// and at the end, unmeasured, every message is compared with what was published.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Messages to publish
    #[arg(long, value_name = "N", default_value = "1000000")]
    pub(super) messages: NonZeroU64,

    /// Bytes of a value
    #[arg(long, value_name = "BYTES", default_value_t = 128)]
    pub(super) value_size: usize,

    /// Bytes of a key; 0 for messages without one
    #[arg(long, value_name = "BYTES", default_value_t = 10)]
    pub(super) key_size: usize,

    /// Different keys; fewer if there are not so many of that size
    #[arg(long, value_name = "N", default_value = "100000")]
    pub(super) keys: NonZeroU64,

    /// Messages in a publish and in a consume
    #[arg(long, value_name = "N", default_value = "64")]
    pub(super) batch: NonZeroUsize,

    /// When a publish returns: os, after copying to the operating system; each, when its batch is on stable storage
    #[arg(long, value_enum, default_value_t = DurabilityArg::Os)]
    pub(super) durability: DurabilityArg,

    /// Which indexes to keep; each is looked up in a phase of its own
    #[arg(long, value_enum, default_value_t = IndexesArg::Both)]
    pub(super) indexes: IndexesArg,

    /// Threads that work side by side in every phase
    #[arg(long, value_name = "N", default_value = "1")]
    pub(super) threads: NonZeroUsize,

    /// Messages to get in each phase that looks up [default: as many as are published, 1000000 at most]
    #[arg(long, value_name = "N")]
    gets: Option<u64>,

    /// Begin a new segment file after so many bytes [default: 64 MiB]
    #[arg(long, value_name = "BYTES")]
    rollover: Option<u64>,

    /// Where to make the temporary directory [default: the system's place for them]
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DurabilityArg {
    Os,
    Each,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum IndexesArg {
    None,
    Key,
    Time,
    Both,
}

impl Args {
    pub(super) fn has_key_index(&self) -> bool {
        matches!(self.indexes, IndexesArg::Key | IndexesArg::Both)
    }

    pub(super) fn has_time_index(&self) -> bool {
        matches!(self.indexes, IndexesArg::Time | IndexesArg::Both)
    }

    pub(super) fn get_count(&self) -> u64 {
        self.gets.unwrap_or_else(|| self.messages.get().min(1_000_000))
    }

    pub(super) fn options(&self) -> Options {
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
