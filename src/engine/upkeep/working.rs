//! The slices of work that upkeep does in its turns.

use super::absent_indexes::{self, Found};
use super::background::Upkeep;
use super::key_run_build::KeyRunBuild;
use super::key_runs::{self, KeyRuns};
use super::progress::Progress;
use super::task::Task;
use crate::segment::{AbsentIndex, FirstReserve, Prepared, capacity_for};
use crate::{Job, Result};

/// How much space is reserved, at most, for a segment that is prepared ahead.
const NEXT_RESERVE_MAX: u64 = 8 << 20;

impl Upkeep {
    /// Has it told if work has failed.
    pub(super) fn note_failure<T>(&self, job: Job, result: Result<T>) -> Option<T> {
        self.segments.teller.note_failure(job, result)
    }

    /// Does a slice of a task; returns the task if there is more of it to do, or the task that
    /// follows it.
    pub(super) fn work_on(&self, task: Task) -> Option<Task> {
        match task {
            Task::Populate(active) => active.populate(),
            Task::Grow(active, growth) => {
                // If there is no space, the publisher who needs it gets the error, too.
                if let Some(_lease) = self.space.lease() {
                    self.note_failure(Job::Space, active.reserve(growth));
                }
                active.growth_done();
            }
            Task::PrepareNext => self.prepare_next(),
            Task::Seal(mut sealing) => {
                match sealing.resume(&self.append, &self.segments, &self.space) {
                    Ok(Progress::More) => return Some(Task::Seal(sealing)),
                    Ok(Progress::Done) => self.make_key_runs(),
                    // A failed sync has poisoned the log. Any other failure is no loss: closing, or
                    // the next open, tries again.
                    Err(error) => self.segments.teller.failed(Job::Seal, &error),
                }
            }
            Task::Retain => self.retain(),
            Task::SetSpaceAside => self.set_space_aside(),
            Task::FindIndex(below) => return self.find_index(below),
            Task::BuildIndex(absent) => return Some(self.build_index(absent)),
            Task::FindKeyRun => return self.find_key_run(),
            Task::BuildKeyRun(build) => return self.build_key_run(build),
        }
        None
    }

    /// Prepares the file of the next segment.
    fn prepare_next(&self) {
        let capacity = capacity_for(self.rollover, 0);
        let directory = &self.segments.directory;
        let mut ready = self.append.prepared();
        if ready.is_none()
            && let Some(_lease) = self.space.lease()
        {
            let reserve = FirstReserve::exactly(capacity.min(NEXT_RESERVE_MAX));
            let prepared = Prepared::create(directory, capacity, reserve);
            let prepared = prepared.and_then(|prepared| prepared.synced(directory));
            *ready = self.note_failure(Job::Space, prepared);
        }
    }

    /// Makes the spare. Without it, everything works as long as the disk is not full.
    pub(super) fn set_space_aside(&self) {
        // A removal may need that very space.
        let Some(removal) = self.remove.try_hold() else {
            return;
        };
        let was_short = self.note_failure(Job::Space, self.space.set_aside());
        drop(removal);
        if was_short == Some(true) {
            for (left, seal) in self.segments.unsealed() {
                // Another publisher may have left it behind just now, and not synced it yet. If the
                // sync fails, the log is poisoned.
                if !self.ask_to_seal(&left, seal) {
                    self.note_failure(Job::Seal, self.seal_here(&left, seal));
                }
            }
        }
    }

    fn find_index(&self, below: u64) -> Option<Task> {
        match absent_indexes::find(&self.segments, below) {
            Found::Absent(absent) => Some(Task::BuildIndex(absent)),
            Found::NoneAbove(base) => Some(Task::FindIndex(base)),
            Found::Nothing => KeyRuns::may_lack_one(&self.segments).then_some(Task::FindKeyRun),
        }
    }

    fn build_index(&self, absent: Box<AbsentIndex>) -> Task {
        let base = absent.sealed().base();
        if let Some(absent) = absent_indexes::resume(absent, &self.segments, &self.space) {
            return Task::BuildIndex(absent);
        }
        self.segments.show();
        Task::FindIndex(base)
    }

    pub(super) fn find_key_run(&self) -> Option<Task> {
        let build = self.key_runs.next(&self.segments, &self.space)?;
        Some(Task::BuildKeyRun(Box::new(build)))
    }

    fn build_key_run(&self, mut build: Box<KeyRunBuild>) -> Option<Task> {
        if self.space.is_short() {
            build.discard(&self.segments);
            return None;
        }
        match build.resume(&self.segments) {
            Ok(Progress::More) => Some(Task::BuildKeyRun(build)),
            Ok(Progress::Done) => {
                key_runs::install(&self.segments, build.into_run());
                Some(Task::FindKeyRun)
            }
            Err(unfit) => {
                build.discard(&self.segments);
                self.key_runs
                    .note(&self.segments, &unfit)
                    .then_some(Task::FindKeyRun)
            }
        }
    }
}
