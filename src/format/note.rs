//! The note of how far a log is durable.

use super::bytes::{array, u64_at};
use super::header::{begin, checked};
use crate::LifeId;

/// Bytes of a note.
pub(crate) const NOTE_LEN: usize = LEN as usize;

const LEN: u16 = 80;
const MAGIC: [u8; 8] = *b"DURAMEND";

/// What a writer notes for readers in other processes. It counts in one life of one log, and in one
/// boot of the machine: what the system's cache had is gone after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DurableNote {
    pub(crate) log_id: [u8; 16],
    pub(crate) life: LifeId,
    pub(crate) boot: [u8; 16],
    /// Every message of the life below this offset is on stable storage.
    pub(crate) offset: u64,
}

impl DurableNote {
    pub(crate) fn encode(&self) -> [u8; NOTE_LEN] {
        begin(MAGIC, LEN)
            .put(&[0; 4])
            .put(&self.log_id)
            .put(&self.life.to_bytes())
            .put(&self.boot)
            .put(&self.offset.to_le_bytes())
            .seal()
    }

    /// The note with these bytes, if they are whole.
    pub(crate) fn decode(bytes: &[u8]) -> Option<DurableNote> {
        let fields = checked(bytes, MAGIC, LEN).ok()?;
        Some(DurableNote {
            log_id: array(fields, 16)?,
            life: LifeId::from_bytes(array(fields, 32)?),
            boot: array(fields, 48)?,
            offset: u64_at(fields, 64)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::TEST_STRIDE;

    #[test]
    fn a_note_is_read_back_and_damage_is_noticed() {
        let note = DurableNote {
            log_id: [1; 16],
            life: LifeId::from_bytes([2; 16]),
            boot: [3; 16],
            offset: u64::MAX - 1,
        };
        let bytes = note.encode();
        assert_eq!(DurableNote::decode(&bytes), Some(note));
        for bit in (0..bytes.len() * 8).step_by(TEST_STRIDE) {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(DurableNote::decode(&flipped), None, "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert_eq!(DurableNote::decode(&bytes[..len]), None, "length {len}");
        }
    }
}
