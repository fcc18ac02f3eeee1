//! The header of a segment file.

use super::Salt;
use super::bytes::{array, u32_at, u64_at};
use super::header::{HeaderDefect, begin, checked};
use crate::control::ControlState;

/// Bytes of a segment's header; frames begin behind it.
pub(crate) const SEGMENT_HEADER_LEN: u64 = HEADER_LEN as u64;

/// The largest length of a segment, in bytes: its end is a `u32`, with room left for a marker and
/// for rounding to pages.
pub(crate) const SEGMENT_LEN_MAX: u64 = u32::MAX as u64 - 2 * 4096;

/// The position of a segment's first frame.
pub(crate) const FRAMES_START: u32 = HEADER_LEN as u32;

/// A segment's header as it is stored.
pub(crate) type SegmentHeaderBytes = [u8; HEADER_LEN as usize];

const HEADER_LEN: u16 = 192;

const MAGIC: [u8; 8] = *b"DURAMENL";
const NONE: u64 = u64::MAX;

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) log_id: [u8; 16],
    pub(crate) salt: Salt,
    pub(crate) base: u64,
    pub(crate) epoch: u64,
    /// The segment before it as it was when this one was created; `None` for a log's first.
    pub(crate) previous: Option<Previous>,
    /// All segments with a base below this offset were durable when this segment was created.
    pub(crate) durable_base: u64,
    /// When this segment was created, in seconds since the Unix epoch, by a clock that may have
    /// been wrong; 0 before 1970, or if not known, and the largest number after 2106.
    pub(crate) created: u32,
    /// The latest time of a message in the segment before it that is by the clock, in seconds,
    /// rounded up; 0 if no message there has such a time, the largest number if it is not known.
    pub(crate) previous_clock: u32,
    /// `None` for a segment as it was published.
    pub(crate) rewrite: Option<Rewrite>,
    /// What the records in front of this segment have come to.
    pub(crate) control: ControlState,
}

/// What a rewritten segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rewrite {
    /// Goes up with each rewrite; not 0.
    pub(crate) generation: u32,
    /// The last of the segments that it replaces, as that one was before its first rewrite: the
    /// segment behind knows it as this.
    pub(crate) origin: Previous,
    /// The offset that the segment reaches up to (exclusive).
    pub(crate) end: u64,
    /// Where its frames end.
    pub(crate) len: u32,
    /// The checksum of its last frame; 0 if it has none.
    pub(crate) last_checksum: u32,
}

/// How a segment knows the one in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) base: u64,
    pub(crate) len: u32,
    /// The checksum of its last frame, or of its header if it has no frames.
    pub(crate) last_checksum: u32,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> SegmentHeaderBytes {
        let previous = self.previous.unwrap_or(Previous {
            base: NONE,
            len: 0,
            last_checksum: 0,
        });
        let rewrite = self.rewrite.unwrap_or(Rewrite {
            generation: 0,
            origin: Previous {
                base: self.base,
                len: 0,
                last_checksum: 0,
            },
            end: 0,
            len: 0,
            last_checksum: 0,
        });
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whoever merges segments has compared"
        )]
        let origin_first = rewrite.origin.base.saturating_sub(self.base) as u32;
        begin(MAGIC, HEADER_LEN)
            .put(&self.previous_clock.to_le_bytes())
            .put(&self.log_id)
            .put(&self.salt.0)
            .put(&self.base.to_le_bytes())
            .put(&self.epoch.to_le_bytes())
            .put(&previous.base.to_le_bytes())
            .put(&previous.len.to_le_bytes())
            .put(&previous.last_checksum.to_le_bytes())
            .put(&self.durable_base.to_le_bytes())
            .put(&rewrite.generation.to_le_bytes())
            .put(&rewrite.origin.len.to_le_bytes())
            .put(&rewrite.origin.last_checksum.to_le_bytes())
            .put(&origin_first.to_le_bytes())
            .put(&rewrite.end.to_le_bytes())
            .put(&rewrite.len.to_le_bytes())
            .put(&rewrite.last_checksum.to_le_bytes())
            .put(&self.created.to_le_bytes())
            .put(&self.control.encode())
            .seal()
    }

    /// The base offset of the last segment that this one replaces: its own, unless several were
    /// merged.
    pub(crate) fn last_base(&self) -> u64 {
        self.rewrite.map_or(self.base, |rewrite| rewrite.origin.base)
    }

    /// The generation that the next rewrite of this segment gets.
    pub(crate) fn next_generation(&self) -> crate::Result<u32> {
        let next = self.generation().checked_add(1);
        next.ok_or(crate::Error::Invalid("the segment was rewritten too often"))
    }

    /// The segment's generation, which goes up with each rewrite; 0 for a segment as it was
    /// published.
    pub(crate) fn generation(&self) -> u32 {
        self.rewrite.map_or(0, |rewrite| rewrite.generation)
    }

    /// Whether a segment may begin with these bytes, of which there may be few: its header, or the
    /// zeros that a power cut leaves.
    pub(crate) fn may_begin_with(bytes: &[u8]) -> bool {
        let magic = bytes.get(..MAGIC.len()).unwrap_or(bytes);
        MAGIC.starts_with(magic) || bytes.iter().all(|byte| *byte == 0)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<SegmentHeader, HeaderDefect> {
        let header = checked(bytes, MAGIC, HEADER_LEN)?;
        Self::fields(header).ok_or(HeaderDefect::Damaged)
    }

    fn fields(header: &[u8]) -> Option<SegmentHeader> {
        let previous_base = u64_at(header, 64)?;
        let previous = Previous {
            base: previous_base,
            len: u32_at(header, 72)?,
            last_checksum: u32_at(header, 76)?,
        };
        Some(SegmentHeader {
            log_id: array(header, 16)?,
            salt: Salt(array(header, 32)?),
            base: u64_at(header, 48)?,
            epoch: u64_at(header, 56)?,
            previous: (previous_base != NONE).then_some(previous),
            durable_base: u64_at(header, 80)?,
            created: u32_at(header, 120)?,
            previous_clock: u32_at(header, 12)?,
            rewrite: match u32_at(header, 88)? {
                0 => None,
                generation => Some(Self::rewrite(header, u64_at(header, 48)?, generation)?),
            },
            control: ControlState::decode(&array(header, 124)?)?,
        })
    }

    fn rewrite(header: &[u8], base: u64, generation: u32) -> Option<Rewrite> {
        let origin = Previous {
            base: base.checked_add(u64::from(u32_at(header, 100)?))?,
            len: u32_at(header, 92)?,
            last_checksum: u32_at(header, 96)?,
        };
        Some(Rewrite {
            generation,
            origin,
            end: u64_at(header, 104)?,
            len: u32_at(header, 112)?,
            last_checksum: u32_at(header, 116)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Token;
    use crate::format::TEST_STRIDE;

    fn example() -> SegmentHeader {
        SegmentHeader {
            log_id: [1; 16],
            salt: Salt([2; 16]),
            base: 3,
            epoch: 4,
            previous: Some(Previous {
                base: 0,
                len: 128,
                last_checksum: 5,
            }),
            durable_base: 3,
            created: 13,
            previous_clock: 14,
            rewrite: Some(Rewrite {
                generation: 6,
                origin: Previous {
                    base: 5,
                    len: 7,
                    last_checksum: 8,
                },
                end: 9,
                len: 11,
                last_checksum: 12,
            }),
            control: ControlState {
                token: Token::new("token").expect("short"),
                trim_to: 3,
                ..ControlState::default()
            },
        }
    }

    #[test]
    fn a_header_is_read_back() {
        for header in [
            example(),
            SegmentHeader {
                previous: None,
                rewrite: None,
                ..example()
            },
        ] {
            assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header));
        }
    }

    /// Every single bit flip and every shorter length is noticed.
    #[test]
    fn damage_is_noticed() {
        let bytes = example().encode();
        for bit in (0..bytes.len() * 8).step_by(TEST_STRIDE) {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&flipped).is_err(), "bit {bit}");
        }
        for len in (0..bytes.len()).step_by(TEST_STRIDE) {
            assert!(SegmentHeader::decode(&bytes[..len]).is_err(), "length {len}");
        }
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let mut bytes = example().encode();
        bytes[8] = 2;
        let sum = super::super::checksum(0, &bytes[..188]);
        bytes[188..].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderDefect::Version(2)));
    }
}
