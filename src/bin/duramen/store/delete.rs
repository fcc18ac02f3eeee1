//! `duramen store delete`: deleting a stream.

use std::path::Path;

use duramen::Options;
use duramen::store::{ListOptions, StoreOptions};

use super::open;
use super::shown::Named;
use crate::failure::Failure;
use crate::progress;
use crate::summary::print;

/// Delete a stream with all its messages, and print it as one JSON line.
///
/// When the command ends, its files are removed, and its name is free. If it is interrupted, the
/// stream is deleted or not; the next process that opens the store removes the rest.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(super) struct Args {
    /// The stream
    #[arg(value_name = "NAME")]
    stream: String,
}

const SUMMARY_HELP: &str = "\
The summary is {\"name\":NAME,\"id\":ID,\"partitions\":N}: what the stream was.";

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    // Without a background, the files are removed before a call returns.
    let options = StoreOptions::new().log(Options::new().background(false));
    let store = open::existing(dir, &options)?;
    // Of the names that begin so, the name itself is the first. One that is being removed is
    // listed, too.
    let found = store.list(&ListOptions::new().prefix(&args.stream).limit(1))?;
    let spinner = progress::spinner("removing");
    store.delete(&args.stream)?;
    store.close()?;
    spinner.finish_and_clear();
    found
        .items
        .into_iter()
        .try_for_each(|info| print(&Named::from(info)))
}
