//! `duramen store seal`: ending partitions of a stream.

use std::path::Path;

use duramen::store::Stream;

use super::partitions::{Which, change};
use super::shown::DESCRIBED_HELP;
use crate::failure::Failure;

/// Seal a stream, or partitions of it, and print it as one JSON line.
///
/// Nothing is published to a sealed partition, and whoever tries fails. Messages can be read.
/// Sealing again changes nothing. The seal is on stable storage when the command ends.
#[derive(Debug, clap::Args)]
#[command(after_long_help = DESCRIBED_HELP)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    change(dir, &args.which, Stream::seal)
}
