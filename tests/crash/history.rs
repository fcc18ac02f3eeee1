use super::workload::Content;

/// What was published to a log, and what was promised about it when.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// By offset.
    pub(crate) messages: Vec<Content>,
    /// Where batches end, and after how many operations of the disk their publish began.
    ends: Vec<(u64, usize)>,
    promises: Vec<Promise>,
}

/// What holds from some number of operations of the disk on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Promise {
    pub(crate) point: usize,
    /// Every message below this offset survives a power cut.
    pub(crate) durable: u64,
    /// Every message below this offset was seen by readers.
    pub(crate) seen: u64,
    pub(crate) epoch: u64,
}

/// What a log may hold when it is opened.
#[derive(Clone, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) messages: &'a [Content],
    /// The next offsets that do not split a batch.
    pub(crate) ends: Vec<u64>,
    pub(crate) promise: Promise,
}

impl History {
    /// A batch whose publish is about to begin.
    pub(crate) fn begin(&mut self, batch: &[Content], point: usize) {
        self.messages.extend_from_slice(batch);
        self.ends.push((self.messages.len() as u64, point));
    }

    /// Takes back the last batch: it was not written.
    pub(crate) fn take_back(&mut self) {
        self.ends.pop();
        self.messages
            .truncate(self.ends.last().map_or(0, |(end, _)| *end) as usize);
    }

    pub(crate) fn promise(&mut self, promise: Promise) {
        self.promises.push(promise);
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
            .collect();
        Expected {
            messages: &self.messages,
            ends,
            promise,
        }
    }

    /// What may be found when the process is killed at `point`: nothing that was seen is lost.
    pub(crate) fn after_kill(&self, point: usize) -> Expected<'_> {
        let mut expected = self.after_power_cut(point);
        expected.promise.durable = expected.promise.seen;
        expected.ends.retain(|end| *end >= expected.promise.seen);
        expected
    }
}

impl Expected<'_> {
    /// The same if exactly the messages below `next` are there.
    pub(crate) fn exactly(&self, next: u64, epoch: u64) -> Expected<'_> {
        let promise = Promise {
            durable: next,
            seen: next,
            epoch,
            ..self.promise
        };
        Expected {
            messages: self.messages,
            ends: vec![next],
            promise,
        }
    }
}
