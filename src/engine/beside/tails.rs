use std::collections::VecDeque;
use std::sync::Arc;

use crate::Result;
use crate::control::ControlState;
use crate::format::Meta;
use crate::segment::{Active, Tail};

/// The last segments of a log that somebody else writes to, oldest first: where only durable
/// messages are visible, back to one that proves all before it to be durable.
#[derive(Debug, Default)]
pub(crate) struct Tails {
    pub(super) all: VecDeque<Tail>,
    /// How many of them are shown.
    pub(super) shown: usize,
}

impl Tails {
    pub(crate) fn of(tails: Vec<Tail>) -> Tails {
        Tails {
            all: tails.into(),
            shown: 0,
        }
    }

    /// Reads what was written since the last call.
    pub(super) fn read_on(&mut self, hash_keys: bool) -> Result<()> {
        self.all.iter_mut().try_for_each(|tail| tail.read_on(hash_keys))
    }

    /// Shows readers all that was read. If `durable_from` is an offset, shows only what is proven
    /// to be durable, and what lies below that offset.
    pub(crate) fn show(&mut self, durable_from: Option<u64>) {
        let Some(floor) = durable_from else {
            self.all.iter_mut().for_each(Tail::show_all);
            self.shown = self.all.len();
            return;
        };
        let proven = self.all.iter().rposition(Tail::proves_those_before);
        let proven = proven.unwrap_or(0);
        let mut shown = 0;
        for (at, tail) in self.all.iter_mut().enumerate() {
            if at > proven && tail.base() >= floor {
                break;
            }
            shown = at + 1;
            if at < proven {
                tail.show_all();
            } else {
                tail.show_durable(floor);
            }
        }
        self.shown = self.shown.max(shown);
    }

    /// The segments that are shown, oldest first.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &Arc<Active>> {
        self.all.iter().take(self.shown).map(|tail| &tail.active)
    }

    /// The offset behind what is shown; `None` if nothing is.
    pub(crate) fn end_offset(&self) -> Option<u64> {
        let last = self.shown().last()?;
        Some(last.header.base + u64::from(last.visible().count))
    }

    /// What the log has come to behind all that is shown.
    pub(super) fn control(&self) -> Option<ControlState> {
        let last = self.shown.checked_sub(1)?;
        self.all.get(last).map(Tail::control)
    }

    /// What the log with this metadata has come to up to the offset `end`, which is shown.
    pub(crate) fn control_in(&self, meta: &Meta, end: u64) -> ControlState {
        let told = self.control();
        told.map_or(meta.control.1, |told| meta.control_at(end, told))
    }

    /// The offset below which everything is proven to be durable, if anything is.
    pub(crate) fn durable_offset(&self) -> Option<u64> {
        let proven = self.all.iter().rfind(|tail| tail.proves_those_before())?;
        Some(proven.durable_offset())
    }
}
