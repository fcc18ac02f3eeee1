use std::ffi::c_void;

use memmap2::MmapRaw;
use rustix::mm::{Advice, MremapFlags, madvise, mremap, munmap};

/// A second mapping of the bytes of a read-only one, through which they are read in order.
///
/// The first is told that single pages are touched here and there. Through this one, the system
/// reads ahead, in large pieces.
#[derive(Debug)]
pub(in crate::sys) struct Twin {
    start: *mut c_void,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone, is only read, and stays where it is until the
// value is dropped. Reading and unmapping may happen on any thread.
#[expect(unsafe_code, reason = "a mapping is not bound to a thread")]
unsafe impl Send for Twin {}
// SAFETY: as above; all threads only read.
#[expect(unsafe_code, reason = "a mapping is not bound to a thread")]
unsafe impl Sync for Twin {}

impl Twin {
    /// Whether there are any.
    pub(super) const IS_POSSIBLE: bool = true;

    /// Maps the bytes of `map`, a shared mapping of a file, a second time; `None` if the system
    /// does not.
    pub(super) fn of(map: &MmapRaw) -> Option<Twin> {
        let len = map.len();
        // SAFETY: with an old length of 0, `mremap` leaves the shared mapping at that address as it
        // is and makes another one of the same bytes, where there is room. As it may be anywhere,
        // no other mapping is replaced.
        #[expect(unsafe_code, reason = "makes a mapping")]
        let start = unsafe { mremap(map.as_mut_ptr().cast(), 0, len, MremapFlags::MAYMOVE) }.ok()?;
        let twin = Twin { start, len };
        // SAFETY: the range is the mapping just made. This advice changes no byte.
        #[expect(unsafe_code, reason = "advice on a raw range")]
        unsafe { madvise(start, len, Advice::Normal) }.ok()?;
        Some(twin)
    }

    /// Where its bytes begin; there are as many as in the first mapping.
    pub(in crate::sys) fn as_ptr(&self) -> *const u8 {
        self.start.cast_const().cast()
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        // SAFETY: the range is the mapping that this value has made, and nobody reads in it any
        // more: a `Map` reads only while it is borrowed.
        #[expect(unsafe_code, reason = "removes a mapping")]
        let _ = unsafe { munmap(self.start, self.len) };
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use crate::sys::Map;
    use crate::sys::os::OsFile;

    fn mapped(file: std::fs::File, len: u64, writable: bool) -> Map {
        let map = OsFile::new(file).map(len, writable).expect("a mapping");
        Map::os(map, writable, len, len)
    }

    #[test]
    fn the_second_mapping_has_the_same_bytes() {
        let mut file = tempfile::tempfile().expect("a file");
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        file.write_all(&bytes).expect("written");
        let len = bytes.len() as u64;
        let map = mapped(file, len, false);
        let in_order = map.in_order();
        assert!(
            !std::ptr::eq(in_order, &raw const map),
            "it is mapped a second time"
        );
        assert!(
            std::ptr::eq(in_order.in_order(), in_order),
            "and not a third time"
        );
        assert_eq!(in_order.array(len - 4), Some(99_999_u32.to_le_bytes()));
        assert_eq!(in_order.array::<5>(len - 4), None);
        let mut read = Vec::new();
        in_order.append_to(0, bytes.len(), &mut read).expect("read");
        assert!(read == bytes && !in_order.is_appendable() && !in_order.store(0, b"x"));
        assert_eq!(map.array(4), Some(1_u32.to_le_bytes()));
        assert!(std::ptr::eq(map.for_len(100), &raw const map));
        assert!(std::ptr::eq(map.for_len(1 << 20), in_order));
    }

    #[test]
    fn what_is_stored_to_is_mapped_once() {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(8192).expect("longer");
        let map = mapped(file, 8192, true);
        assert!(std::ptr::eq(map.in_order(), &raw const map));
    }
}
