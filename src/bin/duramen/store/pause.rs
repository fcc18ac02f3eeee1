//! `duramen store pause`: putting partitions of a stream aside.

use std::path::Path;

use super::partitions::{Which, change};
use super::shown::DESCRIBED_HELP;
use crate::failure::Failure;

/// Pause a stream, or partitions of it, and print it as one JSON line.
///
/// Reading a paused partition fails, until somebody publishes to it or resumes it. The pause is on
/// stable storage when the command ends.
#[derive(Debug, clap::Args)]
#[command(after_long_help = DESCRIBED_HELP)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,

    /// Let a publish to one of the paused partitions resume all of them
    #[arg(long)]
    resume_all: bool,
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    change(dir, &args.which, |stream, partitions| {
        stream.pause(partitions, args.resume_all)
    })
}
