use std::collections::BTreeMap;

/// Ranges of offsets that touch none of each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds one offset.
    pub(super) fn insert(&mut self, offset: u64) {
        self.add(offset, offset.saturating_add(1));
    }

    /// Adds the offsets from `start` up to `end` (exclusive).
    pub(super) fn add(&mut self, mut start: u64, mut end: u64) {
        if start >= end {
            return;
        }
        if let Some((&before, &its_end)) = self.0.range(..=start).next_back()
            && its_end >= start
        {
            (start, end) = (before, end.max(its_end));
        }
        while let Some((&after, &its_end)) = self.0.range(start..=end).next() {
            self.0.remove(&after);
            end = end.max(its_end);
        }
        self.0.insert(start, end);
    }

    pub(super) fn contains(&self, offset: u64) -> bool {
        let before = self.0.range(..=offset).next_back();
        before.is_some_and(|(_, end)| offset < *end)
    }

    /// The end of the range that has `offset`, or `offset` if none has.
    pub(super) fn end_from(&self, offset: u64) -> u64 {
        let before = self.0.range(..=offset).next_back();
        before.map_or(offset, |(_, end)| offset.max(*end))
    }

    /// Forgets what is below `offset`.
    pub(super) fn forget_below(&mut self, offset: u64) {
        while let Some(first) = self.0.first_entry().filter(|first| *first.key() < offset) {
            let end = first.remove();
            if end > offset {
                self.0.insert(offset, end);
            }
        }
    }

    /// Forgets what is at `offset` and above.
    pub(super) fn forget_from(&mut self, offset: u64) {
        self.0.split_off(&offset);
        if let Some(mut last) = self.0.last_entry() {
            let end = (*last.get()).min(offset);
            last.insert(end);
        }
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.0.iter().map(|(start, end)| (*start, *end))
    }

    /// The end of the last range, 0 if there is none.
    pub(super) fn end(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(_, end)| *end)
    }
}
