//! Checked little-endian access: nothing here panics on any input.

/// The `N` bytes at `at`.
#[inline]
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[inline]
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

#[inline]
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

#[inline]
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// Writes fields one after the other into a header of fixed length.
pub(super) struct Fields<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Fields<N> {
    pub(super) fn new() -> Fields<N> {
        Fields { bytes: [0; N], at: 0 }
    }

    /// Appends `field`. A field that does not fit is left out; the length checks in every format's
    /// tests would show that.
    pub(super) fn put(mut self, field: &[u8]) -> Fields<N> {
        if let Some(target) = self.bytes.get_mut(self.at..self.at + field.len()) {
            target.copy_from_slice(field);
        }
        self.at += field.len();
        self
    }

    /// Returns the header, with the checksum of all other bytes in its last four.
    pub(super) fn seal(mut self) -> [u8; N] {
        if let Some((body, end)) = self.bytes.split_last_chunk_mut::<4>() {
            *end = super::checksum(0, body).to_le_bytes();
        }
        self.bytes
    }
}

/// Whether the last four bytes are the checksum of all the others.
pub(super) fn is_sealed(bytes: &[u8]) -> bool {
    bytes
        .split_last_chunk::<4>()
        .is_some_and(|(body, end)| *end == super::checksum(0, body).to_le_bytes())
}
