//! Logs on a disk, as processes use it: locks, kills, limits of the system, what is mapped, many segments.

#[path = "../common/mod.rs"]
mod common;

mod above;
mod beside;
mod cold;
mod copy_targets;
#[cfg(feature = "fault")]
mod faults;
mod gc;
mod kill;
mod killed_controls;
mod killed_stores;
mod limits;
mod locks;
mod many_segments;
mod mapped;
mod mount;
mod owner;
mod paced;
mod path_changes;
mod producers;
mod smoke;
mod written;
