use crate::Control;
use crate::control::{ControlState, ProducerBatch};

/// What the records of a segment say besides their messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// The latest time, and the time of the last record.
    times: Option<(i64, i64)>,
    /// The control records that this version knows, and their offsets.
    controls: Vec<(u64, Control)>,
    /// The batches that producers have published.
    pub(crate) batches: Vec<ProducerBatch>,
}

impl Told {
    /// Takes a batch that is whole and begins at the offset `first`, with the times of its records.
    pub(super) fn take(
        &mut self,
        first: u64,
        mut times: impl ExactSizeIterator<Item = i64>,
        controls: &mut Vec<(u64, Control)>,
        producer: Option<(u64, u64)>,
    ) {
        let count = times.len();
        let Some(begin) = times.next() else { return };
        let (max, end) = times.fold((begin, begin), |(max, _), time| (time.max(max), time));
        let max = self.times.map_or(max, |(before, _)| before.max(max));
        self.times = Some((max, end));
        self.controls.append(controls);
        if let Some((id, sequence)) = producer {
            self.batches.push(ProducerBatch {
                id,
                sequence,
                first,
                #[expect(clippy::cast_possible_truncation, reason = "a batch header counts them")]
                count: count as u32,
                times: (begin, end),
            });
        }
    }

    pub(super) fn has_controls(&self) -> bool {
        !self.controls.is_empty()
    }

    /// What a log comes to that was in this state in front of these records.
    pub(crate) fn after(&self, mut state: ControlState) -> ControlState {
        if let Some((max, last)) = self.times {
            state.time_max = state.time_max.max(max);
            state.last_time = last;
        }
        for (offset, control) in &self.controls {
            state.note_control(*offset, *control);
        }
        state.has_producers |= !self.batches.is_empty();
        state
    }
}
