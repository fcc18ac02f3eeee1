//! The key index of the segment that is appended to.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::chunks::{Chunks, Element};
use super::hash::{Words, home_slot};
use super::hints::SegmentHints;

/// Records of the first table.
const FIRST_LEN: u32 = 32;

/// The number of records from which on a table's size is an estimate. Below it, each new table
/// makes the index eight times as large.
const ESTIMATE_FROM: u32 = 2048;

/// Hash chains from newer to older records.
///
/// The chains are kept in tables that never grow. Each is for a range of ordinals, and where the
/// last table ends, the next begins. So nothing is ever moved or hashed again: a publisher never
/// waits for that, and no key has to be kept or read for it. A search looks at every table, newest
/// first. The first three stay in the nearest cache; the fourth is made as large as the segment is
/// expected to need.
#[derive(Debug)]
pub(super) struct Chains {
    tables: Chunks<OnceLock<Table>, 0>,
    len: AtomicU32,
    hints: SegmentHints,
}

/// Heads and links for the records `first..first + links.len()`.
#[derive(Debug)]
struct Table {
    first: u32,
    words: Words,
    /// For each chain the word of its newest record.
    heads: Box<[AtomicU32]>,
    /// For each record a copy of the head that it replaced: the word of the next older record of
    /// its chain.
    links: Box<[AtomicU32]>,
}

impl Chains {
    pub(super) fn new(hints: SegmentHints) -> Chains {
        Chains {
            tables: Chunks::new(),
            len: AtomicU32::new(0),
            hints,
        }
    }

    /// Enters a record, which is newer than all before; `position` is where it begins in the
    /// segment.
    #[inline]
    pub(super) fn insert(&self, ordinal: u32, hash: u32, position: u32) {
        let newest = self
            .len
            .load(Relaxed)
            .checked_sub(1)
            .and_then(|last| self.table(last));
        if newest.is_some_and(|table| table.insert(ordinal, hash)) {
            return;
        }
        self.add_table(ordinal, position).insert(ordinal, hash);
    }

    #[cold]
    fn add_table(&self, first: u32, position: u32) -> &Table {
        let len = self.len.load(Relaxed);
        let table = self
            .tables
            .get_or_make(len)
            .get_or_init(|| Table::new(first, self.hints.records_to_come(first, position)));
        self.len.store(len + 1, Release);
        table
    }

    #[inline]
    fn table(&self, number: u32) -> Option<&Table> {
        self.tables.get(number)?.get()
    }

    /// Bytes of memory in use with `count` records in the index.
    #[cfg(test)]
    pub(super) fn memory_bytes(&self, count: u32) -> usize {
        let len = self.len.load(Acquire);
        let tables = (0..len)
            .filter_map(|number| self.table(number))
            .map(|table| table.memory_bytes(count));
        tables.sum::<usize>() + self.tables.memory_bytes(len)
    }
}

impl SegmentHints {
    /// The number of records to make room for, when `count` are there and the next one begins at
    /// `position`.
    ///
    /// Room for too many records costs memory; room for too few costs another table. The bytes that
    /// the records so far took allow a guess at how many will follow. The guess must not take
    /// memory out of proportion to the records that are there, unless the segment before had as
    /// many.
    fn records_to_come(self, count: u32, position: u32) -> u32 {
        if count == 0 {
            return FIRST_LEN;
        }
        if count < ESTIMATE_FROM {
            return count * 7;
        }
        let left = u64::from(self.bytes.saturating_sub(position));
        let estimate = u64::from(count) * left / u64::from(position.max(1));
        let expected = u64::from(self.records_expected.saturating_sub(count));
        let most = (u64::from(count) * 15).max(expected * 5 / 4);
        // A thirty-second more, because records differ.
        let wanted = (estimate + estimate / 32).min(most).max(u64::from(count / 4));
        u32::try_from(wanted).unwrap_or(u32::MAX).min(u32::MAX - count)
    }
}

impl Table {
    fn new(first: u32, len: u32) -> Table {
        // A large table has a link and 0.3 heads a record, which take 5.2 bytes: a search passes
        // three other records on average, by their tags. Every search looks at the small tables,
        // and they can afford a head for each record.
        let heads = if len < ESTIMATE_FROM { len } else { len / 10 * 3 }.max(1);
        Table {
            first,
            words: Words::new(len),
            heads: AtomicU32::empty(heads as usize),
            links: AtomicU32::empty(len as usize),
        }
    }

    /// Enters a record, if its ordinal is in this table's range; returns whether it is.
    #[inline]
    fn insert(&self, ordinal: u32, hash: u32) -> bool {
        let local = ordinal - self.first;
        let Some(link) = self.links.get(local as usize) else {
            return false;
        };
        let head = self.head(hash);
        link.store(head.load(Relaxed), Relaxed);
        // A reader that sees the new head also sees the link, and all links before it.
        head.store(self.words.word(hash, local), Release);
        true
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the number of heads was a u32")]
    fn head(&self, hash: u32) -> &AtomicU32 {
        &self.heads[home_slot(hash, self.heads.len() as u32) as usize]
    }

    #[cfg(test)]
    fn memory_bytes(&self, count: u32) -> usize {
        let touched = 4 * self.links.len().min(count.saturating_sub(self.first) as usize);
        size_of_val(&*self.heads)
            + touched
                .next_multiple_of(super::chunks::PAGE)
                .min(size_of_val(&*self.links))
    }
}

/// Ordinals below `visible`, newest first, that include those of all records whose key has the
/// hash.
#[derive(Debug)]
pub(crate) struct ChainWalk<'a> {
    chains: Option<&'a Chains>,
    hash: u32,
    visible: u32,
    tables_left: u32,
    /// The table being searched, and the word of the next record to look at there.
    chain: Option<(&'a Table, u32)>,
}

impl<'a> ChainWalk<'a> {
    #[inline]
    pub(super) fn new(chains: Option<&'a Chains>, hash: u32, visible: u32) -> ChainWalk<'a> {
        // The caller has loaded `visible` before this load, so the tables of all visible records
        // are there.
        let tables_left = chains.map_or(0, |chains| chains.len.load(Acquire));
        ChainWalk {
            chains,
            hash,
            visible,
            tables_left,
            chain: None,
        }
    }
}

impl Iterator for ChainWalk<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        loop {
            while let Some((table, word)) = self.chain {
                let Some(local) = table.words.ordinal(word) else {
                    break;
                };
                // A link was stored before the head that led to it, and that head was loaded with
                // acquire.
                self.chain = table
                    .links
                    .get(local as usize)
                    .map(|link| (table, link.load(Relaxed)));
                let ordinal = table.first + local;
                // Records that are not visible yet are skipped; their links lead to visible ones.
                if ordinal < self.visible && table.words.has_tag(word, table.words.tag(self.hash)) {
                    return Some(ordinal);
                }
            }
            self.tables_left = self.tables_left.checked_sub(1)?;
            let table = self.chains?.table(self.tables_left);
            self.chain = table.map(|table| (table, table.head(self.hash).load(Acquire)));
        }
    }
}
