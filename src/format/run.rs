//! The header of a key run: the newest offset of every key hash in a range of segments.

use super::bytes::{array, u32_at, u64_at};
use super::header::{begin, checked};
use super::index_defect::IndexDefect;
use super::segment::Previous;

/// Bytes of a key run's header; entries begin behind it.
pub(crate) const RUN_HEADER_LEN: usize = LEN as usize;
/// Bytes of an entry. The hash is in the upper half; in the lower is the offset less the key run's
/// first offset.
pub(crate) const RUN_ENTRY_LEN: usize = 8;

const LEN: u16 = 96;
const MAGIC: [u8; 8] = *b"DURAMENK";

/// What a key run says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunHeader {
    pub(crate) log_id: [u8; 16],
    /// The base offset of the first segment.
    pub(crate) first: u64,
    /// The offset that the last segment reaches up to (exclusive).
    pub(crate) end: u64,
    /// How the segment behind knows the last segment; this binds the key run to its content.
    pub(crate) last: Previous,
    /// The number of entries.
    pub(crate) count: u32,
    /// CRC32C of the entries.
    pub(crate) checksum: u32,
}

impl RunHeader {
    pub(crate) fn encode(&self) -> [u8; RUN_HEADER_LEN] {
        begin(MAGIC, LEN)
            .put(&[0; 4])
            .put(&self.log_id)
            .put(&self.first.to_le_bytes())
            .put(&self.end.to_le_bytes())
            .put(&self.last.base.to_le_bytes())
            .put(&self.last.len.to_le_bytes())
            .put(&self.last.last_checksum.to_le_bytes())
            .put(&self.count.to_le_bytes())
            .put(&self.checksum.to_le_bytes())
            .seal()
    }

    /// Reads the header of a file of `len` bytes.
    pub(crate) fn decode(bytes: &[u8; RUN_HEADER_LEN], len: u64) -> Result<RunHeader, IndexDefect> {
        let header = checked(bytes, MAGIC, LEN)?;
        let header = Self::fields(header).ok_or(IndexDefect::Header)?;
        let expected = RUN_HEADER_LEN as u64 + u64::from(header.count) * RUN_ENTRY_LEN as u64;
        if len == expected {
            Ok(header)
        } else {
            Err(IndexDefect::Length)
        }
    }

    fn fields(bytes: &[u8]) -> Option<RunHeader> {
        Some(RunHeader {
            log_id: array(bytes, 16)?,
            first: u64_at(bytes, 32)?,
            end: u64_at(bytes, 40)?,
            last: Previous {
                base: u64_at(bytes, 48)?,
                len: u32_at(bytes, 56)?,
                last_checksum: u32_at(bytes, 60)?,
            },
            count: u32_at(bytes, 64)?,
            checksum: u32_at(bytes, 68)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::TEST_STRIDE;

    fn example() -> RunHeader {
        RunHeader {
            log_id: [1; 16],
            first: 2,
            end: 3,
            last: Previous {
                base: 2,
                len: 4,
                last_checksum: 5,
            },
            count: 6,
            checksum: 7,
        }
    }

    #[test]
    fn a_header_is_read_back() {
        let bytes = example().encode();
        assert_eq!(RunHeader::decode(&bytes, 96 + 48), Ok(example()));
        assert_eq!(RunHeader::decode(&bytes, 96 + 40), Err(IndexDefect::Length));
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = example().encode();
        for bit in (0..bytes.len() * 8).step_by(TEST_STRIDE) {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(RunHeader::decode(&flipped, 96 + 48).is_err(), "bit {bit}");
        }
    }
}
