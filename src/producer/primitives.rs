//! The synchronization primitives of `queue` and `outcome`. `tests/live/producer/models` replaces
//! this file with primitives that try every order of steps.

pub(super) use crate::sys::{Condvar, Mutex};
pub(super) use crate::{Changes, Watch};
