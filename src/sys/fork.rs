//! Telling apart the processes that a fork makes of one.
//!
//! A child of `fork` has a copy of its parent's memory and none of its threads. So whatever the
//! parent's threads were at stays half done there, a lock that one of them held is never released,
//! and what is shared through descriptors and mappings belongs to the parent. The library therefore
//! gives each handle the [`Process`] it was made in, keeps its own state [`PerProcess`], and in a
//! child touches none of its parent's.
//!
//! Nothing here takes a lock, because a fork can come at any moment.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::os::process_number;

/// A process, told apart from its ancestors and their descendants as far as these share memory with
/// it by a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(u64);

impl Process {
    /// The process that calls this.
    ///
    /// This costs a load or two, whereas asking for the process id can cost a system call.
    #[inline]
    pub(crate) fn current() -> Process {
        Process(process_number())
    }

    /// Whether it is this process that calls this.
    #[inline]
    pub(crate) fn is_current(self) -> bool {
        self == Process::current()
    }
}

/// A value in a static that each process has anew.
///
/// The parent's value may be locked for ever in a child, so the child leaves it alone.
#[derive(Debug)]
pub(crate) struct PerProcess<T: 'static>(AtomicPtr<Of<T>>);

#[derive(Debug)]
struct Of<T> {
    process: Process,
    value: T,
}

impl<T: Default + Send + Sync> PerProcess<T> {
    pub(crate) const fn new() -> PerProcess<T> {
        PerProcess(AtomicPtr::new(ptr::null_mut()))
    }

    /// This process's value.
    pub(crate) fn get(&'static self) -> &'static T {
        let process = Process::current();
        let mut held = self.0.load(Ordering::Acquire);
        loop {
            // SAFETY: the pointer is null or leads to an `Of` that was published with release
            // ordering and is never freed.
            #[expect(unsafe_code, reason = "reading through the pointer of an atomic")]
            let found = unsafe { held.as_ref() };
            if let Some(of) = found.filter(|of| of.process == process) {
                return &of.value;
            }
            let made = Box::leak(Box::new(Of {
                process,
                value: T::default(),
            }));
            // Two threads may do this at once. The value of the one that comes second is lost, like
            // the parent's: a few bytes, once a process.
            match self
                .0
                .compare_exchange(held, made, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return &made.value,
                Err(other) => held = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn all_threads_are_of_one_process() {
        static VALUE: PerProcess<AtomicU64> = PerProcess::new();
        let process = Process::current();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    assert!(process.is_current());
                    VALUE.get().fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(VALUE.get().load(Ordering::Relaxed), 8);
    }
}
