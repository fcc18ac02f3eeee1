//! Tests that `docs/format.md` agrees with the code.

use super::*;
use crate::{NewMessage, Timestamp};

const PAGE: &str = include_str!("../../docs/format.md");

/// Every constant in the page has the value that the code has.
#[test]
fn constants_are_those_of_the_code() {
    let constants = [
        ("VERSION", u64::from(VERSION)),
        ("SEGMENT_HEADER_LEN", SEGMENT_HEADER_LEN),
        ("RECORD_HEADER_LEN", RECORD_HEADER_LEN as u64),
        ("LONE_HEADER_LEN", LONE_HEADER_LEN as u64),
        ("BATCH_HEADER_LEN", BATCH_HEADER_LEN as u64),
        ("BATCH_HEADER_LEN_MAX", BATCH_HEADER_LEN_MAX as u64),
        ("CONTROL_STATE_LEN", crate::control::CONTROL_STATE_LEN as u64),
        ("PRODUCERS_HEADER_LEN", producers::HEADER_LEN as u64),
        ("NOTE_LEN", NOTE_LEN as u64),
        ("META_LEN", META_LEN as u64),
        ("INDEX_HEADER_LEN", INDEX_HEADER_LEN as u64),
        ("INDEX_PAGE_LEN", INDEX_PAGE_LEN as u64),
        ("RUN_HEADER_LEN", RUN_HEADER_LEN as u64),
        ("RUN_ENTRY_LEN", RUN_ENTRY_LEN as u64),
        ("MESSAGE_SIZE_MAX", crate::MESSAGE_SIZE_MAX),
        ("BATCH_SIZE_MAX", crate::BATCH_SIZE_MAX),
        ("FRAME_LEN_MAX", u64::from(FRAME_LEN_MAX)),
    ];
    for (name, value) in constants {
        assert!(
            PAGE.contains(&format!("| `{name}` | {value} |")),
            "{name} is {value}"
        );
    }
}

/// The code writes the bytes of the worked example.
#[test]
fn the_worked_example_is_what_is_written() {
    let seeds = FrameSeeds::new(Salt([2; 16]));
    let mut bytes = Vec::new();
    let first = NewMessage::new(b"k", b"v").time(Timestamp::from_micros(1));
    encode_record(
        &mut bytes,
        &first,
        Timestamp::from_micros(1),
        seeds.record(0),
        RecordKind::Lone {
            frontier: FRAMES_START,
        },
        false,
    );

    let position = SEGMENT_HEADER_LEN + bytes.len() as u64;
    let tombstone = NewMessage {
        value: None,
        ..first.time(Timestamp::from_micros(2))
    };
    let keyless = NewMessage {
        headers: &[(b"h", b"w")],
        ..NewMessage::value(b"").time(Timestamp::from_micros(3))
    };
    let mut records = Vec::new();
    encode_record(
        &mut records,
        &tombstone,
        Timestamp::from_micros(2),
        seeds.record(1),
        RecordKind::Batched,
        false,
    );
    encode_record(
        &mut records,
        &keyless,
        Timestamp::from_micros(3),
        seeds.record(2),
        RecordKind::Batched,
        false,
    );
    let len = u32::try_from(records.len()).expect("a few bytes");
    let frontier = u32::try_from(position).expect("a few bytes");
    let header = BatchHeader {
        checksum: 0,
        count: 2,
        len,
        first: 1,
        frontier,
        has_producer: false,
    };
    bytes.extend_from_slice(&header.encode(seeds.batch(position)));
    bytes.extend_from_slice(&records);

    let lines: Vec<String> = bytes
        .chunks(16)
        .zip((SEGMENT_HEADER_LEN..).step_by(16))
        .map(|(chunk, at)| {
            let hex: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{at:4}  {}", hex.join(" "))
        })
        .collect();
    let example = lines.join("\n");
    assert!(PAGE.contains(&example), "the example should be\n{example}");
}
