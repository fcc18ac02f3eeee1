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
/// A work queue is that of a group of workers, who share the messages of a stream. Without a group
/// and a command, this prints the groups that have one, as JSON lines, in the byte order of streams
/// and groups. Whatever only looks changes nothing, and works beside a process that has the store
/// open. No queue is made.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "A group is printed as an object on one line: \
{\"stream\":\"jobs\",\"group\":\"workers\"}.")]
pub(crate) struct Args {
    /// The store's directory
    dir: PathBuf,

    /// The stream
    #[arg(value_name = "NAME")]
    stream: Option<String>,

    /// The group of workers
    group: Option<String>,

    /// The stream, if it has the name of a command
    #[arg(long = "stream", value_name = "NAME", conflicts_with = "stream")]
    named_stream: Option<String>,

    /// The group, if it has the name of a command
    #[arg(long = "group", value_name = "GROUP", conflicts_with = "group")]
    named_group: Option<String>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Stat(Stat),
    Peek(Peek),
    Kick(Kick),
}

/// Print figures about a work queue: how many messages are open, leased, delayed, and buried.
#[derive(Debug, clap::Args)]
#[command(after_long_help = STAT_HELP)]
struct Stat {
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
    /// How many at most
    #[arg(value_name = "N")]
    max_count: usize,

    /// The stream to which the group buries
    #[arg(long, value_name = "STREAM")]
    dead_letter: String,
}

/// A work queue.
#[derive(Clone, Copy, Debug)]
struct Which<'a> {
    dir: &'a Path,
    stream: &'a str,
    group: &'a str,
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
    let stream = args.stream.as_deref().or(args.named_stream.as_deref());
    let group = args.group.as_deref().or(args.named_group.as_deref());
    let done = match (stream, group, &args.command) {
        (_, None, None) => list(dir, stream),
        (Some(stream), Some(group), Some(command)) => {
            let which = Which { dir, stream, group };
            match command {
                Command::Stat(args) => stat(which, args),
                Command::Peek(args) => peek(which, args),
                Command::Kick(args) => kick(which, args),
            }
        }
        (_, _, None) => {
            return Err(Failure::Usage(
                "stat, peek or kick must stand behind the group".into(),
            ));
        }
        _ => {
            return Err(Failure::Usage(
                "a stream and a group must stand before the command".into(),
            ));
        }
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

fn stat(which: Which<'_>, args: &Stat) -> Result<(), Failure> {
    let (store, queue) = which.look()?;
    let stat = queue.stat()?;
    let shown = Shown::new(which, &stat);
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

fn peek(which: Which<'_>, args: &Peek) -> Result<(), Failure> {
    let format = args.format.format()?;
    let (store, queue) = which.look()?;
    let mut output = Output::stdout();
    for (number, message) in queue.peek(args.max_count)? {
        output.message(&message, format.in_partition(number))?;
    }
    queue.close()?;
    store.close()?;
    output.flush()
}

fn kick(which: Which<'_>, args: &Kick) -> Result<(), Failure> {
    // Opening to write makes what is missing: the group, and the stream of its letters.
    drop(which.look()?);
    let store = open::existing(which.dir, &StoreOptions::new())?;
    store.stream(&args.dead_letter)?;
    let how = QueueOptions::new().dead_letter(&args.dead_letter);
    let queue = store.queue(which.stream, which.group, how)?;
    let kicked = queue.kick(args.max_count)?;
    queue.close()?;
    store.close()?;
    print(&Kicked { kicked })
}

impl Which<'_> {
    /// Opens a queue that is there, to look at it.
    fn look(&self) -> Result<(Store, Queue<PartitionLog>), Failure> {
        let store = open::for_reading(self.dir)?;
        match store.queue(self.stream, self.group, QueueOptions::new()) {
            Err(Error::NoLog { path }) if path.starts_with(self.dir.join("queues")) => {
                Err(Failure::NoGroup {
                    stream: self.stream.to_owned(),
                    group: self.group.to_owned(),
                })
            }
            queue => Ok((store, queue?)),
        }
    }
}

impl<'a> Shown<'a> {
    fn new(which: Which<'a>, stat: &QueueStat) -> Shown<'a> {
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
            stream: which.stream,
            group: which.group,
            open: sum(QueuedPartition::open),
            leased: sum(|of| of.leased),
            delayed: sum(|of| of.delayed),
            buried: stat.buried,
            partitions: partitions.collect(),
        }
    }
}
