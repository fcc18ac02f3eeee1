//! `duramen store publish`: publishing what comes on the standard input to a stream.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use clap::ArgGroup;
use serde::Serialize;

use duramen::store::{PartitionLog, Partitioner, Store, StoreOptions, Stream, StreamConfig};
use duramen::{Error, NewMessage};

use super::open;
use crate::failure::Failure;
use crate::publisher::{INPUT_HELP, InputArgs, PUBLISH_HELP, Publisher, Sink};
use crate::signals;
use crate::summary::print;
use crate::target::Target;

/// Publish JSON lines, or other messages, from the standard input to a stream, and print a summary
/// as one JSON line.
///
/// Partitions that are paused are resumed. The messages of a batch that are for the same partition
/// are published as one atomic batch. --token and the other conditions are those of one partition:
/// they need --partition, unless the stream has only one.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{INPUT_HELP}{SUMMARY_HELP}{PUBLISH_HELP}"))]
#[command(group = ArgGroup::new("where").args(["partition", "by_key", "round_robin"]))]
pub(super) struct Args {
    /// The stream
    #[arg(value_name = "NAME")]
    stream: String,

    /// Publish everything to this partition, from 0
    #[arg(long, value_name = "N")]
    partition: Option<u32>,

    /// Publish each message to the partition of its key, the CRC-32 of the key modulo the number of
    /// partitions; no key counts as an empty one [default]
    #[arg(long)]
    by_key: bool,

    /// Publish to one partition after the other, from 0 on
    #[arg(long)]
    round_robin: bool,

    /// Make the store and the stream if they are missing; without the other options of `create`,
    /// the stream has one partition
    #[arg(long)]
    create: bool,

    #[command(flatten)]
    input: InputArgs,
}

const SUMMARY_HELP: &str = "\
An invalid line ends the command with an error that names the line number. The messages before it are published, \
synced and counted in the summary:

  {\"published\":N,\"duplicates\":N,\"partitions\":{\"0\":N,..},\
\"start_offsets\":{\"0\":N,..},\"next_offsets\":{\"0\":N,..}}

This is how many messages were published, and how many were left out because their producer had published them \
before; and for each partition to which something was published, how many messages were, the offset at which the first \
batch begins, and the offset of the next message to be published. If a partition refuses its part of a batch, those of \
other partitions may be published.

";

#[derive(Serialize)]
struct Summary {
    published: u64,
    duplicates: u64,
    partitions: BTreeMap<u32, u64>,
    start_offsets: BTreeMap<u32, u64>,
    next_offsets: BTreeMap<u32, u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    interrupted: bool,
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    let mut publisher = Publisher::new(&args.input)?;
    signals::catch().map_err(Failure::of_signals)?;
    let store = if args.create {
        open::or_make(dir)?
    } else {
        open::existing(dir, &StoreOptions::new())?
    };
    let stream = args.stream(&store)?;
    let mut spread = Spread::new(&stream, args)?;
    let outcome = publisher.publish_all(&mut spread);
    let told = spread.sync().and_then(|summary| {
        print(&Summary {
            interrupted: publisher.is_interrupted(),
            ..summary
        })
    });
    signals::end_at_once();
    outcome.and(told)?;
    Ok(store.close()?)
}

impl Args {
    fn stream(&self, store: &Store) -> Result<Stream, Failure> {
        match store.stream(&self.stream) {
            Err(Error::NoStream { .. }) if self.create => {
                store.create(&self.stream, &StreamConfig::new())?;
                Ok(store.stream(&self.stream)?)
            }
            found => Ok(found?),
        }
    }

    fn partitioner(&self) -> Partitioner {
        match self.partition {
            Some(number) => Partitioner::To(number),
            None if self.round_robin => Partitioner::RoundRobin,
            None => Partitioner::Key,
        }
    }
}

/// Publishes each message of a batch to its partition.
struct Spread<'a> {
    stream: &'a Stream,
    input: &'a InputArgs,
    to: Partitioner,
    /// The partition, if all messages go to one.
    only: Option<u32>,
    targets: BTreeMap<u32, Target<'a, PartitionLog>>,
}

impl<'a> Spread<'a> {
    fn new(stream: &'a Stream, args: &'a Args) -> Result<Spread<'a>, Failure> {
        let only = match args.partition {
            Some(number) => Some(stream.partition(number)?.number()),
            None => (stream.partitions()? == 1).then_some(0),
        };
        if only.is_none() && !args.input.conditions.are_none() {
            return Err(Failure::Usage(
                "--token, --expect-next, --expect-key, --fence and --producer need --partition: \
                 each partition has its own token, offsets and producers"
                    .to_owned(),
            ));
        }
        Ok(Spread {
            stream,
            input: &args.input,
            to: args.partitioner(),
            only,
            targets: BTreeMap::new(),
        })
    }

    /// Syncs everything to stable storage.
    fn sync(&self) -> Result<Summary, Failure> {
        let mut summary = Summary {
            published: 0,
            duplicates: 0,
            partitions: BTreeMap::new(),
            start_offsets: BTreeMap::new(),
            next_offsets: BTreeMap::new(),
            interrupted: false,
        };
        for (number, target) in &self.targets {
            let extent = target.sync()?;
            summary.published += target.published;
            summary.duplicates += target.duplicates;
            summary.partitions.insert(*number, target.published);
            summary.start_offsets.insert(*number, extent.start_offset);
            summary.next_offsets.insert(*number, extent.next_offset);
        }
        Ok(summary)
    }
}

impl Sink for Spread<'_> {
    fn publish(&mut self, batch: &[NewMessage<'_>]) -> Result<(), Failure> {
        let mut parts: BTreeMap<u32, Vec<NewMessage<'_>>> = BTreeMap::new();
        // Also where there is no message, for the conditions.
        parts.extend(self.only.map(|number| (number, Vec::new())));
        for message in batch {
            let number = self.stream.choose(message, &self.to)?;
            parts.entry(number).or_default().push(*message);
        }
        for (number, part) in parts {
            let target = match self.targets.entry(number) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(Target::new(self.stream.partition(number)?, self.input)),
            };
            target.publish(&part)?;
        }
        Ok(())
    }
}
