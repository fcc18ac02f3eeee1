//! `duramen store set`: changing the configuration of a stream.

use std::path::Path;

use duramen::store::{StoreOptions, StreamPatch};

use super::open;
use super::settings::{CONFIG_HELP, Config, Field, Settings};
use crate::failure::Failure;
use crate::summary::print;

/// Change the configuration of a stream, and print all of it as one JSON line.
///
/// What is not named stays as it is. When the command ends, the change is on stable storage. The
/// next process that opens the store keeps the stream so.
#[derive(Debug, clap::Args)]
#[command(after_long_help = CONFIG_HELP)]
pub(super) struct Args {
    /// The stream
    #[arg(value_name = "NAME")]
    stream: String,

    #[command(flatten)]
    settings: Settings,

    /// Set this back to the default: no limit, or off; can be given several times
    #[arg(long, value_enum, value_name = "FIELD")]
    clear: Vec<Field>,
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    let patch = args.settings.patch(&args.clear)?;
    if patch == StreamPatch::new() {
        return Err(Failure::Usage(
            "nothing is to be set; `duramen store DIR config NAME` prints the configuration".to_owned(),
        ));
    }
    let store = open::existing(dir, &StoreOptions::new())?;
    let config = store.reconfigure(&args.stream, &patch)?;
    store.close()?;
    print(&Config::new(&args.stream, &config))
}
