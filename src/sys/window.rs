use std::marker::PhantomData;

/// A range of a mapping that is filled from its start, by the one thread that stores.
///
/// The invariants of [`Map`](super::Map) hold: bytes are copied in, and nothing refers to them.
#[derive(Debug)]
pub(crate) struct Window<'m> {
    /// Where the next byte goes.
    at: *mut u8,
    len: usize,
    /// Bytes that there is still room for.
    room: usize,
    /// Whether more was put than there was room for.
    is_overfull: bool,
    map: PhantomData<&'m ()>,
    #[cfg(feature = "fault")]
    sim: Option<Gathered<'m>>,
}

/// What is stored to a simulated mapping in one piece.
#[cfg(feature = "fault")]
#[derive(Debug)]
struct Gathered<'m> {
    map: &'m super::sim::SimMap,
    position: u64,
    bytes: Vec<u8>,
}

#[cfg(feature = "fault")]
impl<'m> Window<'m> {
    /// A window of `len` bytes at `position` of a simulated mapping.
    pub(super) fn sim(map: &'m super::sim::SimMap, position: u64, len: usize) -> Self {
        Window {
            at: std::ptr::null_mut(),
            len,
            room: len,
            is_overfull: false,
            map: PhantomData,
            sim: Some(Gathered {
                map,
                position,
                bytes: Vec::with_capacity(len),
            }),
        }
    }
}

impl Window<'_> {
    /// A window of `len` bytes.
    ///
    /// # Safety
    ///
    /// The bytes from `start` on lie within a writable mapping and its file, for as long as the
    /// lifetime lasts.
    #[inline]
    #[expect(unsafe_code, reason = "the caller vouches for the range")]
    pub(super) unsafe fn new(start: *mut u8, len: usize) -> Self {
        Window {
            at: start,
            len,
            room: len,
            is_overfull: false,
            map: PhantomData,
            #[cfg(feature = "fault")]
            sim: None,
        }
    }

    /// Stores `bytes` behind what was stored; nothing is stored if there is no room for all.
    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        if bytes.len() > self.room {
            self.is_overfull = true;
            return;
        }
        self.room -= bytes.len();
        #[cfg(feature = "fault")]
        if let Some(sim) = &mut self.sim {
            sim.bytes.extend_from_slice(bytes);
            return;
        }
        // SAFETY: there was room for `bytes` in the range that `new` was called with, and they
        // cannot overlap it, because no reference into a mapping is ever made.
        #[expect(unsafe_code, reason = "stores through the mapping")]
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.at, bytes.len());
        }
        self.at = self.at.wrapping_add(bytes.len());
    }

    /// How many bytes were put.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len - self.room
    }

    /// Ends storing; returns whether exactly as many bytes were put as the window has.
    #[inline]
    #[must_use]
    pub(crate) fn finish(self) -> bool {
        #[cfg(feature = "fault")]
        if let Some(sim) = &self.sim
            && !sim.map.store(sim.position, &sim.bytes)
        {
            return false;
        }
        self.room == 0 && !self.is_overfull
    }
}

#[cfg(test)]
mod tests {
    use super::Window;
    use crate::sys::Map;
    use crate::sys::os::OsFile;

    /// Goal: nothing outside is touched. Method: Miri runs this, which knows of no mappings.
    #[test]
    fn a_window_on_memory_stays_inside() {
        let mut memory = [7_u8; 32];
        // SAFETY: the range lies in the array, which outlives the window.
        #[expect(unsafe_code, reason = "a range of the test's own")]
        let mut window = unsafe { Window::new(memory[8..24].as_mut_ptr(), 16) };
        window.put(&[1; 10]);
        window.put(&[2; 7]);
        window.put(&[3; 6]);
        assert_eq!(window.len(), 16);
        assert!(!window.finish(), "seven did not fit");
        assert_eq!(memory[..8], [7; 8]);
        assert_eq!(memory[8..18], [1; 10]);
        assert_eq!(memory[18..24], [3; 6]);
        assert_eq!(memory[24..], [7; 8]);
    }

    #[test]
    fn a_window_takes_as_much_as_it_has() {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(8192).expect("longer");
        let file = OsFile::new(file);
        let mapped = |writable| {
            let map = file.map(8192, writable).expect("a mapping");
            Map::os(map, writable, 8192, 4096)
        };
        let map = mapped(true);
        let mut window = map.window(100, 10).expect("a window");
        window.put(b"12345");
        assert_eq!(window.len(), 5);
        window.put(b"67890");
        window.put(b"1");
        assert!(!window.finish(), "overfull");
        let mut part = map.window(110, 3).expect("a window");
        part.put(b"12");
        assert!(!part.finish(), "not full");
        let mut full = map.window(110, 1).expect("a window");
        full.put(b"\0");
        assert!(full.finish());
        assert_eq!(map.array(99), Some(*b"\x001234567890\x00"));
        assert!(map.window(4090, 10).is_none(), "beyond what was reserved");
        assert!(mapped(false).window(0, 10).is_none());
        assert!(Map::from_bytes(vec![0; 100]).window(0, 10).is_none());
    }
}
