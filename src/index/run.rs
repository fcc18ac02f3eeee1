//! Which keys a range of segments has, so that a lookup need not ask each of the segments.

use crate::format::{IndexDefect, RUN_ENTRY_LEN, RUN_HEADER_LEN, RunHeader, checksum};
use crate::sys::Map;

/// A sorted file of key hashes, each with the newest offset that it had when the file was made.
///
/// A hash that is not in the file belongs to no key in these segments, whatever is removed from
/// them later. The offset of a hash in the file may belong to another key, or its message may be
/// gone; the segments are asked then.
#[derive(Debug)]
pub(crate) struct KeyRunFile {
    map: Map,
    header: RunHeader,
}

/// Makes an entry: the key hash in the upper half, and in the lower the offset less the first
/// offset of the key run.
pub(crate) fn run_entry(hash: u32, relative: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(relative)
}

fn hash_of(entry: u64) -> u32 {
    (entry >> 32) as u32
}

/// Sorts entries, and keeps for each hash only the one with the newest offset.
pub(crate) fn newest_of_each(entries: &mut Vec<u64>) {
    entries.sort_unstable();
    let mut kept = 0;
    for at in 0..entries.len() {
        let is_last = entries
            .get(at + 1)
            .is_none_or(|next| hash_of(*next) != hash_of(entries[at]));
        if is_last {
            entries[kept] = entries[at];
            kept += 1;
        }
    }
    entries.truncate(kept);
}

impl KeyRunFile {
    /// Opens a key run from `map`, which must cover the whole file, and verifies it.
    pub(crate) fn open(map: Map) -> Result<KeyRunFile, IndexDefect> {
        let bytes = map.array::<RUN_HEADER_LEN>(0).ok_or(IndexDefect::Length)?;
        let header = RunHeader::decode(&bytes, map.len())?;
        let (mut at, mut sum, mut buffer) = (RUN_HEADER_LEN as u64, 0, Vec::new());
        while at < map.len() {
            let len = usize::try_from(map.len() - at).map_or(64 << 10, |left| left.min(64 << 10));
            buffer.clear();
            map.in_order()
                .append_to(at, len, &mut buffer)
                .ok_or(IndexDefect::Length)?;
            sum = checksum(sum, &buffer);
            at += len as u64;
        }
        if sum == header.checksum {
            Ok(KeyRunFile { map, header })
        } else {
            Err(IndexDefect::Checksum {
                position: RUN_HEADER_LEN as u64,
            })
        }
    }

    pub(crate) fn header(&self) -> &RunHeader {
        &self.header
    }

    /// The entry with this ordinal.
    #[inline]
    pub(crate) fn entry(&self, ordinal: u32) -> Option<u64> {
        let at = RUN_HEADER_LEN as u64 + u64::from(ordinal) * RUN_ENTRY_LEN as u64;
        self.map.array(at).map(u64::from_le_bytes)
    }

    /// The newest offset of a key with this hash; `None` if no key has it.
    ///
    /// Hashes are spread evenly, so the search begins where the hash should be (interpolation) and
    /// doubles its steps from there.
    pub(crate) fn find(&self, hash: u32) -> Option<u64> {
        let count = self.header.count;
        let hash_at = |ordinal: u32| self.entry(ordinal).map(hash_of);
        let guess = ((u64::from(hash) * u64::from(count)) >> 32) as u32;
        let (mut low, mut high) = (0, count);
        let mut step = 4;
        if guess < count && hash_at(guess)? < hash {
            low = guess + 1;
            while let Some(at) = guess.checked_add(step).filter(|at| *at < count) {
                if hash_at(at)? >= hash {
                    high = at + 1;
                    break;
                }
                low = at + 1;
                step = step.saturating_mul(2);
            }
        } else {
            high = guess.saturating_add(1).min(count);
            while let Some(at) = guess.checked_sub(step) {
                if hash_at(at)? < hash {
                    low = at + 1;
                    break;
                }
                high = at + 1;
                step = step.saturating_mul(2);
            }
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if hash_at(middle)? < hash {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let entry = self.entry(low).filter(|_| low < count)?;
        #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
        let relative = entry as u32;
        (hash_of(entry) == hash).then(|| self.header.first.saturating_add(u64::from(relative)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::format::{Previous, TEST_STRIDE};

    fn run(entries: &[u64]) -> Vec<u8> {
        let body: Vec<u8> = entries.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        let header = RunHeader {
            log_id: [1; 16],
            first: 100,
            end: 10_000,
            last: Previous {
                base: 100,
                len: 1,
                last_checksum: 2,
            },
            count: u32::try_from(entries.len()).unwrap(),
            checksum: checksum(0, &body),
        };
        [&header.encode()[..], &body].concat()
    }

    /// Goal: every hash is found with its newest offset and no other is. Method: evenly spread and
    /// clustered hashes.
    #[test]
    fn every_hash_is_found_and_no_other() {
        for (count, spread) in [
            (0_u32, 1),
            (1, 1),
            (2, u32::MAX / 3),
            (1000, 4_000_037),
            (1000, 1),
            (777, 7),
        ] {
            // Miri is a thousand times slower.
            let count = if cfg!(miri) { count.min(20) } else { count };
            let mut model = BTreeMap::new();
            let mut entries = Vec::new();
            for n in 0..count * 2 {
                let hash = (n % count).wrapping_mul(spread) ^ 0x55;
                entries.push(run_entry(hash, n));
                model.insert(hash, u64::from(n) + 100);
            }
            newest_of_each(&mut entries);
            let run = KeyRunFile::open(Map::from_bytes(run(&entries))).unwrap();
            assert_eq!(run.header().count as usize, model.len());
            for (hash, offset) in &model {
                assert_eq!(run.find(*hash), Some(*offset));
                for near in [hash.wrapping_add(1), hash.wrapping_sub(1), !hash] {
                    assert_eq!(run.find(near), model.get(&near).copied());
                }
            }
            for hash in [0, 1, u32::MAX, u32::MAX - 1, 1 << 31] {
                assert_eq!(run.find(hash), model.get(&hash).copied());
            }
        }
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = run(&[run_entry(1, 2), run_entry(5, 1)]);
        for bit in (0..bytes.len() * 8).step_by(TEST_STRIDE) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(KeyRunFile::open(Map::from_bytes(flipped)).is_err(), "bit {bit}");
        }
        for len in (0..bytes.len()).step_by(TEST_STRIDE) {
            assert!(
                KeyRunFile::open(Map::from_bytes(bytes[..len].to_vec())).is_err(),
                "length {len}"
            );
        }
    }
}
