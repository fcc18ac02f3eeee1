use proptest::prelude::*;

use super::super::{ActiveIndex, Find, IndexBuilder, SealedIndex, SegmentHints};
use crate::format::{Binding, IndexDefect, IndexKinds, Salt};
use crate::sys::{File, Map, Open, Os, Storage};

/// The most records of a small model.
pub(super) const SMALL: usize = if cfg!(miri) { 10 } else { 300 };

/// About so many records of a large model are asked for.
const ASKED: usize = if cfg!(miri) { 10 } else { 500 };

pub(super) const BOTH: IndexKinds = IndexKinds {
    key: true,
    time: true,
};
pub(super) const NONE: IndexKinds = IndexKinds {
    key: false,
    time: false,
};
pub(super) const BASE: u64 = 1000;

#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) offset: u64,
    pub(super) position: u32,
    pub(super) time: i64,
    pub(super) hash: Option<u32>,
    /// Whether the record is a control record, without a hash and with the earliest time there is.
    pub(super) is_control: bool,
}

/// The records of a segment, with answers found by a look at each record.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) records: Vec<Record>,
    pub(super) end: u64,
}

impl Model {
    pub(super) fn binding(&self) -> Binding {
        let segment_len = self.records.last().map_or(128, |last| last.position + 40);
        Binding {
            salt: Salt([7; 16]),
            base: BASE,
            generation: 1,
            segment_len,
            last_checksum: 99,
        }
    }

    pub(super) fn file(&self, kinds: IndexKinds) -> Vec<u8> {
        let mut builder = IndexBuilder::new(kinds, BASE);
        for record in &self.records {
            let pushed = if record.is_control {
                builder.push_control(record.offset, record.position)
            } else {
                builder.push(record.offset, record.position, record.time, record.hash)
            };
            pushed.unwrap();
        }
        builder.finish(self.binding(), self.end).unwrap()
    }

    pub(super) fn active(&self, kinds: IndexKinds) -> ActiveIndex {
        let index = ActiveIndex::new(
            kinds,
            SegmentHints {
                bytes: 1 << 20,
                records_expected: 0,
            },
        );
        for record in &self.records {
            if record.is_control {
                index.push_control(record.position);
            } else {
                index.push(record.position, record.time, record.hash);
            }
        }
        index
    }

    pub(super) fn time_of(&self, position: u32) -> i64 {
        let at = self
            .records
            .binary_search_by_key(&position, |record| record.position);
        self.records[at.expect("a record begins there")].time
    }

    pub(super) fn first_at_or_after(&self, time: i64, visible: usize) -> Option<u32> {
        self.records[..visible]
            .iter()
            .position(|record| record.time >= time)
            .map(|at| at as u32)
    }

    /// The ordinals of the messages among the first `visible` records.
    pub(super) fn messages(&self, visible: usize) -> Vec<u32> {
        let ordinals = (0..visible).filter(|&at| !self.records[at].is_control);
        ordinals.map(|at| at as u32).collect()
    }

    pub(super) fn with_hash(&self, hash: u32, visible: usize) -> Vec<u32> {
        let ordinals = (0..visible)
            .rev()
            .filter(|&at| self.records[at].hash == Some(hash));
        ordinals.map(|at| at as u32).collect()
    }

    /// Checks that `candidates` are records with a key, none of them twice, and include all that
    /// have the hash, newest first.
    pub(super) fn check_candidates(&self, candidates: &[u32], hash: u32, visible: usize) {
        let right: Vec<u32> = candidates
            .iter()
            .copied()
            .filter(|&at| self.records[at as usize].hash.expect("a record with a key") == hash)
            .collect();
        assert_eq!(right, self.with_hash(hash, visible));
        let mut sorted = candidates.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), candidates.len());
    }

    pub(super) fn times_asked(&self) -> Vec<i64> {
        let near = |record: &Record| {
            [
                record.time.saturating_sub(1),
                record.time,
                record.time.saturating_add(1),
            ]
        };
        let step = self.records.len() / ASKED + 1;
        let mut times: Vec<i64> = self.records.iter().step_by(step).flat_map(near).collect();
        times.extend([i64::MIN, 0, i64::MAX]);
        times
    }

    pub(super) fn hashes_asked(&self) -> Vec<u32> {
        let step = self.records.len() / ASKED + 1;
        let mut hashes: Vec<u32> = self
            .records
            .iter()
            .step_by(step)
            .filter_map(|record| record.hash)
            .flat_map(|hash| [hash, hash ^ 1, hash ^ (1 << 31)])
            .collect();
        hashes.extend([0, u32::MAX]);
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    }

    /// Asks everything; a wrong answer panics, a defect is returned.
    pub(super) fn check_sealed(&self, index: &SealedIndex, kinds: IndexKinds) -> Result<(), IndexDefect> {
        let count = self.records.len();
        assert_eq!(index.count() as usize, count);
        assert_eq!(index.end_offset(), self.end);
        for (ordinal, record) in (0..).zip(&self.records) {
            assert_eq!(index.position(ordinal)?, record.position);
            assert_eq!(index.offset(ordinal)?, record.offset);
        }
        self.check_find(index)?;
        for (number, ordinal) in (0..).zip(self.messages(count)) {
            assert_eq!(index.nth_message(number)?, ordinal);
            assert_eq!(index.messages_before(ordinal)?, number);
            assert_eq!(index.messages_before(ordinal + 1)?, number + 1);
        }
        assert_eq!(
            index.messages_before(count as u32)? as usize,
            self.messages(count).len()
        );
        if kinds.time {
            assert_eq!(
                index.time_max(),
                self.records.iter().map(|record| record.time).max()
            );
            for time in self.times_asked() {
                let found =
                    index.first_at_or_after(time, |position| Ok::<_, IndexDefect>(self.time_of(position)))?;
                assert_eq!(found, self.first_at_or_after(time, count), "time {time}");
            }
        }
        if kinds.key {
            for hash in self.hashes_asked() {
                let candidates: Vec<u32> = index.candidates(hash).collect::<Result<_, _>>()?;
                self.check_candidates(&candidates, hash, count);
            }
        }
        Ok(())
    }

    fn check_find(&self, index: &SealedIndex) -> Result<(), IndexDefect> {
        let count = self.records.len();
        let step = count / ASKED + 1;
        let near = self
            .records
            .iter()
            .step_by(step)
            .flat_map(|r| [r.offset - 1, r.offset, r.offset + 1]);
        for offset in near.chain([0, BASE, self.end, u64::MAX]) {
            let ordinal = self.records.partition_point(|record| record.offset < offset);
            let expected = match self.records.get(ordinal) {
                None => Find::End,
                Some(record) if record.offset == offset => Find::Found {
                    ordinal: ordinal as u32,
                    position: record.position,
                },
                Some(_) => Find::Next {
                    ordinal: ordinal as u32,
                },
            };
            assert_eq!(index.find(offset)?, expected, "offset {offset}");
        }
        Ok(())
    }
}

/// A file that index bytes are written to and mapped from; none under Miri, which maps no files.
pub(super) struct TestFile(Option<(File, tempfile::TempDir)>);

impl TestFile {
    pub(super) fn new() -> TestFile {
        TestFile((!cfg!(miri)).then(|| {
            let dir = tempfile::tempdir().unwrap();
            let opened = Os.open_dir(dir.path()).unwrap();
            let file = opened.open("00000000000000001000.idx", Open::Create).unwrap();
            (file, dir)
        }))
    }

    pub(super) fn map(&self, bytes: &[u8]) -> Map {
        let Some((file, _)) = &self.0 else {
            return Map::from_bytes(bytes.to_vec());
        };
        file.set_len(bytes.len() as u64).unwrap();
        file.write_at(0, bytes).unwrap();
        // An empty mapping is impossible; a mapping longer than the file is not.
        file.map(bytes.len().max(1) as u64).unwrap()
    }
}

fn times() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => -30..30_i64,
        2 => 1_700_000_000_000_000_000..1_700_000_000_100_000_000_i64,
        1 => any::<i64>(),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(i64::MIN + 1), Just(i64::MAX - 1)],
    ]
}

/// Few different hashes, neighbours in the table, and hashes with the same tag.
fn hashes() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![
        1 => Just(None),
        3 => (0..5_u32).prop_map(Some),
        2 => (0..8_u32).prop_map(|n| Some(u32::MAX - n)),
        2 => (0..64_u32).prop_map(|n| Some(n << 26)),
        1 => any::<u32>().prop_map(Some),
    ]
}

/// Models whose offsets have no gaps, few, or many, and whose times are arbitrary or mostly go up.
pub(super) fn models(len_max: usize) -> impl Strategy<Value = Model> {
    let gap = prop_oneof![Just(0_u64..1), Just(0..2), Just(0..100_000)];
    let record = (any::<u16>(), 40..5000_u32, times(), hashes(), 0..4_u8);
    let records = prop::collection::vec(record, 0..=len_max);
    let controls_below = prop_oneof![2 => Just(0_u8), 2 => Just(1), 1 => Just(4)];
    (records, gap, any::<bool>(), 0..3_u64, controls_below).prop_map(
        |(raw, gap, is_climbing, behind, controls_below)| {
            let (mut offset, mut position, mut climbed) = (BASE, 128, 1_700_000_000_000_000_000);
            let mut records = Vec::new();
            for (skip, size, time, hash, kind) in raw {
                offset += u64::from(skip) % gap.end;
                climbed += i64::from(skip) << (skip % 20);
                let is_control = kind < controls_below;
                let time = if is_climbing { climbed } else { time };
                let (time, hash) = if is_control {
                    (i64::MIN, None)
                } else {
                    (time, hash)
                };
                records.push(Record {
                    offset,
                    position,
                    time,
                    hash,
                    is_control,
                });
                offset += 1;
                position += size;
            }
            Model {
                records,
                end: offset + behind,
            }
        },
    )
}

/// The same records, but every `every`-th is a control record.
pub(super) fn with_controls(mut model: Model, every: usize) -> Model {
    for record in model.records.iter_mut().step_by(every) {
        (record.time, record.hash, record.is_control) = (i64::MIN, None, true);
    }
    model
}

/// Many records, from a simple generator.
pub(super) fn large(len: u32, keys: u32, gap: u64) -> Model {
    let mut state = 1_u64;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let (mut offset, mut time) = (BASE, 1_700_000_000_000_000_000_i64);
    let mut records = Vec::new();
    for ordinal in 0..len {
        offset += if gap > 0 && next() % 10 == 0 {
            next() % gap
        } else {
            0
        };
        time += (next() % 2_000_000) as i64 - 500_000;
        let key = next() as u32 % keys;
        let hash = (key % 17 != 3).then(|| key.wrapping_mul(0x9e37_79b1) ^ (key >> 3));
        records.push(Record {
            offset,
            position: 128 + ordinal * 170,
            time,
            hash,
            is_control: false,
        });
        offset += 1;
    }
    Model { records, end: offset }
}
