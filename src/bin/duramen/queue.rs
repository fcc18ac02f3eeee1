//! `duramen queue`: the work queues of a store's streams.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use duramen::Error;
use duramen::queue::{Queue, QueueOptions, QueueStat, QueuedPartition};
use duramen::store::{PartitionLog, Store, StoreOptions};
use serde::Serialize;

use crate::failure::Failure;
use crate::format::FormatArgs;
use crate::output::Output;
use crate::store::{each_stream, open};
use crate::summary::print;

/// Look at the work queues of a store's streams, and bring dead letters back.
///
/// A work queue is that of a group of workers, who share the messages of a stream. `list`, `stat`
/// and `peek` change nothing, and work beside a process that has the store open. None of the
/// commands makes a queue.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store's directory
    dir: PathBuf,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    Stat(Stat),
    Peek(Peek),
    Kick(Kick),
}

/// Print the groups that have a work queue as JSON lines, in the byte order of streams and groups.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Each is an object on one line: {\"stream\":\"jobs\",\"group\":\"workers\"}.")]
struct List {
    /// Only those of this stream
    stream: Option<String>,
}

/// Print figures about a work queue: how many messages are open, leased, delayed, and buried.
#[derive(Debug, clap::Args)]
#[command(after_long_help = STAT_HELP)]
struct Stat {
    #[command(flatten)]
    which: Which,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const STAT_HELP: &str = "\
open: how many offsets are not settled; of those that no worker has come to yet, some may be no messages.
leased: how many messages were given out, are not settled and do not rest. Workers have them; if the process died, \
they are given out again.
delayed: how many messages rest before they are given out again.
buried: how many messages the group has given up since it began.

Each partition has, too:
floor: every message below this offset is settled: done, buried, deleted or trimmed.
next_offset: the next offset of the log.
settled: how many messages are settled above the floor, or do not exist.

The figures are those that the workers have noted. Leases end with the process that gave them, so a message whose \
lease is over counts as leased until it is given out again and settled.";

/// Print messages that are to be given out, now or later, and give none of them out.
///
/// They come partition by partition, by their offsets. Those that workers have now are among them:
/// if a worker dies, its messages are given out again.
#[derive(Debug, clap::Args)]
struct Peek {
    #[command(flatten)]
    which: Which,

    /// How many at most
    #[arg(value_name = "N", default_value_t = 10)]
    max_count: usize,

    #[command(flatten)]
    format: FormatArgs,
}

/// Publish messages again that the group has buried, in the order in which they were buried, and
/// print how many.
///
/// They go to the partitions from which they came, as new messages, and are on stable storage when
/// the command ends. No letter is kicked twice. The letters stay where they are. The store must not
/// be open for writing elsewhere: a service that has it open calls `Queue::kick`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "The summary is {\"kicked\":N}: the number of messages published.")]
struct Kick {
    #[command(flatten)]
    which: Which,

    /// How many at most
    #[arg(value_name = "N")]
    max_count: usize,

    /// The stream to which the group buries
    #[arg(long, value_name = "STREAM")]
    dead_letter: String,
}

/// Which work queue.
#[derive(Debug, clap::Args)]
struct Which {
    /// The stream
    stream: String,

    /// The group of workers
    group: String,
}

#[derive(Serialize)]
struct Listed<'a> {
    stream: &'a str,
    group: &'a str,
}

#[derive(Serialize)]
struct Kicked {
    kicked: usize,
}

/// [`QueueStat`] in the form in which it is printed.
#[derive(Serialize)]
struct Shown<'a> {
    stream: &'a str,
    group: &'a str,
    open: u64,
    leased: u64,
    delayed: u64,
    buried: u64,
    partitions: Vec<ShownPartition>,
}

#[derive(Serialize)]
struct ShownPartition {
    partition: u32,
    floor: u64,
    next_offset: u64,
    settled: u64,
    open: u64,
    leased: u64,
    delayed: u64,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let dir = args.dir.as_path();
    let done = match &args.command {
        Command::List(args) => list(dir, args.stream.as_deref()),
        Command::Stat(args) => stat(dir, args),
        Command::Peek(args) => peek(dir, args),
        Command::Kick(args) => kick(dir, args),
    };
    done.map_err(Failure::in_store)
}

fn list(dir: &Path, stream: Option<&str>) -> Result<(), Failure> {
    let store = open::for_reading(dir)?;
    let mut output = Output::stdout();
    let mut print = |stream: &str, groups: Vec<String>| {
        let mut groups = groups.iter();
        groups.try_for_each(|group| output.json(&Listed { stream, group }))
    };
    match stream {
        Some(stream) => print(stream, store.queues(stream)?)?,
        None => each_stream(&store, |info| match store.queues(&info.name) {
            // It was deleted meanwhile.
            Err(Error::NoStream { .. } | Error::StreamDeleting { .. }) => Ok(()),
            groups => print(&info.name, groups?),
        })?,
    }
    store.close()?;
    output.flush()
}

fn stat(dir: &Path, args: &Stat) -> Result<(), Failure> {
    let (store, queue) = args.which.look(dir)?;
    let stat = queue.stat()?;
    let shown = Shown::new(&args.which, &stat);
    queue.close()?;
    store.close()?;
    if args.json {
        return print(&shown);
    }
    let mut output = Output::stdout();
    let lines = [
        ("open", shown.open),
        ("leased", shown.leased),
        ("delayed", shown.delayed),
        ("buried", shown.buried),
    ];
    for (name, value) in lines {
        output.line(format_args!("{name:<14}{value}"))?;
    }
    for of in &shown.partitions {
        output.line(format_args!(
            "{:<14}floor {}, next offset {}, settled {}, open {}, leased {}, delayed {}",
            format!("partition {}", of.partition),
            of.floor,
            of.next_offset,
            of.settled,
            of.open,
            of.leased,
            of.delayed
        ))?;
    }
    output.flush()
}

fn peek(dir: &Path, args: &Peek) -> Result<(), Failure> {
    let format = args.format.format()?;
    let (store, queue) = args.which.look(dir)?;
    let mut output = Output::stdout();
    for (number, message) in queue.peek(args.max_count)? {
        output.message(&message, format.in_partition(number))?;
    }
    queue.close()?;
    store.close()?;
    output.flush()
}

fn kick(dir: &Path, args: &Kick) -> Result<(), Failure> {
    let Which { stream, group } = &args.which;
    // Opening to write makes what is missing: the group, and the stream of its letters.
    drop(args.which.look(dir)?);
    let store = open::existing(dir, &StoreOptions::new())?;
    store.stream(&args.dead_letter)?;
    let how = QueueOptions::new().dead_letter(&args.dead_letter);
    let queue = store.queue(stream, group, how)?;
    let kicked = queue.kick(args.max_count)?;
    queue.close()?;
    store.close()?;
    print(&Kicked { kicked })
}

impl Which {
    /// Opens a queue that is there, to look at it.
    fn look(&self, dir: &Path) -> Result<(Store, Queue<PartitionLog>), Failure> {
        let store = open::for_reading(dir)?;
        match store.queue(&self.stream, &self.group, QueueOptions::new()) {
            Err(Error::NoLog { path }) if path.starts_with(dir.join("queues")) => Err(Failure::NoGroup {
                stream: self.stream.clone(),
                group: self.group.clone(),
            }),
            queue => Ok((store, queue?)),
        }
    }
}

impl<'a> Shown<'a> {
    fn new(which: &'a Which, stat: &QueueStat) -> Shown<'a> {
        let sum = |of: fn(&QueuedPartition) -> u64| stat.partitions.iter().map(of).sum();
        let partitions = (0..).zip(&stat.partitions);
        let partitions = partitions.map(|(partition, of)| ShownPartition {
            partition,
            floor: of.floor,
            next_offset: of.next_offset,
            settled: of.settled,
            open: of.open(),
            leased: of.leased,
            delayed: of.delayed,
        });
        Shown {
            stream: &which.stream,
            group: &which.group,
            open: sum(QueuedPartition::open),
            leased: sum(|of| of.leased),
            delayed: sum(|of| of.delayed),
            buried: stat.buried,
            partitions: partitions.collect(),
        }
    }
}
