//! `duramen mirror` and `duramen restore-s2`: what the program `duramen-s2` does, which comes with
//! the package of that name, so that nobody else has what it depends on.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::Failure;

/// The program.
const PROGRAM: &str = "duramen-s2";

#[derive(Debug, clap::Args)]
pub(crate) struct Passed {
    /// What the program takes; --help tells
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Becomes the program, with this command. Returns only if that fails.
pub(crate) fn run(command: &str, args: &Passed) -> Result<(), Failure> {
    let program = beside().unwrap_or_else(|| PROGRAM.into());
    let source = Command::new(program)
        .arg(OsStr::new(command))
        .args(&args.args)
        .exec();
    if source.kind() == std::io::ErrorKind::NotFound {
        return Err(Failure::Missing { program: PROGRAM });
    }
    Err(Failure::Io {
        operation: "start duramen-s2",
        source,
    })
}

/// The program where this one is.
fn beside() -> Option<PathBuf> {
    let beside = env::current_exe().ok()?.with_file_name(PROGRAM);
    beside.is_file().then_some(beside)
}
