//! L2: turns in the background, for several logs on one thread a lane.
//!
//! The scheduler knows nothing of what there is to do. A log asks for a turn, and when its turn
//! comes it does a slice of its own work, at most a few milliseconds long. Urgent turns come first,
//! then those whose time has come, the earliest first, then the others in the order in which they
//! were asked for. None of these keeps another waiting for ever: see [`queue::State::next`]. So
//! long work of one log keeps neither the urgent work of another waiting nor its syncs, and when a
//! log is gone nothing of it stays behind.
//!
//! The logs of one file system share a [`Lane`]. A disk that hangs takes the thread of its lane
//! with it, and no other.
//!
//! A publisher can do everything that is done in the background: the thread only saves it the wait.

mod lanes;
mod queue;
#[cfg(test)]
mod tests;
mod untold;

pub(crate) use lanes::{Lane, Member, Scheduler};
pub(crate) use queue::{Turn, Worker};
pub(crate) use untold::Untold;
