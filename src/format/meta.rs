//! The log's metadata, of which two copies are kept.

use super::bytes::{array, u32_at, u64_at};
use super::header::{HeaderDefect, begin, checked};

/// Bytes of one copy.
pub(crate) const META_LEN: usize = LEN as usize;

const LEN: u16 = 128;

const MAGIC: [u8; 8] = *b"DURAMENM";
const NONE: u64 = u64::MAX;

const KEY_INDEX: u32 = 1;
const TIME_INDEX: u32 = 1 << 1;
const CLEAN: u32 = 1 << 2;
const VISIBLE_IS_DURABLE: u32 = 1 << 3;
const HAS_GAPS: u32 = 1 << 4;
const UNFINISHED: u32 = 1 << 5;
const IS_COPY: u32 = 1 << 6;
const KNOWN_FLAGS: u32 =
    KEY_INDEX | TIME_INDEX | CLEAN | VISIBLE_IS_DURABLE | HAS_GAPS | UNFINISHED | IS_COPY;

/// The metadata of a log: all that it keeps besides its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags that do not depend on each other"
)]
pub(crate) struct Meta {
    pub(crate) log_id: [u8; 16],
    /// Goes up with every write; of two good copies the one with the larger number is valid.
    pub(crate) sequence: u64,
    pub(crate) epoch: u64,
    pub(crate) start_offset: u64,
    /// No offset below this one may be given out again.
    pub(crate) next_offset: u64,
    pub(crate) key_index: bool,
    pub(crate) time_index: bool,
    /// In the life that wrote this, no message was visible before it was durable.
    pub(crate) visible_is_durable: bool,
    /// Offsets may be missing between the start offset and the next one. Set, durably, before the
    /// first gap is made.
    pub(crate) has_gaps: bool,
    /// A backup onto this copy was begun and not finished: bytes and segments behind the clean end
    /// do not count.
    pub(crate) unfinished: bool,
    /// This log is a backup, and was never written to as a log of its own.
    pub(crate) is_copy: bool,
    /// The base offset of the merged segment of the last merge, and the offset it reaches up to
    /// (exclusive). If the segment with that base really reaches this far, it contains the segments
    /// in between, and those do not count.
    pub(crate) merge: Option<(u64, u64)>,
    /// Set by a clean close, and removed, durably, before the first write of the next life.
    pub(crate) clean: Option<CleanEnd>,
}

/// Where a log that was closed ends. Everything below this end is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CleanEnd {
    /// The newest segment; `None` in a log without segments.
    pub(crate) last: Option<super::Previous>,
}

impl Meta {
    pub(crate) fn encode(&self) -> [u8; META_LEN] {
        let flag = |on: bool, flag: u32| if on { flag } else { 0 };
        let flags = flag(self.key_index, KEY_INDEX)
            | flag(self.time_index, TIME_INDEX)
            | flag(self.clean.is_some(), CLEAN)
            | flag(self.visible_is_durable, VISIBLE_IS_DURABLE)
            | flag(self.has_gaps, HAS_GAPS)
            | flag(self.unfinished, UNFINISHED)
            | flag(self.is_copy, IS_COPY);
        let merge = self.merge.unwrap_or_default();
        let none = super::Previous {
            base: NONE,
            len: 0,
            last_checksum: 0,
        };
        let last = self.clean.and_then(|clean| clean.last).unwrap_or(none);
        begin(MAGIC, LEN)
            .put(&flags.to_le_bytes())
            .put(&self.log_id)
            .put(&self.sequence.to_le_bytes())
            .put(&self.epoch.to_le_bytes())
            .put(&self.start_offset.to_le_bytes())
            .put(&self.next_offset.to_le_bytes())
            .put(&last.base.to_le_bytes())
            .put(&last.len.to_le_bytes())
            .put(&last.last_checksum.to_le_bytes())
            .put(&merge.0.to_le_bytes())
            .put(&merge.1.to_le_bytes())
            .seal()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Meta, HeaderDefect> {
        let header = checked(bytes, MAGIC, LEN)?;
        Self::fields(header).ok_or(HeaderDefect::Damaged)
    }

    fn fields(bytes: &[u8]) -> Option<Meta> {
        let flags = u32_at(bytes, 12)?;
        if flags & !KNOWN_FLAGS != 0 {
            return None;
        }
        let base = u64_at(bytes, 64)?;
        let last = super::Previous {
            base,
            len: u32_at(bytes, 72)?,
            last_checksum: u32_at(bytes, 76)?,
        };
        Some(Meta {
            log_id: array(bytes, 16)?,
            sequence: u64_at(bytes, 32)?,
            epoch: u64_at(bytes, 40)?,
            start_offset: u64_at(bytes, 48)?,
            next_offset: u64_at(bytes, 56)?,
            key_index: flags & KEY_INDEX != 0,
            time_index: flags & TIME_INDEX != 0,
            visible_is_durable: flags & VISIBLE_IS_DURABLE != 0,
            has_gaps: flags & HAS_GAPS != 0,
            unfinished: flags & UNFINISHED != 0,
            is_copy: flags & IS_COPY != 0,
            merge: Some((u64_at(bytes, 80)?, u64_at(bytes, 88)?)).filter(|(_, end)| *end > 0),
            clean: (flags & CLEAN != 0).then(|| CleanEnd {
                last: (base != NONE).then_some(last),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Previous;
    use super::*;
    use crate::format::TEST_STRIDE;

    fn example() -> Meta {
        Meta {
            log_id: [1; 16],
            sequence: 2,
            epoch: 3,
            start_offset: 4,
            next_offset: 5,
            key_index: true,
            time_index: false,
            visible_is_durable: true,
            has_gaps: true,
            unfinished: false,
            is_copy: true,
            merge: Some((6, 8)),
            clean: Some(CleanEnd {
                last: Some(Previous {
                    base: 0,
                    len: 128,
                    last_checksum: 7,
                }),
            }),
        }
    }

    #[test]
    fn metadata_is_read_back() {
        for clean in [None, Some(CleanEnd { last: None }), example().clean] {
            let meta = Meta { clean, ..example() };
            assert_eq!(Meta::decode(&meta.encode()), Ok(meta));
        }
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = example().encode();
        for bit in (0..bytes.len() * 8).step_by(TEST_STRIDE) {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Meta::decode(&flipped).is_err(), "bit {bit}");
        }
        for len in (0..bytes.len()).step_by(TEST_STRIDE) {
            assert!(Meta::decode(&bytes[..len]).is_err(), "length {len}");
        }
    }
}
