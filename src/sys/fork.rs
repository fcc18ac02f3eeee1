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
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use memmap2::MmapMut;

/// A process, told apart from its ancestors and their descendants as far as these share memory with
/// it by a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(u64);

/// A page with the number of this process. In a child of a fork the system fills it with zeros.
/// Null until it is first needed; [`NO_PAGE`] if the system has no such pages.
static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// Stands for a page where there is none.
static NO_PAGE: AtomicU64 = AtomicU64::new(0);

/// The last number given out in this process or its ancestors: a child goes on above it.
static LAST: AtomicU64 = AtomicU64::new(0);

impl Process {
    /// The process that calls this.
    ///
    /// This costs two loads, whereas asking for the process id would cost a system call.
    #[inline]
    pub(crate) fn current() -> Process {
        let number = page().map_or(0, |page| page.load(Ordering::Relaxed));
        if number == 0 { first_use() } else { Process(number) }
    }

    /// Whether it is this process that calls this.
    #[inline]
    pub(crate) fn is_current(self) -> bool {
        self == Process::current()
    }
}

#[inline]
fn page() -> Option<&'static AtomicU64> {
    let page = PAGE.load(Ordering::Acquire);
    // SAFETY: the pointer is null, or leads to a static or to the start of a page that is aligned,
    // is never unmapped and is only accessed through atomics.
    #[expect(unsafe_code, reason = "the page is no Rust object")]
    unsafe {
        page.as_ref()
    }
}

/// Gives this process its number.
#[cold]
fn first_use() -> Process {
    let page = page().unwrap_or_else(make_page);
    if ptr::eq(page, &raw const NO_PAGE) {
        return Process(u64::from(std::process::id()));
    }
    let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    match page.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Process(number),
        // Another thread was first.
        Err(number) => Process(number),
    }
}

/// Makes the page, unless another thread is first.
fn make_page() -> &'static AtomicU64 {
    let made = wiped_on_fork();
    let start = made.as_ref().map_or((&raw const NO_PAGE).cast_mut(), |page| {
        page.as_ptr().cast_mut().cast()
    });
    let published = PAGE.compare_exchange(ptr::null_mut(), start, Ordering::AcqRel, Ordering::Acquire);
    if published.is_ok() {
        // From now on others use it.
        std::mem::forget(made);
    }
    page().unwrap_or(&NO_PAGE)
}

/// A page of zeros that in a child of a fork is zeros again.
fn wiped_on_fork() -> Option<MmapMut> {
    let mut page = MmapMut::map_anon(4096).ok()?;
    let start = page.as_mut_ptr().cast();
    // SAFETY: the range is the whole of a private anonymous mapping that this function owns. In
    // this process the advice changes no byte of it; in a child the page reads as zeros, which are
    // valid bytes.
    #[expect(unsafe_code, reason = "advice on a raw range")]
    unsafe { rustix::mm::madvise(start, page.len(), rustix::mm::Advice::LinuxWipeOnFork) }.ok()?;
    Some(page)
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
