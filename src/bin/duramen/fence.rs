//! `duramen fence`: giving a log another fencing token.

use std::path::PathBuf;

use duramen::{Control, Log as _, PublishOptions, Token};

use crate::failure::Failure;
use crate::open;
use crate::summary::{END_HELP, End};

/// Give a log another fencing token, and print a summary as one JSON line.
///
/// From then on, whoever publishes with another token fails. Who publishes without one is not
/// refused, unless a service has opened the log so that it requires one. Without --token, the log
/// is fenced whatever its token is. The fence is on stable storage when the command ends.
#[derive(Debug, clap::Args)]
#[command(after_long_help = END_HELP)]
pub(crate) struct Args {
    /// The log's directory
    dir: PathBuf,

    /// The new token: a text of at most 36 bytes, which may be empty
    #[arg(value_name = "TOKEN")]
    new: Token,

    /// Only if this is the log's token; otherwise the exit code is 1
    #[arg(long, value_name = "OLD", allow_hyphen_values = true)]
    token: Option<Token>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let log = open::existing(&args.dir, false)?;
    let how = PublishOptions::new().sync(true).and(Control::Fence(args.new));
    let ack = log.append(&[], &args.token.map_or(how, |token| how.token(token)))?;
    log.close()?;
    End::new(ack.end.offset).print()
}
