//! `duramen store resume`: going on with partitions that are paused.

use std::path::Path;

use duramen::store::Stream;

use super::partitions::{Which, change};
use super::shown::DESCRIBED_HELP;
use crate::failure::Failure;

/// Resume paused partitions of a stream, and print the stream as one JSON line.
///
/// Partitions that are not paused are not changed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = DESCRIBED_HELP)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    change(dir, &args.which, Stream::resume)
}
