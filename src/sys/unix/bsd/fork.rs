//! The number of this process, which the system's library raises in a child of a fork.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// How many forks lie between the first process that asked for its number, and this one.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// Whether forks are counted: one of the three below.
static STATE: AtomicU8 = AtomicU8::new(NOT_ASKED);
const NOT_ASKED: u8 = 0;
const COUNTED: u8 = 1;
/// The library had no memory for it. The id of the process has to do.
const NOT_COUNTED: u8 = 2;

/// The number of this process: not that of an ancestor or a descendant that shares memory with it
/// by a fork. This takes no lock, because a fork can come at any moment.
#[inline]
pub(in crate::sys) fn process_number() -> u64 {
    match STATE.load(Ordering::Acquire) {
        COUNTED => FORKS.load(Ordering::Relaxed),
        NOT_COUNTED => u64::from(std::process::id()),
        _ => first_use(),
    }
}

/// Asks to be told of forks. Several threads may do so at once, and then each fork is counted more
/// than once, which makes no difference.
#[cold]
fn first_use() -> u64 {
    // SAFETY: what is to be called in a child changes an atomic number, and nothing else.
    #[expect(unsafe_code, reason = "a call of libc")]
    let status = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    let state = if status == 0 { COUNTED } else { NOT_COUNTED };
    // All threads go by what the first has found.
    let _ = STATE.compare_exchange(NOT_ASKED, state, Ordering::AcqRel, Ordering::Acquire);
    process_number()
}

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}
