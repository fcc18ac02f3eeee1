use std::sync::OnceLock;

use memmap2::MmapMut;

/// A page that the system fills with zeros in a child of `fork`.
static PAGE: OnceLock<Option<MmapMut>> = OnceLock::new();

/// Whether this process is a fork of the one that first called this.
///
/// A child shares the parent's locks and mappings but has none of its threads, so it must not write
/// to the parent's logs. This check costs one load, whereas comparing process ids would cost a
/// system call. If the system has no such pages, the result is always false.
#[inline]
pub(crate) fn is_forked() -> bool {
    let page = PAGE.get_or_init(|| {
        let mut page = MmapMut::map_anon(4096).ok()?;
        let start = page.as_mut_ptr().cast();
        // SAFETY: the range is the whole of a private anonymous mapping that this function owns. In
        // this process the advice changes no byte of it; in a child the page reads as zeros, which
        // are valid bytes.
        #[expect(unsafe_code, reason = "advice on a raw range")]
        unsafe { rustix::mm::madvise(start, page.len(), rustix::mm::Advice::LinuxWipeOnFork) }.ok()?;
        page[0] = 1;
        Some(page)
    });
    page.as_ref().is_some_and(|page| page[0] == 0)
}
