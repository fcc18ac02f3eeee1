//! `duramen store config`: printing the configuration of a stream.

use std::path::Path;

use super::open;
use super::settings::{CONFIG_HELP, Config};
use crate::failure::Failure;
use crate::summary::print;

/// Print the configuration of a stream as one JSON line.
#[derive(Debug, clap::Args)]
#[command(after_long_help = CONFIG_HELP)]
pub(super) struct Args {
    /// The stream
    #[arg(value_name = "NAME")]
    stream: String,
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    let store = open::for_reading(dir)?;
    let config = store.config(&args.stream)?;
    store.close()?;
    print(&Config::new(&args.stream, &config))
}
