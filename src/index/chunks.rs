//! A vector that many threads read while one appends.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU32};

/// Elements in chunks of doubling size. Chunks are made when they are first needed and never moved,
/// so a reader needs no lock and an old reference stays valid.
///
/// The first chunk has `2^FIRST_BITS` elements, so that a log with one message costs next to
/// nothing. In a large chunk only the pages that were stored to take memory.
#[derive(Debug)]
pub(super) struct Chunks<T, const FIRST_BITS: u32> {
    first: Chunk<T>,
    /// Chunk n has `2^(FIRST_BITS + n)` elements, as many as all before it. These chunks are
    /// allocated apart from the first, because most of many idle logs never need them.
    rest: OnceLock<Box<[Chunk<T>; 32]>>,
}

type Chunk<T> = OnceLock<Box<[T]>>;

/// An element of [`Chunks`].
pub(super) trait Element: Sized {
    fn empty(len: usize) -> Box<[Self]>;
}

/// The vector comes zeroed from the system and keeps its memory through the conversion, which
/// changes nothing: pages that nothing is stored to stay unallocated. (Only the use of memory
/// depends on this.)
impl Element for AtomicU32 {
    fn empty(len: usize) -> Box<[AtomicU32]> {
        vec![0_u32; len].into_iter().map(AtomicU32::new).collect()
    }
}

impl Element for AtomicI64 {
    fn empty(len: usize) -> Box<[AtomicI64]> {
        vec![0_i64; len].into_iter().map(AtomicI64::new).collect()
    }
}

impl<T> Element for OnceLock<T> {
    fn empty(len: usize) -> Box<[OnceLock<T>]> {
        (0..len).map(|_| OnceLock::new()).collect()
    }
}

impl<T: Element, const FIRST_BITS: u32> Chunks<T, FIRST_BITS> {
    pub(super) fn new() -> Self {
        Chunks {
            first: OnceLock::new(),
            rest: OnceLock::new(),
        }
    }

    /// The element, if its chunk exists.
    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&T> {
        let (chunk, at) = Self::locate(index);
        match chunk {
            None => self.first.get()?.get(at),
            Some(chunk) => self.rest.get()?.get(chunk)?.get()?.get(at),
        }
    }

    /// The element; its chunk is made if need be.
    #[inline]
    pub(super) fn get_or_make(&self, index: u32) -> &T {
        let (chunk, at) = Self::locate(index);
        let elements = match chunk {
            None => self.first.get_or_init(|| T::empty(1 << FIRST_BITS)),
            Some(chunk) => {
                let rest = self
                    .rest
                    .get_or_init(|| Box::new([const { OnceLock::new() }; 32]));
                rest[chunk].get_or_init(|| T::empty(1_usize << FIRST_BITS << chunk))
            }
        };
        &elements[at]
    }

    /// Bytes that the first `len` elements take; whole pages in a large chunk.
    #[cfg(test)]
    pub(super) fn memory_bytes(&self, len: u32) -> usize {
        if len == 0 {
            return 0;
        }
        let rest = self.rest.get().map_or(0, |rest| size_of_val(&**rest));
        let elements = (len as usize).max(1 << FIRST_BITS) * size_of::<T>();
        rest + if elements < PAGE {
            elements.next_power_of_two()
        } else {
            elements.next_multiple_of(PAGE)
        }
    }

    /// The chunk of an index, `None` for the first, and the place in the chunk.
    #[inline]
    fn locate(index: u32) -> (Option<usize>, usize) {
        let Some(bits) = index.checked_ilog2().filter(|&bits| bits >= FIRST_BITS) else {
            return (None, index as usize);
        };
        (Some((bits - FIRST_BITS) as usize), (index - (1 << bits)) as usize)
    }
}

/// The unit, in bytes, in which the system hands out memory.
#[cfg(test)]
pub(super) const PAGE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn elements_keep_their_values_and_places() {
        // Miri is a thousand times slower.
        const COUNT: u32 = if cfg!(miri) { 700 } else { 100_000 };
        let chunks = Chunks::<AtomicU32, 3>::new();
        for index in 0..COUNT / 20 {
            assert!(chunks.get(index).is_none_or(|element| element.load(Relaxed) == 0));
            chunks.get_or_make(index).store(index + 1, Relaxed);
        }
        let first: *const AtomicU32 = chunks.get(0).unwrap();
        for index in COUNT / 20..COUNT {
            chunks.get_or_make(index).store(index + 1, Relaxed);
        }
        assert!((0..COUNT).all(|index| chunks.get(index).unwrap().load(Relaxed) == index + 1));
        assert!(std::ptr::eq(first, chunks.get(0).unwrap()));
        assert!(chunks.get(u32::MAX).is_none());
    }

    /// Every index up to the largest has a place of its own within its chunk.
    #[test]
    fn chunks_lie_end_to_end() {
        type C = Chunks<AtomicU32, 5>;
        assert_eq!(C::locate(31), (None, 31));
        assert_eq!(C::locate(32), (Some(0), 0));
        assert_eq!(C::locate(63), (Some(0), 31));
        assert_eq!(C::locate(64), (Some(1), 0));
        assert_eq!(C::locate(u32::MAX), (Some(26), (1 << 31) - 1));
        assert_eq!(Chunks::<AtomicU32, 0>::locate(0), (None, 0));
        assert_eq!(
            Chunks::<AtomicU32, 0>::locate(u32::MAX),
            (Some(31), (1 << 31) - 1)
        );
    }
}
