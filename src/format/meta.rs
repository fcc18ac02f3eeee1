//! The log's metadata, of which two copies are kept.

use super::bytes::{array, u32_at, u64_at};
use super::header::{HeaderDefect, begin, checked};
use super::index::IndexKinds;
use super::lives::{LIFE_LEN, LIVES_MAX, Lives};
use crate::control::{CONTROL_STATE_LEN, ControlState};
use crate::sys::FileId;

/// Bytes of one copy.
pub(crate) const META_LEN: usize = LEN as usize;

const LEN: u16 = 2048;

const MAGIC: [u8; 8] = *b"DURAMENM";
const NONE: u64 = u64::MAX;

/// Where the sequence number is.
pub(crate) const META_SEQUENCE_AT: u64 = 32;

/// Where the lives begin.
const LIVES_AT: usize = 144;

/// Where the control state begins, and the offset that it is the state at.
const CONTROL_AT: usize = LIVES_AT + LIVES_MAX * LIFE_LEN;
const CONTROL_OFFSET_AT: usize = CONTROL_AT + CONTROL_STATE_LEN;

const KEY_INDEX: u32 = 1;
const TIME_INDEX: u32 = 1 << 1;
const CLEAN: u32 = 1 << 2;
const VISIBLE_IS_DURABLE: u32 = 1 << 3;
const HAS_GAPS: u32 = 1 << 4;
const UNFINISHED: u32 = 1 << 5;
const INCOMPLETE: u32 = 1 << 6;
const KNOWN_FLAGS: u32 =
    KEY_INDEX | TIME_INDEX | CLEAN | VISIBLE_IS_DURABLE | HAS_GAPS | UNFINISHED | INCOMPLETE;

/// The metadata of a log: all that it keeps besides its segments.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags that do not depend on each other"
)]
pub(crate) struct Meta {
    pub(crate) log_id: [u8; 16],
    /// Goes up with every write; of two good copies the one with the larger number is valid.
    pub(crate) sequence: u64,
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
    /// A backup, restore or import to this directory was begun, and what is here is no log until
    /// that is run again.
    pub(crate) incomplete: bool,
    /// The base offset of the merged segment of the last merge, and the offset it reaches up to
    /// (exclusive). If the segment with that base really reaches this far, it contains the segments
    /// in between, and those do not count.
    pub(crate) merge: Option<(u64, u64)>,
    /// The boot, by the system's id, in which the log was written to.
    pub(crate) boot: [u8; 16],
    /// The `LOCK` file in the directory in which the current life goes on. Beside any other file,
    /// this is a copy; beside none, a backup.
    pub(crate) lock: FileId,
    pub(crate) lives: Lives,
    /// Set by a clean close, and removed, durably, before the first write of the next life.
    pub(crate) clean: Option<CleanEnd>,
    /// What the records of the log have come to, and the offset up to which they are counted.
    pub(crate) control: (u64, ControlState),
}

/// Where a log that was closed ends. Everything below this end is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CleanEnd {
    /// The newest segment; `None` in a log without segments.
    pub(crate) last: Option<super::Previous>,
}

impl Meta {
    /// Whether it says that the log was closed, without segments.
    pub(crate) fn was_closed_empty(&self) -> bool {
        self.clean == Some(CleanEnd { last: None })
    }

    pub(crate) fn encode(&self) -> [u8; META_LEN] {
        let flag = |on: bool, flag: u32| if on { flag } else { 0 };
        let flags = flag(self.key_index, KEY_INDEX)
            | flag(self.time_index, TIME_INDEX)
            | flag(self.clean.is_some(), CLEAN)
            | flag(self.visible_is_durable, VISIBLE_IS_DURABLE)
            | flag(self.has_gaps, HAS_GAPS)
            | flag(self.unfinished, UNFINISHED)
            | flag(self.incomplete, INCOMPLETE);
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
            .put(&self.lives.epoch().to_le_bytes())
            .put(&self.start_offset.to_le_bytes())
            .put(&self.next_offset.to_le_bytes())
            .put(&last.base.to_le_bytes())
            .put(&last.len.to_le_bytes())
            .put(&last.last_checksum.to_le_bytes())
            .put(&merge.0.to_le_bytes())
            .put(&merge.1.to_le_bytes())
            .put(&self.boot)
            .put(&self.lock.device.to_le_bytes())
            .put(&self.lock.inode.to_le_bytes())
            .put(&self.lock.made.to_le_bytes())
            .put(&self.lives.count().to_le_bytes())
            .put(&[0; 4])
            .put(&self.lives.encode())
            .put(&self.control.1.encode())
            .put(&self.control.0.to_le_bytes())
            .seal()
    }

    /// What a log has come to that ends at the offset `end`: by its last records `told`, unless the
    /// metadata has counted as many.
    pub(crate) fn control_at(&self, end: u64, told: ControlState) -> ControlState {
        let (counted, known) = self.control;
        if end > counted { known.also_in(told) } else { known }
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
        let (epoch, start_offset, next_offset) = (u64_at(bytes, 40)?, u64_at(bytes, 48)?, u64_at(bytes, 56)?);
        if start_offset > next_offset {
            return None;
        }
        Some(Meta {
            log_id: array(bytes, 16)?,
            sequence: u64_at(bytes, 32)?,
            start_offset,
            next_offset,
            key_index: flags & KEY_INDEX != 0,
            time_index: flags & TIME_INDEX != 0,
            visible_is_durable: flags & VISIBLE_IS_DURABLE != 0,
            has_gaps: flags & HAS_GAPS != 0,
            unfinished: flags & UNFINISHED != 0,
            incomplete: flags & INCOMPLETE != 0,
            merge: Some((u64_at(bytes, 80)?, u64_at(bytes, 88)?)).filter(|(_, end)| *end > 0),
            boot: array(bytes, 96)?,
            lock: FileId {
                device: u64_at(bytes, 112)?,
                inode: u64_at(bytes, 120)?,
                made: u64_at(bytes, 128)?,
            },
            lives: Lives::decode(bytes.get(LIVES_AT..)?, u32_at(bytes, 136)?, epoch, next_offset)?,
            clean: (flags & CLEAN != 0).then(|| CleanEnd {
                last: (base != NONE).then_some(last),
            }),
            control: (
                u64_at(bytes, CONTROL_OFFSET_AT)?,
                ControlState::decode(&array(bytes, CONTROL_AT)?)?,
            ),
        })
    }
}

impl Meta {
    /// The indexes that the log has.
    pub(crate) fn index_kinds(&self) -> IndexKinds {
        IndexKinds {
            key: self.key_index,
            time: self.time_index,
        }
    }

    /// The same as it is in a backup, which belongs to no directory: whoever writes to it as a log
    /// begins a life.
    pub(crate) fn without_directory(self) -> Meta {
        Meta {
            lock: FileId::default(),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lives::Life;
    use super::super::{Previous, checksum};
    use super::*;
    use crate::types::LifeId;

    fn id(number: u8) -> LifeId {
        LifeId::from_bytes([number; 16])
    }

    fn example() -> Meta {
        let mut lives = Lives::new(Life { id: id(1), begin: 0 }, 2);
        lives.begin(id(2), 4);
        Meta {
            log_id: [1; 16],
            sequence: 2,
            start_offset: 4,
            next_offset: 5,
            key_index: true,
            time_index: false,
            visible_is_durable: true,
            has_gaps: true,
            unfinished: false,
            incomplete: false,
            merge: Some((6, 8)),
            boot: [3; 16],
            lock: FileId {
                device: 9,
                inode: 10,
                made: 11,
            },
            lives,
            clean: Some(CleanEnd {
                last: Some(Previous {
                    base: 0,
                    len: 128,
                    last_checksum: 7,
                }),
            }),
            control: (3, ControlState::default()),
        }
    }

    /// With the checksum put right.
    fn forged(at: usize, bytes: &[u8]) -> Result<Meta, HeaderDefect> {
        let mut forged = example().encode();
        forged[at..at + bytes.len()].copy_from_slice(bytes);
        let sum = checksum(0, &forged[..META_LEN - 4]).to_le_bytes();
        forged[META_LEN - 4..].copy_from_slice(&sum);
        Meta::decode(&forged)
    }

    #[test]
    fn metadata_is_read_back() {
        for clean in [None, Some(CleanEnd { last: None }), example().clean] {
            let meta = Meta { clean, ..example() };
            assert_eq!(Meta::decode(&meta.encode()), Ok(meta));
        }
    }

    #[test]
    fn as_many_lives_as_are_kept_fit_into_the_metadata() {
        let mut meta = example();
        for number in 0..100 {
            meta.lives.begin(id(number), 5);
        }
        assert_eq!(
            (meta.lives.count() as usize, meta.lives.epoch()),
            (LIVES_MAX, 103)
        );
        const { assert!(CONTROL_OFFSET_AT + 8 <= META_LEN - 4) };
        assert_eq!(Meta::decode(&meta.encode()), Ok(meta));
    }

    #[test]
    fn offsets_that_cannot_be_are_refused() {
        assert!(forged(32, &7_u64.to_le_bytes()).is_ok());
        let refused = [
            ("start beyond next", 48, 6_u64),
            ("life beyond next", LIVES_AT + LIFE_LEN + 16, 6),
            ("life before the one before it", LIVES_AT + 16, 5),
            ("no life", 136, 0),
            ("too many lives", 136, 65),
            ("far too many lives", 136, u64::from(u32::MAX)),
        ];
        for (what, at, value) in refused {
            assert_eq!(
                forged(at, &value.to_le_bytes()),
                Err(HeaderDefect::Damaged),
                "{what}"
            );
        }
    }

    #[test]
    fn damage_is_noticed() {
        // There are 32,768 bits.
        const STRIDE: usize = if cfg!(miri) { 997 } else { 1 };
        let bytes = example().encode();
        for bit in (0..bytes.len() * 8).step_by(STRIDE) {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Meta::decode(&flipped).is_err(), "bit {bit}");
        }
        for len in (0..bytes.len()).step_by(STRIDE) {
            assert!(Meta::decode(&bytes[..len]).is_err(), "length {len}");
        }
    }
}
