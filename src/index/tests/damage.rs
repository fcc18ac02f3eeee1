use proptest::prelude::*;

use super::super::SealedIndex;
use super::model::{BOTH, Model, SMALL, TestFile, large, models, with_controls};
use crate::format::{IndexDefect, IndexHeader, TEST_STRIDE, checksum};

/// Opens the index and asks everything: either all answers are right or a defect is reported.
fn is_noticed(model: &Model, bytes: &[u8], file: &TestFile) -> bool {
    SealedIndex::open(file.map(bytes), &model.binding(), BOTH)
        .and_then(|index| {
            let all = index.verify_all();
            model.check_sealed(&index, BOTH)?;
            all
        })
        .is_err()
}

/// Opens the index and asks everything, without a look at the answers.
fn ask_everything(model: &Model, bytes: &[u8], file: &TestFile) -> Result<(), IndexDefect> {
    let index = SealedIndex::open(file.map(bytes), &model.binding(), BOTH)?;
    let count = index.count();
    let first = index.verify_all();
    for ordinal in 0..=count {
        let _ = (index.position(ordinal), index.offset(ordinal));
        let _ = (index.messages_before(ordinal), index.nth_message(ordinal));
    }
    for record in &model.records {
        let _ = index.find(record.offset + 1);
        let found = index.first_at_or_after(record.time, |_| Ok::<_, IndexDefect>(record.time - 1));
        assert!(found.is_ok_and(|found| found.is_none_or(|ordinal| ordinal < count)) || first.is_err());
    }
    for hash in model.hashes_asked() {
        let found = index.candidates(hash).take(count as usize + 2).count();
        assert!(found <= count as usize + 1, "at most every record and an error");
    }
    first
}

/// Makes every checksum right again.
fn reseal(bytes: &mut [u8], header: &IndexHeader) {
    let sections = header.sections();
    let range = |range: std::ops::Range<u64>| range.start as usize..range.end as usize;
    for page in 0..sections.pages {
        let sum = checksum(0, &bytes[range(sections.page(page))]).to_le_bytes();
        let at = (sections.table + 4 * page) as usize;
        bytes[at..at + 4].copy_from_slice(&sum);
    }
    let table_checksum = checksum(0, &bytes[range(sections.table..sections.file_len)]);
    bytes[..128].copy_from_slice(
        &IndexHeader {
            table_checksum,
            ..*header
        }
        .encode(),
    );
}

/// Every flipped bit of a small file is noticed, and every shorter and some longer lengths.
#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    const STRIDE: usize = if cfg!(miri) { 5 * TEST_STRIDE } else { 1 };
    let model = with_controls(large(40, 20, 5), 7);
    let mut bytes = model.file(BOTH);
    let file = TestFile::new();
    assert!(!is_noticed(&model, &bytes, &file));
    for bit in (0..bytes.len() * 8).step_by(STRIDE) {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(is_noticed(&model, &bytes, &file), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    for len in (0..bytes.len()).step_by(STRIDE) {
        assert!(is_noticed(&model, &bytes[..len], &file), "length {len}");
    }
    for more in [1, 4, 64, 4096] {
        let mut longer = bytes.clone();
        longer.resize(bytes.len() + more, 0);
        assert!(is_noticed(&model, &longer, &file), "{more} more");
    }
}

/// A damaged page affects only the lookups that touch it, and it affects them every time.
#[test]
fn a_page_is_verified_before_anything_in_it_is_believed() {
    // Three pages are to hold positions.
    const COUNT: u32 = if cfg!(miri) { 2100 } else { 5000 };
    let model = large(COUNT, COUNT, 0);
    let mut bytes = model.file(BOTH);
    bytes[4096] ^= 1;
    let index = SealedIndex::open(TestFile::new().map(&bytes), &model.binding(), BOTH).unwrap();
    assert_eq!(index.position(0), Ok(128));
    for _ in 0..2 {
        assert_eq!(
            index.position(1000),
            Err(IndexDefect::Checksum { position: 4096 })
        );
        assert_eq!(index.verify_all(), Err(IndexDefect::Checksum { position: 4096 }));
    }
    assert_eq!(
        index.position(COUNT - 1).ok(),
        model.records.last().map(|last| last.position)
    );
}

/// Pages that were swapped, zeroed or left over from another index are noticed.
#[test]
fn blocks_in_the_wrong_place_are_noticed() {
    let (count, step) = if cfg!(miri) { (300, 4096) } else { (3000, 512) };
    let (model, other) = (large(count, count, 0), large(count, count - 1, 0));
    let (bytes, foreign) = (model.file(BOTH), other.file(BOTH));
    let file = TestFile::new();
    for (at, len) in (0..bytes.len() - 4096)
        .step_by(step)
        .flat_map(|at| [(at, 512), (at, 4096)])
    {
        for source in [
            &foreign[at..at + len],
            &[0; 4096][..len],
            &bytes[bytes.len() - len..],
        ] {
            let mut wrong = bytes.clone();
            wrong[at..at + len].copy_from_slice(source);
            assert!(
                wrong == bytes || is_noticed(&model, &wrong, &file),
                "{len} bytes at {at}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 2000 }))]

    /// A malicious file with right checksums causes no panic and no endless loop.
    #[test]
    fn nonsense_with_right_checksums_does_no_harm(
        model in models(SMALL.min(60)),
        changes in prop::collection::vec((any::<u16>(), prop_oneof![0..70_u32, any::<u32>()]), 1..20),
    ) {
        let mut bytes = model.file(BOTH);
        let header = IndexHeader::decode(&bytes, bytes.len() as u64).unwrap();
        let end = header.sections().table as usize;
        for (at, word) in changes {
            let at = 128 + usize::from(at) * 4 % (end - 128);
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        reseal(&mut bytes, &header);
        let _ = ask_everything(&model, &bytes, &TestFile::new());
    }

    /// Malicious fields of the header cause none either, in a file of the length that they call
    /// for.
    #[test]
    fn a_header_that_lies_does_no_harm(
        model in models(SMALL.min(60)),
        (count, slots, keyed) in (0..100_u32, (0..12_u32).prop_map(|n| n * 16), 0..100_u32),
        (gaps, end, time_max) in (any::<bool>(), 0..300_u64, any::<i64>()),
        controls in 0..100_u32,
    ) {
        let mut bytes = model.file(BOTH);
        let header = IndexHeader::decode(&bytes, bytes.len() as u64).unwrap();
        let end = header.binding.base + end;
        let header = IndexHeader { gaps, count, end, time_max, slots, keyed, controls, ..header };
        bytes.resize(header.sections().file_len as usize, 0x5a);
        reseal(&mut bytes, &header);
        let _ = ask_everything(&model, &bytes, &TestFile::new());
    }
}

/// `verify_all` finds one wrong place in each section, under right checksums.
#[test]
fn nonsense_with_right_checksums_is_found_by_verify_all() {
    let model = with_controls(large(100, 30, 5), 9);
    let good = model.file(BOTH);
    let header = IndexHeader::decode(&good, good.len() as u64).unwrap();
    let s = header.sections();
    let file = TestFile::new();
    let linked = (0..100).find(|n| good[s.links as usize + 4 * n] != 0).unwrap() as u64;
    for (what, at, value) in [
        ("a position too large", s.positions + 4 * 99, [255; 4]),
        ("a position out of order", s.positions + 4 * 50, [0; 4]),
        ("an offset too large", s.offsets + 4 * 99, [255; 4]),
        ("an offset out of order", s.offsets + 4 * 50, [0; 4]),
        ("a block start too late", s.time_starts + 4, [255, 255, 255, 127]),
        ("a shift too large", s.time_shifts, [49, 49, 49, 49]),
        ("a first step that is not 0", s.time_steps, [1; 4]),
        ("steps behind the last record", s.time_steps + 32 * 7 - 4, [1; 4]),
        ("a link upwards", s.links + 4 * linked, [101, 0, 0, 0]),
        ("a link to where another leads", s.links, [1, 0, 0, 0]),
        ("a chain cut off", s.links + 4 * linked, [0; 4]),
        ("an ordinal too large", s.slots, [127, 0, 0, 0]),
        ("a control record too many", s.controls + 4 * 11, [100, 0, 0, 0]),
        ("a control record twice", s.controls + 4, [0; 4]),
    ] {
        let mut bytes = good.clone();
        bytes[at as usize..at as usize + 4].copy_from_slice(&value);
        reseal(&mut bytes, &header);
        let index = SealedIndex::open(file.map(&bytes), &model.binding(), BOTH).unwrap();
        let found = index.verify_all();
        assert!(
            matches!(found, Err(IndexDefect::Content { .. })),
            "{what}: {found:?}"
        );
    }
}
