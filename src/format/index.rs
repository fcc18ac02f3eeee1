//! The header and the layout of an index file.
//!
//! An index file is derived from one segment file and bound to its exact content. A file that is
//! missing, damaged or bound to other content is built again. The layout is described in
//! `docs/format.md`; `index::sealed` searches the file in place.

use super::Salt;
use super::bytes::{array, u32_at, u64_at};
use super::header::{begin, checked};
use super::index_defect::IndexDefect;

/// Bytes of an index file's header; the first section begins behind it.
pub(crate) const INDEX_HEADER_LEN: usize = HEADER_LEN as usize;

/// Bytes that one checksum of the page table covers.
pub(crate) const INDEX_PAGE_LEN: usize = PAGE_LEN as usize;

/// The number of records for which the time index keeps one full time.
pub(crate) const TIME_BLOCK_LEN: u32 = 16;

/// Hash slots in a cache line. A table consists of whole lines.
pub(crate) const SLOTS_IN_LINE: u32 = 16;

/// Every section begins at a multiple of this, in bytes, so that a line of slots is a cache line.
const ALIGNMENT: u64 = 64;

const HEADER_LEN: u16 = 128;
const PAGE_LEN: u32 = 4096;

const MAGIC: [u8; 8] = *b"DURAMENI";

const KEYS: u32 = 1;
const TIMES: u32 = 1 << 1;
const GAPS: u32 = 1 << 2;
const CONTROLS: u32 = 1 << 3;
const KNOWN_FLAGS: u32 = KEYS | TIMES | GAPS | CONTROLS;

/// Which questions an index answers, besides that for an offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexKinds {
    pub(crate) key: bool,
    pub(crate) time: bool,
}

/// The one segment content that an index was made from.
///
/// The salt distinguishes segments, the generation the rewrites of one segment, and length and last
/// checksum the states of a growing segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) salt: Salt,
    pub(crate) base: u64,
    pub(crate) generation: u32,
    pub(crate) segment_len: u32,
    /// The checksum of the segment's last frame, or of its header if it has no frames.
    pub(crate) last_checksum: u32,
}

/// What an index file says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexHeader {
    pub(crate) kinds: IndexKinds,
    /// Whether offsets are missing between the first record and the last; then each record's offset
    /// is stored.
    pub(crate) gaps: bool,
    pub(crate) binding: Binding,
    /// Number of records.
    pub(crate) count: u32,
    /// The index answers for offsets from the binding's base up to this one (exclusive).
    pub(crate) end: u64,
    /// The latest time of a message; 0 without times or without records, and the earliest time
    /// there is if all records are control records.
    pub(crate) time_max: i64,
    /// Number of hash slots; 0 without keys.
    pub(crate) slots: u32,
    /// Number of records that have a key; 0 without keys.
    pub(crate) keyed: u32,
    /// Number of records that are not messages.
    pub(crate) controls: u32,
    /// The checksum of the page table.
    pub(crate) table_checksum: u32,
}

impl IndexHeader {
    pub(crate) fn encode(&self) -> [u8; INDEX_HEADER_LEN] {
        let flag = |on: bool, flag: u32| if on { flag } else { 0 };
        let flags = flag(self.kinds.key, KEYS)
            | flag(self.kinds.time, TIMES)
            | flag(self.gaps, GAPS)
            | flag(self.controls > 0, CONTROLS);
        begin(MAGIC, HEADER_LEN)
            .put(&flags.to_le_bytes())
            .put(&self.binding.salt.0)
            .put(&self.binding.base.to_le_bytes())
            .put(&self.binding.generation.to_le_bytes())
            .put(&self.binding.segment_len.to_le_bytes())
            .put(&self.binding.last_checksum.to_le_bytes())
            .put(&self.count.to_le_bytes())
            .put(&self.end.to_le_bytes())
            .put(&self.time_max.to_le_bytes())
            .put(&self.slots.to_le_bytes())
            .put(&self.keyed.to_le_bytes())
            .put(&self.sections().file_len.to_le_bytes())
            .put(&self.table_checksum.to_le_bytes())
            .put(&self.controls.to_le_bytes())
            .seal()
    }

    /// Reads the header of a file of `file_len` bytes.
    pub(crate) fn decode(bytes: &[u8], file_len: u64) -> Result<IndexHeader, IndexDefect> {
        let header = checked(bytes, MAGIC, HEADER_LEN)?;
        let decoded = Self::fields(header).ok_or(IndexDefect::Header)?;
        let computed = decoded.sections().file_len;
        if u64_at(header, 80) != Some(computed) {
            return Err(IndexDefect::Header);
        }
        if computed != file_len {
            return Err(IndexDefect::Length);
        }
        Ok(decoded)
    }

    fn fields(header: &[u8]) -> Option<IndexHeader> {
        let flags = u32_at(header, 12)?;
        let decoded = IndexHeader {
            kinds: IndexKinds {
                key: flags & KEYS != 0,
                time: flags & TIMES != 0,
            },
            gaps: flags & GAPS != 0,
            binding: Binding {
                salt: Salt(array(header, 16)?),
                base: u64_at(header, 32)?,
                generation: u32_at(header, 40)?,
                segment_len: u32_at(header, 44)?,
                last_checksum: u32_at(header, 48)?,
            },
            count: u32_at(header, 52)?,
            end: u64_at(header, 56)?,
            time_max: array(header, 64).map(i64::from_le_bytes)?,
            slots: u32_at(header, 72)?,
            keyed: u32_at(header, 76)?,
            controls: u32_at(header, 92)?,
            table_checksum: u32_at(header, 88)?,
        };
        let plain = flags & !KNOWN_FLAGS == 0
            && (flags & CONTROLS != 0) == (decoded.controls > 0)
            && array::<28>(header, 96)? == [0; 28];
        (plain && decoded.is_consistent()?).then_some(decoded)
    }

    /// Whether the fields are consistent; `None` if a sum of them overflows.
    fn is_consistent(&self) -> Option<bool> {
        let messages = self.count.checked_sub(self.controls)?;
        let dense_end = self.binding.base.checked_add(u64::from(self.count))?;
        let keys = if self.kinds.key {
            // At least one slot stays empty, so that a search for an absent hash ends.
            self.slots >= SLOTS_IN_LINE && self.slots.is_multiple_of(SLOTS_IN_LINE) && self.keyed <= messages
        } else {
            self.slots == 0 && self.keyed == 0
        };
        let times = (self.kinds.time && self.count > 0) || self.time_max == 0;
        Some(keys && times && self.end >= dense_end && (!self.gaps || self.end > dense_end))
    }

    pub(crate) fn sections(&self) -> Sections {
        let count = u64::from(self.count);
        let blocks = if self.kinds.time {
            u64::from(self.count.div_ceil(TIME_BLOCK_LEN))
        } else {
            0
        };
        let mut at = u64::from(HEADER_LEN);
        // Each of the sizes is below 2^35: the sum cannot overflow.
        let mut section = |len: u64| {
            let start = at;
            at = (at + len).next_multiple_of(ALIGNMENT);
            start
        };
        let positions = section(4 * count);
        let offsets = section(if self.gaps { 4 * count } else { 0 });
        let time_starts = section(8 * blocks);
        let time_shifts = section(blocks);
        let time_steps = section(2 * u64::from(TIME_BLOCK_LEN) * blocks);
        let links = section(if self.kinds.key { 4 * count } else { 0 });
        let slots = section(4 * u64::from(self.slots));
        let controls = section(4 * u64::from(self.controls));
        let table = section(0);
        let pages = table.div_ceil(u64::from(PAGE_LEN));
        Sections {
            positions,
            offsets,
            time_starts,
            time_shifts,
            time_steps,
            links,
            slots,
            controls,
            table,
            pages,
            file_len: table + 4 * pages,
        }
    }
}

/// Where the sections of an index file begin.
///
/// The layout follows from the header's counts and flags. It is not stored, so it cannot contradict
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sections {
    /// A u32 a record: its position in the segment.
    pub(crate) positions: u64,
    /// With gaps, a u32 a record: its offset less the base.
    pub(crate) offsets: u64,
    /// An i64 a block of [`TIME_BLOCK_LEN`] records: the running maximum of the times at the
    /// block's first record.
    pub(crate) time_starts: u64,
    /// A u8 a block: by how many bits the block's steps are shifted.
    pub(crate) time_shifts: u64,
    /// A u16 a record, in whole blocks: the running maximum less the block's start, shifted right;
    /// 65,535 behind the last record.
    pub(crate) time_steps: u64,
    /// A u32 a record: 1 + the ordinal of the next older record with the same key hash, or 0.
    pub(crate) links: u64,
    /// A hash table of u32.
    pub(crate) slots: u64,
    /// A u32 a control record: its ordinal.
    pub(crate) controls: u64,
    /// A u32 a page: its checksum.
    pub(crate) table: u64,
    /// Number of pages. Page `n` consists of the bytes `n * 4096..(n + 1) * 4096`, as far as they
    /// lie between header and table.
    pub(crate) pages: u64,
    pub(crate) file_len: u64,
}

impl Sections {
    /// The range of bytes of a page.
    pub(crate) fn page(&self, page: u64) -> std::ops::Range<u64> {
        let start = page.saturating_mul(u64::from(PAGE_LEN));
        start.max(u64::from(HEADER_LEN))..start.saturating_add(u64::from(PAGE_LEN)).min(self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::super::checksum;
    use super::*;
    use crate::format::TEST_STRIDE;

    fn example() -> IndexHeader {
        IndexHeader {
            kinds: IndexKinds {
                key: true,
                time: true,
            },
            gaps: true,
            binding: Binding {
                salt: Salt([1; 16]),
                base: 2,
                generation: 3,
                segment_len: 4,
                last_checksum: 5,
            },
            count: 2000,
            end: 3000,
            time_max: -8,
            slots: 2688,
            keyed: 1999,
            controls: 0,
            table_checksum: 9,
        }
    }

    #[test]
    fn a_header_is_read_back() {
        let full = example();
        let plain = IndexHeader {
            kinds: IndexKinds {
                key: false,
                time: false,
            },
            gaps: false,
            time_max: 0,
            slots: 0,
            keyed: 0,
            ..full
        };
        for header in [
            full,
            plain,
            IndexHeader {
                count: 0,
                end: 2,
                ..plain
            },
            IndexHeader { controls: 1, ..full },
            IndexHeader {
                controls: 2000,
                keyed: 0,
                ..full
            },
        ] {
            assert_eq!(
                IndexHeader::decode(&header.encode(), header.sections().file_len),
                Ok(header)
            );
        }
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = example().encode();
        let len = example().sections().file_len;
        for bit in (0..bytes.len() * 8).step_by(TEST_STRIDE) {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(IndexHeader::decode(&flipped, len).is_err(), "bit {bit}");
        }
        for short in (0..bytes.len()).step_by(TEST_STRIDE) {
            assert!(
                IndexHeader::decode(&bytes[..short], len).is_err(),
                "length {short}"
            );
        }
        assert_eq!(IndexHeader::decode(&bytes, len + 1), Err(IndexDefect::Length));
    }

    /// Fields that contradict each other are refused even if the checksum is right.
    #[test]
    fn nonsense_is_refused() {
        let good = example();
        for header in [
            IndexHeader {
                kinds: IndexKinds {
                    key: false,
                    time: true,
                },
                ..good
            },
            IndexHeader {
                kinds: IndexKinds {
                    key: true,
                    time: false,
                },
                ..good
            },
            IndexHeader { slots: 2687, ..good },
            IndexHeader { slots: 0, ..good },
            IndexHeader { keyed: 2001, ..good },
            IndexHeader { controls: 2, ..good },
            IndexHeader {
                controls: 2001,
                keyed: 0,
                ..good
            },
            IndexHeader { end: 2001, ..good },
            IndexHeader { end: 2002, ..good },
            IndexHeader {
                binding: Binding {
                    base: u64::MAX - 1,
                    ..good.binding
                },
                ..good
            },
        ] {
            let len = header.sections().file_len;
            assert_eq!(
                IndexHeader::decode(&header.encode(), len),
                Err(IndexDefect::Header),
                "{header:?}"
            );
        }
        let mut newer = good.encode();
        newer[8] = 2;
        let sum = checksum(0, &newer[..124]);
        newer[124..].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(
            IndexHeader::decode(&newer, good.sections().file_len),
            Err(IndexDefect::Version(2))
        );
    }

    /// The layout of the largest header that can be encoded does not overflow.
    #[test]
    fn sections_lie_one_after_the_other() {
        for (count, slots) in [
            (0, 16),
            (1, 16),
            (17, 32),
            (2000, 2688),
            (u32::MAX, u32::MAX - 15),
        ] {
            let header = IndexHeader {
                count,
                slots,
                keyed: 0,
                controls: count,
                ..example()
            };
            let l = header.sections();
            let starts = [
                l.positions,
                l.offsets,
                l.time_starts,
                l.time_shifts,
                l.time_steps,
                l.links,
                l.slots,
                l.controls,
                l.table,
                l.file_len,
            ];
            assert!(starts.is_sorted() && starts[0] == 128);
            assert!(starts[..9].iter().all(|start| start.is_multiple_of(ALIGNMENT)));
            assert_eq!(l.page(0).start, 128);
            assert_eq!(l.page(l.pages - 1).end, l.table);
        }
    }
}
