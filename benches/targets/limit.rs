//! The limits: what the hardware allows for the same bytes, measured with code that does only that.
//!
//! Records are laid out like the library's: checksum, length, time and part lengths in 20 bytes,
//! four more bytes for a record published alone, then key and value. Unlike in the library, batches
//! are not atomic, nothing can be recovered, and there are no other readers.

use std::fs::{self, File};
use std::io::Write as _;
use std::ops::Range;
use std::path::Path;

use memmap2::MmapMut;

use crate::Outcome;
use crate::crc::crc32c;
use crate::workload::{BATCH_COUNT, KEY_LEN, Workload, time};

/// The number of bytes before the payload of a record published alone.
pub(crate) const LONE: usize = 24;
/// The number of bytes before the payload of a record in a batch.
pub(crate) const IN_BATCH: usize = 20;
/// The number of bytes before the records of a batch.
const BATCH_HEADER_LEN: usize = 20;

/// A file filled with zeros. It has no name, so it is freed when it is closed.
pub(crate) fn zeros(dir: &Path, len: usize) -> Outcome<File> {
    let path = dir.join("reserved");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(&path)?;
    let zeros = vec![0; 256 << 10];
    for start in (0..len).step_by(zeros.len()) {
        file.write_all(&zeros[..zeros.len().min(len - start)])?;
    }
    Ok(file)
}

/// A mapped file filled with [`zeros`].
#[derive(Debug)]
pub(crate) struct Reserved {
    pub(crate) map: MmapMut,
}

impl Reserved {
    pub(crate) fn create(dir: &Path, len: usize) -> Outcome<Reserved> {
        let file = zeros(dir, len)?;
        #[expect(unsafe_code, reason = "the limit stores through a mapping of its own")]
        // SAFETY: the file lost its name before anybody else could open it, so nobody truncates or
        // changes it.
        let map = unsafe { MmapMut::map_mut(&file)? };
        Ok(Reserved { map })
    }
}

/// Builds the record of message `number` at the start of `space`. Returns its length.
#[inline]
pub(crate) fn put<const HEADER: usize>(
    space: &mut [u8],
    number: u64,
    time: i64,
    key: &[u8],
    value: &[u8],
) -> usize {
    let len = HEADER + key.len() + value.len();
    let frame = &mut space[..len];
    frame[4..8].copy_from_slice(&(len as u32).to_le_bytes());
    frame[8..16].copy_from_slice(&time.to_le_bytes());
    frame[16..20].copy_from_slice(&(key.len() as u32).to_le_bytes());
    frame[HEADER..HEADER + key.len()].copy_from_slice(key);
    frame[HEADER + key.len()..].copy_from_slice(value);
    let sum = crc32c(number as u32, &frame[4..]);
    frame[..4].copy_from_slice(&sum.to_le_bytes());
    len
}

/// Builds a batch of the messages from `first` up to `end` at the start of `space`. Returns its
/// length.
#[inline]
pub(crate) fn put_batch(space: &mut [u8], workload: &Workload, first: u64, end: u64) -> usize {
    let mut at = BATCH_HEADER_LEN;
    for number in first..end {
        at += put::<IN_BATCH>(
            &mut space[at..],
            number,
            time(number),
            workload.key(number),
            workload.value(number),
        );
    }
    space[4..8].copy_from_slice(&((end - first) as u32).to_le_bytes());
    space[8..12].copy_from_slice(&(at as u32).to_le_bytes());
    space[12..20].copy_from_slice(&first.to_le_bytes());
    let sum = crc32c(first as u32, &space[4..BATCH_HEADER_LEN]);
    space[..4].copy_from_slice(&sum.to_le_bytes());
    at
}

/// A record with a verified checksum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) len: usize,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// Reads and verifies the record of message `number` at the start of `bytes`.
#[inline]
pub(crate) fn read<const HEADER: usize>(bytes: &[u8], number: u64) -> Option<Record<'_>> {
    let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let (sum, len, key_len) = (word(0)?, word(4)? as usize, word(16)? as usize);
    let frame = bytes.get(..len)?;
    if crc32c(number as u32, frame.get(4..)?) != sum {
        return None;
    }
    let (key, value) = frame.get(HEADER..)?.split_at_checked(key_len)?;
    Some(Record { len, key, value })
}

/// All messages in batches in one mapping, for the limits of reading.
#[derive(Debug)]
pub(crate) struct Plain {
    space: Reserved,
    batch_len: usize,
    record_len: usize,
}

impl Plain {
    pub(crate) fn build(dir: &Path, workload: &Workload, messages: u64) -> Outcome<Plain> {
        let record_len = IN_BATCH + KEY_LEN + workload.value(0).len();
        let batch_len = BATCH_HEADER_LEN + BATCH_COUNT * record_len;
        let batches = messages.div_ceil(BATCH_COUNT as u64);
        let mut space = Reserved::create(dir, batches as usize * batch_len)?;
        for batch in 0..batches {
            let first = batch * BATCH_COUNT as u64;
            let end = messages.min(first + BATCH_COUNT as u64);
            put_batch(&mut space.map[batch as usize * batch_len..], workload, first, end);
        }
        Ok(Plain {
            space,
            batch_len,
            record_len,
        })
    }

    /// The bytes from the record of message `number` on. All records have the same length, so no
    /// index is needed.
    #[inline]
    pub(crate) fn at(&self, number: u64) -> &[u8] {
        let (batch, within) = (number as usize / BATCH_COUNT, number as usize % BATCH_COUNT);
        &self.space.map[batch * self.batch_len + BATCH_HEADER_LEN + within * self.record_len..]
    }

    /// A copy of the records of these messages, which must belong to one batch.
    #[inline]
    pub(crate) fn copy(&self, numbers: Range<u64>) -> Vec<u8> {
        let len = (numbers.end - numbers.start) as usize * self.record_len;
        self.at(numbers.start)[..len].to_vec()
    }

    /// Reads and verifies the record of message `number`, which is the `index`-th in a
    /// [`copy`](Plain::copy).
    #[inline]
    pub(crate) fn get_in<'a>(&self, bytes: &'a [u8], index: u64, number: u64) -> Option<Record<'a>> {
        read::<IN_BATCH>(bytes.get(index as usize * self.record_len..)?, number)
    }

    /// Reads and verifies the record of message `number`.
    #[inline]
    pub(crate) fn get(&self, number: u64) -> Option<Record<'_>> {
        read::<IN_BATCH>(self.at(number), number)
    }
}
