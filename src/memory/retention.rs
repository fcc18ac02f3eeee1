//! What a retention policy removes from a log in memory.

use super::handle::{MemoryLog, size};
use super::state::State;
use crate::log::{Aging, Allowed, FirstYoung, Horizon, Moment};
use crate::{Result, Trimmed};

impl MemoryLog {
    /// Applies the retention policy if it is time to look, and there may be something to remove.
    pub(super) fn keep_up(&self) -> Result<()> {
        if !self.retention.is_limited() {
            return Ok(());
        }
        let now = self.clock.monotonic();
        {
            let mut next_look = self.next_look.lock();
            if now < *next_look {
                return Ok(());
            }
            *next_look = now.checked_add(Aging::period(&self.retention)).unwrap_or(now);
        }
        let next_offset = self.state_as_is()?.next_offset();
        let is_due = {
            let mut aging = self.aging.lock();
            aging.note(&self.retention, now, next_offset);
            if self.floor.take_raised() || self.retention.is_overrun(&self.floor, next_offset) {
                aging.look_again();
            }
            aging.is_due(&self.retention, now, next_offset)
        };
        if is_due {
            self.change(|state| self.retain(state))?;
        }
        Ok(())
    }

    /// Applies the retention policy unasked: no more comes due by age than time has passed.
    pub(super) fn retain(&self, state: &mut State) -> Result<()> {
        state.size_since = 0;
        let now = Moment::of(&*self.clock);
        let mut cut = state.cut_by_count_and_bytes(&self.retention, size)?;
        let mut aging = self.aging.lock();
        aging.note(&self.retention, now.monotonic, state.next_offset());
        if let Some(age) = self.retention.age
            && aging.is_age_due(now.monotonic)
        {
            let horizon = aging.horizon(&now, age, self.retention.by_event_time);
            let young = aging.limited(state.first_young(&horizon), now.monotonic, age);
            cut = cut.max(young.offset);
            aging.passed(&now, age, &horizon, &FirstYoung { offset: cut, ..young });
        }
        aging.applied(state.next_offset());
        drop(aging);
        let _pass = self.floor.begin_pass();
        let cut = self.allowed(cut, state);
        self.trim_to(state, cut);
        Ok(())
    }

    /// Trims to where the policy says.
    pub(super) fn trim_to(&self, state: &mut State, cut: Allowed) -> Trimmed {
        let trimmed = state.trim(cut.before, size);
        if cut.is_overrun && trimmed.count > 0 {
            self.floor.note_overrun(cut.before);
        }
        trimmed
    }

    /// What the policy does not keep, less what somebody has yet to read, if it keeps that.
    fn allowed(&self, before: u64, state: &State) -> Allowed {
        self.retention.allowed(&self.floor, before, state.next_offset())
    }

    /// The first offset that the policy keeps by the clock as it is.
    pub(super) fn retention_cut(&self, state: &State) -> Result<Allowed> {
        let cut = state.cut_by_count_and_bytes(&self.retention, size)?;
        let Some(age) = self.retention.age else {
            return Ok(self.allowed(cut, state));
        };
        let now = Moment::of(&*self.clock);
        let horizon = Horizon::at(now.wall, age, self.retention.by_event_time);
        let mut aging = self.aging.lock();
        aging.note(&self.retention, now.monotonic, state.next_offset());
        let proven = aging.proven(now.monotonic, age);
        let cut = cut.max(state.first_young(&horizon).offset).max(proven);
        Ok(self.allowed(cut, state))
    }
}
