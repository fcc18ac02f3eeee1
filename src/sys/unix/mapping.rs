use std::io;

use super::Twin;
use super::pages::whole_pages;
use super::system::{self, Held};

/// A shared mapping of a file's first bytes, unmapped when it is dropped.
#[derive(Debug)]
pub(in crate::sys) struct Mapping(Held);

impl Mapping {
    pub(super) fn new(held: Held) -> Mapping {
        Mapping(held)
    }

    #[inline]
    pub(in crate::sys) fn as_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }

    /// Where bytes may be stored, if the mapping is writable.
    #[inline]
    pub(in crate::sys) fn as_mut_ptr(&self) -> *mut u8 {
        self.0.as_mut_ptr()
    }

    /// See [`Map::populate`](crate::sys::Map::populate).
    pub(in crate::sys) fn populate(&self, from: u64, to: u64) {
        if let Some((from, len)) = whole_pages(from, to) {
            system::populate(&self.0, from, len);
        }
    }

    /// See [`Map::let_go`](crate::sys::Map::let_go).
    pub(in crate::sys) fn let_go(&self, from: u64, to: u64) {
        if let Some((from, len)) = whole_pages(from, to) {
            system::let_go(&self.0, from, len);
        }
    }

    /// Syncs the whole pages in this range.
    pub(in crate::sys) fn flush(&self, from: u64, to: u64) -> io::Result<()> {
        match whole_pages(from, to) {
            Some((from, len)) => self.0.flush_range(from, len),
            None => Ok(()),
        }
    }

    /// A second mapping of the same bytes; `None` if the system makes none.
    pub(in crate::sys) fn twin(&self) -> Option<Twin> {
        Twin::of(&self.0)
    }
}
