//! Running a child under valgrind.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{CHILD, Outcome};

pub(crate) fn is_installed() -> bool {
    let version = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// The number of instructions of a process that runs the call `times` for each of so many messages.
///
/// Returns `None` if the process ran into the vDSO. Valgrind hides that from libc, but rustix asks
/// the kernel for it unless it is built with its feature `use-libc-auxv`, and then cannot read it.
pub(crate) fn instructions(name: &str, messages: usize, times: usize, dir: &Path) -> Outcome<Option<u64>> {
    let output = Command::new("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(std::env::current_exe()?)
        .args([CHILD, name])
        .args([messages.to_string(), times.to_string()])
        .arg(dir)
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    if text.contains("rustix::backend::param::auxv") {
        return Ok(None);
    }
    if !output.status.success() {
        return Err(format!("{name} failed under valgrind:\n{text}").into());
    }
    // The line is `==123== I   refs:      1,234,567`.
    let line = text.lines().find(|line| line.contains("refs:"));
    let number = line.and_then(|line| line.rsplit(' ').next());
    let number = number.ok_or("valgrind printed no count")?;
    Ok(Some(number.replace(',', "").parse()?))
}
