//! `duramen`: logs in directories, from the command line.
//!
//! The standard output carries nothing but data. Messages to the user go to the standard error.
//! Exit codes: 0 done, 1 failed, refused or not found, 2 wrong usage, 3 corruption found, 4 an
//! interrupted backup, restore or import.

mod backup;
mod bench;
mod check;
mod compact;
mod completions;
mod conditions;
mod consume;
mod csv;
mod cursors;
mod delete;
mod delimiter;
mod directories;
mod dump;
mod elsewhere;
mod export;
mod failure;
mod fence;
mod follow;
mod format;
mod generations;
mod get;
mod header;
mod import;
mod incoming;
mod input;
mod json;
mod key;
mod klevdb;
mod man;
mod open;
mod output;
mod position;
mod progress;
mod publish;
mod publisher;
mod quarantine;
mod queue;
mod ranges;
mod reader;
mod recover;
mod restore;
mod seal;
mod signals;
mod size;
mod stat;
mod store;
mod streams;
mod summary;
mod target;
mod trim;
mod unseal;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use failure::Failure;
use output::Output;
use streams::tell;

/// Work with duramen logs: append-only logs of messages, each in a directory of its own.
///
/// Data goes to the standard output and messages to the user go to the standard error. Exit codes:
/// 0 done, 1 failed, refused or not found, 2 wrong usage, 3 corruption found, 4 an interrupted
/// backup, restore or import. One process at a time writes to a log, and any number of processes
/// read it meanwhile.
#[derive(Debug, Parser)]
#[command(name = "duramen", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Publish(publish::Args),
    Consume(consume::Args),
    Get(get::Args),
    Stat(stat::Args),
    Check(check::Args),
    Trim(trim::Args),
    Compact(compact::Args),
    Delete(delete::Args),
    Fence(fence::Args),
    Seal(seal::Args),
    Unseal(unseal::Args),
    Recover(recover::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Import(import::Args),
    Export(export::Args),
    Dump(dump::Args),
    Cursors(cursors::Args),
    Queue(queue::Args),
    Store(store::Args),
    /// Ship a log to a stream of S2 (`duramen-s2` has to be installed)
    ///
    /// The package of that name has the command; see its --help.
    #[command(disable_help_flag = true)]
    Mirror(elsewhere::Passed),
    /// Make a log of a stream of S2 (`duramen-s2` has to be installed)
    ///
    /// The package of that name has the command; see its --help.
    #[command(disable_help_flag = true)]
    RestoreS2(elsewhere::Passed),
    Bench(bench::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// Whether the command has something to finish when a signal comes.
    fn handles_signals(&self) -> bool {
        match self {
            Command::Publish(_) | Command::Consume(_) => true,
            Command::Store(args) => args.handles_signals(),
            _ => false,
        }
    }

    fn run(&self) -> Result<(), Failure> {
        if !self.handles_signals() {
            signals::end_at_once();
        }
        match self {
            Command::Publish(args) => publish::run(args),
            Command::Consume(args) => consume::run(args),
            Command::Get(args) => get::run(args),
            Command::Stat(args) => stat::run(args),
            Command::Check(args) => check::run(args),
            Command::Trim(args) => trim::run(args),
            Command::Compact(args) => compact::run(args),
            Command::Delete(args) => delete::run(args),
            Command::Fence(args) => fence::run(args),
            Command::Seal(args) => seal::run(args),
            Command::Unseal(args) => unseal::run(args),
            Command::Recover(args) => recover::run(args),
            Command::Backup(args) => backup::run(args),
            Command::Restore(args) => restore::run(args),
            Command::Import(args) => import::run(args),
            Command::Export(args) => export::run(args),
            Command::Dump(args) => dump::run(args),
            Command::Cursors(args) => cursors::run(args),
            Command::Queue(args) => queue::run(args),
            Command::Store(args) => store::run(args),
            Command::Mirror(args) => elsewhere::run("mirror", args),
            Command::RestoreS2(args) => elsewhere::run("restore-s2", args),
            Command::Bench(args) => bench::run(args),
            Command::Completions(args) => completions::run(args, Cli::command()),
            Command::Man(args) => man::run(args, Cli::command()),
        }
    }
}

fn main() -> ExitCode {
    let done = match Cli::try_parse() {
        Ok(cli) => cli.command.run(),
        Err(error) => print(&error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Prints the help, the version or an error of usage.
fn print(error: &clap::Error) -> Result<(), Failure> {
    let is_usage = error.use_stderr();
    let is_terminal = if is_usage {
        io::stderr().is_terminal()
    } else {
        io::stdout().is_terminal()
    };
    let text = error.render().to_string();
    if is_terminal {
        // In colour, if the terminal has it.
        let _ = error.print();
    } else if is_usage {
        tell(text.trim_end_matches('\n'));
    } else {
        let mut output = Output::stdout();
        output.bytes(text.as_bytes())?;
        output.flush()?;
    }
    if is_usage { Err(Failure::UsageTold) } else { Ok(()) }
}
