use crate::sys::Window;

/// Where frames are built, one piece behind the other.
pub(crate) trait Sink {
    /// Appends `bytes`.
    fn put(&mut self, bytes: &[u8]);

    /// How many bytes were appended so far.
    fn len(&self) -> u64;
}

/// Appends a header that begins with its checksum and goes on in words of 8 bytes, in these pieces.
/// It has just been stored in them, and loading it in larger ones would wait for the stores.
#[inline]
pub(crate) fn put_in_words(sink: &mut impl Sink, header: &[u8]) {
    let (sum, words) = header.split_at(4);
    sink.put(sum);
    for word in words.chunks(8) {
        sink.put(word);
    }
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
