//! SIGTERM, SIGINT and SIGHUP.
//!
//! A command that has something to finish catches them: a signal is noted, and wakes whatever waits
//! in [`streams`](crate::streams). No thread is needed for that. A second signal changes nothing,
//! because `timeout` and others send each of them twice.
//!
//! As process 1 of a container, a process has no default action: the system ignores the signals
//! that it does not handle.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

static SIGNALS: OnceLock<Signals> = OnceLock::new();

struct Signals {
    came: Arc<AtomicBool>,
    ends_at_once: Arc<AtomicBool>,
    /// Becomes readable with the first signal, and stays so.
    wake: UnixStream,
}

/// From now on, signals are noted, and do not end the process.
pub(crate) fn catch() -> io::Result<()> {
    let (wake, waker) = UnixStream::pair()?;
    let (came, ends_at_once) = (Arc::default(), Arc::default());
    for signal in to_handle() {
        flag::register_conditional_shutdown(signal, exit_code(signal), Arc::clone(&ends_at_once))?;
        flag::register(signal, Arc::clone(&came))?;
        low_level::pipe::register(signal, waker.try_clone()?)?;
    }
    let _ = SIGNALS.set(Signals {
        came,
        ends_at_once,
        wake,
    });
    Ok(())
}

/// Ends the process with the next signal, as the default action would.
pub(crate) fn end_at_once() {
    if let Some(signals) = SIGNALS.get() {
        signals.ends_at_once.store(true, Ordering::SeqCst);
        return;
    }
    if std::process::id() == 1 {
        for signal in to_handle() {
            // If this fails, the command still does its work.
            let _ = flag::register_conditional_shutdown(
                signal,
                exit_code(signal),
                Arc::new(AtomicBool::new(true)),
            );
        }
    }
}

/// Whether a signal has come since they are caught.
pub(crate) fn came() -> bool {
    SIGNALS
        .get()
        .is_some_and(|signals| signals.came.load(Ordering::SeqCst))
}

/// What becomes readable when a signal comes, if they are caught.
pub(crate) fn wake() -> Option<BorrowedFd<'static>> {
    SIGNALS.get().map(|signals| signals.wake.as_fd())
}

fn to_handle() -> Vec<i32> {
    let mut signals = vec![SIGTERM, SIGINT];
    // With `nohup`, a process outlives its terminal.
    if !is_ignored(SIGHUP) {
        signals.push(SIGHUP);
    }
    signals
}

/// Whether the process was started with this signal ignored; true if the system does not tell.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (signal - 1) & 1 == 1)
}

/// As shells tell it of a process that a signal ended.
fn exit_code(signal: i32) -> i32 {
    128 + signal
}
