use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::absent_indexes;
use super::key_runs::KeyRuns;
use super::pace::Pace;
use super::sealing::Sealing;
use super::task::{Task, Tasks};
use crate::engine::append::{Append, Due, SpaceAhead};
use crate::engine::remove::{Remove, Space};
use crate::engine::segments::Segments;
use crate::scheduler::{Lane, Member, Scheduler, Turn, Worker};
use crate::segment::{Active, Seal, Way};
use crate::{Event, Job, Options, Result};

/// How many segments may wait to be sealed before publishers must seal their own. Each segment that
/// waits has a descriptor and a mapping, and keeps its unused space.
const SEALS_WAITING_MAX: usize = 8;

/// How long a publisher who finds no space waits for work that is under way.
const SPACE_WAIT_MAX: Duration = Duration::from_millis(500);

/// The work ahead of publishers and behind them. It is done in the background or, if there is no
/// such thread, by the publisher who finds that it is due.
#[derive(Debug)]
pub(crate) struct Upkeep {
    pub(super) segments: Arc<Segments>,
    pub(super) append: Arc<Append>,
    pub(super) remove: Arc<Remove>,
    pub(super) space: Arc<Space>,
    pub(super) key_runs: KeyRuns,
    pace: Arc<Pace>,
    /// When to look next whether the retention policy has something to remove.
    pub(super) look_at: Mutex<Option<Instant>>,
    pub(super) rollover: u64,
    tasks: Mutex<Tasks>,
    /// Held during a turn, so that closing can wait for it.
    working: Mutex<()>,
    /// This log's membership in the scheduler; none if there is no background, or nothing is
    /// written.
    pub(super) member: OnceLock<Member>,
}

impl Upkeep {
    /// Upkeep in turns that `scheduler` gives, or by publishers if there is no scheduler.
    pub(crate) fn new(
        segments: &Arc<Segments>,
        append: &Arc<Append>,
        remove: &Arc<Remove>,
        space: &Arc<Space>,
        options: &Options,
        scheduler: Option<&Scheduler>,
    ) -> Arc<Upkeep> {
        let upkeep = Arc::new(Upkeep {
            segments: Arc::clone(segments),
            append: Arc::clone(append),
            remove: Arc::clone(remove),
            space: Arc::clone(space),
            key_runs: KeyRuns::default(),
            pace: Pace::new(append, segments, options, scheduler),
            look_at: Mutex::new(None),
            rollover: options.rollover,
            tasks: Mutex::default(),
            working: Mutex::new(()),
            member: OnceLock::new(),
        });
        if let Some(scheduler) = scheduler {
            let weak = Arc::downgrade(&upkeep);
            let worker: Weak<dyn Worker> = weak;
            let directory = &segments.directory;
            // If it cannot be told, the log shares a thread with others of which it cannot be told.
            let file_system = directory.dir.file_system().unwrap_or(0);
            upkeep
                .member
                .get_or_init(|| scheduler.join(Lane::FileSystem(file_system), worker));
        }
        upkeep
    }

    /// Does what is due, or leaves it to the background.
    ///
    /// Fails if a segment had to be sealed here, because too many wait for that or there is no
    /// thread, and its sync failed.
    #[cold]
    pub(crate) fn act(&self, due: Due) -> Result<()> {
        let Due {
            begun,
            left_behind,
            space,
        } = due;
        match space {
            // If there is no thread, the publisher that needs the space reserves it.
            Some(SpaceAhead::Grow(active, growth)) => drop(self.ask(Task::Grow(active, growth))),
            Some(SpaceAhead::NextSegment) => drop(self.ask(Task::PrepareNext)),
            None => {}
        }
        let is_begun = begun.is_some();
        if is_begun {
            self.segments.show();
        }
        if let (Some(begun), Some(_)) = (&begun, &left_behind) {
            let base = begun.header.base;
            self.segments.teller.note(|| Event::RolledOver { base });
        }
        if let Some(begun) = begun
            && self.append.frontiers().usual_way() == Way::Mapping
        {
            self.ask(Task::Populate(begun));
        }
        if let Some((left, seal)) = left_behind {
            let is_crowded = self.tasks.lock().seals() >= SEALS_WAITING_MAX;
            if is_crowded || !self.ask_to_seal(&left, seal) {
                self.seal_here(&left, seal)?;
            }
        }
        if is_begun { self.after_rollover() } else { Ok(()) }
    }

    /// Asks the background to sync and seal a segment that was left behind. False if there is no
    /// thread for it.
    pub(crate) fn ask_to_seal(&self, left: &Arc<Active>, seal: Seal) -> bool {
        self.ask(Task::Seal(Box::new(Sealing::new(Arc::clone(left), seal))))
    }

    pub(super) fn seal_here(&self, left: &Arc<Active>, seal: Seal) -> Result<()> {
        let directory = &self.segments.directory;
        if self.segments.has_active(left) {
            directory.health.poison_on_error(left.sync(directory))?;
        }
        self.append.note_synced(left);
        self.seal_synced(left, seal);
        Ok(())
    }

    /// Seals a segment that is on stable storage, here and now. A failure is no loss: the next open
    /// seals the segment.
    fn seal_synced(&self, left: &Arc<Active>, seal: Seal) {
        let sealing = Sealing::of_synced(Arc::clone(left), seal);
        let sealed = sealing.finish(&self.append, &self.segments, &self.space);
        self.note_failure(Job::Seal, sealed);
    }

    /// Writes, for closing, the indexes of the last segment, if it is given, and of those that are
    /// not sealed yet.
    pub(crate) fn seal_all(&self, last: Option<(&Arc<Active>, Seal)>) {
        if let Some((active, seal)) = last {
            self.seal_synced(active, seal);
        }
        for (left, seal) in self.segments.unsealed() {
            self.seal_synced(&left, seal);
        }
    }

    /// Does what is due after a segment was begun, or has it done. If something fails now, the next
    /// rollover tries again.
    ///
    /// Fails if a sync failed here, which has poisoned the log: the caller would not learn why.
    fn after_rollover(&self) -> Result<()> {
        if self.member.get().is_none() {
            return self.keep_up_here();
        }
        let is_retained_here = self.remove.policy.is_limited() && !self.ask(Task::Retain);
        if !self.space.has_spare() && self.segments.list().segments.len() > 1 {
            self.ask(Task::SetSpaceAside);
        }
        if is_retained_here {
            self.retain();
            self.segments.directory.health.check_not_poisoned()?;
        }
        Ok(())
    }

    /// Where there is no background: everything that is due, unless another publisher is at it or
    /// the log is being closed. Fails as [`after_rollover`](Upkeep::after_rollover) does.
    fn keep_up_here(&self) -> Result<()> {
        let health = &self.segments.directory.health;
        let Some(_turn) = self.working.try_lock() else {
            return Ok(());
        };
        if health.check_writable().is_err() {
            return Ok(());
        }
        if self.remove.policy.is_limited() {
            self.retain();
        }
        if !self.space.has_spare() && self.segments.list().segments.len() > 1 {
            self.set_space_aside();
        }
        self.make_all_key_runs();
        health.check_not_poisoned()
    }

    /// Has the indexes built that sealed segments lack, and then the key runs made. Where there is
    /// no background, readers build indexes when they need them.
    pub(crate) fn make_indexes(&self) {
        let health = &self.segments.directory.health;
        let is_asked = self.member.get().is_some()
            && !health.is_read_only()
            && absent_indexes::may_lack_one(&self.segments)
            && self.ask(Task::FindIndex(u64::MAX));
        if !is_asked {
            self.make_key_runs();
        }
    }

    /// Does here, in slices, what [`make_indexes`](Upkeep::make_indexes) leaves to the background,
    /// and returns when nothing of it is left. Between two slices, others do their work, and
    /// closing the log ends it.
    pub(crate) fn make_indexes_here(&self) -> Result<()> {
        let mut whole = Some(Task::FindIndex(u64::MAX));
        loop {
            let _turn = self.working.lock();
            // What the background has begun is gone on with, and not begun again.
            let begun = self.tasks.lock().take_index_task();
            let Some(task) = begun.or_else(|| whole.take()) else {
                return Ok(());
            };
            if let Err(closed) = self.segments.directory.health.check_writable() {
                self.discard(task);
                return Err(closed);
            }
            if let Some(rest) = self.work_on(task) {
                self.put_back(rest);
            }
        }
    }

    /// Puts the rest of a task back, so that others see that it is under way. It gets a turn, as
    /// each task has one; where there is no thread, the caller does it.
    fn put_back(&self, rest: Task) {
        let mut tasks = self.tasks.lock();
        self.ask_for_turn(&rest);
        tasks.push(rest);
    }

    /// Has the key runs made that there are segments for, one after the other. Where there is no
    /// background they are made at once.
    pub(crate) fn make_key_runs(&self) {
        if self.segments.directory.health.is_read_only() || !KeyRuns::may_lack_one(&self.segments) {
            return;
        }
        if self.member.get().is_none() {
            if let Some(_turn) = self.working.try_lock() {
                self.make_all_key_runs();
            }
        } else if !self.tasks.lock().has_key_run() {
            self.ask(Task::FindKeyRun);
        }
    }

    fn make_all_key_runs(&self) {
        if self.tasks.lock().has_key_run() || !KeyRuns::may_lack_one(&self.segments) {
            return;
        }
        let mut next = self.find_key_run();
        while let Some(task) = next {
            next = self.work_on(task);
        }
    }

    /// Has everything published synced when a paced durability mode says so. `backlog` is what is
    /// not synced, in bytes.
    #[inline]
    pub(crate) fn pace(&self, backlog: u64) {
        self.pace.keep(backlog, self.member.get());
    }

    /// Drops the tasks for segments that were removed, and shows what is left.
    pub(crate) fn forget_removed(&self) {
        self.segments.show();
        self.tasks
            .lock()
            .retain(|active| self.segments.has_active(active));
    }

    /// Waits, but not for long, until the work that is under way has given back the space that it
    /// takes in advance.
    pub(crate) fn wait_for_space(&self) {
        drop(self.working.try_lock_for(SPACE_WAIT_MAX));
    }

    /// Waits until no work is under way, and drops all tasks. For closing, when no more work is
    /// accepted.
    pub(crate) fn stop(&self) {
        let _not_while_working = self.working.lock();
        let tasks = std::mem::take(&mut *self.tasks.lock());
        tasks.into_all().for_each(|task| self.discard(task));
    }

    fn discard(&self, task: Task) {
        if let Task::BuildKeyRun(build) = task {
            build.discard(&self.segments);
        }
    }

    /// Adds a task. False if there is no thread to do it.
    pub(super) fn ask(&self, task: Task) -> bool {
        let mut tasks = self.tasks.lock();
        // Under the lock: the turn finds the task.
        let is_taken = self.ask_for_turn(&task);
        if is_taken {
            tasks.push(task);
        }
        is_taken
    }

    /// Asks for the turn in which a task is to be done. False if there is no thread to do it.
    fn ask_for_turn(&self, task: &Task) -> bool {
        self.member.get().is_some_and(|member| {
            if task.is_urgent() {
                member.ask(Turn::Urgent)
            } else if task.is_begun() {
                member.ask_to_resume()
            } else {
                member.ask(Turn::Ordinary)
            }
        })
    }
}

impl Worker for Upkeep {
    fn turn(&self, kind: Turn) {
        let _closing_waits = self.working.lock();
        let is_writable = self.segments.directory.health.check_writable().is_ok();
        match kind {
            // The time for a sync may have come, or that for a look at what is old.
            Turn::Timed => {
                if is_writable {
                    self.pace.sync_if_asked();
                }
                if is_writable {
                    self.look_for_old();
                }
            }
            Turn::Urgent | Turn::Ordinary => {
                let task = self.tasks.lock().pop(kind == Turn::Urgent);
                if let Some(task) = task.filter(|_| is_writable)
                    && let Some(rest) = self.work_on(task)
                {
                    self.ask(rest);
                }
            }
        }
    }
}
