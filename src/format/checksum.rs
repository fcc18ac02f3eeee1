//! CRC32C, keyed.

use crate::sys::crc32c;

/// CRC32C of `bytes`, going on from `seed`.
#[inline]
pub(crate) fn checksum(seed: u32, bytes: &[u8]) -> u32 {
    crc32c(seed, bytes)
}

/// 128 random bits that a segment is given when it is created and keeps through rewrites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Salt(pub(crate) [u8; 16]);

/// The numbers that the checksums of a segment's frames start from.
///
/// A record's checksum is keyed with the salt and the record's offset, a batch header's with the
/// salt and the header's position. So bytes from another segment, from another place, or from
/// inside a payload are not taken for a frame. The checksums reveal accidents, and payloads whose
/// author has not seen the salt; they are no defence against somebody who can write the files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameSeeds {
    record: (u64, u64),
    batch: (u64, u64),
}

impl FrameSeeds {
    pub(crate) fn new(salt: Salt) -> FrameSeeds {
        let both = u128::from_le_bytes(salt.0);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        let (low, high) = (both as u64, (both >> 64) as u64);
        // The constants (the golden ratio and the square root of 2, as fractions) only keep regular
        // salts, such as all zeros, from giving regular seeds.
        let (low, high) = (low ^ 0x9e37_79b9_7f4a_7c15, high ^ 0x6a09_e667_f3bc_c909);
        FrameSeeds {
            record: (low, high | 1),
            batch: (high, low | 1),
        }
    }

    /// The seed for the record with this offset.
    #[inline]
    pub(crate) fn record(&self, offset: u64) -> u32 {
        mix(offset, self.record)
    }

    /// The seed for the batch header at this position.
    #[inline]
    pub(crate) fn batch(&self, position: u64) -> u32 {
        mix(position, self.batch)
    }
}

/// Turns a checksum over `len` bytes that started from the seed `from` into one that started from
/// `to`.
///
/// The result is computed from the checksum alone, without the bytes: a checksum that did not fit
/// the bytes does not fit them afterwards.
pub(crate) fn reseeded(checksum: u32, len: usize, from: u32, to: u32) -> u32 {
    let moved = |seed| ::crc32c::crc32c_combine(seed, 0, len);
    checksum ^ moved(from) ^ moved(to)
}

/// Multiplies to 128 bits and folds (the step of wyhash): every bit of the key reaches every bit of
/// the seed.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "folding")]
fn mix(value: u64, (mask, factor): (u64, u64)) -> u32 {
    let product = u128::from(value ^ mask) * u128::from(factor);
    let folded = (product as u64) ^ ((product >> 64) as u64);
    (folded as u32) ^ ((folded >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_checksum_is_crc32c() {
        // RFC 3720, appendix B.4.
        assert_eq!(checksum(0, &[0; 32]), 0x8a91_36aa);
        assert_eq!(checksum(0, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_checksum_is_moved_to_another_seed_without_its_bytes() {
        for len in [0, 1, 7, 64, 5000] {
            let bytes = vec![0x5a; len];
            let (from, to) = (0x1234_5678, 0x9abc_def0);
            assert_eq!(
                reseeded(checksum(from, &bytes), len, from, to),
                checksum(to, &bytes)
            );
        }
    }

    #[test]
    fn seeds_of_neighbours_and_of_other_salts_differ() {
        // Miri is a thousand times slower.
        const SALTS: u8 = if cfg!(miri) { 2 } else { 64 };
        const NEIGHBOURS: u64 = if cfg!(miri) { 32 } else { 256 };
        let mut seen = HashSet::new();
        for salt in 0..SALTS {
            let seeds = FrameSeeds::new(Salt([salt; 16]));
            for n in 0..NEIGHBOURS {
                seen.insert(seeds.record(n));
            }
        }
        assert!(
            seen.len() as u64 + 3 > u64::from(SALTS) * NEIGHBOURS,
            "{}",
            seen.len()
        );
    }
}
