//! `duramen dump`: the contents of one file of a log.

use std::io;
use std::path::PathBuf;

use duramen::Error;

use crate::failure::Failure;
use crate::output::Output;

/// Print every record of a segment file (FILE.log) or every entry of an index file (FILE.idx), with
/// positions and checksums.
///
/// Damage is reported where it occurs and skipped as far as possible.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file
    file: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut output = Output::stdout();
    match duramen::dump(&args.file, output.writer()) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
            return Err(Failure::OutputClosed);
        }
        dumped => dumped?,
    }
    output.flush()
}
