//! `duramen-s2`: logs on S2, from the command line. `duramen mirror` and `duramen restore-s2` start
//! it.
//!
//! The standard output carries nothing but data. Exit codes are those of `duramen`: 0 done, 1
//! failed or refused, 2 wrong usage, 3 corruption found, 4 an interrupted backup, restore or
//! import.

mod failure;
mod mirror;
mod restore;
mod target;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Ship a log to a stream of S2, and make a log of a stream.
///
/// The access token is read from the environment: see the help of each command.
#[derive(Debug, Parser)]
#[command(name = "duramen", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Mirror(mirror::Args),
    RestoreS2(restore::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Mirror(args) => mirror::run(&args),
        Command::RestoreS2(args) => restore::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
