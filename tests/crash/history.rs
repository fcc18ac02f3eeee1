//! What was done to a log, and from that what may be found of it at any moment.

use std::collections::BTreeSet;
use std::sync::Arc;

use duramen::Control;

use super::content::Content;
use super::marks::{Mark, Marks, State};

/// A message as it was published, by its offset.
pub(crate) type Published = Arc<Content>;

/// What was done to a log, and what was promised about it when.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// By offset.
    pub(crate) messages: Vec<Published>,
    /// Where batches end, and after how many operations of the disk their publish began.
    ends: Vec<(u64, usize)>,
    /// The batches with control records or of producers, and after how many operations they began.
    marks: Vec<(Arc<Mark>, usize)>,
    promises: Vec<Promise>,
    removals: Vec<Removal>,
    pub(crate) copies: Vec<Copy>,
}

/// What holds from some number of operations of the disk on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Promise {
    pub(crate) point: usize,
    /// Every message below this offset survives a power cut, unless it was removed.
    pub(crate) durable: u64,
    /// Every message below this offset was seen by readers.
    pub(crate) seen: u64,
    pub(crate) epoch: u64,
}

/// Messages that were taken out of the log.
#[derive(Clone, Debug)]
struct Removal {
    what: Removed,
    /// After how many operations of the disk it began.
    begun: usize,
    /// After how many it was said to be done.
    done: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) enum Removed {
    /// These, all or none.
    Offsets(BTreeSet<u64>),
    /// All below.
    Before(u64),
}

/// A backup, and what the log held when it was taken.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) begun: usize,
    pub(crate) done: Option<usize>,
    pub(crate) start: u64,
    pub(crate) next: u64,
    pub(crate) epoch: u64,
    pub(crate) offsets: BTreeSet<u64>,
}

/// What a log may hold when it is opened.
#[derive(Clone, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) messages: &'a [Published],
    /// The next offsets that do not split a batch. Where the start offset is above one, that is the next.
    pub(crate) ends: Vec<u64>,
    pub(crate) starts: Vec<u64>,
    /// Offsets whose messages are not there any more.
    pub(crate) gone: BTreeSet<u64>,
    /// Offsets whose messages may be gone: of each set all or none.
    pub(crate) undecided: Vec<BTreeSet<u64>>,
    /// Whether there may be no log at all.
    pub(crate) absent: bool,
    pub(crate) promise: Promise,
    /// The batches with control records or of producers. Those count that lie in front of the end.
    pub(crate) marks: Marks,
    /// Such batches that were lost.
    pub(crate) lost: Marks,
    /// Whether the log was poisoned before it could trim what control records say.
    pub(crate) trims_late: bool,
}

/// What a backup may hold.
#[derive(Clone, Debug)]
pub(crate) struct ExpectedCopy<'a> {
    /// The last that was done; `None` if there may be none.
    pub(crate) old: Option<Expected<'a>>,
    /// Those that were begun since. If there are any, the backup may be known as unfinished.
    pub(crate) new: Vec<Expected<'a>>,
}

impl History {
    /// A batch whose publish is about to begin.
    pub(crate) fn begin(&mut self, batch: &[Content], point: usize) {
        self.messages.extend(batch.iter().cloned().map(Arc::new));
        self.ends.push((self.messages.len() as u64, point));
    }

    /// The same of a batch that ends with control records, or comes from a producer.
    pub(crate) fn begin_marked(
        &mut self,
        batch: &[Content],
        controls: &[Control],
        producer: Option<(u64, u64)>,
        point: usize,
    ) {
        let first = self.next_offset();
        let records: Vec<Content> = batch
            .iter()
            .cloned()
            .chain(controls.iter().map(|_| Content::of_control()))
            .collect();
        self.begin(&records, point);
        let time = |record: Option<&Content>| record.map_or(0, |record| record.time);
        let mark = Mark {
            first,
            end: self.next_offset(),
            controls: controls.to_vec(),
            producer,
            times: (time(records.first()), time(records.last())),
        };
        self.marks.push((Arc::new(mark), point));
    }

    /// What the log has come to, if all batches are there.
    pub(crate) fn state(&self) -> State {
        State::of(&self.all_marks())
    }

    pub(crate) fn all_marks(&self) -> Marks {
        self.marks.iter().map(|(mark, _)| Arc::clone(mark)).collect()
    }

    /// Takes back the last batch: it was not written.
    pub(crate) fn take_back(&mut self) {
        self.ends.pop();
        self.messages
            .truncate(self.ends.last().map_or(0, |(end, _)| *end) as usize);
        let end = self.next_offset();
        self.marks.retain(|(mark, _)| mark.end <= end);
    }

    pub(crate) fn promise(&mut self, promise: Promise) {
        self.promises.push(promise);
    }

    /// Messages that were removed between two points, or may have been since the first.
    pub(crate) fn remove(&mut self, what: Removed, begun: usize, done: Option<usize>) {
        self.removals.push(Removal { what, begun, done });
    }

    pub(crate) fn next_offset(&self) -> u64 {
        self.messages.len() as u64
    }

    /// What may be found after a power cut at `point`.
    pub(crate) fn after_power_cut(&self, point: usize) -> Expected<'_> {
        let mut promise = Promise {
            point,
            ..Promise::default()
        };
        for held in self.promises.iter().filter(|held| held.point <= point) {
            promise.durable = promise.durable.max(held.durable);
            promise.seen = promise.seen.max(held.seen);
            promise.epoch = promise.epoch.max(held.epoch);
        }
        let begun = self
            .ends
            .iter()
            .filter(|(_, begun)| *begun <= point)
            .map(|(end, _)| *end);
        let ends = std::iter::once(0)
            .chain(begun)
            .filter(|end| *end >= promise.durable)
            .collect::<Vec<_>>();
        let mut expected = Expected {
            messages: &self.messages,
            absent: ends.contains(&0),
            ends,
            starts: vec![0],
            gone: BTreeSet::new(),
            undecided: Vec::new(),
            promise,
            marks: self.marks_begun(point),
            lost: Marks::new(),
            trims_late: false,
        };
        for mark in &expected.marks {
            expected.gone.extend(mark.control_offsets());
        }
        for removal in self.removals.iter().filter(|removal| removal.begun <= point) {
            expected.remove(&removal.what, removal.done.is_some_and(|done| done <= point));
        }
        expected
    }

    /// What may be found when the process is killed at `point`: nothing that was seen is lost.
    pub(crate) fn after_kill(&self, point: usize) -> Expected<'_> {
        let mut expected = self.after_power_cut(point);
        expected.promise.durable = expected.promise.seen;
        expected.ends.retain(|end| *end >= expected.promise.seen);
        expected
    }

    /// What may be found of the backup at `point`; `None` if none was begun.
    pub(crate) fn of_copy(&self, point: usize) -> Option<ExpectedCopy<'_>> {
        let begun: Vec<&Copy> = self.copies.iter().filter(|copy| copy.begun <= point).collect();
        let done = begun
            .iter()
            .rposition(|copy| copy.done.is_some_and(|done| done <= point));
        let unfinished = begun.get(done.map_or(0, |done| done + 1)..)?;
        (!begun.is_empty()).then(|| ExpectedCopy {
            old: done.map(|done| self.exactly(begun[done], point)),
            new: unfinished.iter().map(|copy| self.exactly(copy, point)).collect(),
        })
    }

    fn marks_begun(&self, point: usize) -> Marks {
        let begun = self.marks.iter().filter(|(_, begun)| *begun <= point);
        begun.map(|(mark, _)| Arc::clone(mark)).collect()
    }

    fn exactly(&self, copy: &Copy, point: usize) -> Expected<'_> {
        let (marks, lost) = self
            .marks_begun(point)
            .into_iter()
            .partition(|mark| mark.end <= copy.next);
        Expected {
            messages: &self.messages,
            ends: vec![copy.next],
            starts: vec![copy.start],
            gone: (0..copy.next)
                .filter(|offset| !copy.offsets.contains(offset))
                .collect(),
            undecided: Vec::new(),
            absent: false,
            promise: Promise {
                point,
                durable: copy.next,
                seen: copy.next,
                epoch: copy.epoch,
            },
            marks,
            lost,
            trims_late: false,
        }
    }
}

impl Expected<'_> {
    fn remove(&mut self, what: &Removed, done: bool) {
        match what {
            Removed::Before(start) if done => {
                self.starts.retain(|other| other > start);
                self.starts.push(*start);
            }
            Removed::Before(start) => self.starts.push(*start),
            Removed::Offsets(offsets) if done => self.gone.extend(offsets),
            Removed::Offsets(offsets) => self.undecided.push(offsets.clone()),
        }
    }

    /// The same if exactly what was found is there.
    pub(crate) fn exactly(&self, found: &super::examine::Found) -> Expected<'_> {
        let promise = Promise {
            durable: found.next,
            seen: found.next,
            epoch: found.epoch,
            ..self.promise
        };
        Expected {
            messages: self.messages,
            ends: vec![found.next],
            starts: vec![found.start],
            gone: (found.start..found.next)
                .filter(|offset| found.offsets.binary_search(offset).is_err())
                .collect(),
            undecided: Vec::new(),
            absent: false,
            promise,
            marks: self.marks[..found.known].to_vec(),
            lost: self.marks[found.known..].to_vec(),
            trims_late: false,
        }
    }

    /// How many marks there may be in a log with these offsets.
    pub(crate) fn known_at(&self, next: u64, start: u64) -> BTreeSet<usize> {
        let known = |end: u64| self.marks.partition_point(|mark| mark.end <= end);
        let ends = self.ends.iter().filter(|end| (**end).max(start) == next);
        let known: BTreeSet<usize> = ends.map(|end| known(*end)).collect();
        let is_start = |known: &usize| {
            let first = if self.trims_late { 0 } else { *known };
            (first..=*known).any(|known| {
                let trim_to = State::of(&self.marks[..known]).trim_to;
                self.starts.iter().any(|other| (*other).max(trim_to) == start)
            })
        };
        known.into_iter().filter(is_start).collect()
    }

    /// Whether `next` is a next offset that may be found with this start offset.
    pub(crate) fn may_end_at(&self, next: u64, start: u64) -> bool {
        self.ends.iter().any(|end| (*end).max(start) == next)
    }
}
