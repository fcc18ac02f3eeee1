use super::walk::Entry;
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
    /// Takes a batch that is whole.
    pub(super) fn take(
        &mut self,
        entries: &[Entry],
        controls: &mut Vec<(u64, Control)>,
        producer: Option<(u64, u64)>,
    ) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return;
        };
        let max = entries.iter().fold(i64::MIN, |max, entry| max.max(entry.time));
        let max = self.times.map_or(max, |(before, _)| before.max(max));
        self.times = Some((max, last.time));
        self.controls.append(controls);
        if let Some((id, sequence)) = producer {
            self.batches.push(ProducerBatch {
                id,
                sequence,
                first: first.offset,
                #[expect(clippy::cast_possible_truncation, reason = "a batch header counts them")]
                count: entries.len() as u32,
                times: (first.time, last.time),
            });
        }
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
