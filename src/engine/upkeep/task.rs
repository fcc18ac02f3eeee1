use std::collections::VecDeque;
use std::sync::Arc;

use super::key_run_build::KeyRunBuild;
use super::sealing::Sealing;
use crate::segment::{AbsentIndex, Active, Growth};

/// Work to be done in the background.
#[derive(Debug)]
pub(super) enum Task {
    /// Make the space of a new segment ready to be stored to. Urgent.
    Populate(Arc<Active>),
    /// Reserve more space for a segment. Urgent.
    Grow(Arc<Active>, Growth),
    /// Prepare the file of the next segment. Urgent.
    PrepareNext,
    /// Sync and seal a segment that was left behind. Takes several slices.
    Seal(Box<Sealing>),
    /// Apply the retention policy.
    Retain,
    /// Make the spare.
    SetSpaceAside,
    /// Find a segment without its index, below this base offset.
    FindIndex(u64),
    /// Build the index of a segment. Takes several slices.
    BuildIndex(Box<AbsentIndex>),
    /// Find out which key run can be made next.
    FindKeyRun,
    /// Make a key run. Takes several slices.
    BuildKeyRun(Box<KeyRunBuild>),
}

impl Task {
    /// Whether somebody may soon have to wait for this task.
    pub(super) fn is_urgent(&self) -> bool {
        matches!(self, Task::Populate(_) | Task::Grow(..) | Task::PrepareNext)
    }

    /// Whether it makes indexes, or key runs from them.
    fn makes_indexes(&self) -> bool {
        matches!(
            self,
            Task::FindIndex(_) | Task::BuildIndex(_) | Task::FindKeyRun | Task::BuildKeyRun(_)
        )
    }

    /// Whether a slice of it has been done.
    pub(super) fn is_begun(&self) -> bool {
        match self {
            Task::Seal(sealing) => sealing.is_begun(),
            Task::BuildIndex(_) | Task::BuildKeyRun(_) => true,
            _ => false,
        }
    }
}

/// The tasks of one log.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    urgent: VecDeque<Task>,
    ordinary: VecDeque<Task>,
}

impl Tasks {
    /// Adds a task behind those of its kind. A task that was begun goes in front of them.
    pub(super) fn push(&mut self, task: Task) {
        if task.is_urgent() {
            self.urgent.push_back(task);
        } else if task.is_begun() {
            self.ordinary.push_front(task);
        } else {
            self.ordinary.push_back(task);
        }
    }

    /// The next urgent task if `is_urgent`, or else the next other one.
    pub(super) fn pop(&mut self, is_urgent: bool) -> Option<Task> {
        if is_urgent {
            self.urgent.pop_front()
        } else {
            self.ordinary.pop_front()
        }
    }

    /// All of them.
    pub(super) fn into_all(self) -> impl Iterator<Item = Task> {
        self.urgent.into_iter().chain(self.ordinary)
    }

    /// Drops the tasks for segments that no longer belong to the log: each would keep the space of
    /// its segment.
    pub(super) fn retain(&mut self, is_there: impl Fn(&Arc<Active>) -> bool) {
        let is_due = |task: &Task| match task {
            Task::Populate(active) | Task::Grow(active, _) => is_there(active),
            Task::Seal(sealing) => is_there(sealing.left()),
            _ => true,
        };
        self.urgent.retain(is_due);
        self.ordinary.retain(is_due);
    }

    /// How many segments wait to be sealed.
    pub(super) fn seals(&self) -> usize {
        let is_seal = |task: &&Task| matches!(task, Task::Seal(_));
        self.ordinary.iter().filter(is_seal).count()
    }

    /// Whether key runs are being made, or the indexes that they are made from.
    pub(super) fn has_key_run(&self) -> bool {
        self.ordinary.iter().any(Task::makes_indexes)
    }

    /// Takes the next task that makes indexes or key runs.
    pub(super) fn take_index_task(&mut self) -> Option<Task> {
        let at = self.ordinary.iter().position(Task::makes_indexes)?;
        self.ordinary.remove(at)
    }
}
