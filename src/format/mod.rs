//! L2: bytes to values and back, with no I/O, no clock and nothing unsafe. The layout is described
//! in `docs/format.md`.

mod bytes;
mod checksum;
mod frame;
mod header;
mod index;
mod index_defect;
mod lives;
mod meta;
mod names;
mod note;
#[cfg(test)]
mod page_tests;
mod payload;
mod producers;
mod run;
mod segment;
mod sink;

pub(crate) use checksum::{FrameSeeds, Salt, checksum, reseeded};
pub(crate) use frame::{
    BATCH_HEADER_LEN, BATCH_HEADER_LEN_MAX, BatchHeader, FRAME_LEN_MAX, Frame, LONE_HEADER_LEN,
    RECORD_HEADER_LEN, RecordHeader, RecordKind, TIME_AT,
};
pub(crate) use header::HeaderDefect;
pub(crate) use index::{
    Binding, INDEX_HEADER_LEN, INDEX_PAGE_LEN, IndexHeader, IndexKinds, SLOTS_IN_LINE, Sections,
    TIME_BLOCK_LEN,
};
pub(crate) use index_defect::IndexDefect;
pub(crate) use lives::{Life, Lives};
pub(crate) use meta::{CleanEnd, META_LEN, META_SEQUENCE_AT, Meta};
pub(crate) use names::{
    BELL_NAME, FileName, META_NAMES, NOTE_NAME, PREPARED_NAME, QUARANTINE_NAME, SPARE_NAME,
};
pub(crate) use note::{DurableNote, NOTE_LEN};
pub(crate) use payload::{
    Layout, are_headers_whole, decode_lone_message, decode_message, encode_record, is_intact, lone_len,
    record_len, verified_whole,
};
pub(crate) use producers::{PRODUCERS_LEN_MAX, ProducersAt};
pub(crate) use run::{RUN_ENTRY_LEN, RUN_HEADER_LEN, RunHeader};
pub(crate) use segment::{
    FRAMES_START, Previous, Rewrite, SEGMENT_HEADER_LEN, SEGMENT_LEN_MAX, SegmentHeader, SegmentHeaderBytes,
};
pub(crate) use sink::{Sink, put_in_words};

/// The version of the format that this crate writes, and the only one it reads.
pub(crate) const VERSION: u16 = 1;

/// Tests try every bit and every length. Under Miri, which is a thousand times slower, they try one
/// in so many.
#[cfg(test)]
pub(crate) const TEST_STRIDE: usize = if cfg!(miri) { 61 } else { 1 };
