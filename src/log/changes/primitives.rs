//! What `eventcount` is built from. `tests/notifier` puts others in its place, under which every order is tried.

pub(super) use std::sync::atomic::{AtomicBool, Ordering, fence};

pub(super) use parking_lot::{Condvar, Mutex};
