//! `duramen store unseal`: opening sealed partitions for publishing again.

use std::path::Path;

use duramen::store::Stream;

use super::partitions::{Which, change};
use super::shown::DESCRIBED_HELP;
use crate::failure::Failure;

/// Open sealed partitions of a stream for publishing again, and print the stream as one JSON line.
///
/// Partitions that are not sealed are not changed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = DESCRIBED_HELP)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    change(dir, &args.which, Stream::unseal)
}
