use std::collections::{BTreeMap, BTreeSet};

use crate::format::{BELL_NAME, FileName};
use crate::sys::Entry;

/// The files of a log that readers use, by one listing of its directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The base offset of each segment, and which file has its name.
    segments: BTreeMap<u64, u64>,
    /// The base offsets of the segments that have index files.
    indexes: BTreeSet<u64>,
    key_runs: Vec<String>,
    /// Which file is the writer's bell.
    bell: Option<u64>,
}

impl Listing {
    pub(crate) fn of(entries: Vec<Entry>) -> Listing {
        let mut listing = Listing::default();
        for Entry { name, inode } in entries {
            if name == BELL_NAME {
                listing.bell = Some(inode);
            }
            match FileName::parse(&name) {
                Some(FileName::Segment(base)) => {
                    listing.segments.insert(base, inode);
                }
                Some(FileName::Index(base)) => {
                    listing.indexes.insert(base);
                }
                Some(FileName::Keys { .. }) => listing.key_runs.push(name),
                _ => {}
            }
        }
        listing.key_runs.sort_unstable();
        listing
    }

    /// The base offsets of the segment files, ascending.
    pub(crate) fn bases(&self) -> Vec<u64> {
        self.segments.keys().copied().collect()
    }

    pub(crate) fn key_runs(&self) -> &[String] {
        &self.key_runs
    }

    /// Whether the segment with this base offset is the same file in both listings.
    pub(super) fn has_same(&self, base: u64, other: &Listing) -> bool {
        let file = self.segments.get(&base);
        file.is_some() && file == other.segments.get(&base)
    }

    pub(super) fn has_bell(&self) -> bool {
        self.bell.is_some()
    }

    /// Whether both have the same bell, if any.
    pub(super) fn has_same_bell(&self, other: &Listing) -> bool {
        self.bell == other.bell
    }

    pub(super) fn has_index(&self, base: u64) -> bool {
        self.indexes.contains(&base)
    }
}
