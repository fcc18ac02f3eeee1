//! `duramen store create`: making a stream.

use std::path::Path;

use duramen::Error;

use super::open;
use super::settings::Settings;
use super::shown::Named;
use crate::failure::Failure;
use crate::summary::print;

/// Make a stream, and print it as one JSON line.
///
/// The store is made if there is none. If there is a stream of this name, the exit code is 1,
/// unless --if-missing is given. When the command ends, the stream is on stable storage.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(super) struct Args {
    /// The name: 1 to 512 bytes, not `.` or `..`, and not with `__` in front
    name: String,

    /// The number of partitions, from 1 to 1024, which stays as it is [default: 1]
    #[arg(long, value_name = "N")]
    partitions: Option<u32>,

    /// If there is a stream of this name, leave it as it is, and print it
    #[arg(long)]
    if_missing: bool,

    #[command(flatten)]
    settings: Settings,
}

const SUMMARY_HELP: &str = "\
The summary is {\"name\":NAME,\"id\":ID,\"partitions\":N}. The id is of 32 hexadecimal digits; the partitions are logs \
in DIR/streams/ID/0 and so on.";

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    let store = open::or_make(dir)?;
    let config = args.settings.config();
    let config = match args.partitions {
        Some(partitions) => config.partitions(partitions),
        None => config,
    };
    let info = match store.create(&args.name, &config) {
        Err(Error::StreamExists { .. }) if args.if_missing => store.stream(&args.name)?.info()?,
        created => created?,
    };
    store.close()?;
    print(&Named::from(info))
}
