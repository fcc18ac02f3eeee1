//! Makes the index file of a sealed segment.

use super::hash::{Words, home_slot};
use crate::format::{
    Binding, IndexDefect, IndexHeader, IndexKinds, SLOTS_IN_LINE, Sections, TIME_BLOCK_LEN, checksum,
};

/// Gathers what the index of a segment needs to know about each record, then lays out the file.
///
/// The same records give the same bytes: to check an index in depth, build it again and compare.
/// The builder takes about 15 bytes of memory a record while it gathers, and about 20 at the end,
/// which include the 16 of the file; with gaps 4 more.
#[derive(Debug)]
pub(crate) struct IndexBuilder {
    base: u64,
    kinds: IndexKinds,
    positions: Vec<u32>,
    /// Empty as long as the offsets have no gaps.
    offsets: Vec<u32>,
    offset_last: Option<u64>,
    times: Times,
    /// Key hash and ordinal of each record that has a key, in the high and the low half.
    keys: Vec<u64>,
    /// Ordinals of the control records.
    controls: Vec<u32>,
}

impl IndexBuilder {
    /// Makes a builder for a segment whose base offset is `base`.
    pub(crate) fn new(kinds: IndexKinds, base: u64) -> IndexBuilder {
        IndexBuilder {
            base,
            kinds,
            positions: Vec::new(),
            offsets: Vec::new(),
            offset_last: None,
            times: Times::default(),
            keys: Vec::new(),
            controls: Vec::new(),
        }
    }

    /// Enters the next record, a control record, as [`push`](IndexBuilder::push) enters a message.
    pub(crate) fn push_control(&mut self, offset: u64, position: u32) -> Result<(), IndexDefect> {
        let ordinal = u32::try_from(self.positions.len()).map_err(|_| IndexDefect::Records)?;
        // The earliest time there is leaves the running maximum as it is.
        self.push(offset, position, i64::MIN, None)?;
        self.controls.push(ordinal);
        Ok(())
    }

    /// Enters the next record. Offsets and positions have to go up, and offsets have to stay below
    /// the base + 2^32.
    pub(crate) fn push(
        &mut self,
        offset: u64,
        position: u32,
        time: i64,
        key_hash: Option<u32>,
    ) -> Result<(), IndexDefect> {
        let relative = offset
            .checked_sub(self.base)
            .and_then(|relative| u32::try_from(relative).ok());
        let relative = relative.ok_or(IndexDefect::Records)?;
        let ordinal = u32::try_from(self.positions.len()).map_err(|_| IndexDefect::Records)?;
        if self.offset_last.is_some_and(|last| last >= offset)
            || self.positions.last().is_some_and(|&last| last >= position)
        {
            return Err(IndexDefect::Records);
        }
        if relative != ordinal && self.offsets.is_empty() {
            self.offsets.extend(0..ordinal);
        }
        if relative != ordinal || !self.offsets.is_empty() {
            self.offsets.push(relative);
        }
        self.offset_last = Some(offset);
        self.positions.push(position);
        if self.kinds.time {
            self.times.push(time);
        }
        if let Some(hash) = key_hash.filter(|_| self.kinds.key) {
            self.keys.push(u64::from(hash) << 32 | u64::from(ordinal));
        }
        Ok(())
    }

    /// Returns the file: an index that answers for the offsets from the base up to `end`
    /// (exclusive).
    pub(crate) fn finish(mut self, binding: Binding, end: u64) -> Result<Vec<u8>, IndexDefect> {
        let count = u32::try_from(self.positions.len()).map_err(|_| IndexDefect::Records)?;
        if binding.base != self.base
            || self.offset_last.map_or(end < self.base, |last| last >= end)
            || self
                .positions
                .last()
                .is_some_and(|&last| last >= binding.segment_len)
        {
            return Err(IndexDefect::Records);
        }
        self.times.finish();
        self.keys.sort_unstable();
        let mut header = IndexHeader {
            kinds: self.kinds,
            gaps: !self.offsets.is_empty(),
            binding,
            count,
            end,
            time_max: if self.kinds.time && count > 0 {
                self.times.max
            } else {
                0
            },
            slots: if self.kinds.key {
                slots_for(distinct(&self.keys))?
            } else {
                0
            },
            keyed: u32::try_from(self.keys.len()).map_err(|_| IndexDefect::Records)?,
            controls: u32::try_from(self.controls.len()).map_err(|_| IndexDefect::Records)?,
            table_checksum: 0,
        };
        let sections = header.sections();
        let mut file = Output::new(&sections)?;
        file.words(sections.positions, std::mem::take(&mut self.positions));
        file.words(sections.offsets, std::mem::take(&mut self.offsets));
        file.times(&sections, std::mem::take(&mut self.times));
        if self.kinds.key {
            file.keys(&header, &sections, &self.keys);
        }
        file.words(sections.controls, std::mem::take(&mut self.controls));
        header.table_checksum = file.page_table(&sections);
        file.put(0, &header.encode());
        Ok(file.bytes)
    }
}

/// The number of hash slots for `distinct` hashes: three of four are filled, and at least one is
/// empty.
fn slots_for(distinct: usize) -> Result<u32, IndexDefect> {
    let slots = distinct as u64 * 4 / 3 + 1;
    u32::try_from(slots.next_multiple_of(u64::from(SLOTS_IN_LINE))).map_err(|_| IndexDefect::Records)
}

/// The number of different hashes in `keys`, which are sorted.
fn distinct(keys: &[u64]) -> usize {
    keys.chunk_by(|a, b| split(*a).0 == split(*b).0).count()
}

/// Hash and ordinal of a key.
#[expect(clippy::cast_possible_truncation, reason = "the two halves")]
fn split(key: u64) -> (u32, u32) {
    ((key >> 32) as u32, key as u32)
}

/// The running maximum of the times, in blocks of [`TIME_BLOCK_LEN`] records.
#[derive(Debug)]
struct Times {
    max: i64,
    /// The running maximum at each record of the block that is being filled.
    block: Vec<i64>,
    starts: Vec<i64>,
    shifts: Vec<u8>,
    steps: Vec<u16>,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            max: i64::MIN,
            block: Vec::new(),
            starts: Vec::new(),
            shifts: Vec::new(),
            steps: Vec::new(),
        }
    }
}

impl Times {
    fn push(&mut self, time: i64) {
        self.max = self.max.max(time);
        self.block.push(self.max);
        if self.block.len() == TIME_BLOCK_LEN as usize {
            self.finish();
        }
    }

    /// Writes the block down: its first maximum in full, then by how much each maximum exceeds the
    /// first. These steps lose as many low bits as they must for the largest to fit in 16 bits. The
    /// difference of two times can be more than an `i64` holds, but it is never negative, and a
    /// `u64` holds it.
    fn finish(&mut self) {
        let (Some(&start), Some(&last)) = (self.block.first(), self.block.last()) else {
            return;
        };
        let above = |max: i64| max.wrapping_sub(start).cast_unsigned();
        let shift = (u64::BITS - above(last).leading_zeros()).saturating_sub(u16::BITS);
        self.starts.push(start);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most 48; and the shift makes every step fit"
        )]
        {
            self.shifts.push(shift as u8);
            self.steps
                .extend(self.block.iter().map(|&max| (above(max) >> shift) as u16));
        }
        // The last block is filled up with a step that no search finds early.
        self.steps
            .resize(self.starts.len() * TIME_BLOCK_LEN as usize, u16::MAX);
        self.block.clear();
    }
}

/// The file while it is laid out; all zeros at first.
struct Output {
    bytes: Vec<u8>,
}

impl Output {
    fn new(sections: &Sections) -> Result<Output, IndexDefect> {
        let len = usize::try_from(sections.file_len).map_err(|_| IndexDefect::Records)?;
        Ok(Output { bytes: vec![0; len] })
    }

    fn put(&mut self, position: u64, field: &[u8]) {
        // The sections are as long as what is put there, and the file's length is a `usize`.
        let at = usize::try_from(position).unwrap_or(usize::MAX);
        self.bytes[at..at + field.len()].copy_from_slice(field);
    }

    fn words(&mut self, section: u64, words: Vec<u32>) {
        for (word, at) in words.into_iter().zip((section..).step_by(4)) {
            self.put(at, &word.to_le_bytes());
        }
    }

    fn times(&mut self, sections: &Sections, times: Times) {
        for (start, at) in times.starts.iter().zip((sections.time_starts..).step_by(8)) {
            self.put(at, &start.to_le_bytes());
        }
        self.put(sections.time_shifts, &times.shifts);
        for (step, at) in times.steps.into_iter().zip((sections.time_steps..).step_by(2)) {
            self.put(at, &step.to_le_bytes());
        }
    }

    /// Fills in links and slots, from keys sorted by hash and ordinal.
    ///
    /// The order of the hashes is also the order of their home slots. In this order each hash goes
    /// to its home slot, or behind the hash before it. Hashes that would come behind the last slot
    /// fill the empty slots from the front on. Linear probing in this order gives the same table,
    /// but here nothing is probed, so the time does not depend on how the hashes are spread.
    fn keys(&mut self, header: &IndexHeader, sections: &Sections, keys: &[u64]) {
        let words = Words::new(header.count);
        let slot = |number: u32| sections.slots + 4 * u64::from(number);
        let mut free = 0;
        let mut wrapped = Vec::new();
        for same_hash in keys.chunk_by(|a, b| split(*a).0 == split(*b).0) {
            for pair in same_hash.windows(2) {
                if let [older, newer] = pair {
                    let link = sections.links + 4 * u64::from(split(*newer).1);
                    self.put(link, &(split(*older).1 + 1).to_le_bytes());
                }
            }
            let Some(&newest) = same_hash.last() else { continue };
            let (hash, ordinal) = split(newest);
            let at = home_slot(hash, header.slots).max(free);
            if at < header.slots {
                self.put(slot(at), &words.word(hash, ordinal).to_le_bytes());
            } else {
                wrapped.push(words.word(hash, ordinal));
            }
            free = at + 1;
        }
        let mut at = 0;
        for word in wrapped {
            while self.part(slot(at)..slot(at + 1)) != [0; 4] {
                at += 1;
            }
            self.put(slot(at), &word.to_le_bytes());
        }
    }

    /// Fills in the page table; returns its checksum.
    fn page_table(&mut self, sections: &Sections) -> u32 {
        for page in 0..sections.pages {
            let sum = checksum(0, self.part(sections.page(page)));
            self.put(sections.table + 4 * page, &sum.to_le_bytes());
        }
        checksum(0, self.part(sections.table..sections.file_len))
    }

    fn part(&self, range: std::ops::Range<u64>) -> &[u8] {
        let index = |position| usize::try_from(position).unwrap_or(usize::MAX);
        &self.bytes[index(range.start)..index(range.end)]
    }
}
