//! `duramen store`: working with a directory of named, partitioned streams.

mod backup;
mod check;
mod config;
mod consume;
mod create;
mod delete;
mod events;
mod list;
mod logs;
pub(crate) mod open;
mod partitions;
mod pause;
mod publish;
mod recover;
mod restore;
mod set;
mod settings;
mod shown;
mod source;
mod stat;

use std::path::PathBuf;

use clap::Subcommand;
use duramen::store::Stream;

use crate::failure::Failure;
use partitions::{Which, change};
use shown::DESCRIBED_HELP;

pub(crate) use list::each_stream;

/// Work with a store: a directory of named streams, each of one or more partitions.
///
/// Each partition is a log. One process at a time writes to a store, and any number of processes
/// read it meanwhile. Data goes to the standard output as JSON lines. Exit codes: 0 done, 1 failed,
/// refused or not found, 2 wrong usage, 3 corruption found, 4 an interrupted backup or restore.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store's directory
    dir: PathBuf,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(create::Args),
    List(list::Args),
    Config(config::Args),
    Set(set::Args),
    Publish(publish::Args),
    Consume(consume::Args),
    Stat(stat::Args),
    /// Seal a stream, or partitions of it, and print it as one JSON line.
    ///
    /// Nothing is published to a sealed partition, and whoever tries fails. Messages can be read.
    /// Sealing again changes nothing. The seal is on stable storage when the command ends.
    #[command(after_long_help = DESCRIBED_HELP)]
    Seal(Which),
    /// Open sealed partitions of a stream for publishing again, and print the stream as one JSON
    /// line.
    ///
    /// Partitions that are not sealed are not changed.
    #[command(after_long_help = DESCRIBED_HELP)]
    Unseal(Which),
    Pause(pause::Args),
    /// Resume paused partitions of a stream, and print the stream as one JSON line.
    ///
    /// Partitions that are not paused are not changed.
    #[command(after_long_help = DESCRIBED_HELP)]
    Resume(Which),
    Delete(delete::Args),
    Events(events::Args),
    Check(check::Args),
    Recover(recover::Args),
    Backup(backup::Args),
    Restore(restore::Args),
}

impl Args {
    /// Whether the command has something to finish when a signal comes.
    pub(crate) fn handles_signals(&self) -> bool {
        matches!(
            self.command,
            Command::Publish(_) | Command::Consume(_) | Command::Events(_)
        )
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let dir = args.dir.as_path();
    let done = match &args.command {
        Command::Create(args) => create::run(dir, args),
        Command::List(args) => list::run(dir, args),
        Command::Config(args) => config::run(dir, args),
        Command::Set(args) => set::run(dir, args),
        Command::Publish(args) => publish::run(dir, args),
        Command::Consume(args) => consume::run(dir, args),
        Command::Stat(args) => stat::run(dir, args),
        Command::Seal(which) => change(dir, which, Stream::seal),
        Command::Unseal(which) => change(dir, which, Stream::unseal),
        Command::Pause(args) => pause::run(dir, args),
        Command::Resume(which) => change(dir, which, Stream::resume),
        Command::Delete(args) => delete::run(dir, args),
        Command::Events(args) => events::run(dir, args),
        Command::Check(args) => check::run(dir, args),
        Command::Recover(args) => recover::run(dir, args),
        Command::Backup(args) => backup::run(dir, args),
        Command::Restore(args) => restore::run(dir, args),
    };
    done.map_err(Failure::in_store)
}
