use crate::sys::Map;

/// Bytes copied out of a mapping at a time: few enough to stay in the processor's nearest caches
/// until they have been looked at, and enough for the copy to reach memory speed.
const BUFFER_LEN: usize = 32 << 10;

/// The first piece where little is expected. Each further one is twice as large.
const LITTLE: usize = 1 << 10;

/// A copy, in memory of our own, of the piece of a mapping that was last asked for.
///
/// The bytes are copied because a reference into a mapping must not exist (see [`Map`]). Whoever
/// uses this goes through the mapping in order.
#[derive(Debug, Default)]
pub(crate) struct CopyBuffer {
    bytes: Vec<u8>,
    start: u64,
    /// How many bytes the next piece has, if little is expected.
    little: Option<usize>,
}

impl CopyBuffer {
    /// Forgets what it has, and keeps its memory. Little is expected from now on.
    pub(super) fn expect_little(&mut self) {
        self.bytes.clear();
        self.little = Some(LITTLE);
    }

    /// `len` bytes at `position`, or `None` if they are not all below `limit`.
    #[inline]
    pub(crate) fn get(&mut self, map: &Map, position: u64, len: usize, limit: u64) -> Option<&[u8]> {
        self.get_from(|| Some(map), position, len, limit)
    }

    /// As [`get`](CopyBuffer::get), with the mapping from `map`, which is asked only if it is
    /// needed; `None` also if it has none.
    #[inline]
    pub(crate) fn get_from<'m>(
        &mut self,
        map: impl FnOnce() -> Option<&'m Map>,
        position: u64,
        len: usize,
        limit: u64,
    ) -> Option<&[u8]> {
        let at = position.wrapping_sub(self.start);
        let held = position >= self.start && at + len as u64 <= self.bytes.len() as u64;
        if !held {
            return self.refill(map()?, position, len, limit);
        }
        let at = usize::try_from(at).ok()?;
        self.bytes.get(at..at + len)
    }

    /// `len` bytes at `position`, if the buffer has them.
    #[inline]
    pub(crate) fn held(&self, position: u64, len: usize) -> Option<&[u8]> {
        let at = usize::try_from(position.checked_sub(self.start)?).ok()?;
        self.bytes.get(at..at.checked_add(len)?)
    }

    #[cold]
    fn refill(&mut self, map: &Map, position: u64, len: usize, limit: u64) -> Option<&[u8]> {
        let available = usize::try_from(limit.min(map.len()).checked_sub(position)?).unwrap_or(usize::MAX);
        if len > available {
            return None;
        }
        self.bytes.clear();
        self.start = position;
        let piece = self.little.unwrap_or(BUFFER_LEN);
        self.little = Some(piece * 2).filter(|next| *next < BUFFER_LEN);
        map.in_order()
            .append_to(position, len.max(piece).min(available), &mut self.bytes)?;
        self.bytes.get(..len)
    }

    /// As [`get`](CopyBuffer::get), but with fewer bytes where `limit` comes first.
    #[inline]
    pub(crate) fn get_up_to(&mut self, map: &Map, position: u64, len: usize, limit: u64) -> Option<&[u8]> {
        let available = limit.min(map.len()).checked_sub(position)?;
        self.get(
            map,
            position,
            len.min(usize::try_from(available).unwrap_or(usize::MAX)),
            limit,
        )
    }
}
