//! This program's child processes, which run a task in memory of their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::workload::ensure;

/// The first argument of a child.
const CHILD: &str = "child";

/// What a child is to do.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) what: String,
    pub(crate) dir: PathBuf,
    pub(crate) number: u64,
}

impl Task {
    /// Returns `None` in a process that is no child.
    pub(crate) fn parse(arguments: &[String]) -> Outcome<Option<Task>> {
        match arguments {
            [first, what, dir, number] if first == CHILD => Ok(Some(Task {
                what: what.clone(),
                dir: PathBuf::from(dir),
                number: number.parse()?,
            })),
            _ => Ok(None),
        }
    }
}

/// The command that starts a child.
pub(crate) fn command(what: &str, dir: &Path, number: u64) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([CHILD, what]).arg(dir).arg(number.to_string());
    Ok(command)
}

/// Runs a child to its end. Returns the numbers that it prints.
pub(crate) fn numbers(what: &str, dir: &Path, number: u64) -> Outcome<Vec<f64>> {
    let output = command(what, dir, number)?.stderr(Stdio::inherit()).output()?;
    ensure(output.status.success(), "a child process failed")?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?)
}
