//! `duramen restore-s2`: making a log of a stream.

use std::path::PathBuf;

use duramen::Options;
use duramen_s2::restore_from_s2;
use indicatif::ProgressBar;

use crate::failure::Failure;
use crate::target::Target;

/// Make a log of a stream of S2 that a mirror has shipped, with the offsets of the log that it was.
///
/// A stream that no mirror has shipped becomes a log with the offsets of the stream. The summary is
/// one JSON line.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SUMMARY_HELP)]
pub(crate) struct Args {
    /// The new log's directory, which must hold no log
    dir: PathBuf,

    #[command(flatten)]
    target: Target,

    /// Give the log a key index
    #[arg(long)]
    key_index: bool,

    /// Give the log a time index
    #[arg(long)]
    time_index: bool,
}

const SUMMARY_HELP: &str = "\
The summary is {\"messages\":N,\"start_offset\":N,\"next_offset\":N}. If this is interrupted, every command on the new
log fails with exit code 4. Run the same command again to start it anew.

The access token is read from the variable S2_ACCESS_TOKEN.";

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let log = args.target.store()?.open(&args.target.stream)?;
    let options = Options::new()
        .create_dirs(true)
        .key_index(args.key_index)
        .time_index(args.time_index);
    let bar = ProgressBar::new_spinner().with_message("restoring");
    let restored = restore_from_s2(&log, &args.dir, &options, |messages| bar.set_position(messages))?;
    bar.finish_and_clear();
    println!(
        "{{\"messages\":{},\"start_offset\":{},\"next_offset\":{}}}",
        restored.messages, restored.start_offset, restored.next_offset
    );
    Ok(())
}
