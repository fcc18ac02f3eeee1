use crate::format::{
    Binding, CleanEnd, FRAMES_START, Frame, FrameSeeds, INDEX_HEADER_LEN, IndexHeader, IndexKinds, Life,
    Lives, META_LEN, Meta, Previous, RecordKind, Salt, SegmentHeader, checksum, encode_record,
};
use crate::index::{IndexBuilder, key_hash};
use crate::sys::FileId;
use crate::{LifeId, NewMessage, Timestamp};

/// Corrects every checksum of a segment, an index or a copy of the metadata, as far as the file can
/// be parsed.
pub fn reseal(bytes: &mut [u8]) {
    match bytes.first_chunk() {
        Some(b"DURAMENM") => reseal_header(bytes, META_LEN),
        Some(b"DURAMENI") => reseal_index(bytes),
        Some(b"DURAMENL") => {
            reseal_header(bytes, FRAMES_START as usize);
            if let Ok(header) = SegmentHeader::decode(bytes) {
                reseal_frames(bytes, FrameSeeds::new(header.salt), header.base);
            }
        }
        _ => {}
    }
}

fn reseal_header(bytes: &mut [u8], len: usize) {
    if let Some((body, end)) = bytes
        .get_mut(..len)
        .and_then(|header| header.split_last_chunk_mut::<4>())
    {
        *end = checksum(0, body).to_le_bytes();
    }
}

fn reseal_index(bytes: &mut [u8]) {
    reseal_header(bytes, INDEX_HEADER_LEN);
    let Ok(header) = IndexHeader::decode(bytes, bytes.len() as u64) else {
        return;
    };
    let sections = header.sections();
    let mut table = Vec::new();
    for page in 0..sections.pages {
        let range = sections.page(page);
        let page = bytes
            .get(index_of(range.start)..index_of(range.end))
            .unwrap_or_default();
        table.extend_from_slice(&checksum(0, page).to_le_bytes());
    }
    let table_checksum = checksum(0, &table);
    let header = IndexHeader {
        table_checksum,
        ..header
    };
    bytes[..INDEX_HEADER_LEN].copy_from_slice(&header.encode());
    if let Some(target) = bytes.get_mut(index_of(sections.table)..) {
        target.copy_from_slice(&table);
    }
}

fn index_of(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

/// Corrects the checksums of all frames, up to the first position that cannot hold a frame.
pub(super) fn reseal_frames(segment: &mut [u8], seeds: FrameSeeds, base: u64) {
    let mut at = FRAMES_START as usize;
    let mut offset = base;
    while let Some(rest) = segment.get_mut(at..) {
        match Frame::parse(rest) {
            Some(Frame::Batch(batch)) => {
                let header = batch.encode(seeds.batch(at as u64));
                offset = base.wrapping_add(u64::from(batch.first));
                rest[..header.len()].copy_from_slice(&header);
                at += header.len();
            }
            Some(Frame::Record(record)) => {
                let Some(frame) = rest.get_mut(..record.len as usize) else {
                    return;
                };
                let sum = checksum(seeds.record(offset), &frame[4..]);
                frame[..4].copy_from_slice(&sum.to_le_bytes());
                offset = offset.wrapping_add(1);
                at += frame.len();
            }
            None => return,
        }
    }
}

/// The initial inputs, each with the name of its target.
#[must_use]
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = Vec::new();
    for kind in [
        RecordKind::Batched,
        RecordKind::Lone {
            frontier: FRAMES_START,
        },
    ] {
        for message in messages() {
            for is_control in [false, true] {
                seeds.push(("frame", record(&message, kind, is_control)));
            }
        }
    }
    for (flags, has_controls) in (0..16).flat_map(|flags| [(flags, false), (flags, true)]) {
        let mut segment = vec![flags | 1];
        let lone = RecordKind::Lone { frontier: 0 };
        segment.extend(record(&messages()[1], lone, has_controls));
        let batch: Vec<u8> = (0..)
            .zip(&messages())
            .flat_map(|(n, message)| record(message, RecordKind::Batched, has_controls && n % 2 == 0))
            .collect();
        segment.extend(batch_header(messages().len(), batch.len(), 1));
        segment.extend(batch);
        segment.extend(batch_header(0, 0, 1 + messages().len()));
        seeds.push(("segment_walk", segment));
    }
    for (key, time) in [(false, false), (true, false), (false, true), (true, true)] {
        for has_controls in [false, true] {
            seeds.push(("index", index_file(IndexKinds { key, time }, has_controls)));
        }
        let mut forged = vec![
            u8::from(key) | (u8::from(time) << 1),
            40,
            0,
            0,
            1,
            0,
            0,
            0,
            9,
            3,
            7,
            0,
            0,
            0,
            0,
            0,
        ];
        forged.extend((0_u32..64).flat_map(u32::to_le_bytes));
        seeds.push(("index", forged));
    }
    for clean in [
        None,
        Some(CleanEnd { last: None }),
        Some(CleanEnd {
            last: Some(previous()),
        }),
    ] {
        seeds.push(("meta", metadata(clean).encode().to_vec()));
    }
    for name in [
        "00000000000000000007.log",
        "18446744073709551615.idx.tmp",
        "meta.0",
    ] {
        seeds.push(("names", name.as_bytes().to_vec()));
    }
    seeds
}

fn messages() -> [NewMessage<'static>; 4] {
    [
        NewMessage::new(b"key", b"value"),
        NewMessage::value(b""),
        NewMessage {
            value: None,
            ..NewMessage::new(b"", b"")
        },
        NewMessage::new(b"key", b"2").headers(&[(b"name", b"value"), (b"", b"")]),
    ]
}

fn record(message: &NewMessage<'_>, kind: RecordKind, is_control: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_record(
        &mut bytes,
        message,
        Timestamp::from_micros(5),
        0,
        kind,
        is_control,
    );
    bytes
}

fn batch_header(count: usize, len: usize, first: usize) -> Vec<u8> {
    let small = |number: usize| u32::try_from(number).unwrap_or(0);
    let header = crate::format::BatchHeader {
        checksum: 0,
        count: small(count),
        len: small(len),
        first: small(first),
        frontier: 0,
        has_producer: false,
    };
    header.encode(0).to_vec()
}

fn index_file(kinds: IndexKinds, has_controls: bool) -> Vec<u8> {
    let mut builder = IndexBuilder::new(kinds, 0);
    for n in 0_u32..40 {
        let hash = Some(key_hash(&[u8::try_from(n % 7).unwrap_or(0)]));
        let (offset, position) = (u64::from(n + n / 30), 192 + 30 * n);
        // A sealed file that is whole; entries in order cannot be refused.
        let _ = if has_controls && n % 4 == 3 {
            builder.push_control(offset, position)
        } else {
            builder.push(offset, position, i64::from(n % 9), hash)
        };
    }
    let binding = Binding {
        salt: Salt([3; 16]),
        base: 0,
        generation: 0,
        segment_len: 4096,
        last_checksum: 0,
    };
    builder.finish(binding, 50).unwrap_or_default()
}

fn previous() -> Previous {
    Previous {
        base: 0,
        len: 192,
        last_checksum: 7,
    }
}

fn metadata(clean: Option<CleanEnd>) -> Meta {
    let id = |number| LifeId::from_bytes([number; 16]);
    let first = Life { id: id(2), begin: 0 };
    let mut lives = Lives::new(first, 0);
    lives.begin(id(3), 4);
    Meta {
        log_id: [1; 16],
        sequence: 2,
        start_offset: 0,
        next_offset: 5,
        key_index: true,
        time_index: false,
        has_gaps: false,
        unfinished: false,
        incomplete: false,
        boot: [4; 16],
        lock: FileId {
            device: 5,
            inode: 6,
            made: 7,
        },
        lives,
        merge: None,
        visible_is_durable: true,
        clean,
        control: (0, crate::control::ControlState::default()),
    }
}
