//! The key hash, and the words in which hash tables store an ordinal and a part of the hash.

/// The hash by which both indexes know a key: the low 32 bits of XXH3-64. The hash is stored in
/// index files, and is therefore part of the format.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low 32 bits")]
pub(crate) fn key_hash(key: &[u8]) -> u32 {
    xxhash_rust::xxh3::xxh3_64(key) as u32
}

/// The slot, of `len`, that a hash belongs to by its high bits (Daniel Lemire, "Fast Random Integer
/// Generation in an Interval", 2019). The number of slots need not be a power of two.
#[inline]
pub(super) fn home_slot(hash: u32, len: u32) -> u32 {
    ((u64::from(hash) * u64::from(len)) >> 32) as u32
}

/// How a word is divided between an ordinal and a hash tag.
///
/// The low bits, as many as the largest ordinal + 1 needs, hold an ordinal + 1. The others, the
/// tag, hold the low bits of the hash, which have no influence on the [`home_slot`]. Word 0 is
/// empty. With n records the tag rules out all but one of 2^32 / n other keys of the same slot,
/// without a look at any record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    ordinal_bits: u32,
}

impl Words {
    /// The division for ordinals below `count`.
    pub(super) fn new(count: u32) -> Words {
        Words {
            ordinal_bits: u32::BITS - count.leading_zeros(),
        }
    }

    #[inline]
    pub(super) fn tag(self, hash: u32) -> u32 {
        hash.checked_shl(self.ordinal_bits).unwrap_or(0)
    }

    /// The word for a record; `ordinal` must be below the count.
    #[inline]
    pub(super) fn word(self, hash: u32, ordinal: u32) -> u32 {
        self.tag(hash) | (ordinal + 1)
    }

    #[inline]
    pub(super) fn has_tag(self, word: u32, tag: u32) -> bool {
        (word ^ tag).checked_shr(self.ordinal_bits).unwrap_or(0) == 0
    }

    /// The ordinal in a word; `None` for the empty word.
    #[inline]
    pub(super) fn ordinal(self, word: u32) -> Option<u32> {
        let mask = 1_u32.checked_shl(self.ordinal_bits).unwrap_or(0).wrapping_sub(1);
        (word & mask).checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden values: hashes are stored in files.
    #[test]
    fn the_key_hash_is_the_low_half_of_xxh3() {
        assert_eq!(key_hash(b""), 0x38d3_94c2);
        assert_eq!(key_hash(b"abc"), 0x892f_3950);
    }

    #[test]
    fn places_are_within_the_table_and_in_the_order_of_the_hashes() {
        for len in [1, 2, 3, 16, 1000, u32::MAX] {
            assert_eq!(home_slot(0, len), 0);
            assert_eq!(home_slot(u32::MAX, len), len - 1);
            assert!(home_slot(1 << 20, len) <= home_slot(1 << 30, len));
        }
    }

    #[test]
    fn words_keep_ordinal_and_tag() {
        for count in [1, 2, 15, 16, 17, 1 << 20, (1 << 31) - 1, 1 << 31, u32::MAX] {
            let words = Words::new(count);
            for ordinal in [0, count / 2, count - 1] {
                for hash in [0, 1, 0xdead_beef, u32::MAX] {
                    let word = words.word(hash, ordinal);
                    assert_ne!(word, 0);
                    assert_eq!(words.ordinal(word), Some(ordinal));
                    assert!(words.has_tag(word, words.tag(hash)));
                    assert_eq!(words.has_tag(word, words.tag(hash ^ 1)), count >= 1 << 31);
                }
            }
            assert_eq!(words.ordinal(0), None);
        }
    }
}
