//! Applying the retention policy at open and by time.

use std::time::Instant;

use super::background::Upkeep;
use super::task::Task;
use crate::Job;
use crate::log::Aging;

impl Upkeep {
    /// Applies the retention policy for the first time since the log was opened, and from now on by
    /// time. Where there is no background it is applied here, and not by time.
    pub(crate) fn begin_retention(&self) {
        if !self.remove.policy.is_limited() || self.segments.directory.health.is_read_only() {
            return;
        }
        if self.ask(Task::Retain) {
            self.look_later();
        } else {
            self.retain();
        }
    }

    /// Asks for the turn in which retention is looked at next.
    fn look_later(&self) {
        let time = Instant::now().checked_add(Aging::period(&self.remove.policy));
        if let (Some(time), Some(member)) = (time, self.member.get()) {
            *self.look_at.lock() = Some(time);
            member.ask_at(time);
        }
    }

    /// Has the retention policy applied if its time has come.
    pub(super) fn look_for_old(&self) {
        let is_time = |time: &Instant| *time <= Instant::now();
        if !self.look_at.lock().as_ref().is_some_and(is_time) {
            return;
        }
        if self.remove.is_retention_due() {
            self.ask(Task::Retain);
        }
        self.look_later();
    }

    /// Applies the retention policy, unless a removal is under way. If something fails,
    /// the next time tries again; a failed sync has poisoned the log.
    pub(crate) fn retain(&self) {
        let Some(mut removal) = self.remove.try_hold() else {
            return;
        };
        let teller = &self.segments.teller;
        teller.note_failure(Job::Retention, removal.retain());
        self.forget_removed();
        if let Some(due) = removal.end() {
            teller.note_failure(Job::Seal, self.act(*due));
        }
    }
}
