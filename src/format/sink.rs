use crate::sys::Window;

/// Where frames are built, one piece behind the other.
pub(crate) trait Sink {
    /// Appends `bytes`.
    fn put(&mut self, bytes: &[u8]);

    /// How many bytes were appended so far.
    fn len(&self) -> u64;
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn len(&self) -> u64 {
        Vec::len(self) as u64
    }
}

impl Sink for Window<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        Window::put(self, bytes);
    }

    #[inline]
    fn len(&self) -> u64 {
        Window::len(self) as u64
    }
}
