//! `duramen store stat`: printing figures about a store, or a stream of it.

use std::path::Path;

use serde::Serialize;

use duramen::store::StreamInfo;
use duramen::{Error, Options, Stats};

use super::list::each_stream;
use super::open;
use super::shown::Described;
use crate::failure::Failure;
use crate::summary::print;

/// Print figures about a store, or a stream of it, as one JSON line.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(super) struct Args {
    /// The stream; without one, the sums of all streams are printed
    #[arg(value_name = "NAME")]
    stream: Option<String>,
}

const SUMMARY_HELP: &str = "\
Of a store, this is {\"streams\":N,\"partitions\":N,\"messages\":N,\"bytes\":N}. Streams that are being removed do not \
count. bytes is the size of the logs' files.

Of a stream, this is what `duramen store DIR list` prints of it, with \"messages\":N, \"bytes\":N, and what each \
partition has: \"logs\":[{\"partition\":0,\"messages\":N,\"bytes\":N,\"start_offset\":N,\"next_offset\":N},..]. To a \
partition that was never used, nothing was ever published.";

/// A sum of figures.
#[derive(Clone, Copy, Default, Serialize)]
struct Sum {
    messages: u64,
    bytes: u64,
}

#[derive(Default, Serialize)]
struct OfStore {
    streams: u64,
    partitions: u64,
    #[serde(flatten)]
    sum: Sum,
}

#[derive(Serialize)]
struct OfStream {
    #[serde(flatten)]
    stream: Described,
    #[serde(flatten)]
    sum: Sum,
    logs: Vec<OfPartition>,
}

#[derive(Serialize)]
struct OfPartition {
    partition: u32,
    #[serde(flatten)]
    sum: Sum,
    start_offset: u64,
    next_offset: u64,
}

impl Sum {
    fn add(&mut self, other: Sum) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    let store = open::for_reading(dir)?;
    if let Some(name) = &args.stream {
        let info = store.stream(name)?.info()?;
        store.close()?;
        return print(&of_stream(dir, info)?);
    }
    let mut total = OfStore::default();
    each_stream(&store, |info| {
        total.streams += 1;
        total.partitions += u64::from(info.partitions);
        total.sum.add(of_stream(dir, info)?.sum);
        Ok(())
    })?;
    store.close()?;
    print(&total)
}

fn of_stream(dir: &Path, info: StreamInfo) -> Result<OfStream, Failure> {
    let home = dir.join("streams").join(info.id.to_string());
    let mut sum = Sum::default();
    let mut logs = Vec::new();
    for number in 0..info.partitions {
        let log = of_partition(&home, number)?;
        sum.add(log.sum);
        logs.push(log);
    }
    Ok(OfStream {
        stream: info.into(),
        sum,
        logs,
    })
}

/// The figures of a partition, also of one that is paused.
fn of_partition(home: &Path, number: u32) -> Result<OfPartition, Failure> {
    let found = match duramen::stat(home.join(number.to_string()), &Options::new()) {
        Err(Error::NoLog { .. }) => None,
        found => Some(found?),
    };
    let figure = |of: fn(&Stats) -> u64| found.as_ref().map_or(0, of);
    Ok(OfPartition {
        partition: number,
        sum: Sum {
            messages: figure(|stats| stats.messages),
            bytes: figure(|stats| stats.size),
        },
        start_offset: figure(|stats| stats.start_offset),
        next_offset: figure(|stats| stats.next_offset),
    })
}
