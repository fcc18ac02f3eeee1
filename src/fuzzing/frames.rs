use bytes::Bytes;

use super::seeds::reseal_frames;
use crate::format::{
    BATCH_HEADER_LEN, Binding, FRAMES_START, Frame, FrameSeeds, IndexKinds, Layout, RecordHeader, Salt,
    are_headers_whole, checksum, decode_message, encode_record,
};
use crate::index::{Find, IndexBuilder, SealedIndex, key_hash};
use crate::segment::{Entry, Extent, Walk};
use crate::sys::Map;
use crate::types::first_header;
use crate::{Message, NewMessage, Timestamp};

/// The seeds of the checksums of single frames.
const SEED: u32 = 0x5eed;

/// Reads `bytes` as one frame. If it is a record, reads it again with a corrected checksum.
pub fn frame(bytes: &[u8]) {
    let mut block = bytes;
    while let Some((_, rest)) = first_header(block) {
        assert!(rest.len() < block.len(), "a header takes at least its lengths");
        block = rest;
    }
    match Frame::parse(bytes) {
        None => {}
        Some(Frame::Batch(batch)) => {
            let sealed = batch.encode(SEED);
            let Some(Frame::Batch(again)) = Frame::parse(&sealed) else {
                panic!("a batch header is not read back");
            };
            assert!(again.is_intact(&sealed, SEED));
            assert_eq!((again.count, again.len), (batch.count, batch.len));
            assert_eq!((again.first, again.frontier), (batch.first, batch.frontier));
        }
        Some(Frame::Record(header)) => {
            if let Some(frame) = bytes.get(..header.len as usize) {
                record(&header, frame);
            }
        }
    }
}

fn record(header: &RecordHeader, frame: &[u8]) {
    let sum = checksum(SEED, &frame[4..]);
    let header = RecordHeader {
        checksum: sum,
        ..*header
    };
    let mut sealed = frame.to_vec();
    sealed[..4].copy_from_slice(&sum.to_le_bytes());
    let sealed = Bytes::from(sealed);
    let layout = Layout::of(&header, &sealed);
    let is_whole = layout
        .as_ref()
        .is_some_and(|layout| are_headers_whole(&sealed[layout.headers.clone()]));
    let message = decode_message(&sealed, 0..sealed.len(), &header, 7, SEED);
    assert_eq!(
        message.is_some(),
        is_whole,
        "two readers disagree about {header:?}"
    );
    if let Some(message) = message {
        is_read_back(&message, &header, &sealed);
    }
}

/// Checks that a decoded record is encoded to the same bytes, except that an empty block of headers
/// is not written.
fn is_read_back(message: &Message, header: &RecordHeader, frame: &Bytes) {
    let mut again = Vec::new();
    encode_record(
        &mut again,
        &NewMessage {
            time: (!header.by_clock).then_some(message.time),
            ..message.as_new()
        },
        message.time,
        SEED,
        header.kind,
        header.control,
    );
    if header.has_headers == message.headers.is_empty() {
        let Some(Frame::Record(header)) = Frame::parse(&again) else {
            panic!("a record is not read back");
        };
        let len = again.len();
        let decoded = decode_message(&Bytes::from(again), 0..len, &header, 7, SEED);
        assert_eq!(decoded.as_ref(), Some(message));
    } else {
        assert_eq!(&again[..], &frame[..]);
    }
}

const RESEALED: u8 = 1;
const WITH_KEYS: u8 = 1 << 1;
const REWRITTEN: u8 = 1 << 2;
const NEAR_THE_END_OF_OFFSETS: u8 = 1 << 3;

/// Walks through the frames of a segment, then builds an index from the result and looks everything
/// up in it. The first byte selects the kind of segment; the rest are the bytes after its header.
pub fn walk(bytes: &[u8]) {
    let Some((flags, frames)) = bytes.split_first() else {
        return;
    };
    let base = if flags & NEAR_THE_END_OF_OFFSETS == 0 {
        1000
    } else {
        u64::MAX - 3
    };
    let seeds = FrameSeeds::new(Salt([7; 16]));
    let mut segment = vec![0; FRAMES_START as usize];
    segment.extend_from_slice(frames);
    if flags & RESEALED != 0 {
        reseal_frames(&mut segment, seeds, base);
    }
    let shared = Bytes::from(segment.clone());
    let map = Map::from_bytes(segment);
    let walk = Walk {
        map: &map,
        seeds,
        base,
        header_checksum: 0,
        limit: map.len(),
        rewritten: flags & REWRITTEN != 0,
        hash_keys: flags & WITH_KEYS != 0,
    };
    let mut entries = Vec::new();
    let extent = walk.run(|entry| entries.push(*entry));
    assert!(extent.end <= walk.limit && extent.end >= u64::from(FRAMES_START));
    assert!(extent.next_offset >= base);
    let messages: Vec<_> = entries.iter().map(|entry| read(&shared, entry, seeds)).collect();
    for pair in entries.windows(2) {
        assert!(pair[0].offset < pair[1].offset && pair[0].position < pair[1].position);
    }
    if let Some(last) = entries.last() {
        assert!(last.offset < extent.next_offset && u64::from(last.position) < extent.end);
    }
    for (entry, message) in entries.iter().zip(&messages) {
        let hashes = walk.hash_keys && !entry.is_control;
        let hash = message.key.as_deref().filter(|_| hashes).map(key_hash);
        assert_eq!(entry.key_hash, hash);
        assert_eq!(Timestamp::from_micros(entry.time), message.time);
    }
    let _ = walk.is_durable_behind(&extent);
    let _ = walk.is_frame_behind(&extent, 0);
    look_up(&walk, &entries, &extent);
}

/// Checks that every record that the walk has verified can be decoded.
fn read(segment: &Bytes, entry: &Entry, seeds: FrameSeeds) -> Message {
    let start = entry.position as usize;
    let Some(Frame::Record(header)) = segment.get(start..).and_then(Frame::parse) else {
        panic!("a walk gave something that is no record");
    };
    let range = start..start + header.len as usize;
    decode_message(segment, range, &header, entry.offset, seeds.record(entry.offset))
        .expect("a record that a walk has verified")
}

/// Checks that an index of the entries is in order and finds each of them.
fn look_up(walk: &Walk<'_>, entries: &[Entry], extent: &Extent) {
    let kinds = IndexKinds {
        key: walk.hash_keys,
        time: true,
    };
    let mut builder = IndexBuilder::new(kinds, walk.base);
    for entry in entries {
        if entry.enter(&mut builder).is_err() {
            // The offsets are further apart than those of a segment may be.
            assert!(walk.rewritten);
            return;
        }
    }
    let binding = Binding {
        salt: Salt([7; 16]),
        base: walk.base,
        generation: u32::from(walk.rewritten),
        segment_len: u32::try_from(extent.end).expect("a short segment"),
        last_checksum: extent.last_checksum,
    };
    let bytes = builder
        .finish(binding, extent.next_offset)
        .expect("entries in order");
    let index = SealedIndex::open(Map::from_bytes(bytes), &binding, kinds).expect("an index just built");
    index.verify_all().expect("an index just built");
    for (ordinal, entry) in (0..).zip(entries) {
        let position = entry.position;
        assert_eq!(index.find(entry.offset), Ok(Find::Found { ordinal, position }));
        assert_eq!(index.offset(ordinal), Ok(entry.offset));
        if let Some(hash) = entry.key_hash {
            assert!(index.candidates(hash).any(|found| found == Ok(ordinal)));
        }
    }
    let messages = entries.iter().filter(|entry| !entry.is_control).count();
    assert_eq!(
        index.messages_before(index.count()).map(|count| count as usize),
        Ok(messages)
    );
    let mut reached = i64::MIN;
    for (ordinal, entry) in (0..).zip(entries) {
        if !entry.is_control && entry.time > reached {
            reached = entry.time;
            let time_of = |position| {
                let found = entries.iter().find(|entry| entry.position == position);
                found
                    .map(|entry| if entry.is_control { i64::MIN } else { entry.time })
                    .ok_or(crate::format::IndexDefect::Records)
            };
            assert_eq!(index.first_at_or_after(entry.time, time_of), Ok(Some(ordinal)));
        }
    }
    assert!(extent.end >= BATCH_HEADER_LEN as u64);
}
