//! `duramen dump`: the contents of one file of a log.

use std::io;
use std::path::PathBuf;

use duramen::Error;

use crate::failure::Failure;
use crate::output::Output;

/// Print every record of a segment file (FILE.log) or of a file in the subdirectory quarantine, or
/// every entry of an index file (FILE.idx), with positions and checksums.
///
/// Positions in what was cut out of a segment are those in that segment, which has to be in the log
/// or in the quarantine.
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
