//! A process that has a log open forks.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use duramen::{Error, Log, NewMessage, Result};

use super::{MESSAGES, child_in, options, publish, read};
use crate::common::{self, run_child};

/// Goal: a fork of a process that has a log open can do it no harm. Method: the child of a fork publishes, syncs and
/// closes; the parent goes on and reads everything back.
#[test]
fn a_fork_does_no_harm() {
    let home = common::fast_dir();
    run_child(child_in(home.path(), "fork"));
    read(&options().open(home.path()).expect("a reopen"), MESSAGES).expect("reads");
}

pub(super) fn fork(dir: &Path) {
    let log = std::sync::Arc::new(options().open(dir).expect("a new log"));
    publish(&log, 0..MESSAGES / 2).expect("publishes");
    let forked = std::sync::Arc::clone(&log);
    let mut command = Command::new("/bin/true");
    let in_fork = move || {
        let poisoned = |error: Result<u64>| matches!(error, Err(Error::Poisoned));
        let wrong = if !poisoned(forked.publish(&[NewMessage::value(b"from the fork")])) {
            Some(1)
        } else if !poisoned(forked.sync()) {
            Some(2)
        } else if forked.close().is_err() {
            Some(3)
        } else {
            None
        };
        wrong.map_or(Ok(()), |wrong| Err(io::Error::from_raw_os_error(wrong)))
    };
    // SAFETY: what runs in the child of the fork is only the library's, this process has no other threads that could
    // hold a lock of it, and memory can be allocated there.
    #[expect(unsafe_code, reason = "there is no other way into the child of a fork")]
    unsafe {
        command.pre_exec(in_fork);
    }
    let status = command
        .status()
        .expect("1: publishes, 2: syncs, 3: does not close");
    assert!(status.success());
    publish(&log, MESSAGES / 2..MESSAGES).expect("the parent goes on");
    run_child(child_in(dir, "find locked"));
    log.close().expect("a close");
}
