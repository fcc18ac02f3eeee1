use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::ValueEnum;

use duramen::{Durability, Options};

use crate::size;

/// Measure the throughput and the latency percentiles of publish, consume and get.
///
/// The log is in a new temporary directory, which is removed at the end. Each lookup is checked for
/// the right message. At the end, outside the measurement, every message is compared with the one
/// published.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The number of messages to publish
    #[arg(long, value_name = "N", default_value = "1000000")]
    pub(super) messages: NonZeroU64,

    /// The size of a value in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 128)]
    pub(super) value_size: usize,

    /// The size of a key in bytes; 0 for messages without a key
    #[arg(long, value_name = "BYTES", default_value_t = 10)]
    pub(super) key_size: usize,

    /// The number of different keys; fewer if that many do not exist at this key size
    #[arg(long, value_name = "N", default_value = "100000")]
    pub(super) keys: NonZeroU64,

    /// The number of messages in each publish and consume call
    #[arg(long, value_name = "N", default_value = "64")]
    pub(super) batch: NonZeroUsize,

    /// When a publish returns: os, when the operating system has the batch; each, when the batch is
    /// on stable storage
    #[arg(long, value_enum, default_value_t = DurabilityArg::Os)]
    pub(super) durability: DurabilityArg,

    /// The indexes to keep; there is a lookup phase for each
    #[arg(long, value_enum, default_value_t = IndexesArg::Both)]
    pub(super) indexes: IndexesArg,

    /// The number of concurrent threads in every phase
    #[arg(long, value_name = "N", default_value = "1")]
    pub(super) threads: NonZeroUsize,

    /// The number of messages to get in each lookup phase [default: as many as are published, at
    /// most 1000000]
    #[arg(long, value_name = "N")]
    gets: Option<u64>,

    /// Begin a new segment file after this many bytes, such as 16M [default: 64 MiB]
    #[arg(long, value_name = "BYTES", value_parser = size::parse)]
    rollover: Option<u64>,

    /// The parent of the temporary directory [default: the system's directory for temporary files]
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
