use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use xxhash_rust::xxh3::xxh3_64;

pub(super) const PAGE: u64 = 4096;
const PAGE_SIZE: usize = 4096;

/// A page and its hash, which is computed on first use.
#[derive(Debug)]
struct Page {
    bytes: [u8; PAGE_SIZE],
    hash: OnceLock<u64>,
}

/// The hash of a page of zeros, which is the same as that of a missing page.
const ZEROS_HASH: u64 = 0;

impl Page {
    fn new(bytes: &[u8; PAGE_SIZE]) -> Page {
        Page {
            bytes: *bytes,
            hash: OnceLock::new(),
        }
    }

    fn hash(&self) -> u64 {
        *self.hash.get_or_init(|| {
            let is_zero = self.bytes.iter().all(|byte| *byte == 0);
            if is_zero {
                ZEROS_HASH
            } else {
                xxh3_64(&self.bytes) | 1
            }
        })
    }
}

impl Clone for Page {
    /// A copy is made to be changed, so it has no hash yet.
    fn clone(&self) -> Page {
        Page::new(&self.bytes)
    }
}

/// The bytes of a file. Copies share pages.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    len: u64,
    /// A missing page is all zeros.
    pages: BTreeMap<u64, Arc<Page>>,
    /// Ranges of pages that are allocated on the medium. A store to any other page needs space
    /// first.
    placed: Vec<(u64, u64)>,
}

impl Content {
    pub(super) fn new(bytes: &[u8]) -> Content {
        let mut content = Content::default();
        content.put(0, &Data::new(bytes), 0, bytes.len() as u64);
        content.len = bytes.len() as u64;
        content
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Fills `buffer` up to the end of the file. Returns the number of bytes read.
    pub(super) fn read(&self, position: u64, buffer: &mut [u8]) -> usize {
        let len = self.len.saturating_sub(position).min(buffer.len() as u64);
        let len = usize::try_from(len).unwrap_or(buffer.len());
        for (page, at, range) in pieces(position, len) {
            let piece = &mut buffer[range];
            match self.pages.get(&page) {
                Some(page) => piece.copy_from_slice(&page.bytes[at..at + piece.len()]),
                None => piece.fill(0),
            }
        }
        len
    }

    /// Writes the part of `data` between `from` and `to`, where all of `data` begins at `position`.
    /// The length stays the same, even if the bytes lie beyond it.
    pub(super) fn put(&mut self, position: u64, data: &Data, from: u64, to: u64) {
        if to <= from {
            return;
        }
        let start = position + from;
        self.place(start / PAGE, (position + to).div_ceil(PAGE));
        match data {
            Data::Zeros(_) => self.zero(start, position + to),
            Data::Bytes(bytes) => {
                #[expect(clippy::cast_possible_truncation, reason = "both lie within a slice")]
                let bytes = &bytes[from as usize..to as usize];
                for (page, at, range) in pieces(start, bytes.len()) {
                    let piece = &bytes[range];
                    self.page_mut(page)[at..at + piece.len()].copy_from_slice(piece);
                }
            }
        }
    }

    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len {
            let beyond = len.div_ceil(PAGE);
            self.pages.split_off(&beyond);
            self.zero(len, beyond * PAGE);
            self.placed.retain_mut(|(from, to)| {
                *to = (*to).min(beyond);
                from < to
            });
        }
        self.len = len;
    }

    /// Drops the bytes that [`put`](Content::put) has left beyond the end.
    pub(super) fn clip(&mut self) {
        let len = self.len;
        self.len = u64::MAX;
        self.set_len(len);
    }

    /// Whether the bytes from `from` to `to` are zeros.
    pub(super) fn is_zero(&self, from: u64, to: u64) -> bool {
        self.pages
            .range(from / PAGE..to.div_ceil(PAGE))
            .all(|(page, held)| {
                let start = from.saturating_sub(page * PAGE).min(PAGE);
                let end = to.saturating_sub(page * PAGE).min(PAGE);
                held.bytes[start as usize..end as usize]
                    .iter()
                    .all(|byte| *byte == 0)
            })
    }

    /// Whether `page` is allocated on the medium.
    pub(super) fn is_placed(&self, page: u64) -> bool {
        self.placed.iter().any(|(from, to)| (*from..*to).contains(&page))
    }

    /// The number of pages that are allocated on the medium.
    pub(super) fn placed_count(&self) -> u64 {
        self.placed.iter().map(|(from, to)| to - from).sum()
    }

    /// Fills a page with arbitrary bytes.
    pub(super) fn fill_page(&mut self, page: u64, bytes: &[u8; PAGE_SIZE]) {
        self.place(page, page + 1);
        self.pages.insert(page, Arc::new(Page::new(bytes)));
    }

    /// The `n`-th page that is not empty, counted round and round.
    pub(super) fn nth_page(&self, n: u64) -> Option<[u8; PAGE_SIZE]> {
        let index = n.checked_rem(self.pages.len() as u64)?;
        self.pages
            .values()
            .nth(usize::try_from(index).ok()?)
            .map(|page| page.bytes)
    }

    /// A hash of the bytes.
    pub(super) fn hash(&self, seed: u64) -> u64 {
        let pages = self.pages.iter().map(|(index, page)| (index, page.hash()));
        pages
            .filter(|(_, hash)| *hash != ZEROS_HASH)
            .fold(seed ^ self.len, |hash, (index, page)| {
                let spread = (hash.rotate_left(23) ^ page ^ index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                spread ^ (spread >> 29)
            })
    }

    fn zero(&mut self, from: u64, to: u64) {
        let pages: Vec<u64> = self
            .pages
            .range(from / PAGE..to.div_ceil(PAGE))
            .map(|(page, _)| *page)
            .collect();
        for page in pages {
            let start = from.saturating_sub(page * PAGE).min(PAGE);
            let end = to.saturating_sub(page * PAGE).min(PAGE);
            if (start, end) == (0, PAGE) {
                self.pages.remove(&page);
            } else {
                self.page_mut(page)[start as usize..end as usize].fill(0);
            }
        }
    }

    fn page_mut(&mut self, page: u64) -> &mut [u8; PAGE_SIZE] {
        let page = self
            .pages
            .entry(page)
            .or_insert_with(|| Arc::new(Page::new(&[0; PAGE_SIZE])));
        let page = Arc::make_mut(page);
        page.hash.take();
        &mut page.bytes
    }

    fn place(&mut self, mut from: u64, mut to: u64) {
        if self
            .placed
            .iter()
            .any(|(start, end)| *start <= from && to <= *end)
        {
            return;
        }
        self.placed.retain(|(start, end)| {
            let apart = *end < from || to < *start;
            if !apart {
                from = from.min(*start);
                to = to.max(*end);
            }
            apart
        });
        self.placed.push((from, to));
    }
}

/// Splits `len` bytes at `position` at page boundaries. Each piece has its page, the place in the
/// page, and the place in the bytes.
fn pieces(position: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let start = done;
        let position = position + start as u64;
        let at = usize::try_from(position % PAGE).unwrap_or(0);
        done = len.min(start + PAGE_SIZE - at);
        (start < len).then_some((position / PAGE, at, start..done))
    })
}

/// Written bytes. Zeros take no memory.
#[derive(Clone)]
pub(super) enum Data {
    Zeros(u64),
    Bytes(Arc<[u8]>),
}

impl Data {
    pub(super) fn new(bytes: &[u8]) -> Data {
        if bytes.iter().all(|byte| *byte == 0) {
            Data::Zeros(bytes.len() as u64)
        } else {
            Data::Bytes(Arc::from(bytes))
        }
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Data::Zeros(len) => *len,
            Data::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 24;
        match self {
            Data::Zeros(len) => write!(f, "{len} zeros"),
            Data::Bytes(bytes) => {
                write!(f, "{} bytes ", bytes.len())?;
                bytes
                    .iter()
                    .take(SHOWN)
                    .try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str(if bytes.len() > SHOWN { ".." } else { "" })
            }
        }
    }
}
