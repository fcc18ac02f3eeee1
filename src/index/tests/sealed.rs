use proptest::prelude::*;

use super::super::{IndexBuilder, SealedIndex};
use super::model::{BASE, BOTH, Model, NONE, Record, SMALL, TestFile, large, models, with_controls};
use crate::format::{Binding, IndexDefect, IndexKinds, checksum};

fn check(model: &Model, kinds: IndexKinds, file: &TestFile) {
    let bytes = model.file(kinds);
    assert_eq!(bytes, model.file(kinds), "the same records give the same bytes");
    let index = SealedIndex::open(file.map(&bytes), &model.binding(), kinds).unwrap();
    assert_eq!(index.kinds(), kinds);
    model.check_sealed(&index, kinds).unwrap();
    index.verify_all().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 400 }))]

    /// The index and the model give the same answers, whatever the order of times, the gaps and the
    /// collisions of hashes.
    #[test]
    fn answers_are_those_of_the_model(model in models(SMALL), key in any::<bool>(), time in any::<bool>()) {
        check(&model, IndexKinds { key, time }, &TestFile::new());
    }
}

#[test]
fn answers_are_those_of_the_model_over_many_pages() {
    let file = TestFile::new();
    for (len, keys, gap) in [
        (5000, 5000, 0),
        (60_000, 3, 0),
        (60_000, 60_000, 500),
        (70_001, 2000, 2),
    ] {
        let len = if cfg!(miri) { 10 + len / 5000 } else { len };
        check(&large(len, keys, gap), BOTH, &file);
        for every in [1, 2, 1000] {
            check(&with_controls(large(len / 10, keys, gap), every), BOTH, &file);
        }
    }
}

/// Of hashes whose home slots are all among the last ones, those that do not fit there are found at
/// the front.
#[test]
fn a_table_that_is_full_at_the_end_goes_on_at_the_front() {
    let records = (0..300).map(|n| Record {
        offset: BASE + n,
        position: 128 + n as u32,
        time: 0,
        hash: Some(if n % 3 == 0 { n as u32 } else { u32::MAX - n as u32 }),
        is_control: false,
    });
    check(
        &Model {
            records: records.collect(),
            end: BASE + 300,
        },
        BOTH,
        &TestFile::new(),
    );
}

/// The file takes at most 16 bytes a message, with both indexes, different keys and no gaps; with a
/// handful of messages it may take more.
#[test]
fn the_file_takes_at_most_16_bytes_a_message() {
    // Miri is a thousand times slower.
    const SOME: u32 = if cfg!(miri) { 400 } else { 4097 };
    const MANY: u32 = if cfg!(miri) { 900 } else { 100_000 };
    for len in [0, 1, 100, SOME, MANY] {
        let records = (0..len).map(|n| Record {
            offset: BASE + u64::from(n),
            position: 128 + n,
            time: i64::from(n),
            hash: Some(n.wrapping_mul(0x9e37_79b1)),
            is_control: false,
        });
        let size = Model {
            records: records.collect(),
            end: BASE + u64::from(len),
        }
        .file(BOTH)
        .len();
        assert!(size <= 16 * len as usize + 512, "{size} bytes for {len}");
    }
}

#[test]
fn another_segment_or_state_or_fewer_kinds_are_refused() {
    let model = large(100, 100, 0);
    let file = TestFile::new();
    let bytes = model.file(NONE);
    let right = model.binding();
    for kinds in [
        IndexKinds { key: true, ..NONE },
        IndexKinds { time: true, ..NONE },
    ] {
        let opened = SealedIndex::open(file.map(&bytes), &right, kinds);
        assert_eq!(opened.err(), Some(IndexDefect::Kinds));
    }
    for wrong in [
        Binding {
            salt: crate::format::Salt([8; 16]),
            ..right
        },
        Binding {
            base: right.base + 1,
            ..right
        },
        Binding {
            generation: 2,
            ..right
        },
        Binding {
            segment_len: right.segment_len + 1,
            ..right
        },
        Binding {
            last_checksum: 98,
            ..right
        },
    ] {
        let opened = SealedIndex::open(file.map(&bytes), &wrong, NONE);
        assert_eq!(opened.err(), Some(IndexDefect::Foreign));
    }
    // An index without keys or times does not answer "none" to a question for them.
    let index = SealedIndex::open(file.map(&bytes), &right, NONE).unwrap();
    assert_eq!(index.candidates(1).next(), Some(Err(IndexDefect::Kinds)));
    assert_eq!(index.first_at_or_after(1, |_| Ok(0)), Err(IndexDefect::Kinds));
    assert_eq!(index.position(100), Err(IndexDefect::Records));
}

/// An error of the caller comes back as it is; the records decide between equal steps.
#[test]
fn errors_of_reading_a_time_are_passed_on() {
    #[derive(Debug, PartialEq)]
    enum Failed {
        Index(IndexDefect),
        Read(u32),
    }
    impl From<IndexDefect> for Failed {
        fn from(defect: IndexDefect) -> Failed {
            Failed::Index(defect)
        }
    }
    let times = [0, 1 << 40, (1 << 40) + 1, (1 << 40) + 2, 1 << 41];
    let records = times.iter().zip(0..).map(|(&time, n)| Record {
        offset: BASE + u64::from(n),
        position: 128 + 10 * n,
        time,
        hash: None,
        is_control: false,
    });
    let model = Model {
        records: records.collect(),
        end: BASE + 5,
    };
    let index = SealedIndex::open(TestFile::new().map(&model.file(BOTH)), &model.binding(), BOTH).unwrap();
    let mut read = Vec::new();
    let found = index.first_at_or_after((1 << 40) + 2, |position| {
        read.push(position);
        Ok::<_, Failed>(model.time_of(position))
    });
    assert_eq!((found, read), (Ok(Some(3)), vec![138, 148, 158]));
    assert_eq!(
        index.first_at_or_after(1 << 40, |p| Err(Failed::Read(p))),
        Err(Failed::Read(138))
    );
    assert_eq!(
        index.first_at_or_after(1 << 39, |p| Err(Failed::Read(p))),
        Ok(Some(1))
    );
}

#[test]
fn records_out_of_order_are_refused() {
    let refused = Err(IndexDefect::Records);
    let mut builder = IndexBuilder::new(BOTH, BASE);
    assert_eq!(builder.push(BASE - 1, 128, 0, None), refused);
    assert_eq!(builder.push(BASE + (1 << 32), 128, 0, None), refused);
    assert_eq!(builder.push(BASE + 1, 128, 0, None), Ok(()));
    assert_eq!(builder.push(BASE + 1, 129, 0, None), refused);
    assert_eq!(builder.push(BASE + 2, 128, 0, None), refused);
    let model = large(3, 3, 0);
    let build = |binding, end| {
        let mut builder = IndexBuilder::new(BOTH, BASE);
        for r in &model.records {
            builder.push(r.offset, r.position, r.time, r.hash).unwrap();
        }
        builder.finish(binding, end)
    };
    let binding = model.binding();
    assert!(build(binding, BASE + 3).is_ok());
    assert_eq!(build(binding, BASE + 2).err(), refused.err());
    assert_eq!(
        build(Binding { base: 0, ..binding }, BASE + 3).err(),
        Some(IndexDefect::Records)
    );
    assert_eq!(
        build(
            Binding {
                segment_len: 468,
                ..binding
            },
            BASE + 3
        )
        .err(),
        Some(IndexDefect::Records)
    );
}

/// The bytes of a file of format version 1 do not change. The test compares the smallest file with
/// all sections field by field, and the checksum of a larger file.
#[test]
fn the_format_is_what_it_was() {
    let times = [5, 3, 70_005];
    let records = times.iter().zip(0..).map(|(&time, n)| Record {
        offset: BASE + u64::from(n * n),
        position: 192 + 100 * n,
        time,
        hash: (n != 1).then_some(0x8000_0007),
        is_control: false,
    });
    let bytes = Model {
        records: records.collect(),
        end: BASE + 5,
    }
    .file(BOTH);
    let at = |from: usize, len: usize| &bytes[from..from + len];
    assert_eq!(bytes.len(), 580);
    assert_eq!(at(0, 16), b"DURAMENI\x01\0\x80\0\x07\0\0\0");
    assert_eq!(at(16, 16), [7; 16]);
    assert_eq!(at(32, 8), 1000_u64.to_le_bytes());
    assert_eq!(at(40, 16), [1, 0, 0, 0, 0xb0, 1, 0, 0, 99, 0, 0, 0, 3, 0, 0, 0]);
    assert_eq!(
        at(56, 16),
        [[0xed, 3, 0, 0, 0, 0, 0, 0], [0x75, 0x11, 1, 0, 0, 0, 0, 0]].concat()
    );
    assert_eq!(at(72, 16), [16, 0, 0, 0, 2, 0, 0, 0, 0x44, 2, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        at(128, 12),
        [192, 0, 0, 0, 0x24, 1, 0, 0, 0x88, 1, 0, 0],
        "positions"
    );
    assert_eq!(at(192, 12), [0, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0], "offsets");
    assert_eq!(at(256, 8), [5, 0, 0, 0, 0, 0, 0, 0], "time starts");
    assert_eq!(at(320, 1), [1], "time shifts");
    assert_eq!(at(384, 8), [0, 0, 0, 0, 0xb8, 0x88, 0xff, 0xff], "time steps");
    assert_eq!(at(448, 12), [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], "links");
    assert_eq!(at(512 + 32, 4), [0x1f, 0, 0, 0], "slot 8: tag 7, ordinal 2");
    if !cfg!(miri) {
        assert_eq!(checksum(0, &large(5000, 900, 3).file(BOTH)), 0xe891_7b2f);
    }
}
