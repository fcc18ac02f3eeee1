//! The number of this process, on a page that the system wipes in a child of a fork.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use memmap2::MmapMut;
use rustix::mm::{Advice, madvise};

/// A page with the number of this process. In a child of a fork the system fills it with zeros.
/// Null until it is first needed; [`NO_PAGE`] if the system has no such pages.
static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// Stands for a page where there is none.
static NO_PAGE: AtomicU64 = AtomicU64::new(0);

/// The last number given out in this process or its ancestors: a child goes on above it.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The number of this process: not that of an ancestor or a descendant that shares memory with it
/// by a fork. This takes no lock, because a fork can come at any moment.
#[inline]
pub(in crate::sys) fn process_number() -> u64 {
    let number = page().map_or(0, |page| page.load(Ordering::Relaxed));
    if number == 0 { first_use() } else { number }
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
fn first_use() -> u64 {
    let page = page().unwrap_or_else(make_page);
    if ptr::eq(page, &raw const NO_PAGE) {
        return u64::from(std::process::id());
    }
    let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    match page.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => number,
        // Another thread was first.
        Err(number) => number,
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
    unsafe { madvise(start, page.len(), Advice::LinuxWipeOnFork) }.ok()?;
    Some(page)
}
