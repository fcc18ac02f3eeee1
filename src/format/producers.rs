//! The file with the table of producers.

use super::bytes::{array, u32_at, u64_at};
use super::header::{HeaderDefect, begin, checked};
use crate::control::{Producers, STORED_LEN_MAX};

/// Bytes in front of the batches.
pub(super) const HEADER_LEN: usize = LEN as usize;

const LEN: u16 = 64;
const MAGIC: [u8; 8] = *b"DURAMENP";

/// The most bytes that such a file has.
pub(crate) const PRODUCERS_LEN_MAX: usize = HEADER_LEN + STORED_LEN_MAX;

/// The batches that producers have published up to one offset.
#[derive(Clone, Debug)]
pub(crate) struct ProducersAt {
    pub(crate) offset: u64,
    pub(crate) producers: Producers,
}

impl ProducersAt {
    /// The content of the file of the log with this id.
    pub(crate) fn encode(&self, log_id: &[u8; 16]) -> Vec<u8> {
        let batches = self.producers.encode();
        let header: [u8; HEADER_LEN] = begin(MAGIC, LEN)
            .put(&[0; 4])
            .put(log_id)
            .put(&self.offset.to_le_bytes())
            .put(&(batches.len() as u64).to_le_bytes())
            .put(&super::checksum(0, &batches).to_le_bytes())
            .seal();
        [&header[..], &batches].concat()
    }

    /// The table in the file with these bytes, if they are whole and of the log with this id.
    pub(crate) fn decode(bytes: &[u8], log_id: &[u8; 16]) -> Result<ProducersAt, HeaderDefect> {
        let header = checked(bytes, MAGIC, LEN)?;
        Self::fields(header, bytes.get(HEADER_LEN..).unwrap_or_default(), log_id).ok_or(HeaderDefect::Damaged)
    }

    fn fields(header: &[u8], batches: &[u8], log_id: &[u8; 16]) -> Option<ProducersAt> {
        let is_whole = array(header, 16)? == *log_id
            && u64_at(header, 40)? == batches.len() as u64
            && u32_at(header, 48)? == super::checksum(0, batches);
        is_whole.then_some(())?;
        let offset = u64_at(header, 32)?;
        let producers = Producers::decode(batches, offset)?;
        Some(ProducersAt { offset, producers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ProducerBatch;
    use crate::format::TEST_STRIDE;

    #[test]
    fn a_table_is_read_back_and_damage_is_noticed() {
        let mut producers = Producers::default();
        for sequence in 0..3 {
            producers.note(ProducerBatch {
                id: sequence % 2,
                sequence,
                first: sequence,
                count: 1,
                times: (1, 2),
            });
        }
        let table = ProducersAt { offset: 9, producers };
        let bytes = table.encode(&[7; 16]);
        let read = ProducersAt::decode(&bytes, &[7; 16]).expect("whole");
        assert_eq!((read.offset, read.producers.count()), (9, 2));
        assert_eq!(read.encode(&[7; 16]), bytes);
        assert!(ProducersAt::decode(&bytes, &[8; 16]).is_err(), "another log's");
        for bit in (0..bytes.len() * 8).step_by(TEST_STRIDE) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(ProducersAt::decode(&flipped, &[7; 16]).is_err(), "bit {bit}");
        }
        for len in (0..bytes.len()).step_by(TEST_STRIDE) {
            assert!(
                ProducersAt::decode(&bytes[..len], &[7; 16]).is_err(),
                "length {len}"
            );
        }
    }
}
