use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::atomic::{lower, raise};
use super::os::{Mapping, Twin};
use super::prefetch::prefetch;
use super::window::Window;

/// A shared mapping of the first bytes of a file.
///
/// Bytes are copied in and out, never borrowed: others can change a mapping at any time, so no
/// reference into it may exist. Only positions below [`len`](Map::len), which the file really has,
/// are accessed.
///
/// Two rules keep readers from seeing half a message. Memory safety does not depend on them.
///
/// 1. Only one thread at a time stores, and never to positions that it has already published to
///    readers.
/// 2. It publishes a position with a release store to a variable outside the mapping. Readers load
///    this variable with acquire ordering.
///
/// If another process truncates the file under a mapping, the next access kills this process with
/// SIGBUS. The lock on the directory keeps every user of this library from doing so.
#[derive(Debug)]
pub(crate) struct Map {
    /// Where the mapped bytes begin; null where nothing is mapped.
    start: Start,
    len: AtomicU64,
    capacity: u64,
    inner: Inner,
    /// See [`in_order`](Map::in_order); `None` inside if there is no second mapping.
    in_order: OnceLock<Option<Box<Map>>>,
}

/// An address in a mapping, which the same [`Map`] keeps.
#[derive(Clone, Copy, Debug)]
struct Start(*const u8);

// SAFETY: this is an address only. Whoever reads there has to give the reason why that is right.
#[expect(unsafe_code, reason = "an address is not bound to a thread")]
unsafe impl Send for Start {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "an address is not bound to a thread")]
unsafe impl Sync for Start {}

impl Start {
    #[inline]
    fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// The address `at` bytes further.
    #[inline]
    fn at(self, at: usize) -> *const u8 {
        self.0.wrapping_add(at)
    }
}

/// A file that is read instead of mapped.
pub(super) trait ReadWhole: std::fmt::Debug + Send + Sync {
    /// Fills `buffer` from `position` on; `None` unless the file has as much.
    fn read_whole(&self, position: u64, buffer: &mut [u8]) -> Option<()>;

    /// Records that the file was renamed.
    fn set_path(&mut self, path: &Path);
}

#[derive(Debug)]
enum Inner {
    Os {
        map: Mapping,
        writable: bool,
    },
    /// The second mapping of the same bytes.
    Twin(Twin),
    Memory(Box<[u8]>),
    /// A file that is read: it has holes, or somebody else writes to it, or nothing is mapped where
    /// it is.
    File {
        file: Box<dyn ReadWhole>,
        is_appendable: bool,
    },
    #[cfg(feature = "fault")]
    Sim(super::sim::SimMap),
}

/// Bytes in a line of the processor's cache.
const LINE_LEN: usize = 64;

impl Map {
    pub(super) fn os(map: Mapping, writable: bool, capacity: u64, len: u64) -> Map {
        Map::of(Inner::Os { map, writable }, capacity, len)
    }

    fn of(inner: Inner, capacity: u64, len: u64) -> Map {
        let start = match &inner {
            Inner::Os { map, .. } => Start(map.as_ptr()),
            Inner::Twin(twin) => Start(twin.as_ptr()),
            _ => Start(std::ptr::null()),
        };
        Map {
            start,
            len: AtomicU64::new(len),
            capacity,
            inner,
            in_order: OnceLock::new(),
        }
    }

    /// The same bytes for readers that go through them in order: the system reads ahead.
    ///
    /// What is mapped read-only is mapped a second time for this, at the first call, because the
    /// system is told for each mapping how it is used. Everything else is returned as it is.
    #[inline]
    pub(crate) fn in_order(&self) -> &Map {
        let twin = self.in_order.get_or_init(|| self.twin().map(Box::new));
        twin.as_deref().unwrap_or(self)
    }

    #[cold]
    fn twin(&self) -> Option<Map> {
        match &self.inner {
            Inner::Os { map, writable: false } => {
                Some(Map::of(Inner::Twin(map.twin()?), self.capacity, self.len()))
            }
            _ => None,
        }
    }

    /// The same bytes for a load of so many: in order if page after page would take long.
    #[inline]
    pub(crate) fn for_len(&self, len: u64) -> &Map {
        const LARGE: u64 = 64 << 10;
        if len < LARGE { self } else { self.in_order() }
    }

    /// A read-only map of bytes in memory instead of a file.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Map {
        let len = bytes.len() as u64;
        Map::of(Inner::Memory(bytes.into_boxed_slice()), len, len)
    }

    /// The first `len` bytes of a file that is not mapped. They are read when they are loaded.
    pub(super) fn reading(file: Box<dyn ReadWhole>, len: u64, capacity: u64) -> Map {
        let is_appendable = false;
        Map::of(Inner::File { file, is_appendable }, capacity, len)
    }

    /// The same of a file that is appended to, by calls.
    pub(super) fn appending(file: Box<dyn ReadWhole>, len: u64, capacity: u64) -> Map {
        let is_appendable = true;
        Map::of(Inner::File { file, is_appendable }, capacity, len)
    }

    /// Records that the file was renamed.
    pub(crate) fn set_path(&mut self, path: &Path) {
        if let Inner::File { file, .. } = &mut self.inner {
            file.set_path(path);
        }
    }

    #[cfg(feature = "fault")]
    pub(super) fn sim(map: super::sim::SimMap, capacity: u64, len: u64) -> Map {
        Map::of(Inner::Sim(map), capacity, len)
    }

    /// Whether the file may be appended to: by stores through this mapping and by calls, or by
    /// calls alone.
    pub(crate) fn is_appendable(&self) -> bool {
        match &self.inner {
            Inner::Os { writable, .. } => *writable,
            Inner::Twin(_) | Inner::Memory(_) => false,
            Inner::File { is_appendable, .. } => *is_appendable,
            #[cfg(feature = "fault")]
            Inner::Sim(map) => map.takes_stores(),
        }
    }

    /// The number of bytes that may be accessed.
    pub(crate) fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    /// The number of bytes that the mapping could cover if the file had them.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Records that the file now has `len` bytes, all of them allocated.
    pub(crate) fn grow(&self, len: u64) {
        raise(&self.len, len.min(self.capacity));
    }

    /// Records that the file is about to be truncated to `len` bytes, so that nothing after them is
    /// accessed any more.
    pub(crate) fn shrink(&self, len: u64) {
        lower(&self.len, len);
        if let Some(Some(second)) = self.in_order.get() {
            lower(&second.len, len);
        }
    }

    /// Prepares the pages from `from` to `to` for stores, if the system can. This only saves time.
    pub(crate) fn populate(&self, from: u64, to: u64) {
        match &self.inner {
            Inner::Os { map, .. } => map.populate(from, to.min(self.capacity)),
            Inner::Twin(_) | Inner::Memory(_) | Inner::File { .. } => {}
            #[cfg(feature = "fault")]
            Inner::Sim(_) => {}
        }
    }

    /// Unmaps the pages from `from` to `to`, which stay in the system's cache. Call this before a
    /// sync of many bytes that were stored through this mapping.
    ///
    /// A sync write-protects each page that it writes and flushes it, one by one, from the TLB of
    /// every processor that runs this process. Unmapping all pages first takes a single flush. This
    /// only saves time: the next access maps a page again.
    pub(crate) fn let_go(&self, from: u64, to: u64) {
        match &self.inner {
            Inner::Os { map, .. } => map.let_go(from, to.min(self.capacity)),
            Inner::Twin(_) | Inner::Memory(_) | Inner::File { .. } => {}
            #[cfg(feature = "fault")]
            Inner::Sim(_) => {}
        }
    }

    /// Syncs the bytes from `from` to `to` to stable storage. A failure has the same consequences
    /// as one of [`File::sync`](super::File::sync). This does not replace that sync, because it
    /// does not include the file's length.
    pub(crate) fn sync_part(&self, from: u64, to: u64) -> io::Result<()> {
        match &self.inner {
            Inner::Os { map, .. } => map.flush(from, to.min(self.capacity)),
            Inner::Twin(_) | Inner::Memory(_) | Inner::File { .. } => Ok(()),
            #[cfg(feature = "fault")]
            Inner::Sim(map) => map.sync_part(),
        }
    }

    /// The `len` bytes from `position` on, to be stored one behind the other; `None` unless all of
    /// them lie below [`len`](Map::len) and the map takes stores.
    #[inline]
    pub(crate) fn window(&self, position: u64, len: usize) -> Option<Window<'_>> {
        let at = self.range(position, len)?;
        match &self.inner {
            Inner::Os { map, writable: true } => {
                // SAFETY: `range` has checked that the bytes lie within the mapping and the file.
                // The mapping is writable, and lasts as long as `self`.
                #[expect(unsafe_code, reason = "stores through the mapping")]
                Some(unsafe { Window::new(map.as_mut_ptr().add(at), len) })
            }
            #[cfg(feature = "fault")]
            Inner::Sim(map) if map.takes_stores() => Some(Window::sim(map, position, len)),
            _ => None,
        }
    }

    /// Stores `bytes` at `position`; false if they cannot be stored.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn store(&self, position: u64, bytes: &[u8]) -> bool {
        self.window(position, bytes.len()).is_some_and(|mut window| {
            window.put(bytes);
            window.finish()
        })
    }

    /// Fills `buffer` from `position` on. Returns `None` unless all of the range lies below
    /// [`len`](Map::len).
    #[must_use]
    #[inline]
    pub(crate) fn load(&self, position: u64, buffer: &mut [u8]) -> Option<()> {
        let at = self.range(position, buffer.len())?;
        if self.start.is_null() {
            return self.load_unmapped(position, buffer);
        }
        // SAFETY: `range` has checked that the bytes lie within the mapping and the file, and no
        // reference into a mapping exists that `buffer` could overlap.
        #[expect(unsafe_code, reason = "loads through the mapping")]
        unsafe {
            std::ptr::copy_nonoverlapping(self.start.at(at), buffer.as_mut_ptr(), buffer.len());
        }
        Some(())
    }

    /// The `N` bytes from `position` on.
    #[must_use]
    #[inline]
    pub(crate) fn array<const N: usize>(&self, position: u64) -> Option<[u8; N]> {
        let at = self.range(position, N)?;
        if self.start.is_null() {
            return self.array_unmapped(position);
        }
        // SAFETY: `range` has checked that the bytes lie within the mapping and the file. An array
        // of bytes has no alignment, and every value of its bytes is valid.
        #[expect(unsafe_code, reason = "loads through the mapping")]
        Some(unsafe { self.start.at(at).cast::<[u8; N]>().read() })
    }

    /// Appends the `len` bytes from `position` on to `buffer`. Does nothing and returns `None`
    /// unless all of them exist.
    #[must_use]
    pub(crate) fn append_to(&self, position: u64, len: usize, buffer: &mut Vec<u8>) -> Option<()> {
        let at = self.range(position, len)?;
        if self.start.is_null() {
            let start = buffer.len();
            buffer.resize(start + len, 0);
            let loaded = self.load_unmapped(position, buffer.get_mut(start..)?);
            if loaded.is_none() {
                buffer.truncate(start);
            }
            return loaded;
        }
        buffer.reserve(len);
        // SAFETY: `range` has checked the source, `reserve` has made room for `len` bytes after the
        // vector's length, and the copy initialises them before the length is increased.
        #[expect(unsafe_code, reason = "loads through the mapping without zeroing first")]
        unsafe {
            let end = buffer.as_mut_ptr().add(buffer.len());
            std::ptr::copy_nonoverlapping(self.start.at(at), end, len);
            buffer.set_len(buffer.len() + len);
        }
        Some(())
    }

    /// Has the processor fetch the first `len` bytes from `position` on, all at once, while the
    /// caller goes on. This only saves time.
    #[inline]
    pub(crate) fn prefetch(&self, position: u64, len: u64) {
        let len = len.min(self.len().saturating_sub(position));
        if self.start.is_null() || len == 0 {
            return;
        }
        let (Ok(at), Ok(len)) = (usize::try_from(position), usize::try_from(len)) else {
            return;
        };
        for line in (0..len).step_by(LINE_LEN) {
            prefetch(self.start.at(at + line));
        }
    }

    /// Loads where nothing is mapped. It stands apart, so that what is mapped is read without a
    /// call.
    #[cold]
    #[inline(never)]
    fn load_unmapped(&self, position: u64, buffer: &mut [u8]) -> Option<()> {
        let at = self.range(position, buffer.len())?;
        match &self.inner {
            Inner::Os { .. } | Inner::Twin(_) => return None,
            Inner::Memory(held) => buffer.copy_from_slice(held.get(at..at + buffer.len())?),
            Inner::File { file, .. } => file.read_whole(position, buffer)?,
            #[cfg(feature = "fault")]
            Inner::Sim(map) => map.load(position, buffer),
        }
        Some(())
    }

    #[cold]
    #[inline(never)]
    fn array_unmapped<const N: usize>(&self, position: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.load_unmapped(position, &mut bytes)?;
        Some(bytes)
    }

    /// Whether the bytes at `position` are `bytes`.
    #[must_use]
    pub(crate) fn equals(&self, position: u64, bytes: &[u8]) -> bool {
        let mut piece = [0; 64];
        bytes.chunks(piece.len()).zip(0_u64..).all(|(chunk, i)| {
            let at = position.saturating_add(i * 64);
            let piece = &mut piece[..chunk.len()];
            self.load(at, piece).is_some() && piece == chunk
        })
    }

    /// `position` as an index, if the `len` bytes from there on may be accessed.
    #[inline]
    fn range(&self, position: u64, len: usize) -> Option<usize> {
        let end = position.checked_add(len as u64)?;
        if end > self.len() {
            return None;
        }
        usize::try_from(position).ok()
    }
}
